//! What `toolbox` does under its own name: list its applets, explain them, install their names.

use crate::applet::Applet;
use crate::common::lines::{Output, complain, say};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The applets by name, each once.
fn sorted() -> Vec<&'static Applet> {
    let mut all: Vec<&Applet> = crate::applets().collect();
    all.sort_by_key(|applet| applet.name);
    all
}

/// Prints what the program is and what it holds.
pub fn overview() -> i32 {
    let mut out = Output::new();
    out.put(
        b"toolbox: the programs of a small system in one\n\nusage: toolbox APPLET [argument...]\n",
    );
    out.put(b"       toolbox --list | --list-full | --install [-s] [FOLDER] | --help [APPLET]\n\napplets:\n");
    for applet in sorted() {
        out.put(format!("  {:<14}{}\n", applet.name, applet.about).as_bytes());
    }
    out.finish("toolbox", 0, 1)
}

/// Prints an applet's usage.
pub fn help(name: &[u8]) -> i32 {
    if matches!(name, b"busybox" | b"toolbox") {
        return overview();
    }
    let Some(applet) = crate::find(name) else {
        return crate::unknown(name);
    };
    let mut out = Output::new();
    out.put(usage(applet).as_bytes());
    out.finish("toolbox", 0, 1)
}

/// The text of `APPLET --help`.
pub(crate) fn usage(applet: &Applet) -> String {
    format!(
        "{}: {}\n\nusage: {} {}\n",
        applet.name,
        applet.about,
        applet.name,
        applet.usage.trim_end()
    )
}

/// Prints the applets' names, or the paths that they are installed under, from the root.
pub fn list(paths: bool) -> i32 {
    let mut out = Output::new();
    for applet in sorted() {
        if paths {
            out.put(format!("{}/", applet.folder.path()).as_bytes());
        }
        out.put(applet.name.as_bytes());
        out.put_byte(b'\n');
    }
    out.finish("toolbox", 0, 1)
}

/// `--install [-s] [FOLDER]`: a name for each applet, in FOLDER or where it belongs; `-s`: symbolic links.
pub fn install(arguments: &[OsString]) -> i32 {
    let (mut symbolic, mut folder) = (false, None);
    for argument in arguments {
        match argument.as_bytes() {
            b"-s" => symbolic = true,
            bytes if bytes.starts_with(b"-") => {
                say(
                    "toolbox",
                    format!("--install: unknown option {}", argument.display()),
                );
                return 1;
            }
            _ => folder = Some(PathBuf::from(argument)),
        }
    }
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            complain("toolbox", OsStr::new("/proc/self/exe"), &error);
            return 1;
        }
    };
    let mut status = 0;
    for applet in sorted() {
        let place = match &folder {
            Some(folder) => folder.join(applet.name),
            None => Path::new("/").join(applet.folder.path()).join(applet.name),
        };
        let made = if symbolic {
            std::os::unix::fs::symlink(&program, &place)
        } else {
            std::fs::hard_link(&program, &place)
        };
        match made {
            // What has the name already may be the user's own.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                complain("toolbox", place.as_os_str(), &error);
                status = 1;
            }
            _ => {}
        }
    }
    status
}
