//! `ip=`: the network, where the repository, the overlay or the modules come over it
//! (the kernel's `Documentation/admin-guide/nfs/nfsroot`, as far as Alpine takes it).

use crate::{Error, programs};
use std::net::Ipv4Addr;
use std::path::Path;

/// What `ip=` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// No network.
    Off,
    /// `dhcp`, on an interface or the first that there is.
    Dhcp(Option<String>),
    /// Given addresses.
    Static {
        /// The own address.
        address: Ipv4Addr,
        /// The network's bits.
        prefix: u32,
        /// The way out.
        gateway: Option<Ipv4Addr>,
        /// The interface, or the first that there is.
        interface: Option<String>,
        /// Name servers.
        servers: Vec<Ipv4Addr>,
    },
}

impl Setting {
    /// Reads `dhcp`, `none`, or `CLIENT:SERVER:GATEWAY:MASK:HOST:INTERFACE:HOW:DNS:DNS`.
    pub fn parse(value: &str) -> Result<Setting, Error> {
        let bad = || Error::BadNetwork(value.to_owned());
        let fields: Vec<&str> = value.split(':').collect();
        let field = |at: usize| fields.get(at).copied().filter(|field| !field.is_empty());
        let how = if fields.len() == 1 {
            field(0)
        } else {
            field(6)
        };
        let address = |at: usize| {
            field(at)
                .map(|text| text.parse::<Ipv4Addr>().map_err(|_| bad()))
                .transpose()
        };
        let interface = field(5).map(str::to_owned);
        match how {
            Some("none" | "off") if fields.len() == 1 => return Ok(Setting::Off),
            Some("dhcp" | "on" | "any") => return Ok(Setting::Dhcp(interface)),
            Some("none" | "off" | "static") | None => {}
            Some(_) => return Err(bad()),
        }
        let own = address(0)?.ok_or_else(bad)?;
        let mask = match address(3)? {
            Some(mask) => mask.to_bits(),
            // The class of the address, as the kernel has it.
            None if own.octets()[0] < 128 => 0xff00_0000,
            None if own.octets()[0] < 192 => 0xffff_0000,
            None => 0xffff_ff00,
        };
        if mask.leading_ones() + mask.trailing_zeros() != 32 {
            return Err(bad());
        }
        let mut servers = Vec::new();
        for at in [7, 8] {
            servers.extend(address(at)?);
        }
        Ok(Setting::Static {
            address: own,
            prefix: mask.leading_ones(),
            gateway: address(2)?,
            interface,
            servers,
        })
    }
}

/// Brings the network up.
pub fn configure(value: &str) -> Result<(), Error> {
    let setting = Setting::parse(value)?;
    let (Setting::Dhcp(wanted)
    | Setting::Static {
        interface: wanted, ..
    }) = &setting
    else {
        return Ok(());
    };
    let interface = match wanted {
        Some(name) => name.clone(),
        None => first(Path::new("/sys/class/net")).ok_or(Error::NoInterface)?,
    };
    programs::call("ip", &["link", "set", "lo", "up"])?;
    programs::call("ip", &["link", "set", &interface, "up"])?;
    match &setting {
        Setting::Static {
            address,
            prefix,
            gateway,
            servers,
            ..
        } => {
            let address = format!("{address}/{prefix}");
            programs::call("ip", &["addr", "add", &address, "dev", &interface])?;
            if let Some(gateway) = gateway {
                let gateway = gateway.to_string();
                programs::call("ip", &["route", "add", "default", "via", &gateway])?;
            }
            let lines: String = servers
                .iter()
                .map(|server| format!("nameserver {server}\n"))
                .collect();
            let path = "/etc/resolv.conf";
            std::fs::write(path, lines).map_err(|e| Error::io("write", path, e))
        }
        _ => programs::call("udhcpc", &["-i", &interface, "-f", "-n", "-q", "-t", "8"]),
    }
}

/// The first interface but the loopback.
fn first(folder: &Path) -> Option<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name != "lo")
        .collect();
    names.sort();
    names.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ip_may_say() {
        assert_eq!(Setting::parse("dhcp").unwrap(), Setting::Dhcp(None));
        assert_eq!(Setting::parse("none").unwrap(), Setting::Off);
        assert_eq!(
            Setting::parse(":::::eth1:dhcp").unwrap(),
            Setting::Dhcp(Some("eth1".into()))
        );
        assert_eq!(
            Setting::parse("10.0.0.2::10.0.0.1:255.255.255.128:h:eth0:none:1.1.1.1:9.9.9.9")
                .unwrap(),
            Setting::Static {
                address: Ipv4Addr::new(10, 0, 0, 2),
                prefix: 25,
                gateway: Some(Ipv4Addr::new(10, 0, 0, 1)),
                interface: Some("eth0".into()),
                servers: vec![Ipv4Addr::new(1, 1, 1, 1), Ipv4Addr::new(9, 9, 9, 9)],
            }
        );
        let Setting::Static { prefix, .. } = Setting::parse("192.168.1.5::").unwrap() else {
            panic!("no address");
        };
        assert_eq!(prefix, 24);
    }

    #[test]
    fn what_it_may_not_say() {
        for bad in [
            "",
            "x",
            "10.0.0.300::",
            "10.0.0.2:::255.0.255.0",
            "::::::bootp",
            ":",
        ] {
            assert!(Setting::parse(bad).is_err(), "{bad:?}");
        }
    }
}
