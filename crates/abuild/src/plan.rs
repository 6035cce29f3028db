//! What is to be built, and what the cache has: by the hash of all that goes into each port.

use crate::cache;
use crate::config::{Config, FORMAT};
use crate::error::Result;
use crate::event::Event;
use crate::graph::Graph;
use crate::hash::Key;
use crate::recipe::Recipe;
use crate::sources::Found;
use crate::{keys, toolchain, workspace};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// Ports in the order in which they are built.
#[derive(Debug)]
pub struct Plan {
    /// Each behind those that it needs.
    pub ports: Vec<PlannedPort>,
    /// Is it every port that there is?
    pub(crate) everything: bool,
}

/// One port of a plan.
#[derive(Debug)]
pub struct PlannedPort {
    /// What it says.
    pub recipe: Recipe,
    /// The hash of all that it is built from.
    pub key: String,
    /// Are its packages in the cache?
    pub cached: bool,
    /// The ports that it needs to be built, directly or not.
    pub needs: BTreeSet<String>,
    /// The packages for its sysroot, before dependencies.
    pub(crate) sysroot: Vec<String>,
    /// The source that its version follows.
    pub(crate) resolved: Option<Found>,
}

impl Plan {
    /// How many ports are not in the cache.
    #[must_use]
    pub fn to_build(&self) -> usize {
        self.ports.iter().filter(|port| !port.cached).count()
    }

    /// A port by its name.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<&PlannedPort> {
        self.ports.iter().find(|port| port.recipe.name == name)
    }
}

/// Plans the ports (or packages) named, or all, and what they need.
///
/// # Errors
/// A recipe that cannot be used, a name that nobody has, or ports that need each other.
pub fn plan(config: &Config, names: &[String]) -> Result<Plan> {
    plan_noting(config, names, &mut |_| ())
}

/// As [`plan`], and says through [`Event::Note`] what takes time: looking for the sources of ports whose version
/// follows a suite, on the first run or with `update_sources`.
///
/// # Errors
/// As [`plan`].
pub fn plan_noting(
    config: &Config,
    names: &[String],
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<Plan> {
    let mut note = |port: &str, text: &str| on_event(Event::Note { port, text });
    let mut graph = Graph::read(config)?;
    let everything = names.is_empty();
    let wanted = if everything {
        graph.all_whole()?;
        graph.ports.keys().cloned().collect()
    } else {
        names
            .iter()
            .map(|name| graph.find(name))
            .collect::<Result<Vec<_>>>()?
    };
    let order = graph.order(&wanted)?;
    let identity = toolchain::identity(config)?;
    let package_key = if order.is_empty() {
        String::new()
    } else {
        keys::packages(&config.config_dir)?.name().to_owned()
    };
    let mut closures: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut found_keys: BTreeMap<String, String> = BTreeMap::new();
    let mut steps = Vec::new();
    for name in order {
        steps.push((graph.needs(&name)?, graph.sysroot_of(&name), name));
    }
    let mut ports = Vec::new();
    for (direct, sysroot, name) in steps {
        let Some(port) = graph.take(config, &name, &mut |text| note(&name, text))? else {
            continue;
        };
        let mut needs = direct.clone();
        for need in &direct {
            needs.extend(closures.get(need).into_iter().flatten().cloned());
        }
        let mut key = Key::new(FORMAT)
            .with("arch", config.arch.as_bytes())
            .with("prelude", crate::phase::PRELUDE)
            .with("toolchain", identity.as_bytes())
            .with("signed by", package_key.as_bytes());
        key.add_folder(&port.recipe.folder)?;
        if let Some(found) = &port.resolved {
            key.add("version", port.recipe.version.as_bytes());
            key.add("source", found.sha256.as_bytes());
        }
        workspace::hash(config, &port.recipe.workspace, &mut key)?;
        if port.recipe.keys.iter().any(|name| name == "modules") {
            let path = keys::modules(&config.config_dir)?;
            key.add(
                "modules",
                &fs::read(&path).map_err(crate::Error::io(&path))?,
            );
        }
        for need in &direct {
            key.add(need, found_keys.get(need).map_or(&[][..], String::as_bytes));
        }
        let key = key.finish();
        found_keys.insert(name.clone(), key.clone());
        closures.insert(name, needs.clone());
        let cached = cache::lookup(config, &key).is_some();
        ports.push(PlannedPort {
            recipe: port.recipe,
            key,
            cached,
            needs,
            sysroot,
            resolved: port.resolved,
        });
    }
    Ok(Plan { ports, everything })
}
