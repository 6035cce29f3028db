//! `/etc/network/interfaces` (interfaces(5)).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// An `iface` stanza.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stanza {
    /// The interface.
    pub name: String,
    /// `inet` or `inet6`.
    pub family: String,
    /// `static`, `dhcp`, `loopback`, `manual`, `auto`; empty: like `manual`.
    pub method: String,
    /// What follows, in order: word and value.
    pub options: Vec<(String, String)>,
}

impl Stanza {
    /// The value of an option, under any of its names.
    pub fn get(&self, names: &[&str]) -> Option<&str> {
        self.options
            .iter()
            .find(|(known, _)| names.contains(&known.as_str()))
            .map(|(_, value)| value.as_str())
    }
}

/// The whole file, with what it sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// What `auto` names, each once.
    pub auto: Vec<String>,
    /// The stanzas, in order.
    pub stanzas: Vec<Stanza>,
}

/// What is wrong, and where.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("{}: {}", .0.display(), crate::common::lines::cause(.1))]
    Read(PathBuf, io::Error),
    /// A line cannot be understood.
    #[error("{}:{line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

/// The words that give an option a further line instead of replacing it.
const REPEATED: &[&str] = &["up", "down", "pre-up", "post-up", "pre-down", "post-down"];

impl Interfaces {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Interfaces, Error> {
        let mut all = Interfaces::default();
        all.take_file(path, 0)?;
        Ok(all)
    }

    fn take_file(&mut self, path: &Path, depth: usize) -> Result<(), Error> {
        let text = fs::read(path).map_err(|error| Error::Read(path.to_owned(), error))?;
        self.take(path, &String::from_utf8_lossy(&text), depth)
    }

    fn take(&mut self, path: &Path, text: &str, depth: usize) -> Result<(), Error> {
        let mut current: Option<Stanza> = None;
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let mut whole = line.to_owned();
            while whole.ends_with('\\') {
                whole.pop();
                whole.push_str(lines.next().map_or("", |(_, line)| line));
            }
            let line = whole.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what: String| Error::Line {
                path: path.to_owned(),
                line: number + 1,
                what,
            };
            let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let rest = rest.trim();
            match word {
                "auto" | "allow-auto" => {
                    self.stanzas.extend(current.take());
                    for name in rest.split_whitespace() {
                        if !self.auto.iter().any(|known| known == name) {
                            self.auto.push(name.to_owned());
                        }
                    }
                }
                "iface" => {
                    self.stanzas.extend(current.take());
                    let words: Vec<&str> = rest.split_whitespace().collect();
                    let (name, family, method) = match words.as_slice() {
                        [name] => (*name, "inet", ""),
                        [name, family @ ("inet" | "inet6")] => (*name, *family, ""),
                        [name, family @ ("inet" | "inet6"), method] => (*name, *family, *method),
                        _ => {
                            return Err(wrong(
                                "iface needs a name, inet or inet6, and a method".to_owned(),
                            ));
                        }
                    };
                    if !matches!(
                        method,
                        "" | "static" | "dhcp" | "loopback" | "manual" | "auto"
                    ) {
                        return Err(wrong(format!("unknown method '{method}'")));
                    }
                    current = Some(Stanza {
                        name: name.to_owned(),
                        family: family.to_owned(),
                        method: method.to_owned(),
                        options: Vec::new(),
                    });
                }
                "source" | "source-directory" => {
                    self.stanzas.extend(current.take());
                    if depth > 8 {
                        return Err(wrong("files source one another without end".to_owned()));
                    }
                    for file in sourced(path, rest, word == "source-directory") {
                        self.take_file(&file, depth + 1)?;
                    }
                }
                "mapping" | "allow-hotplug" => self.stanzas.extend(current.take()),
                word => match &mut current {
                    Some(stanza) => {
                        if !REPEATED.contains(&word) {
                            stanza.options.retain(|(known, _)| known != word);
                        }
                        stanza.options.push((word.to_owned(), rest.to_owned()));
                    }
                    None => return Err(wrong(format!("'{word}' stands outside of iface"))),
                },
            }
        }
        self.stanzas.extend(current);
        Ok(())
    }

    /// An interface's stanzas, in order.
    pub fn of<'a>(&'a self, name: &'a str) -> impl DoubleEndedIterator<Item = &'a Stanza> {
        self.stanzas
            .iter()
            .filter(move |stanza| stanza.name == name)
    }
}

/// The files that `source` names: a shell pattern in the last part, relative to the file that says so.
fn sourced(path: &Path, pattern: &str, folder: bool) -> Vec<PathBuf> {
    let whole = path.parent().unwrap_or(Path::new("/")).join(pattern);
    let (parent, last) = if folder {
        (whole.as_path(), "*")
    } else {
        match (
            whole.parent(),
            whole.file_name().and_then(|name| name.to_str()),
        ) {
            (Some(parent), Some(last)) => (parent, last),
            _ => return Vec::new(),
        }
    };
    let options = crate::common::glob::Options::default();
    let mut files: Vec<PathBuf> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            use std::os::unix::ffi::OsStrExt;
            let name = entry.file_name();
            !name.as_bytes().starts_with(b".")
                && crate::common::glob::matches(last.as_bytes(), name.as_bytes(), options)
        })
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Interfaces, Error> {
        let mut all = Interfaces::default();
        all.take(Path::new("/x/interfaces"), text, 0).map(|()| all)
    }

    #[test]
    fn a_usual_file() {
        let all = parse(
            "auto lo eth0\nauto eth0\niface lo inet loopback\n\n# c\niface eth0 inet static\n\taddress 10.0.0.2/24\n\tgateway 10.0.0.1\n\tup echo a\n\tup echo \\\n b\niface eth0 inet6 auto\niface br0\n",
        )
        .unwrap();
        assert_eq!(all.auto, ["lo", "eth0"]);
        assert_eq!(all.stanzas.len(), 4);
        let eth0: Vec<&Stanza> = all.of("eth0").collect();
        assert_eq!(eth0[0].get(&["address"]), Some("10.0.0.2/24"));
        assert_eq!(
            eth0[0]
                .options
                .iter()
                .filter(|(word, _)| word == "up")
                .count(),
            2
        );
        assert_eq!(eth0[1].family, "inet6");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line) in [
            ("iface\n", 1),
            ("auto lo\niface lo inet nonsense\n", 2),
            ("address 1.2.3.4\n", 1),
            ("\n\niface x ipx static\n", 3),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("/x/interfaces:{line}: ")),
                "{error}"
            );
        }
    }
}
