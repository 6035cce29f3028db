//! What needs a terminal, on one of the test's own.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by ending")]

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

/// A terminal: the end that a person would sit at, and the other one.
fn terminal() -> (OwnedFd, File) {
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&near).unwrap();
    unlockpt(&near).unwrap();
    let name = ptsname(&near, Vec::new()).unwrap();
    let path = std::ffi::OsStr::from_bytes(name.as_bytes());
    let far = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    (near, far)
}

fn stty(far: &File, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_toolbox"))
        .arg0("stty")
        .args(words)
        .stdin(far.try_clone().unwrap())
        .output()
        .unwrap()
}

fn text(far: &File, words: &[&str]) -> String {
    let output = stty(far, words);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn modes_are_shown_as_busybox_shows_them() {
    let (_near, far) = terminal();
    text(
        &far,
        &[
            "sane", "rows", "24", "cols", "80", "38400", "-hupcl", "-iutf8", "-imaxbel", "-brkint",
        ],
    );
    assert_eq!(
        text(&far, &["-a"]),
        "speed 38400 baud; rows 24; columns 80; line = 0;\n\
         intr = ^C; quit = ^\\; erase = ^?; kill = ^U; eof = ^D; eol = <undef>;\n\
         eol2 = <undef>; swtch = <undef>; start = ^Q; stop = ^S; susp = ^Z; rprnt = ^R;\n\
         werase = ^W; lnext = ^V; flush = ^O; min = 1; time = 0;\n\
         -parenb -parodd -cmspar cs8 -hupcl -cstopb cread -clocal -crtscts\n\
         -ignbrk -brkint -ignpar -parmrk -inpck -istrip -inlcr -igncr icrnl ixon -ixoff\n\
         -iuclc -ixany -imaxbel -iutf8\n\
         opost -olcuc -ocrnl onlcr -onocr -onlret -ofill -ofdel nl0 cr0 tab0 bs0 vt0 ff0\n\
         isig icanon iexten echo echoe echok -echonl -noflsh -xcase -tostop -echoprt\n\
         echoctl echoke -flusho -extproc\n"
    );
    assert!(text(&far, &[]).ends_with("time = 0;\n-brkint -imaxbel\n"));
}

#[test]
fn modes_are_set_and_brought_back() {
    let (_near, far) = terminal();
    let before = text(&far, &["-g"]);
    assert_eq!(before.trim_end().split(':').count(), 36);
    text(
        &far,
        &[
            "raw", "-echo", "intr", "^X", "erase", "undef", "min", "5", "9600",
        ],
    );
    let raw = text(&far, &["-a"]);
    assert!(raw.starts_with("speed 9600 baud;"), "{raw}");
    for word in [
        "intr = ^X;",
        "erase = <undef>;",
        "-icanon",
        " -echo ",
        "-opost",
    ] {
        assert!(raw.contains(word), "{word}: {raw}");
    }
    text(&far, &[before.trim_end()]);
    assert_eq!(text(&far, &["-g"]), before);
    text(&far, &["rows", "33", "cols", "99"]);
    assert_eq!(text(&far, &["size"]), "33 99\n");
    text(&far, &["ispeed", "9600", "ospeed", "9600"]);
    assert_eq!(text(&far, &["speed"]), "9600\n");
}

#[test]
fn what_is_wrong_changes_nothing() {
    let (_near, far) = terminal();
    let before = text(&far, &["-g"]);
    for (words, error) in [
        (&["-echo", "bogus"][..], "invalid argument 'bogus'"),
        (&["-echo", "-cs8"], "invalid argument '-cs8'"),
        (&["-echo", "intr"], "missing argument to 'intr'"),
        (&["-echo", "intr", "xy"], "invalid number 'xy'"),
        (&["-echo", "min", "256"], "invalid number '256'"),
        (&["-a", "-g"], "-a and -g cannot be given together"),
        (&["1:2:3"], "invalid argument '1:2:3'"),
    ] {
        let output = stty(&far, words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert_eq!(
            String::from_utf8(output.stderr).unwrap(),
            format!("stty: {error}\n")
        );
    }
    assert_eq!(text(&far, &["-g"]), before);
    let none = File::open("/dev/null").unwrap();
    let output = stty(&none, &[]);
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "stty: standard input: Inappropriate ioctl for device\n"
    );
}
