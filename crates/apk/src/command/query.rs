//! What tells of packages: `info`, `list`, `search`, `version`, `policy`, `manifest`, `stats`.

use super::options::Given;
use super::session::{Failure, Known, Refresh, Session, failure};
use super::{complain, say, warn};
use apk::database::Installed;
use apk::dependency::Dependency;
use apk::package::Identity;
use apk::record::Record;
use apk::version::Version;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Component, Path, PathBuf};

/// fnmatch(3) on names: `*`, `?` and `[…]`.
pub fn fits(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            (0..=text.len()).any(|at| fits(rest, text.get(at..).unwrap_or_default()))
        }
        (Some((b'?', rest)), Some((_, behind))) => fits(rest, behind),
        (Some((b'[', rest)), Some((byte, behind))) => {
            let Some(end) = rest.iter().skip(1).position(|byte| *byte == b']') else {
                return *byte == b'[' && fits(rest, behind);
            };
            let (set, rest) = rest.split_at(end + 1);
            let (negated, set) = match set.strip_prefix(b"!") {
                Some(set) => (true, set),
                None => (false, set),
            };
            let mut inside = false;
            let mut left = set;
            while let Some((first, more)) = left.split_first() {
                if let [b'-', last, rest @ ..] = more {
                    inside |= (first..=last).contains(&byte);
                    left = rest;
                } else {
                    inside |= first == byte;
                    left = more;
                }
            }
            inside != negated && fits(rest.get(1..).unwrap_or_default(), behind)
        }
        (Some((wanted, rest)), Some((byte, behind))) => wanted == byte && fits(rest, behind),
        _ => false,
    }
}

fn matches(session: &Session<'_>, name: &str) -> bool {
    session.given.operands.is_empty()
        || session
            .given
            .operands
            .iter()
            .any(|pattern| fits(pattern.as_encoded_bytes(), name.as_bytes()))
}

/// Indexes for commands that only look: what is missing is a warning.
fn load(session: &Session<'_>) -> Result<Known, Failure> {
    let known = session.load(Refresh::Never)?;
    for one in &known.unavailable {
        if !session.given.has("quiet") {
            warn(&format!("opening {}: {}", one.url, one.why));
        }
    }
    Ok(known)
}

/// All packages by name, the newest first; installed ones are among them.
fn by_name<'a>(session: &'a Session<'_>, known: &'a Known) -> BTreeMap<&'a str, Vec<&'a Record>> {
    let mut all: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    let installed = session
        .database
        .packages
        .iter()
        .map(|package| &package.record);
    for record in installed.chain(known.packages.iter().map(|(_, record)| record)) {
        let list = all.entry(&record.name).or_default();
        if !list.iter().any(|one| one.identity == record.identity) {
            list.push(record);
        }
    }
    for list in all.values_mut() {
        list.sort_by(|a, b| b.version.cmp(&a.version));
    }
    all
}

fn is_installed(session: &Session<'_>, record: &Record) -> bool {
    session
        .database
        .get(&record.name)
        .is_some_and(|package| package.record.identity == record.identity)
}

/// Whether a package satisfies a name, by its own or by what it provides.
fn satisfies(record: &Record, dependency: &Dependency) -> bool {
    (record.name == dependency.name && dependency.accepts(Some(&record.version)))
        || record.provides.iter().any(|provided| {
            provided.name == dependency.name
                && dependency.accepts(provided.version.as_ref().map(|(_, version)| version))
        })
}

/// `5 MiB`
fn size(bytes: u64) -> String {
    if bytes < 10 << 10 {
        format!("{bytes} B")
    } else if bytes < 10 << 20 {
        format!("{} KiB", bytes >> 10)
    } else {
        format!("{} MiB", bytes >> 20)
    }
}

