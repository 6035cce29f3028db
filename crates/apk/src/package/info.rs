//! `.PKGINFO`: what a package says of itself.

use super::PackageError;
use crate::dependency::{Dependency, join};
use crate::version::Version;
use std::fmt::Write;

/// The scripts that a package may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Script {
    /// Before the first file of a new package.
    PreInstall,
    /// Behind the last.
    PostInstall,
    /// Before the first file of a newer version.
    PreUpgrade,
    /// Behind the last.
    PostUpgrade,
    /// Before the first file goes.
    PreDeinstall,
    /// Behind the last.
    PostDeinstall,
    /// When a folder that it watches changed.
    Trigger,
}

impl Script {
    /// All of them.
    pub const ALL: [Script; 7] = [
        Script::PreInstall,
        Script::PostInstall,
        Script::PreUpgrade,
        Script::PostUpgrade,
        Script::PreDeinstall,
        Script::PostDeinstall,
        Script::Trigger,
    ];

    /// Its file name in the control part, without the leading dot.
    pub fn name(self) -> &'static str {
        match self {
            Script::PreInstall => "pre-install",
            Script::PostInstall => "post-install",
            Script::PreUpgrade => "pre-upgrade",
            Script::PostUpgrade => "post-upgrade",
            Script::PreDeinstall => "pre-deinstall",
            Script::PostDeinstall => "post-deinstall",
            Script::Trigger => "trigger",
        }
    }

    /// The script of that name.
    pub fn parse(name: &str) -> Option<Script> {
        Script::ALL.into_iter().find(|script| script.name() == name)
    }
}

/// The fields of `.PKGINFO`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PkgInfo {
    /// `pkgname`
    pub name: String,
    /// `pkgver`
    pub version: Version,
    /// `pkgdesc`
    pub description: String,
    /// `url`
    pub url: String,
    /// `arch`
    pub arch: String,
    /// `size`: what the files take together, in bytes.
    pub installed_size: u64,
    /// `origin`: the recipe that it comes from.
    pub origin: Option<String>,
    /// `maintainer`
    pub maintainer: Option<String>,
    /// `license`
    pub license: String,
    /// `commit`: of the recipes' repository.
    pub commit: Option<String>,
    /// `builddate`: seconds since 1970.
    pub build_time: Option<u64>,
    /// `depend`, conflicts among them.
    pub depends: Vec<Dependency>,
    /// `provides`
    pub provides: Vec<Dependency>,
    /// `replaces`
    pub replaces: Vec<Dependency>,
    /// `install_if`
    pub install_if: Vec<Dependency>,
    /// `provider_priority`
    pub provider_priority: Option<u32>,
    /// `replaces_priority`
    pub replaces_priority: Option<u32>,
    /// `triggers`: patterns of folders.
    pub triggers: Vec<String>,
    /// `datahash`: SHA-256 of the compressed data member, in hexadecimal digits.
    pub data_hash: Option<String>,
}

impl PkgInfo {
    /// A package of that name and version with nothing else said.
    pub fn new(name: &str, version: &str, arch: &str) -> PkgInfo {
        PkgInfo {
            name: name.to_owned(),
            version: Version::new(version),
            description: String::new(),
            url: String::new(),
            arch: arch.to_owned(),
            installed_size: 0,
            origin: None,
            maintainer: None,
            license: String::new(),
            commit: None,
            build_time: None,
            depends: Vec::new(),
            provides: Vec::new(),
            replaces: Vec::new(),
            install_if: Vec::new(),
            provider_priority: None,
            replaces_priority: None,
            triggers: Vec::new(),
            data_hash: None,
        }
    }

