//! `which` and `run-parts`.

use crate::common::lines::{Output, complain, say};
use crate::common::options::Options;
use rustix::fs::{Access, access};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub const USAGE: &str = "[-a] program...

-a  all that there are";
pub const RUN_PARTS_USAGE: &str = "[-a ARGUMENT]... [-u MASK] [--test] [--exit-on-error] folder

programs whose names hold only letters, digits, _ and -, sorted by name
-a  an argument for each    --test  print their names only";

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

/// `which`
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "which",
        letters: "a",
        long: &[("all", 'a')],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 1, usize::MAX) {
        return status;
    }
    let path = std::env::var_os("PATH")
        .unwrap_or_else(|| "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into());
    let mut out = Output::new();
    let mut status = 0;
    for name in &given.operands {
        let mut found = 0;
        let places: Vec<PathBuf> = if name.as_bytes().contains(&b'/') {
            vec![PathBuf::from(name)]
        } else {
            std::env::split_paths(&path)
                .map(|folder| folder.join(name))
                .collect()
        };
        for place in places.iter().filter(|place| is_program(place)) {
            found += 1;
            out.put(place.as_os_str().as_bytes());
            out.put_byte(b'\n');
            if !given.has('a') {
                break;
            }
        }
        if found == 0 {
            status = 1;
        }
    }
    out.finish("which", status, 1)
}

/// `run-parts`
pub fn run_parts(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "run-parts",
        letters: "a:u:tevr",
        long: &[
            ("arg", 'a'),
            ("umask", 'u'),
            ("test", 't'),
            ("list", 't'),
            ("exit-on-error", 'e'),
            ("verbose", 'v'),
            ("reverse", 'r'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 1, 1) {
        return status;
    }
    let folder = given
        .operands
        .first()
        .map_or(OsStr::new("."), OsString::as_os_str);
    if let Some(text) = given.value('u') {
        match text
            .to_str()
            .and_then(|text| u32::from_str_radix(text, 8).ok())
        {
            Some(mask) => drop(sys::process::umask(mask)),
            None => return options.wrong("invalid mask"),
        }
    }
    let mut names: Vec<OsString> = match std::fs::read_dir(folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.file_name()).collect(),
        Err(error) => {
            complain("run-parts", folder, &error);
            return 1;
        }
    };
    // What editors and package managers leave behind has other characters.
    names.retain(|name| {
        name.as_bytes()
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    });
    names.sort();
    if given.has('r') {
        names.reverse();
    }
    let words: Vec<&OsStr> = given.values('a').collect();
    let mut out = Output::new();
    let mut status = 0;
    for name in names {
        let path = Path::new(folder).join(name);
        if !is_program(&path) {
            continue;
        }
        if given.has('t') {
            out.put(path.as_os_str().as_bytes());
            out.put_byte(b'\n');
            continue;
        }
        if given.has('v') {
            say("run-parts", format!("executing {}", path.display()));
        }
        let code = match Command::new(&path).args(&words).status() {
            Ok(done) => done
                .code()
                .or(done.signal().map(|signal| 128 + signal))
                .unwrap_or(1),
            Err(error) => {
                complain("run-parts", path.as_os_str(), &error);
                1
            }
        };
        if code != 0 {
            say(
                "run-parts",
                format!("{} exited with return code {code}", path.display()),
            );
            status = 1;
            if given.has('e') {
                break;
            }
        }
    }
    out.finish("run-parts", status, 1)
}
