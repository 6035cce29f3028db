//! What all scripts depend on: asked from the scripts themselves, in a child, since they may do anything.
//!
//! The child tells what it finds over a pipe, a block of lines a service. One that dies or hangs costs the service it
//! was at, not the rest: another child goes on behind it.

use super::Surroundings;
use crate::graph::{Declared, Keywords};
use crate::layout::Layout;
use crate::name::ServiceName;
use crate::runlevels;
use shell::Shell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use sys::{init, process};

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// What each service declares.
    pub declared: BTreeMap<ServiceName, Declared>,
    /// Scripts that could not be asked, and why.
    pub problems: Vec<String>,
    /// Files that they say their answer depends on: `config`.
    pub files: BTreeSet<PathBuf>,
    /// `rc_parallel`: how many scripts may run at a time, where that is set.
    pub parallel: Option<usize>,
}

/// How long one child may take for all that it does.
const PATIENCE: Duration = Duration::from_secs(20);

/// The scripts that are there: files that can be run, but for shell libraries.
pub fn scripts(layout: &Layout) -> Vec<ServiceName> {
    let folder = layout.scripts();
    let is_script = |name: &ServiceName| {
        let text = name.as_str();
        let runs = fs::metadata(folder.join(name))
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
        runs && ![".sh", ".apk-new", ".apk-old", "~"]
            .iter()
            .any(|end| text.ends_with(end))
            && text != "functions.sh"
    };
    let mut names = runlevels::names_in(&folder);
    names.retain(is_script);
    names
}

/// Whether a script is one for openrc-run: whatever else may lie there knows no `depend`.
pub(crate) fn is_ours(layout: &Layout, name: &ServiceName) -> bool {
    let mut line = [0; 128];
    let count = fs::File::open(layout.script(name))
        .and_then(|mut file| file.read(&mut line))
        .unwrap_or(0);
    let first = line
        .get(..count)
        .unwrap_or_default()
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = String::from_utf8_lossy(first);
    line.starts_with("#!") && (line.contains("openrc-run") || line.contains("runscript"))
}

/// Asks all scripts.
pub fn scan(layout: &Layout) -> Found {
    let mut found = Found::default();
    let all = scripts(layout);
    let mut rest = all.as_slice();
    while !rest.is_empty() {
        let (text, why) = ask(layout, rest);
        let done = read_blocks(&text, &mut found);
        rest = rest.get(done..).unwrap_or_default();
        if let (Some(why), Some((culprit, others))) = (why, rest.split_first()) {
            found.problems.push(format!(
                "{}: {why} while it was asked for its dependencies",
                layout.script(culprit).display()
            ));
            rest = others;
        } else if done == 0 {
            break;
        }
    }
    found
}

