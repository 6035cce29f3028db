//! A root filled with packages, services and files.

use crate::bill::{Lock, LockError};
use crate::spec::{Kind, PathKind, PathSpec, Spec};
use crate::tree::Owners;
use crate::{Inputs, digest};
use apk::commit::{Change, Commit, CommitError, Event, New, Policy};
use apk::database::Database;
use apk::dependency::{BadDependency, Dependency};
use apk::index::{Index, IndexError};
use apk::keys::{KeyError, KeyRing, Trust};
use apk::package::{PackageError, Reader};
use apk::record::Record;
use apk::solver::{Candidate, Unsolvable, solve};
use std::fs::{self, File, Permissions};
use std::io::{self, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A root that is ready to become an image.
#[derive(Debug)]
pub struct Filled {
    /// Where it lies.
    pub folder: PathBuf,
    /// Who owns what, where the builder could not change owners.
    pub owners: Option<Owners>,
    /// The packages in the order in which they were installed, each with the SHA-256 of its file.
    pub packages: Vec<(Record, String)>,
    /// Where the packages' files lie, in the same order.
    pub files: Vec<PathBuf>,
}

/// A root with its packages, and nothing of the declaration yet.
#[derive(Debug)]
pub struct Installed {
    database: Database,
    packages: Vec<(Record, String)>,
    files: Vec<PathBuf>,
}

/// Why a root was not filled.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The repository's index cannot be used.
    #[error("{}: {source}", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// Why.
        source: IndexError,
    },
    /// The index is not signed by a key that is trusted.
    #[error("{}: UNTRUSTED signature", .0.display())]
    Untrusted(PathBuf),
    /// The keys cannot be read.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// A package's name in the declaration is none.
    #[error("contents.packages: {0}")]
    World(#[from] BadDependency),
    /// The packages do not go together.
    #[error(transparent)]
    Unsolvable(#[from] Unsolvable),
    /// A package cannot be installed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A package that is locked cannot be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A package's file cannot be read.
    #[error("{}: {source}", path.display())]
    Package {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PackageError,
    },
    /// Something that the declaration asks for cannot be had.
    #[error("{0}")]
    Declared(String),
}

fn io(path: &Path) -> impl FnOnce(io::Error) -> RootError + '_ {
    move |source| RootError::Io {
        path: path.to_owned(),
        source,
    }
}

/// Installs the image's packages into a new folder, and adds what no package brings.
pub fn fill(inputs: &Inputs<'_>, folder: &Path) -> Result<Filled, RootError> {
    let installed = install(inputs, folder)?;
    complete(inputs, installed, folder)
}

/// Installs the image's packages into a new folder.
pub fn install(inputs: &Inputs<'_>, folder: &Path) -> Result<Installed, RootError> {
    for below in ["lib/apk/db", "etc/apk/keys"] {
        let path = folder.join(below);
        fs::create_dir_all(&path).map_err(io(&path))?;
    }
    let chosen = match inputs.locked {
        Some(lock) => locked(inputs, lock)?,
        None => solved(inputs)?,
    };
    let (mut packages, mut files) = (Vec::new(), Vec::new());
    for package in &chosen {
        let sha256 = digest::of_file(&package.file).map_err(io(&package.file))?;
        packages.push((package.record.clone(), sha256));
        files.push(package.file.clone());
    }
    Ok(Installed {
        database: commit(inputs, chosen, folder)?,
        packages,
        files,
    })
}

/// Adds what no package brings.
pub fn complete(
    inputs: &Inputs<'_>,
    installed: Installed,
    folder: &Path,
) -> Result<Filled, RootError> {
    let mut text = inputs.spec.contents.repositories.join("\n");
    for line in inputs.more_repositories {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(line);
    }
    text.push('\n');
    write(&folder.join("etc/apk/repositories"), text.as_bytes(), 0o644)?;
    write(
        &folder.join("etc/apk/arch"),
        format!("{}\n", inputs.arch).as_bytes(),
        0o644,
    )?;
    for entry in fs::read_dir(inputs.keys).map_err(io(inputs.keys))? {
        let path = entry.map_err(io(inputs.keys))?.path();
        let target = folder
            .join("etc/apk/keys")
            .join(path.file_name().unwrap_or_default());
        fs::copy(&path, &target).map_err(io(&target))?;
    }
    declared(inputs.spec, inputs.more_paths, folder)?;
    let owners = (!is_root()).then(|| owners(&installed.database));
    Ok(Filled {
        folder: folder.to_owned(),
        owners,
        packages: installed.packages,
        files: installed.files,
    })
}

