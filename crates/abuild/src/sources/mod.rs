//! Sources: found, downloaded once, verified, kept by their hash.
//!
//! A file lies at `sources/SHA256/NAME` in the cache; `sources/records/` remembers which file served which source, so
//! that a second build touches no network. The order for the first source of a recipe with `_debsrc` is: the suites,
//! the binary package, the recipe's own address. Other sources have only their address.
//!
//! What counts as right: the recipe's checksum of the file, by its name or the name that Debian gives it. A recipe
//! whose version follows a suite (`_debmoves=yes`) states none; there the SHA-256 of Debian's signed index counts.

mod apt;
mod suite;

pub use suite::{unpacked, unpacked_package};

use crate::cache;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::hash::{self, Algorithm, Key};
use crate::recipe::{Debian, Recipe, Source};
use apt::Apt;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A source that was found, as the record of a build names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The source's name in the recipe.
    pub source: String,
    /// The name of the file that served it.
    pub file: String,
    /// Its SHA-256.
    pub sha256: String,
    /// Where it came from: an address, or a suite or package of Debian with the address.
    pub from: String,
    /// Is it Debian's archive, standing in for the upstream's?
    pub stand_in: bool,
    /// The upstream's version that it holds, if the recipe's version follows it.
    pub version: Option<String>,
}

impl Found {
    /// Where it lies.
    pub(crate) fn path(&self, config: &Config) -> PathBuf {
        config.cached("sources").join(&self.sha256).join(&self.file)
    }
}

/// Finds all sources that do not lie beside the recipe, downloading what is not cached.
///
/// # Errors
/// A wrong checksum, or what was tried for a source that nobody has.
pub(crate) fn fetch(
    config: &Config,
    recipe: &Recipe,
    resolved: Option<&Found>,
    note: &mut dyn FnMut(&str),
) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for (index, source) in recipe.sources.iter().enumerate() {
        let first = index == 0;
        if let Some(resolved) = resolved.filter(|_| first) {
            // It was found before the version was known, which is part of the name.
            let source = source.name.clone();
            found.push(Found {
                source,
                ..resolved.clone()
            });
        } else if let Some(url) = &source.url {
            let debian = recipe.debian.as_ref().filter(|_| first);
            let finder = Finder {
                config,
                recipe,
                source,
                url,
                debian,
            };
            found.push(finder.find(note)?);
        } else {
            let path = recipe.folder.join(&source.name);
            verify(recipe, &path, &[&source.name], Required::Stated)?;
        }
    }
    Ok(found)
}

/// For a recipe whose version follows a suite: what the suite has, downloaded. Without `update` the last answer stands.
pub(crate) fn resolve(
    config: &Config,
    recipe: &Recipe,
    note: &mut dyn FnMut(&str),
) -> Result<Option<Found>> {
    let (Some(debian), Some(source)) = (
        recipe.debian.as_ref().filter(|debian| debian.moves),
        recipe.sources.first(),
    ) else {
        return Ok(None);
    };
    let Some(url) = &source.url else {
        return Ok(None);
    };
    let finder = Finder {
        config,
        recipe,
        source,
        url,
        debian: Some(debian),
    };
    if !config.update_sources
        && let Some(found) = finder.remembered()
    {
        return Ok(Some(found));
    }
    finder.search(note).map(Some)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Required {
    /// The recipe must state a checksum of the file.
    Stated,
    /// A signed index vouches for the file already.
    Vouched,
}

/// Compares a file with the checksums that the recipe states for one of the names.
fn verify(recipe: &Recipe, path: &Path, names: &[&str], required: Required) -> Result<()> {
    for name in names {
        let mut stated = recipe
            .sums
            .iter()
            .filter(|sum| sum.file == *name)
            .peekable();
        if stated.peek().is_none() {
            continue;
        }
        for sum in stated {
            let got = hash::file(path, sum.algorithm)?;
            if got != sum.digest {
                let algorithm = sum.algorithm.name();
                return Err(Error::Checksum {
                    port: recipe.name.clone(),
                    file: (*name).to_owned(),
                    expected: format!("{algorithm} {}", sum.digest),
                    got,
                });
            }
        }
        return Ok(());
    }
    if required == Required::Vouched {
        return Ok(());
    }
    let name = names.first().copied().unwrap_or_default();
    let sum = hash::file(path, Algorithm::Sha512)?;
    Err(Error::Recipe {
        path: recipe.path(),
        message: format!(
            "no checksum of {name} is stated; of the file at hand sha512sums would say\n{sum}  {name}"
        ),
    })
}

struct Finder<'a> {
    config: &'a Config,
    recipe: &'a Recipe,
    source: &'a Source,
    url: &'a str,
    debian: Option<&'a Debian>,
}