/// `apk info`
pub fn info(session: &Session<'_>) -> Result<u8, Failure> {
    let given = session.given;
    let verbose = given.has("verbose");
    if given.has("who-owns") {
        return who_owns(session);
    }
    if given.operands.is_empty() {
        let mut lines: Vec<String> = session
            .database
            .packages
            .iter()
            .map(|package| {
                let record = &package.record;
                match (verbose, given.count("verbose") > 1) {
                    (_, true) => format!("{} - {}", record.full_name(), record.description),
                    (true, _) => record.full_name(),
                    _ => record.name.clone(),
                }
            })
            .collect();
        lines.sort();
        lines.iter().for_each(|line| say(line));
        return Ok(0);
    }
    if given.has("installed") {
        let mut status = 0;
        for word in &given.operands {
            let dependency = Dependency::parse(&word.to_string_lossy())
                .map_err(|error| Failure::Say(error.to_string()))?;
            let found = session
                .database
                .packages
                .iter()
                .find(|package| satisfies(&package.record, &dependency));
            match found {
                Some(package) => session.tell(&package.record.name),
                None => status = 1,
            }
        }
        return Ok(status);
    }
    let known = load(session)?;
    let all = by_name(session, &known);
    let mut status = 0;
    for word in &given.operands {
        let text = word.to_string_lossy();
        let dependency =
            Dependency::parse(&text).map_err(|error| Failure::Say(error.to_string()))?;
        let mut found: Vec<&Record> = session
            .database
            .packages
            .iter()
            .map(|package| &package.record)
            .filter(|record| satisfies(record, &dependency))
            .collect();
        if found.is_empty() {
            found = all
                .get(dependency.name.as_str())
                .into_iter()
                .flatten()
                .filter(|record| dependency.accepts(Some(&record.version)))
                .copied()
                .collect();
        }
        if found.is_empty() {
            complain(&format!("no such package: {text}"));
            status = 1;
        }
        for record in found {
            tell_of(session, &known, record);
        }
    }
    Ok(status)
}

