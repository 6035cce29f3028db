//! A shell on a pseudo-terminal, behind a small model of a terminal.

use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::{Duration, Instant};
use sys::process::{self, Status, Which};
use tempfile::TempDir;

/// How long a program may say nothing before a test fails, in milliseconds.
const PATIENCE: i32 = 20_000;

/// How a shell is started.
pub struct Setup {
    pub columns: u16,
    pub rows: u16,
    pub environment: Vec<(&'static str, String)>,
    pub arguments: Vec<&'static str>,
    /// The terminal tells the system no size, as at a serial line.
    pub serial: bool,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            columns: 80,
            rows: 24,
            environment: Vec::new(),
            arguments: Vec::new(),
            serial: false,
        }
    }
}

/// A shell and its terminal.
pub struct Term {
    master: File,
    pid: i32,
    screen: vt100::Parser,
    /// All that was written.
    pub raw: Vec<u8>,
    pub folder: TempDir,
    serial: bool,
    answered: usize,
    over: bool,
}

/// What a screen shows.
pub trait Shown {
    /// Its rows down to the cursor's, without blanks at their ends.
    fn text(&self) -> String;
}

impl Shown for vt100::Screen {
    fn text(&self) -> String {
        let (_, columns) = self.size();
        let mut rows: Vec<String> = self
            .rows(0, columns.get())
            .map(|row| row.trim_end().to_owned())
            .collect();
        let least = usize::from(self.cursor_position().0) + 1;
        while rows.len() > least && rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows.join("\n")
    }
}

