//! Where everything lies: the checkout, what is built, the user's cache and configuration.

use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};

/// The places of one checkout and its user.
#[derive(Clone, Debug)]
pub struct Context {
    /// The checkout.
    pub top: PathBuf,
    /// `dist/` in it.
    pub dist: PathBuf,
    /// `ferrata` in the user's cache folder.
    pub cache: PathBuf,
    /// `ferrata` in the user's configuration folder.
    pub config: PathBuf,
    /// The architecture that is built for.
    pub arch: String,
}

impl Context {
    /// From the environment: the front door says where the checkout is, XDG's variables the rest.
    pub fn from_environment(arch: &str) -> Result<Context> {
        let top = match std::env::var_os("FERRATA_TOP") {
            Some(top) => PathBuf::from(top),
            None => std::env::current_dir().context("the current folder")?,
        };
        if !top.join("ports").is_dir() {
            anyhow::bail!(
                "{}: no checkout of Ferrata (there is no folder `ports`): run ./ferrata in one",
                top.display()
            );
        }
        let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
        let xdg = |name: &str, below: &str| match std::env::var_os(name).map(PathBuf::from) {
            Some(folder) if folder.is_absolute() => folder.join("ferrata"),
            _ => home.join(below).join("ferrata"),
        };
        Ok(Context {
            dist: top.join("dist"),
            top,
            cache: xdg("XDG_CACHE_HOME", ".cache"),
            config: xdg("XDG_CONFIG_HOME", ".config"),
            arch: arch.to_owned(),
        })
    }

    /// The folder of the repository, which holds one of each architecture.
    pub fn repository(&self) -> PathBuf {
        self.dist.join("repo")
    }

    /// The folder with the public keys of what is built here.
    pub fn public_keys(&self) -> PathBuf {
        self.config.join("keys")
    }

    /// The name of a path below the checkout, for messages.
    pub fn short<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.top).unwrap_or(path)
    }
}
