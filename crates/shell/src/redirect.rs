//! Redirections (POSIX.1-2024, 2.7), and how they are undone.

use crate::ast::{Redirection, Target};
use crate::exec::{Flow, RedirectError, Shell, strerror};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use sys::process;

const READ: i32 = 0;
const WRITE: i32 = 1;
const READ_WRITE: i32 = 2;
const CREATE: i32 = 0o100;
const EXCLUSIVE: i32 = 0o200;
const TRUNCATE: i32 = 0o1000;
const APPEND: i32 = 0o2000;

/// Descriptors as they were, the first to be redirected first: (number, its copy; none: it was closed).
#[derive(Default)]
pub(crate) struct Saved(Vec<(i32, Option<i32>)>);

impl Saved {
    /// Puts everything back.
    pub(crate) fn restore(mut self) {
        for (fd, copy) in std::mem::take(&mut self.0).into_iter().rev() {
            match copy {
                Some(copy) => {
                    let _ = process::dup2(copy, fd);
                    let _ = process::close(copy);
                }
                None => {
                    let _ = process::close(fd);
                }
            }
        }
    }

    /// Keeps what is: only the copies go.
    pub(crate) fn forget(&mut self) {
        for (_, copy) in std::mem::take(&mut self.0) {
            if let Some(copy) = copy {
                let _ = process::close(copy);
            }
        }
    }

    fn keep(&mut self, fd: i32) {
        self.0.push((fd, process::dup_above(fd, 10).ok()));
    }
}

impl Shell {
    /// Makes the redirections. `undo`: they can be put back.
    pub(crate) fn redirect(
        &mut self,
        all: &[Redirection],
        undo: bool,
    ) -> Result<Saved, RedirectError> {
        let mut saved = Saved::default();
        for redirection in all {
            if let Err(error) = self.redirect_one(redirection, undo, &mut saved) {
                saved.restore();
                return Err(error);
            }
        }
        Ok(saved)
    }

    fn redirect_one(
        &mut self,
        one: &Redirection,
        undo: bool,
        saved: &mut Saved,
    ) -> Result<(), RedirectError> {
        let open = |shell: &mut Shell, path: &[u8], flags: i32| match process::open(
            OsStr::from_bytes(path),
            flags,
            0o666,
        ) {
            Ok(fd) => Ok(fd),
            Err(error) => {
                let create = flags & CREATE != 0;
                let path = String::from_utf8_lossy(path);
                let verb = if create { "create" } else { "open" };
                let why = match error.kind() {
                    std::io::ErrorKind::NotFound if create => "nonexistent directory".to_owned(),
                    std::io::ErrorKind::NotFound => "no such file".to_owned(),
                    _ => strerror(&error),
                };
                shell.warn(&format!("can't {verb} {path}: {why}"));
                Err(RedirectError::Failed)
            }
        };
        let (word, flags) = match &one.target {
            Target::Read(word) => (word, READ),
            Target::Write(word, force) => {
                let flags = if self.options.no_clobber && !force {
                    EXCLUSIVE
                } else {
                    TRUNCATE
                };
                (word, WRITE | CREATE | flags)
            }
            Target::Append(word) => (word, WRITE | CREATE | APPEND),
            Target::ReadWrite(word) => (word, READ_WRITE | CREATE),
            Target::Both(word, append) => {
                let path = self.string(word).map_err(RedirectError::Flow)?;
                let fd = open(
                    self,
                    &path,
                    WRITE | CREATE | if *append { APPEND } else { TRUNCATE },
                )?;
                for to in [1, 2] {
                    if undo {
                        saved.keep(to);
                    }
                    let _ = process::dup2(fd, to);
                }
                let _ = process::close(fd);
                return Ok(());
            }
            Target::Duplicate(word) => {
                let from = self.string(word).map_err(RedirectError::Flow)?;
                return self.duplicate(one.fd, &from, undo, saved);
            }
            Target::Here(word) => {
                let text = match word.get() {
                    // What is wrong in the text is the command's error, not the script's, as in dash.
                    Some(word) => self.string(word).map_err(|flow| match flow {
                        Flow::Abort(_) => RedirectError::Failed,
                        other => RedirectError::Flow(other),
                    })?,
                    None => Vec::new(),
                };
                let fd = self.here(&text).map_err(RedirectError::Flow)?;
                return self.place(fd, one.fd, undo, saved);
            }
        };
        let path = self.string(word).map_err(RedirectError::Flow)?;
        // noclobber is about regular files only.
        let flags = if flags & EXCLUSIVE != 0 && is_special(&path) {
            flags & !EXCLUSIVE
        } else {
            flags
        };
        let fd = open(self, &path, flags)?;
        self.place(fd, one.fd, undo, saved)
    }

    fn place(
        &mut self,
        fd: i32,
        to: i32,
        undo: bool,
        saved: &mut Saved,
    ) -> Result<(), RedirectError> {
        if fd == to {
            if undo {
                saved.0.push((to, None));
            }
            return Ok(());
        }
        if undo {
            saved.keep(to);
        }
        let result = process::dup2(fd, to);
        let _ = process::close(fd);
        result.map_err(|error| {
            self.warn(&format!("{to}: {}", strerror(&error)));
            RedirectError::Failed
        })
    }

    fn duplicate(
        &mut self,
        to: i32,
        from: &[u8],
        undo: bool,
        saved: &mut Saved,
    ) -> Result<(), RedirectError> {
        if undo {
            saved.keep(to);
        }
        if from == b"-" {
            let _ = process::close(to);
            return Ok(());
        }
        let number = std::str::from_utf8(from)
            .ok()
            .and_then(|text| text.parse::<i32>().ok());
        let result = match number {
            // What is closed on exec is the shell's own.
            Some(number) if number >= 10 && process::is_closed_on_exec(number) => {
                Err("Bad file descriptor".to_owned())
            }
            Some(number) => process::dup2(number, to)
                .map_err(|error| format!("dup2({number},{to}): {}", strerror(&error))),
            None => Err("bad file descriptor".to_owned()),
        };
        result.map_err(|what| {
            if what.starts_with("dup2") {
                self.warn(&what);
            } else {
                self.warn(&format!("{}: {what}", String::from_utf8_lossy(from)));
            }
            RedirectError::Failed
        })
    }

    /// A descriptor that a text can be read from: a pipe where it fits into one, else a writer of its own.
    fn here(&mut self, text: &[u8]) -> Result<i32, Flow> {
        let (read_end, write_end) = match process::pipe() {
            Ok(ends) => ends,
            Err(error) => {
                return Err(self.fail(&format!("cannot make a pipe: {}", strerror(&error))));
            }
        };
        if text.len() <= 4096 {
            let _ = process::write_all(write_end, text);
        } else {
            self.fork(|_| {
                let _ = process::close(read_end);
                process::reset_sigpipe();
                let _ = process::write_all(write_end, text);
                0
            })?;
        }
        let _ = process::close(write_end);
        Ok(read_end)
    }
}

fn is_special(path: &[u8]) -> bool {
    std::path::Path::new(OsStr::from_bytes(path))
        .metadata()
        .is_ok_and(|meta| !meta.is_file())
}

/// Dropped without being put back: the copies are not needed any more.
impl Drop for Saved {
    fn drop(&mut self) {
        self.forget();
    }
}
