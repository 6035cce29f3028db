//! The initramfs: `early` as `/init`, the modules that the image asks for, and for systems in memory what makes them,
//! as a zstd-compressed cpio archive (the kernel's `Documentation/driver-api/early-userspace/buffer-format`).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// What cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum InitramfsError {
    /// A file of the root cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A module that the image asks for is neither a file nor built in.
    #[error("module {name}: not in {}", folder.display())]
    NoModule {
        /// Its name.
        name: String,
        /// The modules of the kernel.
        folder: PathBuf,
    },
    /// Compressing failed.
    #[error("compressing the initramfs: {0}")]
    Compress(io::Error),
}

/// What an initramfs holds beside the program and the modules.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    nodes: BTreeMap<String, Node>,
}

#[derive(Clone, Debug)]
struct Node {
    mode: u32,
    device: (u32, u32),
    data: Vec<u8>,
}

impl Contents {
    /// A folder, and those above it.
    pub fn folder(&mut self, path: &str) {
        for (at, _) in path.match_indices('/').chain([(path.len(), "")]) {
            let above = path.get(..at).unwrap_or(path);
            self.nodes.entry(above.to_owned()).or_insert(Node {
                mode: 0o040_755,
                device: (0, 0),
                data: Vec::new(),
            });
        }
    }

    /// A file.
    pub fn file(&mut self, path: &str, mode: u32, data: Vec<u8>) {
        self.put(path, 0o100_000 | mode, (0, 0), data);
    }

    /// A symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        self.put(path, 0o120_777, (0, 0), target.as_bytes().to_vec());
    }

    fn put(&mut self, path: &str, mode: u32, device: (u32, u32), data: Vec<u8>) {
        if let Some((folder, _)) = path.rsplit_once('/') {
            self.folder(folder);
        }
        let node = Node { mode, device, data };
        self.nodes.insert(path.to_owned(), node);
    }

    /// The archive: every folder before what is in it.
    fn archive(&self, epoch: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut inode = 0;
        for (path, node) in &self.nodes {
            inode += 1;
            entry(&mut bytes, (inode, epoch), path, node);
        }
        let end = Node {
            mode: 0,
            device: (0, 0),
            data: Vec::new(),
        };
        entry(&mut bytes, (0, 0), "TRAILER!!!", &end);
        bytes
    }
}

/// Builds the initramfs from an installed root: `init` is the path of `early` in it, `modules` are names,
/// `modules_folder` is `lib/modules/RELEASE` below the root; `contents` are added to.
pub fn build(
    root: &Path,
    init: &Path,
    modules_folder: &Path,
    modules: &[String],
    mut contents: Contents,
    epoch: u64,
) -> Result<Vec<u8>, InitramfsError> {
    let read = |path: PathBuf| {
        std::fs::read(&path).map_err(|source| InitramfsError::Read { path, source })
    };
    for folder in ["dev", "lib", "lib/modules", "proc", "run", "sys", "sysroot"] {
        contents.folder(folder);
    }
    // The kernel opens it for init before any file system is mounted.
    contents.put("dev/console", 0o020_600, (5, 1), Vec::new());
    contents.file("init", 0o755, read(root.join(init))?);
    let release = format!(
        "lib/modules/{}",
        modules_folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
    );
    contents.folder(&release);
    let folder = root.join(modules_folder);
    let dep = read(folder.join("modules.dep"))?;
    let builtin = read(folder.join("modules.builtin"))?;
    let (dep, names) = (
        String::from_utf8_lossy(&dep),
        String::from_utf8_lossy(&builtin),
    );
    let chosen = closure(&dep, &names, modules).map_err(|name| InitramfsError::NoModule {
        name,
        folder: folder.clone(),
    })?;
    let mut lines = String::new();
    for (path, line) in chosen {
        lines.push_str(line);
        lines.push('\n');
        contents.file(
            &format!("{release}/{path}"),
            0o644,
            read(folder.join(path))?,
        );
    }
    contents.file(&format!("{release}/modules.dep"), 0o644, lines.into_bytes());
    contents.file(
        &format!("{release}/modules.builtin"),
        0o644,
        builtin.clone(),
    );
    compress(&contents.archive(epoch)).map_err(InitramfsError::Compress)
}

/// The kernel that unpacks it holds a window in memory, which may be all the difference on a small machine: a MiB
/// instead of the eight of this level costs next to nothing.
fn compress(archive: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 19)?;
    encoder.window_log(20)?;
    io::Write::write_all(&mut encoder, archive)?;
    encoder.finish()
}

