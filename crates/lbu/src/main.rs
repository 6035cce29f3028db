//! The `lbu` command.

use lbu::compare::{self, Mark};
use lbu::config::Config;
use lbu::media::Place;
use lbu::store::Store;
use lbu::{Error, changes, lists, overlay};
use lexopt::prelude::*;
use std::ffi::OsString;
use std::io::{BufWriter, IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

const USAGE: &str = "usage: lbu COMMAND [options] [arguments]

commit, ci [-dnv] [MEDIUM]          save what was changed to the medium
status, st [-av] [MEDIUM]           list what changed since the last commit
diff [MEDIUM] [PATH...]             show what changed since the last commit, of these paths or of all
include, inc, add [-rv] PATH...     back these up, too
exclude, ex, delete [-rv] PATH...   do not back these up
include | exclude -l                list them
list, ls                            list what is backed up
list-backup, lb [MEDIUM]            list the older commits
revert ID [MEDIUM]                  make an older commit the one that the next boot takes
package, pkg [-v] [FOLDER|FILE|-]   save what was changed to a file

-d  take overlays of other names away    -n  only tell what would be done
-a  compare with the packages            -r  take off the list
-q  say less                             -v  say more
MEDIUM is a name below /media; /etc/lbu/lbu.conf may set LBU_MEDIA, LBU_BACKUPDIR and BACKUP_LIMIT (3).
ROOT in the environment is the system's root, where it is not /.";

#[derive(Default)]
struct Given {
    all: bool,
    delete: bool,
    list: bool,
    dry_run: bool,
    quiet: bool,
    remove: bool,
    verbose: bool,
    words: Vec<OsString>,
}

enum Failure {
    Usage(String),
    Failed(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Failed(error)
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Failure {
        Failure::Usage(error.to_string())
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(what)) => {
            eprintln!("lbu: {what}\n\n{USAGE}");
            ExitCode::FAILURE
        }
        Err(Failure::Failed(error)) => {
            eprintln!("lbu: ERROR: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("hint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let mut given = Given::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => {
                say(USAGE);
                return Ok(());
            }
            Short('a') => given.all = true,
            Short('d') => given.delete = true,
            Short('l') => given.list = true,
            Short('n') => given.dry_run = true,
            Short('q') => given.quiet = true,
            Short('r') => given.remove = true,
            Short('v') => given.verbose = true,
            Short(letter @ ('e' | 'p')) => {
                return Err(Error::Encryption(format!("-{letter}")).into());
            }
            Value(word) => given.words.push(word),
            other => return Err(other.unexpected().into()),
        }
    }
    if given.words.is_empty() {
        return Err(Failure::Usage("a command is missing".into()));
    }
    let command = given.words.remove(0);
    let root = std::env::var_os("ROOT").filter(|root| !root.is_empty());
    let root = PathBuf::from(root.unwrap_or_else(|| "/".into()));
    let lbu = Lbu {
        host: host(&root)?,
        config: Config::read(&root)?,
        root,
        given,
    };
    match command.to_str() {
        Some("commit" | "ci") => lbu.commit(),
        Some("status" | "stat" | "st") => lbu.status(),
        Some("diff") => lbu.diff(),
        Some("include" | "inc" | "add") => lbu.change_list(b'+', b'-'),
        Some("exclude" | "ex" | "delete") => lbu.change_list(b'-', b'+'),
        Some("list" | "ls") => lbu.list(),
        Some("list-backup" | "lb") => lbu.list_backup(),
        Some("revert") => lbu.revert(),
        Some("package" | "pkg") => lbu.package(),
        _ => Err(Failure::Usage(format!(
            "{}: no such command",
            command.display()
        ))),
    }
}

/// A line on standard output. A reader that has gone away ends the program, as it does others.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{text}").is_err() {
        sys::process::exit_now(1);
    }
}

/// The host's name: the kernel's, or that of another root.
fn host(root: &Path) -> Result<String, Error> {
    if root != Path::new("/") {
        let path = root.join("etc/hostname");
        let text = std::fs::read_to_string(&path).map_err(|source| Error::Io { path, source })?;
        return Ok(text.trim().to_owned());
    }
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy();
    // It becomes a file's name.
    Ok(name.replace('/', "-"))
}

