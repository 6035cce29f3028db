//! The package manager: a library, and the `apk` command on top of it.

pub mod archive;
pub mod commit;
#[cfg(test)]
mod commit_tests;
pub mod database;
pub mod dependency;
pub mod encoding;
pub mod index;
pub mod keys;
pub mod package;
pub mod record;
pub mod solver;
pub mod version;
