//! The modules of a kernel, by the text tables that depmod(8) writes, and what `modprobe.d(5)` says of them.

use crate::common::glob;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The name of the running kernel's release.
pub fn release() -> String {
    rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned()
}

/// `kernel/fs/ext4/ext4.ko.zst` is the module `ext4`.
pub fn module_name(path: &[u8]) -> Vec<u8> {
    let file = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let end = memchr::memmem::find(file, b".ko").unwrap_or(file.len());
    normal(file.get(..end).unwrap_or(file))
}

/// `-` and `_` are one and the same in modules' names.
pub fn normal(name: &[u8]) -> Vec<u8> {
    name.iter()
        .map(|byte| if *byte == b'-' { b'_' } else { *byte })
        .collect()
}

/// A module and what is to be loaded before it.
#[derive(Clone, Debug)]
pub struct Module {
    /// Its file.
    pub path: PathBuf,
    /// The files of all that it needs, in the order of unloading.
    pub needs: Vec<PathBuf>,
}

/// The tables of one kernel.
#[derive(Debug, Default)]
pub struct Tree {
    /// `lib/modules/RELEASE`
    pub folder: PathBuf,
    modules: HashMap<Vec<u8>, Module>,
    builtin: HashSet<Vec<u8>>,
    aliases: Vec<(Vec<u8>, Vec<u8>)>,
    before: HashMap<Vec<u8>, Vec<Vec<u8>>>,
    after: HashMap<Vec<u8>, Vec<Vec<u8>>>,
}

impl Tree {
    /// Reads `modules.dep`, `.builtin`, `.alias`, `.symbols` (not here) and `.softdep`. Tables that are missing are
    /// empty, but there must be a `modules.dep` or a `modules.builtin`.
    ///
    /// # Errors
    /// The file and the system's error.
    pub fn read(folder: &Path) -> Result<Tree, (PathBuf, io::Error)> {
        let mut tree = Tree {
            folder: folder.to_owned(),
            ..Tree::default()
        };
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).map_err(|error| (path, error))
        };
        let optional = |name: &str| match read(name) {
            Err((_, error)) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            other => other,
        };
        let builtin = optional("modules.builtin")?;
        let dep = if builtin.is_empty() {
            read("modules.dep")?
        } else {
            optional("modules.dep")?
        };
        for line in lines(&dep) {
            let Some(at) = line.iter().position(|byte| *byte == b':') else {
                continue;
            };
            let (path, needs) = line.split_at(at);
            let file = |word: &[u8]| folder.join(OsStr::from_bytes(word));
            tree.modules.insert(
                module_name(path),
                Module {
                    path: file(path),
                    needs: words(needs.get(1..).unwrap_or_default())
                        .map(file)
                        .collect(),
                },
            );
        }
        tree.builtin = lines(&builtin).map(module_name).collect();
        for table in ["modules.alias", "modules.builtin.alias"] {
            for line in lines(&optional(table)?) {
                let mut words = words(line);
                if let (Some(b"alias"), Some(pattern), Some(name)) =
                    (words.next(), words.next(), words.next())
                {
                    tree.aliases.push((pattern.to_vec(), normal(name)));
                }
            }
        }
        for line in lines(&optional("modules.softdep")?) {
            tree.softdep(line);
        }
        Ok(tree)
    }

    /// `softdep NAME pre: a b post: c`
    fn softdep(&mut self, line: &[u8]) {
        let mut rest = words(line).skip(1);
        let Some(name) = rest.next().map(normal) else {
            return;
        };
        let mut into = &mut self.before;
        for word in rest {
            match word {
                b"pre:" => into = &mut self.before,
                b"post:" => into = &mut self.after,
                word => into.entry(name.clone()).or_default().push(normal(word)),
            }
        }
    }

    /// The module of that name.
    pub fn get(&self, name: &[u8]) -> Option<&Module> {
        self.modules.get(name)
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.modules.keys()
    }

    /// Whether the kernel has it built in.
    pub fn is_builtin(&self, name: &[u8]) -> bool {
        self.builtin.contains(name)
    }

    /// The modules that answer to an alias, such as `pci:v00001AF4d…`.
    pub fn by_alias(&self, wanted: &[u8]) -> Vec<Vec<u8>> {
        matching(&self.aliases, wanted)
    }

    /// What is to be loaded before (`true`) or after a module if it is there.
    pub fn soft(&self, name: &[u8], before: bool) -> &[Vec<u8>] {
        let table = if before { &self.before } else { &self.after };
        table.get(name).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The names that aliases lead to, each once.
fn matching(aliases: &[(Vec<u8>, Vec<u8>)], wanted: &[u8]) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    let plain = normal(wanted);
    for (pattern, name) in aliases {
        let fits =
            glob::matches(pattern, wanted, glob::Options::default()) || normal(pattern) == plain;
        if fits && !found.contains(name) {
            found.push(name.clone());
        }
    }
    found
}

