//! Running an APKBUILD for its variables, inside the sandbox.

use super::OUT;
use crate::recipe::Variables;
use serde::{Deserialize, Serialize};
use shell::Shell;
use std::fs;
use std::path::Path;

/// An APKBUILD.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Script {
    /// For messages.
    pub name: String,
    /// What it says.
    pub text: Vec<u8>,
    /// The architecture to build for.
    pub arch: String,
}

/// What `triplet`s begin with: apk's and the compilers' names of the architectures are mostly the same.
fn triplet(arch: &str) -> String {
    let cpu = match arch {
        "x86" => "i586",
        "armv7" => "armv7",
        other => other,
    };
    let end = if arch.starts_with("arm") {
        "musleabihf"
    } else {
        "musl"
    };
    format!("{cpu}-ferrata-linux-{end}")
}

impl Script {
    /// Runs the file in `shell`, with what a recipe finds set, and completes what it left out.
    pub(crate) fn source(&self, shell: &mut Shell) -> Result<(), String> {
        let triplet = triplet(&self.arch);
        for (name, value) in [
            ("CARCH", self.arch.as_str()),
            ("CBUILD_ARCH", &self.arch),
            ("CTARGET_ARCH", &self.arch),
            ("CLIBC", "musl"),
            ("startdir", "/build/recipe"),
            ("srcdir", "/build/src"),
            ("pkgbasedir", "/build/pkg"),
        ] {
            shell.set_var(name.as_bytes(), value.as_bytes());
        }
        for name in ["CHOST", "CTARGET", "CBUILD"] {
            if shell.var(name.as_bytes()).is_none() {
                shell.set_var(name.as_bytes(), triplet.as_bytes());
            }
            shell.export(name.as_bytes());
        }
        let status = shell
            .eval(self.name.as_bytes(), &self.text)
            .map_err(|error| error.to_string())?;
        if let Some(status) = shell.exited() {
            return Err(format!("{}: it called exit {status}", self.name));
        }
        // The last command's status says nothing: a file may well end with `[ … ] && …`.
        let _ = status;
        let name = text(shell, "pkgname").unwrap_or_default();
        if shell.var(b"builddir").is_none() {
            let version = text(shell, "pkgver").unwrap_or_default();
            shell.set_var(
                b"builddir",
                format!("/build/src/{name}-{version}").as_bytes(),
            );
        }
        shell.set_var(b"pkgdir", format!("/build/pkg/{name}").as_bytes());
        Ok(())
    }
}

fn text(shell: &Shell, name: &str) -> Option<String> {
    shell
        .var(name.as_bytes())
        .and_then(|value| String::from_utf8(value).ok())
}

/// The variables that mean something outside.
pub(crate) fn variables(shell: &Shell) -> Result<Variables, String> {
    let mut variables = Variables::default();
    for name in Variables::NAMES {
        if let Some(value) = shell.var(name.as_bytes()) {
            let value = String::from_utf8(value).map_err(|_| format!("{name} is not UTF-8"))?;
            variables.values.insert((*name).to_owned(), value);
        }
    }
    variables.functions = shell
        .functions()
        .into_iter()
        .filter_map(|name| String::from_utf8(name).ok())
        .collect();
    Ok(variables)
}

pub(super) fn run(mut shell: Shell, script: &Script) -> i32 {
    let result = script
        .source(&mut shell)
        .and_then(|()| variables(&shell))
        .and_then(|variables| serde_json::to_vec(&variables).map_err(|error| error.to_string()))
        .and_then(|json| {
            fs::write(Path::new(OUT).join("variables.json"), json)
                .map_err(|error| error.to_string())
        });
    match result {
        Ok(()) => 0,
        Err(message) => {
            eprintln!("{message}");
            1
        }
    }
}
