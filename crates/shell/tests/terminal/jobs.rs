//! Job control: process groups, the terminal, Ctrl-Z and Ctrl-C, `jobs fg bg kill wait`, and what is told.

use crate::pty::{Setup, Shown, Term};
use sys::process::Status;

#[test]
fn stopped_and_gone_on_with() {
    let mut term = Term::new();
    // Not before the terminal is that of commands.
    term.line("echo re''ady; cat");
    term.expect("\nready\n");
    term.send("in the foreground\n");
    term.expect("in the foreground\nin the foreground\n");
    term.send("\x1a");
    term.expect("[1]+  Stopped                    cat\n$");
    assert_eq!(term.run("echo $?"), "148\nEND0");
    assert_eq!(
        term.run("jobs"),
        "[1]+  Stopped                    cat\nEND0"
    );
    term.line("fg");
    term.expect("$ fg\ncat\n");
    term.send("again\n\x04");
    term.expect("again\nagain\n$");
    assert_eq!(
        term.run("jobs; fg"),
        "sh: line 1: fg: %%: no such job\nEND2"
    );
}

#[test]
fn an_interrupt_ends_the_command_and_its_loop() {
    let mut term = Term::new();
    term.line("while true; do echo ro''und; sleep 1000; done; echo not''reached");
    term.expect("\nround");
    term.send("\x03");
    term.expect("^C\n$");
    assert_eq!(term.run("echo $?"), "130\nEND0");
    assert!(!term.screen().text().contains("notreached"));
    // Pipelines are one job, and a trap sees the signal.
    term.line("trap 'echo tr''apped' INT; (echo on''ce; sleep 1000) | cat");
    // Both are there when the second prints it.
    term.expect("\nonce\n");
    term.send("\x03");
    term.expect("trapped\n$");
}

#[test]
fn in_the_background() {
    let mut term = Term::new();
    assert_eq!(
        term.run("sleep 1000 & sleep 2000 | cat & jobs"),
        "[1]-  Running                    sleep 1000\n\
         [2]+  Running                    sleep 2000 | cat\nEND0"
    );
    assert_eq!(term.run("kill %1; wait %1"), "END143");
    assert_eq!(term.run("kill %?2000; wait %2"), "END143");
    assert_eq!(
        term.run("kill %7"),
        "sh: line 1: kill: %7: no such job\nEND1"
    );
    term.line("sleep 1000 & kill $!; wait $!; (exit 5) & wait; echo wa''ited");
    term.expect("\nwaited\n");
}

#[test]
fn what_ends_is_told_before_a_prompt_or_at_once() {
    let mut term = Term::new();
    // The fifo's reader ends when it is written to.
    term.line("mkfifo f; cat f >/dev/null & true");
    term.line("echo x >f; while kill -0 $! 2>/dev/null; do :; done");
    term.line("");
    term.expect("[1]+  Done                       cat f >/dev/null\n$");
    term.line("set -b; cat f >/dev/null & echo r''eady");
    term.expect("\nready\n$");
    term.send("unfinished");
    std::fs::write(term.folder.path().join("f"), "x").unwrap();
    term.until("the news above the line", |screen| {
        screen.text().matches("Done").count() == 2 && screen.text().ends_with("$ unfinished")
    });
}

#[test]
fn a_job_in_the_background_may_not_read() {
    let mut term = Term::new();
    term.line("cat &");
    term.expect("cat &\n$");
    term.line("while ! jobs -s | grep -q cat; do :; done; jobs");
    term.expect("jobs\n[1]+  Stopped (tty input)        cat\n$");
    term.line("fg %cat");
    let shell = term.pid();
    term.until_foreground(|group| group != shell);
    term.send("typed\n\x04");
    term.expect("typed\ntyped\n$");
}

#[test]
fn the_terminal_is_put_back() {
    let mut term = Term::new();
    // A program that changes the terminal and is stopped.
    term.line("sh -c 'stty raw -echo; kill -STOP $$; echo b''ack; stty sane'");
    term.expect("Stopped (signal)");
    term.line("stty -a | grep -o ' echo '");
    term.expect("\n echo\n");
    term.line("fg");
    term.expect("back");
    // What stty sets by itself stays.
    assert_eq!(
        term.run("stty -echoctl; stty -a | grep -o -e '-echoctl'"),
        "-echoctl\nEND0"
    );
    assert_eq!(
        term.run("stty -a | grep -o -e '-echoctl'"),
        "-echoctl\nEND0"
    );
}

#[test]
fn leaving_with_stopped_jobs_is_asked_twice() {
    let mut term = Term::new();
    term.line("echo re''ady; cat");
    term.expect("\nready\n");
    term.send("x\n");
    term.expect("x\nx\n");
    term.send("\x1a");
    term.expect("Stopped");
    term.line("exit 4");
    term.expect("You have stopped jobs.");
    term.line("exit 4");
    assert_eq!(term.end(), Status::Exited(4));
}

#[test]
fn a_shell_in_a_shell() {
    let mut term = Term::new();
    let inner = env!("CARGO_BIN_EXE_sh");
    term.line(&format!("PS1='inner$ ' {inner}"));
    term.expect("\ninner$");
    let inner = term.until_foreground(|_| true);
    term.line("echo re''ady; sleep 1000");
    term.expect("\nready\n");
    term.until_foreground(|group| group != inner);
    term.send("\x1a");
    term.expect("Stopped                    sleep 1000\ninner$");
    term.line("kill %1; exit");
    term.until("the outer shell", |screen| {
        screen.text().ends_with("\n$ ") || screen.text().ends_with("\n$")
    });
    assert_eq!(term.run("echo outer"), "outer\nEND0");
}

#[test]
fn without_job_control() {
    let setup = Setup {
        arguments: vec!["+m"],
        ..Setup::default()
    };
    let mut term = Term::start(setup, tempfile::tempdir().unwrap());
    assert_eq!(
        term.run("set +m; fg"),
        "sh: line 1: fg: no job control\nEND2"
    );
    assert_eq!(term.run("set -m; sleep 0 & fg >/dev/null"), "END0");
}
