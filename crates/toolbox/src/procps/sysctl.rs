//! `sysctl` (sysctl(8)): the kernel's parameters below `/proc/sys`.

use crate::common::lines::{Output, cause, complain, say};
use crate::common::options::{Given, Options};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

pub const USAGE: &str = "[-enqNw] [-a | -p [FILE]... | name[=value]...]

-a  all of them    -p  as the files say (/etc/sysctl.conf)    -w  set
-n  only values    -N  only names    -e  no word of what there is not    -q  do not print what is set";

const ROOT: &str = "/proc/sys";

/// `net.ipv4.ip_forward` and `net/ipv4/ip_forward`; in the one a slash stands for a dot that is part of a name.
fn place(name: &str) -> Option<PathBuf> {
    let slashes = match (name.find('.'), name.find('/')) {
        (Some(dot), Some(slash)) => slash < dot,
        (None, Some(_)) => true,
        _ => false,
    };
    let path: String = if slashes {
        name.to_owned()
    } else {
        name.chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect()
    };
    let plain = !path.is_empty()
        && path
            .split('/')
            .all(|part| !part.is_empty() && part != ".." && part != ".");
    plain.then(|| Path::new(ROOT).join(path))
}

fn name_of(path: &Path) -> String {
    let inside = path.strip_prefix(ROOT).unwrap_or(path);
    inside
        .to_string_lossy()
        .chars()
        .map(|c| match c {
            '/' => '.',
            '.' => '/',
            other => other,
        })
        .collect()
}

struct Sysctl<'a> {
    given: &'a Given,
    out: Output,
    status: i32,
}

/// Runs it.
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "sysctl",
        letters: "aAenNqwpi",
        long: &[
            ("all", 'a'),
            ("ignore", 'e'),
            ("values", 'n'),
            ("names", 'N'),
            ("quiet", 'q'),
            ("write", 'w'),
            ("load", 'p'),
            ("system", 's'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mut sysctl = Sysctl {
        given: &given,
        out: Output::new(),
        status: 0,
    };
    if given.has('p') {
        let mut files = given.operands.clone();
        if files.is_empty() {
            files.push("/etc/sysctl.conf".into());
        }
        for file in &files {
            sysctl.file(file);
        }
    } else if given.has('a') || given.has('A') {
        sysctl.show(Path::new(ROOT), true);
    } else if given.operands.is_empty() {
        return options.wrong("no parameter is named");
    } else {
        for word in &given.operands {
            let text = word.to_string_lossy();
            match text.split_once('=') {
                Some((name, value)) => sysctl.set(name.trim(), value.trim(), false),
                None if given.has('w') => {
                    say("sysctl", format!("'{text}' is not name=value"));
                    sysctl.status = 1;
                }
                None => match place(&text) {
                    Some(path) => sysctl.show(&path, false),
                    None => sysctl.unknown(&text),
                },
            }
        }
    }
    let status = sysctl.status;
    sysctl.out.finish("sysctl", status, 1)
}

impl Sysctl<'_> {
    fn unknown(&mut self, name: &str) {
        if !self.given.has('e') && !self.given.has('i') {
            say("sysctl", format!("error: '{name}' is an unknown key"));
            self.status = 1;
        }
    }

    fn show(&mut self, path: &Path, all: bool) {
        if path.is_dir() {
            let mut names: Vec<OsString> = fs::read_dir(path)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.file_name())
                .collect();
            names.sort();
            for name in names {
                self.show(&path.join(name), true);
            }
            return;
        }
        let name = name_of(path);
        if self.given.has('N') {
            self.out.put(format!("{name}\n").as_bytes());
            return;
        }
        match fs::read(path) {
            Ok(value) => {
                let text = String::from_utf8_lossy(&value).into_owned();
                for line in text.trim_end_matches('\n').split('\n') {
                    if self.given.has('n') {
                        self.out.put(format!("{line}\n").as_bytes());
                    } else {
                        self.out.put(format!("{name} = {line}\n").as_bytes());
                    }
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.unknown(&name),
            // Among all there are always some that cannot be read.
            Err(_) if all => {}
            Err(error) => {
                say("sysctl", format!("reading key '{name}': {}", cause(&error)));
                self.status = 1;
            }
        }
    }

    fn set(&mut self, name: &str, value: &str, optional: bool) {
        let Some(path) = place(name) else {
            self.unknown(name);
            return;
        };
        match fs::write(&path, format!("{value}\n")) {
            Ok(()) => {
                if !self.given.has('q') {
                    let line = match (self.given.has('n'), self.given.has('N')) {
                        (true, _) => format!("{value}\n"),
                        (_, true) => format!("{name}\n"),
                        _ => format!("{} = {value}\n", name_of(&path)),
                    };
                    self.out.put(line.as_bytes());
                }
            }
            Err(_) if optional => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.unknown(name),
            Err(error) => {
                say("sysctl", format!("setting key '{name}': {}", cause(&error)));
                self.status = 1;
            }
        }
    }

    /// A file of `name = value`; one with `-` in front may fail.
    fn file(&mut self, file: &OsStr) {
        let text = match fs::read(file) {
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) => {
                complain("sysctl", file, &error);
                self.status = 1;
                return;
            }
        };
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let (optional, line) = match line.strip_prefix('-') {
                Some(rest) => (true, rest),
                None => (false, line),
            };
            match line.split_once('=') {
                Some((name, value)) => self.set(name.trim(), value.trim(), optional),
                None => {
                    say(
                        "sysctl",
                        format!("{}:{number}: '{line}' is not name = value", file.display()),
                    );
                    self.status = 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_places() {
        let at = |name: &str| place(name).map(|path| path.display().to_string());
        assert_eq!(
            at("net.ipv4.ip_forward").as_deref(),
            Some("/proc/sys/net/ipv4/ip_forward")
        );
        assert_eq!(
            at("net/ipv4/conf/eth0.1/x").as_deref(),
            Some("/proc/sys/net/ipv4/conf/eth0.1/x")
        );
        assert_eq!(
            at("net.ipv4.conf.eth0/1.x").as_deref(),
            Some("/proc/sys/net/ipv4/conf/eth0.1/x")
        );
        assert_eq!(
            name_of(Path::new("/proc/sys/net/ipv4/conf/eth0.1/x")),
            "net.ipv4.conf.eth0/1.x"
        );
        for bad in ["", "../../etc/passwd", "a//b", "a..b"] {
            assert_eq!(at(bad), None, "{bad}");
        }
    }
}
