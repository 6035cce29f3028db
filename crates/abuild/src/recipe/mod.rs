//! A recipe: what an APKBUILD says, parsed.
//!
//! The shell evaluates the file in a sandbox ([`evaluate`]) and gives its [`Variables`]; [`Recipe::parse`] makes types
//! of them. The variables are those of Alpine's APKBUILD(5), and some of our own, which begin with an underscore:
//!
//! - `_debsrc`, `_debsuites`, `_debbin`, `_debmoves`: see [`Debian`]
//! - `_workspace`: crates of the checkout, placed at `$srcdir/workspace`
//! - `_keys`: `modules` (the key that signs kernel modules, at /keys/modules.pem) or `packages` (the public key of
//!   the packages, in /keys/)

pub(crate) mod evaluate;
mod source;

pub use source::Source;

use crate::error::{Error, Result};
use crate::hash::Algorithm;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What the shell found after it had run an APKBUILD.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variables {
    /// The variables of [`Variables::NAMES`] that are set.
    pub values: BTreeMap<String, String>,
    /// The functions.
    pub functions: BTreeSet<String>,
}

impl Variables {
    /// The variables that mean something outside the recipe.
    pub const NAMES: &[&str] = &[
        "pkgname",
        "pkgver",
        "pkgrel",
        "pkgdesc",
        "url",
        "arch",
        "license",
        "depends",
        "depends_dev",
        "makedepends",
        "makedepends_build",
        "makedepends_host",
        "checkdepends",
        "provides",
        "provider_priority",
        "replaces",
        "replaces_priority",
        "install_if",
        "subpackages",
        "source",
        "sha512sums",
        "sha256sums",
        "options",
        "triggers",
        "install",
        "pkgusers",
        "pkggroups",
        "builddir",
        "patch_args",
        "_debsrc",
        "_debsuites",
        "_debbin",
        "_debmoves",
        "_workspace",
        "_keys",
    ];

    /// The value of a variable; empty if it is not set.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", |value| value.trim())
    }

    /// The words of a variable.
    #[must_use]
    pub fn words(&self, name: &str) -> Vec<String> {
        self.get(name)
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    }
}

/// One entry of `subpackages=`: `name`, `name:function` or `name:function:arch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subpackage {
    /// The package.
    pub name: String,
    /// The function that moves its files; without one of that name, abuild's own `default_…`.
    pub function: String,
    /// `noarch`, if it says so.
    pub arch: Option<String>,
}

/// Where Debian has the upstream's archive that stands in for the first source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debian {
    /// The source package whose `.orig.tar.*` it is.
    pub source: Option<String>,
    /// The suites, in the order in which they are tried.
    pub suites: Vec<String>,
    /// A binary package and the file in it, tried after the suites.
    pub binary: Option<(String, String)>,
    /// Does `pkgver` follow what the suite has?
    pub moves: bool,
}

/// A checksum that a recipe states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// By what.
    pub algorithm: Algorithm,
    /// Lower-case hexadecimal digits.
    pub digest: String,
    /// Of which file.
    pub file: String,
}

/// What an APKBUILD says.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The folder with the APKBUILD and the files beside it.
    pub folder: PathBuf,
    /// `pkgname`
    pub name: String,
    /// `pkgver`
    pub version: String,
    /// `pkgrel`
    pub release: u32,
    /// `arch`
    pub arch: Vec<String>,
    /// `depends`
    pub depends: Vec<String>,
    /// `makedepends`, `makedepends_build`, `makedepends_host` and `checkdepends`
    pub makedepends: Vec<String>,
    /// `provides`
    pub provides: Vec<String>,
    /// `subpackages`
    pub subpackages: Vec<Subpackage>,
    /// `source`
    pub sources: Vec<Source>,
    /// `sha512sums` and `sha256sums`
    pub sums: Vec<Sum>,
    /// `options`
    pub options: Vec<String>,
    /// `install`: scripts such as `foo.post-install`
    pub install: Vec<String>,
    /// `_debsrc` and the like
    pub debian: Option<Debian>,
    /// `_workspace`
    pub workspace: Vec<String>,
    /// `_keys`
    pub keys: Vec<String>,
}

