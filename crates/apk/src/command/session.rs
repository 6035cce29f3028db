//! One run of apk on one root: its settings, its lock, its database, its repositories and their indexes.

use super::options::{Given, Wrong};
use super::repositories::{self, Repository, local};
use crate::net::{Client, Fetched, Settings, buffered};
use apk::database::{Database, DatabaseError};
use apk::index::{Index, IndexError};
use apk::keys::{KeyError, KeyRing, Trust};
use apk::package::Identity;
use apk::record::Record;
use apk::solver::Candidate;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use sys::fs::Root;

/// What ends a command.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line.
    #[error(transparent)]
    Wrong(#[from] Wrong),
    /// A file of the system.
    #[error("{}: {}", path.display(), cause(source))]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// What else there is to say.
    #[error("{0}")]
    Say(String),
    /// It was said already; only the status is left.
    #[error("")]
    Said(u8),
}

/// Shorthand for a failure in words.
pub fn failure<T>(text: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Say(text.into()))
}

/// The system's words for an error, without the number behind them.
pub fn cause(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text.get(..end).unwrap_or(&text).to_owned(),
        None => text,
    }
}

pub fn io_at(path: &Path) -> impl FnOnce(io::Error) -> Failure + '_ {
    move |source| Failure::Io {
        path: path.to_owned(),
        source,
    }
}

/// A repository whose index cannot be used.
#[derive(Clone, Debug)]
pub struct Unavailable {
    /// The index.
    pub url: String,
    /// Why.
    pub why: String,
    /// The untrusted and the broken are errors even where the rest is enough.
    pub suspicious: bool,
}

/// One run.
pub struct Session<'a> {
    /// The command line.
    pub given: &'a Given,
    /// The root's path.
    pub root: PathBuf,
    /// The same, through which everything is changed.
    pub fs: Root,
    /// What is installed and wanted.
    pub database: Database,
    /// Whom we trust.
    pub keys: KeyRing,
    /// The architectures, the root's own first.
    pub arches: Vec<String>,
    /// Where packages come from.
    pub repositories: Vec<Repository>,
    /// What fetches.
    pub client: Client,
    /// The packages that are being fetched.
    pub fetching: Arc<Progress>,
    lock: Option<File>,
}

/// How much a command does with indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// What the cache has will do.
    Never,
    /// What is too old is fetched again.
    IfOld,
    /// All are fetched again.
    Always,
}

/// The packages of all indexes, and what is wrong with some.
#[derive(Default)]
pub struct Known {
    /// In the order of the repositories: the repository's number, the package.
    pub packages: Vec<(usize, Record)>,
    /// Each repository's description, where its index could be read.
    pub descriptions: Vec<Option<String>>,
    /// What is missing.
    pub unavailable: Vec<Unavailable>,
    /// What the cache has from an earlier start of a system whose root is in memory.
    pub cached: Vec<Record>,
}

