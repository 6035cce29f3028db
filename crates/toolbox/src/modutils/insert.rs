//! `insmod`, `rmmod`, `lsmod`.

use super::tree;
use crate::common::lines::{Output, cause, complain, say};
use crate::common::options::Options;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub const INSMOD_USAGE: &str = "file [parameter=value]...";
pub const RMMOD_USAGE: &str = "[-w] [-f] [-s] module...

-w  wait until nobody uses it    -f  even if it is in use";
pub const LSMOD_USAGE: &str = "";

/// The kernel unpacks the file itself (`MODULE_INIT_COMPRESSED_FILE`, finit_module(2)).
const COMPRESSED: i32 = 4;

/// Loads a module's file. One that is there already is no error.
///
/// # Errors
/// The system's error.
pub fn file(path: &Path, parameters: &[u8]) -> io::Result<()> {
    let file = File::open(path)?;
    let parameters = CString::new(parameters)?;
    let packed = !path.as_os_str().as_bytes().ends_with(b".ko");
    let flags = if packed { COMPRESSED } else { 0 };
    match rustix::system::finit_module(&file, &parameters, flags) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        // A kernel that cannot unpack: gzip we can.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::INVAL)
            if path.extension() == Some(OsStr::new("gz")) =>
        {
            let mut image = Vec::new();
            flate2::read::MultiGzDecoder::new(File::open(path)?).read_to_end(&mut image)?;
            match rustix::system::init_module(&image, &parameters) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
                Err(error) => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// Removes a module.
///
/// # Errors
/// The system's error.
pub fn remove(name: &[u8], force: bool) -> io::Result<()> {
    let name = CString::new(name)?;
    // O_NONBLOCK: do not wait; O_TRUNC: by force.
    let flags = if force { 0o4000 | 0o1000 } else { 0o4000 };
    Ok(rustix::system::delete_module(&name, flags)?)
}

/// What an error of loading means, in words.
pub fn why(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(8) => "not a module of this kernel".to_owned(),
        Some(2) => "unknown symbol or parameter, or no such file (see dmesg)".to_owned(),
        Some(129) => "its key was rejected: it is not signed by this kernel's builder".to_owned(),
        _ => cause(error),
    }
}

/// `insmod`
pub fn insmod(arguments: &[OsString]) -> i32 {
    let Some(path) = arguments.get(1) else {
        say("insmod", "missing operand");
        say("insmod", "try 'insmod --help'");
        return 1;
    };
    let rest = arguments.get(2..).unwrap_or_default();
    let words: Vec<&[u8]> = rest.iter().map(|word| word.as_bytes()).collect();
    match file(Path::new(path), &words.join(&b' ')) {
        Ok(()) => 0,
        Err(error) => {
            say(
                "insmod",
                format!("can't insert '{}': {}", path.display(), why(&error)),
            );
            1
        }
    }
}

/// `rmmod`
pub fn rmmod(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "rmmod",
        letters: "wfas",
        long: &[("force", 'f')],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 1, usize::MAX) {
        return status;
    }
    let mut status = 0;
    for word in &given.operands {
        if let Err(error) = remove(&tree::module_name(word.as_bytes()), given.has('f')) {
            complain("rmmod", word, &error);
            status = 1;
        }
    }
    status
}

/// `lsmod`
pub fn lsmod(_: &[OsString]) -> i32 {
    let mut out = Output::new();
    out.put(b"Module                  Size  Used by\n");
    for (name, rest) in tree::loaded() {
        let words: Vec<&[u8]> = tree::words(&rest).collect();
        let get = |at: usize| String::from_utf8_lossy(words.get(at).copied().unwrap_or_default());
        let by = get(2);
        let by = by.trim_end_matches(',');
        let by = if by == "-" { "" } else { by };
        let name = String::from_utf8_lossy(&name).into_owned();
        let line = format!("{name:<19} {:>8}  {} {by}", get(0), get(1));
        out.put(line.trim_end().as_bytes());
        out.put_byte(b'\n');
    }
    out.finish("lsmod", 0, 1)
}