/// `/etc/modprobe.d` and its kin.
#[derive(Debug, Default)]
pub struct Config {
    aliases: Vec<(Vec<u8>, Vec<u8>)>,
    options: HashMap<Vec<u8>, Vec<u8>>,
    blacklist: HashSet<Vec<u8>>,
    install: HashMap<Vec<u8>, Vec<u8>>,
    remove: HashMap<Vec<u8>, Vec<u8>>,
}

/// Where configuration lies; a file in an earlier folder hides one of the same name in a later one.
const FOLDERS: [&str; 4] = [
    "etc/modprobe.d",
    "run/modprobe.d",
    "usr/lib/modprobe.d",
    "lib/modprobe.d",
];

impl Config {
    /// Reads all `*.conf` below a root; `complain` gets what cannot be read or understood.
    pub fn read(root: &Path, complain: &mut dyn FnMut(&Path, &str)) -> Config {
        let mut config = Config::default();
        let mut seen: HashMap<OsString, PathBuf> = HashMap::new();
        for folder in FOLDERS {
            let folder = root.join(folder);
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let name = entry.file_name();
                if name.as_bytes().ends_with(b".conf") {
                    seen.entry(name).or_insert_with(|| entry.path());
                }
            }
        }
        let mut files: Vec<_> = seen.into_iter().collect();
        files.sort();
        for (_, path) in files {
            match fs::read(&path) {
                Ok(text) => config.take(&text, &mut |what| complain(&path, what)),
                Err(error) => complain(&path, &crate::common::lines::cause(&error)),
            }
        }
        // What the boot loader forbids.
        let cmdline = fs::read(root.join("proc/cmdline")).unwrap_or_default();
        for word in words(&cmdline) {
            let list = word
                .strip_prefix(b"modprobe.blacklist=")
                .or(word.strip_prefix(b"module_blacklist="));
            for name in list.unwrap_or_default().split(|byte| *byte == b',') {
                config.blacklist.insert(normal(name));
            }
        }
        config
    }

    fn take(&mut self, text: &[u8], complain: &mut dyn FnMut(&str)) {
        // A line goes on behind a backslash.
        let mut whole: Vec<u8> = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = memchr::memmem::find(rest, b"\\\n") {
            whole.extend_from_slice(rest.get(..at).unwrap_or_default());
            whole.push(b' ');
            rest = rest.get(at + 2..).unwrap_or_default();
        }
        whole.extend_from_slice(rest);
        for line in lines(&whole) {
            let mut parts = words(line);
            let (Some(verb), name) = (parts.next(), parts.next()) else {
                continue;
            };
            if verb.starts_with(b"#") {
                continue;
            }
            let Some(name) = name else {
                complain("a line without a module's name");
                continue;
            };
            let rest: Vec<&[u8]> = parts.collect();
            let joined = rest.join(&b' ');
            let key = normal(name);
            match verb {
                b"alias" => match rest.first() {
                    Some(target) => self.aliases.push((name.to_vec(), normal(target))),
                    None => complain("alias needs two names"),
                },
                b"options" => {
                    let all = self.options.entry(key).or_default();
                    if !all.is_empty() {
                        all.push(b' ');
                    }
                    all.extend_from_slice(&joined);
                }
                b"blacklist" => {
                    self.blacklist.insert(key);
                }
                b"install" => {
                    self.install.insert(key, joined);
                }
                b"remove" => {
                    self.remove.insert(key, joined);
                }
                b"softdep" | b"include" | b"config" | b"weakdep" => {}
                verb => complain(&format!("unknown word '{}'", String::from_utf8_lossy(verb))),
            }
        }
    }

    /// The names that configured aliases lead to.
    pub fn by_alias(&self, wanted: &[u8]) -> Vec<Vec<u8>> {
        matching(&self.aliases, wanted)
    }

    /// A module's configured parameters.
    pub fn options(&self, name: &[u8]) -> &[u8] {
        self.options
            .get(name)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// Whether a module is not to be loaded by an alias.
    pub fn is_blacklisted(&self, name: &[u8]) -> bool {
        self.blacklist.contains(name)
    }

    /// The command that loads (or, not `load`, removes) a module instead.
    pub fn command(&self, name: &[u8], load: bool) -> Option<&[u8]> {
        let table = if load { &self.install } else { &self.remove };
        table.get(name).map(Vec::as_slice)
    }
}

