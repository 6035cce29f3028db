//! Going to the background.

use super::lines::complain;
use std::ffi::OsStr;
use std::path::Path;

/// Runs the rest of a daemon in a child that has a session of its own and no terminal; gives the status for the
/// caller, which ends.
pub fn detach(applet: &str, run: impl FnOnce() -> i32) -> i32 {
    let child = sys::process::fork(|| {
        let _ = rustix::process::setsid();
        let _ = std::env::set_current_dir("/");
        if let Ok(null) = sys::process::open(OsStr::new("/dev/null"), 2, 0) {
            for fd in 0..3 {
                let _ = sys::process::dup2(null, fd);
            }
            if null > 2 {
                let _ = sys::process::close(null);
            }
        }
        run()
    });
    match child {
        Ok(_) => 0,
        Err(error) => {
            complain(applet, OsStr::new("fork"), &error);
            1
        }
    }
}

/// Writes the process' number to a file, replacing it.
///
/// # Errors
/// The system's error.
pub fn write_pid(path: &Path) -> std::io::Result<()> {
    std::fs::write(path, format!("{}\n", std::process::id()))
}