struct Lbu {
    root: PathBuf,
    host: String,
    config: Config,
    given: Given,
}

impl Lbu {
    fn words(&self, most: usize) -> Result<Vec<&str>, Failure> {
        if self.given.words.len() > most {
            return Err(Failure::Usage("too many arguments".into()));
        }
        self.given
            .words
            .iter()
            .map(|word| {
                let wrong =
                    || Failure::Usage(format!("{}: no name of a medium or backup", word.display()));
                word.to_str().ok_or_else(wrong)
            })
            .collect()
    }

    fn place(&self, named: Option<&str>, write: bool) -> Result<(Place, Store), Failure> {
        let place = Place::open(&self.root, &self.config, named, write)?;
        let store = Store::new(&place.folder, &self.host);
        Ok((place, store))
    }

    fn commit(&self) -> Result<(), Failure> {
        let words = self.words(1)?;
        let (_place, store) = self.place(words.first().copied(), !self.given.dry_run)?;
        let others = store.others()?;
        if !others.is_empty() && !self.given.delete {
            return Err(Error::Others {
                medium: _place.folder.clone(),
                names: others,
            }
            .into());
        }
        self.hooks("pre-package.d")?;
        let changes = changes::find(&self.root)?;
        let current = store.current();
        let old = current.exists().then_some(current.as_path());
        // An overlay that cannot be read is replaced, whatever it held.
        let marks = compare::status(&self.root, old, &changes).or_else(|error| match error {
            Error::Overlay { .. } => compare::status(&self.root, None, &changes),
            error => Err(error),
        })?;
        if self.given.verbose || self.given.dry_run {
            print_marks(&marks);
        }
        if self.given.dry_run {
            return Ok(());
        }
        if marks.is_empty() && old.is_some() {
            self.tell(&format!("{}: nothing changed", current.display()));
        } else {
            let saved = store.put(self.config.kept, &mut |out| {
                overlay::write(&self.root, &changes, out).map(drop)
            })?;
            self.tell(&format!("{}: saved", current.display()));
            if let Some(saved) = saved {
                self.tell(&format!("the one before is {saved}"));
            }
        }
        store.remove(&others)?;
        self.hooks("post-package.d")?;
        Ok(())
    }

    fn tell(&self, text: &str) {
        if !self.given.quiet {
            say(text);
        }
    }

    fn status(&self) -> Result<(), Failure> {
        let words = self.words(1)?;
        let changes = changes::find(&self.root)?;
        let marks = if self.given.all {
            compare::status(&self.root, None, &changes)?
        } else {
            let (_place, store) = self.place(words.first().copied(), false)?;
            let current = store.current();
            let old = current.exists().then_some(current.as_path());
            compare::status(&self.root, old, &changes)?
        };
        if self.given.verbose {
            for (what, mark) in [("included", b'+'), ("excluded", b'-')] {
                for path in lists::listed(&self.root, mark)? {
                    say(&format!("{what}: {}", path.display()));
                }
            }
        }
        print_marks(&marks);
        Ok(())
    }

    fn diff(&self) -> Result<(), Failure> {
        let mut words = self.given.words.iter();
        let mut medium = None;
        // A name below /media is a medium; `./NAME` is a path.
        if let Some(first) = self.given.words.first().and_then(|word| word.to_str())
            && !first.contains('/')
            && self.root.join("media").join(first).is_dir()
        {
            medium = Some(first);
            words.next();
        }
        let only: Vec<PathBuf> = words.map(|word| lists::normal(word)).collect();
        let (_place, store) = self.place(medium, false)?;
        let current = store.current();
        let old = current.exists().then_some(current.as_path());
        let changes = changes::find(&self.root)?;
        compare::diff(&self.root, old, &changes, &only)?;
        Ok(())
    }

