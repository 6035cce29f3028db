//! The compilers of a build: what goes into cache keys and into the sandbox's environment.

use crate::config::Config;
use crate::error::{Error, Result};
use std::path::Path;
use std::process::{Command, Stdio};

/// Where a build sees the sysroot.
pub(crate) const SYSROOT: &str = "/sysroot";

const COMPILER: &str = "/usr/bin/clang-19";

/// What goes into cache keys: the compiler's version.
pub(crate) fn identity(_: &Config) -> Result<String> {
    let failed = |message: String| Error::Program {
        program: COMPILER.into(),
        message,
    };
    let output = Command::new(COMPILER)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Writes the toolchain's files to a folder; gives the environment that goes with them.
pub(crate) fn lay_out(config: &Config, _: &Path) -> Result<Vec<(String, String)>> {
    let target = format!("{}-linux-musl", config.arch);
    let compiler = format!("{COMPILER} --target={target} --sysroot={SYSROOT} -fuse-ld=lld");
    Ok(vec![
        ("CC".to_owned(), compiler),
        ("AR".to_owned(), "/usr/bin/llvm-ar-19".to_owned()),
        ("RANLIB".to_owned(), "/usr/bin/llvm-ranlib-19".to_owned()),
    ])
}
