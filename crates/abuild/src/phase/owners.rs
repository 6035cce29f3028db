//! Owners of packaged files.
//!
//! The sandbox has one user, so nothing can be given to another. The recipe's `chown` and `chgrp` therefore only
//! note what was asked for; the note is read when the package is written. Outside of /build/pkg they do nothing.

use super::OUT;
use serde::{Deserialize, Serialize};
use shell::Shell;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// One noted call: later ones win.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    /// Relative to /build/pkg: the package, then the path in it.
    pub path: PathBuf,
    /// The new user, if it was named.
    pub user: Option<String>,
    /// The new group, if it was named.
    pub group: Option<String>,
    /// All that lies below as well?
    pub recursive: bool,
}

pub(super) fn chown(shell: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    note(shell, arguments, "chown", |owner| {
        match owner.split_once([':', '.']) {
            Some((user, group)) => (some(user), some(group)),
            None => (some(owner), None),
        }
    })
}

pub(super) fn chgrp(shell: &mut Shell, arguments: &[Vec<u8>]) -> i32 {
    note(shell, arguments, "chgrp", |group| (None, some(group)))
}

fn some(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| name.to_owned())
}

type Split = fn(&str) -> (Option<String>, Option<String>);

fn note(shell: &Shell, arguments: &[Vec<u8>], command: &str, split: Split) -> i32 {
    let mut words = Vec::new();
    let mut recursive = false;
    for argument in arguments.iter().skip(1) {
        match std::str::from_utf8(argument) {
            Ok(option) if option.starts_with('-') && option.len() > 1 => {
                recursive |=
                    option == "--recursive" || (!option.starts_with("--") && option.contains('R'));
            }
            Ok(word) => words.push(word),
            Err(_) => return complain(command, "a name is not UTF-8"),
        }
    }
    let Some((owner, files)) = words.split_first().filter(|(_, files)| !files.is_empty()) else {
        return complain(command, "an owner and files are needed");
    };
    let (user, group) = split(owner);
    let folder = shell
        .var(b"PWD")
        .and_then(|folder| String::from_utf8(folder).ok())
        .unwrap_or_default();
    for file in files {
        let path = Path::new(&folder).join(file);
        if path.symlink_metadata().is_err() {
            return complain(command, &format!("{file}: no such file or directory"));
        }
        let path: PathBuf = path
            .components()
            .filter(|part| part.as_os_str() != ".")
            .collect();
        let Ok(path) = path.strip_prefix("/build/pkg") else {
            continue;
        };
        let owner = Owner {
            path: path.to_owned(),
            user: user.clone(),
            group: group.clone(),
            recursive,
        };
        if let Err(error) = append(&owner) {
            return complain(command, &error.to_string());
        }
    }
    0
}

fn append(owner: &Owner) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(owner)?;
    line.push(b'\n');
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(Path::new(OUT).join("owners"))?
        .write_all(&line)
}

fn complain(command: &str, message: &str) -> i32 {
    eprintln!("{command}: {message}");
    1
}