/// The packages that go on a medium, of those that were installed to make it: what the system installs when it
/// starts, and what is declared to be there for later; each with its file.
pub(crate) fn on_medium(
    inputs: &Inputs<'_>,
    filled: &Filled,
) -> Result<Vec<(PathBuf, Record)>, RootError> {
    let candidates: Vec<Candidate> = filled
        .packages
        .iter()
        .map(|(record, _)| candidate(record.clone()))
        .collect();
    let spec = inputs.spec;
    let names = spec.contents.packages.iter().chain(&spec.medium.packages);
    let chosen = solve(&dependencies(names)?, &candidates)?;
    Ok(chosen
        .into_iter()
        .filter_map(|at| {
            let file = filled.files.get(at)?;
            Some((file.clone(), filled.packages.get(at)?.0.clone()))
        })
        .collect())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn owners(database: &Database) -> Owners {
    use std::os::unix::ffi::OsStrExt;
    let mut owners = Owners::new();
    for package in &database.packages {
        for folder in &package.folders {
            let path = PathBuf::from(std::ffi::OsStr::from_bytes(&folder.path));
            owners.insert(path, (folder.acl.uid, folder.acl.gid));
        }
        owners.extend(
            package
                .paths()
                .map(|(path, file)| (path, (file.acl.uid, file.acl.gid))),
        );
    }
    owners
}

/// A package that is to be installed, and its file.
struct Chosen {
    record: Record,
    file: PathBuf,
}

/// What the lock says, whatever the repository has by now.
fn locked(inputs: &Inputs<'_>, lock: &Lock) -> Result<Vec<Chosen>, RootError> {
    let mut folders = vec![inputs.repository.join(inputs.arch)];
    folders.extend_from_slice(inputs.more_packages);
    let mut chosen = Vec::new();
    for package in &lock.packages {
        let file = package.find(&folders)?;
        let unreadable = |source| RootError::Package {
            path: file.clone(),
            source,
        };
        let open = File::open(&file).map_err(io(&file))?;
        let size = open.metadata().map_err(io(&file))?.len();
        let control = Reader::open(BufReader::new(open), &KeyRing::default())
            .map_err(unreadable)?
            .control;
        let record = Record::of_package(control.identity, &control.info, size);
        chosen.push(Chosen { record, file });
    }
    Ok(chosen)
}

/// What the solver chooses from the repository.
fn solved(inputs: &Inputs<'_>) -> Result<Vec<Chosen>, RootError> {
    let repository = inputs.repository.join(inputs.arch);
    let keys = KeyRing::read(inputs.keys)?;
    let path = repository.join("APKINDEX.tar.gz");
    let file = File::open(&path).map_err(io(&path))?;
    let (index, trust) =
        Index::read(BufReader::new(file), &keys).map_err(|source| RootError::Index {
            path: path.clone(),
            source,
        })?;
    if trust != Trust::Good {
        return Err(RootError::Untrusted(path));
    }
    let candidates: Vec<Candidate> = index.packages.into_iter().map(candidate).collect();
    let chosen = solve(&everything(inputs)?, &candidates)?;
    Ok(chosen
        .into_iter()
        .filter_map(|at| candidates.get(at))
        .map(|candidate| Chosen {
            file: repository.join(candidate.record.file_name()),
            record: candidate.record.clone(),
        })
        .collect())
}

fn candidate(record: Record) -> Candidate {
    Candidate {
        repositories: vec![0],
        ..Candidate::of(record)
    }
}

/// What is installed to make the image: its world, and for a system in memory what its medium is made of.
fn everything(inputs: &Inputs<'_>) -> Result<Vec<Dependency>, BadDependency> {
    let spec = inputs.spec;
    let mut names = spec.contents.packages.clone();
    if let (Kind::Iso | Kind::Netboot, Some(kernel)) = (spec.kind, &spec.kernel) {
        names.extend(spec.medium.packages.iter().cloned());
        names.push(format!("linux-{}", kernel.flavour));
        names.extend(["apk-tools", "early", "toolbox"].map(str::to_owned));
    }
    dependencies(names.iter())
}

fn dependencies<'a>(
    names: impl Iterator<Item = &'a String>,
) -> Result<Vec<Dependency>, BadDependency> {
    names.map(|text| Dependency::parse(text)).collect()
}

fn commit(inputs: &Inputs<'_>, chosen: Vec<Chosen>, folder: &Path) -> Result<Database, RootError> {
    let keys = KeyRing::read(inputs.keys)?;
    let changes = chosen.into_iter().map(change).collect();
    let root = sys::fs::Root::open(folder).map_err(io(folder))?;
    let mut database = Database::default();
    let mut problems = Vec::new();
    let policy = Policy {
        keep_owner: !is_root(),
        ..Policy::default()
    };
    Commit {
        fs: &root,
        keys: &keys,
        policy: &policy,
        run_script: &mut |_, _, _| {
            Err(io::Error::other(
                "scripts are not run while an image is made",
            ))
        },
        event: &mut |event| {
            if let Event::Warning(text) = event {
                problems.push(text);
            }
        },
    }
    .run(
        &mut database,
        changes,
        dependencies(inputs.spec.contents.packages.iter())?,
    )?;
    match problems.first() {
        None => Ok(database),
        Some(problem) => Err(RootError::Declared(problem.clone())),
    }
}

