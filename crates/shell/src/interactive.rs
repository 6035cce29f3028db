//! A shell at a terminal: prompts, the line editor, jobs, and errors that end only a command.

use crate::command::{Parsed, parse, read_line};
use crate::edit::{HIDDEN, Host, Mode, Outcome, Request, SHOWN, Tty};
use crate::exec::{Flow, Shell, libc_signal};
use sys::process::{self, Disposition};

/// The signal by which the terminal tells of another size.
const RESIZED: i32 = 28;
/// The signal of a child that ended or stopped.
const CHILD: i32 = 17;

/// What was typed.
enum Typed {
    Command(Vec<u8>),
    Interrupted,
    /// Ctrl-D, or the end of what is read.
    End,
    /// The terminal is gone, or the shell is to end.
    Gone,
}

/// Reads and runs commands to the end; returns the status to exit with.
pub(crate) fn interactive(shell: &mut Shell) -> i32 {
    if !shell.begin_job_control() {
        let text = b"sh: can't access tty; job control turned off\n";
        let _ = process::write_all(2, text);
        shell.options.monitor = false;
    }
    if !shell.options.vi {
        shell.options.emacs = true;
    }
    shell.begin_history();
    let status = commands(shell);
    shell.end_job_control();
    status
}

/// What is for commands, not for the shell that waits for the next one. Done anew each time, because `exec` of a
/// program that is not there puts it back.
fn arm(shell: &Shell) {
    let signals = [
        (libc_signal::INT, Disposition::Catch),
        (libc_signal::QUIT, Disposition::Ignore),
        (15, Disposition::Ignore),
        (RESIZED, Disposition::Catch),
    ];
    for (signal, disposition) in signals {
        if !shell.traps.contains_key(&signal) {
            let _ = process::set_signal(signal, disposition);
        }
    }
    if shell.options.monitor {
        for signal in crate::jobs::STOPPING {
            if !shell.traps.contains_key(&signal) {
                let _ = process::set_signal(signal, Disposition::Ignore);
            }
        }
    }
}

fn commands(shell: &mut Shell) -> i32 {
    let mut ends = 0;
    loop {
        arm(shell);
        shell.tell_of_jobs();
        let text = match read(shell) {
            Typed::Command(text) => text,
            Typed::Interrupted => {
                shell.status = 130;
                continue;
            }
            Typed::End => {
                if shell.must_stay() {
                    continue;
                }
                ends += 1;
                // A line that is cut off again and again must not keep the shell for ever.
                if shell.options.ignore_eof && ends < 50 {
                    let _ = process::write_all(2, b"Use \"exit\" to leave shell.\n");
                    continue;
                }
                return shell.exit_trap();
            }
            Typed::Gone => {
                if let Some(Flow::Exit(status)) = shell.session.over.take() {
                    shell.status = status;
                }
                return shell.exit_trap();
            }
        };
        ends = 0;
        shell.remember(&text);
        shell.jobs.warned = shell.jobs.warned.saturating_sub(1);
        let mut line = text;
        line.push(b'\n');
        if let Some(status) = run(shell, &line) {
            shell.status = status;
            return shell.exit_trap();
        }
    }
}

/// Runs a command; a status: the shell is to end with it.
pub(crate) fn run(shell: &mut Shell, text: &[u8]) -> Option<i32> {
    shell.line = 1;
    match parse(shell, text, 1, false) {
        Parsed::Unfinished | Parsed::Failed => shell.status = 2,
        Parsed::Lists(lists) => {
            for list in lists {
                let result = if shell.options.no_exec && !shell.options.interactive {
                    Ok(())
                } else {
                    shell.list(&list)
                };
                // What came too late for the last command is for the whole line.
                match result.and_then(|()| shell.run_traps()) {
                    Ok(()) => {}
                    Err(Flow::Exit(status)) => return Some(status),
                    Err(Flow::Abort(status) | Flow::Return(status)) => {
                        shell.status = status;
                        break;
                    }
                    Err(Flow::Break(_) | Flow::Continue(_)) => break,
                }
            }
        }
    }
    shell.loops = 0;
    shell.tested = 0;
    shell.depth = 0;
    None
}

