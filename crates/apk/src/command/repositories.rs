//! `/etc/apk/repositories` and `repositories.d/*.list`.

use std::collections::BTreeMap;
use std::path::Path;

/// A repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Where it is, without a slash at the end: an address or a path.
    pub url: String,
    /// Its tag; none: everybody may choose from it.
    pub tag: Option<String>,
}

impl Repository {
    /// The folder of an architecture.
    pub fn folder(&self, arch: &str) -> String {
        format!("{}/{arch}", self.url)
    }

    /// The path of a repository that is no address.
    pub fn local(&self) -> Option<&Path> {
        local(&self.url)
    }
}

/// The path in a text that is no address.
pub fn local(url: &str) -> Option<&Path> {
    if let Some(path) = url.strip_prefix("file://") {
        return Some(Path::new(path));
    }
    (!url.contains("://")).then(|| Path::new(url))
}

/// Reads the lines of one file. `Err`: the number of a line and what is wrong with it.
pub fn parse(text: &str) -> Result<Vec<Repository>, (usize, String)> {
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split(" #").next().unwrap_or(line).trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(rest) = line.strip_prefix("set ") {
            let rest = rest.trim();
            let (usual, rest) = match rest.strip_prefix("-default ") {
                Some(rest) => (true, rest),
                None => (false, rest),
            };
            let (name, value) = rest
                .split_once('=')
                .ok_or((number, "set needs NAME=VALUE".to_owned()))?;
            if !usual || !variables.contains_key(name) {
                variables.insert(name.to_owned(), value.to_owned());
            }
            continue;
        }
        let mut line = line.to_owned();
        for (name, value) in &variables {
            line = line.replace(&format!("${{{name}}}"), value);
        }
        let mut words = line.split_whitespace().peekable();
        match words.peek() {
            Some(&"v2") => drop(words.next()),
            Some(&kind @ ("v3" | "ndx")) => {
                return Err((
                    number,
                    format!("repositories of type {kind} are not supported"),
                ));
            }
            _ => {}
        }
        let tag = words
            .next_if(|word| word.starts_with('@'))
            .map(|word| word.trim_start_matches('@').to_owned());
        let Some(url) = words.next() else {
            return Err((number, "no address".to_owned()));
        };
        let url = url.trim_end_matches('/');
        let components: Vec<&str> = words.collect();
        if components.is_empty() {
            found.push(Repository {
                url: url.to_owned(),
                tag,
            });
            continue;
        }
        for component in components {
            found.push(Repository {
                url: format!("{url}/{component}"),
                tag: tag.clone(),
            });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_components_and_variables() {
        let found = parse(
            "# c\nset base=https://a/b\n${base}/main\n@edge http://x/edge/\nhttp://y main community\n/srv/repo # local\n",
        )
        .unwrap();
        let urls: Vec<&str> = found.iter().map(|one| one.url.as_str()).collect();
        assert_eq!(
            urls,
            [
                "https://a/b/main",
                "http://x/edge",
                "http://y/main",
                "http://y/community",
                "/srv/repo"
            ]
        );
        assert_eq!(found[1].tag.as_deref(), Some("edge"));
        assert_eq!(found[4].local(), Some(Path::new("/srv/repo")));
        assert_eq!(found[0].local(), None);
        assert_eq!(parse("x\nndx http://y\n").unwrap_err().0, 2);
    }
}
