//! The journal of a transaction: all that is needed to finish or to undo it (docs/formats/journal.md).
//!
//! Its name tells how far the transaction is: [`STAGING`], [`PLANNED`], [`UNDOING`], [`DONE`].

use crate::commit::plain_path;
use crate::encoding::{from_hex, hex};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use sys::fs::{Attributes, FileSystem};

/// The folder of the database, in which the journal lies.
pub const FOLDER: &str = "lib/apk/db";
/// New files are being staged: to be undone.
pub const STAGING: &str = "lib/apk/db/journal.staging";
/// The journal while it is written.
pub const WRITING: &str = "lib/apk/db/journal.new";
/// Everything is staged and flushed: to be finished.
pub const PLANNED: &str = "lib/apk/db/journal";
/// It could not be finished: to be undone.
pub const UNDOING: &str = "lib/apk/db/journal.undo";
/// All is in its place and flushed: what is left is to be tidied.
pub const DONE: &str = "lib/apk/db/journal.done";
/// A journal that could not be read is put aside under this name.
pub const DAMAGED: &str = "lib/apk/db/journal.damaged";

const FIRST_LINE: &[u8] = b"apk-journal 1";

/// A journal that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system fails.
    #[error("{file}: {source}")]
    Io {
        /// From the root.
        file: &'static str,
        /// Why.
        source: io::Error,
    },
    /// It is not what was written.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
}

/// What one operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The new thing is put in its place; what was there waits under the staged name.
    Put,
    /// The same, and what is there is a folder whose contents all go.
    PutOver,
    /// The same for a file that the user may have changed: then it is put beside it.
    Configure,
    /// What is there goes, and waits under the staged name.
    Drop,
    /// The same, unless the user has changed it.
    DropUnchanged,
    /// Nothing: it went with a folder, and is to be kept.
    Within,
}

const ACTIONS: [(Action, &str); 6] = [
    (Action::Within, "within"),
    (Action::Put, "put"),
    (Action::PutOver, "over"),
    (Action::Configure, "config"),
    (Action::Drop, "drop"),
    (Action::DropUnchanged, "unset"),
];

/// One operation: on a place, and on the name beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What is done.
    pub action: Action,
    /// The place, from the root.
    pub path: PathBuf,
    /// The name in the same folder under which the new thing is staged, and the old one waits.
    pub staged: String,
    /// The new thing's number on its file system; 0: there is none.
    pub inode: u64,
    /// The checksum of the new thing's contents.
    pub hash: Option<Vec<u8>>,
    /// The checksum of what the database knows to be there.
    pub known: Option<Vec<u8>>,
    /// Where the old thing goes in the folder of kept files: `PACKAGE/NUMBER`.
    pub keep: Option<String>,
}

impl Operation {
    /// Where the new thing is staged, and the old one waits.
    #[must_use]
    pub fn staged_path(&self) -> PathBuf {
        self.path
            .parent()
            .unwrap_or(Path::new(""))
            .join(&self.staged)
    }
}

/// One package's part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The name of the package that is there now.
    pub old: Option<String>,
    /// The name of the package that is there afterwards.
    pub new: Option<String>,
    /// What is done, between the script before and the script behind.
    pub operations: Vec<Operation>,
}

/// The plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// The command line.
    pub command: String,
    /// No scripts are run.
    pub no_scripts: bool,
    /// The folder for what is kept of the old files.
    pub keep: Option<PathBuf>,
    /// How many bytes may be kept altogether.
    pub space: u64,
    /// A folder of each file system that is changed.
    pub systems: Vec<PathBuf>,
    /// The packages, in their order.
    pub parts: Vec<Part>,
    /// The files of the database, and the record of the history.
    pub database: Vec<Operation>,
    /// Folders that go if they are empty then, the deepest first.
    pub folders: Vec<PathBuf>,
    /// Kept packages that are in use again.
    pub used: Vec<PathBuf>,
}

fn field(hash: Option<&Vec<u8>>) -> String {
    hash.map_or_else(|| "-".to_owned(), |hash| hex(hash))
}

/// The first 8 digits of the SHA-256 of a line: enough to tell a whole line from a torn one.
fn short_digest(line: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, line);
    hex(digest.as_ref().get(..4).unwrap_or_default())
}

