//! Arithmetic expansion: 64-bit integers and all of C's operators (POSIX.1-2024, 2.6.4).

/// What an expression reads and sets.
pub trait Variables {
    /// The value of a variable as a number; unset or empty counts as 0.
    fn get(&mut self, name: &[u8]) -> Result<i64, String>;
    /// Sets a variable.
    fn set(&mut self, name: &[u8], value: i64) -> Result<(), String>;
}

/// How deep parentheses may lie inside one another.
const DEEPEST: u32 = 200;

/// The value of an expression; empty counts as 0.
pub fn evaluate(text: &[u8], variables: &mut dyn Variables) -> Result<i64, String> {
    let mut parser = Parser {
        text,
        at: 0,
        variables,
        dead: 0,
        depth: 0,
    };
    parser.blanks();
    if parser.at == text.len() {
        return Ok(0);
    }
    let value = parser.comma()?;
    if parser.at < text.len() {
        return Err(parser.syntax());
    }
    Ok(value)
}

/// A number as expressions write it: decimal, `0x…`, `0…` octal, `base#…` with bases from 2 to 64.
pub fn number(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (digits, radix) = match digits {
        [b'0', b'x' | b'X', hex @ ..] => (hex, 16),
        [b'0', octal @ ..] if !octal.is_empty() && octal.first() != Some(&b'#') => (octal, 8),
        _ => match digits.iter().position(|byte| *byte == b'#') {
            Some(at) => {
                let (base, rest) = digits.split_at(at);
                let base = base.iter().try_fold(0u32, |value, digit| {
                    let digit = char::from(*digit).to_digit(10)?;
                    Some(value.saturating_mul(10).saturating_add(digit))
                })?;
                if !(2..=64).contains(&base) {
                    return None;
                }
                (rest.get(1..).unwrap_or_default(), base)
            }
            None => (digits, 10),
        },
    };
    if digits.is_empty() {
        return None;
    }
    // Too large a number wraps, as C's does.
    let mut value = 0i64;
    for byte in digits {
        let digit = match byte {
            b'0'..=b'9' => u32::from(byte - b'0'),
            b'a'..=b'z' => u32::from(byte - b'a') + 10,
            // Upper case stands for the same as lower case where the base does not need both.
            b'A'..=b'Z' if radix <= 36 => u32::from(byte - b'A') + 10,
            b'A'..=b'Z' => u32::from(byte - b'A') + 36,
            b'@' => 62,
            b'_' => 63,
            _ => return None,
        };
        if digit >= radix {
            return None;
        }
        value = value.wrapping_mul(radix.into()).wrapping_add(digit.into());
    }
    Some(if negative {
        value.wrapping_neg()
    } else {
        value
    })
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    variables: &'a mut dyn Variables,
    /// Above 0: inside a part that is not evaluated.
    dead: u32,
    depth: u32,
}

