//! The two keys of a user: one signs packages and indexes, the other kernel modules. Both are made on first use in
//! the configuration folder, readable by their owner only, and used from then on.
//!
//! - `packages.rsa`, and its public half as `keys/ferrata-XXXXXXXX.rsa.pub`, as it goes to /etc/apk/keys
//! - `modules.pem`: key and certificate in one file, as the kernel's CONFIG_MODULE_SIG_KEY wants it

use crate::cache::Lock;
use crate::error::{Error, Result};
use apk::keys::{Algorithm, PrivateKey, Signature};
use apk::package::PackageError;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const BITS: usize = 4096;

/// The key that signs packages, made if it is not there.
///
/// # Errors
/// If the configuration folder cannot be written or holds no key where one should be.
pub fn packages(config_dir: &Path) -> Result<PrivateKey> {
    let _lock = lock(config_dir)?;
    let path = config_dir.join("packages.rsa");
    let wrong = |error: apk::keys::KeyError| Error::Key {
        path: path.clone(),
        message: error.to_string(),
    };
    if !path.exists() {
        PrivateKey::generate(BITS, "")
            .and_then(|key| key.save(&path))
            .map_err(wrong)?;
    }
    // The public half names it, and is known only after reading it.
    let public = PrivateKey::load(&path, "")
        .and_then(|key| key.public_pem())
        .map_err(wrong)?;
    let hash = crate::hash::Key::new("key")
        .with("pem", public.as_bytes())
        .finish();
    let name = format!("ferrata-{}.rsa.pub", hash.get(..8).unwrap_or_default());
    let published = config_dir.join("keys").join(&name);
    if fs::read(&published).ok().as_deref() != Some(public.as_bytes()) {
        crate::cache::write_atomically(&published, public.as_bytes())?;
    }
    PrivateKey::load(&path, &name).map_err(wrong)
}

/// The public half of the packages' key: its file.
///
/// # Errors
/// As [`packages`].
pub fn public(config_dir: &Path) -> Result<PathBuf> {
    Ok(config_dir.join("keys").join(packages(config_dir)?.name()))
}

/// Signs as `key`, for the writers of packages and indexes.
pub(crate) fn signer(
    key: &PrivateKey,
) -> impl Fn(&[u8]) -> Result<Option<Signature>, PackageError> + '_ {
    |bytes| Ok(Some(key.sign(Algorithm::RsaSha256, bytes)?))
}

/// The file with the key that signs kernel modules, made if it is not there.
///
/// # Errors
/// If there is no openssl or the folder cannot be written.
pub fn modules(config_dir: &Path) -> Result<PathBuf> {
    let _lock = lock(config_dir)?;
    let path = config_dir.join("modules.pem");
    if path.exists() {
        return Ok(path);
    }
    let place = tempfile::tempdir_in(config_dir).map_err(Error::io(config_dir))?;
    let settings = place.path().join("openssl.cnf");
    let text = "[req]\ndistinguished_name = name\nprompt = no\nx509_extensions = extensions\n\
                [name]\nCN = Ferrata kernel modules\n\
                [extensions]\nbasicConstraints = critical,CA:FALSE\nkeyUsage = digitalSignature\n\
                subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n";
    fs::write(&settings, text).map_err(Error::io(&settings))?;
    let (key, certificate) = (place.path().join("key"), place.path().join("certificate"));
    let output = Command::new("openssl")
        .args([
            "req", "-new", "-x509", "-nodes", "-utf8", "-sha256", "-days", "36500", "-batch",
            "-newkey",
        ])
        .arg(format!("rsa:{BITS}"))
        .arg("-config")
        .arg(&settings)
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::Program {
            program: "openssl".into(),
            message: error.to_string(),
        })?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let message = text.lines().last().unwrap_or("it failed").to_owned();
        return Err(Error::Program {
            program: "openssl".into(),
            message,
        });
    }
    let mut both = fs::read(&key).map_err(Error::io(&key))?;
    both.extend(fs::read(&certificate).map_err(Error::io(&certificate))?);
    let whole = place.path().join("modules.pem");
    fs::write(&whole, both).map_err(Error::io(&whole))?;
    fs::set_permissions(&whole, Permissions::from_mode(0o600)).map_err(Error::io(&whole))?;
    fs::rename(&whole, &path).map_err(Error::io(&path))?;
    Ok(path)
}

fn lock(config_dir: &Path) -> Result<Lock> {
    if !config_dir.is_dir() {
        fs::create_dir_all(config_dir).map_err(Error::io(config_dir))?;
        fs::set_permissions(config_dir, Permissions::from_mode(0o700))
            .map_err(Error::io(config_dir))?;
    }
    Lock::wait(&config_dir.join(".lock"))
}
