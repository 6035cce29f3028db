//! Decimal numbers of any length, for `bc` and `dc`: a whole number of units of 10^-scale.
//!
//! Sums are exact; products, quotients and roots are cut off (not rounded) at a scale, as POSIX has it for bc.

use std::cmp::Ordering;

/// A limb holds nine digits.
const BASE: u64 = 1_000_000_000;
const DIGITS: usize = 9;
/// No number gets longer than so many digits.
const MOST: usize = 200_000_000;

/// A number.
#[derive(Clone, Debug, Default)]
pub struct Number {
    negative: bool,
    /// Least first, none of them 0 at the end.
    limbs: Vec<u32>,
    scale: usize,
}

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// By nothing.
    #[error("divide by zero")]
    Zero,
    /// A root of what is below zero.
    #[error("negative number")]
    Negative,
    /// Not a whole number.
    #[error("non integer number")]
    Fraction,
    /// More digits than there is room for.
    #[error("number is too large")]
    Large,
}

fn trim(limbs: &mut Vec<u32>) {
    while limbs.last() == Some(&0) {
        limbs.pop();
    }
}

fn order(a: &[u32], b: &[u32]) -> Ordering {
    a.len()
        .cmp(&b.len())
        .then_with(|| a.iter().rev().cmp(b.iter().rev()))
}

fn sum(a: &[u32], b: &[u32]) -> Vec<u32> {
    let (long, short) = if a.len() < b.len() { (b, a) } else { (a, b) };
    let mut out = Vec::with_capacity(long.len() + 1);
    let mut carry = 0;
    for (at, limb) in long.iter().enumerate() {
        let value = u64::from(*limb) + u64::from(short.get(at).copied().unwrap_or(0)) + carry;
        out.push((value % BASE) as u32);
        carry = value / BASE;
    }
    if carry > 0 {
        out.push(carry as u32);
    }
    out
}

/// `a` is not less than `b`.
fn difference(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut out = Vec::with_capacity(a.len());
    let mut borrow = 0;
    for (at, limb) in a.iter().enumerate() {
        let value =
            i64::from(*limb) - i64::from(b.get(at).copied().unwrap_or(0)) - i64::from(borrow);
        borrow = u32::from(value < 0);
        out.push(if value < 0 {
            value + BASE as i64
        } else {
            value
        } as u32);
    }
    trim(&mut out);
    out
}

fn times_small(limbs: &mut Vec<u32>, factor: u32, add: u32) {
    let mut carry = u64::from(add);
    for limb in limbs.iter_mut() {
        let value = u64::from(*limb) * u64::from(factor) + carry;
        *limb = (value % BASE) as u32;
        carry = value / BASE;
    }
    if carry > 0 {
        limbs.push(carry as u32);
    }
    trim(limbs);
}

/// Divides in place; gives the rest.
fn divide_small(limbs: &mut Vec<u32>, divisor: u32) -> u32 {
    let mut rest = 0;
    for limb in limbs.iter_mut().rev() {
        let value = rest * BASE + u64::from(*limb);
        *limb = (value / u64::from(divisor)) as u32;
        rest = value % u64::from(divisor);
    }
    trim(limbs);
    rest as u32
}

fn product(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut out = vec![0u32; a.len() + b.len()];
    for (at, x) in a.iter().enumerate() {
        let mut carry = 0;
        for (place, y) in b.iter().enumerate() {
            let value = u64::from(*x) * u64::from(*y) + u64::from(out[at + place]) + carry;
            out[at + place] = (value % BASE) as u32;
            carry = value / BASE;
        }
        out[at + b.len()] = carry as u32;
    }
    trim(&mut out);
    out
}

