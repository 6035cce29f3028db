//! Base64 (RFC 4648): three bytes as four digits, and back.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A digit's value; 64 for what is none.
const VALUES: [u8; 256] = values();

#[expect(clippy::cast_possible_truncation, reason = "64 digits")]
const fn values() -> [u8; 256] {
    let mut values = [64; 256];
    let mut at = 0;
    while at < 64 {
        values[DIGITS[at] as usize] = at as u8;
        at += 1;
    }
    values
}

/// Appends the digits of the bytes.
pub fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    let digit = |bits: u32| DIGITS[(bits & 63) as usize];
    let (triples, rest) = bytes.as_chunks::<3>();
    out.reserve(triples.len() * 4 + 4);
    for [a, b, c] in triples {
        let bits = u32::from(*a) << 16 | u32::from(*b) << 8 | u32::from(*c);
        out.extend_from_slice(&[
            digit(bits >> 18),
            digit(bits >> 12),
            digit(bits >> 6),
            digit(bits),
        ]);
    }
    match rest {
        [a] => {
            let bits = u32::from(*a) << 16;
            out.extend_from_slice(&[digit(bits >> 18), digit(bits >> 12), b'=', b'=']);
        }
        [a, b] => {
            let bits = u32::from(*a) << 16 | u32::from(*b) << 8;
            out.extend_from_slice(&[digit(bits >> 18), digit(bits >> 12), digit(bits >> 6), b'=']);
        }
        _ => {}
    }
}

/// Why text is not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A byte is no digit.
    #[error("invalid input")]
    Invalid,
    /// The last group of digits is not whole.
    #[error("truncated input")]
    Truncated,
}

/// Decodes text that comes in parts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder {
    bits: u32,
    count: u8,
    padding: u8,
    /// What is no digit is passed over; else only white space is.
    lenient: bool,
}

impl Decoder {
    /// A decoder; a lenient one passes over what is no digit, else only white space is passed over.
    pub fn new(lenient: bool) -> Decoder {
        Decoder {
            lenient,
            ..Decoder::default()
        }
    }

    /// Decodes a part.
    ///
    /// # Errors
    /// A byte that does not belong there.
    pub fn part(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let mut rest = text;
        while let Some((byte, behind)) = rest.split_first() {
            // Whole groups at a time, as long as there are only digits.
            if self.count == 0 && self.padding == 0 {
                let (fours, _) = rest.as_chunks::<4>();
                let mut taken = 0;
                for [a, b, c, d] in fours {
                    let value = |byte: u8| VALUES[usize::from(byte)];
                    let (a, b, c, d) = (value(*a), value(*b), value(*c), value(*d));
                    if (a | b | c | d) & 64 != 0 {
                        break;
                    }
                    let bits =
                        u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
                    out.extend_from_slice(&bits.to_be_bytes()[1..]);
                    taken += 4;
                }
                if taken > 0 {
                    rest = rest.get(taken..).unwrap_or_default();
                    continue;
                }
            }
            rest = behind;
            match VALUES[usize::from(*byte)] {
                64 if *byte == b'=' => {
                    self.padding = self.padding.saturating_add(1);
                    if self.padding + self.count == 4 {
                        self.rest(out);
                        (self.bits, self.count, self.padding) = (0, 0, 0);
                    }
                }
                64 if byte.is_ascii_whitespace() || self.lenient => {}
                64 => return Err(Error::Invalid),
                _ if self.padding > 0 => return Err(Error::Invalid),
                value => {
                    self.bits = self.bits << 6 | u32::from(value);
                    self.count += 1;
                    if self.count == 4 {
                        out.extend_from_slice(&self.bits.to_be_bytes()[1..]);
                        (self.bits, self.count) = (0, 0);
                    }
                }
            }
        }
        Ok(())
    }

    fn rest(self, out: &mut Vec<u8>) {
        match self.count {
            2 => out.push((self.bits >> 4 & 255) as u8),
            3 => out
                .extend_from_slice(&[(self.bits >> 10 & 255) as u8, (self.bits >> 2 & 255) as u8]),
            _ => {}
        }
    }

    /// The text is at its end: what is left over is given, if it is whole but for its padding.
    ///
    /// # Errors
    /// A lonely digit is left.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.count == 1 {
            return Err(Error::Truncated);
        }
        self.rest(out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_in_any_parts() {
        let bytes: Vec<u8> = (0..=255).collect();
        for length in 0..40 {
            let mut text = Vec::new();
            encode(&bytes[255 - length..], &mut text);
            for step in 1..text.len().max(2) {
                let (mut decoder, mut back) = (Decoder::default(), Vec::new());
                for part in text.chunks(step) {
                    decoder.part(part, &mut back).unwrap();
                }
                decoder.finish(&mut back).unwrap();
                assert_eq!(back, &bytes[255 - length..]);
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        let mut out = Vec::new();
        assert_eq!(
            Decoder::default().part(b"a-b", &mut out),
            Err(Error::Invalid)
        );
        assert_eq!(
            Decoder::default().part(b"YQ=A", &mut out),
            Err(Error::Invalid)
        );
        let mut decoder = Decoder::default();
        decoder.part(b"YWJjZ", &mut out).unwrap();
        assert_eq!(decoder.finish(&mut out), Err(Error::Truncated));
    }
}
