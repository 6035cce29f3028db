//! What packages provide and need, read from their files: `so:` by SONAME and NEEDED, `cmd:` by the programs in the
//! folders of PATH, `pc:` by pkg-config's files.

use super::elf;
use super::tree::{Kind, Tree, link_target};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What the files of one package say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traced {
    /// `so:libz.so.1` and its version; `pc:zlib` and its version.
    pub provides: BTreeMap<String, String>,
    /// `cmd:` names.
    pub commands: BTreeSet<String>,
    /// `so:` names with the file that needs each.
    pub needs: BTreeMap<String, String>,
    /// `pc:` names, with constraints.
    pub wants: BTreeSet<String>,
    /// Where links lead that lead out of the package.
    pub dangling: BTreeSet<std::path::PathBuf>,
}

const LIBRARIES: [&str; 2] = ["lib", "usr/lib"];
const PROGRAMS: [&str; 4] = ["bin", "sbin", "usr/bin", "usr/sbin"];
const PKG_CONFIG: [&str; 2] = ["usr/lib/pkgconfig", "usr/share/pkgconfig"];

/// Reads the files of a package.
pub(crate) fn trace(port: &str, tree: &Tree) -> Result<Traced> {
    let mut traced = Traced::default();
    for node in &tree.nodes {
        let folder = node
            .path
            .parent()
            .and_then(Path::to_str)
            .unwrap_or_default();
        let name = node
            .path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        match &node.kind {
            Kind::Symlink(target) => {
                let resolved = tree.resolve(&node.path);
                if resolved.is_none()
                    && let Some(target) = link_target(&node.path, target)
                {
                    traced.dangling.insert(target);
                }
            }
            // What was stripped off looks like a program, and is none.
            Kind::File if node.path.starts_with(super::strip::DEBUG) => {}
            Kind::File => {
                let path = tree.on_disk(node);
                let bytes = fs::read(&path).map_err(Error::io(&path))?;
                if elf::is_elf(&bytes) {
                    let wrong = |message: String| Error::Package {
                        port: port.to_owned(),
                        message: format!("/{}: {message}", node.path.display()),
                    };
                    // Kernel modules and object files need nothing that a package provides.
                    if let Some(elf) = elf::read(&bytes)
                        .map_err(wrong)?
                        .filter(|elf| elf.kind != elf::Kind::Relocatable)
                    {
                        for needed in elf.needed {
                            traced
                                .needs
                                .entry(format!("so:{needed}"))
                                .or_insert_with(|| node.path.display().to_string());
                        }
                        if let Some(soname) = elf.soname.filter(|_| LIBRARIES.contains(&folder)) {
                            traced
                                .provides
                                .insert(format!("so:{soname}"), library_version(name));
                        }
                    }
                } else if PKG_CONFIG.contains(&folder)
                    && let Some(name) = name.strip_suffix(".pc")
                {
                    let (version, requires) = pkg_config(&String::from_utf8_lossy(&bytes));
                    traced.provides.insert(format!("pc:{name}"), version);
                    traced.wants.extend(requires);
                }
            }
            _ => {}
        }
        if PROGRAMS.contains(&folder)
            && let Some(target) = tree.resolve(&node.path)
            && target.kind == Kind::File
            && target.mode & 0o111 != 0
            && !name.is_empty()
        {
            traced.commands.insert(format!("cmd:{name}"));
        }
    }
    traced
        .needs
        .retain(|need, _| !traced.provides.contains_key(need));
    Ok(traced)
}

/// `1.3.1` of `libz.so.1.3.1`; `0` if the name has no version.
fn library_version(file: &str) -> String {
    match file.split_once(".so.") {
        Some((_, version)) if version.starts_with(|c: char| c.is_ascii_digit()) => {
            version.to_owned()
        }
        _ => "0".to_owned(),
    }
}

/// The version of a .pc file and what it requires, with its variables replaced; see pc(5).
fn pkg_config(text: &str) -> (String, BTreeSet<String>) {
    let mut variables: BTreeMap<&str, String> = BTreeMap::new();
    let mut version = String::new();
    let mut requires = BTreeSet::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let split = line.find([':', '=']);
        let Some((key, value)) =
            split.and_then(|at| Some((line.get(..at)?.trim(), line.get(at + 1..)?.trim())))
        else {
            continue;
        };
        let value = variables
            .iter()
            .fold(value.to_owned(), |value, (name, known)| {
                value.replace(&format!("${{{name}}}"), known)
            });
        if line
            .get(split.unwrap_or_default()..)
            .is_some_and(|rest| rest.starts_with('='))
        {
            variables.insert(key, value);
            continue;
        }
        match key {
            "Version" => version = value,
            "Requires" | "Requires.private" => {
                let mut words = value
                    .split([' ', ',', '\t'])
                    .filter(|word| !word.is_empty())
                    .peekable();
                while let Some(name) = words.next() {
                    let operator = words.next_if(|word| word.starts_with(['<', '>', '=', '!']));
                    match operator.map(|operator| (operator, words.next())) {
                        Some((operator, Some(version))) if operator != "!=" => {
                            requires.insert(format!("pc:{name}{operator}{version}"));
                        }
                        _ => {
                            requires.insert(format!("pc:{name}"));
                        }
                    }
                }
            }
            _ => {}
        }
    }
    let valid = version.starts_with(|c: char| c.is_ascii_digit());
    (if valid { version } else { "0".to_owned() }, requires)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_libraries() {
        assert_eq!(library_version("libz.so.1.3.1"), "1.3.1");
        assert_eq!(library_version("libfoo-2.so"), "0");
    }

    #[test]
    fn pkg_config_files() {
        let (version, requires) = pkg_config(
            "prefix=/usr\nv=1.2\n\nName: x\nVersion: ${v}.3 # c\nRequires: a >= 1.0, b\nRequires.private: c\nLibs: -lx\n",
        );
        assert_eq!(version, "1.2.3");
        assert_eq!(
            requires.into_iter().collect::<Vec<_>>(),
            ["pc:a>=1.0", "pc:b", "pc:c"]
        );
    }
}
