//! What the tests of the whole system share: the front door's command, and a guest on a serial console.
//!
//! `ferrata test` runs them behind a build of all ports; `FERRATA` is the path of the command. Nothing here asserts on
//! time: the limits only end a guest that hangs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long a guest may take for one thing: emulation on a busy machine is slow.
const LIMIT: Duration = Duration::from_secs(240);

/// The front door's command.
pub fn ferrata() -> Command {
    let program = std::env::var_os("FERRATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/debug/ferrata"),
        PathBuf::from,
    );
    let mut command = Command::new(program);
    command.env("FERRATA_TOP", concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command
}

/// Runs a shell command in a fresh copy of the built root.
pub fn in_root(script: &str) -> Output {
    ferrata()
        .args(["run", "--", "/bin/sh", "-c", script])
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What a command printed, and that it went well.
pub fn good(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\n{text}\n{errors}",
        output.status
    );
    text
}

/// A machine in QEMU whose console we hold.
pub struct Guest {
    child: Child,
    stdin: ChildStdin,
    received: Receiver<Vec<u8>>,
    /// All that came, for the report of a failure.
    log: String,
    /// Up to where the log was looked through.
    seen: usize,
}

impl Guest {
    /// Starts `ferrata boot` with these arguments.
    pub fn boot(arguments: &[&str]) -> Guest {
        let mut child = ferrata()
            .arg("boot")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let (sender, received) = channel();
        let mut output = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let stdin = child.stdin.take().unwrap();
        Guest {
            child,
            stdin,
            received,
            log: String::new(),
            seen: 0,
        }
    }

    /// Waits until the console shows a text; gives what came before it.
    pub fn expect(&mut self, text: &str) -> String {
        let until = Instant::now() + LIMIT;
        loop {
            if let Some(at) = self.log[self.seen..].find(text) {
                let before = self.log[self.seen..self.seen + at].to_owned();
                self.seen += at + text.len();
                return before;
            }
            let left = until.saturating_duration_since(Instant::now());
            match self.received.recv_timeout(left) {
                Ok(bytes) => self.log.push_str(&String::from_utf8_lossy(&bytes)),
                Err(why) => panic!(
                    "no {text:?} on the console ({why}); it showed:\n{}",
                    self.log
                ),
            }
        }
    }

    /// Types a line.
    pub fn send(&mut self, line: &str) {
        self.stdin.write_all(line.as_bytes()).unwrap();
        self.stdin.write_all(b"\n").unwrap();
        self.stdin.flush().unwrap();
    }

    /// Waits for the login prompt and logs in as root.
    pub fn log_in(&mut self) {
        self.expect("login: ");
        self.send("root");
        self.expect("# ");
        self.run("PS1='# '; export TERM=dumb");
    }

    /// Runs a command; gives its status and output.
    pub fn try_run(&mut self, command: &str) -> (i32, String) {
        // The marks are put together by the guest, so that the echo of the lines is not taken for them.
        self.send(&format!(
            "printf '@%s@\\n' begin; {{ {command}\n}}; printf '\\n@%s:%d@\\n' done $?"
        ));
        self.expect("@begin@");
        let output = self.expect("@done:");
        let status = self.expect("@");
        let output = output.replace('\r', "");
        (status.parse().unwrap(), output)
    }

    /// The same, and it must go well.
    pub fn run(&mut self, command: &str) -> String {
        let (status, output) = self.try_run(command);
        assert_eq!(status, 0, "{command}: {output}");
        output
    }

    /// Waits until QEMU has ended by itself.
    pub fn ends(mut self) {
        let until = Instant::now() + LIMIT;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "QEMU ended with {status}:\n{}", self.log);
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
            while let Ok(bytes) = self.received.try_recv() {
                self.log.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        panic!("the machine does not end; it showed:\n{}", self.log);
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // A test that failed leaves no machine behind. Ctrl-A X is QEMU's way out, for a child of the front door.
        let _ = self.stdin.write_all(b"\x01x");
        let _ = self.stdin.flush();
        for _ in 0..40 {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