/// Asks these in a child. Returns what it said, and what went wrong if it did not get to the end.
fn ask(layout: &Layout, names: &[ServiceName]) -> (Vec<u8>, Option<String>) {
    let (read, write) = match process::pipe() {
        Ok(ends) => ends,
        Err(error) => return (Vec::new(), Some(error.to_string())),
    };
    let forked = process::fork(|| {
        init::forget_crash_handler();
        process::unblock_signals();
        let _ = process::close(read);
        let _ = process::set_group(0, 0);
        let Ok(write) = process::dup_above(write, 20) else {
            return 1;
        };
        // Scripts have nothing to say yet, and nothing to read.
        if let Ok(null) = process::open("/dev/null".as_ref(), 2, 0) {
            let _ = process::dup2(null, 0);
            let _ = process::dup2(null, 1);
            let _ = process::dup2(null, 2);
        }
        let settings = Settings::load(layout);
        if let Some(parallel) = settings.parallel {
            let line = format!("parallel {parallel}\n");
            let _ = process::write_all(write, line.as_bytes());
        }
        for name in names {
            let block = match is_ours(layout, name) {
                true => match asked(layout, name, &settings.kind) {
                    Ok((declared, files)) => encode(name, &declared, &files),
                    Err(error) => format!(
                        "service {name}\nproblem {}\n.\n",
                        error.to_string().replace('\n', " ")
                    ),
                },
                false => format!("service {name}\n.\n"),
            };
            if process::write_all(write, block.as_bytes()).is_err() {
                return 1;
            }
        }
        0
    });
    let _ = process::close(write);
    let child = match forked {
        Ok(child) => child,
        Err(error) => {
            let _ = process::close(read);
            return (Vec::new(), Some(error.to_string()));
        }
    };
    let end = Instant::now() + PATIENCE;
    let mut text = Vec::new();
    let mut part = [0; 4096];
    let mut late = false;
    loop {
        let rest = end.saturating_duration_since(Instant::now());
        let milliseconds = i32::try_from(rest.as_millis()).unwrap_or(i32::MAX);
        match process::readable(read, milliseconds) {
            Ok(true) => match process::read(read, &mut part) {
                Ok(0) => break,
                Ok(count) => text.extend_from_slice(part.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            },
            Ok(false) => {
                late = true;
                break;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    let _ = process::close(read);
    if late {
        let _ = process::kill(-child, 9);
        let _ = process::kill(child, 9);
    }
    let status = loop {
        match process::wait(process::Which::One(child), true, false) {
            Ok(Some((_, status))) => break status.code(),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            _ => break 0,
        }
    };
    let why = match (late, status) {
        (true, _) => Some("it took too long".to_owned()),
        (false, 0) => None,
        (false, status) => Some(format!("the shell ended with status {status}")),
    };
    (text, why)
}

fn asked(
    layout: &Layout,
    name: &ServiceName,
    kind: &str,
) -> Result<(Declared, Vec<String>), super::Error> {
    let mut shell = super::load(layout, name, "depend", &Surroundings::default())?;
    if shell.has_function(b"depend") {
        // `after *` means all services, not the files that lie about.
        shell.eval(b"depend", b"set -f")?;
        shell.call(b"depend", &[])?;
    }
    let mut files = said(&shell, "_rc_said_config");
    files.retain(|file| file.starts_with('/'));
    Ok((declared(&shell, name, kind), files))
}

pub(crate) fn said(shell: &Shell, variable: &str) -> Vec<String> {
    let text = shell.var(variable.as_bytes()).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

/// What `depend` said, and `rc_need="…"`, `rc_use`, … of the configuration: words are added, and those with `!` taken
/// away.
pub(crate) fn declared(shell: &Shell, name: &ServiceName, kind: &str) -> Declared {
    let underscored = |text: &str| -> String {
        text.chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect()
    };
    let full = underscored(name.as_str());
    // `rc_need_eth0` in the settings that net.eth0 shares with others.
    let rest = name
        .as_str()
        .split_once('.')
        .map(|(_, rest)| underscored(rest));
    let all = |verb: &str| -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let variables = [
            Some(format!("_rc_said_{verb}")),
            Some(format!("rc_{verb}")),
            rest.as_ref().map(|rest| format!("rc_{verb}_{rest}")),
            Some(format!("rc_{full}_{verb}")),
        ];
        for variable in variables.into_iter().flatten() {
            for word in said(shell, &variable) {
                match word.strip_prefix('!') {
                    Some(gone) => words.retain(|word| word != gone),
                    None => words.push(word),
                }
            }
        }
        words
    };
    let names = |verb: &str| -> Vec<ServiceName> {
        let mut names: Vec<ServiceName> = all(verb)
            .iter()
            .filter_map(|word| ServiceName::parse(word.as_bytes()).ok())
            .collect();
        names.retain(|name| name.as_str() != "*");
        names
    };
    let has_star = |verb: &str| all(verb).iter().any(|word| word == "*");
    Declared {
        need: names("need"),
        uses: names("use"),
        want: names("want"),
        before: names("before"),
        after: names("after"),
        provide: names("provide"),
        before_all: has_star("before"),
        after_all: has_star("after"),
        keywords: Keywords {
            time_limit: time_limit(shell),
            ..keywords(&all("keyword"), kind)
        },
    }
}

/// `rc_timeout`: how many seconds its script may take; 0: as long as it takes.
fn time_limit(shell: &Shell) -> Option<u32> {
    let text = said(shell, "rc_timeout");
    text.first()?.parse().ok()
}

fn keywords(words: &[String], kind: &str) -> Keywords {
    let mut keywords = Keywords::default();
    for word in words {
        // `nostop` is the older way to say `-stop`.
        let Some(word) = word.strip_prefix('-').or_else(|| word.strip_prefix("no")) else {
            continue;
        };
        match word {
            "stop" => keywords.no_stop = true,
            "shutdown" => keywords.no_shutdown = true,
            "timeout" => keywords.no_timeout = true,
            "containers" => keywords.excluded |= is_container(kind),
            other => keywords.excluded |= !kind.is_empty() && other == kind,
        }
    }
    keywords
}

/// Whether a keyword says anything, here or on another kind of system.
pub(crate) fn is_keyword(word: &str) -> bool {
    let word = word
        .strip_prefix('-')
        .or_else(|| word.strip_prefix("no"))
        .unwrap_or(word);
    is_container(&word.to_ascii_lowercase())
        || matches!(
            word.to_ascii_lowercase().as_str(),
            "stop"
                | "shutdown"
                | "timeout"
                | "containers"
                | "prefix"
                | "uml"
                | "xenu"
                | "xen0"
                | "vserver"
        )
}

fn is_container(kind: &str) -> bool {
    matches!(
        kind,
        "docker" | "podman" | "lxc" | "openvz" | "systemd-nspawn" | "rkt" | "vserver" | "jail"
    )
}

/// What rc.conf says of all services.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// What kind of system this is: `rc_sys`, or what gives itself away. Nothing: an ordinary machine.
    pub kind: String,
    parallel: Option<usize>,
    /// `rc_hotplug`: the services that may be started as devices appear.
    hotplug: Vec<String>,
}

impl Settings {
    /// Reads them. rc.conf is a script, so this is for processes that may end.
    pub fn load(layout: &Layout) -> Settings {
        let mut shell = Shell::new();
        let _ = shell.source_file(&layout.path("/etc/rc.conf"));
        Settings {
            kind: kind_of_system(&shell, layout),
            parallel: shell.var(b"rc_parallel").and_then(|value| {
                let text = String::from_utf8_lossy(&value).trim().to_owned();
                match crate::message::is_yes(text.as_bytes()) {
                    Some(false) => Some(1),
                    _ => text.parse().ok().filter(|count| *count > 1),
                }
            }),
            hotplug: said(&shell, "rc_hotplug"),
        }
    }

    /// Whether a service may be started as devices appear: the first word that fits it says so; with none, it may not.
    pub fn may_hotplug(&self, name: &ServiceName) -> bool {
        for word in &self.hotplug {
            let (pattern, allowed) = match word.strip_prefix('!') {
                Some(rest) => (rest, false),
                None => (word.as_str(), true),
            };
            if shell::pattern::matches(pattern.as_bytes(), name.as_str().as_bytes()) {
                return allowed;
            }
        }
        false
    }
}

/// What kind of system this is.
fn kind_of_system(shell: &Shell, layout: &Layout) -> String {
    if let Some(kind) = shell.var(b"rc_sys") {
        return String::from_utf8_lossy(&kind).to_ascii_lowercase();
    }
    if layout.path("/.dockerenv").exists() {
        return "docker".into();
    }
    if layout.path("/run/.containerenv").exists() {
        return "podman".into();
    }
    let environment = fs::read(layout.path("/proc/1/environ")).unwrap_or_default();
    let container = environment
        .split(|byte| *byte == 0)
        .find_map(|word| word.strip_prefix(b"container="));
    String::from_utf8_lossy(container.unwrap_or_default()).into_owned()
}

fn encode(name: &ServiceName, declared: &Declared, files: &[String]) -> String {
    let mut text = format!("service {name}\n");
    for file in files {
        text += &format!("config {file}\n");
    }
    let lists = [
        ("need", &declared.need),
        ("use", &declared.uses),
        ("want", &declared.want),
        ("before", &declared.before),
        ("after", &declared.after),
        ("provide", &declared.provide),
    ];
    for (verb, names) in lists {
        for name in names {
            text += &format!("{verb} {name}\n");
        }
    }
    let Keywords {
        no_stop,
        no_shutdown,
        no_timeout,
        excluded,
        time_limit,
    } = declared.keywords;
    if let Some(seconds) = time_limit {
        text += &format!("time-limit {seconds}\n");
    }
    for (is_so, word) in [
        (declared.before_all, "before-all"),
        (declared.after_all, "after-all"),
        (no_stop, "no-stop"),
        (no_shutdown, "no-shutdown"),
        (no_timeout, "no-timeout"),
        (excluded, "excluded"),
    ] {
        if is_so {
            text += word;
            text.push('\n');
        }
    }
    text + ".\n"
}

/// Reads complete blocks. Returns how many there were.
fn read_blocks(text: &[u8], found: &mut Found) -> usize {
    let text = String::from_utf8_lossy(text);
    let mut count = 0;
    let mut block: Option<(ServiceName, Declared)> = None;
    for line in text.split_inclusive('\n') {
        let Some(line) = line.strip_suffix('\n') else {
            break;
        };
        if line == "." {
            if let Some((name, declared)) = block.take() {
                found.declared.insert(name, declared);
                count += 1;
            }
            continue;
        }
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        if verb == "service" {
            block = ServiceName::parse(rest.as_bytes())
                .ok()
                .map(|name| (name, Declared::default()));
            continue;
        }
        let Some((service, declared)) = &mut block else {
            if verb == "parallel" {
                found.parallel = rest.parse().ok();
            }
            continue;
        };
        if verb == "config" {
            found.files.insert(rest.into());
            continue;
        }
        if verb == "problem" {
            found.problems.push(format!("{service}: {rest}"));
            continue;
        }
        match (verb, ServiceName::parse(rest.as_bytes())) {
            ("need", Ok(name)) => declared.need.push(name),
            ("use", Ok(name)) => declared.uses.push(name),
            ("want", Ok(name)) => declared.want.push(name),
            ("before", Ok(name)) => declared.before.push(name),
            ("after", Ok(name)) => declared.after.push(name),
            ("provide", Ok(name)) => declared.provide.push(name),
            ("before-all", _) => declared.before_all = true,
            ("after-all", _) => declared.after_all = true,
            ("no-stop", _) => declared.keywords.no_stop = true,
            ("no-shutdown", _) => declared.keywords.no_shutdown = true,
            ("no-timeout", _) => declared.keywords.no_timeout = true,
            ("excluded", _) => declared.keywords.excluded = true,
            ("time-limit", _) => declared.keywords.time_limit = rest.parse().ok(),
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(scripts: &[(&str, &str)]) -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        fs::create_dir_all(layout.scripts()).unwrap();
        fs::create_dir_all(layout.path("/etc/conf.d")).unwrap();
        for (name, text) in scripts {
            let path = layout.scripts().join(name);
            fs::write(&path, format!("#!/sbin/openrc-run\n{text}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        (folder, layout)
    }

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn scripts_say_what_they_depend_on() {
        let (_folder, layout) = root(&[
            (
                "web",
                "depend() { need net old\n need !old; config /etc/x /etc/y; use logger dns; after *\n keyword -shutdown -docker; provide http; }",
            ),
            ("plain", "start() { :; }"),
        ]);
        fs::write(
            layout.config("web"),
            "rc_need=\"!net disk\"\nrc_after=clock\nrc_timeout=90\n",
        )
        .unwrap();
        fs::write(
            layout.path("/etc/rc.conf"),
            "rc_sys=docker\nrc_web_want=mail\nrc_parallel=NO\n",
        )
        .unwrap();
        let found = scan(&layout);
        assert_eq!(found.problems, [""; 0]);
        assert_eq!(found.parallel, Some(1));
        assert_eq!(
            found.files.iter().collect::<Vec<_>>(),
            [&PathBuf::from("/etc/x"), &PathBuf::from("/etc/y")]
        );
        assert_eq!(
            found.declared[&name("web")],
            Declared {
                need: vec![name("disk")],
                uses: vec![name("logger"), name("dns")],
                want: vec![name("mail")],
                after: vec![name("clock")],
                provide: vec![name("http")],
                after_all: true,
                keywords: Keywords {
                    no_shutdown: true,
                    excluded: true,
                    time_limit: Some(90),
                    ..Keywords::default()
                },
                ..Declared::default()
            }
        );
        assert_eq!(found.declared[&name("plain")], Declared::default());
    }

    #[test]
    fn a_script_that_breaks_costs_only_itself() {
        let (_folder, layout) = root(&[
            ("a", "depend() { need b; }"),
            ("b", "if then"),
            ("c", "exit 3"),
            ("d", "kill -9 $$; sleep 10"),
            ("e", "depend() { kill -9 $$; sleep 10; }"),
            ("f", "depend() { need a; }"),
        ]);
        let found = scan(&layout);
        let names: Vec<&str> = found.declared.keys().map(ServiceName::as_str).collect();
        assert_eq!(found.problems.len(), 4, "{:?}", found.problems);
        assert!(found.problems[0].contains("b: "), "{:?}", found.problems);
        assert!(names.contains(&"a") && names.contains(&"f"), "{names:?}");
        assert_eq!(found.declared[&name("f")].need, [name("a")]);
    }

    #[test]
    fn blocks_survive_a_round_trip_and_any_cut() {
        let declared = Declared {
            need: vec![name("a"), name("b")],
            uses: vec![name("c")],
            want: vec![name("d")],
            before: vec![name("e")],
            after: vec![name("f")],
            provide: vec![name("g")],
            before_all: true,
            after_all: true,
            keywords: Keywords {
                no_stop: true,
                no_shutdown: true,
                no_timeout: true,
                excluded: true,
                time_limit: Some(0),
            },
        };
        let text = encode(&name("x"), &declared, &["/etc/x".into()]);
        let mut found = Found::default();
        assert_eq!(read_blocks(text.as_bytes(), &mut found), 1);
        assert_eq!(found.declared[&name("x")], declared);
        for cut in 0..text.len() {
            let mut found = Found::default();
            assert_eq!(read_blocks(&text.as_bytes()[..cut], &mut found), 0, "{cut}");
        }
    }

    #[test]
    fn what_may_be_hotplugged_is_listed() {
        let settings = Settings {
            hotplug: vec!["!net.wlan*".into(), "net.*".into()],
            ..Settings::default()
        };
        assert!(settings.may_hotplug(&name("net.eth0")));
        assert!(!settings.may_hotplug(&name("net.wlan1")));
        assert!(!settings.may_hotplug(&name("sshd")));
    }

    #[test]
    fn what_is_no_script_is_left_out() {
        let (_folder, layout) = root(&[
            ("ok", ""),
            ("lib.sh", ""),
            (".hidden", ""),
            ("x.apk-new", ""),
        ]);
        fs::write(layout.scripts().join("readme"), "text").unwrap();
        assert_eq!(scripts(&layout), [name("ok")]);
    }
}
