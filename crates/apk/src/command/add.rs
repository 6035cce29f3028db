//! `add`: what is wanted is put into the world.

use super::select::{Plan, apply};
use super::session::{Failure, Refresh, Session, failure};
use super::warn;
use apk::dependency::{Dependency, Operator};
use apk::solver::Flags;
use std::ffi::OsStr;
use std::path::Path;

/// Puts a dependency into the world, in the place of one of the same name.
fn want(world: &mut Vec<Dependency>, dependency: Dependency) {
    match world.iter_mut().find(|known| known.name == dependency.name) {
        Some(known) => *known = dependency,
        None => world.push(dependency),
    }
    world.sort_by(|a, b| a.name.cmp(&b.name));
}

/// What would be lost with a root in memory.
fn check_lasting(session: &Session<'_>) -> Result<(), Failure> {
    if session.given.has("force-non-repository") || session.is_lasting() || session.keeps_packages()
    {
        return Ok(());
    }
    failure(
        "You tried to add a non-repository package to system, but it would be lost on next reboot. Enable package caching (apk cache --help) or use --force-non-repository if you know what you are doing.",
    )
}

fn is_file(word: &OsStr) -> bool {
    let text = word.to_string_lossy();
    text.contains('/') && text.ends_with(".apk") && !text.starts_with('/')
        || text.contains('.') && Path::new(word).exists()
        || text.starts_with('/') && text.ends_with(".apk")
}

/// `-t NAME` or `-t NAME=VERSION`
fn virtual_name(word: &OsStr) -> Result<Dependency, Failure> {
    let text = word.to_string_lossy();
    match Dependency::parse(&text) {
        Ok(one) if !one.conflict && matches!(one.version, None | Some((Operator::Equal, _))) => {
            Ok(one)
        }
        _ => failure(format!("{text}: bad package specifier")),
    }
}

/// `apk add`
pub fn add(session: &mut Session<'_>) -> Result<u8, Failure> {
    let given = session.given;
    let mut plan = Plan::new(session);
    let group = given.value("virtual").map(virtual_name).transpose()?;
    if let Some(group) = &group {
        if !group.name.starts_with('.') {
            check_lasting(session)?;
        }
        if given.operands.is_empty() {
            warn("creating empty virtual package");
        }
    }
    let mut wanted = Vec::new();
    for word in &given.operands {
        if is_file(word) {
            check_lasting(session)?;
            wanted.push(plan.extra.file(session, Path::new(word))?);
            continue;
        }
        let text = word.to_string_lossy();
        match Dependency::parse(&text) {
            Ok(one) if group.is_none() || one.tag.is_none() => wanted.push(one),
            _ => {
                let (kind, format) = if group.is_some() {
                    ("package", "name([<>~=]version)")
                } else {
                    ("world", "name(@tag)([<>~=]version)")
                };
                return failure(format!(
                    "'{text}' is not a valid {kind} dependency, format is {format}"
                ));
            }
        }
    }
    let mut flags = Flags::NONE;
    for (option, flag) in [("upgrade", Flags::UPGRADE), ("latest", Flags::LATEST)] {
        if given.has(option) {
            flags = flags.with(flag);
        }
    }
    if let Some(group) = group {
        let world = plan.extra.virtual_package(&group, &wanted)?;
        plan.wish(&world.name, flags, flags);
        want(&mut plan.world, world);
    } else {
        for dependency in wanted {
            plan.wish(&dependency.name, flags, flags);
            want(&mut plan.world, dependency);
        }
    }
    let known = session.load(Refresh::IfOld)?;
    apply(session, plan, &known)
}
