//! The compilers of a build: what goes into cache keys and into the sandbox's environment. The flags are `harden`'s.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::recipe::Recipe;
use harden::{Arch, toolchain::Toolchain};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Where a build sees the sysroot.
pub(crate) const SYSROOT: &str = "/sysroot";
/// Where a build sees the toolchain's files.
pub(crate) const TOOLCHAIN: &str = "/toolchain";

/// The programs whose versions decide what comes out.
const COMPILERS: [&str; 2] = ["/usr/bin/clang-19", "/usr/bin/rustc"];

fn made(config: &Config, off: &[&str]) -> Result<Toolchain> {
    let arch = Arch::parse(&config.arch).ok_or_else(|| Error::Program {
        program: "harden".into(),
        message: format!("the architecture {} is not known", config.arch),
    })?;
    Ok(harden::toolchain::toolchain(
        arch,
        Path::new(TOOLCHAIN),
        Path::new(SYSROOT),
        off,
    ))
}

/// How the compilers are configured: what goes into the cache keys of the ports that use the toolchain.
pub(crate) fn configuration(config: &Config) -> Result<String> {
    Ok(made(config, &[])?.identity)
}

/// The compilers' versions: what goes into the cache keys of all ports.
pub(crate) fn compilers() -> Result<String> {
    let mut identity = String::new();
    for program in COMPILERS {
        let failed = |message: String| Error::Program {
            program: program.into(),
            message,
        };
        let output = Command::new(program)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| failed(error.to_string()))?;
        identity.push_str(&String::from_utf8_lossy(&output.stdout));
    }
    Ok(identity)
}

/// Writes the toolchain's files to a folder, with the flags off that the recipe opts out of; gives the environment
/// that goes with them. Nothing for a recipe that builds without it.
pub(crate) fn lay_out(
    config: &Config,
    recipe: &Recipe,
    folder: &Path,
) -> Result<Vec<(String, String)>> {
    if !recipe.uses_toolchain() {
        return Ok(Vec::new());
    }
    let off: Vec<&str> = harden::flags::TABLE
        .iter()
        .map(|flag| flag.name)
        .filter(|name| recipe.has_option(&format!("!{name}")))
        .collect();
    let toolchain = made(config, &off)?;
    for (name, contents, mode) in toolchain.files {
        let path = folder.join(name);
        if let Some(above) = path.parent() {
            fs::create_dir_all(above).map_err(Error::io(above))?;
        }
        fs::write(&path, contents).map_err(Error::io(&path))?;
        fs::set_permissions(&path, Permissions::from_mode(mode)).map_err(Error::io(&path))?;
    }
    Ok(toolchain.environment)
}
