//! A plan carried out: what is not cached is built, then the repository is filled and indexed.

use crate::build;
use crate::cache;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::event::{Event, Told};
use crate::plan::{Plan, PlannedPort};
use crate::repo;
use crate::sources::Found;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::{self, Sender};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How many ports the plan had.
    pub ports: usize,
    /// How many of them were built.
    pub built: usize,
    /// How many packages the repository holds.
    pub packages: usize,
}

/// How many ports are built at once: while one links, which takes one processor and long, another compiles.
const AT_ONCE: usize = 2;

/// Builds what a plan lacks, each port behind those that it needs, and fills the repository. What was built before an
/// error stays in the cache; the repository is only touched when everything is built.
///
/// # Errors
/// The first port that failed. What was being built beside it is ended.
pub fn run(config: &Config, plan: &Plan, on_event: &mut dyn FnMut(Event<'_>)) -> Result<Outcome> {
    let built = build_all(config, plan, on_event)?;
    let mut packages = Vec::new();
    for port in &plan.ports {
        let entry = cache::lookup(config, &port.key).ok_or_else(|| Error::Package {
            port: port.recipe.name.clone(),
            message: "its packages vanished from the cache".to_owned(),
        })?;
        let folder = cache::folder(config, &port.key);
        packages.extend(entry.files.into_iter().map(|file| (file, folder.clone())));
    }
    let packages = repo::fill(config, &packages, plan.everything)?;
    Ok(Outcome {
        ports: plan.ports.len(),
        built,
        packages,
    })
}

/// What the builders of a run share.
#[derive(Debug, Default)]
struct Shared {
    /// The ports that nobody has taken yet, by their place in the plan.
    open: BTreeSet<usize>,
    /// The names of those that are in the cache.
    done: BTreeSet<String>,
    built: usize,
    failed: Option<Error>,
}

/// Builds what is not in the cache; gives how many ports that were.
fn build_all(config: &Config, plan: &Plan, on_event: &mut dyn FnMut(Event<'_>)) -> Result<usize> {
    let shared = Mutex::new(Shared {
        open: (0..plan.ports.len()).collect(),
        ..Shared::default()
    });
    let changed = Condvar::new();
    let (sender, events) = mpsc::channel::<Told>();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(config.jobs.max(1)) {
            let (sender, shared, changed) = (sender.clone(), &shared, &changed);
            scope.spawn(move || {
                while let Some(port) = next(plan, shared, changed) {
                    let result = one(config, plan, port, shared, &sender);
                    let mut shared = lock(shared);
                    match result {
                        Ok(new) => {
                            shared.built += usize::from(new);
                            shared.done.insert(port.recipe.name.clone());
                        }
                        // What was ended because of the first failure is none of its own.
                        Err(error) => {
                            shared.failed.get_or_insert(error);
                        }
                    }
                    changed.notify_all();
                }
            });
        }
        drop(sender);
        for told in events {
            on_event(told.event());
        }
    });
    let shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    match shared.failed {
        Some(error) => Err(error),
        None => Ok(shared.built),
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A port that nobody has taken and whose needs are built; waits for one. The one with the largest source comes first:
/// it is likely to take longest, and what is short is built beside it. `None`: there is nothing left to do.
fn next<'a>(plan: &'a Plan, shared: &Mutex<Shared>, changed: &Condvar) -> Option<&'a PlannedPort> {
    let mut shared = lock(shared);
    loop {
        if shared.failed.is_some() || shared.open.is_empty() {
            return None;
        }
        let ready = shared.open.iter().filter_map(|at| {
            let port = plan.ports.get(*at)?;
            // A need that is no port of the plan is the sysroot's to report.
            let met = |need: &String| shared.done.contains(need) || plan.port(need).is_none();
            port.needs.iter().all(met).then_some((*at, port))
        });
        let ready = ready.min_by_key(|(at, port)| (Reverse(port.source_size), *at));
        if let Some((at, port)) = ready {
            shared.open.remove(&at);
            return Some(port);
        }
        shared = changed.wait(shared).unwrap_or_else(PoisonError::into_inner);
    }
}

/// One port, unless the cache has it. Was it built?
fn one(
    config: &Config,
    plan: &Plan,
    port: &PlannedPort,
    shared: &Mutex<Shared>,
    events: &Sender<Told>,
) -> Result<bool> {
    let name = port.recipe.name.as_str();
    let mut tell = |event: Event<'_>| {
        // Whoever listens does so until the end.
        let _ = events.send(Told::of(event));
        lock(shared).failed.is_none()
    };
    // Whoever else builds the same at this moment does it for us.
    let _lock = cache::Lock::wait(&config.cached("locks").join(&port.key))?;
    if cache::lookup(config, &port.key).is_some() {
        tell(Event::Cached { port: name });
        return Ok(false);
    }
    tell(Event::Started { port: name });
    // How long it took is told, and decides nothing.
    let start = Instant::now();
    build::port(config, plan, port, &mut tell)?;
    tell(Event::Finished {
        port: name,
        seconds: start.elapsed().as_secs(),
    });
    Ok(true)
}

/// The package files of a plan that has been carried out, in the cache.
#[must_use]
pub fn packages(config: &Config, plan: &Plan) -> Vec<PathBuf> {
    let files = |key: &str| {
        cache::lookup(config, key)
            .map(|entry| entry.files)
            .unwrap_or_default()
    };
    plan.ports
        .iter()
        .flat_map(|port| {
            files(&port.key)
                .into_iter()
                .map(|file| cache::folder(config, &port.key).join(file))
        })
        .collect()
}

/// The sources that the packages of a port were built from.
#[must_use]
pub fn used_sources(config: &Config, key: &str) -> Vec<Found> {
    cache::lookup(config, key)
        .map(|entry| entry.sources)
        .unwrap_or_default()
}
