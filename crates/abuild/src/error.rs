//! What can go wrong, and the way out where one is known.

use std::io;
use std::path::{Path, PathBuf};

/// Why a plan or a build failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder.
    #[error("{}: {cause}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A recipe that cannot be used.
    #[error("{}: {message}", .path.display())]
    Recipe {
        /// The APKBUILD.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A name that no recipe and no subpackage has.
    #[error("{}: no port is named {name}", .ports.display())]
    NoPort {
        /// What was asked for.
        name: String,
        /// Where it was looked for.
        ports: PathBuf,
    },
    /// A port needs what neither a port nor the build host has.
    #[error("{}: needs {need}, which no port provides", .recipe.display())]
    Missing {
        /// The APKBUILD.
        recipe: PathBuf,
        /// The makedepends entry.
        need: String,
    },
    /// A program of the build host that a port needs is not there.
    #[error("{}: needs the program {program} on this host", .recipe.display())]
    HostTool {
        /// The APKBUILD.
        recipe: PathBuf,
        /// Its path or name.
        program: String,
        /// The Debian package that holds it.
        package: &'static str,
    },
    /// Ports that need each other before they can be built.
    #[error("these ports need each other to be built: {}", .0.join(" -> "))]
    Cycle(Vec<String>),
    /// A source that is not what the recipe says.
    #[error("{port}: {file}: wrong checksum: expected {expected}, got {got}")]
    Checksum {
        /// The port.
        port: String,
        /// The source.
        file: String,
        /// What the recipe or the signed index says, with the algorithm.
        expected: String,
        /// What was found.
        got: String,
    },
    /// A source that could not be had.
    #[error("{port}: {file}: no source answered{}", list(.tried))]
    Source {
        /// The port.
        port: String,
        /// The source.
        file: String,
        /// What was tried and why it failed.
        tried: Vec<String>,
    },
    /// A program of the host, such as apt-get, that failed.
    #[error("{program}: {message}")]
    Program {
        /// Its name.
        program: String,
        /// What it said, or why it could not be started.
        message: String,
    },
    /// A build that failed.
    #[error("{port}: {phase} failed: {message}\n{}the whole log: {}", indented(.tail), .log.display())]
    Phase {
        /// The port.
        port: String,
        /// The phase: prepare, build, check, package or a subpackage's function.
        phase: String,
        /// How it ended.
        message: String,
        /// Where all its output is.
        log: PathBuf,
        /// The last lines of it.
        tail: Vec<String>,
    },
    /// A package with files that are not hardened.
    #[error("{port}: {} not hardened:{}", if .findings.len() == 1 { "a file is" } else { "files are" }, list(.findings))]
    Audit {
        /// The port.
        port: String,
        /// File, missing property and way out of each.
        findings: Vec<String>,
    },
    /// Something about the files that a port packaged.
    #[error("{port}: {message}")]
    Package {
        /// The port.
        port: String,
        /// What is wrong.
        message: String,
    },
    /// The sandbox could not be made.
    #[error("sandbox: {0}")]
    Sandbox(String),
    /// A key.
    #[error("{}: {message}", .path.display())]
    Key {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// What the functions of this crate give.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The way out, where one is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::HostTool { package, .. } => Some(format!("apt-get install {package}")),
            Error::Source { .. } => {
                Some("check the network, or place the file into the cache by its checksum".into())
            }
            Error::Checksum { .. } => {
                Some("if the source is right, correct the recipe's checksums".into())
            }
            Error::Sandbox(_) => {
                Some("user namespaces must be allowed: sysctl user.max_user_namespaces".into())
            }
            Error::Missing { need, .. } => Some(format!(
                "write ports/{need}/APKBUILD, or correct makedepends"
            )),
            _ => None,
        }
    }

    /// For `map_err` on what concerns a file.
    pub(crate) fn io(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Error {
        let path = path.as_ref().to_owned();
        move |cause| Error::Io { path, cause }
    }
}

fn list(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  {line}")).collect()
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  | {line}\n")).collect()
}
