//! Packages read ahead: each is fetched, unpacked and checked in a thread while the files of those before it are
//! written. What comes out is the same, in the same order, as if there were one thread.

use crate::archive::tar::{self, Entry};
use crate::keys::KeyRing;
use crate::package::{Control, PackageError, Reader};
use std::collections::VecDeque;
use std::io::{self, BufRead};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Opens the bytes of a package, in the thread that reads them.
pub type Open = Box<dyn FnOnce() -> io::Result<Box<dyn BufRead>> + Send>;

/// Bytes of a file in one message, at most.
const PIECE: usize = 32 * 1024;
/// Buffers that may be filled at a time: what the packages behind the first one may take. A whole package of usual size
/// fits, so that the threads need not wait for the one that writes.
const BUFFERS: usize = 256;
/// How long a signal may wait for an answer.
const PATIENCE: Duration = Duration::from_millis(200);

/// Part of an entry, or all of it.
struct Piece {
    /// Its header, in its first piece.
    entry: Option<Entry>,
    bytes: Vec<u8>,
    /// Its checksum, in its last piece; empty for what has none.
    hash: Option<Vec<u8>>,
}

enum Message {
    Control(Box<Control>),
    Piece(Piece),
    /// All of it was read and is what it should be.
    End,
    Unopened(io::Error),
    Wrong(PackageError),
}

/// Why there is no more of a package.
pub enum Trouble {
    /// Its bytes are nowhere.
    Unopened(io::Error),
    /// They are not what they should be.
    Wrong(PackageError),
    /// Whoever waits was told to give up.
    Interrupted,
    /// What took the bytes failed.
    Sink(io::Error),
}

/// The buffers of all packages.
#[derive(Default)]
struct Buffers {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Filled, and not yet written.
    filled: usize,
    /// Written: they can be filled again.
    spare: Vec<Vec<u8>>,
    /// The number of the package that is being written.
    first: usize,
    /// Nobody wants any more.
    closed: bool,
}

/// Nobody wants the rest.
struct Gone;

