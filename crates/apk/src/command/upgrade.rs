//! `upgrade` and `fix`.

use super::del::named;
use super::select::{self, Plan, apply};
use super::session::{Failure, Known, Refresh, Session};
use super::transaction;
use super::{complain, warn};
use apk::dependency::{Dependency, Operator};
use apk::solver::Flags;
use std::ffi::OsString;

/// `apk upgrade`
pub fn upgrade(session: &mut Session<'_>) -> Result<u8, Failure> {
    let given = session.given;
    let only = given.has("preupgrade-only") || given.has("self-upgrade-only");
    let mut flags = Flags::UPGRADE;
    for (option, flag) in [("available", Flags::AVAILABLE), ("latest", Flags::LATEST)] {
        if given.has(option) {
            flags = flags.with(flag);
        }
    }
    let known = session.load(Refresh::IfOld)?;
    if !known.unavailable.is_empty() && transaction::report(session, &known, true) {
        complain(
            "Not continuing due to stale/unavailable repositories. Use --force-missing-repositories to continue.",
        );
        return Err(Failure::Said(1));
    }
    let wanted =
        given.says("preupgrade") != Some(false) && given.says("self-upgrade") != Some(false);
    if (only || given.value("root").is_none()) && wanted && given.operands.is_empty() {
        match preupgrade(session, flags, &known, only)? {
            Some(status) => return Ok(status),
            None if only => return Ok(0),
            None => {}
        }
    }
    let mut plan = Plan::new(session);
    plan.flags = flags;
    if flags.any(Flags::AVAILABLE) {
        // A pin to one build would keep it from changing.
        for wanted in &mut plan.world {
            if matches!(wanted.version, Some((Operator::Identity, _))) {
                wanted.version = None;
            }
        }
    }
    let candidates = select::candidates(session, &known, &mut plan);
    if given.has("prune") {
        plan.world.retain(|wanted| {
            candidates.iter().any(|one| {
                !one.repositories.is_empty()
                    && (one.record.name == wanted.name
                        || one
                            .record
                            .provides
                            .iter()
                            .any(|provided| provided.name == wanted.name))
            })
        });
    }
    if !given.operands.is_empty() {
        let ignore = given.has("ignore");
        if !ignore {
            // The rest of the world is not to be upgraded.
            plan.flags = Flags::NONE;
            for flag in [Flags::AVAILABLE, Flags::LATEST] {
                if flags.any(flag) {
                    plan.flags = plan.flags.with(flag);
                }
            }
        }
        let own = if ignore {
            Flags::INSTALLED
        } else {
            Flags::UPGRADE
        };
        for name in named(session, &candidates, "Package '{}' not found")? {
            plan.wish(&name, own, Flags::NONE);
        }
    }
    let solution = select::solve(session, &plan, &known, &candidates)?;
    select::commit(session, plan, &solution, &candidates)
}

/// Upgrades apk itself, and what else is to come first, before all else. `None`: there is nothing of that.
fn preupgrade(
    session: &mut Session<'_>,
    flags: Flags,
    known: &Known,
    only: bool,
) -> Result<Option<u8>, Failure> {
    let given = session.given;
    let mut first: Vec<Dependency> = own_package(session)
        .iter()
        .map(|name| Dependency::named(name))
        .collect();
    for text in given.values("preupgrade-depends") {
        let text = text.to_string_lossy();
        for word in text.split_whitespace() {
            match Dependency::parse(word) {
                Ok(one) if one.tag.is_none() => {
                    match first.iter_mut().find(|old| old.name == one.name) {
                        Some(old) => *old = one,
                        None => first.push(one),
                    }
                }
                _ => warn(&format!(
                    "Ignored invalid preupgrade dependencies from: {text}"
                )),
            }
        }
    }
    let mut plan = Plan::new(session);
    plan.preupgrade = true;
    for wanted in &first {
        let Some(package) = session.database.get(&wanted.name) else {
            continue;
        };
        let now = &package.record.version;
        if wanted.conflict || !wanted.accepts(Some(now)) {
            continue;
        }
        let newer = known
            .packages
            .iter()
            .any(|(_, record)| record.name == wanted.name && record.version > *now);
        if newer {
            plan.wish(&wanted.name, flags, Flags::NONE);
        }
    }
    if plan.wishes.is_empty() {
        return Ok(None);
    }
    let candidates = select::candidates(session, known, &mut plan);
    let Ok(solution) = select::solve(session, &plan, known, &candidates) else {
        warn("Failed to perform initial preupgrade, continuing with a full upgrade.");
        return Ok(None);
    };
    if !solution.moves.iter().any(apk::solver::Move::is_change) {
        return Ok(None);
    }
    if !only && given.has("simulate") {
        warn("This simulation might not reliable as a preupgrade is available.");
        return Ok(None);
    }
    // Alone, it says how it ended.
    plan.preupgrade = !only;
    session.tell("Preupgrading:");
    let status = select::commit(session, plan, &solution, &candidates)?;
    if only || status != 0 {
        return Ok(Some(status));
    }
    session.tell("Continuing with the main upgrade transaction:");
    session.unlock();
    let mut words: Vec<OsString> = std::env::args_os().collect();
    words.push("--no-self-upgrade".into());
    let environment: Vec<OsString> = std::env::vars_os()
        .map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            name
        })
        .collect();
    let program = std::env::current_exe().unwrap_or_else(|_| "/sbin/apk".into());
    // The old program's file may be gone by now: the name then ends in " (deleted)".
    let program = match program.to_string_lossy().strip_suffix(" (deleted)") {
        Some(name) => name.into(),
        None => program,
    };
    let error = sys::process::exec(&program, &words, &environment);
    complain(&format!(
        "{}: {error}\nhint: run `apk upgrade` again",
        program.display()
    ));
    Ok(Some(1))
}

/// The package that the running program belongs to.
fn own_package(session: &Session<'_>) -> Option<String> {
    let program = std::env::current_exe().ok();
    let inside = program
        .as_deref()
        .and_then(|path| path.strip_prefix(&session.root).ok());
    let link = std::path::Path::new("proc/self/exe");
    [Some(link), inside]
        .into_iter()
        .flatten()
        .find_map(|path| apk::history::owner(&session.database, path))
        .map(|package| package.record.name.clone())
}

/// `apk fix`
pub fn fix(session: &mut Session<'_>) -> Result<u8, Failure> {
    let given = session.given;
    let known = session.load(Refresh::IfOld)?;
    let mut plan = Plan::new(session);
    let candidates = select::candidates(session, &known, &mut plan);
    let mut own = Flags::NONE;
    if given.has("reinstall") || !given.has("upgrade") {
        own = own.with(Flags::REINSTALL);
    }
    if given.has("upgrade") {
        own = own.with(Flags::UPGRADE);
    }
    let inherited = if given.has("depends") {
        own
    } else {
        Flags::NONE
    };
    let names = if given.operands.is_empty() {
        let xattr = given.has("xattr");
        session
            .database
            .packages
            .iter()
            .filter(|package| {
                package.flags.contains(['f', 's']) || xattr && package.flags.contains('x')
            })
            .map(|package| package.record.name.clone())
            .collect()
    } else {
        named(session, &candidates, "Package '{}' not found")?
    };
    for name in &names {
        plan.wish(name, own, inherited);
    }
    if given.has("directory-permissions") {
        session.fix_folders()?;
    }
    apply(session, plan, &known)
}
