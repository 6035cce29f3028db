//! `modprobe` (modprobe(8)).

use super::insert;
use super::tree::{self, Config, Tree, normal};
use crate::common::lines::{Output, cause, say};
use crate::common::options::{Given, Options};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

pub const USAGE: &str = "[-abDfilnqrRsv] [-d ROOT] [-S RELEASE] module [parameter=value]...

-a  all operands are modules    -r  remove them, and what is no longer needed
-q  no word of modules that there are not    -v  say what is done
-n  do not do it    -b  not what is blacklisted    -l  list modules (shell pattern)
-D  print what would be loaded    -R  print the modules behind an alias
-i  no install or remove commands    -s  errors go to the log, too
-d  another root for lib/modules and etc    -S  another kernel's modules";

/// How it is to be done.
struct Loader<'a> {
    given: &'a Given,
    tree: Tree,
    config: Config,
    /// The modules that are there, or were put there by us.
    there: HashSet<Vec<u8>>,
    out: Output,
}

/// Runs it.
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "modprobe",
        letters: "abcDfilnqrRsvd:S:",
        long: &[
            ("all", 'a'),
            ("use-blacklist", 'b'),
            ("show-depends", 'D'),
            ("ignore-install", 'i'),
            ("ignore-remove", 'i'),
            ("list", 'l'),
            ("dry-run", 'n'),
            ("show", 'n'),
            ("quiet", 'q'),
            ("remove", 'r'),
            ("resolve-alias", 'R'),
            ("syslog", 's'),
            ("verbose", 'v'),
            ("dirname", 'd'),
            ("set-version", 'S'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let root = Path::new(given.value('d').unwrap_or(OsStr::new("/")));
    let release = given
        .value('S')
        .map_or_else(|| OsString::from(tree::release()), OsStr::to_owned);
    let folder = root.join("lib/modules").join(release);
    let quiet = given.has('q');
    let tree = match Tree::read(&folder) {
        Ok(tree) => tree,
        Err((path, error)) => {
            if !quiet {
                say("modprobe", format!("{}: {}", path.display(), cause(&error)));
            }
            return 1;
        }
    };
    let config = Config::read(root, &mut |path, what| {
        say("modprobe", format!("{}: {what}", path.display()));
    });
    let mut loader = Loader {
        given: &given,
        tree,
        config,
        there: tree::loaded().into_iter().map(|(name, _)| name).collect(),
        out: Output::new(),
    };
    let mut status = 0;
    if given.has('l') {
        loader.list();
    } else if given.operands.is_empty() {
        return options.wrong("no module is named");
    } else if given.has('a') || given.has('r') || given.has('R') {
        for word in &given.operands {
            if loader.one(word.as_bytes(), b"").is_err() {
                status = 1;
            }
        }
    } else if let Some((word, parameters)) = given.operands.split_first() {
        let parameters: Vec<&[u8]> = parameters.iter().map(|word| word.as_bytes()).collect();
        status = i32::from(
            loader
                .one(word.as_bytes(), &parameters.join(&b' '))
                .is_err(),
        );
    }
    loader.out.finish("modprobe", status, 1)
}

impl Loader<'_> {
    fn list(&mut self) {
        let mut names: Vec<&Vec<u8>> = self.tree.names().collect();
        names.sort();
        let mut text = Vec::new();
        for name in names {
            let wanted = self.given.operands.is_empty()
                || self.given.operands.iter().any(|pattern| {
                    let pattern = normal(pattern.as_bytes());
                    crate::common::glob::matches(
                        &pattern,
                        name,
                        crate::common::glob::Options::default(),
                    )
                });
            if let Some(module) = self.tree.get(name).filter(|_| wanted) {
                let path = module
                    .path
                    .strip_prefix(&self.tree.folder)
                    .unwrap_or(&module.path);
                text.extend_from_slice(path.as_os_str().as_bytes());
                text.push(b'\n');
            }
        }
        self.out.put(&text);
    }

    fn complain(&self, what: &str) {
        say("modprobe", what);
        if self.given.has('s') {
            use crate::common::syslog;
            syslog::log(syslog::DAEMON, syslog::ERROR, "modprobe", what);
        }
    }

    /// Loads or removes what a name or an alias stands for.
    fn one(&mut self, word: &[u8], parameters: &[u8]) -> Result<(), ()> {
        let name = normal(word);
        let known = self.tree.get(&name).is_some()
            || self.config.command(&name, !self.given.has('r')).is_some();
        let mut names = if known {
            vec![name]
        } else if self.tree.is_builtin(&name) {
            return Ok(());
        } else {
            let mut names = self.config.by_alias(word);
            if names.is_empty() {
                names = self.tree.by_alias(word);
            }
            // A blacklisted module does not answer to its aliases.
            names.retain(|name| !self.config.is_blacklisted(name));
            names
        };
        if self.given.has('b') {
            names.retain(|name| !self.config.is_blacklisted(name));
            if known && names.is_empty() {
                return Ok(());
            }
        }
        if self.given.has('R') {
            for name in &names {
                self.out.put(name);
                self.out.put_byte(b'\n');
            }
        } else if self.given.has('r') {
            for name in &names {
                self.remove(name)?;
            }
        } else {
            let mut last = Ok(());
            for name in &names {
                last = self.load(name, parameters, 0);
            }
            last?;
        }
        if names.is_empty() {
            if !self.given.has('q') {
                let name = String::from_utf8_lossy(word).into_owned();
                let folder = self.tree.folder.display().to_string();
                self.complain(&format!("module {name} not found in {folder}"));
            }
            return Err(());
        }
        Ok(())
    }

    /// Loads a module, what it needs before it, and what belongs to it.
    fn load(&mut self, name: &[u8], parameters: &[u8], depth: usize) -> Result<(), ()> {
        if self.there.contains(name) && !self.given.has('D') || self.tree.is_builtin(name) {
            return Ok(());
        }
        if !self.given.has('i')
            && let Some(command) = self.config.command(name, true)
        {
            let command = command.to_vec();
            return self.run(&command, parameters);
        }
        // A cycle of soft dependencies ends here.
        if depth > 32 {
            return Ok(());
        }
        let Some(module) = self.tree.get(name).cloned() else {
            return Err(());
        };
        for before in self.tree.soft(name, true).to_vec() {
            let _ = self.load(&before, b"", depth + 1);
        }
        for path in module.needs.iter().rev() {
            self.insert(path, b"")?;
        }
        self.insert(&module.path, parameters)?;
        for after in self.tree.soft(name, false).to_vec() {
            let _ = self.load(&after, b"", depth + 1);
        }
        Ok(())
    }

    fn insert(&mut self, path: &Path, parameters: &[u8]) -> Result<(), ()> {
        let name = tree::module_name(path.as_os_str().as_bytes());
        if self.there.contains(&name) && !self.given.has('D') {
            return Ok(());
        }
        let mut all = self.config.options(&name).to_vec();
        if !parameters.is_empty() {
            if !all.is_empty() {
                all.push(b' ');
            }
            all.extend_from_slice(parameters);
        }
        if self.given.has('D') || self.given.has('v') {
            self.out.put(b"insmod ");
            self.out.put(path.as_os_str().as_bytes());
            self.out.put(b" ");
            self.out.put(&all);
            self.out.put(b"\n");
        }
        if self.given.has('D') || self.given.has('n') {
            self.there.insert(name);
            return Ok(());
        }
        match insert::file(path, &all) {
            Ok(()) => {
                self.there.insert(name);
                Ok(())
            }
            Err(error) => {
                // No such device: the driver found nothing to drive.
                let quiet = self.given.has('q') && error.raw_os_error() == Some(19);
                if !quiet {
                    let name = String::from_utf8_lossy(&name).into_owned();
                    self.complain(&format!(
                        "can't load module {name}: {}",
                        insert::why(&error)
                    ));
                }
                Err(())
            }
        }
    }

    /// Removes a module, then what it alone needed.
    fn remove(&mut self, name: &[u8]) -> Result<(), ()> {
        if !self.given.has('i')
            && let Some(command) = self.config.command(name, false)
        {
            let command = command.to_vec();
            return self.run(&command, b"");
        }
        if self.tree.is_builtin(name) {
            let name = String::from_utf8_lossy(name).into_owned();
            self.complain(&format!("module {name} is built in"));
            return Err(());
        }
        if !self.there.contains(name) {
            if !self.given.has('q') {
                let name = String::from_utf8_lossy(name).into_owned();
                self.complain(&format!("module {name} is not loaded"));
            }
            return Err(());
        }
        if self.given.has('v') {
            self.out.put(b"rmmod ");
            self.out.put(name);
            self.out.put(b"\n");
        }
        if self.given.has('n') {
            return Ok(());
        }
        if let Err(error) = insert::remove(name, false) {
            let name = String::from_utf8_lossy(name).into_owned();
            self.complain(&format!("can't remove module {name}: {}", cause(&error)));
            return Err(());
        }
        let needs = self.tree.get(name).map(|module| module.needs.clone());
        for path in needs.unwrap_or_default() {
            // Others may need it still.
            let _ = insert::remove(&tree::module_name(path.as_os_str().as_bytes()), false);
        }
        Ok(())
    }

    fn run(&mut self, command: &[u8], parameters: &[u8]) -> Result<(), ()> {
        if self.given.has('n') || self.given.has('D') {
            return Ok(());
        }
        let status = Command::new("/bin/sh")
            .arg("-c")
            .arg(OsStr::from_bytes(command))
            .env("CMDLINE_OPTS", OsStr::from_bytes(parameters))
            .status();
        match status {
            Ok(status) if status.success() => Ok(()),
            _ => {
                self.complain(&format!("'{}' failed", String::from_utf8_lossy(command)));
                Err(())
            }
        }
    }
}
