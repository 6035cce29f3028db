//! Any width, wide characters, another size, and lines without a size.

use crate::pty::{Setup, Shown, Term};

fn wide(columns: u16, rows: u16) -> Term {
    let setup = Setup {
        columns,
        rows,
        ..Setup::default()
    };
    Term::start(setup, tempfile::tempdir().unwrap())
}

#[test]
fn twenty_columns() {
    let mut term = wide(20, 10);
    term.send("echo 1234567890abcdefghij");
    term.expect_rows(&["$ echo 1234567890abc", "defghij"], (1, 7));
    term.send("\x01\x1bf X");
    term.expect_rows(&["$ echo X 1234567890a", "bcdefghij"], (0, 8));
    term.send("\x05\x15echo 1234567890abc");
    term.expect_rows(&["$ echo 1234567890abc", ""], (1, 0));
    term.send("\r");
    term.expect_rows(&["$ echo 1234567890abc", "1234567890abc", "$"], (2, 2));
}

#[test]
fn one_column() {
    let setup = Setup {
        columns: 1,
        rows: 12,
        environment: vec![("PS1", "$".to_owned())],
        ..Setup::default()
    };
    let mut term = Term::start(setup, tempfile::tempdir().unwrap());
    term.send("echo\x02\x02X");
    term.until("one letter a row", |screen| {
        let text = screen.text();
        text.split_whitespace().collect::<String>() == "$ecXho"
    });
    term.send("\x15\x0becho ok\r");
    term.until("what it prints", |screen| {
        let text: String = screen.text().split_whitespace().collect();
        text.contains("ok") && text.ends_with('$')
    });
}

#[test]
fn wide_characters_wrap_whole() {
    let mut term = wide(7, 10);
    term.send("日本語中");
    term.expect_rows(&["$ 日本", "語中"], (1, 4));
    term.send("\x02\x02\x7f");
    term.expect_rows(&["$ 日語", "中"], (0, 4));
    // A combining character belongs to the one before it.
    term.send("\x05\x15e\u{301}x\x02\x02y");
    term.expect_rows(&["$ ye\u{301}x"], (0, 3));
}

#[test]
fn a_command_longer_than_the_screen() {
    let mut term = wide(10, 4);
    term.send(format!("echo {}Z", "0123456789".repeat(8)));
    term.until("its end", |screen| screen.text().ends_with('Z'));
    term.send("\x01");
    term.until("its beginning", |screen| {
        screen.text().starts_with("$ echo") && screen.cursor_position() == (0, 2)
    });
    term.send("\x05\x15echo s''hort\r");
    term.expect("short");
}

#[test]
fn another_size() {
    let mut term = wide(40, 10);
    term.send("echo 1234567890123456789");
    term.expect_rows(&["$ echo 1234567890123456789"], (0, 26));
    term.resize(60, 12);
    term.send("X");
    term.expect_rows(&["$ echo 1234567890123456789X"], (0, 27));
    term.send("\r");
    term.expect("\n1234567890123456789X");
    assert_eq!(term.run("stty size"), "12 60\nEND0");
}

#[test]
fn a_serial_line_is_asked_for_its_size() {
    let setup = Setup {
        columns: 20,
        rows: 8,
        serial: true,
        ..Setup::default()
    };
    let mut term = Term::start(setup, tempfile::tempdir().unwrap());
    term.send("echo 1234567890abcdefghij\x01");
    term.expect_rows(&["$ echo 1234567890abc", "defghij"], (0, 2));
    term.line("");
    term.expect("\n1234567890abcdefghij\n");
    assert_eq!(
        term.raw
            .windows(4)
            .filter(|part| *part == b"\x1b[6n")
            .count(),
        1
    );
}

#[test]
fn a_terminal_that_is_gone_ends_the_shell() {
    let mut term = Term::new();
    let pid = term.pid();
    term.send("echo never");
    sys::process::kill(pid, 1).unwrap();
    assert_eq!(term.end(), sys::process::Status::Killed(1, false));
}
