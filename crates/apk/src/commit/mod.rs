//! Changing a root: all of a transaction or nothing of it.
//!
//! ```text
//! packages ─[ahead]─[stage]─▶ new files beside their places ┐
//!                                                      ├─[plan]─▶ journal ── flushed ══ renamed: the point of no return
//! database, world ──────▶ written beside their places ─┘             │
//!                                       [carry]: scripts, renames, triggers, the database by rename, one flush
//!                                                                    │
//!                                       [tidy]: old files kept for `undo` or dropped, the journal removed
//! ```
//!
//! What fails before the point of no return leaves the root as it was. What fails behind it is undone. What is killed is
//! finished or undone by [`recover`], from the journal (docs/formats/journal.md).

mod ahead;
mod carry;
mod claims;
mod kept;
mod place;
mod plan;
mod recover;
mod scripts;
mod stage;
mod tidy;
mod tree;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod tests;

pub use ahead::Open;
pub use kept::{KEPT, Kept};
pub use recover::{Recovered, is_pending, recover};

use crate::database::{Database, DatabaseError};
use crate::dependency::Dependency;
use crate::digest::Digest;
use crate::journal::JournalError;
use crate::keys::KeyRing;
use crate::package::PackageError;
use crate::record::Record;
use crate::version::Version;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use sys::fs::{FileSystem, Kind, Meta};

/// How the names of staged files begin.
pub const STAGED: &str = ".apk.";

/// What goes wrong while a root is changed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A package cannot be used.
    #[error("{package}: {source}")]
    Package {
        /// Its name and version.
        package: String,
        /// Why.
        source: PackageError,
    },
    /// A package cannot be had.
    #[error("{package}: {source}")]
    Fetch {
        /// Its name and version.
        package: String,
        /// Where it was looked for and why it is not there.
        source: io::Error,
    },
    /// Something in the root could not be changed.
    #[error("{package}: {path}: {source}")]
    Io {
        /// The package on whose behalf.
        package: String,
        /// The path from the root.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file belongs to another package.
    #[error("{package}: trying to overwrite {path} owned by {owner}")]
    Owned {
        /// The package that brings the file.
        package: String,
        /// The file.
        path: String,
        /// Whose it is.
        owner: String,
    },
    /// The database cannot be written.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The journal cannot be written or read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The user wanted it to end.
    #[error("interrupted: nothing was changed")]
    Interrupted,
    /// It could neither be finished nor undone.
    #[error("{why}; undoing it failed too: {undo}")]
    Stuck {
        /// What went wrong first.
        why: Box<CommitError>,
        /// What was in the way of undoing it.
        undo: Box<CommitError>,
    },
}

/// One step of a transaction.
pub struct Change {
    /// What is installed now.
    pub old: Option<String>,
    /// What is to be installed.
    pub new: Option<New>,
}

/// A package to install.
pub struct New {
    /// What the index, or the package itself, tells of it.
    pub record: Record,
    /// Where its bytes come from; taken when they are read.
    pub open: Option<Open>,
    /// The signature is checked here, and not the index's identity relied on.
    pub check_signature: bool,
    /// The tag of its repository.
    pub tag: Option<String>,
}

/// Where the files of a package to install come from.
pub enum Source {
    /// A package as it is in repositories.
    Package(New),
    /// Files that an earlier transaction replaced.
    Kept(Kept),
}

/// One step of a transaction, from wherever its files come.
pub struct Step {
    /// What is installed now.
    pub old: Option<String>,
    /// What is to be installed.
    pub new: Option<Source>,
}

impl From<Change> for Step {
    fn from(change: Change) -> Step {
        Step {
            old: change.old,
            new: change.new.map(Source::Package),
        }
    }
}

/// How a root is changed.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Leave owners as they come: for users who cannot change them. The database records them all the same.
    pub keep_owner: bool,
    /// Run no scripts and no triggers.
    pub no_scripts: bool,
    /// Files of other packages may be overwritten.
    pub overwrite: bool,
    /// Changed protected files are removed too when their package goes.
    pub purge: bool,
    /// Packages without a trusted signature are taken.
    pub allow_untrusted: bool,
    /// How the transaction is recorded. Without it nothing is flushed, and a killed run leaves what it leaves: for roots
    /// that are made anew when that happens.
    pub journal: Option<Logged>,
    /// Packages that are pinned to another tag without being changed.
    pub pins: Vec<(String, Option<String>)>,
    /// How many packages are read at the same time; 0: one a processor.
    pub readers: usize,
    /// Asked now and then, until there is no way back: whether to give up.
    pub interrupted: Option<fn() -> bool>,
}

/// What a transaction's records tell of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logged {
    /// Seconds since 1970.
    pub when: u64,
    /// The command line.
    pub command: String,
    /// What differs from one start of the machine to the next: the kernel's boot id.
    pub boot: String,
    /// A record is added to the history.
    pub history: bool,
    /// So many bytes of replaced packages are kept for `undo`.
    pub space: u64,
}

/// What happens, for whoever shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A package is begun: its number, how many there are, and what is done.
    Package {
        /// From 1.
        number: usize,
        /// Of how many.
        total: usize,
        /// `Installing zlib (1.3-r0)`, `Upgrading …`, `Purging …`
        what: String,
    },
    /// A script or trigger runs: `Executing zlib-1.3-r0.post-install`.
    Script(String),
    /// Something is wrong, and the work goes on.
    Warning(String),
    /// An interrupted transaction is finished or undone: which, and the command that it was.
    Recovery(String),
}

