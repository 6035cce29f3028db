//! `lsusb`: the devices on USB, as sysfs has them.

use crate::common::lines::Output;
use crate::common::options::Options;
use std::ffi::OsString;
use std::path::Path;

pub const USAGE: &str = "

prints the devices on USB";

const OPTIONS: Options = Options {
    applet: "lsusb",
    letters: "",
    long: &[],
};

/// `lsusb`
pub fn main(arguments: &[OsString]) -> i32 {
    if let Err(status) = OPTIONS.take(arguments, 0, 0) {
        return status;
    }
    let mut out = Output::new();
    for line in lines(Path::new("/sys/bus/usb/devices")) {
        out.put(line.as_bytes());
    }
    out.finish("lsusb", 0, 1)
}

/// A line for each device that is no interface of another one.
fn lines(folder: &Path) -> Vec<String> {
    let mut names: Vec<OsString> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.file_name()).collect())
        .unwrap_or_default();
    names.sort();
    names
        .iter()
        .filter_map(|name| line(&folder.join(name)))
        .collect()
}

fn line(device: &Path) -> Option<String> {
    let read = |name: &str| {
        let text = std::fs::read(device.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&text).trim().to_owned()
    };
    let event = read("uevent");
    let value = |key: &str| {
        event
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    };
    if value("DEVTYPE") == Some("usb_interface") {
        return None;
    }
    // The vendor, the product and its version, in hexadecimal.
    let mut product = value("PRODUCT")?
        .split('/')
        .map(|part| u32::from_str_radix(part, 16).unwrap_or(0));
    let (vendor, number) = (product.next()?, product.next().unwrap_or(0));
    let names = [read("manufacturer"), read("product")];
    let names: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| !name.is_empty())
        .collect();
    Some(format!(
        "Bus {} Device {}: ID {vendor:04x}:{number:04x} {}\n",
        value("BUSNUM")?,
        value("DEVNUM")?,
        names.join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_their_interfaces() {
        let folder = std::env::temp_dir().join(format!("toolbox-lsusb-{}", std::process::id()));
        for (name, event) in [
            (
                "1-1",
                "DEVTYPE=usb_device\nPRODUCT=1d6b/2/606\nBUSNUM=001\nDEVNUM=002\n",
            ),
            ("1-1:1.0", "DEVTYPE=usb_interface\nPRODUCT=1d6b/2/606\n"),
            ("bad", "PRODUCT=x\n"),
        ] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
            std::fs::write(folder.join(name).join("uevent"), event).unwrap();
        }
        std::fs::write(folder.join("1-1/product"), "Hub\n").unwrap();
        let found = lines(&folder);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, ["Bus 001 Device 002: ID 1d6b:0002 Hub\n"]);
    }
}
