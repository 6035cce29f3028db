//! From the folders that a build left to signed packages: checked, stripped, traced, audited, written.

mod audit;
mod elf;
mod strip;
mod trace;
mod tree;

use crate::config::{Config, SOURCE_DATE_EPOCH};
use crate::error::{Error, Result};
use crate::keys;
use crate::phase::{Built, BuiltPackage, Owner};
use crate::recipe::{Recipe, Variables};
use crate::sysroot::Sysroot;
use apk::archive::tar;
use apk::dependency::Dependency;
use apk::package::{Contents, PackageError, PkgInfo, Script};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use trace::Traced;
use tree::{Kind, Node, Tree};

/// A build that went through its phases.
pub(crate) struct Finished<'a> {
    pub config: &'a Config,
    pub recipe: &'a Recipe,
    pub built: &'a Built,
    pub owners: &'a [Owner],
    /// What was /build/pkg.
    pub folder: &'a Path,
    pub sysroot: &'a Sysroot,
    pub sysroot_folder: &'a Path,
}

/// Places in which no package may put anything.
const FORBIDDEN: [&str; 8] = [
    "build",
    "cargo",
    "dev",
    "keys",
    "proc",
    "sys",
    "toolchain",
    "usr/local",
];

/// Writes the packages into `target`. Gives the names of the files.
pub(crate) fn write(finished: &Finished<'_>, target: &Path) -> Result<Vec<String>> {
    let mut trees = Vec::new();
    for package in &finished.built.packages {
        let mut tree = Tree::read(&finished.recipe.name, &finished.folder.join(&package.name))?;
        tree.own(&package.name, finished.owners, &|name, group| {
            finished.number(name, group)
        })?;
        finished.check_places(package, &tree)?;
        trees.push(tree);
    }
    // Before the symbols go: some of what is audited is read from them.
    audit::audit(finished.recipe, &trees)?;
    let debug = finished
        .recipe
        .subpackages
        .iter()
        .find(|package| package.function == "dbg");
    let debug = debug.map(|package| finished.folder.join(&package.name));
    if !finished.recipe.has_option("!strip") {
        for tree in trees
            .iter()
            .filter(|tree| Some(&tree.root) != debug.as_ref())
        {
            strip::strip(tree, debug.as_deref())?;
        }
    }
    if let Some(tree) = trees
        .iter_mut()
        .find(|tree| Some(&tree.root) == debug.as_ref())
    {
        *tree = Tree::read(&finished.recipe.name, &tree.root)?;
    }
    let mut traced = Vec::new();
    for tree in &trees {
        traced.push(trace::trace(&finished.recipe.name, tree)?);
    }
    let key = keys::packages(&finished.config.config_dir)?;
    let mut files = Vec::new();
    for (index, package) in finished.built.packages.iter().enumerate() {
        let (Some(tree), Some(own)) = (trees.get(index), traced.get(index)) else {
            continue;
        };
        let mut info = finished.info(package)?;
        finished.add_traced(&mut info, own, &trees, &traced, index)?;
        let scripts = finished.scripts(package)?;
        let file = format!("{}-{}.apk", info.name, info.version.as_str());
        let path = target.join(&file);
        let contents: Vec<Contents> = tree.nodes.iter().map(|node| contents(tree, node)).collect();
        let mut out = BufWriter::new(File::create(&path).map_err(Error::io(&path))?);
        let failed = |error: PackageError| match error {
            PackageError::Read(cause) => Error::Io {
                path: path.clone(),
                cause,
            },
            error => finished.wrong(format!("{file}: {error}")),
        };
        apk::package::write(
            &mut out,
            &mut info,
            &scripts,
            &contents,
            SOURCE_DATE_EPOCH,
            &keys::signer(&key),
        )
        .map_err(failed)?;
        out.flush().map_err(Error::io(&path))?;
        files.push(file);
    }
    Ok(files)
}

