//! `shred`: overwrites files with random bytes. On file systems that write elsewhere (journals, snapshots, flash)
//! old blocks stay; nothing can be done about that from here.

use crate::common::lines::{complain, say};
use crate::common::options::{Options, size};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub const USAGE: &str = "[-fuvxz] [-n N] [-s SIZE] file...

-n  overwrite N times (3)    -z  a last time with zeros    -u  remove the files then
-s  only so many bytes    -x  do not round up to whole blocks    -f  make files writable    -v  say what is done";

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "shred",
        letters: "fuvxzn:s:",
        long: &[
            ("force", 'f'),
            ("remove", 'u'),
            ("verbose", 'v'),
            ("exact", 'x'),
            ("zero", 'z'),
            ("iterations", 'n'),
            ("size", 's'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 1, usize::MAX) {
        return status;
    }
    let rounds = match given.value('n') {
        None => 3,
        Some(text) => match text.to_str().and_then(|text| text.parse::<u32>().ok()) {
            Some(rounds) => rounds,
            None => return options.wrong(&format!("invalid number '{}'", text.display())),
        },
    };
    let bytes = match given.value('s') {
        None => None,
        Some(text) => match size(text) {
            Some(bytes) => Some(bytes),
            None => return options.wrong(&format!("invalid size '{}'", text.display())),
        },
    };
    let job = Job {
        rounds,
        bytes,
        zero: given.has('z'),
        exact: given.has('x'),
        force: given.has('f'),
        remove: given.has('u'),
        verbose: given.has('v'),
    };
    let mut status = 0;
    for name in &given.operands {
        if let Err(error) = job.file(name) {
            complain("shred", name, &error);
            status = 1;
        }
    }
    status
}

struct Job {
    rounds: u32,
    bytes: Option<u64>,
    zero: bool,
    exact: bool,
    force: bool,
    remove: bool,
    verbose: bool,
}

impl Job {
    fn file(&self, name: &OsStr) -> io::Result<()> {
        let path = Path::new(name);
        let mut file = match OpenOptions::new().write(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && self.force => {
                let mut mode = path.metadata()?.permissions();
                mode.set_mode(mode.mode() | 0o200);
                std::fs::set_permissions(path, mode)?;
                OpenOptions::new().write(true).open(path)?
            }
            other => other?,
        };
        let meta = file.metadata()?;
        let kind = meta.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            return Err(io::Error::other(
                "neither a regular file nor a block device",
            ));
        }
        let length = match self.bytes {
            Some(bytes) => bytes,
            None if kind.is_file() && (self.exact || meta.len() == 0) => meta.len(),
            None if kind.is_file() => meta.len().next_multiple_of(4096),
            None => file.seek(SeekFrom::End(0))?,
        };
        let all = self.rounds + u32::from(self.zero);
        for round in 1..=all {
            let random = round <= self.rounds;
            if self.verbose {
                let what = if random { "random" } else { "000000" };
                say(
                    "shred",
                    format!("{}: pass {round}/{all} ({what})...", name.display()),
                );
            }
            overwrite(&mut file, length, random)?;
        }
        if self.remove {
            if kind.is_file() {
                file.set_len(0)?;
            }
            drop(file);
            let last = hide(path);
            std::fs::remove_file(last)?;
            if self.verbose {
                say("shred", format!("{}: removed", name.display()));
            }
        }
        Ok(())
    }
}

fn overwrite(file: &mut File, length: u64, random: bool) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    let mut buffer = vec![0; 64 * 1024];
    let mut left = length;
    while left > 0 {
        if random {
            let mut filled = 0;
            while filled < buffer.len() {
                let room = buffer.get_mut(filled..).unwrap_or_default();
                filled += rustix::rand::getrandom(room, rustix::rand::GetRandomFlags::empty())?;
            }
        }
        let count = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        file.write_all(buffer.get(..count).unwrap_or_default())?;
        left -= count as u64;
    }
    match file.sync_data() {
        // Some devices have nothing to flush.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other,
    }
}

/// The name is overwritten too, by one of zeros; where that does not go, the file keeps its name.
fn hide(path: &Path) -> PathBuf {
    let length = path.file_name().map_or(1, |name| name.as_bytes().len());
    let hidden = path.with_file_name("0".repeat(length));
    let moved = rustix::fs::renameat_with(
        rustix::fs::CWD,
        path,
        rustix::fs::CWD,
        &hidden,
        rustix::fs::RenameFlags::NOREPLACE,
    );
    match moved {
        Ok(()) => hidden,
        Err(_) => path.to_owned(),
    }
}