fn lines_of(list: &[Dependency]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

/// The parts of `info` that were asked for.
fn tell_of(session: &Session<'_>, known: &Known, record: &Record) {
    let given = session.given;
    let name = record.full_name();
    let all = given.has("all");
    let installed = session
        .database
        .get(&record.name)
        .filter(|_| is_installed(session, record));
    let asked = |option: &str| all || given.has(option);
    const PARTS: [&str; 13] = [
        "all",
        "description",
        "webpage",
        "size",
        "depends",
        "provides",
        "rdepends",
        "contents",
        "install-if",
        "rinstall-if",
        "replaces",
        "triggers",
        "license",
    ];
    let none = !PARTS.iter().any(|part| given.has(part));
    let part = |title: &str, lines: Vec<String>| {
        if given.has("quiet") {
            lines.iter().for_each(|line| say(line));
            return;
        }
        say(&format!("{name} {title}:"));
        lines.iter().for_each(|line| say(line));
        say("");
    };
    if none || asked("description") {
        part("description", vec![record.description.clone()]);
    }
    if none || asked("webpage") {
        part("webpage", vec![record.url.clone()]);
    }
    if none || asked("size") {
        part("installed size", vec![size(record.installed_size)]);
    }
    if asked("depends") {
        part("depends on", lines_of(&record.depends));
    }
    if asked("provides") {
        part("provides", lines_of(&record.provides));
    }
    if asked("rdepends") {
        part("is required by", required_by(session, known, record));
    }
    if asked("contents") {
        let files = installed.map(|package| {
            package
                .paths()
                .map(|(path, _)| path.display().to_string())
                .collect()
        });
        part("contains", files.unwrap_or_default());
    }
    if asked("triggers") {
        let triggers = installed.map(|package| package.triggers.clone());
        part("triggers", triggers.unwrap_or_default());
    }
    if asked("install-if") {
        part("has auto-install rule", lines_of(&record.install_if));
    }
    if asked("rinstall-if") {
        let dependants = known
            .packages
            .iter()
            .map(|(_, other)| other)
            .filter(|other| other.install_if.iter().any(|one| satisfies(record, one)))
            .map(Record::full_name);
        part("affects auto-installation of", dependants.collect());
    }
    if asked("replaces") {
        part("replaces", lines_of(&record.replaces));
    }
    if asked("license") {
        part("license", vec![record.license.clone()]);
    }
}

/// Who depends on a package: among the installed for an installed one, else among all.
fn required_by(session: &Session<'_>, known: &Known, record: &Record) -> Vec<String> {
    let needs = |other: &&Record| {
        other
            .depends
            .iter()
            .any(|dependency| !dependency.conflict && satisfies(record, dependency))
    };
    let mut names: BTreeSet<String> = BTreeSet::new();
    if is_installed(session, record) {
        let all = session
            .database
            .packages
            .iter()
            .map(|package| &package.record);
        names.extend(all.filter(needs).map(Record::full_name));
    } else {
        let all = known.packages.iter().map(|(_, other)| other);
        names.extend(all.filter(needs).map(Record::full_name));
    }
    names.into_iter().collect()
}

/// `apk info -W`
fn who_owns(session: &Session<'_>) -> Result<u8, Failure> {
    let owners = session.database.owners();
    let mut status = 0;
    for word in &session.given.operands {
        let asked = Path::new(word);
        let absolute = std::path::absolute(asked).unwrap_or_else(|_| asked.to_owned());
        let inside: PathBuf = absolute
            .components()
            .filter(|part| matches!(part, Component::Normal(_)))
            .collect();
        // A link leads to its target's owner where it has none itself.
        let behind = std::fs::canonicalize(session.root.join(&inside)).ok();
        let behind = behind
            .as_deref()
            .and_then(|path| path.strip_prefix(&session.root).ok());
        let direct = owners.get(&inside);
        let owner = direct.or_else(|| owners.get(behind?));
        match owner.and_then(|at| session.database.packages.get(*at)) {
            Some(package) if session.given.has("quiet") => say(&package.record.name),
            Some(package) => {
                let link = if direct.is_none() {
                    "symlink target "
                } else {
                    ""
                };
                say(&format!(
                    "{} {link}is owned by {}",
                    word.display(),
                    package.record.full_name()
                ));
            }
            None => {
                complain(&format!("{}: Could not find owner package", word.display()));
                status = 1;
            }
        }
    }
    Ok(status)
}

/// `apk list`
pub fn list(session: &Session<'_>) -> Result<u8, Failure> {
    let given = session.given;
    let known = load(session)?;
    let upgradable = given.has("upgradable") || given.has("upgradeable");
    let offered: HashSet<&Identity> = known
        .packages
        .iter()
        .map(|(_, record)| &record.identity)
        .collect();
    for records in by_name(session, &known).values() {
        // The newest comes first.
        let newest = records
            .iter()
            .find(|record| offered.contains(&record.identity))
            .map(|record| &record.version);
        for record in records {
            let installed = is_installed(session, record);
            let in_repository = offered.contains(&record.identity);
            if given.has("installed") && !installed
                || given.has("orphaned") && (!installed || in_repository)
                || given.has("available") && !in_repository
            {
                continue;
            }
            let newer = newest.filter(|version| **version > record.version);
            let old = session
                .database
                .get(&record.name)
                .map(|package| &package.record.version);
            // What is shown is the newer one.
            let upgrades = old.filter(|old| **old < record.version);
            if upgradable && (upgrades.is_none() || newer.is_some()) {
                continue;
            }
            let fits = if given.has("origin") {
                matches(session, record.origin.as_deref().unwrap_or(&record.name))
            } else if given.has("depends") {
                record.depends.iter().any(|one| matches(session, &one.name))
            } else if given.has("providers") {
                record
                    .provides
                    .iter()
                    .any(|one| matches(session, &one.name))
                    || matches(session, &record.name)
            } else {
                matches(session, &record.name)
            };
            if !fits {
                continue;
            }
            let mut line = format!(
                "{} {} {{{}}} ({})",
                record.full_name(),
                record.arch,
                record.origin.as_deref().unwrap_or(&record.name),
                record.license
            );
            if installed {
                line.push_str(" [installed]");
            }
            if upgradable && let Some(old) = upgrades {
                line.push_str(&format!(" [upgradable from: {}-{old}]", record.name));
            } else if installed && let Some(newer) = newer {
                line.push_str(&format!(" [upgradable to: {}-{newer}]", record.name));
            }
            say(&line);
        }
    }
    Ok(0)
}

/// `apk search`
pub fn search(session: &Session<'_>) -> Result<u8, Failure> {
    let given = session.given;
    let known = load(session)?;
    let exact = given.has("exact") || given.has("exact-match");
    let fit = |text: &str| {
        given.operands.is_empty()
            || given.operands.iter().any(|word| {
                let pattern = word.to_string_lossy();
                if exact {
                    text == pattern
                } else if pattern.contains(['*', '?', '[']) {
                    fits(pattern.as_bytes(), text.as_bytes())
                } else {
                    text.to_lowercase().contains(&pattern.to_lowercase())
                }
            })
    };
    let mut lines = BTreeSet::new();
    for (name, records) in by_name(session, &known) {
        let how_many = if given.has("all") { records.len() } else { 1 };
        for record in records.into_iter().take(how_many) {
            let found = if given.has("has-origin") {
                fit(record.origin.as_deref().unwrap_or_default())
            } else {
                fit(name)
                    || exact && record.provides.iter().any(|one| fit(&one.name))
                    || given.has("description") && fit(&record.description)
            };
            if !found {
                continue;
            }
            if given.has("rdepends") {
                let others = required_by(session, &known, record);
                lines.insert(format!("{} is required by:", record.full_name()));
                lines.extend(others);
                continue;
            }
            let shown = if given.has("origin") {
                record.origin.clone().unwrap_or_else(|| record.name.clone())
            } else if given.has("quiet") {
                record.name.clone()
            } else if given.has("verbose") {
                format!("{} - {}", record.full_name(), record.description)
            } else {
                record.full_name()
            };
            lines.insert(shown);
        }
    }
    lines.iter().for_each(|line| say(line));
    Ok(0)
}

fn sign(order: Ordering) -> &'static str {
    match order {
        Ordering::Less => "<",
        Ordering::Equal => "=",
        Ordering::Greater => ">",
    }
}