/// Runs a package's script in the root: the script's name, its text, its arguments. Returns its exit status.
pub type RunScript<'a> = dyn FnMut(&str, &[u8], &[String]) -> io::Result<i32> + 'a;

/// A transaction on a root.
pub struct Commit<'a> {
    /// The root.
    pub fs: &'a dyn FileSystem,
    /// The trusted keys.
    pub keys: &'a KeyRing,
    /// How.
    pub policy: &'a Policy,
    /// Runs scripts.
    pub run_script: &'a mut RunScript<'a>,
    /// Hears what happens.
    pub event: &'a mut dyn FnMut(Event),
}

impl Commit<'_> {
    /// Carries out the changes, in their order, and writes the database with `world`. Returns how many scripts
    /// failed: their packages are marked as broken.
    pub fn run(
        &mut self,
        database: &mut Database,
        changes: Vec<Change>,
        world: Vec<Dependency>,
    ) -> Result<usize, CommitError> {
        self.run_steps(
            database,
            changes.into_iter().map(Step::from).collect(),
            world,
        )
    }
}

/// `Upgrading zlib (1.3-r0 -> 1.3-r1)`: how a package is told of that comes in the place of another.
#[must_use]
pub fn change_in_words(name: &str, old: &Version, new: &Version, same: bool) -> String {
    let verb = match new.cmp(old) {
        std::cmp::Ordering::Equal if same => return format!("Reinstalling {name} ({new})"),
        std::cmp::Ordering::Equal => "Replacing",
        std::cmp::Ordering::Greater => "Upgrading",
        std::cmp::Ordering::Less => "Downgrading",
    };
    format!("{verb} {name} ({old} -> {new})")
}

/// A path that stays inside the root: none with `..`, with control characters or from the top.
pub(crate) fn plain_path(path: &[u8]) -> Option<PathBuf> {
    let good = !path.is_empty()
        && path.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f)
        && path
            .split(|byte| *byte == b'/')
            .all(|part| !matches!(part, b"" | b"." | b".."));
    good.then(|| PathBuf::from(OsStr::from_bytes(path)))
}

/// The name beside a path under which something of a package is staged, or waits to be dropped.
fn staged_name(key: &str, path: &Path) -> String {
    let text = [key.as_bytes(), b"\0", path.as_os_str().as_bytes()].concat();
    let digest = ring::digest::digest(&ring::digest::SHA256, &text);
    format!(
        "{STAGED}{}",
        crate::encoding::hex(digest.as_ref().get(..12).unwrap_or_default())
    )
}

/// Whether a name is one that [`staged_name`] gives, or the name beside it that the fallback of an exchange needs.
fn is_staged_name(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let name = name.strip_suffix(place::ASIDE.as_bytes()).unwrap_or(name);
    name.strip_prefix(STAGED.as_bytes())
        .is_some_and(|hex| hex.len() == 24 && hex.iter().all(u8::is_ascii_hexdigit))
}

/// Whether what the user changed there is kept (apk's built-in `+etc @etc/init.d !etc/apk`).
fn is_protected(path: &Path) -> bool {
    path.starts_with("etc") && !path.starts_with("etc/init.d")
}

/// What is there, if anything is.
fn look(fs: &dyn FileSystem, path: &Path) -> io::Result<Option<Meta>> {
    match fs.metadata(path) {
        Ok(meta) => Ok(Some(meta)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Takes something away with all that is below it. What is not there is no error.
pub(crate) fn remove_tree(fs: &dyn FileSystem, path: &Path) -> io::Result<()> {
    let Some(meta) = look(fs, path)? else {
        return Ok(());
    };
    let done = if meta.kind == Kind::Folder {
        for name in fs.list(path)? {
            remove_tree(fs, &path.join(name))?;
        }
        fs.remove_folder(path)
    } else {
        fs.unlink(path)
    };
    match done {
        Err(error) if is_missing(&error) => Ok(()),
        other => other,
    }
}

/// The checksum of what is at a path, by the algorithm that gives digests of that length: of a file's contents, of a
/// link's target. `None`: there is nothing that has one.
fn digest_of(fs: &dyn FileSystem, path: &Path, meta: &Meta, length: usize) -> Option<Vec<u8>> {
    let mut context = if length == 32 {
        Digest::sha256()
    } else {
        Digest::sha1()
    };
    match meta.kind {
        Kind::Link => context.update(fs.read_link(path).ok()?.as_os_str().as_bytes()),
        Kind::File => {
            let mut file = fs.open(path).ok()?;
            let mut buffer = vec![0; 64 * 1024];
            loop {
                match file.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => context.update(buffer.get(..count)?),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => return None,
                }
            }
        }
        Kind::Folder | Kind::Other => return None,
    }
    Some(context.finish())
}

/// `file` of `package`, as errors tell it.
fn io_error(package: &str, path: &Path) -> impl FnOnce(io::Error) -> CommitError + use<> {
    let (package, path) = (package.to_owned(), path.display().to_string());
    move |source| CommitError::Io {
        package,
        path,
        source,
    }
}
