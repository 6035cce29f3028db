//! Carrying out: what changes the root.

use super::changes::{Line, summary};
use super::scripts::{Runner, hooks};
use super::session::{Failure, Known, Session, failure, io_at};
use super::{complain, recovery, warn};
use apk::commit::{Commit, CommitError, Event, Logged, Open, Policy, Step};
use apk::dependency::{Dependency, Operator};
use apk::keys::Trust;
use apk::package::{self, Identity, PkgInfo, Reader};
use apk::record::Record;
use apk::version::Version;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor};
use std::path::{Path, PathBuf};

/// Packages that are in no repository: files of the command line, and virtual ones.
#[derive(Default)]
pub struct Extra {
    /// Each, and whether it is a file.
    records: Vec<(Record, bool)>,
    bytes: HashMap<String, Bytes>,
}

enum Bytes {
    File(PathBuf),
    Memory(Vec<u8>),
}

/// A transaction that was decided on.
#[derive(Default)]
pub struct Work {
    /// The packages.
    pub steps: Vec<Step>,
    /// The world behind it.
    pub world: Vec<Dependency>,
    /// Packages that are pinned to another tag, and otherwise stay.
    pub pins: Vec<(String, Option<String>)>,
    /// What is shown; empty: what the steps themselves tell.
    pub lines: Vec<Line>,
    /// More follows: how it ended is not yet said.
    pub part_of_more: bool,
}

impl Extra {
    /// The packages, once.
    pub fn take(&mut self) -> Vec<(Record, bool)> {
        std::mem::take(&mut self.records)
    }

    /// A file of the command line: the world names exactly this one.
    pub fn file(&mut self, session: &Session<'_>, path: &Path) -> Result<Dependency, Failure> {
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
        self.records.push((record, true));
        Ok(dependency)
    }

    /// A package that has nothing but dependencies.
    pub fn virtual_package(
        &mut self,
        name: &Dependency,
        depends: &[Dependency],
    ) -> Result<Dependency, Failure> {
        let version = match &name.version {
            Some((_, version)) => version.to_string(),
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
        self.records.push((record, false));
        Ok(Dependency {
            conflict: false,
            name: name.name.clone(),
            tag: None,
            version: Some((Operator::Equal, Version::new(version))),
        })
    }

    pub fn open(&mut self, identity: &Identity) -> Option<Open> {
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
pub fn carry_out(session: &mut Session<'_>, work: Work) -> Result<u8, Failure> {
    use sys::process::{Disposition, is_ignored, set_signal, signal_pending, take_signal};
    let given = session.given;
    let usermode =
        given.has("usermode") || given.has("no-chown") || !rustix::process::geteuid().is_root();
    let words: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let policy = Policy {
        keep_owner: usermode,
        no_scripts: given.says("scripts") == Some(false),
        overwrite: given.has("force-overwrite") || given.has("force"),
        purge: given.has("purge"),
        pins: work.pins,
        allow_untrusted: given.has("allow-untrusted"),
        journal: Some(Logged {
            when: recovery::now(),
            command: format!("apk {}", words.join(" ")),
            boot: recovery::boot(),
            history: true,
            space: history_space(&session.root)?,
        }),
        // A server answers several at a time; what is here already needs processors.
        readers: if session.fetching.expects() { 8 } else { 0 },
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
    let runner = Runner::new(session);
    hooks::run(session, &runner, "pre-commit")?;
    let mut lines = work.lines.into_iter().peekable();
    let listed = lines.peek().is_some();
    let result = Commit {
        fs: &session.fs,
        keys: &session.keys,
        policy: &policy,
        run_script: &mut |name, text, arguments| runner.run(name, text, arguments),
        event: &mut |event| match event {
            Event::Package {
                number,
                total,
                what,
            } if !quiet => {
                if !listed {
                    mention(&format!("({number}/{total}) {what}"));
                }
                // With those in front of it that change no file.
                for line in lines.by_ref() {
                    mention(&line.text);
                    if line.is_step {
                        break;
                    }
                }
            }
            Event::Script(text) if !quiet => {
                let indent = if text.ends_with(".trigger") { "" } else { "  " };
                mention(&format!("{indent}{text}"));
            }
            Event::Warning(text) | Event::Recovery(text) => warn(&text),
            Event::Package { .. } | Event::Script(_) => {}
        },
    }
    .run_steps(&mut session.database, work.steps, work.world);
    if !quiet && result.is_ok() {
        lines.for_each(|line| mention(&line.text));
    }
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
    hooks::run(session, &runner, "post-commit")?;
    if !work.part_of_more {
        summary(session, (0, 0), failed);
    }
    Ok(u8::from(failed > 0))
}

/// A line on standard output, if anybody still reads it.
pub fn mention(text: &str) {
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

/// `[Y/n]`: the answer of those who only press Enter, or give none, is yes.
pub fn prompt() -> bool {
    use io::Write;
    let mut out = io::stdout().lock();
    let _ = out
        .write_all(b"Do you want to continue [Y/n]? ")
        .and_then(|()| out.flush());
    drop(out);
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).is_ok()
        && matches!(line.chars().next(), None | Some('y' | 'Y' | '\n'))
}

pub fn confirmed() -> bool {
    super::show_progress("Do you want to continue [y/N]? ");
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).is_ok() && line.trim().eq_ignore_ascii_case("y")
}
