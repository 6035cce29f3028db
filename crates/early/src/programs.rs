//! Programs that an initramfs for systems in memory holds beside this one: `apk`, and `toolbox` by its applets' names.

use crate::Error;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FOLDERS: [&str; 4] = ["/sbin", "/bin", "/usr/sbin", "/usr/bin"];

/// Where a program lies, if this initramfs has it.
pub fn find(name: &str) -> Option<PathBuf> {
    FOLDERS
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
}

/// Runs a program to its end, with nothing to read; gives what it printed. What it complained of is in the error.
pub fn run(name: &str, arguments: &[&OsStr]) -> Result<Vec<u8>, Error> {
    let program = find(name).ok_or_else(|| Error::NoProgram(name.to_owned()))?;
    let output = Command::new(&program)
        .args(arguments)
        .env("PATH", FOLDERS.join(":"))
        .env("HOME", "/")
        .stdin(Stdio::null())
        .output()
        .map_err(|e| Error::io("start", &program, e))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let mut said = output.stderr;
    if said.trim_ascii().is_empty() {
        said = output.stdout;
    }
    Err(Error::Program {
        name: name.to_owned(),
        said: tail(&said),
    })
}

/// The same, for its effect.
pub fn call(name: &str, arguments: &[&str]) -> Result<(), Error> {
    let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    run(name, &arguments).map(drop)
}

/// The last lines that a program printed, on one line.
fn tail(said: &[u8]) -> String {
    let lines: Vec<&[u8]> = said
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
        .collect();
    let from = lines.len().saturating_sub(4);
    let last: Vec<String> = lines
        .get(from..)
        .unwrap_or_default()
        .iter()
        .map(|line| OsStr::from_bytes(line).to_string_lossy().into_owned())
        .collect();
    if last.is_empty() {
        "it says nothing".to_owned()
    } else {
        last.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_has_what_the_program_said() {
        let said = call(
            "sh",
            &["-c", "for i in 1 2 3 4 5; do echo no $i >&2; done; exit 3"],
        );
        assert_eq!(said.unwrap_err().to_string(), "sh: no 2; no 3; no 4; no 5");
        let silent = call("sh", &["-c", "exit 1"]).unwrap_err();
        assert_eq!(silent.to_string(), "sh: it says nothing");
        assert_eq!(
            run("sh", &[OsStr::new("-c"), OsStr::new("echo x")]).unwrap(),
            b"x\n"
        );
        assert!(matches!(
            call("no-such-program", &[]),
            Err(Error::NoProgram(_))
        ));
    }
}