/// Quotient and rest (Knuth, volume 2, 4.3.1, algorithm D). `b` is not 0.
fn quotient(a: &[u32], b: &[u32]) -> (Vec<u32>, Vec<u32>) {
    if order(a, b) == Ordering::Less {
        return (Vec::new(), a.to_vec());
    }
    if let [divisor] = b {
        let mut out = a.to_vec();
        let rest = divide_small(&mut out, *divisor);
        return (out, if rest == 0 { Vec::new() } else { vec![rest] });
    }
    let length = b.len();
    let factor = (BASE / (u64::from(b[length - 1]) + 1)) as u32;
    let (mut rest, mut divisor) = (a.to_vec(), b.to_vec());
    times_small(&mut rest, factor, 0);
    times_small(&mut divisor, factor, 0);
    rest.resize(a.len() + 1, 0);
    let (top, next) = (
        u64::from(divisor[length - 1]),
        u64::from(divisor[length - 2]),
    );
    let mut out = vec![0; rest.len() - length];
    for at in (0..out.len()).rev() {
        let head = u64::from(rest[at + length]) * BASE + u64::from(rest[at + length - 1]);
        let (mut digit, mut left) = (head / top, head % top);
        while digit >= BASE
            || left < BASE && digit * next > left * BASE + u64::from(rest[at + length - 2])
        {
            digit -= 1;
            left += top;
            if left >= BASE {
                break;
            }
        }
        let (mut carry, mut borrow) = (0, 0i64);
        for place in 0..=length {
            let value = digit * u64::from(divisor.get(place).copied().unwrap_or(0)) + carry;
            carry = value / BASE;
            let mut value = i64::from(rest[at + place]) - (value % BASE) as i64 - borrow;
            borrow = i64::from(value < 0);
            if value < 0 {
                value += BASE as i64;
            }
            rest[at + place] = value as u32;
        }
        if borrow > 0 {
            // It was one too many.
            digit -= 1;
            let mut carry = 0;
            for place in 0..=length {
                let value = u64::from(rest[at + place])
                    + u64::from(divisor.get(place).copied().unwrap_or(0))
                    + carry;
                rest[at + place] = (value % BASE) as u32;
                carry = value / BASE;
            }
        }
        out[at] = digit as u32;
    }
    trim(&mut out);
    trim(&mut rest);
    divide_small(&mut rest, factor);
    (out, rest)
}

/// Multiplies with ten to some power.
fn raise(limbs: &mut Vec<u32>, places: usize) {
    if limbs.is_empty() || places == 0 {
        return;
    }
    times_small(limbs, 10u32.pow((places % DIGITS) as u32), 0);
    limbs.splice(0..0, std::iter::repeat_n(0, places / DIGITS));
}

/// Divides by ten to some power.
fn lower(limbs: &mut Vec<u32>, places: usize) {
    limbs.drain(..(places / DIGITS).min(limbs.len()));
    divide_small(limbs, 10u32.pow((places % DIGITS) as u32));
}

fn count(limbs: &[u32]) -> usize {
    match limbs.split_last() {
        None => 0,
        Some((top, rest)) => top.ilog10() as usize + 1 + rest.len() * DIGITS,
    }
}

impl From<u64> for Number {
    fn from(mut value: u64) -> Number {
        let mut limbs = Vec::new();
        while value > 0 {
            limbs.push((value % BASE) as u32);
            value /= BASE;
        }
        Number {
            negative: false,
            limbs,
            scale: 0,
        }
    }
}

/// What a digit stands for: 0 to 9, A to Z.
fn value(digit: u8) -> u32 {
    match digit {
        b'0'..=b'9' => u32::from(digit - b'0'),
        b'A'..=b'Z' => u32::from(digit - b'A') + 10,
        _ => 0,
    }
}

impl Number {
    fn new(negative: bool, limbs: Vec<u32>, scale: usize) -> Number {
        Number {
            negative: negative && !limbs.is_empty(),
            limbs,
            scale,
        }
    }

