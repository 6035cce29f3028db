//! What an image is made of: the lock file by which it is made again, and the bill of materials (SPDX 2.3, JSON).

use crate::digest;
use crate::oci::rfc3339;
use apk::record::Record;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::io;
use std::path::{Path, PathBuf};

/// The exact packages of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// The form of this file: 1.
    pub version: u32,
    /// The image.
    pub image: String,
    /// The architecture, as apk names it.
    pub arch: String,
    /// The hash of the declaration that it was made from.
    pub declaration: String,
    /// The packages, in the order in which they are installed: the database keeps it.
    pub packages: Vec<Locked>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The SHA-256 of its file, in hexadecimal digits.
    pub sha256: String,
}

/// Why an image cannot be made from its lock file.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no lock file.
    #[error("{}: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What and where.
        source: serde_json::Error,
    },
    /// It belongs to something else.
    #[error("{}: {what}", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// To what, or what changed.
        what: String,
    },
    /// A package is nowhere to be had.
    #[error(
        "{0}-{1}.apk with the locked SHA-256 {2} is neither in the repository nor in the cache"
    )]
    Gone(String, String, String),
}

impl Lock {
    /// What was installed, from files whose hashes are given.
    pub(crate) fn new(
        image: &str,
        arch: &str,
        declaration: &str,
        packages: &[(Record, String)],
    ) -> Lock {
        Lock {
            version: 1,
            image: image.to_owned(),
            arch: arch.to_owned(),
            declaration: declaration.to_owned(),
            packages: packages
                .iter()
                .map(|(record, sha256)| Locked {
                    name: record.name.clone(),
                    version: record.version.to_string(),
                    sha256: sha256.clone(),
                })
                .collect(),
        }
    }

    /// The file's text.
    pub(crate) fn text(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Reads the lock file of an image and an architecture.
    ///
    /// # Errors
    /// It is not there, or not of this image.
    pub fn read(path: &Path, image: &str, arch: &str) -> Result<Lock, LockError> {
        let text = std::fs::read(path).map_err(|source| LockError::Io {
            path: path.to_owned(),
            source,
        })?;
        let lock: Lock = serde_json::from_slice(&text).map_err(|source| LockError::Parse {
            path: path.to_owned(),
            source,
        })?;
        let other = |what: String| LockError::Other {
            path: path.to_owned(),
            what,
        };
        if lock.version != 1 {
            return Err(other(format!(
                "its form is {}, this program knows 1",
                lock.version
            )));
        }
        if lock.image != image || lock.arch != arch {
            return Err(other(format!(
                "it locks {} for {}, not {image} for {arch}",
                lock.image, lock.arch
            )));
        }
        Ok(lock)
    }

    /// Refuses a declaration that the lock was not made from.
    pub(crate) fn check(&self, path: &Path, declaration: &str) -> Result<(), LockError> {
        if self.declaration == declaration {
            return Ok(());
        }
        Err(LockError::Other {
            path: path.to_owned(),
            what: "the image's declaration changed since it was locked: make the image without --locked".into(),
        })
    }
}

impl Locked {
    /// The package's file, in the first of the folders that has it with the right bytes.
    pub(crate) fn find(&self, folders: &[PathBuf]) -> Result<PathBuf, LockError> {
        let name = format!("{}-{}.apk", self.name, self.version);
        folders
            .iter()
            .map(|folder| folder.join(&name))
            .find(|path| digest::of_file(path).is_ok_and(|sum| sum == self.sha256))
            .ok_or_else(|| {
                LockError::Gone(self.name.clone(), self.version.clone(), self.sha256.clone())
            })
    }
}

/// The image's bill of materials.
pub(crate) fn spdx(
    image: &str,
    arch: &str,
    release: &str,
    epoch: u64,
    image_sha256: &str,
    packages: &[(Record, String)],
) -> String {
    let id = |text: &str| -> String {
        text.chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || c == '.' {
                    c
                } else {
                    '-'
                }
            })
            .collect()
    };
    let name = format!("ferrata-{image}-{release}-{arch}");
    let mut entries = vec![json!({
        "SPDXID": "SPDXRef-Image",
        "name": name,
        "versionInfo": release,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "primaryPackagePurpose": "OPERATING-SYSTEM",
        "checksums": [{ "algorithm": "SHA256", "checksumValue": image_sha256 }],
    })];
    let mut relations = vec![json!({
        "spdxElementId": "SPDXRef-DOCUMENT",
        "relationshipType": "DESCRIBES",
        "relatedSpdxElement": "SPDXRef-Image",
    })];
    for (record, sha256) in packages {
        let reference = format!("SPDXRef-Package-{}", id(&record.full_name()));
        let version = record.version.to_string();
        let origin = record.origin.as_deref().unwrap_or(&record.name);
        let licence = if record.license.is_empty() {
            "NOASSERTION"
        } else {
            record.license.as_str()
        };
        entries.push(json!({
            "SPDXID": reference,
            "name": record.name,
            "versionInfo": version,
            "description": record.description,
            "homepage": record.url,
            "licenseDeclared": licence,
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": false,
            "sourceInfo": format!("built from the port {origin}"),
            "checksums": [{ "algorithm": "SHA256", "checksumValue": sha256 }],
            "externalRefs": [{
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": format!("pkg:apk/ferrata/{}@{version}?arch={arch}", record.name),
            }],
        }));
        relations.push(json!({
            "spdxElementId": "SPDXRef-Image",
            "relationshipType": "CONTAINS",
            "relatedSpdxElement": reference,
        }));
    }
    let document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        // Unique, as the specification asks, and the same for the same image.
        "documentNamespace": format!("https://ferrata.invalid/spdx/{name}-{image_sha256}"),
        "creationInfo": { "created": rfc3339(epoch), "creators": ["Tool: ferrata-image"] },
        "packages": entries,
        "relationships": relations,
    });
    format!("{document:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        Lock {
            version: 1,
            image: "virt".into(),
            arch: "x86_64".into(),
            declaration: "d".into(),
            packages: vec![Locked {
                name: "musl".into(),
                version: "1.2.5-r0".into(),
                sha256: digest::of(b"package"),
            }],
        }
    }

    #[test]
    fn a_lock_reads_back_and_holds_for_its_image_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock.json");
        std::fs::write(&path, lock().text().unwrap()).unwrap();
        let read = Lock::read(&path, "virt", "x86_64").unwrap();
        assert_eq!(read, lock());
        read.check(&path, "d").unwrap();
        for (error, word) in [
            (
                Lock::read(&path, "router", "x86_64").unwrap_err(),
                "not router",
            ),
            (read.check(&path, "e").unwrap_err(), "declaration changed"),
        ] {
            let text = error.to_string();
            assert!(
                text.contains(word) && text.contains("x.lock.json"),
                "{text}"
            );
        }
        std::fs::write(&path, "{\"version\": 1").unwrap();
        let error = Lock::read(&path, "virt", "x86_64").unwrap_err().to_string();
        assert!(error.contains("x.lock.json"), "{error}");
    }

    #[test]
    fn a_package_counts_only_with_the_locked_bytes() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folders = [first.path().to_owned(), second.path().to_owned()];
        let locked = &lock().packages[0];
        std::fs::write(first.path().join("musl-1.2.5-r0.apk"), b"another").unwrap();
        let error = locked.find(&folders).unwrap_err().to_string();
        assert!(error.contains("musl-1.2.5-r0.apk"), "{error}");
        let right = second.path().join("musl-1.2.5-r0.apk");
        std::fs::write(&right, b"package").unwrap();
        assert_eq!(locked.find(&folders).unwrap(), right);
    }
}
