//! The applets of the group `networking`.

mod arp;
mod hostname;
mod ifconfig;
mod ifupdown;
mod ip;
mod ipcalc;
mod nc;
mod netstat;
mod nslookup;
mod ntpd;
mod ping;
mod route;
mod traceroute;
mod udhcpc;
mod wget;

use crate::applet::{Applet, Folder, applet};

/// This group's table.
#[rustfmt::skip]
pub const APPLETS: &[Applet] = &[
    applet("arp", Folder::Sbin, "show and change whom interfaces know on their links", arp::USAGE, arp::main),
    applet("dnsdomainname", Folder::Bin, "print the host's domain", hostname::DOMAIN_USAGE, hostname::dnsdomainname),
    applet("hostname", Folder::Bin, "print or set the host's name", hostname::USAGE, hostname::main),
    applet("ifconfig", Folder::Sbin, "show and change network interfaces", ifconfig::USAGE, ifconfig::main),
    applet("ifdown", Folder::Sbin, "bring network interfaces down", ifupdown::USAGE, ifupdown::down),
    applet("ifquery", Folder::Sbin, "print how network interfaces are declared", ifupdown::QUERY_USAGE, ifupdown::query),
    applet("ifup", Folder::Sbin, "bring network interfaces up", ifupdown::USAGE, ifupdown::up),
    applet("ip", Folder::Sbin, "show and change interfaces, addresses and routes", ip::USAGE, ip::main),
    applet("ipcalc", Folder::Bin, "work networks out", ipcalc::USAGE, ipcalc::main),
    applet("nc", Folder::UsrBin, "connect to the network, or listen", nc::USAGE, nc::main),
    applet("netstat", Folder::Bin, "list sockets and routes", netstat::USAGE, netstat::main),
    applet("nslookup", Folder::UsrBin, "ask the DNS", nslookup::USAGE, nslookup::main),
    applet("ntpd", Folder::UsrSbin, "set the clock by a time server", ntpd::USAGE, ntpd::main),
    applet("ping", Folder::Bin, "ask hosts for an answer", ping::USAGE, ping::main),
    applet("ping6", Folder::Bin, "ask hosts for an answer over IPv6", ping::USAGE, ping::six),
    applet("route", Folder::Sbin, "show and change routes", route::USAGE, route::main),
    applet("traceroute", Folder::UsrBin, "show which routers packets pass", traceroute::USAGE, traceroute::main),
    applet("traceroute6", Folder::UsrBin, "show which routers packets pass over IPv6", traceroute::USAGE, traceroute::six),
    applet("udhcpc", Folder::Sbin, "get an address from a DHCP server", udhcpc::USAGE, udhcpc::main),
    applet("wget", Folder::UsrBin, "fetch files over HTTP", wget::USAGE, wget::main),
];
