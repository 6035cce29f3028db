//! A root and a repository in a temporary folder, and the `apk` command on them.

#![allow(dead_code, reason = "no test file needs all of it")]

use apk::archive::tar::{Entry, Kind};
use apk::index::Index;
use apk::keys::{Algorithm, PrivateKey};
use apk::package::{self, Contents, PackageError, PkgInfo, Script};
use apk::record::Record;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// One key for all tests: making one takes seconds.
pub fn key() -> &'static PrivateKey {
    static KEY: OnceLock<PrivateKey> = OnceLock::new();
    KEY.get_or_init(|| PrivateKey::generate(2048, "test.rsa.pub").unwrap())
}

pub fn other_key() -> &'static PrivateKey {
    static KEY: OnceLock<PrivateKey> = OnceLock::new();
    KEY.get_or_init(|| PrivateKey::generate(2048, "other.rsa.pub").unwrap())
}

/// A root and a repository in a folder of their own.
pub struct World {
    pub folder: tempfile::TempDir,
    pub packages: Vec<Record>,
}

/// What a package is made of.
#[derive(Default)]
pub struct Made<'a> {
    pub depends: &'a str,
    pub provides: &'a str,
    pub files: &'a [(&'a str, &'a [u8])],
    pub scripts: &'a [(Script, &'a str)],
    pub key: Option<&'static PrivateKey>,
}

impl World {
    pub fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("repo/x86_64")).unwrap();
        let keys = folder.path().join("root/etc/apk/keys");
        fs::create_dir_all(&keys).unwrap();
        fs::write(keys.join("test.rsa.pub"), key().public_pem().unwrap()).unwrap();
        let world = World {
            folder,
            packages: Vec::new(),
        };
        fs::write(world.root().join("etc/apk/arch"), "x86_64\n").unwrap();
        let output = world.apk(&["add", "--initdb"]);
        assert!(output.status.success(), "{}", text(&output));
        world
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub fn repo(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    pub fn package(&mut self, name: &str, version: &str, made: &Made<'_>) -> PathBuf {
        let mut info = PkgInfo::new(name, version, "x86_64");
        info.depends = apk::dependency::Dependency::parse_list(made.depends).unwrap();
        info.provides = apk::dependency::Dependency::parse_list(made.provides).unwrap();
        let mut contents = Vec::new();
        let sources = self.folder.path().join("sources");
        fs::create_dir_all(&sources).unwrap();
        let mut folders = Vec::new();
        for (path, bytes) in made.files {
            let mut above: Vec<&Path> = Path::new(path).ancestors().skip(1).collect();
            above.reverse();
            for folder in above
                .into_iter()
                .filter(|folder| !folder.as_os_str().is_empty())
            {
                if !folders.contains(&folder.to_owned()) {
                    folders.push(folder.to_owned());
                    contents.push(Contents {
                        entry: Entry::new(folder.to_str().unwrap(), Kind::Directory, 0o755),
                        source: None,
                    });
                }
            }
            let source = sources.join(format!("{name}-{version}-{}", path.replace('/', "_")));
            fs::write(&source, bytes).unwrap();
            let mut entry = Entry::new(*path, Kind::File, 0o644);
            entry.size = bytes.len() as u64;
            contents.push(Contents {
                entry,
                source: Some(source),
            });
        }
        let scripts: Vec<(Script, Vec<u8>)> = made
            .scripts
            .iter()
            .map(|(script, text)| (*script, text.as_bytes().to_vec()))
            .collect();
        let path = self.repo().join(format!("x86_64/{name}-{version}.apk"));
        let signer = made.key.unwrap_or(key());
        let mut file = fs::File::create(&path).unwrap();
        let (identity, size) =
            package::write(&mut file, &mut info, &scripts, &contents, 0, &|bytes| {
                signer
                    .sign(Algorithm::RsaSha256, bytes)
                    .map(Some)
                    .map_err(PackageError::from)
            })
            .unwrap();
        self.packages
            .push(Record::of_package(identity, &info, size));
        path
    }

    /// Writes the index, signed by a key.
    pub fn index(&self, signer: &PrivateKey) {
        let index = Index {
            description: "test".into(),
            packages: self.packages.clone(),
        };
        let bytes = index
            .write(0, &|bytes| {
                signer
                    .sign(Algorithm::RsaSha256, bytes)
                    .map(Some)
                    .map_err(PackageError::from)
            })
            .unwrap();
        fs::write(self.repo().join("x86_64/APKINDEX.tar.gz"), bytes).unwrap();
    }

    pub fn command(&self) -> Command {
        // What runs in the background ignores signals, and its children inherit that.
        let mut command = Command::new("env");
        command
            .arg("--default-signal=HUP,INT,QUIT,TERM,PIPE")
            .arg(env!("CARGO_BIN_EXE_apk"))
            .arg("--root")
            .arg(self.root())
            .env_remove("http_proxy");
        command
    }

    pub fn apk(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// With the repository's folder.
    pub fn with_repo(&self, arguments: &[&str]) -> Output {
        self.command()
            .arg("-X")
            .arg(self.repo())
            .args(arguments)
            .output()
            .unwrap()
    }

    /// What there is in the root, with what apk writes for itself left out.
    pub fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.root()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                let inside = path
                    .strip_prefix(self.root())
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                if inside.starts_with("lib/apk/db/")
                    || inside.starts_with("lib/apk/history/")
                    || inside.starts_with("etc/apk")
                    || inside.starts_with("var/cache")
                {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(inside);
                }
            }
        }
        found.sort();
        found
    }
}

pub fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

pub fn good(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(output));
    text(output)
}

/// Status 1, one line that begins with ERROR, and these words in it.
pub fn bad(output: &Output, words: &[&str]) {
    let all = text(output);
    assert_eq!(output.status.code(), Some(1), "{all}");
    let errors: Vec<&str> = all
        .lines()
        .filter(|line| line.starts_with("ERROR: "))
        .collect();
    assert_eq!(errors.len(), 1, "{all}");
    for word in words {
        assert!(errors[0].contains(word), "no {word:?} in {all}");
    }
}