    /// Reads digits and perhaps a point. A lonely digit has its value whatever the base is; among others one that is
    /// too large for the base counts as the largest.
    pub fn parse(text: &[u8], base: u32) -> Number {
        let digits = text
            .iter()
            .skip_while(|byte| **byte == b'0')
            .filter(|byte| **byte != b'.')
            .count();
        let most = if digits == 1 { 35 } else { base - 1 };
        let (mut limbs, mut places, mut point) = (Vec::new(), 0, false);
        for byte in text {
            if *byte == b'.' {
                point = true;
                continue;
            }
            places += usize::from(point);
            times_small(&mut limbs, base, value(*byte).min(most));
        }
        if base == 10 || places == 0 {
            return Number::new(false, limbs, places);
        }
        let mut divisor = vec![1];
        for _ in 0..places {
            times_small(&mut divisor, base, 0);
        }
        raise(&mut limbs, places);
        Number::new(false, quotient(&limbs, &divisor).0, places)
    }

    /// Whether it is nothing.
    pub fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    /// Whether it is less than nothing.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Digits behind the point.
    pub fn scale(&self) -> usize {
        self.scale
    }

    /// Digits, but for zeros before them.
    pub fn length(&self) -> usize {
        count(&self.limbs)
    }

    /// With the other sign.
    pub fn negated(&self) -> Number {
        Number::new(!self.negative, self.limbs.clone(), self.scale)
    }

    /// With so many digits behind the point, what is more cut off.
    pub fn scaled(&self, scale: usize) -> Number {
        let mut limbs = self.limbs.clone();
        if scale < self.scale {
            lower(&mut limbs, self.scale - scale);
        } else {
            raise(&mut limbs, scale - self.scale);
        }
        Number::new(self.negative, limbs, scale)
    }

    /// A whole number that is not negative. None: it is, or too large.
    pub fn whole(&self) -> Option<u64> {
        let whole = self.scaled(0);
        if whole.negative || whole.limbs.len() > 2 {
            return None;
        }
        let limb = |at| whole.limbs.get(at).copied().map_or(0, u64::from);
        Some(limb(1) * BASE + limb(0))
    }

