//! A package as the index and the installed database tell of it, and the lines that both share
//! (docs/formats/index.md, docs/formats/installed-db.md).

use crate::dependency::{Dependency, join};
use crate::package::{Identity, PkgInfo};
use crate::version::Version;
use std::fmt::Write;

/// One package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// `C:`
    pub identity: Identity,
    /// `P:`
    pub name: String,
    /// `V:`
    pub version: Version,
    /// `A:`
    pub arch: String,
    /// `S:`: the package file's size in bytes.
    pub size: u64,
    /// `I:`: what its files take together, in bytes.
    pub installed_size: u64,
    /// `T:`
    pub description: String,
    /// `U:`
    pub url: String,
    /// `L:`
    pub license: String,
    /// `o:`
    pub origin: Option<String>,
    /// `m:`
    pub maintainer: Option<String>,
    /// `t:`
    pub build_time: Option<u64>,
    /// `c:`
    pub commit: Option<String>,
    /// `k:`
    pub provider_priority: Option<u32>,
    /// `D:`
    pub depends: Vec<Dependency>,
    /// `p:`
    pub provides: Vec<Dependency>,
    /// `i:`
    pub install_if: Vec<Dependency>,
    /// `r:`, in the installed database only.
    pub replaces: Vec<Dependency>,
    /// `q:`, in the installed database only.
    pub replaces_priority: Option<u32>,
    /// An upper-case field that is not known, or dependencies that are none: the package may need what this program does
    /// not have, and is not installed.
    pub unknown_field: Option<char>,
}

/// The dependencies of a line that are some, and whether all are. Tags are for the world only.
fn read_list(text: &str) -> (Vec<Dependency>, bool) {
    let mut whole = true;
    let mut list = Vec::new();
    for word in text.split_whitespace() {
        match Dependency::parse(word) {
            Ok(one) if one.tag.is_none() => list.push(one),
            _ => whole = false,
        }
    }
    (list, whole)
}

impl Record {
    /// What a package's control part tells.
    pub fn of_package(identity: Identity, info: &PkgInfo, size: u64) -> Record {
        let info = info.clone();
        Record {
            identity,
            name: info.name,
            version: info.version,
            arch: info.arch,
            size,
            installed_size: info.installed_size,
            description: info.description,
            url: info.url,
            license: info.license,
            origin: info.origin,
            maintainer: info.maintainer,
            build_time: info.build_time,
            commit: info.commit,
            provider_priority: info.provider_priority,
            depends: info.depends,
            provides: info.provides,
            install_if: info.install_if,
            replaces: info.replaces,
            replaces_priority: info.replaces_priority,
            unknown_field: None,
        }
    }

    pub(crate) fn empty() -> Record {
        let info = PkgInfo::new("", "", "");
        Record::of_package(Identity::of(b""), &info, 0)
    }

    /// `name-version`
    pub fn full_name(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    /// The package's file in a repository.
    pub fn file_name(&self) -> String {
        format!("{}-{}.apk", self.name, self.version)
    }

    /// Takes a line `X:value`. `false`: the field is none of those that both formats have.
    pub(crate) fn take(&mut self, field: char, value: &str) -> Result<bool, String> {
        let number = || {
            value
                .parse::<u64>()
                .map_err(|_| format!("'{value}' is no number"))
        };
        match field {
            'C' => {
                self.identity =
                    Identity::parse(value).ok_or_else(|| format!("'{value}' is no identity"))?
            }
            'P' => self.name = value.to_owned(),
            'V' => self.version = Version::new(value),
            'A' => self.arch = value.to_owned(),
            'S' => self.size = number()?,
            'I' => self.installed_size = number()?,
            'T' => self.description = value.to_owned(),
            'U' => self.url = value.to_owned(),
            'L' => self.license = value.to_owned(),
            'o' => self.origin = Some(value.to_owned()),
            'm' => self.maintainer = Some(value.to_owned()),
            't' => self.build_time = Some(number()?),
            'c' => self.commit = Some(value.to_owned()),
            'k' => self.provider_priority = u32::try_from(number()?).ok(),
            'D' => {
                let (list, whole) = read_list(value);
                self.depends.extend(list);
                if !whole {
                    self.unknown_field = Some('D');
                }
            }
            'p' => self.provides.extend(read_list(value).0),
            'i' => {
                // A condition of which a part is missing would hold too often.
                let (list, whole) = read_list(value);
                self.install_if.extend(list);
                if !whole {
                    self.install_if.clear();
                }
            }
            'r' => self.replaces.extend(read_list(value).0),
            'q' => self.replaces_priority = u32::try_from(number()?).ok(),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Writes the lines that both formats have, in their order.
    pub(crate) fn write(&self, out: &mut String) {
        let mut line = |field: char, value: &str| {
            let _ = writeln!(out, "{field}:{value}");
        };
        line('C', &self.identity.to_string());
        line('P', &self.name);
        line('V', self.version.as_str());
        line('A', &self.arch);
        line('S', &self.size.to_string());
        line('I', &self.installed_size.to_string());
        line('T', &self.description);
        line('U', &self.url);
        line('L', &self.license);
        let number = |value: &Option<u64>| value.as_ref().map(ToString::to_string);
        let optional = [
            ('o', self.origin.clone()),
            ('m', self.maintainer.clone()),
            ('t', number(&self.build_time)),
            ('c', self.commit.clone()),
            ('k', number(&self.provider_priority.map(u64::from))),
        ];
        for (field, value) in optional {
            if let Some(value) = value {
                line(field, &value);
            }
        }
        for (field, list) in [
            ('D', &self.depends),
            ('p', &self.provides),
            ('i', &self.install_if),
        ] {
            if !list.is_empty() {
                line(field, &join(list));
            }
        }
    }
}