/// The modules that are loaded: name, and the rest of the line of `/proc/modules`.
pub fn loaded() -> Vec<(Vec<u8>, Vec<u8>)> {
    lines(&fs::read("/proc/modules").unwrap_or_default())
        .filter_map(|line| {
            let at = line.iter().position(|byte| *byte == b' ')?;
            let (name, rest) = line.split_at(at);
            Some((name.to_vec(), rest.trim_ascii().to_vec()))
        })
        .collect()
}

/// Lines that hold something.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
}

/// Words with blanks between.
pub fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_aliases_and_dependencies() {
        let folder = std::env::temp_dir().join(format!("modutils-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in [
            (
                "modules.dep",
                "kernel/a/snd-hda.ko.zst: kernel/a/snd.ko.zst kernel/a/core.ko\nkernel/a/snd.ko.zst:\nbroken\n",
            ),
            ("modules.builtin", "kernel/fs/ext4/ext4.ko\n"),
            (
                "modules.alias",
                "# x\nalias pci:v0000*d1* snd-hda\nalias fs-ext3 ext4\n",
            ),
            ("modules.softdep", "softdep snd-hda pre: core post: extra\n"),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
        let tree = Tree::read(&folder).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(tree.get(b"snd_hda").unwrap().needs.len(), 2);
        assert!(tree.is_builtin(b"ext4"));
        assert_eq!(tree.by_alias(b"pci:v00001d1x"), [b"snd_hda".to_vec()]);
        assert_eq!(tree.by_alias(b"fs-ext3"), [b"ext4".to_vec()]);
        assert!(tree.by_alias(b"pci:v1").is_empty());
        assert_eq!(tree.soft(b"snd_hda", true), [b"core".to_vec()]);
        assert_eq!(tree.soft(b"snd_hda", false), [b"extra".to_vec()]);
        assert!(Tree::read(&folder).is_err());
    }

    #[test]
    fn configuration() {
        let mut config = Config::default();
        let mut wrong = 0;
        config.take(
            b"# c\nblacklist pc-speaker\noptions a b=1 \\\n c=2\noptions a d\nalias eth0 virtio-net\ninstall x /bin/true now\nnonsense y\nalias z\n",
            &mut |_| wrong += 1,
        );
        assert_eq!(wrong, 2);
        assert!(config.is_blacklisted(b"pc_speaker"));
        assert_eq!(config.options(b"a"), b"b=1 c=2 d");
        assert_eq!(config.by_alias(b"eth0"), [b"virtio_net".to_vec()]);
        assert_eq!(config.command(b"x", true), Some(&b"/bin/true now"[..]));
    }
}
