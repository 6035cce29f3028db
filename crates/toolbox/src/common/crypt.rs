//! Password hashes: SHA-256 and SHA-512 crypt (crypt(5), `$5$` and `$6$`), made and verified.
//!
//! The algorithm is the public one of Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.6.
//! Nothing weaker is ever written, and hashes of other kinds match no password.

use sha2::digest::Output;
use sha2::{Digest, Sha256, Sha512};

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ROUNDS_USUAL: u32 = 5000;
const ROUNDS_LEAST: u32 = 1000;
const ROUNDS_MOST: u32 = 999_999_999;
const SALT_LENGTH: usize = 16;

/// The order in which the bytes of a SHA-256 are written, three at a time.
const ORDER_256: [[u8; 3]; 10] = [
    [0, 10, 20],
    [21, 1, 11],
    [12, 22, 2],
    [3, 13, 23],
    [24, 4, 14],
    [15, 25, 5],
    [6, 16, 26],
    [27, 7, 17],
    [18, 28, 8],
    [9, 19, 29],
];

/// Which hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `$5$`
    Sha256,
    /// `$6$`
    Sha512,
}

/// What stands in front of the hash proper.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting<'a> {
    method: Method,
    rounds: Option<u32>,
    salt: &'a [u8],
}

fn setting(text: &[u8]) -> Option<Setting<'_>> {
    let (method, mut rest) = if let Some(rest) = text.strip_prefix(b"$5$") {
        (Method::Sha256, rest)
    } else {
        (Method::Sha512, text.strip_prefix(b"$6$")?)
    };
    let mut rounds = None;
    if let Some(behind) = rest.strip_prefix(b"rounds=") {
        let end = behind.iter().position(|byte| *byte == b'$')?;
        let digits = std::str::from_utf8(behind.get(..end)?).ok()?;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number: u64 = digits.parse().ok()?;
        let number = number.clamp(u64::from(ROUNDS_LEAST), u64::from(ROUNDS_MOST));
        rounds = u32::try_from(number).ok();
        rest = behind.get(end + 1..)?;
    }
    let end = rest
        .iter()
        .position(|byte| *byte == b'$')
        .unwrap_or(rest.len());
    Some(Setting {
        method,
        rounds,
        salt: rest.get(..end.min(SALT_LENGTH))?,
    })
}

/// Six bits a character, the lowest first.
fn encode(out: &mut Vec<u8>, bytes: [u8; 3], characters: usize) {
    let [high, middle, low] = bytes.map(u32::from);
    let mut value = high << 16 | middle << 8 | low;
    for _ in 0..characters {
        out.extend(ALPHABET.get((value & 63) as usize));
        value >>= 6;
    }
}

/// `length` bytes of the digest, repeated.
fn repeated(digest: &[u8], length: usize) -> Vec<u8> {
    digest.iter().copied().cycle().take(length).collect()
}

fn digest<D: Digest>(key: &[u8], salt: &[u8], rounds: u32) -> Output<D> {
    let mut b = D::new();
    for part in [key, salt, key] {
        b.update(part);
    }
    let b = b.finalize();
    let mut a = D::new();
    a.update(key);
    a.update(salt);
    a.update(repeated(&b, key.len()));
    let mut bits = key.len();
    while bits > 0 {
        if bits & 1 == 1 {
            a.update(&b);
        } else {
            a.update(key);
        }
        bits >>= 1;
    }
    let mut a = a.finalize();
    let mut p = D::new();
    for _ in 0..key.len() {
        p.update(key);
    }
    let p = repeated(&p.finalize(), key.len());
    let mut s = D::new();
    for _ in 0..16 + usize::from(a.first().copied().unwrap_or(0)) {
        s.update(salt);
    }
    let s = repeated(&s.finalize(), salt.len());
    for round in 0..rounds {
        let mut c = D::new();
        if round & 1 == 1 {
            c.update(&p);
        } else {
            c.update(&a);
        }
        if round % 3 != 0 {
            c.update(&s);
        }
        if round % 7 != 0 {
            c.update(&p);
        }
        if round & 1 == 1 {
            c.update(&a);
        } else {
            c.update(&p);
        }
        a = c.finalize();
    }
    a
}

