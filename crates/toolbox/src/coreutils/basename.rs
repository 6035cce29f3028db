//! `basename` and `dirname` (POSIX.1-2024).

use crate::common::lines::Output;
use crate::common::options::Options;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

pub const BASENAME_USAGE: &str =
    "[-a] [-s SUFFIX] PATH [SUFFIX]\n\n-a  print each PATH's\n-s  take this suffix off each";
pub const DIRNAME_USAGE: &str = "PATH...";

pub fn basename(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "basename",
        letters: "as:z",
        long: &[("multiple", 'a'), ("suffix", 's'), ("zero", 'z')],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let many = given.has('a') || given.has('s');
    if let Err(status) = options.operands(&given, 1, if many { usize::MAX } else { 2 }) {
        return status;
    }
    let end = if given.has('z') { 0 } else { b'\n' };
    let mut out = Output::new();
    let (paths, suffix) = match (many, given.operands.as_slice()) {
        (false, [path, suffix]) => (std::slice::from_ref(path), suffix.as_bytes()),
        (_, paths) => (
            paths,
            given
                .value('s')
                .map_or(&b""[..], |suffix| suffix.as_bytes()),
        ),
    };
    for path in paths {
        let name = last_part(path.as_bytes());
        let name = match name.strip_suffix(suffix) {
            Some(rest) if !rest.is_empty() => rest,
            _ => name,
        };
        out.put(name);
        out.put_byte(end);
    }
    out.finish("basename", 0, 1)
}

pub fn dirname(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "dirname",
        letters: "z",
        long: &[("zero", 'z')],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 1, usize::MAX) {
        return status;
    }
    let mut out = Output::new();
    for path in &given.operands {
        out.put(folder_part(path.as_bytes()));
        out.put_byte(if given.has('z') { 0 } else { b'\n' });
    }
    out.finish("dirname", 0, 1)
}

fn without_slashes(path: &[u8]) -> &[u8] {
    let end = path
        .iter()
        .rposition(|byte| *byte != b'/')
        .map_or(0, |at| at + 1);
    path.get(..end).unwrap_or_default()
}

fn last_part(path: &[u8]) -> &[u8] {
    let trimmed = without_slashes(path);
    if trimmed.is_empty() && !path.is_empty() {
        return b"/";
    }
    trimmed
        .rsplit(|byte| *byte == b'/')
        .next()
        .unwrap_or(trimmed)
}

fn folder_part(path: &[u8]) -> &[u8] {
    let trimmed = without_slashes(path);
    if trimmed.is_empty() && !path.is_empty() {
        return b"/";
    }
    match trimmed.iter().rposition(|byte| *byte == b'/') {
        None => b".",
        Some(at) => match without_slashes(trimmed.get(..at).unwrap_or_default()) {
            b"" => b"/",
            folder => folder,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_paths() {
        for (path, name, folder) in [
            ("/usr/lib", "lib", "/usr"),
            ("/usr/", "usr", "/"),
            ("usr", "usr", "."),
            ("/", "/", "/"),
            ("//", "/", "/"),
            (".", ".", "."),
            ("a//b//", "b", "a"),
            ("", "", "."),
        ] {
            assert_eq!(last_part(path.as_bytes()), name.as_bytes(), "{path}");
            assert_eq!(folder_part(path.as_bytes()), folder.as_bytes(), "{path}");
        }
    }
}