/// A binary operator: how it is written, and how strongly it binds.
type Operator = (&'static str, u8);

const POWER: u8 = 11;

/// Longer ones before what they begin with.
const OPERATORS: [Operator; 20] = [
    ("||", 1),
    ("&&", 2),
    ("|", 3),
    ("^", 4),
    ("&", 5),
    ("==", 6),
    ("!=", 6),
    ("<<", 8),
    (">>", 8),
    ("<=", 7),
    (">=", 7),
    ("<", 7),
    (">", 7),
    ("+", 9),
    ("-", 9),
    ("**", POWER),
    ("*", 10),
    ("/", 10),
    ("%", 10),
    ("=", 0),
];

impl<'a> Parser<'a> {
    fn syntax(&self) -> String {
        "arithmetic syntax error".to_owned()
    }

    fn blanks(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token.as_bytes());
        if found {
            self.at += token.len();
            self.blanks();
        }
        found
    }

    fn comma(&mut self) -> Result<i64, String> {
        let mut value = self.assignment()?;
        while self.take(",") {
            value = self.assignment()?;
        }
        Ok(value)
    }

    /// The name that stands here.
    fn name(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest();
        if !rest
            .first()
            .is_some_and(|byte| crate::lexer::is_name_start(*byte))
        {
            return None;
        }
        let len = rest
            .iter()
            .position(|byte| !crate::lexer::is_name_byte(*byte))
            .unwrap_or(rest.len());
        self.at += len;
        self.blanks();
        rest.get(..len)
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("arithmetic expression nested too deeply".to_owned());
        }
        Ok(())
    }

    /// The operator that stands here, and whether it assigns.
    fn operator(&self) -> Option<(Operator, bool)> {
        let rest = self.rest();
        if !matches!(
            rest.first(),
            Some(b'|' | b'&' | b'^' | b'=' | b'!' | b'<' | b'>' | b'+' | b'-' | b'*' | b'/' | b'%')
        ) {
            return None;
        }
        // The first byte first: this runs for every operand of every loop.
        let found = OPERATORS.iter().find(|(text, _)| {
            text.as_bytes().first() == rest.first() && rest.starts_with(text.as_bytes())
        })?;
        let assigns = found.1 == 0
            || matches!(found.1, 3..=5 | 8..=10) && rest.get(found.0.len()) == Some(&b'=');
        Some((*found, assigns))
    }

    fn assignment(&mut self) -> Result<i64, String> {
        self.deeper()?;
        let value = self.bare_assignment();
        self.depth -= 1;
        value
    }

    fn bare_assignment(&mut self) -> Result<i64, String> {
        let start = self.at;
        if let Some(name) = self.name()
            && let Some((operator, true)) = self.operator()
        {
            self.at += operator.0.len() + usize::from(operator.1 > 0);
            self.blanks();
            let right = self.assignment()?;
            let value = if operator.1 == 0 {
                right
            } else {
                let left = self.get(name)?;
                self.binary(operator.0, left, right)?
            };
            return self.set(name, value);
        }
        self.at = start;
        self.conditional()
    }

    fn conditional(&mut self) -> Result<i64, String> {
        let condition = self.level(1)?;
        if !self.take("?") {
            return Ok(condition);
        }
        self.dead += u32::from(condition == 0);
        let yes = self.comma();
        self.dead -= u32::from(condition == 0);
        let yes = yes?;
        if !self.take(":") {
            return Err(self.syntax());
        }
        // What is behind `:` binds like a condition, as in C: `a ? b : c = d` assigns nothing.
        self.deeper()?;
        self.dead += u32::from(condition != 0);
        let no = self.conditional();
        self.dead -= u32::from(condition != 0);
        self.depth -= 1;
        let no = no?;
        Ok(if condition != 0 { yes } else { no })
    }

    /// Operators that bind at least so strongly.
    fn level(&mut self, least: u8) -> Result<i64, String> {
        let mut left = self.unary()?;
        while let Some(((text, strength), false)) = self.operator() {
            if strength < least {
                break;
            }
            self.at += text.len();
            self.blanks();
            let decided = match text {
                "||" => left != 0,
                "&&" => left == 0,
                _ => false,
            };
            self.deeper()?;
            self.dead += u32::from(decided);
            // All but the power bind to the left.
            let right = self.level(strength + u8::from(strength != POWER));
            self.dead -= u32::from(decided);
            self.depth -= 1;
            left = self.binary(text, left, right?)?;
        }
        Ok(left)
    }

    fn binary(&self, operator: &str, left: i64, right: i64) -> Result<i64, String> {
        let shift = u32::try_from(right & 63).unwrap_or(0);
        Ok(match operator.as_bytes() {
            [b'|', b'|'] => i64::from(left != 0 || right != 0),
            [b'&', b'&'] => i64::from(left != 0 && right != 0),
            [b'|'] => left | right,
            [b'^'] => left ^ right,
            [b'&'] => left & right,
            [b'=', b'='] => i64::from(left == right),
            [b'!', b'='] => i64::from(left != right),
            [b'<', b'='] => i64::from(left <= right),
            [b'>', b'='] => i64::from(left >= right),
            [b'<'] => i64::from(left < right),
            [b'>'] => i64::from(left > right),
            [b'<', b'<'] => left.wrapping_shl(shift),
            [b'>', b'>'] => left.wrapping_shr(shift),
            [b'+'] => left.wrapping_add(right),
            [b'-'] => left.wrapping_sub(right),
            [b'*'] => left.wrapping_mul(right),
            [b'*', b'*'] if right < 0 && self.dead == 0 => {
                return Err("exponent less than 0".to_owned());
            }
            [b'*', b'*'] => power(left, right),
            _ if right == 0 && self.dead > 0 => 0,
            _ if right == 0 => return Err("divide by zero".to_owned()),
            [b'/'] => left.wrapping_div(right),
            _ => left.wrapping_rem(right),
        })
    }

    fn get(&mut self, name: &[u8]) -> Result<i64, String> {
        if self.dead > 0 {
            Ok(0)
        } else {
            self.variables.get(name)
        }
    }

    fn set(&mut self, name: &[u8], value: i64) -> Result<i64, String> {
        if self.dead == 0 {
            self.variables.set(name, value)?;
        }
        Ok(value)
    }

    fn unary(&mut self) -> Result<i64, String> {
        self.deeper()?;
        let value = self.bare_unary();
        self.depth -= 1;
        value
    }

    fn bare_unary(&mut self) -> Result<i64, String> {
        let Some(first) = self.rest().first().copied() else {
            return Err(self.syntax());
        };
        let second = self.rest().get(1).copied();
        match first {
            b'+' | b'-' if second == Some(first) => {
                let step = if first == b'+' { 1 } else { -1 };
                let start = self.at;
                self.at += 2;
                self.blanks();
                if let Some(name) = self.name() {
                    let value = self.get(name)?.wrapping_add(step);
                    return self.set(name, value);
                }
                // Two signs that have nothing to count up or down.
                self.at = start + 1;
                self.blanks();
                let value = self.unary()?;
                return Ok(if step < 0 {
                    value.wrapping_neg()
                } else {
                    value
                });
            }
            b'!' | b'~' | b'-' | b'+' => {
                self.at += 1;
                self.blanks();
                let value = self.unary()?;
                return Ok(match first {
                    b'!' => i64::from(value == 0),
                    b'~' => !value,
                    b'-' => value.wrapping_neg(),
                    _ => value,
                });
            }
            b'(' => {
                self.at += 1;
                self.blanks();
                let value = self.comma()?;
                if !self.take(")") {
                    return Err(self.syntax());
                }
                return Ok(value);
            }
            _ => {}
        }
        if let Some(name) = self.name() {
            let value = self.get(name)?;
            for (operator, step) in [("++", 1), ("--", -1)] {
                if self.take(operator) {
                    self.set(name, value.wrapping_add(step))?;
                }
            }
            return Ok(value);
        }
        let rest = self.rest();
        let digits = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'#' | b'@' | b'_'))
            .count();
        let value = number(rest.get(..digits).unwrap_or_default()).ok_or_else(|| self.syntax())?;
        self.at += digits;
        self.blanks();
        Ok(value)
    }
}