impl Journal {
    /// The text, with its checksum.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = FIRST_LINE.to_vec();
        let mut line = |words: &str, path: Option<&Path>| {
            out.push(b'\n');
            out.extend_from_slice(words.as_bytes());
            if let Some(path) = path {
                out.push(b' ');
                out.extend_from_slice(path.as_os_str().as_bytes());
            }
        };
        line(&format!("by {}", one_line(&self.command)), None);
        line(
            &format!("scripts {}", if self.no_scripts { "no" } else { "yes" }),
            None,
        );
        if let Some(keep) = &self.keep {
            line(&format!("keep {}", self.space), Some(keep));
        }
        for folder in &self.systems {
            line("flush", Some(folder));
        }
        for used in &self.used {
            line("used", Some(used));
        }
        let operations = |list: &[Operation], line: &mut dyn FnMut(&str, Option<&Path>)| {
            for one in list {
                let word = ACTIONS
                    .iter()
                    .find(|(action, _)| *action == one.action)
                    .map_or("", |(_, word)| word);
                let words = format!(
                    "{word} {} {} {} {} {}",
                    one.staged,
                    one.inode,
                    field(one.hash.as_ref()),
                    field(one.known.as_ref()),
                    one.keep.as_deref().unwrap_or("-"),
                );
                line(&words, Some(&one.path));
            }
        };
        for part in &self.parts {
            let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "-".to_owned());
            line(
                &format!("part {} {}", name(&part.old), name(&part.new)),
                None,
            );
            operations(&part.operations, &mut line);
        }
        line("database", None);
        operations(&self.database, &mut line);
        for folder in &self.folders {
            line("folder", Some(folder));
        }
        out.push(b'\n');
        let digest = ring::digest::digest(&ring::digest::SHA256, &out);
        out.extend_from_slice(format!("end {}\n", hex(digest.as_ref())).as_bytes());
        out
    }

    /// Reads it, and what was noted behind it.
    pub fn parse(bytes: &[u8], boot: &str) -> Result<(Journal, Progress), JournalError> {
        let damaged = |what: &str| JournalError::Damaged(what.to_owned());
        let end = find(bytes, b"\nend ").ok_or_else(|| damaged("it has no end"))? + 1;
        let (body, rest) = bytes.split_at(end);
        let mut lines = rest.split(|byte| *byte == b'\n');
        let last = lines.next().unwrap_or_default();
        let digest = ring::digest::digest(&ring::digest::SHA256, body);
        if last.get(4..) != Some(hex(digest.as_ref()).as_bytes()) {
            return Err(damaged("its checksum is another one"));
        }
        let mut journal = Journal::default();
        let mut in_database = false;
        for (number, line) in (1..).zip(body.split(|byte| *byte == b'\n')) {
            if number == 1 {
                if line != FIRST_LINE {
                    return Err(damaged("it is of another version"));
                }
                continue;
            }
            if line.is_empty() {
                continue;
            }
            if line == b"database" {
                in_database = true;
                continue;
            }
            let bad = || damaged(&format!("line {number}"));
            let (word, value) = split(line).ok_or_else(bad)?;
            let path = |bytes: &[u8]| plain_path(bytes).ok_or_else(bad);
            match word {
                b"by" => journal.command = String::from_utf8_lossy(value).into_owned(),
                b"scripts" => journal.no_scripts = value == b"no",
                b"keep" => {
                    let (space, folder) = split(value).ok_or_else(bad)?;
                    journal.space = number_of(space).ok_or_else(bad)?;
                    journal.keep = Some(path(folder)?);
                }
                // The root itself has no name.
                b"flush" if value.is_empty() => journal.systems.push(PathBuf::new()),
                b"flush" => journal.systems.push(path(value)?),
                b"used" => journal.used.push(path(value)?),
                b"folder" => journal.folders.push(path(value)?),
                b"part" => {
                    let (old, new) = split(value).ok_or_else(bad)?;
                    let name = |bytes: &[u8]| {
                        (bytes != b"-").then(|| String::from_utf8_lossy(bytes).into_owned())
                    };
                    journal.parts.push(Part {
                        old: name(old),
                        new: name(new),
                        operations: Vec::new(),
                    });
                }
                word => {
                    let operation = operation(word, value).ok_or_else(bad)?;
                    let list = if in_database {
                        &mut journal.database
                    } else {
                        &mut journal.parts.last_mut().ok_or_else(bad)?.operations
                    };
                    list.push(operation);
                }
            }
        }
        Ok((journal, Progress::read(lines, boot)))
    }
}