impl<'a> Session<'a> {
    /// Opens the root; `write`: it is going to be changed, which needs the lock.
    pub fn open(given: &'a Given, write: bool) -> Result<Session<'a>, Failure> {
        let root = PathBuf::from(given.value("root").unwrap_or("/".as_ref()));
        let initdb = given.has("initdb");
        if initdb {
            for below in ["etc/apk", "lib/apk/db", "var/cache/apk", "tmp"] {
                let path = root.join(below);
                fs::create_dir_all(&path).map_err(io_at(&path))?;
            }
        }
        let fs = Root::open(&root).map_err(io_at(&root))?;
        let folder = root.join("lib/apk/db");
        if write && !folder.is_dir() {
            return failure(format!(
                "{}: there is no package database\nhint: `apk add --initdb` begins one",
                folder.display()
            ));
        }
        let simulate = given.has("simulate");
        let lock = if write && !simulate {
            let path = folder.join("lock");
            match take_lock(&path, given.number("wait", 0)?)? {
                Lock::Held(file) => Some(file),
                Lock::Busy => {
                    return failure(format!(
                        "{}: another apk works on this root\nhint: wait for it, or give --wait SECONDS",
                        path.display()
                    ));
                }
            }
        } else {
            None
        };
        super::recovery::run(given, &root, &fs, lock.is_some())?;
        let database = Database::read(&fs)?;
        let keys = match given.value("keys-dir") {
            Some(path) => KeyRing::read(Path::new(path))?,
            None => {
                let mut keys = KeyRing::read(&root.join("etc/apk/keys"))?;
                if keys.is_empty() {
                    keys = KeyRing::read(&root.join("usr/share/apk/keys"))?;
                }
                keys
            }
        };
        let mut arches: Vec<String> = given
            .values("arch")
            .map(|arch| arch.to_string_lossy().into_owned())
            .collect();
        if arches.is_empty() {
            let path = root.join("etc/apk/arch");
            arches = match fs::read_to_string(&path) {
                Ok(text) => text.split_whitespace().map(str::to_owned).collect(),
                Err(_) => vec![std::env::consts::ARCH.to_owned()],
            };
        } else if initdb {
            let path = root.join("etc/apk/arch");
            fs::write(&path, format!("{}\n", arches.join("\n"))).map_err(io_at(&path))?;
        }
        let timeout = given.number("timeout", 60)?.clamp(1, 86_400);
        Ok(Session {
            given,
            repositories: configured(given, &root)?,
            root,
            fs,
            database,
            keys,
            arches,
            fetching: Arc::default(),
            client: Client::new(Settings {
                timeout: Duration::from_secs(timeout),
                check_certificate: given.says("check-certificate") != Some(false),
            }),
            lock,
        })
    }

    /// The architecture that packages are for.
    pub fn arch(&self) -> &str {
        self.arches.first().map_or("noarch", String::as_str)
    }

    /// Whether the network may be used.
    pub fn may_fetch(&self) -> bool {
        self.given.says("network") != Some(false)
    }

    /// Reads the indexes of all repositories.
    pub fn load(&self, refresh: Refresh) -> Result<Known, Failure> {
        let refresh = if self.given.has("update-cache") || self.given.has("force-refresh") {
            Refresh::Always
        } else {
            refresh
        };
        let mut known = Known::default();
        if !self.is_lasting() && self.keeps_packages() {
            // Written there by whoever saves such a system's state.
            let text = fs::read_to_string(self.cache().join("installed")).unwrap_or_default();
            known.cached = apk::index::parse(&text).unwrap_or_default();
        }
        for (number, repository) in self.repositories.iter().enumerate() {
            let url = repository.index(self.arch());
            let read = match repository.local() {
                Some(_) => self.read_local(&url),
                None => self.read_remote(&url, refresh, &mut known),
            };
            match read {
                Ok(index) => {
                    known.descriptions.push(Some(index.description));
                    known
                        .packages
                        .extend(index.packages.into_iter().map(|record| (number, record)));
                }
                Err(unavailable) => {
                    known.descriptions.push(None);
                    known.unavailable.push(unavailable);
                }
            }
        }
        Ok(known)
    }

    fn parse(&self, url: &str, input: impl BufRead) -> Result<Index, Unavailable> {
        let wrong = |why: String| Unavailable {
            url: url.to_owned(),
            why,
            suspicious: true,
        };
        let (index, trust) = Index::read(input, &self.keys).map_err(|error| match error {
            IndexError::Read(source) => wrong(format!("BAD archive: {}", cause(&source))),
            other => wrong(other.to_string()),
        })?;
        match trust {
            Trust::Good => Ok(index),
            _ if self.given.has("allow-untrusted") => Ok(index),
            Trust::Unknown => Err(wrong("UNTRUSTED signature".to_owned())),
            Trust::Bad => Err(wrong("BAD signature".to_owned())),
        }
    }

    fn read_local(&self, url: &str) -> Result<Index, Unavailable> {
        let path = local(url).unwrap_or(Path::new(url));
        match File::open(path) {
            Ok(file) => self.parse(url, BufReader::new(file)),
            Err(error) => Err(missing(url, &error)),
        }
    }

    /// The place of an index in the cache.
    pub fn cached_index(&self, url: &str) -> PathBuf {
        let digest = ring::digest::digest(&ring::digest::SHA256, url.as_bytes());
        let hex = apk::encoding::hex(digest.as_ref().get(..4).unwrap_or_default());
        self.cache().join(format!("APKINDEX.{hex}.tar.gz"))
    }

    /// The folder of the cache.
    pub fn cache(&self) -> PathBuf {
        if let Some(path) = self.given.value("cache-dir") {
            return self
                .root
                .join(Path::new(path).strip_prefix("/").unwrap_or(Path::new(path)));
        }
        let chosen = self.root.join("etc/apk/cache");
        if chosen.is_dir() {
            return chosen;
        }
        self.root.join("var/cache/apk")
    }

    /// The place of a package in the cache, if packages are kept there.
    pub fn cached_package(&self, record: &Record) -> Option<PathBuf> {
        self.keeps_packages()
            .then(|| self.cache().join(cache_name(record)))
    }

    fn read_remote(
        &self,
        url: &str,
        refresh: Refresh,
        known: &mut Known,
    ) -> Result<Index, Unavailable> {
        let in_memory = self.given.says("cache") == Some(false);
        let path = self.cached_index(url);
        let modified = (!in_memory)
            .then(|| path.metadata().and_then(|meta| meta.modified()).ok())
            .flatten();
        // What stands for a server needs no network.
        let test = in_memory && url.starts_with(repositories::TEST);
        let fetch = test
            || self.may_fetch()
                && match refresh {
                    Refresh::Always => true,
                    Refresh::IfOld => modified.is_none_or(|time| self.is_old(time)),
                    Refresh::Never => in_memory,
                };
        if fetch {
            if !url.starts_with(repositories::TEST) {
                self.tell(&format!("fetch {url}"));
            }
            match self.fetch_index(url, modified, &path, in_memory) {
                Ok(Some(index)) => return Ok(index),
                Ok(None) => {}
                Err(unavailable) if modified.is_some() => {
                    // What is there is old, but better than nothing.
                    known.unavailable.push(unavailable);
                }
                Err(unavailable) => return Err(unavailable),
            }
        }
        match File::open(&path) {
            Ok(file) => self.parse(url, BufReader::new(file)),
            Err(error) => Err(missing(url, &error)),
        }
    }

    fn is_old(&self, time: SystemTime) -> bool {
        let most = self.given.number("cache-max-age", 240).unwrap_or(240);
        SystemTime::now()
            .duration_since(time)
            // A clock that was wrong says nothing.
            .map_or(true, |age| {
                age > Duration::from_secs(most.saturating_mul(60))
            })
    }

    /// Fetches an index and keeps it; `None`: the one in the cache is still right.
    fn fetch_index(
        &self,
        url: &str,
        since: Option<SystemTime>,
        cache: &Path,
        in_memory: bool,
    ) -> Result<Option<Index>, Unavailable> {
        let since = since.filter(|_| !self.given.has("force-refresh"));
        if let Some(path) = url.strip_prefix(repositories::TEST) {
            // A file that counts as one of a server.
            let bytes = fs::read(path).map_err(|error| missing(url, &error))?;
            return self.keep_index(url, &bytes, cache, in_memory).map(Some);
        }
        let body = match self
            .client
            .get(url, since)
            .map_err(|error| missing(url, &error))?
        {
            Fetched::NotModified => {
                // So that it does not count as old.
                if let Ok(file) = File::options().append(true).open(cache) {
                    let _ = file.set_modified(SystemTime::now());
                }
                return Ok(None);
            }
            Fetched::Body(body) => body,
        };
        let mut bytes = Vec::new();
        Meter::new(self, body.total(), buffered(body))
            .take(256 << 20)
            .read_to_end(&mut bytes)
            .map_err(|error| missing(url, &error))?;
        self.keep_index(url, &bytes, cache, in_memory).map(Some)
    }

    /// Reads an index that was fetched, and keeps it in the cache.
    fn keep_index(
        &self,
        url: &str,
        bytes: &[u8],
        path: &Path,
        in_memory: bool,
    ) -> Result<Index, Unavailable> {
        let index = self.parse(url, bytes)?;
        if !in_memory && !self.given.has("simulate") {
            // A cache that cannot be written (another user, a full disk) only costs the next fetch.
            let new = path.with_extension("new");
            if fs::write(&new, bytes)
                .and_then(|()| fs::rename(&new, path))
                .is_err()
            {
                let _ = fs::remove_file(&new);
            }
        }
        Ok(index)
    }

    /// All packages that may be chosen: those that are installed, then those of the indexes.
    pub fn candidates(&self, known: &Known) -> Vec<Candidate> {
        let count = self.database.packages.len() + known.packages.len();
        let mut all: Vec<Candidate> = Vec::with_capacity(count);
        let mut places: HashMap<&Identity, usize> = HashMap::with_capacity(count);
        for package in &self.database.packages {
            places.insert(&package.record.identity, all.len());
            all.push(Candidate {
                installed: true,
                installed_tag: package.tag.clone(),
                ..Candidate::of(package.record.clone())
            });
        }
        let cached = self.cached_names();
        for record in &known.cached {
            if !places.contains_key(&record.identity) {
                places.insert(&record.identity, all.len());
                all.push(Candidate {
                    cached: true,
                    ..Candidate::of(record.clone())
                });
            }
        }
        for (number, record) in &known.packages {
            if let Some(candidate) = places.get(&record.identity).and_then(|at| all.get_mut(*at)) {
                candidate.repositories.push(*number);
                continue;
            }
            places.insert(&record.identity, all.len());
            all.push(Candidate {
                repositories: vec![*number],
                ..Candidate::of(record.clone())
            });
        }
        for candidate in &mut all {
            candidate.uninstallable |= self.is_foreign(&candidate.record);
            candidate.cached |=
                !cached.is_empty() && cached.contains(&cache_name(&candidate.record));
        }
        all
    }

    /// Whether a package is for another kind of machine.
    fn is_foreign(&self, record: &Record) -> bool {
        let arch = &record.arch;
        !arch.is_empty() && arch != "noarch" && !self.arches.contains(arch)
    }

    /// The packages in the cache, by their files' names.
    fn cached_names(&self) -> HashSet<OsString> {
        if !self.keeps_packages() {
            return HashSet::new();
        }
        let entries = fs::read_dir(self.cache()).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name()).collect()
    }

