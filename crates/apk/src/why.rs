//! What holds a package on the system: chains from the world, by dependencies and by `install_if`.

use crate::database::{Database, Installed};
use crate::dependency::Dependency;
use crate::record::Record;
use std::collections::{HashMap, VecDeque};

/// A link of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// The world names it.
    World(Dependency),
    /// An installed package needs it.
    Needs(Record, Dependency),
    /// What is wanted is there by another name.
    Provides(Record, Dependency),
    /// A package is there since all that its `install_if` names is.
    InstallIf(Record, String),
}

fn fits(record: &Record, wanted: &Dependency) -> bool {
    !wanted.conflict
        && (record.name == wanted.name
            || record
                .provides
                .iter()
                .any(|provided| provided.name == wanted.name))
}

/// The shortest chains that end at a package, one for each that holds it directly, the shortest first. The last link
/// names it, or what it provides.
pub fn chains(database: &Database, name: &str) -> Vec<Vec<Link>> {
    let packages = &database.packages;
    let Some(goal) = packages
        .iter()
        .position(|package| package.record.name == name)
    else {
        return Vec::new();
    };
    // From the world outwards: what each package was reached by first.
    let mut reached: HashMap<usize, Vec<Link>> = HashMap::new();
    let mut open = VecDeque::new();
    let mut found = Vec::new();
    let end = |package: &Installed, wanted: &Dependency, mut chain: Vec<Link>| {
        if package.record.name != wanted.name {
            chain.push(Link::Provides(package.record.clone(), wanted.clone()));
        }
        chain
    };
    let mut reach = |at: usize,
                     chain: Vec<Link>,
                     open: &mut VecDeque<usize>,
                     reached: &mut HashMap<usize, Vec<Link>>| {
        if at == goal {
            found.push(chain.clone());
        }
        reached.entry(at).or_insert_with(|| {
            open.push_back(at);
            chain
        });
    };
    for wanted in &database.world {
        for (at, package) in packages.iter().enumerate() {
            if fits(&package.record, wanted) {
                let chain = end(package, wanted, vec![Link::World(wanted.clone())]);
                reach(at, chain, &mut open, &mut reached);
            }
        }
    }
    loop {
        while let Some(at) = open.pop_front() {
            let (Some(package), Some(chain)) = (packages.get(at), reached.get(&at).cloned()) else {
                continue;
            };
            if at == goal {
                continue;
            }
            for wanted in &package.record.depends {
                for (other, needed) in packages.iter().enumerate() {
                    if other != at && fits(&needed.record, wanted) {
                        let mut longer = chain.clone();
                        longer.push(Link::Needs(package.record.clone(), wanted.clone()));
                        let longer = end(needed, wanted, longer);
                        reach(other, longer, &mut open, &mut reached);
                    }
                }
            }
        }
        // What comes by itself when all that it names is there.
        for (at, package) in packages.iter().enumerate() {
            let conditions = &package.record.install_if;
            if reached.contains_key(&at) || conditions.is_empty() {
                continue;
            }
            let holders: Option<Vec<usize>> = conditions
                .iter()
                .map(|wanted| {
                    (0..packages.len()).find(|other| {
                        reached.contains_key(other)
                            && packages
                                .get(*other)
                                .is_some_and(|one| fits(&one.record, wanted))
                    })
                })
                .collect();
            if let Some(first) = holders.and_then(|holders| {
                holders
                    .into_iter()
                    .max_by_key(|holder| reached.get(holder).map_or(0, Vec::len))
            }) {
                let mut chain = reached.get(&first).cloned().unwrap_or_default();
                let because = crate::dependency::join(conditions);
                chain.push(Link::InstallIf(package.record.clone(), because));
                reach(at, chain, &mut open, &mut reached);
            }
        }
        if open.is_empty() {
            break;
        }
    }
    found.sort_by_key(Vec::len);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{Identity, PkgInfo};

    fn database(world: &str, packages: &[(&str, &str, &str, &str)]) -> Database {
        let list = |text: &str| Dependency::parse_list(text).unwrap();
        let packages = packages
            .iter()
            .map(|(name, depends, provides, install_if)| {
                let mut info = PkgInfo::new(name, "1", "noarch");
                info.depends = list(depends);
                info.provides = list(provides);
                info.install_if = list(install_if);
                Installed {
                    record: Record::of_package(Identity::of(name.as_bytes()), &info, 0),
                    folders: Vec::new(),
                    tag: None,
                    flags: String::new(),
                    triggers: Vec::new(),
                    scripts: Vec::new(),
                }
            })
            .collect();
        Database {
            packages,
            world: list(world),
        }
    }

    #[test]
    fn chains_from_the_world() {
        let database = database(
            "app tool",
            &[
                ("app", "mid", "", ""),
                ("mid", "so:x", "", ""),
                ("tool", "so:x", "", ""),
                ("libx", "", "so:x=1", ""),
                ("app-doc", "", "", "app docs"),
                ("docs", "", "", ""),
                ("loop", "loop2", "", ""),
                ("loop2", "loop", "", ""),
            ],
        );
        let lengths =
            |name: &str| -> Vec<usize> { chains(&database, name).iter().map(Vec::len).collect() };
        assert_eq!(lengths("libx"), [3, 4]);
        assert_eq!(lengths("app"), [1]);
        assert_eq!(lengths("app-doc"), [0; 0]);
        assert_eq!(lengths("loop"), [0; 0]);
        assert_eq!(lengths("none"), [0; 0]);
        let mut with_docs = database.clone();
        with_docs.world = Dependency::parse_list("app docs").unwrap();
        let chain = &chains(&with_docs, "app-doc")[0];
        assert!(matches!(chain.last(), Some(Link::InstallIf(_, because)) if because == "app docs"));
    }
}