/// The lines of `modules.dep` for these modules and all that they depend on, sorted by path.
fn closure<'a>(
    dep: &'a str,
    builtin: &str,
    modules: &[String],
) -> Result<std::collections::BTreeMap<&'a str, &'a str>, String> {
    let name = |path: &str| {
        let file = path.rsplit('/').next().unwrap_or(path);
        file.split(".ko").next().unwrap_or(file).replace('-', "_")
    };
    let mut chosen = std::collections::BTreeMap::new();
    for wanted in modules {
        let wanted_name = wanted.replace('-', "_");
        let Some(line) = dep
            .lines()
            .find(|line| name(line.split(':').next().unwrap_or(line)) == wanted_name)
        else {
            if builtin.lines().any(|path| name(path) == wanted_name) {
                continue;
            }
            return Err(wanted.clone());
        };
        let (path, needs) = line.split_once(':').unwrap_or((line, ""));
        chosen.insert(path, line);
        for need in needs.split_whitespace() {
            // depmod lists them all, those of its dependencies too.
            if let Some(line) = dep
                .lines()
                .find(|line| line.split(':').next() == Some(need))
            {
                chosen.insert(need, line);
            }
        }
    }
    Ok(chosen)
}

/// An entry of the kernel's "newc" form.
fn entry(bytes: &mut Vec<u8>, (inode, epoch): (u32, u64), path: &str, node: &Node) {
    let fields = [
        u64::from(inode),
        u64::from(node.mode),
        0,
        0,
        1,
        epoch,
        node.data.len() as u64,
        0,
        0,
        u64::from(node.device.0),
        u64::from(node.device.1),
        path.len() as u64 + 1,
        0,
    ];
    bytes.extend_from_slice(b"070701");
    for field in fields {
        bytes.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    bytes.extend_from_slice(path.as_bytes());
    bytes.push(0);
    pad(bytes);
    bytes.extend_from_slice(&node.data);
    pad(bytes);
}

fn pad(bytes: &mut Vec<u8>) {
    while !bytes.len().is_multiple_of(4) {
        bytes.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn the_archive_holds_init_and_the_modules_with_what_they_need() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("lib/modules/6.0");
        std::fs::create_dir_all(folder.join("kernel/a")).unwrap();
        for (name, bytes) in [
            ("kernel/a/top.ko.zst", "top"),
            ("kernel/a/low.ko.zst", "low"),
            ("kernel/a/other.ko.zst", "other"),
            (
                "modules.dep",
                "kernel/a/top.ko.zst: kernel/a/low.ko.zst\nkernel/a/low.ko.zst:\nkernel/a/other.ko.zst:\n",
            ),
            ("modules.builtin", "kernel/fs/ext4/ext4.ko\n"),
        ] {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
        std::fs::write(root.path().join("early"), "program").unwrap();
        let mut contents = Contents::default();
        contents.file("etc/apk/keys/k", 0o644, b"key".to_vec());
        contents.link("bin/sh", "toolbox");
        let make = |modules: &[&str]| {
            let modules: Vec<String> = modules.iter().map(|m| (*m).to_owned()).collect();
            build(
                root.path(),
                Path::new("early"),
                Path::new("lib/modules/6.0"),
                &modules,
                contents.clone(),
                1,
            )
        };
        let bytes = make(&["top", "ext4"]).unwrap();
        assert_eq!(bytes, make(&["top", "ext4"]).unwrap());
        let archive = root.path().join("x.cpio");
        std::fs::write(&archive, zstd::decode_all(bytes.as_slice()).unwrap()).unwrap();
        let out = Command::new("cpio")
            .args(["-t", "--quiet"])
            .stdin(std::fs::File::open(&archive).unwrap())
            .stderr(Stdio::inherit())
            .output()
            .expect("cpio (package cpio) is needed");
        let names = String::from_utf8(out.stdout).unwrap();
        assert!(out.status.success());
        assert!(
            names.contains("lib/modules/6.0/kernel/a/top.ko.zst") && names.contains("low.ko.zst"),
            "{names}"
        );
        assert!(
            names.lines().any(|l| l == "init") && !names.contains("other"),
            "{names}"
        );
        for name in ["bin", "bin/sh", "etc/apk/keys", "etc/apk/keys/k"] {
            assert!(names.lines().any(|l| l == name), "{name}: {names}");
        }
        assert!(
            make(&["nope"])
                .unwrap_err()
                .to_string()
                .starts_with("module nope: not in ")
        );
    }
}
