//! The sandbox, seen from outside: what a job sees of the host, and how it is started.
//!
//! A [`Job`] is sent to the calling program, started again as `runner __phase outer`, which makes the namespaces and
//! starts `__phase inner`, the first process in them ([`crate::phase`]). Inside there are:
//!
//! - the host's /usr (without /usr/local) and the links or folders beside it, read-only: the build host's tools
//! - a handful of files in /etc, an own /proc, /dev and /tmp, no network
//! - what [`Job::binds`] names, at fixed places, so that the same bytes come out of every folder

use crate::config::Config;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use sys::namespace::Mount;

/// Begins a line on the job's output that names the phase; nothing else prints this character.
pub(crate) const PHASE_MARK: char = '\u{1}';

/// The exit status with which the sandbox says that it could not be made; its last line says why.
pub(crate) const SANDBOX_FAILED: i32 = 125;

/// A line longer than this is cut into several.
const LONGEST_LINE: usize = 16 * 1024;

/// A folder or file of the host, and where it is seen.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Bind {
    pub from: PathBuf,
    pub to: PathBuf,
    pub writable: bool,
}

impl Bind {
    pub(crate) fn read_only(from: impl Into<PathBuf>, to: impl Into<PathBuf>) -> Bind {
        Bind {
            from: from.into(),
            to: to.into(),
            writable: false,
        }
    }

    pub(crate) fn writable(from: impl Into<PathBuf>, to: impl Into<PathBuf>) -> Bind {
        Bind {
            from: from.into(),
            to: to.into(),
            writable: true,
        }
    }
}

/// What is done inside the sandbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Run the APKBUILD and write its variables to /build/out/variables.json.
    Evaluate(crate::phase::Script),
    /// Run the phases and the split functions and write /build/out/built.json.
    Build(crate::phase::Build),
}

/// A task with all that it may see.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// Any empty folder: the new root is laid out on it, invisible from outside.
    pub staging: PathBuf,
    pub binds: Vec<Bind>,
    /// The whole environment.
    pub environment: Vec<(String, String)>,
    pub task: Task,
}

/// How a job ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// None: a signal ended it.
    pub status: Option<i32>,
}

/// Runs a job to its end and hands on each line that it prints, without the line end. Where `on_line` says `false` the
/// job is ended.
pub(crate) fn run(
    config: &Config,
    job: &Job,
    on_line: &mut dyn FnMut(&str) -> bool,
) -> Result<Ended> {
    let runner = |cause: io::Error| Error::Sandbox(format!("{}: {cause}", config.runner.display()));
    let text = serde_json::to_vec(job).map_err(|cause| Error::Sandbox(cause.to_string()))?;
    let (mut reader, writer) = io::pipe().map_err(runner)?;
    let mut command = Command::new(&config.runner);
    command
        .args(["__phase", "outer"])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(writer.try_clone().map_err(runner)?)
        .stderr(writer);
    let mut child = command.spawn().map_err(runner)?;
    // The command holds the writing ends of the pipe: without this the reader would never see its end.
    drop(command);
    if let Some(mut stdin) = child.stdin.take() {
        // A child that has ended cannot read; what it printed says why.
        let _ = stdin.write_all(&text);
    }
    let mut last = String::new();
    let read = each_line(&mut reader, &mut |line| {
        line.clone_into(&mut last);
        on_line(line)
    });
    if !matches!(read, Ok(true)) {
        let _ = child.kill();
    }
    let status = child.wait().map_err(runner)?;
    read.map_err(runner)?;
    if status.code() == Some(SANDBOX_FAILED) {
        return Err(Error::Sandbox(last));
    }
    Ok(Ended {
        status: status.code(),
    })
}

/// Hands on each line, until there is none or one is answered with `false`. Was it read to the end?
fn each_line(reader: &mut dyn Read, on_line: &mut dyn FnMut(&str) -> bool) -> io::Result<bool> {
    let mut pending = Vec::new();
    let mut buffer = vec![0; 8192];
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for byte in buffer.iter().take(read) {
            if *byte == b'\n' || pending.len() == LONGEST_LINE {
                if !on_line(&String::from_utf8_lossy(&pending)) {
                    return Ok(false);
                }
                pending.clear();
            }
            if *byte != b'\n' {
                pending.push(*byte);
            }
        }
    }
    if !pending.is_empty() {
        on_line(&String::from_utf8_lossy(&pending));
    }
    Ok(true)
}

/// The new root of a job, as the first process inside lays it out.
pub(crate) fn layout(binds: &[Bind]) -> Vec<Mount> {
    let mut mounts = vec![Mount::Bind {
        from: "/usr".into(),
        to: "/usr".into(),
        writable: false,
    }];
    // What was installed by hand is not declared by anybody.
    if Path::new("/usr/local").is_dir() {
        mounts.push(Mount::Tmpfs {
            to: "/usr/local".into(),
            mode: 0o755,
            writable: false,
        });
    }
    for name in ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"] {
        let path = PathBuf::from(name);
        if let Ok(target) = fs::read_link(&path) {
            mounts.push(Mount::Link { to: path, target });
        } else if path.is_dir() {
            mounts.push(Mount::Bind {
                from: path.clone(),
                to: path,
                writable: false,
            });
        }
    }
    for name in [
        "/etc/alternatives",
        "/etc/ld.so.cache",
        "/etc/ld.so.conf",
        "/etc/ld.so.conf.d",
        "/etc/perl",
        "/etc/ssl/openssl.cnf",
    ] {
        let path = PathBuf::from(name);
        if path.exists() {
            mounts.push(Mount::Bind {
                from: path.clone(),
                to: path,
                writable: false,
            });
        }
    }
    let file = |to: &str, contents: &str| Mount::File {
        to: to.into(),
        contents: contents.into(),
    };
    mounts.extend([
        file(
            "/etc/passwd",
            "root:x:0:0:root:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
        ),
        file("/etc/group", "root:x:0:\nnobody:x:65534:\n"),
        file("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
        Mount::Proc { to: "/proc".into() },
        Mount::Dev { to: "/dev".into() },
        Mount::Tmpfs {
            to: "/tmp".into(),
            mode: 0o1777,
            writable: true,
        },
        Mount::Link {
            to: "/var/tmp".into(),
            target: "/tmp".into(),
        },
        Mount::Folder {
            to: "/run".into(),
            mode: 0o755,
        },
    ]);
    mounts.extend(binds.iter().map(|bind| Mount::Bind {
        from: bind.from.clone(),
        to: bind.to.clone(),
        writable: bind.writable,
    }));
    mounts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_and_long_ones_cut() {
        let mut lines = Vec::new();
        let text = [b"a\n\nb".as_slice(), &[b'x'; LONGEST_LINE]].concat();
        each_line(&mut text.as_slice(), &mut |line| {
            lines.push(line.len());
            true
        })
        .unwrap();
        assert_eq!(lines, [1, 0, LONGEST_LINE, 1]);
    }
}
