//! Numbers, texts and formats.

use super::format::format;
use super::value::{Value, looks_numeric, parse_number};

fn formatted(template: &str, values: &[Value]) -> String {
    let mut out = Vec::new();
    format(
        template.as_bytes(),
        &mut values.iter().cloned(),
        b"%.6g",
        &mut out,
    );
    String::from_utf8(out).unwrap()
}

#[test]
fn numbers_are_read_as_far_as_they_go() {
    let cases = [
        ("12abc", 12.0, 2),
        (" -1.5e3x", -1500.0, 7),
        (".5", 0.5, 2),
        ("e5", 0.0, 0),
        ("1e", 1.0, 1),
        ("+", 0.0, 0),
    ];
    for (text, number, end) in cases {
        assert_eq!(parse_number(text.as_bytes()), (number, end), "{text}");
    }
    assert_eq!(looks_numeric(b" 10 "), Some(10.0));
    assert_eq!(looks_numeric(b"10x"), None);
    assert_eq!(looks_numeric(b"nancy"), None);
    assert_eq!(looks_numeric(b""), None);
}

#[test]
fn formats() {
    let number = Value::Number;
    assert_eq!(
        formatted(
            "%5.2f|%-6d|%06d",
            &[number(3.1377), number(42.0), number(-42.0)]
        ),
        " 3.14|42    |-00042"
    );
    assert_eq!(
        formatted(
            "%g %g %g",
            &[number(100_000.0), number(1e6), number(0.0001)]
        ),
        "100000 1e+06 0.0001"
    );
    assert_eq!(formatted("%e", &[number(12345.678)]), "1.234568e+04");
    assert_eq!(
        formatted(
            "%x %o %X %#x",
            &[number(255.0), number(8.0), number(255.0), number(255.0)]
        ),
        "ff 10 FF 0xff"
    );
    assert_eq!(
        formatted("%c%c", &[number(65.0), Value::string(b"hello")]),
        "Ah"
    );
    assert_eq!(
        formatted(
            "%.3s|%5s|%-5s|",
            &vec![Value::string("abcdé".as_bytes()); 3]
        ),
        "abc|abcdé|abcdé|"
    );
    assert_eq!(formatted("%*d%%", &[number(4.0), number(7.0)]), "   7%");
    assert_eq!(formatted("%d %s", &[]), "0 ");
    assert_eq!(formatted("%", &[]), "%");
}
