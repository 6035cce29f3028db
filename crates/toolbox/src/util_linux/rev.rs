//! `rev`: each line backwards, character by character.

use crate::common::lines::{Lines, Output, complain, open};
use crate::common::options::Options;
use std::ffi::OsString;

pub const USAGE: &str = "[file...]";

pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "rev",
        letters: "",
        long: &[],
    };
    let mut given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if given.operands.is_empty() {
        given.operands.push("-".into());
    }
    let mut out = Output::new();
    let mut status = 0;
    for name in &given.operands {
        let done = open(name).and_then(|file| {
            let mut lines = Lines::new(file, b'\n');
            while let Some((line, ended)) = lines.read()? {
                // As every rev has it, a zero byte ends the line.
                let end = memchr::memchr(0, line).unwrap_or(line.len());
                let mut text = line.get(..end).unwrap_or_default().to_vec();
                text.reverse();
                upright(&mut text);
                if ended && end == line.len() {
                    text.push(b'\n');
                }
                out.put(&text);
            }
            Ok(())
        });
        if let Err(error) = done {
            complain("rev", name, &error);
            status = 1;
        }
    }
    out.finish("rev", status, 1)
}

/// The bytes of each character, which were reversed with the line, in their own order again.
fn upright(text: &mut [u8]) {
    let mut at = 0;
    while at < text.len() {
        let tail = text
            .get(at..)
            .unwrap_or_default()
            .iter()
            .take_while(|byte| **byte & 0xc0 == 0x80)
            .count();
        let end = at + tail + 1;
        if (1..4).contains(&tail)
            && let Some(part) = text.get_mut(at..end)
        {
            part.reverse();
            if std::str::from_utf8(part).is_err() {
                part.reverse();
            }
        }
        at = end;
    }
}
