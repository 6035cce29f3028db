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

/// A number as expressions write it: decimal, `0x…`, `0…` octal.
pub fn number(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) = if let Some(hex) = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        (hex, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (&digits[1..], 8)
    } else {
        (digits, 10)
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    // Too large a number wraps, as C's does.
    let value = digits
        .chars()
        .filter_map(|digit| digit.to_digit(radix))
        .fold(0i64, |value, digit| {
            value.wrapping_mul(radix.into()).wrapping_add(digit.into())
        });
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

/// Binary operators by how strongly they bind, the weakest first.
const LEVELS: [&[&str]; 10] = [
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];

impl Parser<'_> {
    fn syntax(&self) -> String {
        format!(
            "arithmetic syntax error: {}",
            String::from_utf8_lossy(self.text).trim()
        )
    }

    fn blanks(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn rest(&self) -> &[u8] {
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

    fn name(&self) -> Option<Vec<u8>> {
        let name: Vec<u8> = self
            .rest()
            .iter()
            .copied()
            .take_while(|byte| crate::lexer::is_name_byte(*byte))
            .collect();
        crate::lexer::is_name(&name).then_some(name)
    }

    fn assignment(&mut self) -> Result<i64, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("arithmetic expression nested too deeply".to_owned());
        }
        let value = self.bare_assignment();
        self.depth -= 1;
        value
    }

    fn bare_assignment(&mut self) -> Result<i64, String> {
        let start = self.at;
        if let Some(name) = self.name() {
            self.at += name.len();
            self.blanks();
            for operator in ["<<=", ">>=", "*=", "/=", "%=", "+=", "-=", "&=", "^=", "|="] {
                if self.take(operator) {
                    let right = self.assignment()?;
                    let left = self.get(&name)?;
                    let value = self.binary(operator.trim_end_matches('='), left, right)?;
                    return self.set(&name, value);
                }
            }
            if self.rest().first() == Some(&b'=') && self.rest().get(1) != Some(&b'=') {
                self.take("=");
                let value = self.assignment()?;
                return self.set(&name, value);
            }
            self.at = start;
        }
        self.conditional()
    }

    fn conditional(&mut self) -> Result<i64, String> {
        let condition = self.level(0)?;
        if !self.take("?") {
            return Ok(condition);
        }
        let yes = self.part(condition == 0)?;
        if !self.take(":") {
            return Err(self.syntax());
        }
        let no = self.part(condition != 0)?;
        Ok(if condition != 0 { yes } else { no })
    }

    fn part(&mut self, dead: bool) -> Result<i64, String> {
        self.dead += u32::from(dead);
        let value = self.assignment();
        self.dead -= u32::from(dead);
        value
    }

    fn level(&mut self, level: usize) -> Result<i64, String> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.level(level + 1)?;
        'more: loop {
            for operator in *operators {
                let rest = self.rest();
                if !rest.starts_with(operator.as_bytes()) {
                    continue;
                }
                // Not the beginning of a longer operator, nor of an assignment.
                let next = rest.get(operator.len());
                let longer = match *operator {
                    "|" | "&" => next == operator.as_bytes().first(),
                    "<" | ">" => next == operator.as_bytes().first() || next == Some(&b'='),
                    _ => false,
                };
                let assigns = !matches!(
                    *operator,
                    "==" | "!=" | "<=" | ">=" | "||" | "&&" | "<" | ">"
                );
                if longer || (assigns && next == Some(&b'=')) {
                    continue;
                }
                self.take(operator);
                left = match *operator {
                    "||" | "&&" => {
                        let decided = (*operator == "||") == (left != 0);
                        self.dead += u32::from(decided);
                        let right = self.level(level + 1);
                        self.dead -= u32::from(decided);
                        let right = right?;
                        i64::from(if *operator == "||" {
                            left != 0 || right != 0
                        } else {
                            left != 0 && right != 0
                        })
                    }
                    _ => {
                        let right = self.level(level + 1)?;
                        self.binary(operator, left, right)?
                    }
                };
                continue 'more;
            }
            return Ok(left);
        }
    }

    fn binary(&self, operator: &str, left: i64, right: i64) -> Result<i64, String> {
        let shift = u32::try_from(right & 63).unwrap_or(0);
        Ok(match operator {
            "|" => left | right,
            "^" => left ^ right,
            "&" => left & right,
            "==" => i64::from(left == right),
            "!=" => i64::from(left != right),
            "<=" => i64::from(left <= right),
            ">=" => i64::from(left >= right),
            "<" => i64::from(left < right),
            ">" => i64::from(left > right),
            "<<" => left.wrapping_shl(shift),
            ">>" => left.wrapping_shr(shift),
            "+" => left.wrapping_add(right),
            "-" => left.wrapping_sub(right),
            "*" => left.wrapping_mul(right),
            _ if right == 0 && self.dead > 0 => 0,
            _ if right == 0 => return Err("divide by zero".to_owned()),
            "/" => left.wrapping_div(right),
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
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("arithmetic expression nested too deeply".to_owned());
        }
        let value = self.bare_unary();
        self.depth -= 1;
        value
    }

    fn bare_unary(&mut self) -> Result<i64, String> {
        for (operator, step) in [("++", 1), ("--", -1)] {
            let ahead = self.rest().get(2..).unwrap_or_default().trim_ascii_start();
            let is_name = ahead
                .first()
                .is_some_and(|byte| crate::lexer::is_name_start(*byte));
            if self.rest().starts_with(operator.as_bytes()) && is_name {
                self.take(operator);
                let Some(name) = self.name() else {
                    return Err(self.syntax());
                };
                self.at += name.len();
                self.blanks();
                let value = self.get(&name)?.wrapping_add(step);
                return self.set(&name, value);
            }
        }
        if self.take("!") {
            return Ok(i64::from(self.unary()? == 0));
        }
        if self.take("~") {
            return Ok(!self.unary()?);
        }
        if self.take("-") {
            return Ok(self.unary()?.wrapping_neg());
        }
        if self.take("+") {
            return self.unary();
        }
        if self.take("(") {
            let value = self.comma()?;
            if !self.take(")") {
                return Err(self.syntax());
            }
            return Ok(value);
        }
        if let Some(name) = self.name() {
            self.at += name.len();
            self.blanks();
            let value = self.get(&name)?;
            for (operator, step) in [("++", 1), ("--", -1)] {
                if self.take(operator) {
                    self.set(&name, value.wrapping_add(step))?;
                }
            }
            return Ok(value);
        }
        let digits = self
            .rest()
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .count();
        let value =
            number(self.rest().get(..digits).unwrap_or_default()).ok_or_else(|| self.syntax())?;
        self.at += digits;
        self.blanks();
        Ok(value)
    }
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
