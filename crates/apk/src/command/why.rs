//! `why`: what holds a package or a file on the system, as a chain from the world.

use super::session::{Failure, Session};
use super::{complain, say};
use apk::why::{Link, chains};
use std::path::{Component, PathBuf};

/// `apk why`
pub fn why(session: &Session<'_>) -> Result<u8, Failure> {
    let database = &session.database;
    let mut status = 0;
    for word in &session.given.operands {
        let text = word.to_string_lossy();
        let mut name = text.clone().into_owned();
        if text.contains('/') && database.get(&name).is_none() {
            let path: PathBuf = std::path::Path::new(word)
                .components()
                .filter(|part| matches!(part, Component::Normal(_)))
                .collect();
            match apk::history::owner(database, &path) {
                Some(package) => {
                    say(&format!(
                        "{text} is owned by {}",
                        package.record.full_name()
                    ));
                    name.clone_from(&package.record.name);
                }
                None => {
                    complain(&format!("{text}: no package owns it"));
                    status = 1;
                    continue;
                }
            }
        }
        let mut names = vec![name.clone()];
        if database.get(&name).is_none() {
            // What provides it.
            names = database
                .packages
                .iter()
                .filter(|package| {
                    let provides = &package.record.provides;
                    provides.iter().any(|provided| provided.name == name)
                })
                .map(|package| package.record.name.clone())
                .collect();
            if names.is_empty() {
                complain(&format!("{name}: it is not installed"));
                status = 1;
                continue;
            }
        }
        for name in names {
            let Some(package) = database.get(&name) else {
                continue;
            };
            let mut all = chains(database, &name);
            if all.is_empty() {
                say(&format!(
                    "{}: nothing holds it: it goes with the next change",
                    package.record.full_name()
                ));
            }
            if !session.given.has("verbose") {
                all.truncate(1);
            }
            for (number, chain) in all.iter().enumerate() {
                if number > 0 {
                    say("");
                }
                for link in chain {
                    say(&match link {
                        Link::World(wanted) => format!("world wants {wanted}"),
                        Link::Needs(package, wanted) => {
                            format!("{} needs {wanted}", package.full_name())
                        }
                        Link::InstallIf(package, because) => {
                            format!("{} comes with {because}", package.full_name())
                        }
                        Link::Provides(package, wanted) => {
                            format!("{wanted} is provided by {}", package.full_name())
                        }
                    });
                }
            }
        }
    }
    Ok(status)
}
