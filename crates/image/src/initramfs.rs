//! The initramfs: `early` as `/init`, and the modules that it may need, as a zstd-compressed cpio archive
//! (the kernel's `Documentation/driver-api/early-userspace/buffer-format`).

use std::collections::BTreeSet;
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

/// Builds the initramfs from an installed root: `init` is the path of `early` in it, `modules` are names,
/// `modules_folder` is `lib/modules/RELEASE` below the root.
pub fn build(
    root: &Path,
    init: &Path,
    modules_folder: &Path,
    modules: &[String],
    epoch: u64,
) -> Result<Vec<u8>, InitramfsError> {
    let read = |path: PathBuf| {
        std::fs::read(&path).map_err(|source| InitramfsError::Read { path, source })
    };
    let mut archive = Cpio::new(epoch);
    for folder in ["dev", "lib", "lib/modules", "proc", "run", "sys", "sysroot"] {
        archive.folder(folder);
    }
    // The kernel opens it for init before any file system is mounted.
    archive.console();
    archive.file("init", 0o755, &read(root.join(init))?);
    let release = format!(
        "lib/modules/{}",
        modules_folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
    );
    archive.folder(&release);
    let folder = root.join(modules_folder);
    let dep = read(folder.join("modules.dep"))?;
    let builtin = read(folder.join("modules.builtin"))?;
    let (dep, builtin) = (
        String::from_utf8_lossy(&dep),
        String::from_utf8_lossy(&builtin),
    );
    let chosen = closure(&dep, &builtin, modules).map_err(|name| InitramfsError::NoModule {
        name,
        folder: folder.clone(),
    })?;
    let mut lines = String::new();
    let mut folders = BTreeSet::new();
    for (path, line) in chosen {
        lines.push_str(line);
        lines.push('\n');
        for above in Path::new(path)
            .ancestors()
            .skip(1)
            .filter(|above| !above.as_os_str().is_empty())
        {
            folders.insert(above.to_string_lossy().into_owned());
        }
    }
    for below in &folders {
        archive.folder(&format!("{release}/{below}"));
    }
    for line in lines.lines() {
        let path = line.split(':').next().unwrap_or(line);
        archive.file(
            &format!("{release}/{path}"),
            0o644,
            &read(folder.join(path))?,
        );
    }
    archive.file(&format!("{release}/modules.dep"), 0o644, lines.as_bytes());
    archive.file(
        &format!("{release}/modules.builtin"),
        0o644,
        builtin.as_bytes(),
    );
    zstd::encode_all(archive.finish().as_slice(), 19).map_err(InitramfsError::Compress)
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

/// A cpio archive in the kernel's "newc" form.
struct Cpio {
    bytes: Vec<u8>,
    inode: u32,
    epoch: u64,
}

impl Cpio {
    fn new(epoch: u64) -> Cpio {
        Cpio {
            bytes: Vec::new(),
            inode: 0,
            epoch,
        }
    }

    fn folder(&mut self, path: &str) {
        self.entry(path, 0o040_755, (0, 0), &[]);
    }

    fn file(&mut self, path: &str, mode: u32, data: &[u8]) {
        self.entry(path, 0o100_000 | mode, (0, 0), data);
    }

    fn console(&mut self) {
        self.entry("dev/console", 0o020_600, (5, 1), &[]);
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), data: &[u8]) {
        self.inode += 1;
        let fields = [
            u64::from(self.inode),
            u64::from(mode),
            0,
            0,
            1,
            self.epoch,
            data.len() as u64,
            0,
            0,
            u64::from(device.0),
            u64::from(device.1),
            path.len() as u64 + 1,
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(data);
        self.pad();
    }

    fn pad(&mut self) {
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.inode = 0;
        self.epoch = 0;
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
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
        let make = |modules: &[&str]| {
            let modules: Vec<String> = modules.iter().map(|m| (*m).to_owned()).collect();
            build(
                root.path(),
                Path::new("early"),
                Path::new("lib/modules/6.0"),
                &modules,
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
        assert!(
            make(&["nope"])
                .unwrap_err()
                .to_string()
                .starts_with("module nope: not in ")
        );
    }
}
