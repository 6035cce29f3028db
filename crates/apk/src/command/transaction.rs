//! `add`, `del`, `fix`, `upgrade`: what changes the root.

use super::session::{Failure, Known, Refresh, Session, failure, io_at};
use super::{complain, recovery, warn};
use apk::commit::{Change, Commit, CommitError, Event, Logged, New, Policy, Step, change_in_words};
use apk::dependency::{Dependency, Operator};
use apk::keys::Trust;
use apk::package::{self, Identity, PkgInfo, Reader};
use apk::record::Record;
use apk::solver::{Candidate, Wishes, solve};
use apk::version::Version;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Packages that are in no repository: files of the command line, and virtual ones.
#[derive(Default)]
struct Extra {
    records: Vec<Record>,
    bytes: HashMap<String, Bytes>,
}

enum Bytes {
    File(PathBuf),
    Memory(Vec<u8>),
}

/// What is to be done.
struct Plan {
    world: Vec<Dependency>,
    wishes: Wishes,
    /// Installed again although nothing changed.
    again: HashSet<String>,
    extra: Extra,
}

impl Plan {
    fn new(session: &Session<'_>) -> Plan {
        Plan {
            world: session.database.world.clone(),
            wishes: Wishes::default(),
            again: HashSet::new(),
            extra: Extra::default(),
        }
    }
}

fn parse(word: &OsString) -> Result<Dependency, Failure> {
    let text = word.to_string_lossy();
    Dependency::parse(&text).map_err(|error| Failure::Say(error.to_string()))
}

/// Puts a dependency into the world, in the place of one of the same name.
fn want(world: &mut Vec<Dependency>, dependency: Dependency) {
    match world.iter_mut().find(|known| known.name == dependency.name) {
        Some(known) => *known = dependency,
        None => world.push(dependency),
    }
    world.sort_by(|a, b| a.name.cmp(&b.name));
}

/// `apk add`
pub fn add(session: &mut Session<'_>) -> Result<u8, Failure> {
    let given = session.given;
    let mut plan = Plan::new(session);
    let mut wanted = Vec::new();
    for word in &given.operands {
        if word.to_string_lossy().ends_with(".apk") {
            wanted.push(plan.extra.file(session, Path::new(word))?);
        } else {
            wanted.push(parse(word)?);
        }
    }
    if given.has("upgrade") || given.has("latest") {
        plan.wishes.upgrade_names = wanted.iter().map(|one| one.name.clone()).collect();
        plan.wishes.latest = given.has("latest");
    }
    if let Some(name) = given.value("virtual") {
        let dependency = parse(&name.to_owned())?;
        let world = plan.extra.virtual_package(&dependency, &wanted)?;
        want(&mut plan.world, world);
    } else {
        for dependency in wanted {
            want(&mut plan.world, dependency);
        }
    }
    let known = session.load(Refresh::IfOld)?;
    apply(session, plan, &known)
}

/// `apk del`
pub fn del(session: &mut Session<'_>) -> Result<u8, Failure> {
    let given = session.given;
    let mut plan = Plan::new(session);
    let mut status = 0;
    let mut names = Vec::new();
    for word in &given.operands {
        let name = parse(word)?.name;
        let in_world = plan.world.iter().any(|known| known.name == name);
        if !in_world && session.database.get(&name).is_none() {
            complain(&format!("no such package: {name}"));
            status = 1;
        }
        plan.world.retain(|known| known.name != name);
        names.push(name);
    }
    if given.has("rdepends") {
        // Whoever needs one of them goes, and so on.
        let mut at = 0;
        while let Some(name) = names.get(at).cloned() {
            for package in &session.database.packages {
                let needs = package.record.depends.iter().any(|dependency| {
                    !dependency.conflict && provides(session, &name, &dependency.name)
                });
                if needs && !names.contains(&package.record.name) {
                    names.push(package.record.name.clone());
                }
            }
            at += 1;
        }
        plan.world.retain(|known| !names.contains(&known.name));
    }
    // To remove needs no server: what is installed is known.
    let known = session.load(Refresh::Never)?;
    let left: Vec<String> = names.clone();
    let done = apply(session, plan, &known)?;
    let mut still: Vec<String> = Vec::new();
    for name in left {
        if session.database.get(&name).is_none() {
            continue;
        }
        let mut because: Vec<&str> = session
            .database
            .packages
            .iter()
            .filter(|package| {
                package.record.depends.iter().any(|dependency| {
                    !dependency.conflict && provides(session, &name, &dependency.name)
                })
            })
            .map(|package| package.record.name.as_str())
            .collect();
        because.sort_unstable();
        still.push(format!("  {name}: {}", because.join(" ")));
    }
    if !still.is_empty() {
        session.tell(&format!(
            "World updated, but the following packages are not removed due to:\n{}",
            still.join("\n")
        ));
    }
    Ok(done.max(status))
}

