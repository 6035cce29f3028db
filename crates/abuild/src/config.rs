//! Where things are, for the whole of a build.

use std::path::PathBuf;

/// Every time stamp in what is built: 2026-01-01, in seconds since 1970; never the clock.
pub const SOURCE_DATE_EPOCH: u64 = 1_767_225_600;

/// Part of every cache key: raise it when the same inputs give other packages than before.
pub(crate) const FORMAT: &str = "abuild 1";

/// Where things are, and how to build.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder with one folder a recipe.
    pub ports: PathBuf,
    /// The checkout, whose crates a recipe may ask for with `_workspace`.
    pub workspace: PathBuf,
    /// `ferrata` in the user's cache folder: sources, packages by the hash of their inputs, logs, work folders.
    pub cache: PathBuf,
    /// `ferrata` in the user's configuration folder: keys.
    pub config_dir: PathBuf,
    /// The repository, which holds a folder an architecture.
    pub repo: PathBuf,
    /// The architecture to build for, as apk names it.
    pub arch: String,
    /// How many jobs make and cargo may run at once.
    pub jobs: usize,
    /// The program that is started again inside the sandbox, as `runner __phase …`; it must call
    /// [`crate::phase_main`].
    pub runner: PathBuf,
    /// Look for newer sources of the ports that follow what a Debian suite has.
    pub update_sources: bool,
}

impl Config {
    /// A folder below the cache.
    pub(crate) fn cached(&self, name: &str) -> PathBuf {
        self.cache.join(name)
    }

    /// The folder of the repository for the architecture.
    #[must_use]
    pub fn arch_repo(&self) -> PathBuf {
        self.repo.join(&self.arch)
    }
}
