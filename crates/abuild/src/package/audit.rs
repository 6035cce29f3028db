//! Every ELF file of a package is checked before it goes in.

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
            let file = format!("/{}", node.path.display());
            for finding in harden::audit::audit(&file, &bytes).unwrap_or_default() {
                if !recipe.has_option(&format!("!{}", finding.flag)) {
                    findings.push(format!(
                        "{finding}, or say why not and opt out with options=\"!{}\"",
                        finding.flag
                    ));
                }
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
