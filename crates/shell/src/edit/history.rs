//! Earlier commands: a list in memory, and a file that several shells append to at once.
//!
//! In the file, an entry is a line. The line ends inside of an entry have a backslash before them; an entry that ends
//! with a backslash gets a blank behind it.

use rustix::fs::{FlockOperation, flock};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// A file that is larger is not read to its beginning.
const LARGEST: u64 = 4 << 20;

/// The list: the oldest first, numbered from 1 on as commands were given.
#[derive(Debug)]
pub struct History {
    entries: VecDeque<Vec<u8>>,
    /// The number of the first of them.
    first: usize,
    most: usize,
}

impl History {
    /// An empty list that keeps so many.
    pub fn new(most: usize) -> History {
        History {
            entries: VecDeque::new(),
            first: 1,
            most,
        }
    }

    /// Keeps so many from now on.
    pub fn set_most(&mut self, most: usize) {
        self.most = most;
        self.trim();
    }

    fn trim(&mut self) {
        while self.entries.len() > self.most {
            self.entries.pop_front();
            self.first += 1;
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// By place, from 0.
    pub fn get(&self, at: usize) -> Option<&[u8]> {
        self.entries.get(at).map(Vec::as_slice)
    }

    /// The number of what is at a place.
    pub fn number(&self, at: usize) -> usize {
        self.first + at
    }

    /// The place of a number.
    pub fn place(&self, number: usize) -> Option<usize> {
        let at = number.checked_sub(self.first)?;
        (at < self.len()).then_some(at)
    }

    /// Adds a command, unless it is empty, begins with a blank, or is the last one again. Returns whether it did.
    pub fn add(&mut self, entry: &[u8]) -> bool {
        let entry = entry.trim_ascii_end();
        if entry.is_empty()
            || matches!(entry.first(), Some(b' ' | b'\t'))
            || entry.contains(&0)
            || self.entries.back().is_some_and(|last| last == entry)
        {
            return false;
        }
        self.entries.push_back(entry.to_vec());
        self.trim();
        true
    }

    /// Forgets the last one: `fc` is not a command to be done again.
    pub fn forget_last(&mut self) {
        self.entries.pop_back();
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.first += self.entries.len();
        self.entries.clear();
    }

    /// The nearest entry before a place (`back`), or behind it, that a test accepts.
    pub fn find(
        &self,
        from: usize,
        back: bool,
        accept: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Option<usize> {
        let mut at = from.min(self.len());
        loop {
            if back {
                at = at.checked_sub(1)?;
            } else {
                at += 1;
            }
            if accept(self.get(at)?) {
                return Some(at);
            }
        }
    }

    /// Adds what a file holds. One that is not there holds nothing.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn load(&mut self, path: &Path) -> io::Result<()> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let cut = meta.len() > LARGEST;
        if cut {
            io::Seek::seek(&mut file, io::SeekFrom::Start(meta.len() - LARGEST))?;
        }
        let mut text = Vec::new();
        file.take(LARGEST).read_to_end(&mut text)?;
        for entry in entries(&text).into_iter().skip(usize::from(cut)) {
            self.add(&entry);
        }
        Ok(())
    }
}

/// The entries of a file's text.
fn entries(text: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut entry = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        match line.strip_suffix(b"\\") {
            Some(part) => {
                entry.extend_from_slice(part);
                entry.push(b'\n');
            }
            None => {
                entry.extend_from_slice(line);
                all.push(std::mem::take(&mut entry));
            }
        }
    }
    if !entry.is_empty() {
        all.push(entry);
    }
    all
}

fn encode(entry: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entry.len() + 1);
    for byte in entry.trim_ascii_end() {
        if *byte == b'\n' {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    if out.last() == Some(&b'\\') {
        out.push(b' ');
    }
    out.push(b'\n');
    out
}

/// Opens a file to append to it, and locks it; a file that another shell put in its place meanwhile is opened anew.
fn open_locked(path: &Path) -> io::Result<File> {
    loop {
        let file = OpenOptions::new()
            .append(true)
            .read(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        // Where files cannot be locked, appending whole lines is still safe.
        if flock(&file, FlockOperation::LockExclusive).is_err() {
            return Ok(file);
        }
        let same = path.metadata().is_ok_and(|there| {
            file.metadata()
                .is_ok_and(|here| (there.dev(), there.ino()) == (here.dev(), here.ino()))
        });
        if same {
            return Ok(file);
        }
    }
}

/// Appends an entry to a file in one write, and shortens the file to `most` lines when it has grown far beyond that.
///
/// # Errors
/// The system's.
pub fn append(path: &Path, entry: &[u8], most: usize) -> io::Result<()> {
    if most == 0 {
        return Ok(());
    }
    let mut file = open_locked(path)?;
    let mut line = encode(entry);
    let length = file.metadata()?.len();
    if length > 0 {
        // A shell that was killed in the middle may have left half a line.
        let mut last = [0];
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut last, length - 1)?;
        if last != [b'\n'] {
            line.insert(0, b'\n');
        }
    }
    file.write_all(&line)?;
    // Reading the whole file for each command would be a waste: no entry is shorter than two bytes.
    if length / 4 < most as u64 {
        return Ok(());
    }
    let mut text = Vec::new();
    File::open(path)?.take(LARGEST * 2).read_to_end(&mut text)?;
    let all = entries(&text);
    if all.len() <= most.saturating_mul(2) && length < LARGEST {
        return Ok(());
    }
    let kept: Vec<u8> = all
        .iter()
        .skip(all.len().saturating_sub(most))
        .flat_map(|entry| encode(entry))
        .collect();
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = Path::new(&name);
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(new)
        .and_then(|mut file| file.write_all(&kept))
        .and_then(|()| std::fs::rename(new, path));
    if written.is_err() {
        let _ = std::fs::remove_file(new);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out() {
        let mut history = History::new(3);
        assert!(history.add(b"one"));
        assert!(!history.add(b"one\n"));
        assert!(!history.add(b" secret"));
        assert!(!history.add(b""));
        for word in ["two", "three", "four"] {
            assert!(history.add(word.as_bytes()));
        }
        assert_eq!(history.len(), 3);
        assert_eq!(history.get(0), Some(&b"two"[..]));
        assert_eq!((history.number(0), history.place(4)), (2, Some(2)));
        assert_eq!(history.place(1), None);
        assert_eq!(history.find(3, true, &mut |e| e.starts_with(b"t")), Some(1));
        assert_eq!(history.find(0, false, &mut |e| e.ends_with(b"r")), Some(2));
        assert_eq!(history.find(3, true, &mut |e| e == b"none"), None);
    }

    #[test]
    fn entries_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("h");
        let all: [&[u8]; 5] = [
            b"for a in b\ndo c\ndone",
            b"echo \\",
            b"cat <<x\na\\\nb\nx",
            b"\xff\xfe",
            b"last",
        ];
        for entry in all {
            append(&path, entry, 100).unwrap();
        }
        let mut history = History::new(100);
        history.load(&path).unwrap();
        let found: Vec<&[u8]> = (0..history.len())
            .filter_map(|at| history.get(at))
            .collect();
        assert_eq!(found, all);
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn half_a_line_does_not_spoil_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("h");
        std::fs::write(&path, "whole\nhal").unwrap();
        append(&path, b"next", 10).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole\nhal\nnext\n");
    }

    #[test]
    fn several_append_and_shorten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("h");
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let path = path.clone();
                std::thread::spawn(move || {
                    for number in 0..100 {
                        append(&path, format!("echo {thread} {number}").as_bytes(), 50).unwrap();
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.lines()
                .all(|line| line.starts_with("echo ") && line.split(' ').count() == 3)
        );
        let count = text.lines().count();
        assert!((50..=101).contains(&count), "{count}");
    }
}
