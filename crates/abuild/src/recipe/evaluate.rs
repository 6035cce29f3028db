//! From an APKBUILD to its variables: the shell runs it in a sandbox, once for each content.

use super::{Recipe, Variables};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::hash::Key;
use crate::phase::Script;
use crate::sandbox::{self, Bind, Job, Task};
use std::fs;
use std::path::Path;

/// The split functions that a recipe need not define; see `phase/prelude.sh`.
pub(crate) const DEFAULT_SPLITS: &[&str] = &[
    "dbg", "dev", "doc", "openrc", "static", "libs", "lang", "bashcomp", "zshcomp", "fishcomp",
];

/// Reads the recipe in `folder`. With `version`, `pkgver` is that, whatever the file says.
///
/// # Errors
/// If it cannot be read or evaluated; a syntax error names file, line and token.
pub(crate) fn recipe(config: &Config, folder: &Path, version: Option<&str>) -> Result<Recipe> {
    let path = folder.join("APKBUILD");
    let text = fs::read(&path).map_err(Error::io(&path))?;
    let text = with_version(&text, version);
    let key = Key::new(crate::config::FORMAT)
        .with("apkbuild", &text)
        .with("arch", config.arch.as_bytes())
        .with("prelude", crate::phase::PRELUDE)
        .finish();
    let cached = config.cached("recipes").join(&key);
    let variables = match fs::read(&cached)
        .ok()
        .and_then(|json| serde_json::from_slice(&json).ok())
    {
        Some(variables) => variables,
        None => {
            let variables = evaluate(config, &path, text)?;
            let json = serde_json::to_vec(&variables).unwrap_or_default();
            crate::cache::write_atomically(&cached, &json)?;
            variables
        }
    };
    Recipe::parse(folder, &variables)
}

fn evaluate(config: &Config, path: &Path, text: Vec<u8>) -> Result<Variables> {
    let wrong = |message: String| Error::Recipe {
        path: path.to_owned(),
        message,
    };
    let out = tempfile::tempdir().map_err(Error::io("the folder for temporary files"))?;
    let job = Job {
        staging: crate::cache::staging(config)?,
        binds: vec![Bind::writable(out.path(), "/build/out")],
        environment: crate::phase::environment(config, &[]),
        task: Task::Evaluate(Script {
            name: "APKBUILD".to_owned(),
            text,
            arch: config.arch.clone(),
        }),
    };
    let mut said = String::new();
    let ended = sandbox::run(config, &job, &mut |line| {
        line.clone_into(&mut said);
        true
    })?;
    if ended.status != Some(0) {
        let said = said.strip_prefix("APKBUILD: ").unwrap_or(&said);
        return Err(wrong(if said.is_empty() {
            "it ended without a word".to_owned()
        } else {
            said.to_owned()
        }));
    }
    let result = out.path().join("variables.json");
    let json = fs::read(&result).map_err(Error::io(&result))?;
    serde_json::from_slice(&json).map_err(|cause| wrong(cause.to_string()))
}

/// The text with the value of the first `pkgver=` line replaced; line numbers stay.
pub(crate) fn with_version(text: &[u8], version: Option<&str>) -> Vec<u8> {
    let Some(version) = version else {
        return text.to_vec();
    };
    let mut done = false;
    text.split_inclusive(|byte| *byte == b'\n')
        .flat_map(|line| {
            if !done && line.starts_with(b"pkgver=") {
                done = true;
                format!("pkgver={version}\n").into_bytes()
            } else {
                line.to_vec()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_replaced_once() {
        let text = b"# pkgver=0\npkgver=1\npkgver=2\n";
        assert_eq!(
            with_version(text, Some("3")),
            b"# pkgver=0\npkgver=3\npkgver=2\n"
        );
        assert_eq!(with_version(text, None), text);
    }
}