/// Whether an installed package of that name provides another name.
fn provides(session: &Session<'_>, package: &str, name: &str) -> bool {
    package == name
        || session.database.get(package).is_some_and(|installed| {
            installed
                .record
                .provides
                .iter()
                .any(|provided| provided.name == name)
        })
}

/// `apk upgrade`
pub fn upgrade(session: &mut Session<'_>) -> Result<u8, Failure> {
    let given = session.given;
    let mut plan = Plan::new(session);
    let available = given.has("available");
    if given.operands.is_empty() {
        plan.wishes.upgrade = true;
    } else {
        for word in &given.operands {
            let name = parse(word)?.name;
            if session.database.get(&name).is_none() {
                return failure(format!("{name}: it is not installed"));
            }
            plan.wishes.upgrade_names.insert(name);
        }
    }
    plan.wishes.available = available;
    plan.wishes.latest = given.has("latest");
    if available {
        // A pin to one build would keep it from changing.
        for wanted in &mut plan.world {
            if matches!(wanted.version, Some((Operator::Identity, _))) {
                wanted.version = None;
            }
        }
    }
    let known = session.load(Refresh::IfOld)?;
    apply(session, plan, &known)
}

/// `apk fix`
pub fn fix(session: &mut Session<'_>) -> Result<u8, Failure> {
    let given = session.given;
    let mut plan = Plan::new(session);
    let mut names: Vec<String> = Vec::new();
    for word in &given.operands {
        let name = parse(word)?.name;
        let Some(package) = session.database.get(&name) else {
            return failure(format!("{name}: it is not installed"));
        };
        if given.has("depends") {
            for dependency in &package.record.depends {
                names.extend(
                    session
                        .database
                        .packages
                        .iter()
                        .filter(|one| provides(session, &one.record.name, &dependency.name))
                        .map(|one| one.record.name.clone()),
                );
            }
        }
        names.push(name);
    }
    if names.is_empty() {
        let all = given.has("reinstall");
        names = session
            .database
            .packages
            .iter()
            .filter(|package| all || !package.flags.is_empty())
            .map(|package| package.record.name.clone())
            .collect();
    }
    if given.has("upgrade") {
        plan.wishes.upgrade_names = names.iter().cloned().collect();
    }
    plan.again = names.into_iter().collect();
    let known = session.load(Refresh::IfOld)?;
    apply(session, plan, &known)
}

impl Extra {
    /// A file of the command line: the world names exactly this one.
    fn file(&mut self, session: &Session<'_>, path: &Path) -> Result<Dependency, Failure> {
        let file = File::open(path).map_err(io_at(path))?;
        let size = file.metadata().map_err(io_at(path))?.len();
        let reader = Reader::open(BufReader::new(file), &session.keys)
            .map_err(|error| Failure::Say(format!("{}: {error}", path.display())))?;
        let control = &reader.control;
        match control.trust {
            Trust::Good => {}
            Trust::Unknown if session.given.has("allow-untrusted") => {}
            Trust::Unknown => {
                return failure(format!(
                    "{}: UNTRUSTED signature\nhint: its key is not among those of etc/apk/keys; --allow-untrusted installs it all the same",
                    path.display()
                ));
            }
            Trust::Bad => return failure(format!("{}: BAD signature", path.display())),
        }
        let record = Record::of_package(control.identity, &control.info, size);
        let identity = record.identity.to_string();
        let dependency = Dependency {
            conflict: false,
            name: record.name.clone(),
            tag: None,
            version: Some((Operator::Identity, Version::new(identity.clone()))),
        };
        self.bytes.insert(identity, Bytes::File(path.to_owned()));
        self.records.push(record);
        Ok(dependency)
    }