impl Recipe {
    /// Makes types of the variables of the APKBUILD in `folder`.
    ///
    /// # Errors
    /// Which variable is missing or malformed.
    pub fn parse(folder: &Path, variables: &Variables) -> Result<Recipe> {
        let wrong = |message: String| Error::Recipe {
            path: folder.join("APKBUILD"),
            message,
        };
        let required = |name: &str| match variables.get(name) {
            "" => Err(wrong(format!("{name} is not set"))),
            value => Ok(value.to_owned()),
        };
        let name = required("pkgname")?;
        check_name(&name).map_err(wrong)?;
        let version = required("pkgver")?;
        if !version.starts_with(|c: char| c.is_ascii_digit())
            || !version
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._~+".contains(c))
        {
            return Err(wrong(format!("pkgver {version:?} is no version")));
        }
        let release = required("pkgrel")?;
        let release = release
            .parse()
            .map_err(|_| wrong(format!("pkgrel {release:?} is no number")))?;
        for name in ["pkgdesc", "license", "arch"] {
            required(name)?;
        }
        let mut makedepends = Vec::new();
        for name in [
            "makedepends",
            "makedepends_build",
            "makedepends_host",
            "checkdepends",
        ] {
            for word in variables.words(name) {
                if !makedepends.contains(&word) {
                    makedepends.push(word);
                }
            }
        }
        Ok(Recipe {
            folder: folder.to_owned(),
            arch: variables.words("arch"),
            depends: variables.words("depends"),
            makedepends,
            provides: variables.words("provides"),
            subpackages: subpackages(variables).map_err(wrong)?,
            sources: each(variables, "source", Source::parse).map_err(wrong)?,
            sums: sums(variables).map_err(wrong)?,
            options: variables.words("options"),
            install: variables.words("install"),
            debian: debian(variables).map_err(wrong)?,
            workspace: each(variables, "_workspace", |word| {
                check_name(word).map(|()| word.to_owned())
            })
            .map_err(wrong)?,
            keys: each(variables, "_keys", |word| match word {
                "modules" | "packages" => Ok(word.to_owned()),
                _ => Err(format!(
                    "_keys {word:?} is neither `modules` nor `packages`"
                )),
            })
            .map_err(wrong)?,
            name,
            version,
            release,
        })
    }

    /// The APKBUILD.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.join("APKBUILD")
    }

    /// `1.2.3-r4`
    #[must_use]
    pub fn full_version(&self) -> String {
        format!("{}-r{}", self.version, self.release)
    }

    /// Is it built for the architecture?
    #[must_use]
    pub fn builds_for(&self, arch: &str) -> bool {
        let has = |word: &str| self.arch.iter().any(|entry| entry == word);
        !has(&format!("!{arch}")) && (has("all") || has("noarch") || has(arch))
    }

    /// Are all its packages the same for every architecture?
    #[must_use]
    pub fn is_noarch(&self) -> bool {
        self.arch.iter().any(|entry| entry == "noarch")
    }

    /// Does `options` hold the word?
    #[must_use]
    pub fn has_option(&self, name: &str) -> bool {
        self.options.iter().any(|option| option == name)
    }

    /// Is it built with the toolchain that `harden` configures? Without: with the host's programs as they are.
    #[must_use]
    pub fn uses_toolchain(&self) -> bool {
        !self.has_option("!toolchain") && !self.is_noarch()
    }

    /// The names of its packages, the main one first.
    pub fn packages(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name.as_str())
            .chain(self.subpackages.iter().map(|package| package.name.as_str()))
    }
}

/// The name in a dependency such as `zlib-dev>=1.2`.
#[must_use]
pub fn dependency_name(dependency: &str) -> &str {
    dependency
        .split(['<', '>', '=', '~', '@'])
        .next()
        .unwrap_or(dependency)
}

fn check_name(name: &str) -> Result<(), String> {
    let first = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if first
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c))
    {
        Ok(())
    } else {
        Err(format!("{name:?} is no name of a package"))
    }
}

fn each<T>(
    variables: &Variables,
    name: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    variables.get(name).split_whitespace().map(parse).collect()
}

fn subpackages(variables: &Variables) -> Result<Vec<Subpackage>, String> {
    let mut seen = BTreeSet::from([variables.get("pkgname").to_owned()]);
    each(variables, "subpackages", |word| {
        let mut fields = word.splitn(3, ':');
        let name = fields.next().unwrap_or_default().to_owned();
        check_name(&name)?;
        let function = match fields.next() {
            Some(function) if !function.is_empty() => function.to_owned(),
            _ => name.rsplit('-').next().unwrap_or_default().to_owned(),
        };
        let arch = fields
            .next()
            .filter(|arch| !arch.is_empty())
            .map(str::to_owned);
        if !variables.functions.contains(&function)
            && !evaluate::DEFAULT_SPLITS.contains(&function.as_str())
        {
            return Err(format!(
                "subpackage {name}: there is no function {function}"
            ));
        }
        Ok(Subpackage {
            name,
            function,
            arch,
        })
    })?
    .into_iter()
    .map(|package| match seen.insert(package.name.clone()) {
        true => Ok(package),
        false => Err(format!("subpackage {} is there twice", package.name)),
    })
    .collect()
}

