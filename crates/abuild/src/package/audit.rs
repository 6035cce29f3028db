//! Every ELF file of a package is checked before it goes in.

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
            let Ok(Some(elf)) = elf::read(&bytes) else {
                continue;
            };
            if elf.kind == elf::Kind::Executable && !recipe.has_option("!pie") {
                findings.push(format!(
                    "/{}: not position-independent (PIE): compile with -fPIE and link with -pie, or say why not \
                     and opt out with options=\"!pie\"",
                    node.path.display()
                ));
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
