//! `cryptpw`, `mkpasswd`: hash a password. Only SHA-256 and SHA-512 crypt; DES and MD5 are not made any more.

use crate::common::crypt::{self, Method};
use crate::common::lines::{Output, complain, say};
use crate::common::options::Options;
use crate::common::session;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "[-s] [-m METHOD] [-S SALT] [-P FD] [PASSWORD [SALT]]

-m  sha512 (the default) or sha256    -S  with this SALT
-s  read the password without a prompt
-P  read the password from descriptor FD";

/// The method of that name.
pub fn method(name: &OsStr) -> Option<Method> {
    match name.as_bytes() {
        b"sha512" | b"sha-512" | b"6" => Some(Method::Sha512),
        b"sha256" | b"sha-256" | b"5" => Some(Method::Sha256),
        _ => None,
    }
}

/// Hashes with a salt that may begin with `rounds=NUMBER$`.
fn salted(password: &[u8], method: Method, salt: &[u8]) -> Option<Vec<u8>> {
    let Some(rest) = salt.strip_prefix(b"rounds=") else {
        return crypt::with_salt(password, method, salt, None);
    };
    let at = rest.iter().position(|byte| *byte == b'$')?;
    let (rounds, salt) = rest.split_at(at);
    let rounds = std::str::from_utf8(rounds).ok()?.parse().ok()?;
    crypt::with_salt(password, method, salt.get(1..)?, Some(rounds))
}

/// Prints the hash.
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "cryptpw",
        letters: "sm:S:P:a:",
        long: &[
            ("stdin", 's'),
            ("method", 'm'),
            ("salt", 'S'),
            ("password-fd", 'P'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 0, 2) {
        return status;
    }
    let name = given.value('m').or(given.value('a'));
    let Some(method) = name.map_or(Some(Method::Sha512), method) else {
        return options.wrong("only sha512 and sha256 are made");
    };
    let password = match given.operands.first() {
        Some(word) => word.as_bytes().to_vec(),
        None => {
            if let Some(fd) = given.value('P') {
                let number = fd.to_str().and_then(|text| text.parse().ok());
                let Some(number) = number else {
                    return options.wrong("invalid descriptor");
                };
                if let Err(error) = sys::process::dup2(number, 0) {
                    complain("cryptpw", fd, &error);
                    return 1;
                }
            }
            let quiet = given.has('s') || given.has('P');
            let line = if quiet {
                session::read_line()
            } else {
                session::ask_password("Password: ")
            };
            match line {
                Ok(Some(line)) => line,
                Ok(None) => {
                    say("cryptpw", "no password was given");
                    return 1;
                }
                Err(error) => {
                    complain("cryptpw", OsStr::new("standard input"), &error);
                    return 1;
                }
            }
        }
    };
    let salt = given
        .value('S')
        .or(given.operands.get(1).map(OsString::as_os_str));
    let hash = match salt {
        Some(salt) => match salted(&password, method, salt.as_bytes()) {
            Some(hash) => hash,
            None => return options.wrong("a salt is made of letters, digits, '.' and '/'"),
        },
        None => match crypt::new_hash(&password, method) {
            Ok(hash) => hash,
            Err(error) => {
                complain("cryptpw", OsStr::new("random numbers"), &error);
                return 1;
            }
        },
    };
    let mut out = Output::new();
    out.put(&hash);
    out.put_byte(b'\n');
    out.finish("cryptpw", 0, 1)
}
