//! SHA-256 and SHA-512 of files and folders.

use crate::error::{Error, Result};
use sha2::{Digest, Sha256, Sha512};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The two algorithms of checksums in recipes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Algorithm {
    /// `sha256sums`, and Debian's indexes.
    Sha256,
    /// `sha512sums`.
    Sha512,
}

impl Algorithm {
    /// As messages name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }

    /// How many hexadecimal digits it has.
    #[must_use]
    pub fn digits(self) -> usize {
        match self {
            Algorithm::Sha256 => 64,
            Algorithm::Sha512 => 128,
        }
    }
}

/// Bytes as lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The checksum of a file, in hexadecimal digits.
///
/// # Errors
/// If the file cannot be read.
pub fn file(path: &Path, algorithm: Algorithm) -> Result<String> {
    match algorithm {
        Algorithm::Sha256 => digest_file(path, Sha256::new()),
        Algorithm::Sha512 => digest_file(path, Sha512::new()),
    }
}

fn digest_file<D: Digest>(path: &Path, mut digest: D) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io(path))?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(Error::io(path))? {
            0 => return Ok(hex(digest.finalize().as_ref())),
            read => digest.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

/// Collects named fields into one hash; the fields' borders are part of it.
#[derive(Clone, Default)]
pub struct Key(Sha256);

impl Key {
    /// Starts with a name for what is hashed.
    #[must_use]
    pub fn new(what: &str) -> Key {
        Key::default().with(what, b"")
    }

    /// Adds a field.
    pub fn add(&mut self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), value] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: &str, value: &[u8]) -> Key {
        self.add(name, value);
        self
    }

    /// Adds all files of a folder: their names, contents, kinds, and whether they can be executed. Build results
    /// (`target`) and hidden files of editors do not count.
    ///
    /// # Errors
    /// If something cannot be read.
    pub fn add_folder(&mut self, folder: &Path) -> Result<()> {
        for entry in walk(folder) {
            let entry = entry.map_err(|error| Error::io(folder)(error.into()))?;
            let path = entry.path();
            let name = path
                .strip_prefix(folder)
                .unwrap_or(path)
                .as_os_str()
                .as_bytes();
            let kind = entry.file_type();
            let mut field = name.to_vec();
            field.push(0);
            if kind.is_symlink() {
                field.push(b'l');
                self.add_bytes(
                    &field,
                    fs::read_link(path)
                        .map_err(Error::io(path))?
                        .as_os_str()
                        .as_bytes(),
                );
            } else if kind.is_file() {
                let mode = fs::metadata(path)
                    .map_err(Error::io(path))?
                    .permissions()
                    .mode();
                field.push(if mode & 0o111 == 0 { b'f' } else { b'x' });
                self.add_bytes(&field, &fs::read(path).map_err(Error::io(path))?);
            }
        }
        Ok(())
    }

    fn add_bytes(&mut self, name: &[u8], value: &[u8]) {
        for part in [name, value] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
    }

    /// The hash, in hexadecimal digits.
    #[must_use]
    pub fn finish(self) -> String {
        hex(self.0.finalize().as_ref())
    }
}

/// The entries of a folder in the order of their names, without what is not part of a source: `target` and hidden
/// files at the top of the folder or below.
pub(crate) fn walk(folder: &Path) -> impl Iterator<Item = walkdir::Result<walkdir::DirEntry>> {
    walkdir::WalkDir::new(folder)
        .min_depth(1)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| {
            let name = entry.file_name().as_bytes();
            !(name.starts_with(b".")
                || name.ends_with(b"~")
                || (entry.file_type().is_dir() && name == b"target"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digests() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        fs::write(&path, b"abc").unwrap();
        assert_eq!(
            file(&path, Algorithm::Sha256).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert!(
            file(&path, Algorithm::Sha512)
                .unwrap()
                .starts_with("ddaf35a193617abacc417349ae204131")
        );
    }

    #[test]
    fn folders_differ_by_name_content_and_mode() {
        let key = |change: &dyn Fn(&Path)| {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("a"), b"x").unwrap();
            change(folder.path());
            let mut key = Key::new("test");
            key.add_folder(folder.path()).unwrap();
            key.finish()
        };
        let plain = key(&|_| ());
        assert_eq!(plain, key(&|_| ()));
        assert_ne!(
            plain,
            key(&|folder| fs::write(folder.join("a"), b"y").unwrap())
        );
        assert_ne!(
            plain,
            key(&|folder| fs::rename(folder.join("a"), folder.join("b")).unwrap())
        );
        assert_ne!(
            plain,
            key(&|folder| {
                fs::set_permissions(folder.join("a"), fs::Permissions::from_mode(0o755)).unwrap();
            })
        );
        assert_eq!(
            plain,
            key(&|folder| fs::write(folder.join(".swp"), b"y").unwrap())
        );
    }
}
