//! `chmod` (POSIX.1-2024), with `-R -f -v -c`; links are never followed below the operands.

use crate::common::lines::{complain, say, tell};
use crate::common::options::Options;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "[-Rfvc] MODE file...

-R  folders with all that is in them    -f  say little
-v  say what is done                    -c  say what is changed
MODE: octal, or [ugoa][+-=][rwxXst] with commas between.";

/// A change of permissions.
pub struct Change(Vec<Clause>);

enum Clause {
    Octal(u32),
    Symbolic {
        who: u32,
        operator: u8,
        bits: u32,
        copy: Option<u32>,
        execute_if: bool,
        masked: bool,
    },
}

impl Change {
    /// Reads one. `None`: it is none.
    pub fn parse(text: &[u8]) -> Option<Change> {
        let text = std::str::from_utf8(text).ok()?;
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let mode = u32::from_str_radix(text, 8)
                .ok()
                .filter(|mode| *mode <= 0o7777)?;
            return Some(Change(vec![Clause::Octal(mode)]));
        }
        let mut clauses = Vec::new();
        for part in text.split(',') {
            let mut letters = part.chars().peekable();
            let mut who = 0;
            while let Some(letter) = letters.next_if(|letter| "ugoa".contains(*letter)) {
                who |= match letter {
                    'u' => 0o4700,
                    'g' => 0o2070,
                    'o' => 0o1007,
                    _ => 0o7777,
                };
            }
            let masked = who == 0;
            if masked {
                who = 0o7777;
            }
            let mut any = false;
            while let Some(operator) = letters.next() {
                if !"+-=".contains(operator) {
                    return None;
                }
                any = true;
                let (mut bits, mut copy, mut execute_if) = (0, None, false);
                while let Some(letter) = letters.next_if(|letter| "rwxXstugo".contains(*letter)) {
                    match letter {
                        'r' => bits |= 0o444,
                        'w' => bits |= 0o222,
                        'x' => bits |= 0o111,
                        'X' => execute_if = true,
                        's' => bits |= 0o6000,
                        't' => bits |= 0o1000,
                        'u' => copy = Some(6),
                        'g' => copy = Some(3),
                        _ => copy = Some(0),
                    }
                }
                let operator = u8::try_from(operator).ok()?;
                clauses.push(Clause::Symbolic {
                    who,
                    operator,
                    bits,
                    copy,
                    execute_if,
                    masked,
                });
            }
            if !any {
                return None;
            }
        }
        Some(Change(clauses))
    }

    /// The new mode of what has `mode`; `mask` is the creation mask, which counts where nobody is named.
    pub fn apply(&self, mode: u32, folder: bool, mask: u32) -> u32 {
        let mut mode = mode & 0o7777;
        for clause in &self.0 {
            match clause {
                Clause::Octal(new) => mode = *new,
                Clause::Symbolic {
                    who,
                    operator,
                    bits,
                    copy,
                    execute_if,
                    masked,
                } => {
                    let mut bits = *bits;
                    if let Some(shift) = copy {
                        bits |= (mode >> shift & 7) * 0o111;
                    }
                    if *execute_if && (folder || mode & 0o111 != 0) {
                        bits |= 0o111;
                    }
                    // The sticky bit goes with whoever is named.
                    let sticky = bits & 0o1000;
                    let mut bits = bits & who | sticky;
                    if *masked {
                        bits &= !mask;
                    }
                    mode = match operator {
                        b'+' => mode | bits,
                        b'-' => mode & !bits,
                        _ => mode & !(who & 0o777) & !(who & 0o6000) | bits,
                    };
                }
            }
        }
        mode
    }
}

struct Job<'a> {
    change: &'a Change,
    mask: u32,
    quiet: bool,
    verbose: bool,
    only_changes: bool,
    status: i32,
}

