//! `env` (POSIX.1-2024) and `printenv`.

use crate::common::lines::{Output, complain};
use crate::common::options::Options;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;

pub const USAGE: &str = "[-i0] [-u NAME] [NAME=VALUE...] [program [argument...]]

-i  begin with an empty environment    -u  without NAME
-0  end printed lines with a NUL";
pub const PRINTENV_USAGE: &str = "[NAME...]\n\nPrints the values of the variables, or all of them.";

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "env",
        letters: "i0u:",
        long: &[("ignore-environment", 'i'), ("unset", 'u'), ("null", '0')],
    };
    // What stands behind the program's name is the program's, options too.
    let (mut own, mut program) = (Vec::new(), Vec::new());
    let mut words = arguments.iter().peekable();
    own.extend(words.next().cloned());
    while let Some(word) = words.next() {
        let bytes = word.as_bytes();
        if bytes == b"-" {
            own.push("-i".into());
        } else if bytes == b"-u" || bytes == b"--unset" {
            own.push(word.clone());
            own.extend(words.next().cloned());
        } else if bytes.starts_with(b"-") && bytes != b"--" {
            own.push(word.clone());
        } else if bytes.contains(&b'=') && bytes.first() != Some(&b'=') {
            program.push(word.clone());
        } else {
            if bytes != b"--" {
                program.push(word.clone());
            }
            program.extend(words.cloned());
            break;
        }
    }
    let given = match options.parse(&own) {
        Ok(given) => given,
        Err(_) => return 125,
    };
    let mut environment: Vec<(OsString, OsString)> = if given.has('i') {
        Vec::new()
    } else {
        std::env::vars_os().collect()
    };
    environment.retain(|(name, _)| !given.values('u').any(|gone| gone == name));
    let is_assignment = |word: &&OsString| word.as_bytes().iter().skip(1).any(|byte| *byte == b'=');
    let count = program.iter().take_while(is_assignment).count();
    for word in program.drain(..count) {
        let bytes = word.as_bytes();
        let at = bytes
            .iter()
            .position(|byte| *byte == b'=')
            .unwrap_or(bytes.len());
        let name = OsStr::from_bytes(bytes.get(..at).unwrap_or_default()).to_owned();
        let value = OsStr::from_bytes(bytes.get(at + 1..).unwrap_or_default()).to_owned();
        environment.retain(|(known, _)| *known != name);
        environment.push((name, value));
    }
    let Some((name, rest)) = program.split_first() else {
        let mut out = Output::new();
        for (name, value) in environment {
            out.put(
                &[
                    name.as_bytes(),
                    b"=",
                    value.as_bytes(),
                    if given.has('0') { b"\0" } else { b"\n" },
                ]
                .concat(),
            );
        }
        return out.finish("env", 0, 125);
    };
    let error = std::process::Command::new(name)
        .args(rest)
        .env_clear()
        .envs(environment)
        .exec();
    complain("env", name, &error);
    if error.kind() == std::io::ErrorKind::NotFound {
        127
    } else {
        126
    }
}

pub fn printenv(arguments: &[OsString]) -> i32 {
    let mut out = Output::new();
    let names = arguments.get(1..).unwrap_or_default();
    let mut status = 0;
    if names.is_empty() {
        for (name, value) in std::env::vars_os() {
            out.put(&[name.as_bytes(), b"=", value.as_bytes(), b"\n"].concat());
        }
    }
    for name in names {
        match std::env::var_os(name).filter(|_| !name.as_bytes().contains(&b'=')) {
            Some(value) => out.put(&[value.as_bytes(), b"\n"].concat()),
            None => status = 1,
        }
    }
    out.finish("printenv", status, 1)
}
