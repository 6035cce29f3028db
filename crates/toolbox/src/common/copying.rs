//! Copying trees: what `cp`, `mv` and `install` share.

use super::lines::{cause, complain};
use rustix::fs::{CWD, FileType, Mode};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// What is done with what is there already, and what is kept.
#[derive(Clone, Debug, Default)]
pub struct Copier {
    /// For messages.
    pub applet: &'static str,
    /// Folders, too.
    pub recursive: bool,
    /// Links are copied as links; else what they lead to.
    pub keep_links: bool,
    /// With `keep_links`: those of the command line are followed.
    pub follow_named: bool,
    /// Mode, owner and times are kept.
    pub preserve: bool,
    /// Names of one file stay names of one file.
    pub same_files: bool,
    /// A target that cannot be opened is removed first.
    pub force: bool,
    /// Asks before something is overwritten.
    pub ask: bool,
    /// Leaves what is there.
    pub keep_old: bool,
    /// Leaves what is there and as new.
    pub update: bool,
    /// Says what is done.
    pub verbose: bool,
    /// Makes hard links instead.
    pub hard: bool,
    /// Makes symbolic links instead.
    pub symbolic: bool,
    /// The first error made it 1.
    pub status: i32,
    /// Hard links within what is copied stay such.
    pub linked: HashMap<(u64, u64), PathBuf>,
    /// The folders that were made: a copy into itself ends there.
    pub made: Vec<(u64, u64)>,
}

impl Copier {
    fn fail(&mut self, path: &Path, error: &io::Error) {
        complain(self.applet, path.as_os_str(), error);
        self.status = 1;
    }

    /// Copies one thing to a name.
    pub fn copy(&mut self, from: &Path, to: &Path) {
        self.one(from, to, true);
    }

    fn one(&mut self, from: &Path, to: &Path, named: bool) {
        let follow = !self.keep_links || named && self.follow_named;
        let meta = if follow {
            from.metadata()
        } else {
            from.symlink_metadata()
        };
        let meta = match meta {
            Ok(meta) => meta,
            Err(error) => return self.fail(from, &error),
        };
        if meta.is_dir() {
            return self.folder(from, to, &meta);
        }
        if !self.may_replace(from, to, &meta) {
            return;
        }
        if self.verbose {
            super::lines::say_out(&format!("'{}' -> '{}'", from.display(), to.display()));
        }
        if let Err(error) = self.file(from, to, &meta) {
            return self.fail(to, &error);
        }
        if self.preserve
            && !self.hard
            && let Err(error) = keep(to, &meta)
        {
            self.fail(to, &error);
        }
    }

    /// Whether the target may be written: told, asked, or left as it is.
    fn may_replace(&mut self, from: &Path, to: &Path, meta: &Metadata) -> bool {
        let Ok(there) = to.symlink_metadata() else {
            return true;
        };
        if (there.dev(), there.ino()) == (meta.dev(), meta.ino())
            || to
                .metadata()
                .is_ok_and(|seen| (seen.dev(), seen.ino()) == (meta.dev(), meta.ino()))
                && !self.hard
                && !self.symbolic
                && !there.is_symlink()
        {
            let text = format!(
                "'{}' and '{}' are the same file",
                from.display(),
                to.display()
            );
            super::lines::say(self.applet, text);
            self.status = 1;
            return false;
        }
        if there.is_dir() {
            let text = format!(
                "'{}' is a folder, and '{}' is none",
                to.display(),
                from.display()
            );
            super::lines::say(self.applet, text);
            self.status = 1;
            return false;
        }
        if self.keep_old || self.update && there.mtime() >= meta.mtime() {
            return false;
        }
        !self.ask || asked(self.applet, to)
    }

    fn file(&mut self, from: &Path, to: &Path, meta: &Metadata) -> io::Result<()> {
        if self.symbolic {
            return again(to, self.force, || symlink(from, to));
        }
        if self.hard {
            return again(to, self.force, || fs::hard_link(from, to));
        }
        let kind = meta.file_type();
        if kind.is_symlink() {
            let target = fs::read_link(from)?;
            return again(to, true, || symlink(&target, to));
        }
        if (self.preserve || self.same_files) && meta.nlink() > 1 {
            let key = (meta.dev(), meta.ino());
            if let Some(first) = self.linked.get(&key) {
                return again(to, true, || fs::hard_link(first, to));
            }
            self.linked.insert(key, to.to_owned());
        }
        // A device is copied as one only with its folder; by its name its contents are.
        if self.recursive
            && (kind.is_block_device()
                || kind.is_char_device()
                || kind.is_fifo()
                || kind.is_socket())
        {
            let node = if kind.is_block_device() {
                FileType::BlockDevice
            } else if kind.is_char_device() {
                FileType::CharacterDevice
            } else {
                FileType::Fifo
            };
            let mode = Mode::from_raw_mode(meta.mode() & 0o7777);
            return again(to, true, || {
                Ok(rustix::fs::mknodat(CWD, to, node, mode, meta.rdev())?)
            });
        }
        let mut input = File::open(from)?;
        let open = || {
            OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(meta.mode() & 0o777)
                .open(to)
        };
        let mut output = match open() {
            Ok(file) => file,
            Err(_) if self.force => {
                let _ = fs::remove_file(to);
                open()?
            }
            Err(error) => return Err(error),
        };
        contents(&mut input, &mut output)
    }