pub fn main(arguments: &[OsString]) -> i32 {
    // `chmod -x file` takes a mode that looks like an option.
    let is_mode = |word: &OsString| {
        word.as_bytes().starts_with(b"-")
            && Change::parse(word.as_bytes()).is_some()
            && word != "-R"
    };
    let mut arguments = arguments.to_vec();
    if let Some(at) = arguments.iter().position(is_mode) {
        arguments.insert(at, "--".into());
    }
    let options = Options {
        applet: "chmod",
        letters: "Rfvc",
        long: &[
            ("recursive", 'R'),
            ("silent", 'f'),
            ("verbose", 'v'),
            ("changes", 'c'),
        ],
    };
    let given = match options.parse(&arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 2, usize::MAX) {
        return status;
    }
    let Some((mode, files)) = given.operands.split_first() else {
        return 1;
    };
    let Some(change) = Change::parse(mode.as_bytes()) else {
        say("chmod", format!("invalid mode '{}'", mode.display()));
        return 1;
    };
    let mask = sys::process::umask(0);
    sys::process::umask(mask);
    let mut job = Job {
        change: &change,
        mask,
        quiet: given.has('f'),
        verbose: given.has('v'),
        only_changes: given.has('c'),
        status: 0,
    };
    for file in files {
        job.one(CWD, file, file, given.has('R'), true);
    }
    job.status
}

impl Job<'_> {
    fn fail(&mut self, path: &OsStr, error: rustix::io::Errno) {
        self.status = 1;
        if !self.quiet {
            complain("chmod", path, &io::Error::from(error));
        }
    }

    /// `name` in `folder`; `path` is for messages. An operand that is a link is followed.
    fn one(
        &mut self,
        folder: impl AsFd,
        name: &OsStr,
        path: &OsStr,
        recursive: bool,
        operand: bool,
    ) {
        let follow = if operand {
            AtFlags::empty()
        } else {
            AtFlags::SYMLINK_NOFOLLOW
        };
        let stat = match rustix::fs::statat(&folder, name, follow) {
            Ok(stat) => stat,
            Err(error) => return self.fail(path, error),
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Symlink {
            return;
        }
        let is_folder = kind == FileType::Directory;
        let old = stat.st_mode & 0o7777;
        let new = self.change.apply(old, is_folder, self.mask);
        if new != old
            && let Err(error) =
                rustix::fs::chmodat(&folder, name, Mode::from_raw_mode(new), AtFlags::empty())
        {
            return self.fail(path, error);
        }
        if self.verbose || (self.only_changes && new != old) {
            let line = format!(
                "mode of '{}' changed from {old:04o} to {new:04o}",
                path.display()
            );
            self.status |= tell("chmod", line.as_bytes());
        }
        if !(recursive && is_folder) {
            return;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let flags = if operand {
            flags - OFlags::NOFOLLOW
        } else {
            flags
        };
        match rustix::fs::openat(&folder, name, flags, Mode::empty()) {
            Ok(inside) => self.inside(&inside, path),
            Err(error) => self.fail(path, error),
        }
    }

    fn inside(&mut self, folder: &OwnedFd, path: &OsStr) {
        let entries = match Dir::read_from(folder) {
            Ok(entries) => entries,
            Err(error) => return self.fail(path, error),
        };
        for entry in entries {
            match entry {
                Ok(entry) => {
                    let name = OsStr::from_bytes(entry.file_name().to_bytes());
                    if name != "." && name != ".." {
                        let below = [path.as_bytes(), b"/", name.as_bytes()].concat();
                        self.one(folder, name, OsStr::from_bytes(&below), true, false);
                    }
                }
                Err(error) => self.fail(path, error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        for (text, mode, folder, want) in [
            ("755", 0o600, false, 0o755),
            ("u+x", 0o644, false, 0o744),
            ("go-rwx", 0o755, false, 0o700),
            ("a=rX", 0o700, false, 0o555),
            ("a+X", 0o600, false, 0o600),
            ("a+X", 0o600, true, 0o711),
            ("g=u", 0o640, false, 0o660),
            ("u+s,+t", 0o755, false, 0o5755),
            ("u=rw,g=r,o=", 0o777, false, 0o640),
            ("+x", 0o644, false, 0o755),
            ("0", 0o777, false, 0),
        ] {
            let change = Change::parse(text.as_bytes()).unwrap();
            assert_eq!(change.apply(mode, folder, 0o022), want, "{text}");
        }
        for bad in ["", "8", "u", "u+y", "77777", "x+r"] {
            assert!(Change::parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
