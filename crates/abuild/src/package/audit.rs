//! Every ELF file of a package is checked by `harden` before it goes in.

use super::elf;
use super::tree::Tree;
use crate::error::{Error, Result};
use crate::recipe::Recipe;
use std::fs;

/// Fails with every finding that the recipe's options do not opt out of.
pub(super) fn audit(recipe: &Recipe, trees: &[Tree]) -> Result<()> {
    let mut findings = Vec::new();
    for tree in trees {
        for node in tree.files() {
            let path = tree.on_disk(node);
            let bytes = fs::read(&path).map_err(Error::io(&path))?;
            if elf::is_elf(&bytes) {
                let name = format!("/{}", node.path.display());
                findings.extend(
                    harden::audit(&name, &bytes, recipe.options.as_slice())
                        .iter()
                        .map(ToString::to_string),
                );
            }
        }
    }
    if findings.is_empty() {
        Ok(())
    } else {
        Err(Error::Audit {
            port: recipe.name.clone(),
            findings,
        })
    }
}
