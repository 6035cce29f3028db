//! `tunctl`: tap interfaces that stay.

use crate::common::accounts::{self, Accounts};
use crate::common::lines::{about, other, say_out, status};
use crate::common::options::{Given, Options};
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::ffi::OsStrExt;
use sys::control::{Flat, Number, flat, number};

pub const USAGE: &str = "[-f DEVICE] [-t NAME | -d NAME] [-u USER] [-g GROUP] [-b]

-t  make it (tapN)    -d  let it go    -u  its owner    -g  its group    -b  print the name only
-f  the device (/dev/net/tun)";

const OPTIONS: Options = Options {
    applet: "tunctl",
    letters: "f:t:d:u:g:b",
    long: &[],
};

/// `IFF_TAP | IFF_NO_PI`
const TAP: u16 = 0x1002;

/// `tunctl`
pub fn main(arguments: &[OsString]) -> i32 {
    let given = match OPTIONS.take(arguments, 0, 0) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if given.has('t') && given.has('d') {
        return OPTIONS.wrong("-t and -d exclude each other");
    }
    status("tunctl", run(&given))
}

fn run(given: &Given) -> io::Result<i32> {
    let name = given
        .value('t')
        .or_else(|| given.value('d'))
        .unwrap_or(OsStr::new("tap%d"));
    if name.len() > 15 {
        return Err(other(format!(
            "'{}' is no name for a device",
            name.display()
        )));
    }
    let accounts = Accounts::system();
    let user = match given.value('u') {
        None => rustix::process::geteuid().as_raw(),
        Some(word) => {
            let known = accounts
                .user(word.as_bytes())
                .ok()
                .flatten()
                .map(|user| user.uid);
            let known = known.or_else(|| accounts::number(word.as_bytes()));
            known.ok_or_else(|| other(format!("unknown user {}", word.display())))?
        }
    };
    let group = match given.value('g') {
        None => None,
        Some(word) => {
            let known = accounts
                .group(word.as_bytes())
                .ok()
                .flatten()
                .map(|group| group.gid);
            let known = known.or_else(|| accounts::number(word.as_bytes()));
            Some(known.ok_or_else(|| other(format!("unknown group {}", word.display())))?)
        }
    };
    let path = given.value('f').unwrap_or(OsStr::new("/dev/net/tun"));
    let told = |error: io::Error| about(path, &error);
    let device = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(told)?;
    let mut request = name.as_bytes().to_vec();
    request.resize(16, 0);
    request.extend(TAP.to_ne_bytes());
    request.resize(40, 0);
    flat(&device, Flat::TUNSETIFF, &mut request).map_err(told)?;
    // The kernel has put the number into the name.
    let made = request.split(|byte| *byte == 0).next().unwrap_or_default();
    let made = String::from_utf8_lossy(made);
    if given.has('d') {
        number(&device, Number::TUNSETPERSIST, 0).map_err(told)?;
        say_out(&format!("Set '{made}' nonpersistent"));
        return Ok(0);
    }
    if let Some(group) = group {
        number(&device, Number::TUNSETGROUP, group as usize).map_err(told)?;
    }
    if group.is_none() || given.has('u') {
        number(&device, Number::TUNSETOWNER, user as usize).map_err(told)?;
    }
    number(&device, Number::TUNSETPERSIST, 1).map_err(told)?;
    if given.has('b') {
        say_out(&made);
    } else {
        let group = group
            .map(|group| format!(" gid {group}"))
            .unwrap_or_default();
        say_out(&format!(
            "Set '{made}' persistent and owned by uid {user}{group}"
        ));
    }
    Ok(0)
}
