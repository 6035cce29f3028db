//! Which port needs which: who provides a name, the order of builds, and cycles.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::host::{self, Tool};
use crate::recipe::{Recipe, dependency_name, evaluate};
use crate::sources::{self, Found};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What every port is built with, where there is a port of that name: Alpine's build-base. A port that needs no C
/// library, a kernel say, opts out by the option `!libc`, and is not built again when these are. One that is the same
/// for every architecture compiles nothing.
const BASE: [&str; 2] = ["musl-dev", "fortify-headers"];

/// A recipe, with the source that its version follows.
pub(crate) struct Port {
    pub recipe: Recipe,
    /// Given if `pkgver` follows a suite.
    pub resolved: Option<Found>,
}

/// All recipes, and who provides what.
pub(crate) struct Graph {
    ports_folder: PathBuf,
    pub ports: BTreeMap<String, Port>,
    /// Recipes that cannot be read: an error only for who needs them.
    broken: BTreeMap<String, Error>,
    /// Package or provided name to port.
    providers: BTreeMap<String, String>,
    /// The ports that the base is built from: these cannot have it.
    bootstrap: BTreeSet<String>,
}

impl Graph {
    /// Reads every recipe.
    pub(crate) fn read(config: &Config) -> Result<Graph> {
        let mut graph = Graph {
            ports_folder: config.ports.clone(),
            ports: BTreeMap::new(),
            broken: BTreeMap::new(),
            providers: BTreeMap::new(),
            bootstrap: BTreeSet::new(),
        };
        let mut folders = Vec::new();
        for entry in fs::read_dir(&config.ports).map_err(Error::io(&config.ports))? {
            let path = entry.map_err(Error::io(&config.ports))?.path();
            if path.join("APKBUILD").is_file() {
                folders.push(path);
            }
        }
        folders.sort();
        for folder in folders {
            let name = folder
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            match port(config, &folder) {
                Ok(port) if port.recipe.builds_for(&config.arch) => {
                    graph.ports.insert(name, port);
                }
                Ok(_) => {}
                Err(error) => {
                    graph.broken.insert(name, error);
                }
            }
        }
        for (name, port) in &graph.ports {
            for provided in port.recipe.packages().chain(
                port.recipe
                    .provides
                    .iter()
                    .map(|word| dependency_name(word)),
            ) {
                graph
                    .providers
                    .entry(provided.to_owned())
                    .or_insert_with(|| name.clone());
            }
        }
        // A package of that very name comes before one that only provides it.
        for (name, port) in &graph.ports {
            for package in port.recipe.packages() {
                graph.providers.insert(package.to_owned(), name.clone());
            }
        }
        let mut open: Vec<String> = BASE
            .iter()
            .filter_map(|name| graph.providers.get(*name))
            .cloned()
            .collect();
        while let Some(name) = open.pop() {
            if graph.bootstrap.insert(name.clone()) {
                open.extend(graph.stated_needs(&name)?);
            }
        }
        Ok(graph)
    }

    /// The port behind a name that a user gave or a recipe needs.
    pub(crate) fn find(&mut self, name: &str) -> Result<String> {
        if let Some(error) = self.broken.remove(name) {
            return Err(error);
        }
        match self.providers.get(name) {
            Some(port) => Ok(port.clone()),
            None => Err(Error::NoPort {
                name: name.to_owned(),
                ports: self.ports_folder.clone(),
            }),
        }
    }

    /// Fails with the first recipe that cannot be read.
    pub(crate) fn all_whole(&mut self) -> Result<()> {
        self.broken
            .pop_first()
            .map_or(Ok(()), |(_, error)| Err(error))
    }

    /// What is installed into the port's sysroot, before dependencies: makedepends that are ports, and the base.
    pub(crate) fn sysroot_of(&self, name: &str) -> Vec<String> {
        let Some(port) = self.ports.get(name) else {
            return Vec::new();
        };
        let mut packages: Vec<String> = port
            .recipe
            .makedepends
            .iter()
            .filter(|word| self.providers.contains_key(dependency_name(word)))
            .cloned()
            .collect();
        if self.has_base(name) {
            packages.extend(
                BASE.iter()
                    .filter(|base| self.providers.contains_key(**base))
                    .map(|base| (*base).to_owned()),
            );
        }
        packages.sort();
        packages.dedup();
        packages
    }

    /// The ports that have to be built before this one.
    pub(crate) fn needs(&self, name: &str) -> Result<BTreeSet<String>> {
        let mut needs = self.stated_needs(name)?;
        if self.has_base(name) {
            needs.extend(
                BASE.iter()
                    .filter_map(|base| self.providers.get(*base))
                    .cloned(),
            );
        }
        needs.remove(name);
        Ok(needs)
    }

    fn has_base(&self, name: &str) -> bool {
        let opted_out =
            |port: &Port| port.recipe.has_option("!libc") || !port.recipe.uses_toolchain();
        !self.bootstrap.contains(name) && !self.ports.get(name).is_some_and(opted_out)
    }

    /// The same without the base: the ports of makedepends, and of what these depend on when installed.
    fn stated_needs(&self, name: &str) -> Result<BTreeSet<String>> {
        let Some(port) = self.ports.get(name) else {
            return Ok(BTreeSet::new());
        };
        let mut needs = BTreeSet::new();
        for word in port
            .recipe
            .makedepends
            .iter()
            .filter(|word| !word.starts_with('!'))
        {
            let need = dependency_name(word);
            match self.providers.get(need) {
                Some(port) => {
                    needs.insert(port.clone());
                }
                None => self.on_host(port, need)?,
            }
        }
        let mut open: Vec<String> = needs.iter().cloned().collect();
        while let Some(need) = open.pop() {
            for port in self.depends(&need) {
                if port != name && needs.insert(port.clone()) {
                    open.push(port);
                }
            }
        }
        Ok(needs)
    }