/// `apk version -t` and `-c`
pub fn compare(given: &Given) -> Result<u8, Failure> {
    let versions: Vec<Version> = given
        .operands
        .iter()
        .map(|word| Version::new(word.to_string_lossy().into_owned()))
        .collect();
    if given.has("check") {
        let mut status = 0;
        for version in versions.iter().filter(|version| !version.is_valid()) {
            say(version.as_str());
            status = 1;
        }
        return Ok(status);
    }
    let [first, second] = versions.as_slice() else {
        return failure("version -t needs two versions");
    };
    say(sign(first.cmp(second)));
    Ok(0)
}

/// `apk version`
pub fn versions(session: &Session<'_>) -> Result<u8, Failure> {
    let given = session.given;
    let known = load(session)?;
    if given.has("indexes") {
        for (repository, description) in session.repositories.iter().zip(&known.descriptions) {
            if let Some(description) = description {
                say(&format!("{description} [{}]", repository.url));
            }
        }
        return Ok(0);
    }
    let limit = given
        .value("limit")
        .map(|text| text.to_string_lossy().into_owned());
    // Without a limit only what could be newer is of interest, unless packages are named.
    let limit = match limit {
        Some(limit) => limit,
        None if given.operands.is_empty() => "<".to_owned(),
        None => "<=>?".to_owned(),
    };
    session.tell(&format!("{:<42}   {}", "Installed:", "Available:"));
    let mut names: Vec<&Installed> = session
        .database
        .packages
        .iter()
        .filter(|package| matches(session, &package.record.name))
        .collect();
    names.sort_by(|a, b| a.record.name.cmp(&b.record.name));
    for package in names {
        let record = &package.record;
        let newest = known
            .packages
            .iter()
            .filter(|(number, other)| {
                let tag = session
                    .repositories
                    .get(*number)
                    .and_then(|one| one.tag.as_ref());
                other.name == record.name
                    && (tag.is_none() || tag == package.tag.as_ref() || given.has("all"))
            })
            .map(|(_, other)| &other.version)
            .max();
        let (mark, shown) = match newest {
            Some(newest) => (sign(record.version.cmp(newest)), newest.to_string()),
            None => ("?", String::new()),
        };
        if limit.contains(mark) {
            if given.has("quiet") {
                say(&record.name);
            } else {
                say(format!("{:<42} {mark} {shown}", record.full_name()).trim_end());
            }
        }
    }
    Ok(0)
}