fn sums(variables: &Variables) -> Result<Vec<Sum>, String> {
    let mut sums = Vec::new();
    for (name, algorithm) in [
        ("sha512sums", Algorithm::Sha512),
        ("sha256sums", Algorithm::Sha256),
    ] {
        for line in variables
            .get(name)
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let (digest, file) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let file = file.trim_start().trim_start_matches('*');
            if digest.len() != algorithm.digits()
                || !digest.bytes().all(|b| b.is_ascii_hexdigit())
                || file.is_empty()
            {
                return Err(format!("{name}: {line:?} is no checksum and file name"));
            }
            sums.push(Sum {
                algorithm,
                digest: digest.to_ascii_lowercase(),
                file: file.to_owned(),
            });
        }
    }
    Ok(sums)
}

fn debian(variables: &Variables) -> Result<Option<Debian>, String> {
    let name = |word: &str| check_name(word).map(|()| word.to_owned());
    let source = each(variables, "_debsrc", name)?.pop();
    let binary = match variables.get("_debbin") {
        "" => None,
        text => match text.split_once(':') {
            Some((package, path)) if path.starts_with('/') => {
                Some((name(package)?, path.to_owned()))
            }
            _ => return Err(format!("_debbin {text:?} is not package:/path")),
        },
    };
    let mut suites = each(variables, "_debsuites", name)?;
    if suites.is_empty() {
        suites = ["trixie", "bookworm", "sid"].map(str::to_owned).to_vec();
    }
    let moves = match variables.get("_debmoves") {
        "" | "no" => false,
        "yes" => true,
        other => return Err(format!("_debmoves {other:?} is neither yes nor no")),
    };
    if source.is_none() && binary.is_none() {
        return if moves {
            Err("_debmoves without _debsrc".into())
        } else {
            Ok(None)
        };
    }
    if variables.get("source").is_empty() {
        return Err("_debsrc stands in for the first source, but source is empty".into());
    }
    Ok(Some(Debian {
        source,
        suites,
        binary,
        moves,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(extra: &[(&str, &str)]) -> Result<Recipe> {
        let mut variables = Variables::default();
        for (name, value) in [
            ("pkgname", "a"),
            ("pkgver", "1.0"),
            ("pkgrel", "0"),
            ("pkgdesc", "d"),
            ("license", "MIT"),
            ("arch", "all"),
        ]
        .iter()
        .chain(extra)
        {
            variables
                .values
                .insert((*name).to_owned(), (*value).to_owned());
        }
        Recipe::parse(Path::new("/ports/a"), &variables)
    }

    #[test]
    fn lists_and_subpackages() {
        let recipe = recipe(&[
            ("subpackages", "a-dev a-doc:doc a-openrc::noarch"),
            ("makedepends", "zlib-dev>=1.2\n\tperl"),
            ("checkdepends", "perl"),
        ])
        .unwrap();
        assert_eq!(recipe.makedepends, ["zlib-dev>=1.2", "perl"]);
        assert_eq!(dependency_name(&recipe.makedepends[0]), "zlib-dev");
        let functions: Vec<_> = recipe
            .subpackages
            .iter()
            .map(|package| package.function.as_str())
            .collect();
        assert_eq!(functions, ["dev", "doc", "openrc"]);
        assert_eq!(recipe.subpackages[2].arch.as_deref(), Some("noarch"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = |extra: &[(&str, &str)]| recipe(extra).unwrap_err().to_string();
        assert_eq!(
            message(&[("pkgrel", "x")]),
            "/ports/a/APKBUILD: pkgrel \"x\" is no number"
        );
        assert_eq!(
            message(&[("pkgver", "")]),
            "/ports/a/APKBUILD: pkgver is not set"
        );
        assert_eq!(
            message(&[("subpackages", "a-foo")]),
            "/ports/a/APKBUILD: subpackage a-foo: there is no function foo"
        );
        assert!(message(&[("subpackages", "a-dev a-dev")]).contains("twice"));
        assert!(message(&[("sha512sums", "abc  x")]).contains("no checksum"));
        assert!(message(&[("source", "x"), ("_debbin", "foo")]).contains("package:/path"));
    }
}
