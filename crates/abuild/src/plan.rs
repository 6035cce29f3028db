//! What is to be built, and what the cache has: by the hash of all that goes into each port.

use crate::cache;
use crate::config::{Config, FORMAT};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::graph::Graph;
use crate::inputs::Inputs;
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
    /// Why it has to be built, or not, in words: `changed since it was last built: the recipe, musl`.
    pub why: String,
    /// What went into the key.
    pub(crate) inputs: Inputs,
    /// The ports that it needs to be built, directly or not.
    pub needs: BTreeSet<String>,
    /// The packages for its sysroot, before dependencies.
    pub(crate) sysroot: Vec<String>,
    /// The source that its version follows.
    pub(crate) resolved: Option<Found>,
    /// How large that is, in bytes; 0: it is not known before the port is built.
    pub(crate) source_size: u64,
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
    let toolchain = toolchain::configuration(config)?;
    let mut common = Inputs::default();
    common.add("abuild", FORMAT.to_owned());
    common.add("the architecture", config.arch.clone());
    common.add_key("the functions of abuild", |key| {
        key.add("prelude", crate::phase::PRELUDE);
        Ok(())
    })?;
    common.add("the compilers", toolchain::compilers()?);
    if !order.is_empty() {
        let key = keys::packages(&config.config_dir)?;
        common.add("the signing key", key.name().to_owned());
    }
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
        let mut inputs = common.clone();
        inputs.add_key("the recipe", |key| key.add_folder(&port.recipe.folder))?;
        if port.recipe.uses_toolchain() {
            inputs.add("the toolchain", toolchain.clone());
        }
        if let Some(found) = &port.resolved {
            inputs.add(
                "the source",
                format!("{} {}", port.recipe.version, found.sha256),
            );
        }
        if !port.recipe.workspace.is_empty() {
            inputs.add_key("the crates", |key| {
                workspace::hash(config, &port.recipe.workspace, key)
            })?;
        }
        if port.recipe.keys.iter().any(|name| name == "modules") {
            let path = keys::modules(&config.config_dir)?;
            let bytes = fs::read(&path).map_err(Error::io(&path))?;
            inputs.add_key("the modules' key", |key| {
                key.add("key", &bytes);
                Ok(())
            })?;
        }
        for need in &direct {
            let key = found_keys.get(need).cloned().unwrap_or_default();
            inputs.add(need, key);
        }
        let key = inputs.key();
        found_keys.insert(name.clone(), key.clone());
        closures.insert(name, needs.clone());
        let cached = cache::lookup(config, &key).is_some();
        let why = if cached {
            "its packages are in the cache".to_owned()
        } else {
            inputs.changes(config, &port.recipe.name)
        };
        let source = port.resolved.as_ref().map(|found| found.path(config));
        let source_size = source
            .and_then(|path| fs::metadata(path).ok())
            .map_or(0, |meta| meta.len());
        ports.push(PlannedPort {
            recipe: port.recipe,
            key,
            cached,
            why,
            inputs,
            needs,
            sysroot,
            resolved: port.resolved,
            source_size,
        });
    }
    Ok(Plan { ports, everything })
}