    fn on_host(&self, port: &Port, need: &str) -> Result<()> {
        let recipe = port.recipe.path();
        match host::tool(need) {
            Tool::Present => Ok(()),
            Tool::Absent(program, package) => Err(Error::HostTool {
                recipe,
                program: program.to_owned(),
                package,
            }),
            Tool::Unknown => Err(Error::Missing {
                recipe,
                need: need.to_owned(),
            }),
        }
    }

    /// The ports of `depends`.
    pub(crate) fn depends(&self, name: &str) -> BTreeSet<String> {
        let words = self
            .ports
            .get(name)
            .map(|port| port.recipe.depends.as_slice())
            .unwrap_or_default();
        words
            .iter()
            .filter_map(|word| self.providers.get(dependency_name(word)))
            .cloned()
            .collect()
    }

    /// The ports that a set of them needs, with it, each behind what it needs to be built.
    pub(crate) fn order(&mut self, names: &[String]) -> Result<Vec<String>> {
        let mut all = BTreeSet::new();
        let mut open = names.to_vec();
        while let Some(name) = open.pop() {
            if let Some(error) = self.broken.remove(&name) {
                return Err(error);
            }
            if all.insert(name.clone()) {
                // A repository that lacks what its packages depend on is of no use.
                open.extend(self.needs(&name).map_err(|error| self.behind(error))?);
                open.extend(self.depends(&name));
            }
        }
        let mut needs = BTreeMap::new();
        for name in &all {
            needs.insert(name.clone(), self.needs(name)?);
        }
        sort(&needs).map_err(Error::Cycle)
    }

    /// Takes a port out, its version being what the suite that it follows has.
    pub(crate) fn take(
        &mut self,
        config: &Config,
        name: &str,
        note: &mut dyn FnMut(&str),
    ) -> Result<Option<Port>> {
        let Some(mut port) = self.ports.remove(name) else {
            return Ok(None);
        };
        port.resolved = sources::resolve(config, &port.recipe, note)?;
        let version = port
            .resolved
            .as_ref()
            .and_then(|found| found.version.as_deref());
        if let Some(version) = version.filter(|version| *version != port.recipe.version) {
            port.recipe = evaluate::recipe(config, &port.recipe.folder, Some(version))?;
        }
        Ok(Some(port))
    }

    /// If a recipe that cannot be read is what is missing, that is the better message.
    fn behind(&mut self, error: Error) -> Error {
        match &error {
            Error::Missing { need, .. } => {
                let culprit = self
                    .broken
                    .keys()
                    .find(|name| need.starts_with(name.as_str()))
                    .cloned();
                culprit
                    .and_then(|name| self.broken.remove(&name))
                    .unwrap_or(error)
            }
            _ => error,
        }
    }
}

fn port(config: &Config, folder: &Path) -> Result<Port> {
    let recipe = evaluate::recipe(config, folder, None)?;
    let named = folder
        .file_name()
        .is_some_and(|name| name == recipe.name.as_str());
    if !named {
        let message = format!("pkgname {} is not the name of its folder", recipe.name);
        return Err(Error::Recipe {
            path: recipe.path(),
            message,
        });
    }
    Ok(Port {
        recipe,
        resolved: None,
    })
}

/// Names, each behind those that it needs; an error is a cycle, its first name repeated at its end.
fn sort(needs: &BTreeMap<String, BTreeSet<String>>) -> Result<Vec<String>, Vec<String>> {
    let mut order: Vec<String> = Vec::new();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for start in needs.keys() {
        // The way from `start` to where we are, with what is left to look at on each step.
        let mut way: Vec<(&str, Vec<&str>)> = Vec::new();
        let mut next = Some(start.as_str());
        loop {
            if let Some(name) = next.take() {
                if let Some(at) = way.iter().position(|(on_way, _)| *on_way == name) {
                    let cycle = way.iter().skip(at).map(|(name, _)| *name).chain([name]);
                    return Err(cycle.map(str::to_owned).collect());
                }
                if !done.contains(name) {
                    let open = needs
                        .get(name)
                        .into_iter()
                        .flatten()
                        .map(String::as_str)
                        .collect();
                    way.push((name, open));
                }
            }
            let Some((name, open)) = way.last_mut() else {
                break;
            };
            next = open.pop();
            if next.is_none() {
                done.insert(name);
                order.push((*name).to_owned());
                way.pop();
            }
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(text: &str) -> BTreeMap<String, BTreeSet<String>> {
        text.lines()
            .map(|line| {
                let (name, rest) = line.trim().split_once(':').unwrap();
                (
                    name.to_owned(),
                    rest.split_whitespace().map(str::to_owned).collect(),
                )
            })
            .collect()
    }

    #[test]
    fn needed_ports_come_first() {
        let order = sort(&needs("a: b c\nb: c\nc:\nd: a")).unwrap();
        assert_eq!(order, ["c", "b", "a", "d"]);
    }

    #[test]
    fn cycles_are_named() {
        assert_eq!(
            sort(&needs("a: b\nb: c\nc: b")).unwrap_err(),
            ["b", "c", "b"]
        );
        assert_eq!(sort(&needs("a: a")).unwrap_err(), ["a", "a"]);
    }
}
