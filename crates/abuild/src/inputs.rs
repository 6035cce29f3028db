//! All that a port is built from, by name: the key of its packages, and what changed since they were last built.

use crate::cache;
use crate::config::Config;
use crate::error::Result;
use crate::hash::Key;
use std::fs;
use std::path::PathBuf;

/// Named inputs, each with a text or hash that changes when it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inputs(Vec<(String, String)>);

impl Inputs {
    /// Adds one that is told by a short text.
    pub(crate) fn add(&mut self, name: &str, value: String) {
        self.0.push((name.to_owned(), value));
    }

    /// Adds one that is told by its hash.
    pub(crate) fn add_key(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut Key) -> Result<()>,
    ) -> Result<()> {
        let mut key = Key::new(name);
        fill(&mut key)?;
        self.add(name, key.finish());
        Ok(())
    }

    /// The hash of all.
    pub(crate) fn key(&self) -> String {
        let key = Key::new("inputs");
        self.0
            .iter()
            .fold(key, |key, (name, value)| key.with(name, value.as_bytes()))
            .finish()
    }

    /// Notes that the port was built from these.
    pub(crate) fn remember(&self, config: &Config, port: &str) -> Result<()> {
        let json = serde_json::to_vec(&self.0).unwrap_or_default();
        cache::write_atomically(&last(config, port), &json)
    }

    /// Why the port has to be built, in words.
    pub(crate) fn changes(&self, config: &Config, port: &str) -> String {
        let text = fs::read(last(config, port)).unwrap_or_default();
        let Ok(before) = serde_json::from_slice::<Vec<(String, String)>>(&text) else {
            return "it was never built here".to_owned();
        };
        let missing =
            |inputs: &[(String, String)], name: &str| inputs.iter().all(|(other, _)| other != name);
        let added = self.0.iter().filter(|input| !before.contains(input));
        let removed = before.iter().filter(|(name, _)| missing(&self.0, name));
        let names: Vec<&str> = added
            .chain(removed)
            .map(|(name, _)| name.as_str())
            .collect();
        if names.is_empty() {
            "its packages are no longer in the cache".to_owned()
        } else {
            format!("changed since it was last built: {}", names.join(", "))
        }
    }
}

fn last(config: &Config, port: &str) -> PathBuf {
    config.cached("last").join(port)
}