    /// Whether downloaded packages are kept in the cache.
    pub fn keeps_packages(&self) -> bool {
        let chosen =
            self.given.value("cache-dir").is_some() || self.root.join("etc/apk/cache").is_dir();
        chosen && self.given.says("cache") != Some(false)
    }

    /// Whether the root is still there after the machine was switched off.
    pub fn is_lasting(&self) -> bool {
        /// `TMPFS_MAGIC` and `RAMFS_MAGIC` of statfs(2).
        const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];
        let detected =
            || rustix::fs::statfs(&self.root).is_ok_and(|found| IN_MEMORY.contains(&found.f_type));
        match self
            .given
            .value("root-tmpfs")
            .and_then(|word| word.to_str())
        {
            Some("auto") => !detected(),
            _ => !self.given.says("root-tmpfs").unwrap_or_else(detected),
        }
    }

    /// Whether one of the repositories is a folder of this machine.
    pub fn is_local(&self, repositories: &[usize]) -> bool {
        let mut all = repositories
            .iter()
            .filter_map(|number| self.repositories.get(*number));
        all.any(|repository| repository.local().is_some())
    }

    /// Lets another apk work on the root.
    pub fn unlock(&mut self) {
        self.lock = None;
    }

    /// Gives all folders of packages the owners and modes that they are to have.
    pub fn fix_folders(&self) -> Result<(), Failure> {
        use sys::fs::FileSystem;
        let root = rustix::process::geteuid().is_root();
        for package in &self.database.packages {
            for folder in package
                .folders
                .iter()
                .filter(|folder| !folder.path.is_empty())
            {
                let path = Path::new(OsStr::from_bytes(&folder.path));
                let Ok(meta) = self.fs.metadata(path) else {
                    continue;
                };
                if meta.kind != sys::fs::Kind::Folder {
                    continue;
                }
                let acl = folder.acl;
                if root && (meta.uid, meta.gid) != (acl.uid, acl.gid) {
                    self.fs.chown(path, acl.uid, acl.gid).map_err(io_at(path))?;
                }
                if meta.mode & 0o7777 != acl.mode {
                    self.fs.chmod(path, acl.mode).map_err(io_at(path))?;
                }
            }
        }
        Ok(())
    }

    /// Where a package's bytes come from: the cache, a folder or a server. Opened when it is its turn.
    pub fn source(&self, record: &Record, repositories: &[usize]) -> Source {
        let name = record.file_name();
        let urls = repositories
            .iter()
            .filter_map(|number| self.repositories.get(*number))
            .map(|repository| {
                let arch = if record.arch == "noarch" {
                    self.arch()
                } else {
                    &record.arch
                };
                repository.package(arch, &name)
            })
            .collect();
        let source = Source {
            urls,
            cached: self.cached_package(record),
            client: self.client.clone(),
            may_fetch: self.may_fetch(),
            progress: self.shows_progress().then(|| Arc::clone(&self.fetching)),
        };
        if source.is_far() {
            self.fetching.expect(record.size);
        }
        source
    }

    /// Whether a bar is drawn.
    pub fn shows_progress(&self) -> bool {
        self.given
            .says("progress")
            .unwrap_or_else(|| sys::tty::is_terminal(2))
            && !self.given.has("quiet")
    }

    /// A line for the user, unless `-q`.
    pub fn tell(&self, text: &str) {
        if !self.given.has("quiet") {
            super::say(text);
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // The lock goes with its file; that it is held until now is all that counts.
        self.lock = None;
    }
}