fn hash(key: &[u8], setting: &Setting<'_>) -> Vec<u8> {
    let rounds = setting.rounds.unwrap_or(ROUNDS_USUAL);
    let mut out = match setting.method {
        Method::Sha256 => b"$5$".to_vec(),
        Method::Sha512 => b"$6$".to_vec(),
    };
    if let Some(rounds) = setting.rounds {
        out.extend_from_slice(format!("rounds={rounds}$").as_bytes());
    }
    out.extend_from_slice(setting.salt);
    out.push(b'$');
    match setting.method {
        Method::Sha256 => {
            let bytes = digest::<Sha256>(key, setting.salt, rounds);
            let at = |index: u8| bytes.get(usize::from(index)).copied().unwrap_or(0);
            for order in ORDER_256 {
                encode(&mut out, order.map(at), 4);
            }
            encode(&mut out, [0, at(31), at(30)], 3);
        }
        Method::Sha512 => {
            let bytes = digest::<Sha512>(key, setting.salt, rounds);
            let at = |index: u8| bytes.get(usize::from(index)).copied().unwrap_or(0);
            let mut order = [0, 21, 42];
            for _ in 0..21 {
                encode(&mut out, order.map(at), 4);
                let [a, b, c] = order;
                order = [b + 1, c + 1, a + 1];
            }
            encode(&mut out, [0, 0, at(63)], 2);
        }
    }
    out
}

/// Whether the password is the one behind the hash. An empty hash is no password at all, which callers treat
/// themselves; here it matches nothing.
pub fn verify(password: &[u8], stored: &[u8]) -> bool {
    let Some(setting) = setting(stored) else {
        return false;
    };
    let found = hash(password, &setting);
    // As long for a wrong byte at the front as for one at the end.
    let differing = found
        .iter()
        .zip(stored)
        .fold(0, |all, (a, b)| all | (a ^ b));
    found.len() == stored.len() && differing == 0
}

/// Hashes a password with a salt of that text; what the alphabet lacks is refused.
pub fn with_salt(
    password: &[u8],
    method: Method,
    salt: &[u8],
    rounds: Option<u32>,
) -> Option<Vec<u8>> {
    if salt.is_empty() || !salt.iter().all(|byte| ALPHABET.contains(byte)) {
        return None;
    }
    Some(hash(
        password,
        &Setting {
            method,
            rounds: rounds.map(|rounds| rounds.clamp(ROUNDS_LEAST, ROUNDS_MOST)),
            salt: salt.get(..SALT_LENGTH).unwrap_or(salt),
        },
    ))
}

/// Hashes a password with a new salt.
///
/// # Errors
/// There is no randomness to be had.
pub fn new_hash(password: &[u8], method: Method) -> std::io::Result<Vec<u8>> {
    let mut salt = [0_u8; SALT_LENGTH];
    let mut filled = 0;
    while let Some(rest) = salt.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        filled += rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty())?;
    }
    let salt = salt.map(|byte| *ALPHABET.get(usize::from(byte & 63)).unwrap_or(&b'.'));
    Ok(hash(
        password,
        &Setting {
            method,
            rounds: None,
            salt: &salt,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the algorithm's own text.
    #[test]
    fn known_hashes() {
        let cases = [
            (
                "Hello world!",
                "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
            ),
            (
                "Hello world!",
                "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
            ),
            (
                "This is just a test",
                "$6$rounds=5000$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0",
            ),
            (
                "Hello world!",
                "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
            ),
            (
                "Hello world!",
                "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA",
            ),
            (
                "the minimum number is still observed",
                "$5$rounds=1000$roundstoolow$yfvwcWrQ8l/K0DAWyuPMDNHpIVlTQebY9l/gL972bIC",
            ),
        ];
        for (password, stored) in cases {
            assert!(verify(password.as_bytes(), stored.as_bytes()), "{stored}");
        }
    }

    #[test]
    fn what_was_made_is_verified_and_nothing_else() {
        for method in [Method::Sha256, Method::Sha512] {
            let made = new_hash(b"secret", method).unwrap();
            assert!(verify(b"secret", &made));
            assert!(!verify(b"secre", &made));
            assert!(!verify(b"", &made));
            assert!(!verify(b"secret", &made[..made.len() - 1]));
        }
        for stored in [
            "",
            "*",
            "!",
            "x",
            "secret",
            "$1$a$b",
            "$6$",
            "$6$rounds=$",
            "$6$rounds=x$a$",
            "abJnggxhB/yWI",
        ] {
            assert!(!verify(b"secret", stored.as_bytes()), "{stored}");
            assert!(!verify(b"", stored.as_bytes()), "{stored}");
        }
        assert_eq!(with_salt(b"x", Method::Sha512, b"a:b", None), None);
    }
}