    /// Which is greater.
    pub fn compare(&self, other: &Number) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => return Ordering::Greater,
            (true, false) => return Ordering::Less,
            _ => {}
        }
        let scale = self.scale.max(other.scale);
        let found = order(&self.scaled(scale).limbs, &other.scaled(scale).limbs);
        if self.negative {
            found.reverse()
        } else {
            found
        }
    }

    /// The sum.
    pub fn plus(&self, other: &Number) -> Number {
        let scale = self.scale.max(other.scale);
        let (a, b) = (self.scaled(scale).limbs, other.scaled(scale).limbs);
        if self.negative == other.negative {
            return Number::new(self.negative, sum(&a, &b), scale);
        }
        if order(&a, &b) == Ordering::Less {
            Number::new(other.negative, difference(&b, &a), scale)
        } else {
            Number::new(self.negative, difference(&a, &b), scale)
        }
    }

    /// The difference.
    pub fn minus(&self, other: &Number) -> Number {
        self.plus(&other.negated())
    }

    /// The product, at `scale`, or the larger scale of the two where that is more; never at more than it has.
    pub fn times(&self, other: &Number, scale: usize) -> Number {
        let all = self.scale + other.scale;
        let limbs = product(&self.limbs, &other.limbs);
        Number::new(self.negative != other.negative, limbs, all)
            .scaled(all.min(scale.max(self.scale).max(other.scale)))
    }

    /// The quotient at `scale`.
    ///
    /// # Errors
    /// By nothing, or too long.
    pub fn over(&self, other: &Number, scale: usize) -> Result<Number, Error> {
        if other.is_zero() {
            return Err(Error::Zero);
        }
        let places = scale + other.scale;
        if places > MOST {
            return Err(Error::Large);
        }
        let (mut a, mut b) = (self.limbs.clone(), other.limbs.clone());
        if places >= self.scale {
            raise(&mut a, places - self.scale);
        } else {
            raise(&mut b, self.scale - places);
        }
        Ok(Number::new(
            self.negative != other.negative,
            quotient(&a, &b).0,
            scale,
        ))
    }

    /// What is left of a division at `scale`.
    ///
    /// # Errors
    /// By nothing, or too long.
    pub fn rest(&self, other: &Number, scale: usize) -> Result<Number, Error> {
        let quotient = self.over(other, scale)?;
        let all = self.scale.max(scale + other.scale);
        let taken = quotient.times(other, all);
        Ok(self.minus(&taken).scaled(all))
    }

    /// A power; the exponent is whole.
    ///
    /// # Errors
    /// It is not, nothing is raised to less than nothing, or it gets too long.
    pub fn power(&self, exponent: &Number, scale: usize) -> Result<Number, Error> {
        let whole = exponent.scaled(0);
        if whole.compare(exponent) != Ordering::Equal {
            return Err(Error::Fraction);
        }
        let mut times = Number {
            negative: false,
            ..whole.clone()
        }
        .whole()
        .ok_or(Error::Large)?;
        let length = u64::try_from(self.length().max(1)).unwrap_or(u64::MAX);
        let one = self.limbs == [1] && self.scale == 0 || self.is_zero();
        if !one && length.saturating_mul(times) > MOST as u64 {
            return Err(Error::Large);
        }
        let places = self.scale.saturating_mul(times as usize);
        // Exact squares, cut off at the end.
        let (mut limbs, mut square) = (vec![1], self.limbs.clone());
        let odd = times % 2 == 1;
        while times > 0 {
            if times % 2 == 1 {
                limbs = product(&limbs, &square);
            }
            times /= 2;
            if times > 0 {
                square = product(&square, &square);
            }
        }
        let all = Number::new(self.negative && odd, limbs, places);
        if whole.negative && all.is_zero() {
            // As all programs of this name have it.
            return Ok(Number::from(0));
        }
        if whole.negative {
            // What is divided by is not cut off.
            return Number::from(1).over(&all, scale);
        }
        Ok(all.scaled(places.min(scale.max(self.scale))))
    }

    /// The square root, at `scale` or its own scale.
    ///
    /// # Errors
    /// It is negative, or too long.
    pub fn root(&self, scale: usize) -> Result<Number, Error> {
        if self.negative {
            return Err(Error::Negative);
        }
        let scale = scale.max(self.scale);
        if scale > MOST / 2 {
            return Err(Error::Large);
        }
        let mut limbs = self.limbs.clone();
        raise(&mut limbs, 2 * scale - self.scale);
        if limbs.is_empty() {
            return Ok(Number::new(false, limbs, scale));
        }
        // Newton's steps, from above.
        let mut guess = vec![1];
        raise(&mut guess, count(&limbs).div_ceil(2));
        loop {
            let mut next = sum(&guess, &quotient(&limbs, &guess).0);
            divide_small(&mut next, 2);
            if order(&next, &guess) != Ordering::Less {
                return Ok(Number::new(false, guess, scale));
            }
            guess = next;
        }
    }

    /// The digits in a base, without folding: up to 16 a character each, above in groups behind blanks.
    pub fn text(&self, base: u32) -> Vec<u8> {
        let mut out = Vec::new();
        if self.negative {
            out.push(b'-');
        }
        if base == 10 {
            let mut digits = self.decimal();
            if digits.len() <= self.scale {
                let missing = self.scale - digits.len();
                digits.splice(0..0, std::iter::repeat_n(b'0', missing));
            }
            let point = digits.len() - self.scale;
            out.extend_from_slice(&digits[..point]);
            if self.scale > 0 {
                out.push(b'.');
                out.extend_from_slice(&digits[point..]);
            }
            if self.limbs.is_empty() {
                return b"0".to_vec();
            }
            return out;
        }
        if self.is_zero() {
            return b"0".to_vec();
        }
        let whole = self.scaled(0);
        let mut limbs = whole.limbs.clone();
        let mut digits = Vec::new();
        while !limbs.is_empty() {
            digits.push(divide_small(&mut limbs, base));
        }
        for value in digits.iter().rev() {
            out.extend_from_slice(&digit(*value, base));
        }
        if self.scale == 0 {
            return out;
        }
        let mut rest = self.minus(&whole).limbs;
        let mut unit = vec![1];
        raise(&mut unit, self.scale);
        let (mut reached, mut first) = (vec![1], true);
        while count(&reached) <= self.scale {
            times_small(&mut rest, base, 0);
            let (whole, left) = quotient(&rest, &unit);
            rest = left;
            let mut text = digit(whole.first().copied().unwrap_or(0), base);
            if first {
                // The point stands for the blank before the group.
                if base > 16 {
                    text[0] = b'.';
                } else {
                    out.push(b'.');
                }
            }
            first = false;
            out.extend_from_slice(&text);
            times_small(&mut reached, base, 0);
        }
        out
    }

    fn decimal(&self) -> Vec<u8> {
        let mut out = String::new();
        for (at, limb) in self.limbs.iter().rev().enumerate() {
            out.push_str(&if at == 0 {
                limb.to_string()
            } else {
                format!("{limb:09}")
            });
        }
        out.into_bytes()
    }

    /// The bytes of its whole part, most significant first.
    pub fn bytes(&self) -> Vec<u8> {
        let mut limbs = self.scaled(0).limbs;
        let mut out = Vec::new();
        while !limbs.is_empty() {
            out.push(divide_small(&mut limbs, 256) as u8);
        }
        out.reverse();
        out
    }
}