    /// A package that has nothing but dependencies.
    fn virtual_package(
        &mut self,
        name: &Dependency,
        depends: &[Dependency],
    ) -> Result<Dependency, Failure> {
        let version = match &name.version {
            Some((Operator::Equal, version)) => version.to_string(),
            Some(_) => return failure("-t takes NAME or NAME=VERSION"),
            None => now_as_version(),
        };
        let mut info = PkgInfo::new(&name.name, &version, "noarch");
        info.description = "virtual meta package".to_owned();
        info.depends = depends.to_vec();
        let mut bytes = Vec::new();
        let (identity, size) = package::write(&mut bytes, &mut info, &[], &[], 0, &|_| Ok(None))
            .map_err(|error| Failure::Say(error.to_string()))?;
        let record = Record::of_package(identity, &info, size);
        let key = record.identity.to_string();
        self.bytes.insert(key, Bytes::Memory(bytes));
        self.records.push(record);
        Ok(Dependency {
            conflict: false,
            name: name.name.clone(),
            tag: None,
            version: Some((Operator::Equal, Version::new(version))),
        })
    }

    fn open(
        &mut self,
        identity: &Identity,
    ) -> Option<Box<dyn FnOnce() -> io::Result<Box<dyn BufRead>>>> {
        match self.bytes.remove(&identity.to_string())? {
            Bytes::File(path) => Some(Box::new(move || {
                Ok(Box::new(BufReader::new(File::open(path)?)))
            })),
            Bytes::Memory(bytes) => Some(Box::new(move || Ok(Box::new(Cursor::new(bytes))))),
        }
    }
}

/// `20260101.123456`
fn now_as_version() -> String {
    let seconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |time| time.as_secs());
    let (year, month, day) = apk::civil(i64::try_from(seconds / 86_400).unwrap_or(0));
    let rest = seconds % 86_400;
    format!(
        "{year:04}{month:02}{day:02}.{:02}{:02}{:02}",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// Says which repositories are missing. `true`: one of them must not be passed over.
pub fn report(session: &Session<'_>, known: &Known, as_errors: bool) -> bool {
    let mut fatal = false;
    for one in &known.unavailable {
        let text = format!("{}: {}", one.url, one.why);
        if one.suspicious || as_errors {
            complain(&text);
            fatal = true;
        } else if !session.given.has("quiet") {
            warn(&text);
        }
    }
    fatal && !session.given.has("force-missing-repositories")
}

/// Solves, shows, and carries out.
fn apply(session: &mut Session<'_>, mut plan: Plan, known: &Known) -> Result<u8, Failure> {
    let given = session.given;
    if known.unavailable.iter().any(|one| one.suspicious) && report(session, known, false) {
        return Err(Failure::Said(1));
    }
    let mut candidates = session.candidates(known);
    candidates.extend(plan.extra.records.drain(..).map(|record| Candidate {
        record,
        installed: false,
        repositories: Vec::new(),
        tags: None,
    }));
    let chosen = match solve(&plan.world, &candidates, &plan.wishes) {
        Ok(chosen) => {
            report(session, known, false);
            chosen
        }
        Err(error) => {
            // What is missing may just be in the repository that does not answer.
            if !known.unavailable.is_empty() {
                report(session, known, true);
                return Err(Failure::Said(1));
            }
            return failure(error.to_string().trim_end().to_owned());
        }
    };
    let mut changes = Vec::new();
    let mut kept = HashSet::new();
    for at in chosen {
        let Some(candidate) = candidates.get(at) else {
            continue;
        };
        let record = &candidate.record;
        kept.insert(record.name.clone());
        let old = session.database.get(&record.name);
        let same = old.is_some_and(|old| old.record.identity == record.identity);
        if same && !plan.again.contains(&record.name) {
            continue;
        }
        let open = match plan.extra.open(&record.identity) {
            Some(open) => open,
            None => {
                let source = session.source(record, &candidate.repositories);
                Box::new(move || source.open())
            }
        };
        changes.push(Change {
            old: old.map(|old| old.record.name.clone()),
            new: Some(New {
                record: record.clone(),
                open,
                check_signature: false,
                tag: candidate
                    .tags
                    .as_ref()
                    .and_then(|tags| tags.first().cloned()),
            }),
        });
    }
    for package in session.database.packages.iter().rev() {
        if !kept.contains(&package.record.name) {
            changes.push(Change {
                old: Some(package.record.name.clone()),
                new: None,
            });
        }
    }
    if given.has("simulate") {
        simulate(session, &changes);
        summary(session, &kept, &candidates);
        return Ok(0);
    }
    if given.has("interactive") && !changes.is_empty() {
        simulate(session, &changes);
        if !confirmed() {
            return failure("nothing was changed");
        }
    }
    let world = std::mem::take(&mut plan.world);
    carry_out(
        session,
        changes.into_iter().map(Step::from).collect(),
        world,
    )
}

/// How many bytes of replaced files are kept, unless the configuration says otherwise.
const HISTORY_SPACE: u64 = 256 << 20;

/// `history_space` of `etc/apk/config`, or of `lib/apk/config` where that is not there: bytes, with K, M or G behind.
fn history_space(root: &Path) -> Result<u64, Failure> {
    for file in ["etc/apk/config", "lib/apk/config"] {
        let path = root.join(file);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(io_at(&path)(error)),
        };
        for (number, line) in (1..).zip(text.lines()) {
            let Some((name, value)) = line.split_once(['=', ' ']) else {
                continue;
            };
            if name.trim() != "history_space" && name.trim() != "history-space" {
                continue;
            }
            let value = value.trim_start_matches(['=', ' ']).trim();
            let (digits, shift) = match value.chars().last() {
                Some('K') => (value.trim_end_matches('K'), 10),
                Some('M') => (value.trim_end_matches('M'), 20),
                Some('G') => (value.trim_end_matches('G'), 30),
                _ => (value, 0),
            };
            return digits
                .parse::<u64>()
                .ok()
                .and_then(|count| count.checked_mul(1 << shift))
                .ok_or_else(|| {
                    Failure::Say(format!(
                        "{}:{number}: history_space: '{value}' is no size",
                        path.display()
                    ))
                });
        }
        return Ok(HISTORY_SPACE);
    }
    Ok(HISTORY_SPACE)
}