impl Finished<'_> {
    fn wrong(&self, message: String) -> Error {
        Error::Package {
            port: self.recipe.name.clone(),
            message,
        }
    }

    fn check_places(&self, package: &BuiltPackage, tree: &Tree) -> Result<()> {
        if self.recipe.has_option("!fhs") {
            return Ok(());
        }
        match tree.nodes.iter().find(|node| {
            FORBIDDEN
                .iter()
                .any(|place| node.path.starts_with(place) && node.path != Path::new(place))
        }) {
            None => Ok(()),
            Some(node) => Err(self.wrong(format!(
                "{} has /{}: nothing is packaged there",
                package.name,
                node.path.display()
            ))),
        }
    }

    /// The number of a user or group, from /etc of the packages that the build had.
    fn number(&self, name: &str, group: bool) -> Result<u32> {
        if let Ok(number) = name.parse() {
            return Ok(number);
        }
        match name {
            "root" => return Ok(0),
            "nobody" | "nogroup" => return Ok(65534),
            _ => {}
        }
        let path = self
            .sysroot_folder
            .join(if group { "etc/group" } else { "etc/passwd" });
        let text = fs::read_to_string(path).unwrap_or_default();
        let found = text.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name))
                .then(|| fields.nth(1)?.parse().ok())
                .flatten()
        });
        let kind = if group { "group" } else { "user" };
        found.ok_or_else(|| {
            self.wrong(format!(
                "chown: there is no {kind} {name}: name it by its number"
            ))
        })
    }

    /// What the recipe says of a package.
    fn info(&self, package: &BuiltPackage) -> Result<PkgInfo> {
        let variables = &package.variables;
        let list = |name: &str| {
            Dependency::parse_list(&variables.words(name).join(" "))
                .map_err(|error| self.wrong(format!("{}: {name}: {error}", package.name)))
        };
        let number = |name: &str| match variables.get(name) {
            "" => Ok(None),
            text => text
                .parse::<u32>()
                .map(Some)
                .map_err(|_| self.wrong(format!("{}: {name} {text:?} is no number", package.name))),
        };
        let arch = package
            .arch
            .clone()
            .unwrap_or_else(|| variables.get("arch").to_owned());
        let noarch = arch.split_whitespace().any(|word| word == "noarch");
        // Alpine's repositories hold noarch packages under each architecture, marked with it or with noarch.
        let arch = if noarch { "noarch" } else { &self.config.arch };
        let mut info = PkgInfo::new(&package.name, &self.recipe.full_version(), arch);
        variables.get("pkgdesc").clone_into(&mut info.description);
        variables.get("url").clone_into(&mut info.url);
        variables.get("license").clone_into(&mut info.license);
        info.origin = Some(self.recipe.name.clone());
        info.build_time = Some(SOURCE_DATE_EPOCH);
        info.depends = list("depends")?;
        info.provides = list("provides")?;
        info.replaces = list("replaces")?;
        info.install_if = list("install_if")?;
        info.provider_priority = number("provider_priority")?;
        info.replaces_priority = number("replaces_priority")?;
        info.triggers = triggers(variables, &package.name)
            .map(|(_, places)| places)
            .unwrap_or_default();
        Ok(info)
    }

    /// Adds what the files say they provide and need.
    fn add_traced(
        &self,
        info: &mut PkgInfo,
        own: &Traced,
        trees: &[Tree],
        all: &[Traced],
        index: usize,
    ) -> Result<()> {
        if self.recipe.has_option("!tracedeps") {
            return Ok(());
        }
        let mut provides: BTreeSet<String> = own
            .provides
            .iter()
            .map(|(name, version)| format!("{name}={version}"))
            .collect();
        provides.extend(
            own.commands
                .iter()
                .map(|name| format!("{name}={}", self.recipe.full_version())),
        );
        let declared = |package: &BuiltPackage, name: &str| {
            package
                .variables
                .words("provides")
                .iter()
                .any(|word| crate::recipe::dependency_name(word) == name)
        };
        let by_sibling = |name: &str| {
            all.iter().any(|traced| traced.provides.contains_key(name))
                || self
                    .built
                    .packages
                    .iter()
                    .any(|package| declared(package, name))
        };
        let mut depends = BTreeSet::new();
        for (need, file) in &own.needs {
            if info.provides.iter().any(|provided| provided.name == *need) {
                continue;
            }
            if !by_sibling(need) && !self.sysroot.provides(need) {
                let message = format!(
                    "/{file} needs {need}, which neither this port nor its makedepends provide"
                );
                return Err(self.wrong(message));
            }
            depends.insert(need.clone());
        }
        for want in &own.wants {
            let name = crate::recipe::dependency_name(want);
            let elsewhere = by_sibling(name) || self.sysroot.provides(name);
            if elsewhere && !own.provides.contains_key(name) {
                depends.insert(want.clone());
            }
        }
        for target in &own.dangling {
            let owner =
                trees
                    .iter()
                    .zip(&self.built.packages)
                    .enumerate()
                    .find(|(other, (tree, _))| {
                        *other != index
                            && tree
                                .nodes
                                .iter()
                                .any(|node| node.path == *target && node.kind != Kind::Folder)
                    });
            if let Some((_, (_, package))) = owner {
                depends.insert(format!("{}={}", package.name, self.recipe.full_version()));
            }
        }
        for (list, words) in [(&mut info.provides, provides), (&mut info.depends, depends)] {
            for word in words {
                let dependency = Dependency::parse(&word)
                    .map_err(|error| self.wrong(format!("{word}: {error}")))?;
                if !list.iter().any(|known| known.name == dependency.name) {
                    list.push(dependency);
                }
            }
        }
        Ok(())
    }

    /// The scripts of `install` and the trigger that belong to a package.
    fn scripts(&self, package: &BuiltPackage) -> Result<Vec<(Script, Vec<u8>)>> {
        let mut scripts = Vec::new();
        for file in package.variables.words("install") {
            let script = file
                .strip_prefix(package.name.as_str())
                .and_then(|rest| rest.strip_prefix('.'));
            if let Some(script) = script.and_then(Script::parse) {
                scripts.push((script, self.script(&file)?));
            } else if !self.recipe.packages().any(|name| {
                file.strip_prefix(name)
                    .and_then(|rest| rest.strip_prefix('.'))
                    .and_then(Script::parse)
                    .is_some()
            }) {
                return Err(self.wrong(format!(
                    "install: {file} is not PACKAGE.SCRIPT of one of its packages"
                )));
            }
        }
        if let Some((file, _)) = triggers(&package.variables, &package.name) {
            scripts.push((Script::Trigger, self.script(&file)?));
        }
        scripts.sort_by_key(|(script, _)| Script::ALL.iter().position(|known| known == script));
        Ok(scripts)
    }

    fn script(&self, file: &str) -> Result<Vec<u8>> {
        let path = self.recipe.folder.join(file);
        let text = fs::read(&path).map_err(Error::io(&path))?;
        if text.starts_with(b"#!") {
            Ok(text)
        } else {
            Err(Error::Io {
                path,
                cause: std::io::Error::other("a script has to begin with #!"),
            })
        }
    }
}