/// The name of a package's file in the cache.
fn cache_name(record: &Record) -> OsString {
    let identity = record.identity.hex();
    let start = identity.get(..8).unwrap_or(&identity);
    format!("{}-{}.{start}.apk", record.name, record.version).into()
}

fn missing(url: &str, error: &io::Error) -> Unavailable {
    Unavailable {
        url: url.to_owned(),
        why: cause(error),
        suspicious: false,
    }
}

/// What came of asking for the lock.
pub enum Lock {
    /// It is ours until the file is closed.
    Held(File),
    /// Another apk has it.
    Busy,
}

/// `lib/apk/db/lock`: one apk at a time changes a root.
pub fn take_lock(path: &Path, wait: u64) -> Result<Lock, Failure> {
    use rustix::fs::{FlockOperation, flock};
    let file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .map_err(io_at(path))?;
    let start = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Lock::Held(file)),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(error) => return Err(io_at(path)(error.into())),
        }
        if start.elapsed() >= Duration::from_secs(wait) {
            return Ok(Lock::Busy);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The repositories of the command line and of the root's files.
fn configured(given: &Given, root: &Path) -> Result<Vec<Repository>, Failure> {
    let mut all: Vec<Repository> = Vec::new();
    let mut add = |repository: Repository| {
        if !all.contains(&repository) {
            all.push(repository);
        }
    };
    for word in given.values("repository-config") {
        let text = word.to_string_lossy();
        for repository in repositories::parse(&text)
            .map_err(|(_, what)| Failure::Say(format!("--repository-config: {what}")))?
        {
            add(repository);
        }
    }
    for word in given.values("repository") {
        let text = word.to_string_lossy();
        for repository in repositories::parse(&text)
            .map_err(|(_, what)| Failure::Say(format!("--repository {text}: {what}")))?
        {
            add(repository);
        }
    }
    let mut files = Vec::new();
    match given.value("repositories-file") {
        Some(path) => files.push((PathBuf::from(path), true)),
        None => {
            files.push((root.join("etc/apk/repositories"), false));
            let mut lists: Vec<PathBuf> = Vec::new();
            for folder in ["etc/apk/repositories.d", "lib/apk/repositories.d"] {
                for entry in fs::read_dir(root.join(folder))
                    .into_iter()
                    .flatten()
                    .flatten()
                {
                    let path = entry.path();
                    // A file in /etc hides one of the same name in /lib.
                    if path.extension().is_some_and(|ending| ending == "list")
                        && !lists
                            .iter()
                            .any(|known| known.file_name() == path.file_name())
                    {
                        lists.push(path);
                    }
                }
            }
            lists.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
            files.extend(lists.into_iter().map(|path| (path, true)));
        }
    }
    for (path, must) in files {
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !must => continue,
            Err(error) => return Err(io_at(&path)(error)),
        };
        let found = repositories::parse(&text)
            .map_err(|(line, what)| Failure::Say(format!("{}:{line}: {what}", path.display())))?;
        found.into_iter().for_each(&mut add);
    }
    Ok(all)
}