/// `apk policy`
pub fn policy(session: &Session<'_>) -> Result<u8, Failure> {
    let known = load(session)?;
    let all = by_name(session, &known);
    let mut status = 0;
    for word in &session.given.operands {
        let name = word.to_string_lossy();
        let Some(records) = all.get(name.as_ref()) else {
            complain(&format!("no such package: {name}"));
            status = 1;
            continue;
        };
        say(&format!("{name} policy:"));
        for record in records {
            say(&format!("  {}:", record.version));
            if is_installed(session, record) {
                say("    lib/apk/db/installed");
            }
            for (number, other) in &known.packages {
                if other.identity == record.identity
                    && let Some(repository) = session.repositories.get(*number)
                {
                    let tag = repository.tag.as_ref().map(|tag| format!("@{tag} "));
                    say(&format!(
                        "    {}{}",
                        tag.unwrap_or_default(),
                        repository.url
                    ));
                }
            }
        }
    }
    Ok(status)
}

/// `apk manifest`
pub fn manifest(session: &Session<'_>) -> Result<u8, Failure> {
    let mut status = 0;
    for word in &session.given.operands {
        let Some(package) = session.database.get(&word.to_string_lossy()) else {
            complain(&format!("{}: it is not installed", word.display()));
            status = 1;
            continue;
        };
        for (path, file) in package.paths() {
            let hash = file
                .hash
                .as_deref()
                .map(apk::encoding::hex)
                .unwrap_or_default();
            say(&format!("sha1:{hash}  {}", path.display()));
        }
    }
    Ok(status)
}

/// `apk stats`
pub fn stats(session: &Session<'_>) -> Result<u8, Failure> {
    let known = load(session)?;
    let packages = &session.database.packages;
    let mut folders = BTreeSet::new();
    let mut files = 0;
    for package in packages {
        for folder in &package.folders {
            folders.insert(&folder.path);
            files += folder.files.len();
        }
    }
    let bytes: u64 = packages
        .iter()
        .map(|package| package.record.installed_size)
        .sum();
    let names = by_name(session, &known).len();
    say(&format!(
        "installed:\n  packages: {}\n  dirs: {}\n  files: {files}\n  bytes: {bytes}\n  triggers: {}\navailable:\n  names: {names}\n  packages: {}",
        packages.len(),
        folders.len(),
        packages
            .iter()
            .filter(|package| !package.triggers.is_empty())
            .count(),
        known.packages.len()
    ));
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns() {
        for (pattern, text, want) in [
            ("zlib*", "zlib-dev", true),
            ("z?ib", "zlib", true),
            ("[a-z]lib", "zlib", true),
            ("[!a-y]lib", "zlib", true),
            ("zlib", "zlib-dev", false),
            ("*", "", true),
            ("[", "[", true),
        ] {
            assert_eq!(
                fits(pattern.as_bytes(), text.as_bytes()),
                want,
                "{pattern} {text}"
            );
        }
    }
}
