//! Earlier commands: on the keys, in the file, and by `history` and `fc`.

use crate::pty::{Setup, Shown, Term};
use sys::process::Status;

#[test]
fn walking_and_searching() {
    let mut term = Term::new();
    for word in ["one", "two", "three"] {
        term.line(&format!("echo {word}"));
        term.expect(&format!("\n{word}\n$"));
    }
    term.send("new\x1b[A\x1b[A");
    term.expect_last("$ echo two");
    term.send("\x1b[B\x1b[B");
    term.expect_last("$ new");
    term.send("\x15\x12on");
    term.expect_last("(reverse-i-search)`on': echo one");
    term.send("\x07");
    term.expect_last("$");
    term.send("\x12tw\r");
    term.expect("echo two\ntwo\n$");
    // The prefix before the cursor, and the last word of the last command.
    term.send("echo o\x1bp");
    term.expect_last("$ echo one");
    term.send("\x05\x15printf %s \x1b.");
    term.expect_last("$ printf %s two");
}

#[test]
fn the_file_is_kept_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut term = Term::start(Setup::default(), folder);
    term.line("echo first");
    term.line(" echo se''cret");
    term.expect("\nsecret");
    term.line("exit 3");
    assert_eq!(term.end(), Status::Exited(3));
    let path = term.folder.path().join(".ash_history");
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "echo first\nexit 3\n"
    );
    let setup = Setup {
        environment: vec![
            ("HISTFILE", path.to_str().unwrap().to_owned()),
            ("HISTSIZE", "3".to_owned()),
        ],
        ..Setup::default()
    };
    let mut next = Term::start(setup, tempfile::tempdir().unwrap());
    next.send("\x10\x10");
    next.expect_last("$ echo first");
    next.send("\x15echo a\recho b\r");
    next.expect("\nb\n");
    assert!(next.run("history").contains("echo b\n"));
    assert!(!next.screen().text().contains("first"));
}

#[test]
fn fc_lists_edits_and_repeats() {
    let setup = Setup {
        environment: vec![("FCEDIT", "sed -i s/one/five/".to_owned())],
        ..Setup::default()
    };
    let mut term = Term::start(setup, tempfile::tempdir().unwrap());
    term.line("echo one");
    term.expect("\none\n");
    term.line("fc -s one=four");
    term.expect("\necho four\nfour\n");
    term.line("fc 1");
    term.expect("\necho five\nfive\n");
    let listed = term.run("fc -l 1 3");
    assert!(
        listed.contains("1       echo one\n2       echo four\n3       echo five\n"),
        "{listed}"
    );
    assert!(term.run("fc -e").contains("-e needs an editor"));
    // What is typed goes through the editor, and is run.
    let setup = Setup {
        environment: vec![("VISUAL", "sed -i s/x/yy/".to_owned())],
        ..Setup::default()
    };
    let mut term = Term::start(setup, tempfile::tempdir().unwrap());
    term.send("echo x\x18\x05");
    term.expect("\nyy\n");
}