/// A package's bytes, wherever they are.
pub struct Source {
    urls: Vec<String>,
    cached: Option<PathBuf>,
    client: Client,
    may_fetch: bool,
    /// Where what is fetched is counted, if that is shown.
    progress: Option<Arc<Progress>>,
}

impl Source {
    /// The first address.
    pub fn url(&self) -> Option<&str> {
        self.urls.first().map(String::as_str)
    }

    /// Whether it has to be fetched.
    fn is_far(&self) -> bool {
        let is_cached = self.cached.as_ref().is_some_and(|path| path.exists());
        let is_near = |url: &String| repositories::file(url).is_some();
        !is_cached && !self.urls.first().is_none_or(is_near)
    }

    /// Opens the first that is there. What comes from the network is kept in the cache, if there is one.
    ///
    /// # Errors
    /// Of the last one that was tried, with its address.
    pub fn open(self) -> io::Result<Box<dyn BufRead>> {
        if let Some(path) = &self.cached
            && let Ok(file) = File::open(path)
        {
            return Ok(Box::new(BufReader::new(file)));
        }
        let mut last = io::Error::new(io::ErrorKind::NotFound, "it is in no repository any more");
        for url in &self.urls {
            let named = |error: io::Error| {
                io::Error::new(error.kind(), format!("{url}: {}", cause(&error)))
            };
            if let Some(path) = repositories::file(url) {
                match File::open(path) {
                    Ok(file) => return Ok(Box::new(BufReader::with_capacity(64 * 1024, file))),
                    Err(error) => last = named(error),
                }
                continue;
            }
            if !self.may_fetch {
                last = named(io::Error::other(
                    "not in the cache, and the network is not to be used",
                ));
                continue;
            }
            match self.client.get(url, None) {
                Ok(Fetched::Body(body)) => return self.stream(body),
                Ok(Fetched::NotModified) => {}
                Err(error) => last = named(error),
            }
        }
        Err(last)
    }

