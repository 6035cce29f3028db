//! The hardened toolchain, as `harden` states it, laid out for the sandbox at /toolchain.

use crate::config::Config;
use crate::error::{Error, Result};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Where a build sees the sysroot.
pub(crate) const SYSROOT: &str = "/sysroot";

fn toolchain(config: &Config) -> Result<harden::Toolchain> {
    let unknown = || Error::Program {
        program: "harden".into(),
        message: format!("no architecture is named {}", config.arch),
    };
    let arch = config.arch.parse::<harden::Arch>().map_err(|_| unknown())?;
    Ok(harden::toolchain(arch, Path::new(SYSROOT)))
}

/// What goes into cache keys: versions and flags.
pub(crate) fn identity(config: &Config) -> Result<String> {
    Ok(toolchain(config)?.identity)
}

/// Writes the toolchain's files to a folder; gives the environment that goes with them.
pub(crate) fn lay_out(config: &Config, folder: &Path) -> Result<Vec<(String, String)>> {
    let toolchain = toolchain(config)?;
    for (name, bytes, mode) in &toolchain.files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(Error::io(parent))?;
        }
        fs::write(&path, bytes).map_err(Error::io(&path))?;
        fs::set_permissions(&path, Permissions::from_mode(*mode)).map_err(Error::io(&path))?;
    }
    Ok(toolchain.env)
}