impl Finder<'_> {
    fn find(&self, note: &mut dyn FnMut(&str)) -> Result<Found> {
        match self.remembered() {
            Some(found) => {
                self.verify(&found.path(self.config), &found.file)?;
                Ok(found)
            }
            None => self.search(note),
        }
    }

    /// Where the answer is kept. It holds for the version that the recipe states, or for all if it follows a suite.
    fn record(&self) -> PathBuf {
        let version = if self.moves() {
            ""
        } else {
            &self.recipe.version
        };
        let url = if self.moves() { "" } else { self.url };
        let debian = serde_json::to_vec(&self.debian).unwrap_or_default();
        let name = Key::new("source 1")
            .with("port", self.recipe.name.as_bytes())
            .with(
                "source",
                if self.moves() {
                    b""
                } else {
                    self.source.name.as_bytes()
                },
            )
            .with("version", version.as_bytes())
            .with("url", url.as_bytes())
            .with("debian", &debian)
            .finish();
        self.config.cached("sources").join("records").join(name)
    }

    fn remembered(&self) -> Option<Found> {
        let found: Found = serde_json::from_slice(&fs::read(self.record()).ok()?).ok()?;
        found.path(self.config).exists().then_some(found)
    }

    fn moves(&self) -> bool {
        self.debian.is_some_and(|debian| debian.moves)
    }

    fn verify(&self, path: &Path, file: &str) -> Result<()> {
        let required = if self.moves() {
            Required::Vouched
        } else {
            Required::Stated
        };
        verify(self.recipe, path, &[file, &self.source.name], required)
    }

    /// Asks everybody in order. A file that came but is wrong ends the search: it is no reason to try another.
    fn search(&self, note: &mut dyn FnMut(&str)) -> Result<Found> {
        let mut tried = Vec::new();
        // The same file may have come in for another version of the recipe or by hand.
        if let Some(found) = self.in_cache()? {
            return self.keep_record(found);
        }
        let folder = self.config.cached("sources");
        fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        let place = tempfile::tempdir_in(&folder).map_err(Error::io(&folder))?;
        if let Some(debian) = self.debian {
            let apt = Apt::open(self.config)?;
            for suite in debian.suites.iter().filter(|_| debian.source.is_some()) {
                let package = debian.source.as_deref().unwrap_or_default();
                note(&format!("asking {suite} for {package}"));
                match self.ask_suite(&apt, suite, package, place.path()) {
                    Ok((path, found)) => {
                        note(&format!("{suite} served {}", found.file));
                        return self.keep(&path, found);
                    }
                    Err(error) => tried.push(format!("{suite}: {error}")),
                }
            }
            if let Some((package, inner)) = &debian.binary {
                note(&format!("asking for the package {package}"));
                match self.ask_package(&apt, package, inner, place.path()) {
                    Ok((path, found)) => {
                        note(&format!("{package} served {}", found.file));
                        return self.keep(&path, found);
                    }
                    Err(error) => tried.push(format!("{package}: {error}")),
                }
            }
        }
        note(&format!("downloading {}", self.url));
        let path = place.path().join(&self.source.name);
        match Apt::download_url(self.url, &path) {
            Ok(()) => {
                let version = self.moves().then(|| self.recipe.version.clone());
                let found = self.found(
                    &path,
                    &self.source.name,
                    self.url.to_owned(),
                    false,
                    version,
                )?;
                // What upstream serves is vouched for by the recipe alone.
                verify(self.recipe, &path, &[&self.source.name], Required::Stated)?;
                self.keep(&path, found)
            }
            Err(error) => {
                tried.push(format!("{}: {error}", self.url));
                Err(Error::Source {
                    port: self.recipe.name.clone(),
                    file: self.source.name.clone(),
                    tried,
                })
            }
        }
    }

    fn in_cache(&self) -> Result<Option<Found>> {
        let sums = self
            .recipe
            .sums
            .iter()
            .filter(|sum| sum.algorithm == Algorithm::Sha256 && sum.file == self.source.name);
        for sum in sums {
            let path = self
                .config
                .cached("sources")
                .join(&sum.digest)
                .join(&self.source.name);
            if path.exists() && !self.moves() {
                self.verify(&path, &self.source.name)?;
                return self
                    .found(&path, &self.source.name, self.url.to_owned(), false, None)
                    .map(Some);
            }
        }
        Ok(None)
    }

    fn ask_suite(
        &self,
        apt: &Apt,
        suite: &str,
        package: &str,
        place: &Path,
    ) -> Result<(PathBuf, Found)> {
        let archive = apt.source(suite, package)?;
        let file = &archive.file;
        let version = file
            .rsplit_once(".orig.tar.")
            .or_else(|| file.rsplit_once(".tar."))
            .and_then(|(name, _)| name.split_once('_'));
        let version = upstream(version.map_or("", |(_, version)| version));
        if !self.moves() && !self.stated(&archive.file) && version != self.recipe.version {
            let message = format!(
                "{suite} has version {version}, the recipe wants {}",
                self.recipe.version
            );
            return Err(Error::Program {
                program: "apt-get".into(),
                message,
            });
        }
        let path = place.join(&archive.file);
        // Another port may be made of the same source.
        let kept = self.config.cached("sources").join(&archive.sha256);
        let kept = kept.join(&archive.file);
        let whole = hash::file(&kept, Algorithm::Sha256).is_ok_and(|sum| sum == archive.sha256);
        if !whole || fs::hard_link(&kept, &path).is_err() {
            apt.download(Some(suite), &archive, &path)?;
        }
        let from = format!("Debian {suite}, source package {package}: {}", archive.uri);
        let version = self.moves().then_some(version);
        let found = self.found(&path, &archive.file, from, true, version)?;
        Ok((path, found))
    }

    fn ask_package(
        &self,
        apt: &Apt,
        package: &str,
        inner: &str,
        place: &Path,
    ) -> Result<(PathBuf, Found)> {
        let (archive, version) = apt.binary(package)?;
        let deb = place.join(&archive.file);
        apt.download(None, &archive, &deb)?;
        let unpacked = place.join("package");
        apt::run(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&unpacked))?;
        let mut path = unpacked.join(inner.trim_matches('/'));
        let mut file = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        if path.is_dir() {
            // A folder becomes an archive that is always the same.
            let name = std::mem::take(&mut file);
            file = format!("{name}.tar");
            let whole = place.join(&file);
            apt::run(
                Command::new("tar")
                    .args(["--sort=name", "--mtime=@0", "--owner=0", "--group=0"])
                    .args(["--numeric-owner", "--format=ustar", "-cf"])
                    .arg(&whole)
                    .arg("-C")
                    .arg(path.parent().unwrap_or(&unpacked))
                    .arg(&name),
            )?;
            path = whole;
        }
        let from = format!(
            "Debian package {package} {version}, {inner}: {}",
            archive.uri
        );
        let version = self.moves().then(|| upstream(&version));
        let found = self.found(&path, &file, from, true, version)?;
        Ok((path, found))
    }

    fn stated(&self, file: &str) -> bool {
        self.recipe.sums.iter().any(|sum| sum.file == file)
    }

    fn found(
        &self,
        path: &Path,
        file: &str,
        from: String,
        stand_in: bool,
        version: Option<String>,
    ) -> Result<Found> {
        let sha256 = hash::file(path, Algorithm::Sha256)?;
        Ok(Found {
            source: self.source.name.clone(),
            file: file.to_owned(),
            sha256,
            from,
            stand_in,
            version,
        })
    }

    /// Verifies the file and moves it to its place in the cache.
    fn keep(&self, path: &Path, found: Found) -> Result<Found> {
        self.verify(path, &found.file)?;
        let target = found.path(self.config);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(Error::io(folder))?;
        }
        fs::rename(path, &target).map_err(Error::io(&target))?;
        self.keep_record(found)
    }

    fn keep_record(&self, found: Found) -> Result<Found> {
        let json = serde_json::to_vec_pretty(&found).unwrap_or_default();
        cache::write_atomically(&self.record(), &json)?;
        Ok(found)
    }
}

/// The upstream's part of a Debian version: no epoch, no revision, nothing about repacking.
fn upstream(version: &str) -> String {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let version = version.rsplit_once('-').map_or(version, |(rest, _)| rest);
    let version = version
        .split_once("+really")
        .map_or(version, |(_, rest)| rest);
    let end = [
        "+dfsg", ".dfsg", "~dfsg", "+ds", "+repack", "+deb", "~deb", "+nmu",
    ]
    .iter()
    .filter_map(|word| version.find(word))
    .min();
    end.and_then(|end| version.get(..end))
        .unwrap_or(version)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstream_versions() {
        assert_eq!(upstream("1:1.3.dfsg+really1.3.1-1"), "1.3.1");
        assert_eq!(upstream("6.12.107-1~bpo12+1"), "6.12.107");
        assert_eq!(upstream("1.2.13.dfsg"), "1.2.13");
        assert_eq!(upstream("2025.89"), "2025.89");
        assert_eq!(upstream("20250419+deb13u1"), "20250419");
        assert_eq!(upstream("20250419~deb12u2"), "20250419");
    }
}
