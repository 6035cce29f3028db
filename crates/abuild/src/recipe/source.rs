//! One entry of `source=`.

use serde::{Deserialize, Serialize};

/// Where a source comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The name of the file in `$srcdir`.
    pub name: String,
    /// Its address; none for a file that lies beside the recipe.
    pub url: Option<String>,
}

impl Source {
    /// Parses `file`, `https://host/file` or `name::https://host/file`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Source, String> {
        let (name, address) = match text.split_once("::") {
            Some((name, address)) => (Some(name), address),
            None => (None, text),
        };
        let remote = address.contains("://");
        if name.is_some() && !remote {
            return Err(format!("source {text}: what follows `::` is no address"));
        }
        let name = match name {
            Some(name) => name,
            None if remote => address
                .split(['?', '#'])
                .next()
                .and_then(|path| path.rsplit('/').next())
                .unwrap_or(""),
            None => address,
        };
        if name.is_empty() || name.contains('/') || name == "." || name == ".." {
            return Err(format!("source {text}: {name:?} is no name of a file"));
        }
        Ok(Source {
            name: name.to_owned(),
            url: remote.then(|| address.to_owned()),
        })
    }

    /// Is it an archive, which is unpacked before `prepare`?
    #[must_use]
    pub fn is_archive(name: &str) -> bool {
        [
            ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tar.lz",
            ".tar.zst", ".zip",
        ]
        .iter()
        .any(|ending| name.ends_with(ending))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms() {
        let parse = |text| Source::parse(text).map(|source| (source.name, source.url.is_some()));
        assert_eq!(parse("fix.patch"), Ok(("fix.patch".into(), false)));
        assert_eq!(
            parse("https://example.org/a/b-1.tar.gz"),
            Ok(("b-1.tar.gz".into(), true))
        );
        assert_eq!(
            parse("b-1.tar.gz::https://example.org/v1.tar.gz"),
            Ok(("b-1.tar.gz".into(), true))
        );
        assert!(parse("../../etc/passwd").is_err());
        assert!(parse("https://example.org/").is_err());
        assert!(parse("a::b").is_err());
    }
}