/// The signals by which users and the system end a program.
const ENDING: [i32; 3] = [1, 2, 15];
const SIGPIPE: i32 = 13;

/// Carries out a transaction and tells of it.
pub fn carry_out(
    session: &mut Session<'_>,
    steps: Vec<Step>,
    world: Vec<Dependency>,
) -> Result<u8, Failure> {
    use sys::process::{Disposition, is_ignored, set_signal, signal_pending, take_signal};
    let given = session.given;
    let usermode = given.has("usermode")
        || given.says("chown") == Some(false)
        || !rustix::process::geteuid().is_root();
    let words: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let policy = Policy {
        keep_owner: usermode,
        no_scripts: given.says("scripts") == Some(false),
        overwrite: given.has("force-overwrite") || given.has("force"),
        purge: given.has("purge"),
        allow_untrusted: given.has("allow-untrusted"),
        journal: Some(Logged {
            when: recovery::now(),
            command: format!("apk {}", words.join(" ")),
            boot: recovery::boot(),
            history: true,
            space: history_space(&session.root)?,
        }),
        interrupted: Some(signal_pending),
    };
    for signal in ENDING {
        // What was started with nohup stays so.
        if !is_ignored(signal) {
            let _ = set_signal(signal, Disposition::Catch);
        }
    }
    // Whoever listens may go away; the transaction does not end in its middle for that.
    let _ = set_signal(SIGPIPE, Disposition::Ignore);
    let quiet = given.has("quiet");
    let root = session.root.clone();
    let result = Commit {
        fs: &session.fs,
        keys: &session.keys,
        policy: &policy,
        run_script: &mut |name, text, arguments| run_script(&root, name, text, arguments),
        event: &mut |event| match event {
            Event::Package {
                number,
                total,
                what,
            } if !quiet => mention(&format!("({number}/{total}) {what}")),
            Event::Script(text) if !quiet => mention(&text),
            Event::Warning(text) | Event::Recovery(text) => warn(&text),
            Event::Package { .. } | Event::Script(_) => {}
        },
    }
    .run_steps(&mut session.database, steps, world);
    let signal = take_signal();
    for signal in ENDING {
        if !is_ignored(signal) {
            let _ = set_signal(signal, Disposition::Default);
        }
    }
    sys::process::reset_sigpipe();
    let failed = match (result, signal) {
        (Ok(failed), _) => failed,
        (Err(error), Some(signal)) if !matches!(error, CommitError::Stuck { .. }) => {
            complain(&CommitError::Interrupted.to_string());
            drop(error);
            return Err(Failure::Said(u8::try_from(128 + signal).unwrap_or(1)));
        }
        (Err(error), _) => return Err(explain(&error)),
    };
    let names: HashSet<String> = session
        .database
        .packages
        .iter()
        .map(|package| package.record.name.clone())
        .collect();
    summary(session, &names, &[]);
    Ok(u8::from(failed > 0))
}

