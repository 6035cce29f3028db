//! Variables: values, the export and read-only flags, and the scopes of `local`.

use crate::hash::Names;
use crate::options::Options;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// One variable.
#[derive(Clone, Debug, Default)]
pub struct Variable {
    /// Its value; `None`: declared, not set.
    pub value: Option<Vec<u8>>,
    /// Commands see it.
    pub exported: bool,
    /// It cannot be changed.
    pub read_only: bool,
}

/// All variables.
#[derive(Debug, Default)]
pub struct Variables {
    all: Names<Variable>,
    /// What `local` hid, a list for each function that runs.
    scopes: Vec<Scope>,
}

impl Variables {
    /// The value of a variable that is set.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.all.get(name)?.value.as_deref()
    }

    /// Sets a value; an error where the variable is read-only.
    pub fn set(&mut self, name: &[u8], value: Vec<u8>) -> Result<(), String> {
        if let Some(variable) = self.all.get_mut(name) {
            if variable.read_only {
                return Err(format!("{}: is read only", String::from_utf8_lossy(name)));
            }
            variable.value = Some(value);
        } else {
            self.all.insert(
                name.to_vec(),
                Variable {
                    value: Some(value),
                    exported: false,
                    read_only: false,
                },
            );
        }
        Ok(())
    }

    /// Takes a variable away.
    pub fn unset(&mut self, name: &[u8]) -> Result<(), String> {
        if self
            .all
            .get(name)
            .is_some_and(|variable| variable.read_only)
        {
            return Err(format!("{}: is read only", String::from_utf8_lossy(name)));
        }
        self.all.remove(name);
        Ok(())
    }

    /// The variable, made where there is none.
    pub fn entry(&mut self, name: &[u8]) -> &mut Variable {
        self.all.entry(name.to_vec()).or_default()
    }

    /// All, sorted by name.
    pub fn sorted(&self) -> Vec<(&[u8], &Variable)> {
        let mut all: Vec<_> = self
            .all
            .iter()
            .map(|(name, variable)| (name.as_slice(), variable))
            .collect();
        all.sort_by(|a, b| a.0.cmp(b.0));
        all
    }

    /// `name=value` of those that commands see.
    pub fn environment(&self) -> Vec<OsString> {
        let mut all = Vec::new();
        for (name, variable) in self.sorted() {
            if let (true, Some(value)) = (variable.exported, &variable.value) {
                all.push(OsString::from_vec([name, b"=", value].concat()));
            }
        }
        all
    }

    /// A function begins.
    pub fn push_scope(&mut self) {
        self.scopes.push(Scope::default());
    }

    /// A function ends: what its `local`s hid comes back.
    pub(crate) fn pop_scope(&mut self) -> Option<Box<Options>> {
        let scope = self.scopes.pop().unwrap_or_default();
        for (name, old) in scope.hidden.into_iter().rev() {
            match old {
                Some(variable) => self.all.insert(name, variable),
                None => self.all.remove(&name),
            };
        }
        scope.options
    }

    /// Whether a function runs.
    pub fn has_scope(&self) -> bool {
        !self.scopes.is_empty()
    }

    /// `local -`: the options come back with the variables.
    pub(crate) fn keep_options(&mut self, options: &Options) {
        if let Some(scope) = self.scopes.last_mut() {
            scope
                .options
                .get_or_insert_with(|| Box::new(options.clone()));
        }
    }

    /// Makes a variable local to the function that runs; it keeps its value until it is set. `false`: it is already, or
    /// none runs.
    pub fn make_local(&mut self, name: &[u8]) -> bool {
        let Some(scope) = self.scopes.last_mut() else {
            return false;
        };
        if scope.hidden.iter().any(|(known, _)| known == name) {
            return false;
        }
        scope
            .hidden
            .push((name.to_vec(), self.all.get(name).cloned()));
        true
    }
}

/// What comes back when a function ends.
#[derive(Debug, Default)]
struct Scope {
    hidden: Vec<(Vec<u8>, Option<Variable>)>,
    options: Option<Box<Options>>,
}
