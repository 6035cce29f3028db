//! `nameif`: gives interfaces the names that a table has for their hardware.

use crate::common::lines::{about, other, say, status};
use crate::common::links::{self, Link};
use crate::common::options::{Given, Options};
use crate::common::syslog;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

pub const USAGE: &str = "[-s] [-c FILE] [NAME SELECTOR]...

SELECTOR  [mac=]1:2:3:4:5:6, driver=X, bus=X, phyaddr=N, or several of them with blanks between
-c  the table (/etc/mactab)    -s  log errors, too";

const OPTIONS: Options = Options {
    applet: "nameif",
    letters: "sc:",
    long: &[],
};

/// `IFLA_IFNAME`
const NAME: u16 = 3;
/// `LOG_LOCAL0`
const LOCAL0: u32 = 16;

/// Which interface is meant, and how it shall be called.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wish {
    name: String,
    hardware: Option<Vec<u8>>,
    driver: Option<String>,
    bus: Option<String>,
    phy: Option<u32>,
}

/// `nameif`
pub fn main(arguments: &[OsString]) -> i32 {
    let given = match OPTIONS.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if !given.operands.len().is_multiple_of(2) {
        return OPTIONS.wrong("each NAME needs a SELECTOR");
    }
    let done = run(&given);
    if given.has('s')
        && let Err(error) = &done
    {
        syslog::log(
            LOCAL0,
            syslog::ERROR,
            "nameif",
            &crate::common::lines::cause(error),
        );
    }
    status("nameif", done)
}

fn wish(name: &str, selector: &str) -> io::Result<Wish> {
    if name.len() > 15 || name.is_empty() {
        return Err(other(format!("interface name '{name}' too long")));
    }
    let mut wish = Wish {
        name: name.to_owned(),
        ..Wish::default()
    };
    let mut words = selector.split_whitespace().peekable();
    if words.peek().is_none() {
        return Err(other(format!("no selectors found for {name}")));
    }
    for word in words {
        let bad = || other(format!("can't parse {word}"));
        if let Some(bus) = word.strip_prefix("bus=") {
            wish.bus = Some(bus.to_owned());
        } else if let Some(driver) = word.strip_prefix("driver=") {
            wish.driver = Some(driver.to_owned());
        } else if let Some(phy) = word.strip_prefix("phyaddr=") {
            wish.phy = Some(phy.parse().map_err(|_| bad())?);
        } else {
            let text = word.strip_prefix("mac=").unwrap_or(word);
            wish.hardware = Some(links::hardware(text).ok_or_else(bad)?);
        }
    }
    Ok(wish)
}

/// The table: a name and a selector a line.
fn table(text: &str) -> io::Result<Vec<Wish>> {
    let mut wishes = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let (name, selector) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        wishes.push(wish(name, selector)?);
    }
    Ok(wishes)
}

/// The name at the end of a link in sysfs.
fn linked(name: &str, what: &str) -> Option<String> {
    let path = Path::new("/sys/class/net").join(name).join(what);
    Some(
        std::fs::read_link(path)
            .ok()?
            .file_name()?
            .to_string_lossy()
            .into_owned(),
    )
}

impl Wish {
    fn means(&self, link: &Link) -> bool {
        let phy = || {
            let device = linked(&link.name, "phydev")?;
            u32::from_str_radix(device.rsplit(':').next()?, 16).ok()
        };
        self.hardware
            .as_ref()
            .is_none_or(|hardware| *hardware == link.hardware)
            && (self.driver.is_none() || self.driver == linked(&link.name, "device/driver"))
            && (self.bus.is_none() || self.bus == linked(&link.name, "device"))
            && (self.phy.is_none() || self.phy == phy())
    }
}

fn run(given: &Given) -> io::Result<i32> {
    let mut wishes = if given.operands.is_empty() {
        let path = given.value('c').unwrap_or(OsStr::new("/etc/mactab"));
        let text = std::fs::read_to_string(path).map_err(|error| about(path, &error))?;
        table(&text)?
    } else {
        let mut wishes = Vec::new();
        for pair in given.operands.chunks_exact(2) {
            if let [name, selector] = pair {
                wishes.push(wish(&name.to_string_lossy(), &selector.to_string_lossy())?);
            }
        }
        wishes
    };
    for link in links::links()? {
        let Some(at) = wishes.iter().position(|wish| wish.means(&link)) else {
            continue;
        };
        let wish = wishes.swap_remove(at);
        if wish.name != link.name {
            let name = [wish.name.as_bytes(), b"\0"].concat();
            links::change(link.index, 0, 0, &[(NAME, name)]).map_err(|error| {
                about(
                    format!("can't change ifname {} to {}", link.name, wish.name),
                    &error,
                )
            })?;
        }
    }
    for wish in &wishes {
        say("nameif", format!("no interface for {}", wish.name));
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        let wishes =
            table("# mine\nlan0 00:11:22:33:44:55\nwan0\tmac=1:2:3:4:5:6 driver=x # and so on\n")
                .unwrap();
        assert_eq!(wishes.len(), 2);
        assert_eq!(wishes[1].driver.as_deref(), Some("x"));
        assert_eq!(wishes[1].hardware.as_deref(), Some(&[1, 2, 3, 4, 5, 6][..]));
        for bad in [
            "lan0",
            "lan0 x",
            "lan0 phyaddr=x",
            "a-name-that-is-too-long 1:2:3:4:5:6",
        ] {
            assert!(table(bad).is_err(), "{bad}");
        }
    }
}