fn size(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

fn winsize(columns: u16, rows: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

impl Term {
    pub fn new() -> Term {
        Term::start(Setup::default(), tempfile::tempdir().unwrap())
    }

    /// Starts a shell whose home and folder is this one, and waits for its prompt.
    pub fn start(setup: Setup, folder: TempDir) -> Term {
        let mut term = Term::launch(setup, folder);
        term.until("the prompt", |screen| {
            screen.text().trim_end().ends_with('$')
        });
        term
    }

    pub fn launch(setup: Setup, folder: TempDir) -> Term {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let name = rustix::pty::ptsname(&master, Vec::new()).unwrap();
        if !setup.serial {
            let size = winsize(setup.columns, setup.rows);
            rustix::termios::tcsetwinsize(&master, size).unwrap();
        }
        let home = folder.path().to_str().unwrap().to_owned();
        let mut environment = vec![
            ("HOME", home),
            ("PATH", "/usr/bin:/bin".to_owned()),
            ("PS1", "$ ".to_owned()),
            ("TERM", "xterm".to_owned()),
            ("LC_ALL", "C.UTF-8".to_owned()),
        ];
        for (name, value) in setup.environment {
            environment.retain(|(known, _)| *known != name);
            environment.push((name, value));
        }
        let environment: Vec<OsString> = environment
            .into_iter()
            .map(|(name, value)| OsString::from(format!("{name}={value}")))
            .collect();
        let program = Path::new(env!("CARGO_BIN_EXE_sh"));
        let mut arguments = vec![OsString::from("sh")];
        arguments.extend(setup.arguments.iter().map(OsString::from));
        let path = OsString::from_vec(name.into_bytes());
        let here = folder.path().to_owned();
        let pid = process::fork(|| {
            let ready = rustix::process::setsid().is_ok()
                && std::env::set_current_dir(&here).is_ok()
                // A leader without a terminal gets the first that it opens.
                && process::open(OsStr::from_bytes(path.as_bytes()), 2, 0)
                    .is_ok_and(|slave| (0..3).all(|fd| process::dup2(slave, fd).is_ok()) && (slave < 3 || process::close(slave).is_ok()));
            if ready {
                for signal in [1, 2, 3, 13, 15, 17, 20, 21, 22] {
                    let _ = process::set_signal(signal, process::Disposition::Default);
                }
                process::unblock_signals();
                let _ = process::exec(program, &arguments, &environment);
            }
            99
        })
        .unwrap();
        Term {
            master: File::from(master),
            pid,
            screen: vt100::Parser::new(size(setup.rows), size(setup.columns), 1000),
            raw: Vec::new(),
            folder,
            serial: setup.serial,
            answered: 0,
            over: false,
        }
    }

    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Waits until a process group like this has the terminal, and returns it.
    pub fn until_foreground(&self, mut wanted: impl FnMut(i32) -> bool) -> i32 {
        let end = Instant::now() + Duration::from_millis(PATIENCE.unsigned_abs().into());
        while Instant::now() < end {
            // The master tells of its other side.
            let group = rustix::termios::tcgetpgrp(&self.master)
                .map_or(0, rustix::process::Pid::as_raw_pid);
            if group != 0 && wanted(group) {
                return group;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("no other job came to the foreground");
    }

    /// Types something. Keys that only the editor knows wait for its prompt: a terminal that waits for whole lines has
    /// keys of its own.
    pub fn send(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        let signals = b"\r\n\x03\x04\x1a\x1c";
        if text
            .iter()
            .any(|byte| *byte < b' ' && !signals.contains(byte))
        {
            let end = Instant::now() + Duration::from_millis(PATIENCE.unsigned_abs().into());
            let lines = rustix::termios::LocalModes::ICANON;
            while Instant::now() < end
                && rustix::termios::tcgetattr(&self.master)
                    .is_ok_and(|settings| settings.local_modes.contains(lines))
            {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        self.master.write_all(text).unwrap();
    }

    /// Types a command and Enter.
    pub fn line(&mut self, text: &str) {
        self.send(format!("{text}\r"));
    }

    /// The terminal gets another size.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.screen.screen_mut().set_size(size(rows), size(columns));
        rustix::termios::tcsetwinsize(self.master.as_fd(), winsize(columns, rows)).unwrap();
    }

    pub fn screen(&self) -> &vt100::Screen {
        self.screen.screen()
    }

    /// The rows down to the cursor's.
    pub fn rows(&self) -> Vec<String> {
        self.screen()
            .text()
            .split('\n')
            .map(str::to_owned)
            .collect()
    }

    /// Reads what was written; `false`: nothing will be any more.
    fn pump(&mut self, what: &str) -> bool {
        match process::readable(self.master.as_raw_fd(), PATIENCE) {
            Ok(true) => {}
            other => panic!(
                "{what}: nothing more came ({other:?}); the screen:\n{}",
                self.screen().text()
            ),
        }
        let mut buffer = [0; 4096];
        match self.master.read(&mut buffer) {
            Ok(count) if count > 0 => {
                let new = buffer.get(..count).unwrap();
                self.raw.extend_from_slice(new);
                self.screen.process(new);
                self.answer();
                true
            }
            _ => false,
        }
    }

    /// A terminal tells where its cursor is, when it is asked.
    fn answer(&mut self) {
        const QUESTION: &[u8] = b"\x1b[6n";
        if !self.serial {
            return;
        }
        let asked = self.raw.windows(4).filter(|part| *part == QUESTION).count();
        while self.answered < asked {
            self.answered += 1;
            let (rows, columns) = self.screen().size();
            self.send(format!("\x1b[{rows};{columns}R"));
        }
    }

    /// Waits until the screen is as it should be.
    pub fn until(&mut self, what: &str, mut wanted: impl FnMut(&vt100::Screen) -> bool) {
        while !wanted(self.screen()) {
            assert!(
                self.pump(what),
                "{what}: the shell ended; the screen:\n{}",
                self.screen().text()
            );
        }
    }

    /// Waits until a text stands on the screen.
    pub fn expect(&mut self, text: &str) {
        self.until(text, |screen| screen.text().contains(text));
    }

    /// Waits until the rows of the screen are these, and the cursor stands there.
    pub fn expect_rows(&mut self, rows: &[&str], cursor: (u16, u16)) {
        let what = format!("{rows:?}, the cursor at {cursor:?}");
        self.until(&what, |screen| {
            let text = screen.text();
            let found: Vec<&str> = text.split('\n').collect();
            found == rows && screen.cursor_position() == cursor
        });
    }

    /// Waits until the last row is this one.
    pub fn expect_last(&mut self, row: &str) {
        self.until(row, |screen| screen.text().rsplit('\n').next() == Some(row));
    }

    /// Runs a command, and returns what it wrote, by a mark that only its end shows.
    pub fn run(&mut self, command: &str) -> String {
        self.send("\x0c");
        self.until("an empty screen", |screen| screen.text().trim_end() == "$");
        self.line(&format!("{command}; echo E''ND$?"));
        self.until(command, |screen| {
            let text = screen.text();
            text.contains("\nEND") && text.trim_end().ends_with('$')
        });
        let rows = self.rows();
        let end = rows.iter().position(|row| row.starts_with("END")).unwrap();
        rows.get(1..=end).unwrap().join("\n")
    }

    /// Waits for the shell's end.
    pub fn end(&mut self) -> Status {
        while self.pump("the end") {}
        self.over = true;
        let (_, status) = process::wait(Which::One(self.pid), true, false)
            .unwrap()
            .unwrap();
        status
    }
}

impl Drop for Term {
    fn drop(&mut self) {
        if !self.over {
            let _ = process::kill(self.pid, 9);
            let _ = process::wait(Which::One(self.pid), true, false);
        }
    }
}
