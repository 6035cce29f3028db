//! `/etc/lbu/lbu.conf`: assignments as the shell reads them.

use crate::Error;
use std::path::{Path, PathBuf};

/// How many old overlays are kept where nothing says otherwise.
const KEPT: usize = 3;

/// What the configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `LBU_MEDIA`: the medium is `/media/` and this.
    pub medium: Option<String>,
    /// `LBU_BACKUPDIR`: this folder instead of a medium; nothing is mounted.
    pub folder: Option<PathBuf>,
    /// `BACKUP_LIMIT`: how many old overlays are kept.
    pub kept: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            medium: None,
            folder: None,
            kept: KEPT,
        }
    }
}

impl Config {
    /// Reads the file below `root`, where there is one.
    pub fn read(root: &Path) -> Result<Config, Error> {
        let path = root.join("etc/lbu/lbu.conf");
        match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Config::default()),
            Err(error) => Err(Error::io(&path)(error)),
            Ok(text) => Config::parse(&text, &path),
        }
    }

    /// Reads the text; `path` is for the errors.
    pub fn parse(text: &str, path: &Path) -> Result<Config, Error> {
        let mut config = Config::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            let line = line.strip_prefix("export ").unwrap_or(line);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what: &str| Error::Config {
                path: path.to_owned(),
                line: number,
                what: what.to_owned(),
            };
            let (name, value) = line
                .split_once('=')
                .ok_or_else(|| wrong("no assignment NAME=VALUE"))?;
            let value = unquoted(value).ok_or_else(|| wrong("a quote is not closed"))?;
            match name.trim() {
                "LBU_MEDIA" => config.medium = Some(value).filter(|value| !value.is_empty()),
                "LBU_BACKUPDIR" => {
                    config.folder =
                        Some(PathBuf::from(value)).filter(|f| !f.as_os_str().is_empty());
                }
                "BACKUP_LIMIT" => {
                    config.kept = value
                        .parse()
                        .map_err(|_| wrong("BACKUP_LIMIT takes a number"))?;
                }
                "ENCRYPTION" if !value.is_empty() => {
                    return Err(Error::Encryption(format!("ENCRYPTION={value}")));
                }
                // Variables of the administrator's own.
                _ => {}
            }
        }
        Ok(config)
    }
}

/// A value as the shell reads it, without expansions: quotes go, a comment behind a blank ends it.
fn unquoted(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (None, c) if c.is_whitespace() => break,
            (None | Some('"'), '\\') => out.extend(chars.next()),
            (Some(open), c) if c == open => quote = None,
            (_, c) => out.push(c),
        }
    }
    quote.is_none().then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, Error> {
        Config::parse(text, Path::new("/etc/lbu/lbu.conf"))
    }

    #[test]
    fn alpines_file_is_read() {
        let text = "# what cipher to use with -e option\n# ENCRYPTION=$DEFAULT_CIPHER\n\nLBU_MEDIA=usb # a stick\n\
                    export LBU_BACKUPDIR=\"/srv/a b\"\nBACKUP_LIMIT='7'\nDEFAULT_CIPHER=aes-256-cbc\n";
        assert_eq!(
            parse(text).unwrap(),
            Config {
                medium: Some("usb".into()),
                folder: Some("/srv/a b".into()),
                kept: 7,
            }
        );
        assert_eq!(parse("LBU_MEDIA=\n").unwrap(), Config::default());
    }

    #[test]
    fn what_cannot_be_is_told_with_its_line() {
        for (text, want) in [
            ("\nBACKUP_LIMIT=x", "line 2: BACKUP_LIMIT takes a number"),
            ("LBU_MEDIA='a", "line 1: a quote is not closed"),
            ("nonsense", "line 1: no assignment"),
            ("ENCRYPTION=aes-256-cbc", "not supported"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
    }
}
