//! A root filled with packages, services and files.

use crate::Inputs;
use crate::spec::{PathKind, PathSpec, Spec};
use crate::tree::Owners;
use apk::commit::{Change, Commit, CommitError, Event, New, Policy};
use apk::database::Database;
use apk::dependency::{BadDependency, Dependency};
use apk::index::{Index, IndexError};
use apk::keys::{KeyError, KeyRing, Trust};
use apk::record::Record;
use apk::solver::{Candidate, Unsolvable, Wishes, solve};
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
    /// The packages and what each takes, the largest first.
    pub packages: Vec<(String, u64)>,
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
    for below in ["lib/apk/db", "etc/apk/keys"] {
        let path = folder.join(below);
        fs::create_dir_all(&path).map_err(io(&path))?;
    }
    let database = install(inputs, folder)?;
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
    let mut packages: Vec<(String, u64)> = database
        .packages
        .iter()
        .map(|p| (p.record.full_name(), p.record.installed_size))
        .collect();
    packages.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let owners = (!is_root()).then(|| owners(&database));
    Ok(Filled {
        folder: folder.to_owned(),
        owners,
        packages,
    })
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

fn install(inputs: &Inputs<'_>, folder: &Path) -> Result<Database, RootError> {
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
    let mut world = Vec::new();
    for text in &inputs.spec.contents.packages {
        world.push(Dependency::parse(text)?);
    }
    let candidates: Vec<Candidate> = index
        .packages
        .into_iter()
        .map(|record| Candidate {
            record,
            installed: false,
            repositories: vec![0],
            tags: None,
        })
        .collect();
    let chosen = solve(&world, &candidates, &Wishes::default())?;
    let changes = chosen
        .into_iter()
        .filter_map(|at| candidates.get(at))
        .map(|candidate| change(&candidate.record, &repository))
        .collect();
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
    .run(&mut database, changes, world)?;
    match problems.first() {
        None => Ok(database),
        Some(problem) => Err(RootError::Declared(problem.clone())),
    }
}

fn change(record: &Record, repository: &Path) -> Change {
    let path = repository.join(record.file_name());
    let open = move || -> io::Result<Box<dyn io::BufRead>> {
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        Ok(Box::new(BufReader::new(File::open(&path).map_err(named)?)))
    };
    Change {
        old: None,
        new: Some(New {
            record: record.clone(),
            open: Box::new(open),
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
