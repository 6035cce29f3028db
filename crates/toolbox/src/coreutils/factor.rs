//! `factor`: numbers of up to 64 bits as products of primes. Small divisors are tried; what is left is tested by
//! Miller and Rabin (exact with these bases below 2^64) and split by Pollard's rho.

use crate::common::lines::{Lines, Output, complain, open, say};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "[number...]

Without numbers they are read from standard input.";

pub fn main(arguments: &[OsString]) -> i32 {
    let mut words = arguments.get(1..).unwrap_or_default();
    if words.first().is_some_and(|word| word == "--") {
        words = words.get(1..).unwrap_or_default();
    }
    let mut out = Output::new();
    let mut status = 0;
    for word in words {
        status |= one(word.as_bytes(), &mut out);
    }
    if words.is_empty() {
        let mut lines = match open(OsStr::new("-")) {
            Ok(input) => Lines::new(input, b'\n'),
            Err(error) => {
                complain("factor", OsStr::new("-"), &error);
                return 1;
            }
        };
        loop {
            match lines.read() {
                Ok(Some((line, _))) => {
                    let words = line.split(u8::is_ascii_whitespace);
                    for word in words.filter(|word| !word.is_empty()) {
                        status |= one(word, &mut out);
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    complain("factor", OsStr::new("-"), &error);
                    status = 1;
                    break;
                }
            }
        }
    }
    out.finish("factor", status, 1)
}

fn one(word: &[u8], out: &mut Output) -> i32 {
    let text = word.trim_ascii_start();
    let text = text.strip_prefix(b"+").unwrap_or(text);
    let number = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse::<u64>().ok());
    let Some(number) = number else {
        out.flush();
        say(
            "factor",
            format!("invalid number '{}'", String::from_utf8_lossy(word)),
        );
        return 1;
    };
    let mut factors = Vec::new();
    split(number, &mut factors);
    factors.sort_unstable();
    out.put(number.to_string().as_bytes());
    out.put_byte(b':');
    for factor in factors {
        out.put(format!(" {factor}").as_bytes());
    }
    out.put_byte(b'\n');
    0
}

fn split(mut number: u64, factors: &mut Vec<u64>) {
    if number == 0 {
        return;
    }
    let mut divisor = 2;
    while divisor < 1000 && divisor * divisor <= number {
        while number.is_multiple_of(divisor) {
            factors.push(divisor);
            number /= divisor;
        }
        divisor += 1 + (divisor & 1);
    }
    let mut parts = vec![number];
    while let Some(part) = parts.pop() {
        if part == 1 {
            continue;
        }
        if part < 1_000_000 || is_prime(part) {
            factors.push(part);
            continue;
        }
        let found = rho(part);
        parts.push(found);
        parts.push(part / found);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "less than the modulus")]
fn times(a: u64, b: u64, modulus: u64) -> u64 {
    (u128::from(a) * u128::from(b) % u128::from(modulus)) as u64
}

fn power(mut base: u64, mut exponent: u64, modulus: u64) -> u64 {
    let mut result = 1;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = times(result, base, modulus);
        }
        base = times(base, base, modulus);
        exponent >>= 1;
    }
    result
}

fn is_prime(number: u64) -> bool {
    let twos = (number - 1).trailing_zeros();
    let odd = (number - 1) >> twos;
    [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37]
        .iter()
        .all(|base| {
            let mut value = power(*base, odd, number);
            if value == 1 || value == number - 1 {
                return true;
            }
            for _ in 1..twos {
                value = times(value, value, number);
                if value == number - 1 {
                    return true;
                }
            }
            false
        })
}

/// A divisor of a number that is odd and no prime.
fn rho(number: u64) -> u64 {
    // The walk meets a cycle of the square of a prime only by luck.
    let root = number.isqrt();
    if root * root == number {
        return root;
    }
    for step in 1.. {
        let next = |value: u64| {
            let sum = u128::from(times(value, value, number)) + step;
            u64::try_from(sum % u128::from(number)).unwrap_or(0)
        };
        let (mut slow, mut fast) = (2, 2);
        loop {
            // One greatest divisor for many steps.
            let (start_slow, start_fast) = (slow, fast);
            let mut product = 1;
            for _ in 0..128 {
                slow = next(slow);
                fast = next(next(fast));
                product = times(product, slow.abs_diff(fast), number);
            }
            let mut divisor = common(product, number);
            if divisor == number {
                (slow, fast) = (start_slow, start_fast);
                loop {
                    slow = next(slow);
                    fast = next(next(fast));
                    divisor = common(slow.abs_diff(fast), number);
                    if divisor > 1 {
                        break;
                    }
                }
                if divisor == number {
                    break;
                }
            }
            if divisor > 1 {
                return divisor;
            }
        }
    }
    number
}

fn common(mut a: u64, mut b: u64) -> u64 {
    while a > 0 {
        (a, b) = (b % a, a);
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_prime_and_make_the_number() {
        let mut seed = 1_u64;
        for round in 0..200 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let number = seed >> (round % 60);
            let mut factors = Vec::new();
            split(number, &mut factors);
            if number > 0 {
                assert_eq!(factors.iter().product::<u64>(), number);
            }
            assert!(
                factors
                    .iter()
                    .all(|factor| *factor < 1_000_000 || is_prime(*factor))
            );
        }
        let mut factors = Vec::new();
        split(18_446_743_979_220_271_189, &mut factors);
        factors.sort_unstable();
        assert_eq!(factors, [4_294_967_279, 4_294_967_291]);
    }
}