fn digit(value: u32, base: u32) -> Vec<u8> {
    if base <= 16 {
        return vec![b"0123456789ABCDEF"[value as usize % 16]];
    }
    let width = (base - 1).ilog10() as usize + 1;
    format!(" {value:0width$}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        match text.strip_prefix('-') {
            Some(text) => Number::parse(text.as_bytes(), 10).negated(),
            None => Number::parse(text.as_bytes(), 10),
        }
    }

    fn text(number: &Number) -> String {
        String::from_utf8(number.text(10)).unwrap()
    }

    #[test]
    fn sums_products_and_quotients() {
        let (a, b) = (number("12345678901234567890.5"), number("-0.25"));
        assert_eq!(text(&a.plus(&b)), "12345678901234567890.25");
        assert_eq!(text(&a.minus(&b)), "12345678901234567890.75");
        assert_eq!(text(&a.times(&b, 2)), "-3086419725308641972.62");
        assert_eq!(text(&number("1").over(&number("3"), 5).unwrap()), ".33333");
        assert_eq!(text(&number("-7").rest(&number("2"), 0).unwrap()), "-1");
        assert_eq!(
            number("1").over(&number("0.00"), 5).unwrap_err(),
            Error::Zero
        );
        assert_eq!(
            text(&number("2").power(&number("100"), 0).unwrap()),
            "1267650600228229401496703205376"
        );
        assert_eq!(text(&number("2").power(&number("-3"), 4).unwrap()), ".1250");
        assert_eq!(text(&number("2").root(10).unwrap()), "1.4142135623");
    }

    #[test]
    fn long_division_gives_back_what_it_took() {
        let mut seed = 12345u64;
        let mut limbs = |length: usize| {
            let mut out: Vec<u32> = (0..length)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    // Many at the edges, where a guess of a digit is off.
                    match seed >> 60 {
                        0..=3 => 999_999_999,
                        4..=6 => 0,
                        _ => ((seed >> 20) % BASE) as u32,
                    }
                })
                .collect();
            trim(&mut out);
            out
        };
        for round in 0..3000 {
            let (a, b) = (limbs(round % 9), limbs(round % 5 + 1));
            if b.is_empty() {
                continue;
            }
            let (q, r) = quotient(&a, &b);
            assert_eq!(order(&r, &b), Ordering::Less);
            assert_eq!(sum(&product(&q, &b), &r), a);
        }
    }

    #[test]
    fn bases() {
        assert_eq!(Number::parse(b"FF", 16).text(2), b"11111111");
        assert_eq!(Number::parse(b"ZZ", 10).text(10), b"99");
        assert_eq!(Number::parse(b"Z", 10).text(10), b"35");
        assert_eq!(number("300").text(100), b" 03 00");
        assert_eq!(number("0.5").text(2), b".1000");
    }
}
