//! A plan carried out: what is not cached is built, then the repository is filled and indexed.

use crate::build;
use crate::cache;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::plan::Plan;
use crate::repo;
use crate::sources::Found;
use std::path::PathBuf;
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

/// Builds what a plan lacks, in its order, and fills the repository. What was built before an error stays in the
/// cache; the repository is only touched when everything is built.
///
/// # Errors
/// The first port that failed.
pub fn run(config: &Config, plan: &Plan, on_event: &mut dyn FnMut(Event<'_>)) -> Result<Outcome> {
    let mut built = 0;
    let mut packages = Vec::new();
    for port in &plan.ports {
        let name = port.recipe.name.as_str();
        // Whoever else builds the same at this moment does it for us.
        let _lock = cache::Lock::wait(&config.cached("locks").join(&port.key))?;
        let entry = match cache::lookup(config, &port.key) {
            Some(entry) => {
                on_event(Event::Cached { port: name });
                entry
            }
            None => {
                on_event(Event::Started { port: name });
                // How long it took is told, and decides nothing.
                let start = Instant::now();
                build::port(config, plan, port, on_event)?;
                built += 1;
                on_event(Event::Finished {
                    port: name,
                    seconds: start.elapsed().as_secs(),
                });
                cache::lookup(config, &port.key).ok_or_else(|| Error::Package {
                    port: name.to_owned(),
                    message: "its packages vanished from the cache".to_owned(),
                })?
            }
        };
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
