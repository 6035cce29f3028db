//! Dependencies: `[!]name[@tag][operator version]`.

use crate::version::Version;
use std::cmp::Ordering;
use std::fmt;

/// How a version is held against another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `=`
    Equal,
    /// `>=`
    GreaterEqual,
    /// `>`
    Greater,
    /// `~` or `=~`: begins with
    Fuzzy,
    /// `<~`
    LessFuzzy,
    /// `>~`
    GreaterFuzzy,
    /// `><`: the package with this identity and no other
    Identity,
}

impl Operator {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Operator::Less => "<",
            Operator::LessEqual => "<=",
            Operator::Equal => "=",
            Operator::GreaterEqual => ">=",
            Operator::Greater => ">",
            Operator::Fuzzy => "~",
            Operator::LessFuzzy => "<~",
            Operator::GreaterFuzzy => ">~",
            Operator::Identity => "><",
        }
    }

    fn parse(text: &str) -> Option<Operator> {
        let all = [
            ("<", Operator::Less),
            ("<=", Operator::LessEqual),
            ("=", Operator::Equal),
            ("==", Operator::Equal),
            (">=", Operator::GreaterEqual),
            (">", Operator::Greater),
            ("~", Operator::Fuzzy),
            ("~=", Operator::Fuzzy),
            ("=~", Operator::Fuzzy),
            ("<~", Operator::LessFuzzy),
            (">~", Operator::GreaterFuzzy),
            ("><", Operator::Identity),
            ("<>", Operator::Identity),
        ];
        all.iter()
            .find(|(name, _)| *name == text)
            .map(|(_, operator)| *operator)
    }

    /// Whether `have` satisfies `self want`. Identities are not compared here.
    pub fn accepts(self, have: &Version, want: &Version) -> bool {
        let order = have.cmp(want);
        match self {
            Operator::Less => order == Ordering::Less,
            Operator::LessEqual => order != Ordering::Greater,
            Operator::Equal => order == Ordering::Equal,
            Operator::GreaterEqual => order != Ordering::Less,
            Operator::Greater => order == Ordering::Greater,
            Operator::Fuzzy => have.starts_with(want),
            Operator::LessFuzzy => order == Ordering::Less || have.starts_with(want),
            Operator::GreaterFuzzy => order == Ordering::Greater || have.starts_with(want),
            Operator::Identity => false,
        }
    }
}

/// A dependency, a conflict, a provide, or an entry of the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dependency {
    /// `!`: must not be there.
    pub conflict: bool,
    /// The name.
    pub name: String,
    /// `@tag`: the repository that it may come from.
    pub tag: Option<String>,
    /// The operator and what stands behind it.
    pub version: Option<(Operator, Version)>,
}

/// Text that is no dependency.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a correct dependency")]
pub struct BadDependency(String);

impl Dependency {
    /// Just a name.
    pub fn named(name: &str) -> Dependency {
        Dependency {
            conflict: false,
            name: name.to_owned(),
            tag: None,
            version: None,
        }
    }

    /// Reads one.
    pub fn parse(text: &str) -> Result<Dependency, BadDependency> {
        let bad = || BadDependency(text.to_owned());
        let (conflict, rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (name, rest) =
            rest.split_at(rest.find(['<', '>', '=', '~', '@']).unwrap_or(rest.len()));
        let (tag, rest) = match rest.strip_prefix('@') {
            None => (None, rest),
            Some(rest) => {
                let (tag, rest) =
                    rest.split_at(rest.find(['<', '>', '=', '~']).unwrap_or(rest.len()));
                (Some(tag.to_owned()), rest)
            }
        };
        let version = if rest.is_empty() {
            None
        } else {
            let (operator, version) = rest.split_at(
                rest.find(|c| !matches!(c, '<' | '>' | '=' | '~'))
                    .ok_or_else(bad)?,
            );
            Some((
                Operator::parse(operator).ok_or_else(bad)?,
                Version::new(version),
            ))
        };
        let plain =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !plain(name) || tag.as_deref().is_some_and(|tag| !plain(tag)) {
            return Err(bad());
        }
        if let Some((operator, version)) = &version
            && *operator != Operator::Identity
            && !version.is_valid()
        {
            return Err(bad());
        }
        Ok(Dependency {
            conflict,
            name: name.to_owned(),
            tag,
            version,
        })
    }

    /// Reads a list apart by white space.
    pub fn parse_list(text: &str) -> Result<Vec<Dependency>, BadDependency> {
        text.split_whitespace().map(Dependency::parse).collect()
    }

    /// Whether something of the right name with this version satisfies it, conflict or not. Where exactly one side
    /// has no version, any operator is satisfied.
    pub fn accepts(&self, have: Option<&Version>) -> bool {
        match (&self.version, have) {
            (Some((operator, want)), Some(have)) => operator.accepts(have, want),
            _ => true,
        }
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.conflict {
            f.write_str("!")?;
        }
        f.write_str(&self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, "@{tag}")?;
        }
        if let Some((operator, version)) = &self.version {
            write!(f, "{}{version}", operator.as_str())?;
        }
        Ok(())
    }
}

/// A list as the formats write it: apart by blanks.
pub fn join(list: &[Dependency]) -> String {
    list.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_as_it_was_read() {
        for text in [
            "zlib",
            "!zlib",
            "zlib@edge",
            "zlib>=1.2",
            "zlib@edge~1.2",
            "so:libc.musl-x86_64.so.1=1",
            "a><Q1abc=",
        ] {
            assert_eq!(Dependency::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "", "!", "=1", "zlib=", "zlib=x y", "zlib=>=1", "a@", "a=1_foo",
        ] {
            assert!(Dependency::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn versions_are_held_against_operators() {
        let accepts = |dep: &str, version: &str| {
            Dependency::parse(dep)
                .unwrap()
                .accepts(Some(&Version::new(version)))
        };
        assert!(
            accepts("a", "1")
                && accepts("a>=1", "1")
                && accepts("a~1.2", "1.2.9-r1")
                && accepts("a<2", "1.9")
        );
        assert!(!accepts("a>1", "1") && !accepts("a~1.2", "1.3") && !accepts("a=1", "1-r1"));
        assert!(Dependency::parse("a>9").unwrap().accepts(None));
    }
}