fn change(chosen: Chosen) -> Change {
    let path = chosen.file;
    let open = move || -> io::Result<Box<dyn io::BufRead>> {
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        Ok(Box::new(BufReader::new(File::open(&path).map_err(named)?)))
    };
    Change {
        old: None,
        new: Some(New {
            record: chosen.record,
            open: Some(Box::new(open)),
            check_signature: false,
            tag: None,
        }),
    }
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), RootError> {
    fs::write(path, bytes).map_err(io(path))?;
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(io(path))
}

/// What the declaration adds: the host's name, services, paths, the login on the console.
fn declared(spec: &Spec, more: &[PathSpec], folder: &Path) -> Result<(), RootError> {
    if let Some(name) = &spec.hostname {
        write(
            &folder.join("etc/hostname"),
            format!("{name}\n").as_bytes(),
            0o644,
        )?;
    }
    for (runlevel, services) in &spec.services {
        for service in services {
            let script = Path::new("/etc/init.d").join(service);
            if !folder.join("etc/init.d").join(service).exists() {
                return Err(RootError::Declared(format!(
                    "services: {service}: no package has {}",
                    script.display()
                )));
            }
            let level = folder.join("etc/runlevels").join(runlevel);
            fs::create_dir_all(&level).map_err(io(&level))?;
            let link = level.join(service);
            match symlink(&script, &link) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(io(&link)(error));
                }
                _ => {}
            }
        }
    }
    if spec.console_login {
        let path = folder.join("etc/shadow");
        let text = fs::read_to_string(&path).map_err(io(&path))?;
        let lines: Vec<String> = text
            .lines()
            .map(|line| {
                match line
                    .strip_prefix("root:")
                    .and_then(|rest| rest.split_once(':'))
                {
                    Some((_, rest)) => format!("root::{rest}"),
                    None => line.to_owned(),
                }
            })
            .collect();
        write(&path, (lines.join("\n") + "\n").as_bytes(), 0o640)?;
    }
    accounts(spec, folder)?;
    for added in spec.paths.iter().chain(more) {
        let path = folder.join(added.path.strip_prefix("/").unwrap_or(&added.path));
        let above = if added.kind == PathKind::Directory {
            Some(path.as_path())
        } else {
            path.parent()
        };
        if let Some(above) = above {
            fs::create_dir_all(above).map_err(io(above))?;
        }
        match added.kind {
            PathKind::Directory => {
                let mode = Permissions::from_mode(added.permissions.unwrap_or(0o755));
                fs::set_permissions(&path, mode).map_err(io(&path))?;
            }
            PathKind::File => {
                let content = added.content.as_deref().unwrap_or_default();
                write(
                    &path,
                    content.as_bytes(),
                    added.permissions.unwrap_or(0o644),
                )?;
            }
            PathKind::Symlink => {
                symlink(added.source.as_deref().unwrap_or(Path::new("")), &path)
                    .map_err(io(&path))?;
            }
        }
    }
    Ok(())
}

/// Users and groups, each a line behind those of the packages; nobody has a password.
fn accounts(spec: &Spec, folder: &Path) -> Result<(), RootError> {
    let append = |name: &str, mode: u32, lines: String| {
        let path = folder.join("etc").join(name);
        let mut text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text.map_err(io(&path))?,
        };
        text.push_str(&lines);
        write(&path, text.as_bytes(), mode)
    };
    let accounts = &spec.accounts;
    if !accounts.groups.is_empty() {
        let lines = accounts.groups.iter().map(|group| {
            format!(
                "{}:x:{}:{}\n",
                group.groupname,
                group.gid,
                group.members.join(",")
            )
        });
        append("group", 0o644, lines.collect())?;
    }
    if accounts.users.is_empty() {
        return Ok(());
    }
    let (mut passwd, mut shadow) = (String::new(), String::new());
    for user in &accounts.users {
        let name = &user.username;
        let gid = user.gid.unwrap_or(user.uid);
        let home = match &user.homedir {
            Some(home) => home.clone(),
            None => Path::new("/home").join(name),
        };
        let shell = user.shell.as_deref().unwrap_or("/bin/sh");
        passwd.push_str(&format!(
            "{name}:x:{}:{gid}::{}:{shell}\n",
            user.uid,
            home.display()
        ));
        shadow.push_str(&format!("{name}:!::0:::::\n"));
        let path = folder.join(home.strip_prefix("/").unwrap_or(&home));
        fs::create_dir_all(&path).map_err(io(&path))?;
    }
    append("passwd", 0o644, passwd)?;
    append("shadow", 0o640, shadow)
}