fn power(base: i64, exponent: i64) -> i64 {
    let (mut result, mut base, mut exponent) = (1i64, base, exponent.max(0));
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        exponent >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    impl Variables for HashMap<Vec<u8>, i64> {
        fn get(&mut self, name: &[u8]) -> Result<i64, String> {
            Ok(HashMap::get(self, name).copied().unwrap_or(0))
        }
        fn set(&mut self, name: &[u8], value: i64) -> Result<(), String> {
            self.insert(name.to_vec(), value);
            Ok(())
        }
    }

    #[test]
    fn values() {
        for (text, want) in [
            ("", 0),
            (" 1 + 2 * 3 ", 7),
            ("(1+2)*3", 9),
            ("-7 / 2", -3),
            ("-7 % 3", -1),
            ("1 << 4 | 1", 17),
            ("0x1f + 010", 39),
            ("1 ? 2 : 3", 2),
            ("0 && 1 / 0", 0),
            ("1 || 1 / 0", 1),
            ("a = 5, a += 2, a++ + a", 15),
            ("!0 + ~0", 0),
            ("3 > 2 == 1", 1),
            ("5 - -3", 8),
            ("x=y=4, x*y", 16),
            ("7 & 3 ^ 1", 2),
        ] {
            assert_eq!(
                evaluate(text.as_bytes(), &mut HashMap::new()),
                Ok(want),
                "{text}"
            );
        }
    }

    #[test]
    fn nonsense_is_an_error() {
        for text in ["1 +", "(1", "1 1", "1 / 0", "09", "a b", "1 ? 2", "$"] {
            assert!(
                evaluate(text.as_bytes(), &mut HashMap::new()).is_err(),
                "{text}"
            );
        }
        assert!(evaluate("(".repeat(100_000).as_bytes(), &mut HashMap::new()).is_err());
        assert!(evaluate("-".repeat(100_000).as_bytes(), &mut HashMap::new()).is_err());
    }
}