    fn folder(&mut self, from: &Path, to: &Path, meta: &Metadata) {
        if !self.recursive {
            super::lines::say(
                self.applet,
                format!("omitting directory '{}'", from.display()),
            );
            self.status = 1;
            return;
        }
        if self.made.contains(&(meta.dev(), meta.ino())) {
            super::lines::say(
                self.applet,
                format!("'{}' cannot be copied into itself", from.display()),
            );
            self.status = 1;
            return;
        }
        if to.symlink_metadata().is_err() {
            // Ours to fill until it is done, whatever its mode is then.
            if let Err(error) = fs::create_dir(to).and_then(|()| {
                fs::set_permissions(to, fs::Permissions::from_mode(meta.mode() & 0o777 | 0o700))
            }) {
                return self.fail(to, &error);
            }
            if let Ok(new) = to.metadata() {
                self.made.push((new.dev(), new.ino()));
            }
        } else if !to.is_dir() {
            let error = io::Error::from_raw_os_error(20);
            return self.fail(to, &error);
        }
        if self.verbose {
            super::lines::say_out(&format!("'{}' -> '{}'", from.display(), to.display()));
        }
        let mut names: Vec<_> = match fs::read_dir(from) {
            Ok(entries) => entries.flatten().map(|entry| entry.file_name()).collect(),
            Err(error) => return self.fail(from, &error),
        };
        names.sort();
        for name in names {
            self.one(&from.join(&name), &to.join(&name), false);
        }
        let done = if self.preserve {
            keep(to, meta)
        } else {
            let mask = umask();
            fs::set_permissions(to, fs::Permissions::from_mode(meta.mode() & 0o7777 & !mask))
        };
        if let Err(error) = done {
            self.fail(to, &error);
        }
    }
}

/// The process' umask.
pub fn umask() -> u32 {
    let mask = rustix::process::umask(Mode::empty());
    rustix::process::umask(mask);
    mask.bits()
}

/// Makes something; where `force`, what is in the way goes first.
fn again(to: &Path, force: bool, make: impl Fn() -> io::Result<()>) -> io::Result<()> {
    match make() {
        Err(error) if force && error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(to)?;
            make()
        }
        other => other,
    }
}

/// Asks on the terminal.
pub fn asked(applet: &str, path: &Path) -> bool {
    let text = format!("{applet}: overwrite '{}'? ", path.display());
    let _ = super::lines::write_all(rustix::stdio::stderr(), text.as_bytes());
    matches!(super::session::read_line(), Ok(Some(line)) if matches!(line.first(), Some(b'y' | b'Y')))
}

/// Copies all bytes, in the kernel where it can; holes of sparse files stay holes there.
///
/// # Errors
/// The system's error.
pub fn contents(input: &mut File, output: &mut File) -> io::Result<()> {
    loop {
        match rustix::fs::copy_file_range(&*input, None, &*output, None, 1 << 30) {
            Ok(0) => break,
            Ok(_) => {}
            // Of other kinds of file, or across file systems that cannot.
            Err(_) => break,
        }
    }
    // What the kernel did not copy: /proc says that its files are empty.
    let mut buffer = vec![0; 128 * 1024];
    loop {
        let count = match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        output.write_all(buffer.get(..count).unwrap_or_default())?;
    }
}

/// Gives a copy the owner, mode and times of what it was made from. Owners that may not be given are left.
///
/// # Errors
/// The system's error.
pub fn keep(to: &Path, meta: &Metadata) -> io::Result<()> {
    use rustix::fs::{AtFlags, Timespec, Timestamps, utimensat};
    let owned = std::os::unix::fs::lchown(to, Some(meta.uid()), Some(meta.gid())).is_ok();
    if !meta.is_symlink() {
        // The set-id bits only with their owner.
        let mode = if owned {
            meta.mode() & 0o7777
        } else {
            meta.mode() & 0o777
        };
        fs::set_permissions(to, fs::Permissions::from_mode(mode))?;
    }
    let at = |seconds, nanoseconds: i64| Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    };
    let times = Timestamps {
        last_access: at(meta.atime(), meta.atime_nsec()),
        last_modification: at(meta.mtime(), meta.mtime_nsec()),
    };
    Ok(utimensat(CWD, to, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Where the operands go: into a folder, or to a name. `Err`: told.
pub fn targets<'a>(
    applet: &str,
    operands: &'a [std::ffi::OsString],
    folder: Option<&OsStr>,
    as_file: bool,
) -> Result<Vec<(&'a Path, PathBuf)>, i32> {
    let wrong = |text: String| {
        super::lines::say(applet, text);
        1
    };
    let into = |folder: &Path, sources: &'a [std::ffi::OsString]| {
        sources
            .iter()
            .map(|source| {
                let source = Path::new(source);
                let name = match source.file_name() {
                    Some(name) => name.to_owned(),
                    // `..` and `/` have no name of their own.
                    None => std::ffi::OsString::from("."),
                };
                (source, folder.join(name))
            })
            .collect()
    };
    if let Some(folder) = folder {
        if operands.is_empty() {
            return Err(wrong("missing operand".to_owned()));
        }
        return match fs::metadata(folder) {
            Ok(meta) if meta.is_dir() => Ok(into(Path::new(folder), operands)),
            Ok(_) => Err(wrong(format!("{}: Not a directory", folder.display()))),
            Err(error) => Err(wrong(format!("{}: {}", folder.display(), cause(&error)))),
        };
    }
    let Some((last, sources)) = operands
        .split_last()
        .filter(|(_, sources)| !sources.is_empty())
    else {
        return Err(wrong("missing operand".to_owned()));
    };
    let last = Path::new(last);
    if !as_file && last.is_dir() {
        return Ok(into(last, sources));
    }
    match sources {
        [source] => Ok(vec![(Path::new(source), last.to_owned())]),
        _ => Err(wrong(format!("{}: Not a directory", last.display()))),
    }
}
