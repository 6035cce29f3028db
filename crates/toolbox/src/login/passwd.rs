//! `passwd` and `chpasswd`, as BusyBox has them. Hashes are SHA-512 crypt.

use crate::common::accounts::{Accounts, User};
use crate::common::crypt::{self, Method};
use crate::common::lines::{Lines, complain, say};
use crate::common::options::Options;
use crate::common::session::{self, Verdict};
use crate::common::syslog;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "[-a METHOD] [-dlu] [USER]

-a  sha512 (the default) or sha256    -d  no password at all
-l  lock the account                  -u  unlock it";
pub const CHPASSWD_USAGE: &str = "[-e] [-c METHOD]

Reads USER:PASSWORD lines.
-e  what is given are hashes    -c  sha512 (the default) or sha256";

/// Changes a password.
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "passwd",
        letters: "a:dlu",
        long: &[
            ("algorithm", 'a'),
            ("delete", 'd'),
            ("lock", 'l'),
            ("unlock", 'u'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 0, 1) {
        return status;
    }
    let method = given
        .value('a')
        .map_or(Some(Method::Sha512), super::cryptpw::method);
    let Some(method) = method else {
        return options.wrong("only sha512 and sha256 are made");
    };
    let accounts = Accounts::system();
    let caller = rustix::process::getuid().as_raw();
    let found = match given.operands.first() {
        Some(name) => accounts.user(name.as_bytes()),
        None => accounts.user_by_id(caller),
    };
    let user = match found {
        Ok(Some(user)) => user,
        Ok(None) => {
            let name = given.operands.first().cloned().unwrap_or_default();
            say("passwd", format!("unknown user {}", name.display()));
            return 1;
        }
        Err(error) => {
            say("passwd", error);
            return 1;
        }
    };
    let name = String::from_utf8_lossy(&user.name).into_owned();
    if caller != 0 && (user.uid != caller || given.last_of("dlu").is_some()) {
        say("passwd", format!("{name}: only root may do that"));
        return 1;
    }
    let old = match accounts.hash(&user) {
        Ok(old) => old.unwrap_or_default(),
        Err(error) => {
            say("passwd", error);
            return 1;
        }
    };
    let new = match given.last_of("dlu") {
        Some('d') => Vec::new(),
        Some('l') if old.starts_with(b"!") => {
            say("passwd", format!("{name} is locked already"));
            return 1;
        }
        Some('l') => [b"!", old.as_slice()].concat(),
        Some('u') => match old.strip_prefix(b"!") {
            Some(hash) => hash.to_vec(),
            None => {
                say("passwd", format!("{name} is not locked"));
                return 1;
            }
        },
        _ => match ask(&accounts, &user, caller, method) {
            Ok(hash) => hash,
            Err(status) => return status,
        },
    };
    match accounts.set_hash(&user.name, &new) {
        Ok(true) => {
            syslog::log(
                syslog::AUTH,
                syslog::NOTICE,
                "passwd",
                &format!("password of {name} changed by uid {caller}"),
            );
            say("passwd", format!("password of {name} changed"));
            0
        }
        Ok(false) => {
            say("passwd", format!("unknown user {name}"));
            1
        }
        Err(error) => {
            say("passwd", error);
            1
        }
    }
}

fn ask(accounts: &Accounts, user: &User, caller: u32, method: Method) -> Result<Vec<u8>, i32> {
    let name = String::from_utf8_lossy(&user.name);
    say("passwd", format!("changing the password of {name}"));
    if caller != 0 {
        match session::authenticate(accounts, Some(user), true, "Old password: ") {
            Ok(Verdict::Welcome) => {}
            Ok(Verdict::Refused) => {
                say("passwd", "wrong password");
                return Err(1);
            }
            Err(error) => {
                say("passwd", error);
                return Err(1);
            }
        }
    }
    let read = |prompt: &str| match session::ask_password(prompt) {
        Ok(Some(line)) => Ok(line),
        Ok(None) => {
            say("passwd", "no password was given; nothing changed");
            Err(1)
        }
        Err(error) => {
            complain("passwd", OsStr::new("standard input"), &error);
            Err(1)
        }
    };
    let first = read("New password: ")?;
    if first.is_empty() {
        say(
            "passwd",
            "an empty password is none; nothing changed (see -d)",
        );
        return Err(1);
    }
    if read("Retype password: ")? != first {
        say("passwd", "the two are different; nothing changed");
        return Err(1);
    }
    if first.len() < 6 {
        say("passwd", "warning: a short password is a weak one");
    }
    crypt::new_hash(&first, method).map_err(|error| {
        complain("passwd", OsStr::new("random numbers"), &error);
        1
    })
}

/// Sets the passwords that standard input names.
pub fn chpasswd(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "chpasswd",
        letters: "ec:",
        long: &[("encrypted", 'e'), ("crypt-method", 'c')],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 0, 0) {
        return status;
    }
    let method = given
        .value('c')
        .map_or(Some(Method::Sha512), super::cryptpw::method);
    let Some(method) = method else {
        return options.wrong("only sha512 and sha256 are made");
    };
    let accounts = Accounts::system();
    let stdin = match crate::common::lines::open(OsStr::new("-")) {
        Ok(file) => file,
        Err(error) => {
            complain("chpasswd", OsStr::new("standard input"), &error);
            return 1;
        }
    };
    let mut lines = Lines::new(stdin, b'\n');
    loop {
        let line = match lines.read() {
            Ok(Some((line, _))) => line,
            Ok(None) => return 0,
            Err(error) => {
                complain("chpasswd", OsStr::new("standard input"), &error);
                return 1;
            }
        };
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            say("chpasswd", "a line is not USER:PASSWORD");
            return 1;
        };
        let (name, password) = line.split_at(colon);
        let password = password.get(1..).unwrap_or_default();
        let hash = if given.has('e') {
            // A hash is one of the known kinds, or locks; a plain password must not end up in the file.
            if !password.starts_with(b"$") && !password.starts_with(b"!") && password != b"*" {
                say("chpasswd", "what is given is no hash");
                return 1;
            }
            password.to_vec()
        } else {
            match crypt::new_hash(password, method) {
                Ok(hash) => hash,
                Err(error) => {
                    complain("chpasswd", OsStr::new("random numbers"), &error);
                    return 1;
                }
            }
        };
        if !crate::common::accounts::good_field(&hash) {
            say("chpasswd", "the hash has a ':'");
            return 1;
        }
        match accounts.set_hash(name, &hash) {
            Ok(true) => {}
            Ok(false) => {
                let name = String::from_utf8_lossy(name);
                say("chpasswd", format!("unknown user {name}"));
                return 1;
            }
            Err(error) => {
                say("chpasswd", error);
                return 1;
            }
        }
    }
}
