//! The multi-call userland: one module an applet, grouped as BusyBox groups them.
//!
//! - [`applet`]: what an applet is; every group has a table of its own, and [`applets`] walks them all
//! - the groups ([`coreutils`], [`util_linux`], …): one file an applet, each with a header that names the
//!   standard it follows and the options that it takes
//! - [`common`]: what applets share. Applets never call each other: what two of them need goes there
//!
//! An applet gets its arguments (`args[0]` is its name), works on file descriptors 0, 1 and 2, and returns its
//! exit status. It may be run in a forked child of the shell, so it must not count on being alone at start-up.

pub mod applet;
pub mod archival;
pub mod common;
pub mod console;
pub mod coreutils;
pub mod debianutils;
pub mod e2fsprogs;
pub mod editors;
pub mod findutils;
pub mod init;

pub mod login;
pub mod misc;
pub mod modutils;
pub mod networking;
pub mod own;
pub mod procps;
pub mod regex;
pub mod shells;
pub mod sysklogd;
pub mod util_linux;

use applet::Applet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// Every group's table, in the order of the groups' names.
static GROUPS: [&[Applet]; 16] = [
    archival::APPLETS,
    console::APPLETS,
    coreutils::APPLETS,
    debianutils::APPLETS,
    e2fsprogs::APPLETS,
    editors::APPLETS,
    findutils::APPLETS,
    init::APPLETS,
    login::APPLETS,
    misc::APPLETS,
    modutils::APPLETS,
    networking::APPLETS,
    procps::APPLETS,
    shells::APPLETS,
    sysklogd::APPLETS,
    util_linux::APPLETS,
];

/// All applets, group by group.
pub fn applets() -> impl Iterator<Item = &'static Applet> {
    GROUPS.iter().flat_map(|group| group.iter())
}

/// The applet of that name.
pub fn find(name: &[u8]) -> Option<&'static Applet> {
    applets().find(|applet| applet.name.as_bytes() == name)
}

/// Runs an applet; `--help` alone is answered here for all of them.
pub fn run(applet: &Applet, arguments: &[OsString]) -> i32 {
    // What a program prints must not depend on how it was found. To these it is a word like others.
    if arguments.len() == 2
        && !matches!(applet.name, "test" | "[" | "[[" | "echo" | "true" | "false")
        && arguments
            .get(1)
            .is_some_and(|word| word.as_bytes() == b"--help")
    {
        return own::help(applet.name.as_bytes());
    }
    (applet.run)(arguments)
}

/// Says that there is no such applet; 127, as shells have it.
pub fn unknown(name: &[u8]) -> i32 {
    common::lines::say(&String::from_utf8_lossy(name), "applet not found");
    127
}

/// How the shell finds applets: they run in a forked child, without exec, or, the cheap ones, in the shell itself.
pub fn lookup(name: &[u8]) -> Option<shell::Applet> {
    find(name).map(|_| shell::Applet {
        run: in_shell,
        unseen,
    })
}

fn in_shell(arguments: &[OsString]) -> i32 {
    let called = arguments.first().map_or(&b""[..], |word| word.as_bytes());
    let name = called.strip_prefix(b"-").unwrap_or(called);
    let name = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name);
    match find(name) {
        Some(applet) => run(applet, arguments),
        None => unknown(name),
    }
}

/// Which applets need no process. None of these reads the standard input, and what they print goes through
/// [`common::lines::Output`], which keeps nothing from one run to the next.
fn unseen(arguments: &[Vec<u8>]) -> shell::Unseen {
    let Some((name, words)) = arguments.split_first() else {
        return shell::Unseen::No;
    };
    let options: Vec<u8> = words
        .iter()
        .filter(|word| word.starts_with(b"-"))
        .flatten()
        .copied()
        .collect();
    match name.as_slice() {
        b"basename" | b"dirname" | b"expr" | b"readlink" | b"realpath" | b"uname" => {
            shell::Unseen::Prints
        }
        b"mkdir" | b"rmdir" | b"ln" | b"chmod" | b"touch"
            if options.iter().all(|letter| b"-pfsn".contains(letter)) =>
        {
            shell::Unseen::Silent
        }
        // Without -f it may ask.
        b"rm"
            if options.contains(&b'f') && options.iter().all(|letter| b"-rRf".contains(letter)) =>
        {
            shell::Unseen::Silent
        }
        _ => shell::Unseen::No,
    }
}
