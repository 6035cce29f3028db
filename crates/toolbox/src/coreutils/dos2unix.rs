//! `dos2unix` and `unix2dos`: the ends of lines, in place or from standard input to standard output.

use crate::common::lines::{Output, complain, open};
use crate::common::options::Options;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub const USAGE: &str = "[-ud] [file...]

-u  ends of lines as Unix has them    -d  as DOS has them
Without a file standard input is changed.";

/// `dos2unix`
pub fn dos2unix(arguments: &[OsString]) -> i32 {
    run(arguments, "dos2unix", 'u')
}

/// `unix2dos`
pub fn unix2dos(arguments: &[OsString]) -> i32 {
    run(arguments, "unix2dos", 'd')
}

fn run(arguments: &[OsString], applet: &'static str, usual: char) -> i32 {
    let options = Options {
        applet,
        letters: "ud",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let to_dos = given.last_of("ud").unwrap_or(usual) == 'd';
    if given.operands.is_empty() {
        let mut out = Output::new();
        let done = open(OsStr::new("-")).and_then(|mut input| {
            convert(&mut input, to_dos, &mut |bytes| {
                out.put(bytes);
                Ok(())
            })
        });
        if let Err(error) = done {
            complain(applet, OsStr::new("-"), &error);
            return out.finish(applet, 1, 1);
        }
        return out.finish(applet, 0, 1);
    }
    let mut status = 0;
    for name in &given.operands {
        if let Err(error) = in_place(Path::new(name), to_dos) {
            complain(applet, name, &error);
            status = 1;
        }
    }
    status
}

/// Writes a new file beside the old one and moves it over it.
fn in_place(path: &Path, to_dos: bool) -> io::Result<()> {
    // What a link leads to is changed, not the link.
    let path = fs::canonicalize(path)?;
    let mut input = File::open(&path)?;
    let meta = input.metadata()?;
    let mut name = path.file_name().unwrap_or_default().as_bytes().to_vec();
    name.extend_from_slice(format!(".{}", std::process::id()).as_bytes());
    let new = path.with_file_name(OsStr::from_bytes(&name));
    let done = File::create_new(&new).and_then(|mut out| {
        convert(&mut input, to_dos, &mut |bytes| out.write_all(bytes))?;
        out.set_permissions(meta.permissions())?;
        drop(out);
        let _ = std::os::unix::fs::chown(&new, Some(meta.uid()), Some(meta.gid()));
        fs::rename(&new, &path)
    });
    if done.is_err() {
        let _ = fs::remove_file(&new);
    }
    done
}

fn convert(
    input: &mut dyn Read,
    to_dos: bool,
    put: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; 32 * 1024];
    let mut out = Vec::new();
    let mut held = false;
    loop {
        let count = match input.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for byte in buffer.get(..count).unwrap_or_default() {
            if to_dos {
                if *byte == b'\n' && !held {
                    out.push(b'\r');
                }
                out.push(*byte);
                held = *byte == b'\r';
                continue;
            }
            // Only a CR that is before a LF goes.
            if held && *byte != b'\n' {
                out.push(b'\r');
            }
            held = *byte == b'\r';
            if !held {
                out.push(*byte);
            }
        }
        if count == 0 {
            if held && !to_dos {
                out.push(b'\r');
            }
            return put(&out);
        }
        put(&out)?;
        out.clear();
    }
}
