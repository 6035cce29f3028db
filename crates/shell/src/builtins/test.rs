//! `test` and `[`.

use super::lossy;
use crate::exec::{Flow, Shell};
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

pub(super) fn command(shell: &mut Shell, arguments: &[Vec<u8>]) -> Result<i32, Flow> {
    let name = arguments.first().cloned().unwrap_or_default();
    let mut words = arguments.get(1..).unwrap_or_default();
    if name == b"[" {
        match words.split_last() {
            Some((last, rest)) if last == b"]" => words = rest,
            _ => return Ok(shell.complain(b"[", "missing ]")),
        }
    }
    match evaluate(words) {
        Ok(value) => Ok(i32::from(!value)),
        Err(what) => Ok(shell.complain(&name, &what)),
    }
}

/// What stands there decides by how much stands there (POSIX.1-2024, test), then by precedence.
fn evaluate(words: &[Vec<u8>]) -> Result<bool, String> {
    match words {
        [] => Ok(false),
        [one] => Ok(!one.is_empty()),
        [not, one] if not == b"!" => Ok(one.is_empty()),
        [operator, word] if is_unary(operator) => Ok(unary(operator, word)),
        [left, operator, right] if is_binary(operator) => binary(left, operator, right),
        [not, rest @ ..] if not == b"!" && rest.len() < 4 => Ok(!evaluate(rest)?),
        [open, inner @ .., close] if open == b"(" && close == b")" && words.len() <= 4 => {
            evaluate(inner)
        }
        _ => {
            let mut parser = Parser {
                words,
                at: 0,
                depth: 0,
            };
            let value = parser.or()?;
            match words.get(parser.at) {
                None => Ok(value),
                Some(word) => Err(format!("{}: unknown operand", lossy(word))),
            }
        }
    }
}

struct Parser<'a> {
    words: &'a [Vec<u8>],
    at: usize,
    depth: u32,
}

impl Parser<'_> {
    fn word(&self, ahead: usize) -> Option<&[u8]> {
        self.words.get(self.at + ahead).map(Vec::as_slice)
    }

    fn or(&mut self) -> Result<bool, String> {
        let mut value = self.and()?;
        while self.word(0) == Some(b"-o") {
            self.at += 1;
            value |= self.and()?;
        }
        Ok(value)
    }

    fn and(&mut self) -> Result<bool, String> {
        let mut value = self.primary()?;
        while self.word(0) == Some(b"-a") {
            self.at += 1;
            value &= self.primary()?;
        }
        Ok(value)
    }

    fn primary(&mut self) -> Result<bool, String> {
        self.depth += 1;
        if self.depth > 500 {
            return Err("too many words".to_owned());
        }
        let value = self.bare_primary();
        self.depth -= 1;
        value
    }

    fn bare_primary(&mut self) -> Result<bool, String> {
        let Some(first) = self.word(0).map(<[u8]>::to_vec) else {
            return Err("argument expected".to_owned());
        };
        if let (Some(operator), Some(right)) = (self.word(1), self.word(2))
            && is_binary(operator)
        {
            let value = binary(&first, operator, right);
            self.at += 3;
            return value;
        }
        if first == b"!" && self.word(1).is_some() {
            self.at += 1;
            return Ok(!self.primary()?);
        }
        if first == b"(" {
            self.at += 1;
            let value = self.or()?;
            if self.word(0) != Some(b")") {
                return Err("closing paren expected".to_owned());
            }
            self.at += 1;
            return Ok(value);
        }
        if is_unary(&first)
            && let Some(word) = self.word(1)
        {
            let value = unary(&first, word);
            self.at += 2;
            return Ok(value);
        }
        self.at += 1;
        Ok(!first.is_empty())
    }
}

fn is_unary(operator: &[u8]) -> bool {
    matches!(operator, [b'-', letter] if b"bcdefgGhkLnOprsStuwxz".contains(letter))
}