/// The file and the watched places of `NAME.trigger=/place:/other` for a package.
fn triggers(variables: &Variables, package: &str) -> Option<(String, Vec<String>)> {
    variables.words("triggers").into_iter().find_map(|word| {
        let (file, places) = word.split_once('=')?;
        let mine = file.strip_suffix(".trigger") == Some(package);
        mine.then(|| {
            (
                file.to_owned(),
                places.split(':').map(str::to_owned).collect(),
            )
        })
    })
}

fn contents(tree: &Tree, node: &Node) -> Contents {
    let kind = match &node.kind {
        Kind::Folder => tar::Kind::Directory,
        Kind::File => tar::Kind::File,
        Kind::HardLink(_) => tar::Kind::HardLink,
        Kind::Symlink(_) => tar::Kind::Symlink,
        Kind::Fifo => tar::Kind::Fifo,
    };
    // A link's own mode is different on some file systems, and means nothing.
    let mode = if kind == tar::Kind::Symlink {
        0o777
    } else {
        node.mode
    };
    let mut entry = tar::Entry::new(node.path.as_os_str().as_bytes(), kind, mode);
    entry.uid = node.uid;
    entry.gid = node.gid;
    if let Kind::HardLink(target) | Kind::Symlink(target) = &node.kind {
        entry.link = target.as_os_str().as_bytes().to_vec();
    }
    Contents {
        entry,
        source: (node.kind == Kind::File).then(|| tree.on_disk(node)),
    }
}
