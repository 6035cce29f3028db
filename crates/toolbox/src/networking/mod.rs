//! The applets of the group `networking`.

mod arp;
mod arping;
mod brctl;
mod ether_wake;
mod hostname;
mod ifconfig;
mod ifenslave;
mod ifupdown;
mod ip;
mod ipcalc;
mod nameif;
mod nbd_client;
mod nc;
mod netstat;
mod nslookup;
mod ntpd;
mod ping;
mod pscan;
mod route;
mod slattach;
mod traceroute;
mod tunctl;
mod udhcpc;
mod vconfig;
mod wget;
mod whois;
mod zcip;

use crate::applet::{Applet, Folder, applet};

/// This group's table.
#[rustfmt::skip]
pub const APPLETS: &[Applet] = &[
    applet("arp", Folder::Sbin, "show and change whom interfaces know on their links", arp::USAGE, arp::main),
    applet("arping", Folder::UsrSbin, "ask a link who has an address", arping::USAGE, arping::main),
    applet("brctl", Folder::UsrSbin, "show and change bridges", brctl::USAGE, brctl::main),
    applet("dnsdomainname", Folder::Bin, "print the host's domain", hostname::DOMAIN_USAGE, hostname::dnsdomainname),
    applet("ether-wake", Folder::UsrSbin, "wake a sleeping machine", ether_wake::USAGE, ether_wake::main),
    applet("hostname", Folder::Bin, "print or set the host's name", hostname::USAGE, hostname::main),
    applet("ifconfig", Folder::Sbin, "show and change network interfaces", ifconfig::USAGE, ifconfig::main),
    applet("ifdown", Folder::Sbin, "bring network interfaces down", ifupdown::USAGE, ifupdown::down),
    applet("ifenslave", Folder::Sbin, "add interfaces to a bond", ifenslave::USAGE, ifenslave::main),
    applet("ifquery", Folder::Sbin, "print how network interfaces are declared", ifupdown::QUERY_USAGE, ifupdown::query),
    applet("ifup", Folder::Sbin, "bring network interfaces up", ifupdown::USAGE, ifupdown::up),
    applet("ip", Folder::Sbin, "show and change interfaces, addresses and routes", ip::USAGE, ip::main),
    applet("ipaddr", Folder::Sbin, "show and change addresses", ip::OBJECT_USAGE, ip::named),
    applet("ipcalc", Folder::Bin, "work networks out", ipcalc::USAGE, ipcalc::main),
    applet("iplink", Folder::Sbin, "show and change interfaces", ip::OBJECT_USAGE, ip::named),
    applet("ipneigh", Folder::Sbin, "show and change neighbours", ip::OBJECT_USAGE, ip::named),
    applet("iproute", Folder::Sbin, "show and change routes", ip::OBJECT_USAGE, ip::named),
    applet("iprule", Folder::Sbin, "show and change the rules of routing", ip::OBJECT_USAGE, ip::named),
    applet("iptunnel", Folder::Sbin, "show and change tunnels", ip::OBJECT_USAGE, ip::named),
    applet("nameif", Folder::Sbin, "name interfaces by their hardware", nameif::USAGE, nameif::main),
    applet("nbd-client", Folder::UsrSbin, "use another machine's disk", nbd_client::USAGE, nbd_client::main),
    applet("nc", Folder::UsrBin, "connect to the network, or listen", nc::USAGE, nc::main),
    applet("netstat", Folder::Bin, "list sockets and routes", netstat::USAGE, netstat::main),
    applet("nslookup", Folder::UsrBin, "ask the DNS", nslookup::USAGE, nslookup::main),
    applet("ntpd", Folder::UsrSbin, "set the clock by a time server", ntpd::USAGE, ntpd::main),
    applet("ping", Folder::Bin, "ask hosts for an answer", ping::USAGE, ping::main),
    applet("ping6", Folder::Bin, "ask hosts for an answer over IPv6", ping::USAGE, ping::six),
    applet("pscan", Folder::UsrBin, "scan a host's ports", pscan::USAGE, pscan::main),
    applet("route", Folder::Sbin, "show and change routes", route::USAGE, route::main),
    applet("slattach", Folder::Sbin, "use a serial line as an interface", slattach::USAGE, slattach::main),
    applet("traceroute", Folder::UsrBin, "show which routers packets pass", traceroute::USAGE, traceroute::main),
    applet("traceroute6", Folder::UsrBin, "show which routers packets pass over IPv6", traceroute::USAGE, traceroute::six),
    applet("tunctl", Folder::Sbin, "make and remove tap interfaces", tunctl::USAGE, tunctl::main),
    applet("udhcpc", Folder::Sbin, "get an address from a DHCP server", udhcpc::USAGE, udhcpc::main),
    applet("vconfig", Folder::Sbin, "make and remove VLANs", vconfig::USAGE, vconfig::main),
    applet("wget", Folder::UsrBin, "fetch files over HTTP", wget::USAGE, wget::main),
    applet("whois", Folder::UsrBin, "ask who has a name", whois::USAGE, whois::main),
    applet("zcip", Folder::Sbin, "take an address of the link's own range", zcip::USAGE, zcip::main),
];