impl Buffers {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer to fill, for a package. The one that is waited for gets one always.
    fn take(&self, package: usize) -> Result<Vec<u8>, Gone> {
        let mut state = self.lock();
        while !state.closed && package > state.first && state.filled >= BUFFERS {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return Err(Gone);
        }
        state.filled += 1;
        Ok(state
            .spare
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(PIECE)))
    }

    fn give_back(&self, mut bytes: Vec<u8>) {
        // What has no bytes had no buffer.
        if bytes.capacity() == 0 {
            return;
        }
        bytes.clear();
        let mut state = self.lock();
        state.filled = state.filled.saturating_sub(1);
        state.spare.push(bytes);
        // In good time, but not for each one.
        if state.filled == BUFFERS / 2 {
            self.changed.notify_all();
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

/// The packages of a transaction, in its order.
pub struct Ahead {
    packages: VecDeque<Receiver<Message>>,
    buffers: Arc<Buffers>,
    asked: Option<fn() -> bool>,
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.buffers.change(|state| state.closed = true);
    }
}

impl Ahead {
    /// Begins to read. `asked` tells whether to give up.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn begin(
        packages: Vec<Open>,
        keys: &KeyRing,
        threads: usize,
        asked: Option<fn() -> bool>,
    ) -> io::Result<Ahead> {
        let (mut receivers, mut jobs) = (VecDeque::new(), VecDeque::new());
        for (number, open) in packages.into_iter().enumerate() {
            let (sender, receiver) = channel();
            receivers.push_back(receiver);
            jobs.push_back((number, open, sender));
        }
        let threads = threads.clamp(1, 8).min(jobs.len());
        let (jobs, keys) = (Arc::new(Mutex::new(jobs)), Arc::new(keys.clone()));
        let buffers = Arc::<Buffers>::default();
        for number in 0..threads {
            let (jobs, keys, buffers) =
                (Arc::clone(&jobs), Arc::clone(&keys), Arc::clone(&buffers));
            let started = thread::Builder::new().spawn(move || {
                // In their order: the one that is waited for was begun before all others.
                loop {
                    let job = jobs
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .pop_front();
                    let Some((number, open, out)) = job else {
                        return;
                    };
                    // Also a package without files needs leave to be begun.
                    match buffers.take(number) {
                        Ok(buffer) => buffers.give_back(buffer),
                        Err(Gone) => return,
                    }
                    let _ = unpack(open, &keys, &out, &|| buffers.take(number));
                }
            });
            match started {
                Ok(_) => {}
                // Those that there are do it all.
                Err(_) if number > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(Ahead {
            packages: receivers,
            buffers,
            asked,
        })
    }

    /// The next package; call [`Ahead::done`] behind it.
    pub fn next(&mut self) -> Option<Unpacked> {
        Some(Unpacked {
            messages: self.packages.pop_front()?,
            buffers: Arc::clone(&self.buffers),
            asked: self.asked,
            current: None,
        })
    }

    /// The next package is the first now.
    pub fn done(&self) {
        self.buffers.change(|state| state.first += 1);
    }
}

/// A package that comes out of a thread.
pub struct Unpacked {
    messages: Receiver<Message>,
    buffers: Arc<Buffers>,
    asked: Option<fn() -> bool>,
    current: Option<Piece>,
}

impl Unpacked {
    fn message(&self) -> Result<Message, Trouble> {
        loop {
            match self.messages.recv_timeout(PATIENCE) {
                Ok(Message::Unopened(error)) => return Err(Trouble::Unopened(error)),
                Ok(Message::Wrong(error)) => return Err(Trouble::Wrong(error)),
                Ok(message) => return Ok(message),
                Err(RecvTimeoutError::Timeout) => {
                    if self.asked.is_some_and(|asked| asked()) {
                        return Err(Trouble::Interrupted);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Trouble::Unopened(io::Error::other(
                        "reading it ended early",
                    )));
                }
            }
        }
    }

    /// The control part, first of all.
    pub fn control(&mut self) -> Result<Control, Trouble> {
        match self.message()? {
            Message::Control(control) => Ok(*control),
            _ => Err(Trouble::Wrong(PackageError::Layout(
                "it has no control part",
            ))),
        }
    }

    /// The next entry. `None`: the package was read to its end, and all of it was as it should be.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, Trouble> {
        if let Some(unread) = self.current.take() {
            self.buffers.give_back(unread.bytes);
        }
        loop {
            match self.message()? {
                Message::Piece(mut piece) => match piece.entry.take() {
                    Some(entry) => {
                        self.current = Some(piece);
                        return Ok(Some(entry));
                    }
                    // More of a file that nobody wants.
                    None => self.buffers.give_back(piece.bytes),
                },
                Message::End => return Ok(None),
                _ => {}
            }
        }
    }

    /// Hands the current file's bytes to `sink`; returns their checksum, which is the one that the entry names.
    pub fn copy_file(
        &mut self,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Vec<u8>, Trouble> {
        let mut piece = self.current.take();
        loop {
            if let Some(piece) = piece {
                sink(&piece.bytes).map_err(Trouble::Sink)?;
                self.buffers.give_back(piece.bytes);
                if let Some(hash) = piece.hash {
                    return Ok(hash);
                }
            }
            piece = match self.message()? {
                Message::Piece(piece) => Some(piece),
                _ => None,
            };
        }
    }
}

fn unpack(
    open: Open,
    keys: &KeyRing,
    out: &Sender<Message>,
    buffer: &dyn Fn() -> Result<Vec<u8>, Gone>,
) -> Result<(), Gone> {
    let send = |message| out.send(message).map_err(|_| Gone);
    let input = match open() {
        Ok(input) => input,
        Err(error) => return send(Message::Unopened(error)),
    };
    match entries(input, keys, &send, buffer) {
        Ok(()) => send(Message::End),
        Err(error) => send(Message::Wrong(error)),
    }
}

fn entries(
    input: Box<dyn BufRead>,
    keys: &KeyRing,
    send: &dyn Fn(Message) -> Result<(), Gone>,
    buffer: &dyn Fn() -> Result<Vec<u8>, Gone>,
) -> Result<(), PackageError> {
    let gone = |Gone| PackageError::Read(io::ErrorKind::BrokenPipe.into());
    let reader = Reader::open(input, keys)?;
    send(Message::Control(Box::new(reader.control.clone()))).map_err(gone)?;
    let mut data = reader.data()?;
    while let Some(entry) = data.next_entry()? {
        if entry.kind != tar::Kind::File {
            let piece = Piece {
                entry: Some(entry),
                bytes: Vec::new(),
                hash: Some(Vec::new()),
            };
            send(Message::Piece(piece)).map_err(gone)?;
            continue;
        }
        let mut bytes = buffer().map_err(gone)?;
        let mut header = Some(entry.clone());
        let hash = data.copy_file(&entry, &mut |part| {
            for part in part.chunks(PIECE) {
                if bytes.len() + part.len() > PIECE {
                    let next = buffer().map_err(|Gone| io::ErrorKind::BrokenPipe)?;
                    let piece = Piece {
                        entry: header.take(),
                        bytes: std::mem::replace(&mut bytes, next),
                        hash: None,
                    };
                    send(Message::Piece(piece)).map_err(|Gone| io::ErrorKind::BrokenPipe)?;
                }
                bytes.extend_from_slice(part);
            }
            Ok(())
        })?;
        let piece = Piece {
            entry: header,
            bytes,
            hash: Some(hash),
        };
        send(Message::Piece(piece)).map_err(gone)?;
    }
    data.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::tests;

    fn open(bytes: Vec<u8>) -> Open {
        Box::new(move || Ok(Box::new(io::Cursor::new(bytes))))
    }

    fn package(name: &str, files: &[(String, String)]) -> Vec<u8> {
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        tests::package(name, "1", &files, &[]).1
    }

    /// What comes out of a package: names and bytes, and how it ended.
    fn read(unpacked: &mut Unpacked, want: &dyn Fn(&str) -> bool) -> (Vec<(String, String)>, bool) {
        let mut found = Vec::new();
        if unpacked.control().is_err() {
            return (found, false);
        }
        loop {
            match unpacked.next_entry() {
                Ok(None) => return (found, true),
                Err(_) => return (found, false),
                Ok(Some(entry)) => {
                    let name = String::from_utf8(entry.path.clone()).unwrap();
                    if entry.kind != tar::Kind::File || !want(&name) {
                        continue;
                    }
                    let mut bytes = Vec::new();
                    let copied = unpacked.copy_file(&mut |part| {
                        bytes.extend_from_slice(part);
                        Ok(())
                    });
                    if copied.is_err() {
                        return (found, false);
                    }
                    found.push((name, String::from_utf8(bytes).unwrap()));
                }
            }
        }
    }

    #[test]
    fn packages_come_in_their_order_and_whole() {
        let all: Vec<Vec<(String, String)>> = (0..20_usize)
            .map(|package| {
                (0..5_usize)
                    .map(|file| {
                        // Empty, of one piece, of many.
                        let size = [0, 10, PIECE, PIECE + 1, 40 * PIECE][(package + file) % 5];
                        (
                            format!("p{package}f{file}"),
                            "abcdefghijklmnopqrst"[package..=package].repeat(size),
                        )
                    })
                    .collect()
            })
            .collect();
        for threads in [1, 2, 8] {
            let packages = all.iter().map(|files| open(package("p", files))).collect();
            let mut ahead = Ahead::begin(packages, &KeyRing::default(), threads, None).unwrap();
            for files in &all {
                let mut unpacked = ahead.next().unwrap();
                assert!((files.clone(), true) == read(&mut unpacked, &|_| true));
                ahead.done();
            }
            assert!(ahead.next().is_none());
        }
    }

    #[test]
    fn what_nobody_wants_is_passed_over() {
        let mut files: Vec<(String, String)> = (0..BUFFERS)
            .map(|number| (format!("a{number}"), "1".to_owned()))
            .collect();
        files.push(("a".to_owned(), "1".repeat(5 * PIECE)));
        files.push(("b".to_owned(), "222".to_owned()));
        let packages = (0..3).map(|_| open(package("p", &files))).collect();
        let mut ahead = Ahead::begin(packages, &KeyRing::default(), 2, None).unwrap();
        for _ in 0..3 {
            let found = read(&mut ahead.next().unwrap(), &|name| name == "b");
            assert!(found == (files[files.len() - 1..].to_vec(), true));
            ahead.done();
        }
        assert_eq!(ahead.buffers.lock().filled, 0);
    }

    #[test]
    fn a_broken_package_is_told_and_the_next_ones_come() {
        let good = package("p", &[("a".to_owned(), "1".repeat(100_000))]);
        let mut bad = good.clone();
        bad.truncate(good.len() - 20);
        let missing: Open = Box::new(|| Err(io::ErrorKind::NotFound.into()));
        let packages = vec![open(bad), missing, open(good)];
        let mut ahead = Ahead::begin(packages, &KeyRing::default(), 1, None).unwrap();
        for whole in [false, false, true] {
            assert_eq!(read(&mut ahead.next().unwrap(), &|_| true).1, whole);
            ahead.done();
        }
    }

    #[test]
    fn nobody_waits_for_what_does_not_come() {
        // A server that is silent, and somebody who presses Ctrl-C.
        let (keep, silent) = std::sync::mpsc::channel::<()>();
        let never: Open = Box::new(move || {
            let _ = silent.recv();
            Err(io::ErrorKind::TimedOut.into())
        });
        let mut ahead = Ahead::begin(vec![never], &KeyRing::default(), 1, Some(|| true)).unwrap();
        let told = ahead.next().unwrap().control();
        assert!(matches!(told, Err(Trouble::Interrupted)));
        drop(keep);
    }
}