    fn stream(&self, body: Box<crate::net::Body>) -> io::Result<Box<dyn BufRead>> {
        let meter = Meter {
            inner: buffered(body),
            progress: self.progress.clone(),
        };
        let Some(path) = &self.cached else {
            return Ok(Box::new(BufReader::with_capacity(64 * 1024, meter)));
        };
        let new = path.with_extension("new");
        let written = File::create(&new).and_then(|mut file| {
            let mut meter = meter;
            io::copy(&mut meter, &mut file)
        });
        match written
            .and_then(|_| fs::rename(&new, path))
            .and_then(|()| File::open(path))
        {
            Ok(file) => Ok(Box::new(BufReader::new(file))),
            Err(error) => {
                let _ = fs::remove_file(&new);
                Err(error)
            }
        }
    }
}

/// How far downloads are, together.
#[derive(Default)]
pub struct Progress(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    read: u64,
    total: u64,
    begun: Option<Instant>,
    shown: Option<u64>,
}

impl Progress {
    /// So much more will be read.
    pub fn expect(&self, bytes: u64) {
        self.lock().total += bytes;
    }

    /// Whether anything is to be read.
    pub fn expects(&self) -> bool {
        self.lock().total > 0
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So much was read: draws a line, but not for what is quick.
    fn read(&self, bytes: u64) {
        let mut counts = self.lock();
        let elapsed = counts.begun.get_or_insert_with(Instant::now).elapsed();
        counts.read += bytes;
        if elapsed < Duration::from_millis(700) {
            return;
        }
        if counts.total > 0 && counts.read >= counts.total {
            if counts.shown.take().is_some() {
                super::show_progress("\r\u{1b}[K");
            }
            return;
        }
        let percent = counts
            .read
            .saturating_mul(100)
            .checked_div(counts.total)
            .unwrap_or(0);
        if counts.shown != Some(percent) {
            counts.shown = Some(percent);
            super::show_progress(&line(percent, counts.read, counts.total, elapsed));
        }
    }
}

/// `37% of 1200 KiB, 400 KiB/s, 2 s left`
fn line(percent: u64, read: u64, total: u64, elapsed: Duration) -> String {
    let millis = u64::try_from(elapsed.as_millis())
        .unwrap_or(u64::MAX)
        .max(1);
    let rate = (read.saturating_mul(1000) / millis).max(1);
    let left = total.saturating_sub(read) / rate;
    format!(
        "\r\u{1b}[K{percent:>3}% of {} KiB, {} KiB/s, {left} s left",
        total >> 10,
        rate >> 10
    )
}

/// Tells of what is read.
pub struct Meter {
    inner: Box<dyn BufRead>,
    progress: Option<Arc<Progress>>,
}

impl Meter {
    fn new(session: &Session<'_>, total: Option<u64>, inner: Box<dyn BufRead>) -> Meter {
        let progress = Progress::default();
        progress.expect(total.unwrap_or(0));
        Meter {
            inner,
            progress: session.shows_progress().then(|| Arc::new(progress)),
        }
    }
}

impl Read for Meter {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if sys::process::signal_pending() {
            return Err(io::Error::other("interrupted"));
        }
        let count = self.inner.read(into)?;
        if let Some(progress) = &self.progress {
            progress.read(count as u64);
        }
        Ok(count)
    }
}