/// A line on standard output, if anybody still reads it.
fn mention(text: &str) {
    use io::Write;
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// A text as JSON has it.
pub fn json_text(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// An error of the library with a way out, where one is known.
fn explain(error: &CommitError) -> Failure {
    let text = error.to_string();
    let text = match text.find(" (os error") {
        Some(at) => {
            let (before, rest) = text.split_at(at);
            let behind = rest
                .find(')')
                .map_or("", |end| rest.get(end + 1..).unwrap_or(""));
            format!("{before}{behind}")
        }
        None => text,
    };
    if matches!(error, CommitError::Stuck { .. }) {
        return Failure::Say(format!(
            "{text}\nhint: nothing is lost: the next apk finishes or undoes it"
        ));
    }
    if text.contains("No space left") {
        return Failure::Say(format!(
            "{text}\nhint: nothing was installed; make room and try again"
        ));
    }
    Failure::Say(text)
}

fn simulate(session: &Session<'_>, changes: &[Change]) {
    let total = changes.len();
    for (number, change) in (1..).zip(changes) {
        let old = change
            .old
            .as_ref()
            .and_then(|name| session.database.get(name))
            .map(|package| &package.record);
        let what = match (old, change.new.as_ref().map(|new| &new.record)) {
            (None, Some(new)) => format!("Installing {} ({})", new.name, new.version),
            (Some(old), None) => format!("Purging {} ({})", old.name, old.version),
            (Some(old), Some(new)) => change_in_words(
                &new.name,
                &old.version,
                &new.version,
                old.identity == new.identity,
            ),
            (None, None) => continue,
        };
        session.tell(&format!("({number}/{total}) {what}"));
    }
}

pub fn confirmed() -> bool {
    super::show_progress("Do you want to continue [y/N]? ");
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).is_ok() && line.trim().eq_ignore_ascii_case("y")
}

/// `OK: 5 MiB in 12 packages`
fn summary(session: &Session<'_>, names: &HashSet<String>, candidates: &[Candidate]) {
    let size: u64 = if candidates.is_empty() {
        session
            .database
            .packages
            .iter()
            .map(|package| package.record.installed_size)
            .sum()
    } else {
        // Each name counts once: the one that was chosen or is installed.
        names
            .iter()
            .filter_map(|name| {
                candidates
                    .iter()
                    .find(|candidate| candidate.record.name == *name)
            })
            .map(|candidate| candidate.record.installed_size)
            .sum()
    };
    let count = names.len();
    let amount = if size < 1 << 20 {
        format!("{} KiB", size >> 10)
    } else {
        format!("{} MiB", size >> 20)
    };
    session.tell(&format!("OK: {amount} in {count} packages"));
}

/// Runs a script of a package in the root: with a clean environment, and in a chroot where the root is another one.
pub fn run_script(root: &Path, name: &str, text: &[u8], arguments: &[String]) -> io::Result<i32> {
    let folder = root.join("lib/apk/exec");
    fs::create_dir_all(&folder)?;
    let path = folder.join(name);
    let done = start_script(root, &path, name, text, arguments);
    let _ = fs::remove_file(&path);
    let _ = fs::remove_dir(&folder);
    done
}

fn start_script(
    root: &Path,
    path: &Path,
    name: &str,
    text: &[u8],
    arguments: &[String],
) -> io::Result<i32> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o755)
        .open(path)?;
    io::Write::write_all(&mut file, text)?;
    drop(file);
    let inside = Path::new("/lib/apk/exec").join(name);
    let mut package = name;
    let mut script = "";
    if let Some((before, behind)) = name.rsplit_once('.') {
        (package, script) = (before, behind);
    }
    let environment = [
        ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        ("APK_PACKAGE", package),
        ("APK_SCRIPT", script),
    ];
    if root == Path::new("/") {
        let status = Command::new(&inside)
            .args(arguments)
            .env_clear()
            .envs(environment)
            .current_dir("/")
            .status()?;
        return Ok(status
            .code()
            .or(status.signal().map(|s| 128 + s))
            .unwrap_or(1));
    }
    let words: Vec<OsString> = std::iter::once(inside.clone().into_os_string())
        .chain(arguments.iter().map(OsString::from))
        .collect();
    let environment: Vec<OsString> = environment
        .iter()
        .map(|(key, value)| format!("{key}={value}").into())
        .collect();
    let child = sys::process::fork(|| {
        let entered = rustix::process::chroot(root).and_then(|()| rustix::process::chdir("/"));
        if let Err(error) = entered {
            complain(&format!("{}: {error}", root.display()));
            return 126;
        }
        let _ = sys::process::umask(0o022);
        let error = sys::process::exec(&inside, &words, &environment);
        complain(&format!("{name}: {error}"));
        127
    })?;
    loop {
        match sys::process::wait(sys::process::Which::One(child), true, false) {
            Ok(Some((_, status))) => return Ok(status.code()),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
