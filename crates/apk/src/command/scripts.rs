//! Scripts of packages, triggers and commit hooks, run in the root.

use super::complain;
use super::session::Session;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// How scripts are run.
pub struct Runner {
    root: PathBuf,
    /// Out of the root, for tests and for users who may not change it.
    no_chroot: bool,
    /// The environment is theirs, too.
    preserve: bool,
}

impl Runner {
    pub fn new(session: &Session<'_>) -> Runner {
        let given = session.given;
        Runner {
            root: session.root.clone(),
            no_chroot: given.has("force-no-chroot") || session.root == Path::new("/"),
            preserve: given.has("preserve-env"),
        }
    }

    /// For what an interrupted run left to do.
    pub fn plain(root: &Path) -> Runner {
        Runner {
            root: root.to_owned(),
            no_chroot: root == Path::new("/"),
            preserve: false,
        }
    }

    /// Runs a script: `name-version.kind`, its text, its arguments. Returns its exit status.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, name: &str, text: &[u8], arguments: &[String]) -> io::Result<i32> {
        use std::os::unix::fs::OpenOptionsExt;
        let folder = self.root.join("lib/apk/exec");
        fs::create_dir_all(&folder)?;
        let path = folder.join(name);
        let _ = fs::remove_file(&path);
        let written = File::options()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(&path)
            .and_then(|mut file| io::Write::write_all(&mut file, text));
        let (full, script) = name.rsplit_once('.').unwrap_or((name, ""));
        let package = name_of(full);
        let inside = if self.no_chroot {
            path.clone()
        } else {
            Path::new("/lib/apk/exec").join(name)
        };
        let done = written.and_then(|()| self.start(&inside, package, script, arguments));
        let _ = fs::remove_file(&path);
        let _ = fs::remove_dir(&folder);
        done
    }

    /// Runs a program of the root with the environment of scripts.
    fn start(
        &self,
        program: &Path,
        package: &str,
        script: &str,
        arguments: &[String],
    ) -> io::Result<i32> {
        let words: Vec<OsString> = std::iter::once(program.as_os_str().to_owned())
            .chain(arguments.iter().map(OsString::from))
            .collect();
        let own = [
            ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            ("APK_PACKAGE", package),
            ("APK_SCRIPT", script),
        ];
        let mut environment: Vec<OsString> = own
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| format!("{key}={value}").into())
            .collect();
        if self.preserve {
            for (mut key, value) in std::env::vars_os() {
                if own.iter().all(|(known, _)| key != *known) {
                    key.push("=");
                    key.push(value);
                    environment.push(key);
                }
            }
        }
        let (out, from_out) = pipe()?;
        let (err, from_err) = pipe()?;
        let child = sys::process::fork(|| {
            let entered = if self.no_chroot {
                rustix::process::chdir(&self.root)
            } else {
                rustix::process::chroot(&self.root).and_then(|()| rustix::process::chdir("/"))
            };
            if let Err(error) = entered {
                complain(&format!("{}: {error}", self.root.display()));
                return 126;
            }
            let _ = rustix::stdio::dup2_stdout(&out);
            let _ = rustix::stdio::dup2_stderr(&err);
            if let Ok(null) = File::open("/dev/null") {
                let _ = rustix::stdio::dup2_stdin(&null);
            }
            let _ = sys::process::umask(0o022);
            let error = sys::process::exec(program, &words, &environment);
            complain(&format!("{}: {error}", program.display()));
            127
        })?;
        drop((out, err));
        // What belongs to a package stands below its line; triggers and hooks have none.
        let mark = if matches!(script, "trigger" | "pre-commit" | "post-commit") {
            "* "
        } else {
            "  * "
        };
        let hears = std::thread::spawn(move || repeat(from_err, mark, true));
        repeat(from_out, mark, false);
        let _ = hears.join();
        loop {
            match sys::process::wait(sys::process::Which::One(child), true, false) {
                Ok(Some((_, status))) => return Ok(status.code()),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The writing and the reading end.
fn pipe() -> io::Result<(io::PipeWriter, io::PipeReader)> {
    io::pipe().map(|(reader, writer)| (writer, reader))
}

/// `zlib` of `zlib-1.3-r0`.
fn name_of(full: &str) -> &str {
    let before = |text: &str| text.rfind('-').and_then(|at| full.get(..at));
    match before(full) {
        // The release is a part of its own.
        Some(rest)
            if full
                .get(rest.len() + 1..)
                .is_some_and(|end| end.starts_with('r')) =>
        {
            rest.rfind('-')
                .and_then(|at| full.get(..at))
                .unwrap_or(rest)
        }
        Some(rest) => rest,
        None => full,
    }
}

/// Passes on what a script says, a line at a time, with a mark in front.
fn repeat(from: io::PipeReader, mark: &str, errors: bool) {
    use io::{BufRead, Write};
    let mut from = io::BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        match from.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                if line.last() == Some(&b'\n') {
                    line.pop();
                }
                let text = [mark.as_bytes(), line.as_slice(), b"\n"].concat();
                let _ = if errors {
                    io::stderr().lock().write_all(&text)
                } else {
                    io::stdout().lock().write_all(&text)
                };
            }
        }
    }
}

/// Programs of the root that run before and behind each commit.
pub mod hooks {
    use super::super::session::{Failure, Session, failure};
    use super::super::{complain, transaction::mention};
    use super::Runner;
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    /// Runs those of one stage; before a commit, one that fails keeps it from being made.
    pub fn run(session: &Session<'_>, runner: &Runner, stage: &str) -> Result<(), Failure> {
        let given = session.given;
        let off = |option| given.says(option) == Some(false);
        if off("commit-hooks") || off("scripts") {
            return Ok(());
        }
        // One in /etc hides the one of the same name in /lib.
        let mut hooks = BTreeMap::new();
        for folder in ["lib/apk/commit_hooks.d", "etc/apk/commit_hooks.d"] {
            for entry in std::fs::read_dir(session.root.join(folder))
                .into_iter()
                .flatten()
                .flatten()
            {
                let name = entry.file_name();
                if !name.as_encoded_bytes().starts_with(b".") {
                    hooks.insert(name.clone(), Path::new(folder).join(name));
                }
            }
        }
        for (name, hook) in hooks {
            let inside = session.root.join(&hook);
            if !inside
                .metadata()
                .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
            {
                continue;
            }
            let name = name.to_string_lossy().into_owned();
            if !given.has("quiet") && given.level() > 1 {
                mention(&format!("Executing: {} {stage}", hook.display()));
            }
            let program = if runner.no_chroot {
                inside
            } else {
                Path::new("/").join(&hook)
            };
            let status = runner.start(&program, "", stage, &[stage.to_owned()]);
            match status {
                Ok(0) => {}
                Ok(_) | Err(_) if stage == "pre-commit" => {
                    return failure(format!("commit hook {name} failed: nothing was changed"));
                }
                Ok(code) => complain(&format!("commit hook {name}: it ended with {code}")),
                Err(error) => complain(&format!("commit hook {name}: {error}")),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn a_name_is_what_stands_before_the_version() {
        for (full, name) in [
            ("zlib-1.3-r0", "zlib"),
            ("lib-a-1.0", "lib-a"),
            ("r-1", "r"),
            ("odd", "odd"),
        ] {
            assert_eq!(name_of(full), name);
        }
    }
}