    fn change_list(&self, add: u8, remove: u8) -> Result<(), Failure> {
        if self.given.list {
            for path in lists::listed(&self.root, add)? {
                say(&path.display().to_string());
            }
            return Ok(());
        }
        if self.given.words.is_empty() {
            return Err(Failure::Usage("a path is missing".into()));
        }
        let paths: Vec<PathBuf> = self.given.words.iter().map(PathBuf::from).collect();
        let done = if self.given.remove {
            lists::change(&self.root, &paths, None, &[add])?
        } else {
            lists::change(&self.root, &paths, Some(add), &[remove])?
        };
        if self.given.verbose {
            done.iter().for_each(|line| say(line));
        }
        Ok(())
    }

    fn list(&self) -> Result<(), Failure> {
        for change in changes::find(&self.root)? {
            say(&change.path.display().to_string());
        }
        Ok(())
    }

    fn list_backup(&self) -> Result<(), Failure> {
        let words = self.words(1)?;
        let (_place, store) = self.place(words.first().copied(), false)?;
        store.backups()?.iter().for_each(|name| say(name));
        Ok(())
    }

    fn revert(&self) -> Result<(), Failure> {
        let words = self.words(2)?;
        let Some(wanted) = words.first() else {
            return Err(Failure::Usage("revert: a backup's name is missing".into()));
        };
        let (_place, store) = self.place(words.get(1).copied(), true)?;
        let name = store.revert(wanted, self.config.kept)?;
        self.tell(&format!("the next boot takes what was {name}"));
        Ok(())
    }

    fn package(&self) -> Result<(), Failure> {
        if self.given.words.len() > 1 {
            return Err(Failure::Usage("too many arguments".into()));
        }
        self.hooks("pre-package.d")?;
        let changes = changes::find(&self.root)?;
        if self.given.verbose {
            for change in &changes {
                eprintln!("{}", change.path.display());
            }
        }
        let target = PathBuf::from(
            self.given
                .words
                .first()
                .cloned()
                .unwrap_or_else(|| ".".into()),
        );
        let bad = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Io { path, source }
        };
        if target == Path::new("-") {
            let out = std::io::stdout();
            if out.is_terminal() {
                return Err(Failure::Usage(
                    "package -: an overlay does not go to a terminal".into(),
                ));
            }
            let mut out = overlay::write(&self.root, &changes, BufWriter::new(out.lock()))?;
            out.flush().map_err(bad(Path::new("standard output")))?;
        } else if target.is_dir() {
            // None is kept: a folder that is named once is not where backups pile up.
            let store = Store::new(&target, &self.host);
            store.put(0, &mut |out| {
                overlay::write(&self.root, &changes, out).map(drop)
            })?;
            self.tell(&format!("{}: saved", store.current().display()));
        } else {
            let file = std::fs::File::create(&target).map_err(bad(&target))?;
            let out = overlay::write(&self.root, &changes, BufWriter::new(file))?;
            let file = out
                .into_inner()
                .map_err(|error| bad(&target)(error.into_error()))?;
            if file.metadata().is_ok_and(|meta| meta.is_file()) {
                file.sync_all().map_err(bad(&target))?;
            }
            self.tell(&format!("{}: saved", target.display()));
        }
        self.hooks("post-package.d")?;
        Ok(())
    }

    /// Runs the scripts in a folder below /etc/lbu, by their names' order, as run-parts does.
    fn hooks(&self, folder: &str) -> Result<(), Error> {
        let folder = self.root.join("etc/lbu").join(folder);
        let mut scripts: Vec<PathBuf> = std::fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| {
                let name = entry.file_name();
                name.to_str().is_some_and(|name| {
                    name.chars()
                        .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
                })
            })
            .map(|entry| entry.path())
            .filter(|path| {
                path.metadata()
                    .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
            })
            .collect();
        scripts.sort();
        for path in scripts {
            let status = Command::new(&path)
                .stdin(Stdio::null())
                // Standard output may be the overlay's.
                .stdout(Stdio::from(std::io::stderr()))
                .status()
                .map_err(|source| Error::Io {
                    path: path.clone(),
                    source,
                })?;
            if !status.success() {
                let status = status.code().unwrap_or(128);
                return Err(Error::Hook { path, status });
            }
        }
        Ok(())
    }
}

fn print_marks(marks: &std::collections::BTreeMap<PathBuf, Mark>) {
    for (path, mark) in marks {
        say(&format!("{} {}", mark.letter(), path.display()));
    }
}
