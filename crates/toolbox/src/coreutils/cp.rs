//! `cp`, `mv` (POSIX.1-2024) and `install`, with GNU's usual options.

use crate::common::accounts::{self, Accounts};
use crate::common::copying::{self, Copier};
use crate::common::lines::{complain, say, say_out};
use crate::common::options::{Given, Options};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

pub const USAGE: &str = "[-aRrdPLHpfinuvlsT] [-t FOLDER] source... target

-R -r  folders with all that is in them    -a  all of it as it is: -dpR
-d -P  links as links    -L  what links lead to    -H  only for those named
-p  keep mode, owner and times    -f  replace what cannot be opened    -i  ask    -n  keep what is there
--parents  with the folders that the source's name has    -u  only what is newer    -l  hard links instead    -s  symbolic links instead
-t  into this folder    -T  the target is no folder    -v  say what is done";
pub const MV_USAGE: &str = "[-finvuT] [-t FOLDER] source... target

-f  do not ask    -i  ask before replacing    -n  keep what is there    -u  only what is newer
-t  into this folder    -T  the target is no folder    -v  say what is done";
pub const INSTALL_USAGE: &str =
    "[-cdDpsvT] [-o USER] [-g GROUP] [-m MODE] [-t FOLDER] source... target | -d folder...

-d  make folders    -D  make the folders above the target    -m  the mode (755)
-o  the owner    -g  the group    -p  keep the times    -v  say what is done";

/// `cp`
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "cp",
        letters: "aRrdPLHpfinuvlsTt:cx1",
        long: &[
            ("archive", 'a'),
            ("recursive", 'R'),
            ("no-dereference", 'P'),
            ("dereference", 'L'),
            ("force", 'f'),
            ("interactive", 'i'),
            ("no-clobber", 'n'),
            ("update", 'u'),
            ("verbose", 'v'),
            ("link", 'l'),
            ("symbolic-link", 's'),
            ("target-directory", 't'),
            ("no-target-directory", 'T'),
            ("parents", '1'),
        ],
    };
    // `--preserve=…` has no letter.
    let words: Vec<OsString> = arguments
        .iter()
        .map(|word| match word.to_str() {
            Some("--preserve") => "-p".into(),
            Some(text) if text.starts_with("--preserve=") => "-p".into(),
            _ => word.clone(),
        })
        .collect();
    let given = match options.parse(&words) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let recursive = given.has('R') || given.has('r') || given.has('a');
    let links = given.last_of("dPLa");
    let mut copier = Copier {
        applet: "cp",
        recursive,
        keep_links: match links {
            Some('L') => false,
            Some(_) => true,
            None => recursive,
        },
        follow_named: given.has('H'),
        same_files: given.has('d') || given.has('a'),
        preserve: given.has('p') || given.has('a'),
        force: given.has('f'),
        ask: given.last_of("fin") == Some('i'),
        keep_old: given.last_of("fin") == Some('n'),
        update: given.has('u'),
        verbose: given.has('v'),
        hard: given.has('l'),
        symbolic: given.has('s'),
        ..Copier::default()
    };
    if given.has('1') {
        return parents(&given, &mut copier);
    }
    let targets = copying::targets("cp", &given.operands, given.value('t'), given.has('T'));
    match targets {
        Ok(targets) => {
            for (from, to) in targets {
                copier.copy(from, &to);
            }
            copier.status
        }
        Err(status) => status,
    }
}

/// `--parents`: below the target, each source has the folders that it is named with.
fn parents(given: &Given, copier: &mut Copier) -> i32 {
    let (folder, sources) = match (given.value('t'), given.operands.split_last()) {
        (Some(folder), _) => (folder, given.operands.as_slice()),
        (None, Some((folder, sources))) if !sources.is_empty() => (folder.as_os_str(), sources),
        _ => {
            say("cp", "missing operand");
            return 1;
        }
    };
    let folder = Path::new(folder);
    if !folder.is_dir() {
        say("cp", format!("{}: Not a directory", folder.display()));
        return 1;
    }
    for source in sources {
        let source = Path::new(source);
        let to = folder.join(source.strip_prefix("/").unwrap_or(source));
        if let Some(above) = to.parent()
            && let Err(error) = fs::create_dir_all(above)
        {
            complain("cp", above.as_os_str(), &error);
            copier.status = 1;
            continue;
        }
        copier.copy(source, &to);
    }
    copier.status
}