fn is_binary(operator: &[u8]) -> bool {
    matches!(
        operator,
        b"=" | b"=="
            | b"!="
            | b"<"
            | b">"
            | b"-eq"
            | b"-ne"
            | b"-lt"
            | b"-le"
            | b"-gt"
            | b"-ge"
            | b"-nt"
            | b"-ot"
            | b"-ef"
    )
}

/// `-f word` and its kin.
pub(crate) fn unary(operator: &[u8], word: &[u8]) -> bool {
    let path = Path::new(OsStr::from_bytes(word));
    let meta = || path.metadata().ok();
    let is = |check: fn(&Metadata) -> bool| meta().is_some_and(|meta| check(&meta));
    match operator.get(1) {
        Some(b'z') => word.is_empty(),
        Some(b'n') => !word.is_empty(),
        Some(b'e') => meta().is_some(),
        Some(b'f') => is(Metadata::is_file),
        Some(b'd') => is(Metadata::is_dir),
        Some(b'b') => is(|meta| meta.file_type().is_block_device()),
        Some(b'c') => is(|meta| meta.file_type().is_char_device()),
        Some(b'p') => is(|meta| meta.file_type().is_fifo()),
        Some(b'S') => is(|meta| meta.file_type().is_socket()),
        Some(b's') => is(|meta| meta.len() > 0),
        Some(b'h' | b'L') => path.symlink_metadata().is_ok_and(|meta| meta.is_symlink()),
        Some(b'g') => is(|meta| meta.mode() & 0o2000 != 0),
        Some(b'u') => is(|meta| meta.mode() & 0o4000 != 0),
        Some(b'k') => is(|meta| meta.mode() & 0o1000 != 0),
        Some(b'O') => is(|meta| meta.uid() == rustix::process::geteuid().as_raw()),
        Some(b'G') => is(|meta| meta.gid() == rustix::process::getegid().as_raw()),
        Some(b'r') => accessible(path, rustix::fs::Access::READ_OK),
        Some(b'w') => accessible(path, rustix::fs::Access::WRITE_OK),
        Some(b'x') => accessible(path, rustix::fs::Access::EXEC_OK),
        Some(b't') => super::number(word).is_some_and(sys::tty::is_terminal),
        _ => false,
    }
}

fn accessible(path: &Path, access: rustix::fs::Access) -> bool {
    rustix::fs::accessat(rustix::fs::CWD, path, access, rustix::fs::AtFlags::EACCESS).is_ok()
}

/// A whole number with blanks around it.
fn decimal(word: &[u8]) -> Option<i64> {
    let word = word.trim_ascii();
    let (negative, digits) = match word {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    // Down from zero: the least number has no positive one.
    let value = digits.iter().try_fold(0i64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_sub(digit)
    })?;
    if negative {
        Some(value)
    } else {
        value.checked_neg()
    }
}

/// `word op word`
pub(crate) fn binary(left: &[u8], operator: &[u8], right: &[u8]) -> Result<bool, String> {
    let meta = |word: &[u8]| Path::new(OsStr::from_bytes(word)).metadata().ok();
    let time = |meta: &Metadata| (meta.mtime(), meta.mtime_nsec());
    Ok(match operator {
        b"=" | b"==" => left == right,
        b"!=" => left != right,
        b"<" => left < right,
        b">" => left > right,
        b"-nt" => match (meta(left), meta(right)) {
            (Some(a), Some(b)) => time(&a) > time(&b),
            (a, _) => a.is_some(),
        },
        b"-ot" => match (meta(left), meta(right)) {
            (Some(a), Some(b)) => time(&a) < time(&b),
            (_, b) => b.is_some(),
        },
        b"-ef" => match (meta(left), meta(right)) {
            (Some(a), Some(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
            _ => false,
        },
        _ => {
            let number =
                |word: &[u8]| decimal(word).ok_or_else(|| format!("{}: bad number", lossy(word)));
            let (a, b) = (number(left)?, number(right)?);
            match operator {
                b"-eq" => a == b,
                b"-ne" => a != b,
                b"-lt" => a < b,
                b"-le" => a <= b,
                b"-gt" => a > b,
                _ => a >= b,
            }
        }
    })
}
