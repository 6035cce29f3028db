//! What an apk that was killed left behind: finished or undone by the next one that may write, whatever its command is.

use super::options::Given;
use super::scripts::Runner;
use super::session::{Failure, Lock, cause, take_lock};
use super::{say, show_progress, warn};
use apk::commit::{Commit, Event, Logged, Policy, Recovered, is_pending, recover};
use apk::journal::FOLDER;
use apk::keys::KeyRing;
use std::fs;
use std::path::Path;
use sys::fs::Root;

/// What differs from one start of the machine to the next. Where the kernel does not tell, no two runs are alike, and
/// scripts of an interrupted one run again.
pub fn boot() -> String {
    match fs::read_to_string("/proc/sys/kernel/random/boot_id") {
        Ok(text) => text.trim().to_owned(),
        Err(_) => format!("{} {}", std::process::id(), now()),
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

/// Finishes or undoes what was interrupted. `lock`: it is held already.
pub fn run(
    given: &Given,
    root: &Path,
    fs: &Root,
    lock: bool,
) -> Result<Option<Recovered>, Failure> {
    if !is_pending(fs) {
        return Ok(None);
    }
    let _held = if lock {
        None
    } else {
        match take_lock(&root.join(FOLDER).join("lock"), 0) {
            Ok(Lock::Held(file)) => Some(file),
            // It is not interrupted: that one works on it.
            Ok(Lock::Busy) => return Ok(None),
            Err(error) => {
                warn(&format!(
                    "an interrupted transaction cannot be finished here: {error}\nhint: any apk command does it that may write to the root"
                ));
                return Ok(None);
            }
        }
    };
    // It may just have ended.
    if !is_pending(fs) {
        return Ok(None);
    }
    let keys = KeyRing::default();
    let policy = Policy {
        journal: Some(Logged {
            boot: boot(),
            ..Logged::default()
        }),
        ..Policy::default()
    };
    let quiet = given.has("quiet");
    let done = recover(&mut Commit {
        fs,
        keys: &keys,
        policy: &policy,
        run_script: &mut |name, text, arguments| Runner::plain(root).run(name, text, arguments),
        event: &mut |event| match event {
            Event::Recovery(text) | Event::Warning(text) => warn(&text),
            // Standard output is the command's own.
            Event::Script(text) if !quiet => show_progress(&format!("{text}\n")),
            Event::Script(_) | Event::Package { .. } => {}
        },
    });
    done.map_err(|error| {
        Failure::Say(format!(
            "an interrupted transaction can be neither finished nor undone: {error}\nhint: nothing is lost: the next apk tries again"
        ))
    })
}

/// `apk recover`
pub fn command(given: &Given) -> Result<u8, Failure> {
    let root = given.value("root").map_or(Path::new("/"), Path::new);
    let fs = Root::open(root)
        .map_err(|error| Failure::Say(format!("{}: {}", root.display(), cause(&error))))?;
    match run(given, root, &fs, false)? {
        Some(_) => {}
        None if is_pending(&fs) => return Ok(1),
        None if given.has("verbose") => say("no transaction was interrupted"),
        None => {}
    }
    Ok(0)
}