/// `mv`
pub fn mv(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "mv",
        letters: "finuvTt:",
        long: &[
            ("force", 'f'),
            ("interactive", 'i'),
            ("no-clobber", 'n'),
            ("update", 'u'),
            ("verbose", 'v'),
            ("target-directory", 't'),
            ("no-target-directory", 'T'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let targets = match copying::targets("mv", &given.operands, given.value('t'), given.has('T')) {
        Ok(targets) => targets,
        Err(status) => return status,
    };
    let mode = given.last_of("fin");
    let mut status = 0;
    for (from, to) in targets {
        if let (Ok(there), Ok(here)) = (to.symlink_metadata(), from.symlink_metadata()) {
            if (there.dev(), there.ino()) == (here.dev(), here.ino()) && from != to {
                // Two names of one file: rename(2) would do nothing.
                if there.nlink() > 1 && !there.is_dir() {
                    if let Err(error) = fs::remove_file(from) {
                        complain("mv", from.as_os_str(), &error);
                        status = 1;
                    }
                    continue;
                }
            }
            if mode == Some('n') || given.has('u') && there.mtime() >= here.mtime() {
                continue;
            }
            // POSIX: ask where the target may not be written and somebody is there to answer.
            let protected = rustix::fs::access(&to, rustix::fs::Access::WRITE_OK).is_err()
                && !there.is_symlink()
                && rustix::termios::isatty(rustix::stdio::stdin());
            if (mode == Some('i') || mode.is_none() && protected) && !copying::asked("mv", &to) {
                continue;
            }
        }
        if given.has('v') {
            say_out(&format!("'{}' -> '{}'", from.display(), to.display()));
        }
        match fs::rename(from, &to) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(18) => {
                if !across(from, &to) {
                    status = 1;
                }
            }
            Err(error) => {
                let what = if from.symlink_metadata().is_err() {
                    from.as_os_str().to_owned()
                } else {
                    to.as_os_str().to_owned()
                };
                complain("mv", &what, &error);
                status = 1;
            }
        }
    }
    status
}

/// To another file system: a copy, and then the old one goes.
fn across(from: &Path, to: &Path) -> bool {
    if to.symlink_metadata().is_ok_and(|meta| !meta.is_dir())
        && let Err(error) = fs::remove_file(to)
    {
        complain("mv", to.as_os_str(), &error);
        return false;
    }
    let mut copier = Copier {
        applet: "mv",
        recursive: true,
        keep_links: true,
        preserve: true,
        force: true,
        ..Copier::default()
    };
    copier.copy(from, to);
    if copier.status != 0 {
        return false;
    }
    let folder = from.symlink_metadata().is_ok_and(|meta| meta.is_dir());
    let removed = if folder {
        fs::remove_dir_all(from)
    } else {
        fs::remove_file(from)
    };
    if let Err(error) = removed {
        complain("mv", from.as_os_str(), &error);
        return false;
    }
    true
}

/// `install`
pub fn install(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "install",
        letters: "cdDpsvTo:g:m:t:",
        long: &[
            ("directory", 'd'),
            ("preserve-timestamps", 'p'),
            ("strip", 's'),
            ("owner", 'o'),
            ("group", 'g'),
            ("mode", 'm'),
            ("target-directory", 't'),
            ("verbose", 'v'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let accounts = Accounts::system();
    let id = |text: &OsStr, user: bool| {
        let name = text.as_encoded_bytes();
        accounts::number(name).or_else(|| {
            if user {
                accounts.user(name).ok().flatten().map(|user| user.uid)
            } else {
                accounts.group(name).ok().flatten().map(|group| group.gid)
            }
        })
    };
    let mut owner = (None, None);
    for (letter, user) in [('o', true), ('g', false)] {
        if let Some(text) = given.value(letter) {
            let Some(number) = id(text, user) else {
                let kind = if user { "user" } else { "group" };
                return options.wrong(&format!("unknown {kind} {}", text.display()));
            };
            if user {
                owner.0 = Some(number);
            } else {
                owner.1 = Some(number);
            }
        }
    }
    let mode = match given.value('m') {
        None => 0o755,
        Some(text) => match super::chmod::Change::parse(text.as_encoded_bytes()) {
            Some(change) => change.apply(0, given.has('d'), 0),
            None => return options.wrong(&format!("invalid mode '{}'", text.display())),
        },
    };
    let finish = |path: &Path| -> std::io::Result<()> {
        if owner != (None, None) {
            std::os::unix::fs::chown(path, owner.0, owner.1)?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    };
    let mut status = 0;
    let mut failed = |path: &Path, error: &std::io::Error| {
        complain("install", path.as_os_str(), error);
        status = 1;
    };
    if given.has('d') {
        for word in &given.operands {
            let path = Path::new(word);
            if let Err(error) = fs::create_dir_all(path).and_then(|()| finish(path)) {
                failed(path, &error);
            }
        }
        return status;
    }
    if given.has('D') {
        let above = match (given.value('t'), given.operands.last()) {
            (Some(folder), _) => Some(Path::new(folder)),
            (None, Some(last)) => Path::new(last).parent(),
            _ => None,
        };
        if let Some(above) = above.filter(|above| !above.as_os_str().is_empty())
            && let Err(error) = fs::create_dir_all(above)
        {
            failed(above, &error);
            return status;
        }
    }
    let targets =
        match copying::targets("install", &given.operands, given.value('t'), given.has('T')) {
            Ok(targets) => targets,
            Err(status) => return status,
        };
    for (from, to) in targets {
        if given.has('v') {
            say_out(&format!("'{}' -> '{}'", from.display(), to.display()));
        }
        if from.is_dir() {
            say("install", format!("'{}' is a folder", from.display()));
            status = 1;
            continue;
        }
        // A running program is replaced, not written over.
        let _ = fs::remove_file(&to);
        let done = fs::File::open(from).and_then(|mut input| {
            let meta = input.metadata()?;
            let mut output = fs::File::create_new(&to)?;
            copying::contents(&mut input, &mut output)?;
            drop(output);
            if given.has('p') {
                copying::keep(&to, &meta)?;
            }
            finish(&to)
        });
        if let Err(error) = done {
            complain("install", to.as_os_str(), &error);
            status = 1;
        }
    }
    status
}