/// A terminal that cannot move its cursor gets plain lines.
fn is_plain(shell: &Shell) -> bool {
    shell.variables.get(b"TERM") == Some(b"dumb")
        || !(shell.options.emacs || shell.options.vi)
        || !sys::tty::is_terminal(0)
}

fn read(shell: &mut Shell) -> Typed {
    if is_plain(shell) {
        return read_plain(shell);
    }
    let idle = shell
        .variables
        .get(b"TMOUT")
        .and_then(|text| std::str::from_utf8(text).ok()?.trim().parse::<i32>().ok())
        .filter(|seconds| *seconds > 0)
        .map_or(-1, |seconds| seconds.saturating_mul(1000));
    let mut request = Request {
        prompt: shell.prompt(b"PS1"),
        more: shell.prompt(b"PS2"),
        mode: if shell.options.vi {
            Mode::Vi
        } else {
            Mode::Emacs
        },
        paste: true,
        idle,
        text: Vec::new(),
    };
    let notify = shell.options.notify && !shell.traps.contains_key(&CHILD);
    if notify {
        let _ = process::set_signal(CHILD, Disposition::Catch);
        // What ended right before would tell nobody.
        if shell.tell_of_jobs() {
            request.prompt = shell.prompt(b"PS1");
        }
    }
    let mut editor = std::mem::take(&mut shell.session.editor);
    let outcome = {
        let mut terminal = Tty::new();
        editor.read(&request, &mut terminal, shell)
    };
    shell.session.editor = editor;
    if notify {
        let _ = process::set_signal(CHILD, Disposition::Default);
    }
    match outcome {
        Outcome::Line(text) => Typed::Command(text),
        Outcome::Edit(text) => match shell.edited(&text, None) {
            Some(text) => {
                let _ = process::write_all(2, &[text.as_slice(), b"\n"].concat());
                Typed::Command(text)
            }
            None => Typed::Interrupted,
        },
        Outcome::Interrupted => Typed::Interrupted,
        Outcome::End => Typed::End,
        Outcome::Idle => {
            let text = b"timed out waiting for input: auto-logout\n";
            let _ = process::write_all(2, text);
            Typed::Gone
        }
        Outcome::Gone => Typed::Gone,
    }
}

/// Lines as the terminal gives them, until a command is whole.
fn read_plain(shell: &mut Shell) -> Typed {
    let mut text = Vec::new();
    loop {
        let name: &[u8] = if text.is_empty() { b"PS1" } else { b"PS2" };
        let mut prompt = shell.prompt(name);
        // The marks are for the editor.
        prompt.retain(|byte| !matches!(*byte, HIDDEN | SHOWN));
        let _ = process::write_all(2, &prompt);
        let before = text.len();
        // A signal that comes between the prompt and the reading must not wait for a line.
        let more = match process::readable_or_signal(0, -1) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => true,
            _ => read_line(&mut text),
        };
        let mut interrupted = false;
        while let Some(signal) = process::take_signal() {
            if shell.traps.contains_key(&signal) {
                if let Err(flow @ Flow::Exit(_)) = shell.run_trap(signal) {
                    shell.session.over = Some(flow);
                    return Typed::Gone;
                }
            } else if signal == libc_signal::INT {
                interrupted = true;
            }
        }
        if interrupted {
            let _ = process::write_all(2, b"\n");
            return Typed::Interrupted;
        }
        if !more {
            if text.is_empty() {
                let _ = process::write_all(2, b"\n");
                return Typed::End;
            }
            if text.len() == before {
                let _ = process::write_all(2, b"\nsh: syntax error: unexpected end of input\n");
                return Typed::Interrupted;
            }
        }
        // A signal that ended the reading left no whole line.
        if more && text.last() != Some(&b'\n') {
            continue;
        }
        if text.last() == Some(&b'\n') {
            text.pop();
        }
        if !shell.is_unfinished(&text) {
            return Typed::Command(text);
        }
        text.push(b'\n');
    }
}