fn operation(word: &[u8], value: &[u8]) -> Option<Operation> {
    let (action, _) = ACTIONS.iter().find(|(_, known)| known.as_bytes() == word)?;
    let mut fields = value.splitn(6, |byte| *byte == b' ');
    let staged = plain_path(fields.next()?)?;
    let hash = |bytes: &[u8]| -> Option<Option<Vec<u8>>> {
        if bytes == b"-" {
            return Some(None);
        }
        from_hex(bytes).map(Some)
    };
    Some(Operation {
        action: *action,
        staged: (staged.components().count() == 1)
            .then(|| staged.into_os_string().into_string().ok())??,
        inode: number_of(fields.next()?)?,
        hash: hash(fields.next()?)?,
        known: hash(fields.next()?)?,
        keep: match fields.next()? {
            b"-" => None,
            bytes => Some(plain_path(bytes)?.into_os_string().into_string().ok()?),
        },
        path: plain_path(fields.next()?)?,
    })
}

fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|byte| *byte == b' ')?;
    Some((line.get(..at)?, line.get(at + 1..)?))
}

fn number_of(bytes: &[u8]) -> Option<u64> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

pub(crate) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// What was noted while the plan was carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The scripts that ran to their end, and their statuses.
    pub scripts: HashMap<String, i32>,
    /// The same, with those of earlier starts of the machine.
    pub ever: HashMap<String, i32>,
}

impl Progress {
    /// Reads the lines behind the plan. Those of an earlier start of the machine do not count: what those scripts wrote
    /// may not have reached the disk.
    fn read<'a>(lines: impl Iterator<Item = &'a [u8]>, boot: &str) -> Progress {
        let mut progress = Progress::default();
        for line in lines {
            let mut words = line.rsplitn(2, |byte| *byte == b' ');
            let (Some(digest), Some(rest)) = (words.next(), words.next()) else {
                continue;
            };
            if digest != short_digest(rest).as_bytes() {
                continue;
            }
            let text = String::from_utf8_lossy(rest);
            let mut words = text.split(' ');
            if let (Some("script"), Some(key), Some(status), Some(tag)) =
                (words.next(), words.next(), words.next(), words.next())
                && let Ok(status) = status.parse()
            {
                progress.ever.insert(key.to_owned(), status);
                if tag == short_digest(boot.as_bytes()) {
                    progress.scripts.insert(key.to_owned(), status);
                }
            }
        }
        progress
    }
}

/// The journal on the disk.
pub struct Log<'a> {
    fs: &'a dyn FileSystem,
    /// `None`: nothing is written at all.
    boot: Option<String>,
}

