//! Keys: emacs' and vi's.

use crate::pty::{Setup, Shown, Term};
use sys::process::Status;

#[test]
fn movement_killing_and_yanking() {
    let mut term = Term::new();
    // Home, a word killed, the rest killed, yanked twice, the older one in its place.
    term.send("world echo hello \x01\x1bd\x1b[C\x0b\x01\x19\x05\x19");
    term.expect_last("$ echo hello  echo hello");
    term.send("\x1by");
    term.expect_last("$ echo hello  world");
    term.send("\r");
    term.expect("\nhello world\n$");
    term.send("echo abc def\x1bb\x1b[D\x1b[D\x08X\r");
    term.expect("\naXc def\n$");
    term.send("echo one two\x17\x17three \x19\r");
    term.expect("\nthree one two");
}

#[test]
fn undo_and_case_and_transposition() {
    let mut term = Term::new();
    term.send("echo abc\x17\x1f");
    term.expect_last("$ echo abc");
    term.send("\x1bb\x1bu def ba\x14");
    term.expect_last("$ echo ABC def ab");
    term.send(" x y\x1bt");
    term.expect_last("$ echo ABC def ab y x");
}

#[test]
fn ctrl_d_deletes_and_ends() {
    let mut term = Term::new();
    term.send("abc\x02\x02\x04");
    term.expect_last("$ ac");
    term.send("\x15\x0b");
    term.expect_last("$");
    term.line("false");
    term.expect("false\n$");
    term.send("\x04");
    assert_eq!(term.end(), Status::Exited(1));
}

#[test]
fn ctrl_c_drops_the_line() {
    let mut term = Term::new();
    term.send("for a in b\rdo echo\x03");
    term.expect("^C");
    term.line("echo st''atus $?");
    term.expect("\nstatus 130");
}

#[test]
fn commands_of_several_lines() {
    let mut term = Term::new();
    term.line("for a in 1 2");
    term.expect_last(">");
    term.line("do echo n$a");
    term.line("done");
    term.expect("\nn1\nn2");
    term.line("echo 'a");
    term.line("b' \\");
    term.line("c");
    term.expect("\na\nb c");
    term.line("cat <<x");
    term.line("in the text");
    term.line("x");
    term.expect("x\nin the text\n$");
    // The whole command comes back, and can be edited in its first line.
    term.send("\x10\x10\x10\x10\x10\x10\x01X");
    term.until("the first command", |screen| screen.text().contains("X"));
}

#[test]
fn what_is_pasted_waits_for_enter() {
    let mut term = Term::new();
    assert!(term.raw.ends_with(b"\x1b[?2004h$ "));
    term.send("\x1b[200~echo one\necho\ttwo\n\x1b[201~");
    term.expect("> echo  two");
    assert!(!term.screen().text().contains("\none"));
    term.send("\r");
    term.expect("\none\ntwo");
    assert!(term.raw.windows(8).any(|part| part == b"\x1b[?2004l"));
}

#[test]
fn vi_mode() {
    let mut term = Term::start(
        Setup {
            arguments: vec!["-o", "vi"],
            ..Setup::default()
        },
        tempfile::tempdir().unwrap(),
    );
    term.send("echo one two three\x1b0wcwONE\x1b$bD");
    term.expect_last("$ echo ONE two");
    term.send("0wdwu");
    term.expect_last("$ echo ONE two");
    term.send("\x1bA four\r");
    term.expect("\nONE two four");
    term.send("\x1bk0wx\r");
    term.expect("\nNE two four");
    term.line("set -o emacs");
    term.line("echo \x01\x05em''acs");
    term.expect("\nemacs");
}

#[test]
fn characters_are_whole() {
    let mut term = Term::new();
    term.send("echo añ日本x\x02\x02\x7f\x02\x04\r");
    term.expect("\na本x");
    // Bytes that are no character are shown, edited and kept.
    term.send(b"printf %s \xff\xfeab | od -An -tx1\r");
    term.expect("ff fe 61 62");
}

#[test]
fn a_dumb_terminal_gets_plain_lines() {
    let setup = Setup {
        environment: vec![
            ("TERM", "dumb".to_owned()),
            ("PS1", "\\[\\e[1m\\]p\\[\\e[0m\\]$ ".to_owned()),
        ],
        ..Setup::default()
    };
    let mut term = Term::start(setup, tempfile::tempdir().unwrap());
    assert_eq!(term.raw, b"\x1b[1mp\x1b[0m$ ");
    term.line("echo 'two");
    term.expect_last(">");
    term.line("lines'");
    term.expect("\ntwo\nlines\np$");
    assert!(!term.raw.windows(2).any(|part| part == b"?2"));
    // Before the next prompt, what is typed may still go the way of the line.
    term.send("abc\x03");
    term.expect("^C\np$");
    term.line("echo $?");
    term.expect("\n130\np$");
    term.send("\x04");
    assert_eq!(term.end(), Status::Exited(0));
}

#[test]
fn a_prompt_with_hidden_parts_and_lines() {
    let setup = Setup {
        columns: 10,
        environment: vec![
            ("PS1", "top\\n\\[\\e]0;title\\a\\]\\u$ ".to_owned()),
            ("USER", "me".to_owned()),
        ],
        ..Setup::default()
    };
    let mut term = Term::start(setup, tempfile::tempdir().unwrap());
    term.send("123456789");
    term.expect_rows(&["top", "me$ 123456", "789"], (2, 3));
    term.send("\x01\x04");
    term.expect_rows(&["top", "me$ 234567", "89"], (1, 4));
}
