//! The order and the grammar of versions, from a table that anyone can read.

#![allow(clippy::panic)]

use apk::version::Version;
use std::cmp::Ordering;

const TABLE: &str = include_str!("version/pairs.txt");

fn holds(left: &str, operator: &str, right: &str) -> bool {
    let (left, right) = (Version::new(left), Version::new(right));
    let order = left.cmp(&right);
    assert_eq!(right.cmp(&left), order.reverse(), "{left} and {right}");
    match operator {
        "<" => order == Ordering::Less,
        "=" => order == Ordering::Equal,
        ">" => order == Ordering::Greater,
        "~" => left.starts_with(&right),
        "!~" => !left.starts_with(&right),
        _ => panic!("no such operator: {operator}"),
    }
}

#[test]
fn the_table_holds() {
    let mut wrong = Vec::new();
    let mut tried = 0;
    for line in TABLE.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        tried += 1;
        let good = if let Some(bad) = line.strip_prefix('!') {
            !Version::new(bad).is_valid()
        } else {
            match line.split(' ').collect::<Vec<_>>()[..] {
                [alone] => Version::new(alone).is_valid(),
                [left, operator, right] => holds(left, operator, right),
                _ => panic!("not a line of the table: {line}"),
            }
        };
        if !good {
            wrong.push(line);
        }
    }
    assert!(tried > 60, "only {tried} lines");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
