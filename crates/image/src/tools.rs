//! Programs of the build host that write what no crate writes well: ext4 and partition tables.

use std::io::Write;
use std::process::{Command, Stdio};

/// A program that failed or is not there.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It could not be started.
    #[error("{program}: {source} (is the package {package} installed?)")]
    Start {
        /// Its name.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// It ended with an error.
    #[error("{program} failed: {message}")]
    Failed {
        /// Its name.
        program: &'static str,
        /// The end of what it printed.
        message: String,
    },
}

/// Runs a program that is found in the usual folders, with `input` on its standard input. Returns what it printed on
/// standard output and on standard error.
pub(crate) fn run(
    program: &'static str,
    package: &'static str,
    epoch: u64,
    arguments: &[&std::ffi::OsStr],
    input: &[u8],
) -> Result<(String, String), ToolError> {
    let start = |source| ToolError::Start {
        program,
        package,
        source,
    };
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .env("E2FSPROGS_FAKE_TIME", epoch.to_string())
        .env("SOURCE_DATE_EPOCH", epoch.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(start)?;
    let mut stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // Both at once: a program that prints much before it has read all would wait for ever.
        scope.spawn(move || {
            if let Some(stdin) = &mut stdin {
                // A program that stops reading says why itself.
                let _ = stdin.write_all(input);
            }
        });
        child.wait_with_output()
    });
    let output = output.map_err(start)?;
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    if output.status.success() {
        return Ok((out, err));
    }
    let text = if err.trim().is_empty() { out } else { err };
    let tail: Vec<&str> = text.lines().rev().take(3).collect();
    let message = tail.into_iter().rev().collect::<Vec<_>>().join("; ");
    Err(ToolError::Failed { program, message })
}