impl<'a> Log<'a> {
    /// Of a root; without the machine's boot id nothing is written.
    pub fn new(fs: &'a dyn FileSystem, boot: Option<String>) -> Log<'a> {
        Log { fs, boot }
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.boot.is_some()
    }

    /// Staging begins.
    pub fn begin(&self, command: &str) -> Result<(), JournalError> {
        if self.boot.is_none() {
            return Ok(());
        }
        let text = format!("by {}\n", one_line(command));
        let write = || {
            write_file(self.fs, Path::new(STAGING), text.as_bytes(), true)?;
            self.fs.sync_folder(Path::new(FOLDER))
        };
        write().map_err(io_at(STAGING))
    }

    /// Something is going to be staged in a folder that the database does not know.
    pub fn staging_in(&self, folder: &Path) -> Result<(), JournalError> {
        if self.boot.is_none() {
            return Ok(());
        }
        let line = [b"in ", folder.as_os_str().as_bytes(), b"\n"].concat();
        append(self.fs, Path::new(STAGING), &line, true).map_err(io_at(STAGING))
    }

    /// Writes the plan; it does not count yet.
    pub fn write(&self, journal: &Journal) -> Result<(), JournalError> {
        if self.boot.is_none() {
            return Ok(());
        }
        write_file(self.fs, Path::new(WRITING), &journal.to_bytes(), true)
            .map_err(io_at(WRITING))?;
        Ok(())
    }

    /// The plan counts: there is no way back but undoing it.
    pub fn plan(&self) -> Result<(), JournalError> {
        if self.boot.is_none() {
            return Ok(());
        }
        let rename = || {
            self.fs.rename(Path::new(WRITING), Path::new(PLANNED))?;
            match self.fs.unlink(Path::new(STAGING)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => self.fs.sync_folder(Path::new(FOLDER)),
            }
        };
        rename().map_err(io_at(PLANNED))
    }

    /// A script ran to its end. Not flushed, nor is what it did; but that it failed is.
    pub fn script(&self, key: &str, status: i32) {
        let Some(boot) = &self.boot else {
            return;
        };
        let text = format!("script {key} {status} {}", short_digest(boot.as_bytes()));
        let line = format!("{text} {}\n", short_digest(text.as_bytes()));
        // Without the note it would run again, which scripts must bear.
        let _ = append(self.fs, Path::new(PLANNED), line.as_bytes(), status != 0);
    }

    /// Gives the journal another name, and flushes that.
    pub fn turn(&self, from: &'static str, to: &'static str) -> Result<(), JournalError> {
        if self.boot.is_none() {
            return Ok(());
        }
        let rename = || {
            self.fs.rename(Path::new(from), Path::new(to))?;
            self.fs.sync_folder(Path::new(FOLDER))
        };
        rename().map_err(io_at(to))
    }

    /// The end.
    pub fn remove(&self) -> Result<(), JournalError> {
        for file in [WRITING, PLANNED, STAGING, UNDOING, DONE] {
            match self.fs.unlink(Path::new(file)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(io_at(file)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn io_at(file: &'static str) -> impl FnOnce(io::Error) -> JournalError {
    move |source| JournalError::Io { file, source }
}

fn append(fs: &dyn FileSystem, path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let mut file = fs.append(path)?;
    file.write_all(bytes)?;
    file.finish(&Attributes {
        sync,
        ..Attributes::default()
    })?;
    Ok(())
}

/// Writes a new file in the place of an old one of that name. Returns its number.
pub(crate) fn write_file(
    fs: &dyn FileSystem,
    path: &Path,
    bytes: &[u8],
    sync: bool,
) -> io::Result<u64> {
    match fs.unlink(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs.create(path, 0o644)?;
    file.write_all(bytes)?;
    file.finish(&Attributes {
        mode: Some(0o644),
        sync,
        ..Attributes::default()
    })
}

/// What a run that was killed while it staged tells: its command, and the folders that the database does not know.
#[must_use]
pub fn parse_staging(bytes: &[u8]) -> (String, Vec<PathBuf>) {
    let mut command = String::new();
    let mut folders = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        match split(line) {
            Some((b"by", value)) => command = String::from_utf8_lossy(value).into_owned(),
            Some((b"in", value)) => folders.push(PathBuf::from(OsStr::from_bytes(value))),
            _ => {}
        }
    }
    (command, folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Journal {
        let operation = Operation {
            action: Action::Configure,
            path: "etc/a b".into(),
            staged: ".apk.00".into(),
            inode: 7,
            hash: Some(vec![1, 2]),
            known: None,
            keep: Some("a/3".into()),
        };
        Journal {
            command: "apk add\n a".into(),
            no_scripts: true,
            keep: Some("var/cache/apk/kept/1".into()),
            space: 9,
            systems: vec![PathBuf::new(), "boot".into()],
            parts: vec![Part {
                old: None,
                new: Some("a".into()),
                operations: vec![operation.clone()],
            }],
            database: vec![Operation {
                action: Action::Drop,
                keep: None,
                ..operation
            }],
            folders: vec!["usr/share/a".into()],
            used: vec!["var/cache/apk/kept/0/a".into()],
        }
    }

    #[test]
    fn text_both_ways() {
        let mut journal = sample();
        let mut bytes = journal.to_bytes();
        journal.command = "apk add  a".into();
        let text = format!("script 0.pre 3 {}", short_digest(b"boot"));
        bytes.extend_from_slice(
            format!("{text} {}\nscript 0.post 0", short_digest(text.as_bytes())).as_bytes(),
        );
        let (read, progress) = Journal::parse(&bytes, "boot").unwrap();
        assert_eq!(read, journal);
        assert_eq!(progress.scripts, HashMap::from([("0.pre".to_owned(), 3)]));
        // Behind a power cut the scripts have to run again.
        assert!(
            Journal::parse(&bytes, "other")
                .unwrap()
                .1
                .scripts
                .is_empty()
        );
    }

    #[test]
    fn damage_is_found() {
        let bytes = sample().to_bytes();
        for cut in 0..bytes.len() - 1 {
            assert!(Journal::parse(&bytes[..cut], "").is_err(), "cut at {cut}");
        }
        for at in 0..bytes.len() - 1 {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(Journal::parse(&bad, "").is_err(), "byte {at}");
        }
    }

    #[test]
    fn lines_that_lead_outside_are_refused() {
        for line in [
            "folder ../x",
            "put ../a 1 - - - x",
            "part a b\nput a 1 - - - /x",
            "what is this",
            "put a 1 - - - x",
        ] {
            let mut text = format!("apk-journal 1\n{line}\n");
            let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
            text.push_str(&format!("end {}\n", hex(digest.as_ref())));
            assert!(Journal::parse(text.as_bytes(), "").is_err(), "{line}");
        }
    }
}
