//! Keys typed into a text, and what it is afterwards.

use std::collections::VecDeque;

use super::buffer::Buffer;
use super::{Editor, Keys};
use crate::common::screen::Key;

/// Types into a text; `^` and a capital letter is a control key, `<` escape, `$` in keys is itself.
fn typed(text: &str, keys: &str) -> String {
    let mut list = VecDeque::new();
    let mut chars = keys.chars();
    while let Some(c) = chars.next() {
        list.push_back(match c {
            '§' => Key::Char('\x1b'),
            '¶' => Key::Char('\r'),
            '¬' => Key::Char('\x08'),
            '¢' => Key::Char(((chars.next().unwrap() as u8) & 0x1F) as char),
            c => Key::Char(c),
        });
    }
    let mut editor = Editor::new(Keys::Typed(list));
    editor.buffer = Buffer::of(text.as_bytes());
    assert_eq!(editor.run(), 1, "the keys end the editor");
    String::from_utf8(editor.buffer.bytes(0..editor.buffer.len())).unwrap()
}

#[test]
fn commands() {
    let cases = [
        ("one two\n", "ix§", "xone two\n"),
        ("one two\n", "ax§", "oxne two\n"),
        ("one\n", "A two§", "one two\n"),
        ("  one\n", "Ix§", "  xone\n"),
        ("one\n", "otwo§Ozero§", "one\nzero\ntwo\n"),
        ("one two three\n", "dw", "two three\n"),
        ("one two three\n", "2dw", "three\n"),
        ("one two three\n", "d2w", "three\n"),
        ("one two three\n", "wcwX§", "one X three\n"),
        ("one two three\n", "wD", "one \n"),
        ("one two\n", "$x", "one tw\n"),
        ("one two\n", "3x", " two\n"),
        ("a\nb\nc\n", "dd", "b\nc\n"),
        ("a\nb\nc\n", "jdd", "a\nc\n"),
        ("a\nb\nc\n", "dG", ""),
        ("a\nb\nc\n", "2ddp", "c\na\nb\n"),
        ("a\nb\nc\n", "yyjp", "a\nb\na\nc\n"),
        ("a\nb\nc\n", "Gddggp", "a\nc\nb\n"),
        ("a\nb\n", "J", "a b\n"),
        ("abc\n", "~~", "ABc\n"),
        ("abc\n", "rxlr¶", "x\nc\n"),
        ("abcd\n", "RXY§", "XYcd\n"),
        ("abcd\n", "RXY¬¬Z§", "Zbcd\n"),
        ("one\n", "xu", "one\n"),
        ("one\n", "xxuu¢R", "ne\n"),
        ("a b c d\n", "dw..", "d\n"),
        ("a\na\na\n", "Ax§j.j.", "ax\nax\nax\n"),
        ("f(a, b)\n", "f(lct)x§", "f(x)\n"),
        ("f(a, b)\n", "f(d%", "f\n"),
        ("foo bar foo\n", "/bar¶dw", "foo foo\n"),
        ("foo bar foo\n", "$?bar¶x", "foo ar foo\n"),
        ("a\n\nb\n", "d}", "\nb\n"),
        ("one two\n", "wdb", "two\n"),
        ("one two\n", "ede", "on\n"),
        ("x\ny\nz\n", "majj'ad'a", "y\nz\n"),
        ("a\nb\n", "\"ayyj\"ap", "a\nb\na\n"),
        ("a\n", "3ix§", "xxxa\n"),
        ("a\nb\n", ">>", "\ta\nb\n"),
        ("\ta\n", "<<", "a\n"),
        ("äöü\n", "lxaß§", "äüß\n"),
        ("one\n", "cchello§", "hello\n"),
        ("a.b\n", "dfb", "\n"),
        ("", "ihi§", "hi\n"),
        ("", "oa§", "\na\n"),
        ("\n", "ia§u", "\n"),
        ("a\nb\n", "dGp", "a\nb\n"),
    ];
    for (text, keys, wanted) in cases {
        assert_eq!(typed(text, keys), wanted, "{keys} in {text:?}");
    }
}

#[test]
fn colon_lines() {
    let cases = [
        ("a\nb\nc\n", ":2d¶", "a\nc\n"),
        ("a\nb\nc\n", ":%s/[ab]/x&/¶", "xa\nxb\nc\n"),
        ("aaa\n", ":s/a/b/g¶", "bbb\n"),
        ("a b\n", ":s/\\(a\\) \\(b\\)/\\2 \\1/¶", "b a\n"),
        ("a/b\n", ":s/\\//-/¶", "a-b\n"),
        ("a,b\n", ":s/,/\\n/¶", "a\nb\n"),
        ("a\nb\nc\n", ":1m$¶", "b\nc\na\n"),
        ("a\nb\nc\n", ":3m0¶", "c\na\nb\n"),
        ("a\nb\nc\n", ":1,2t$¶", "a\nb\nc\na\nb\n"),
        ("a\nxb\nc\nxd\n", ":g/x/d¶", "a\nc\n"),
        ("a\nxb\nc\nxd\n", ":v/x/d¶", "xb\nxd\n"),
        ("a\nb\nc\n", ":/b/,$j¶", "a\nb c\n"),
        ("b\na\n", ":%!sort¶", "a\nb\n"),
        ("a\nb\n", ":2¶x", "a\n\n"),
        ("a\nb\n", ":1d¶u", "a\nb\n"),
        ("x\n", ":%d¶", ""),
    ];
    for (text, keys, wanted) in cases {
        assert_eq!(typed(text, keys), wanted, "{keys} in {text:?}");
    }
}

#[test]
fn any_keys_are_survived() {
    let mut seed = 99u64;
    let alphabet: Vec<char> =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPRSTUVWXY0123456789$^%{}/?:;,.'`~<>|+-_§¶¬é\t("
            .chars()
            .collect();
    for _ in 0..300 {
        let mut keys = String::new();
        for _ in 0..60 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            keys.push(alphabet[(seed % alphabet.len() as u64) as usize]);
        }
        // Nothing that leaves the editor, runs a command or touches a file.
        let keys: String = keys.replace([':', '!'], "");
        typed("one two (three)\n\n\tfour é five\n}{\nsix\n", &keys);
    }
}