    /// Reads the file's text. Unknown fields are passed over.
    pub fn parse(text: &[u8]) -> Result<PkgInfo, PackageError> {
        let mut info = PkgInfo::new("", "", "");
        for line in String::from_utf8_lossy(text).lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((key, value)) = line.split_once('=') else {
                return Err(PackageError::Info(
                    line.to_owned(),
                    "no key and value".to_owned(),
                ));
            };
            let (key, value) = (key.trim(), value.trim());
            let number = || {
                value.parse::<u64>().map_err(|_| {
                    PackageError::Info(key.to_owned(), format!("'{value}' is no number"))
                })
            };
            let priority = || number().map(|value| u32::try_from(value).unwrap_or(u32::MAX));
            match key {
                "pkgname" => info.name = value.to_owned(),
                "pkgver" => info.version = Version::new(value),
                "pkgdesc" => info.description = value.to_owned(),
                "url" => info.url = value.to_owned(),
                "arch" => info.arch = value.to_owned(),
                "size" => info.installed_size = number()?,
                "origin" => info.origin = Some(value.to_owned()),
                "maintainer" => info.maintainer = Some(value.to_owned()),
                "license" => info.license = value.to_owned(),
                "commit" => info.commit = Some(value.to_owned()),
                "builddate" => info.build_time = Some(number()?),
                "depend" => info.depends.extend(Dependency::parse_list(value)?),
                "provides" => info.provides.extend(Dependency::parse_list(value)?),
                "replaces" => info.replaces.extend(Dependency::parse_list(value)?),
                "install_if" => info.install_if.extend(Dependency::parse_list(value)?),
                "provider_priority" => info.provider_priority = Some(priority()?),
                "replaces_priority" => info.replaces_priority = Some(priority()?),
                "triggers" => info
                    .triggers
                    .extend(value.split_whitespace().map(str::to_owned)),
                "datahash" => info.data_hash = Some(value.to_owned()),
                _ => {}
            }
        }
        let plain = |text: &str| {
            !text.is_empty()
                // `.build-deps` is a usual name for a virtual package; `.` and `..` would be paths.
                && !text.starts_with("..")
                && text != "."
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b'/')
        };
        if !plain(&info.name) {
            return Err(PackageError::Info(
                "pkgname".to_owned(),
                format!("'{}' is no name", info.name),
            ));
        }
        if !info.version.is_valid() {
            return Err(PackageError::Info(
                "pkgver".to_owned(),
                format!("'{}' is no version", info.version),
            ));
        }
        Ok(info)
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let mut out = String::from("# Generated by abuild\n");
        let mut line = |key: &str, value: &str| {
            let _ = writeln!(out, "{key} = {value}");
        };
        line("pkgname", &self.name);
        line("pkgver", self.version.as_str());
        line("pkgdesc", &self.description);
        line("url", &self.url);
        if let Some(time) = self.build_time {
            line("builddate", &time.to_string());
        }
        if let Some(maintainer) = &self.maintainer {
            line("maintainer", maintainer);
        }
        line("size", &self.installed_size.to_string());
        line("arch", &self.arch);
        for (key, value) in [("origin", &self.origin), ("commit", &self.commit)] {
            if let Some(value) = value {
                line(key, value);
            }
        }
        for (key, value) in [
            ("provider_priority", self.provider_priority),
            ("replaces_priority", self.replaces_priority),
        ] {
            if let Some(value) = value {
                line(key, &value.to_string());
            }
        }
        line("license", &self.license);
        for (key, list) in [
            ("replaces", &self.replaces),
            ("depend", &self.depends),
            ("provides", &self.provides),
        ] {
            for dependency in list {
                line(key, &dependency.to_string());
            }
        }
        if !self.install_if.is_empty() {
            line("install_if", &join(&self.install_if));
        }
        if !self.triggers.is_empty() {
            line("triggers", &self.triggers.join(" "));
        }
        if let Some(hash) = &self.data_hash {
            line("datahash", hash);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_both_ways() {
        let mut info = PkgInfo::new("zlib", "1.3.1-r0", "x86_64");
        info.depends = Dependency::parse_list("so:libc.musl-x86_64.so.1 !old>2").unwrap();
        info.install_if = Dependency::parse_list("a=1 b").unwrap();
        info.triggers = vec!["/usr/lib/*".into(), "+/etc".into()];
        info.build_time = Some(1);
        info.provider_priority = Some(7);
        assert_eq!(PkgInfo::parse(info.to_text().as_bytes()).unwrap(), info);
    }

    #[test]
    fn impossible_fields_are_named() {
        for (text, word) in [
            ("pkgname = a\npkgver = 1\nsize = x", "size"),
            ("pkgname = ../a\npkgver = 1", "pkgname"),
            ("pkgname = a\npkgver = one", "pkgver"),
            ("pkgname = a\npkgver = 1\nnonsense", "nonsense"),
            ("pkgname = a\npkgver = 1\ndepend = =", "dependency"),
            ("", "pkgname"),
        ] {
            let error = PkgInfo::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
