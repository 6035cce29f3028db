//! What the package manager left half done when the machine went down is finished or undone before anything is started
//! from it: `apk recover`, where its journal (docs/formats/journal.md) is there.

use super::setup;
use crate::layout::Layout;
use crate::message::{Level, Style};
use rustix::mount::{MountFlags, mount_remount};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use sys::{init, process};

/// The files of which each says that a transaction did not end.
const JOURNALS: [&str; 4] = [
    "/lib/apk/db/journal",
    "/lib/apk/db/journal.undo",
    "/lib/apk/db/journal.staging",
    "/lib/apk/db/journal.done",
];
const APK: &str = "/sbin/apk";
/// How long it may take; its packages' scripts among it.
const PATIENCE: Duration = Duration::from_secs(600);

/// Whether there is something to finish, and somebody to do it.
pub fn is_pending(layout: &Layout) -> bool {
    let there = |path: &&str| layout.path(path).symlink_metadata().is_ok();
    JOURNALS.iter().any(there) && layout.path(APK).is_file()
}

/// Has it done, in a child. The root is made writable for as long as that takes.
pub fn spawn(layout: &Layout) -> io::Result<process::Pid> {
    let apk: PathBuf = layout.path(APK);
    process::fork(|| {
        init::forget_crash_handler();
        process::unblock_signals();
        process::reset_sigpipe();
        let _ = process::set_group(0, 0);
        let style = Style::default();
        style.say(
            Level::Warn,
            "init: packages were being changed when the machine went down",
        );
        let was_read_only = rustix::fs::statvfs("/")
            .is_ok_and(|root| root.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY));
        if was_read_only && let Err(error) = mount_remount("/", MountFlags::empty(), "") {
            style.say(Level::Error, &format!("init: /: {error}"));
            return 1;
        }
        let status = run(&apk, &style);
        if was_read_only {
            rustix::fs::sync();
            // Where it stays writable, it is as the boot makes it later.
            let _ = mount_remount("/", MountFlags::RDONLY, "");
        }
        status
    })
}

fn run(apk: &Path, style: &Style) -> i32 {
    let words: Vec<OsString> = vec!["apk".into(), "recover".into()];
    let child = process::fork(|| {
        let error = process::exec(apk, &words, &setup::environment());
        style.say(Level::Error, &format!("init: {}: {error}", apk.display()));
        127
    });
    let Ok(child) = child else { return 1 };
    if !crate::daemon::wait_gone(child, PATIENCE) {
        style.say(Level::Error, "init: apk recover took too long");
        // It can be killed at any point, and goes on the next time.
        let _ = process::kill(child, 9);
    }
    match process::wait(process::Which::One(child), true, false) {
        Ok(Some((_, status))) => status.code(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn apk_is_called_where_it_left_a_journal() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        fs::create_dir_all(layout.path("/sbin")).unwrap();
        fs::create_dir_all(layout.path("/lib/apk/db")).unwrap();
        assert!(!is_pending(&layout));
        fs::write(layout.path("/lib/apk/db/journal.undo"), "").unwrap();
        // Without apk there is nobody to do it.
        assert!(!is_pending(&layout));
        let told = root.path().join("told");
        let apk = layout.path(APK);
        fs::write(
            &apk,
            format!("#!/bin/sh\necho \"$@\" >{}\nexit 7\n", told.display()),
        )
        .unwrap();
        fs::set_permissions(&apk, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(is_pending(&layout));
        let child = spawn(&layout).unwrap();
        let (_, status) = process::wait(process::Which::One(child), true, false)
            .unwrap()
            .unwrap();
        assert_eq!(status.code(), 7);
        assert_eq!(fs::read(told).unwrap(), b"recover\n");
    }
}
