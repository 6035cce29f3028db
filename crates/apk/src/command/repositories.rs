//! `/etc/apk/repositories` and `repositories.d/*.list`.

use std::collections::BTreeMap;
use std::path::Path;

/// Where addresses begin that stand for a server, and are files: for tests.
pub const TEST: &str = "test:/";

/// How a repository is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A folder for each architecture, with an `APKINDEX.tar.gz`.
    Two,
    /// The same with a `Packages.adb`.
    Three,
    /// The address is that of the index itself.
    Index,
}

/// A repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Where it is, without a slash at the end: an address or a path.
    pub url: String,
    /// Its tag; none: everybody may choose from it.
    pub tag: Option<String>,
    /// How it is laid out.
    pub layout: Layout,
}

impl Repository {
    /// The address of its index.
    pub fn index(&self, arch: &str) -> String {
        match self.layout {
            Layout::Two => format!("{}/{arch}/APKINDEX.tar.gz", self.url),
            Layout::Three => format!("{}/{arch}/Packages.adb", self.url),
            Layout::Index => self.url.clone(),
        }
    }

    /// The address of a package.
    pub fn package(&self, arch: &str, name: &str) -> String {
        match self.layout {
            Layout::Two | Layout::Three => format!("{}/{arch}/{name}", self.url),
            Layout::Index => format!("{}/{name}", self.base()),
        }
    }

    /// What the names of packages are relative to.
    pub fn base(&self) -> &str {
        match self.layout {
            Layout::Two | Layout::Three => &self.url,
            Layout::Index => self.url.rsplit_once('/').map_or(".", |(base, _)| base),
        }
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
    let address = url.contains("://") || url.starts_with(TEST);
    (!address).then(|| Path::new(url))
}

/// The same, where an address may stand for a file.
pub fn file(url: &str) -> Option<&Path> {
    url.strip_prefix(TEST).map(Path::new).or_else(|| local(url))
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
        let mut layout = None;
        match words.peek() {
            Some(&"v2") => layout = Some(Layout::Two),
            Some(&"v3") => layout = Some(Layout::Three),
            Some(&"ndx") => layout = Some(Layout::Index),
            _ => {}
        }
        if layout.is_some() {
            words.next();
        }
        let tag = words
            .next_if(|word| word.starts_with('@'))
            .map(|word| word.trim_start_matches('@').to_owned());
        let Some(url) = words.next() else {
            return Err((number, "no address".to_owned()));
        };
        let url = url.trim_end_matches('/');
        let layout = layout.unwrap_or_else(|| {
            if url.ends_with(".adb") || url.ends_with(".tar.gz") {
                Layout::Index
            } else {
                Layout::Two
            }
        });
        let components: Vec<&str> = words.collect();
        if components.is_empty() {
            found.push(Repository {
                url: url.to_owned(),
                tag,
                layout,
            });
            continue;
        }
        if layout == Layout::Index {
            return Err((number, "an index has no components".to_owned()));
        }
        for component in components {
            found.push(Repository {
                url: format!("{url}/{component}"),
                tag: tag.clone(),
                layout,
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
        assert_eq!(parse("x\nndx http://y main\n").unwrap_err().0, 2);
    }

    #[test]
    fn indexes_and_packages_have_their_places() {
        let found = parse("http://a\nv3 http://b\ntest://tmp/x/i.adb\nndx y.tar.gz\n").unwrap();
        let indexes: Vec<String> = found.iter().map(|one| one.index("x86")).collect();
        assert_eq!(
            indexes,
            [
                "http://a/x86/APKINDEX.tar.gz",
                "http://b/x86/Packages.adb",
                "test://tmp/x/i.adb",
                "y.tar.gz"
            ]
        );
        assert_eq!(found[1].package("x86", "p.apk"), "http://b/x86/p.apk");
        assert_eq!(found[2].package("x86", "p.apk"), "test://tmp/x/p.apk");
        assert_eq!(found[3].package("x86", "p.apk"), "./p.apk");
        assert_eq!(found[2].local(), None);
        assert_eq!(file(&found[2].url), Some(Path::new("/tmp/x/i.adb")));
    }
}
