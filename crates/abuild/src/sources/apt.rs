//! Debian's archives through a private apt: the host's own lists, settings and locks are left alone.
//!
//! Each suite has a folder in the cache with a list of its own, made of the mirror addresses that the host's apt
//! uses, so no mirror is named here. Addresses and SHA-256 come from the signed index; apt itself downloads.

use crate::cache;
use crate::config::Config;
use crate::error::{Error, Result};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where Debian's package debian-archive-keyring keeps the keys of its suites.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// An archive that a suite has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Archive {
    pub uri: String,
    pub file: String,
    pub sha256: String,
}

/// apt with folders of its own.
pub(super) struct Apt {
    folder: PathBuf,
    /// The suites whose lists were brought up to date by this process.
    fresh: RefCell<BTreeSet<String>>,
    _lock: cache::Lock,
}

impl Apt {
    /// Waits for other builds that use it.
    pub(super) fn open(config: &Config) -> Result<Apt> {
        let folder = config.cached("apt");
        fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        let lock = cache::Lock::wait(&folder.join("lock"))?;
        Ok(Apt {
            folder,
            fresh: RefCell::default(),
            _lock: lock,
        })
    }

    /// The upstream's archive (`.orig.tar.*`) of a source package in a suite; of a package that Debian itself is the
    /// upstream of, its only archive.
    pub(super) fn source(&self, suite: &str, package: &str) -> Result<Archive> {
        let settings = self.suite(suite, "deb-src")?;
        let output = run(Command::new("apt-get")
            .args([
                "source",
                "-qq",
                "--print-uris",
                "--tar-only",
                "--only-source",
                package,
            ])
            .env("APT_CONFIG", &settings))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let archives: Vec<Archive> = text.lines().filter_map(archive).collect();
        let named = |part| archives.iter().find(|archive| archive.file.contains(part));
        named(".orig.tar.")
            .or(named(".tar.").filter(|_| archives.len() == 1))
            .cloned()
            .ok_or_else(|| {
                let message = format!(
                    "{suite} has no upstream archive of {package} with a sha256 in its signed index"
                );
                Error::Program {
                    program: "apt-get".into(),
                    message,
                }
            })
    }

    /// A binary package of the host's own suite: its address and the version.
    pub(super) fn binary(&self, package: &str) -> Result<(Archive, String)> {
        let suite = host_suite()?;
        let settings = self.suite(&suite, "deb")?;
        let output = run(Command::new("apt-get")
            .args(["download", "-qq", "--print-uris", package])
            .env("APT_CONFIG", &settings))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let archive = text
            .lines()
            .find_map(archive)
            .ok_or_else(|| Error::Program {
                program: "apt-get".into(),
                message: format!(
                    "{suite} has no package {package} with a sha256 in its signed index"
                ),
            })?;
        // name_version_arch.deb, where a colon stands as %3a
        let version = archive
            .file
            .split('_')
            .nth(1)
            .unwrap_or_default()
            .replace("%3a", ":");
        Ok((archive, version))
    }

    /// Downloads an archive to `target`; apt compares its checksum with the index's.
    pub(super) fn download(
        &self,
        suite: Option<&str>,
        archive: &Archive,
        target: &Path,
    ) -> Result<()> {
        let suite = suite.map_or_else(host_suite, |suite| Ok(suite.to_owned()))?;
        let settings = self.folder.join(&suite).join("apt.conf");
        let checksum = format!("SHA256:{}", archive.sha256);
        run(Command::new("/usr/lib/apt/apt-helper")
            .arg("download-file")
            .arg(&archive.uri)
            .arg(target)
            .arg(checksum)
            .env("APT_CONFIG", settings))
        .map(drop)
    }

    /// Downloads from an address with the settings of the host's apt, its proxies among them.
    pub(super) fn download_url(url: &str, target: &Path) -> Result<()> {
        run(Command::new("/usr/lib/apt/apt-helper")
            .args([
                "-oAPT::Sandbox::User=root",
                "-oAcquire::Retries=1",
                "download-file",
            ])
            .arg(url)
            .arg(target))
        .map(drop)
    }

    /// The settings for a suite, its lists being up to date. `kind` is deb or deb-src.
    fn suite(&self, suite: &str, kind: &str) -> Result<PathBuf> {
        let folder = self.folder.join(suite);
        let settings = folder.join("apt.conf");
        if !self.fresh.borrow_mut().insert(format!("{kind} {suite}")) {
            return Ok(settings);
        }
        for name in [
            "lists/partial",
            "cache/archives/partial",
            "sources.d",
            "preferences.d",
        ] {
            let path = folder.join(name);
            fs::create_dir_all(&path).map_err(Error::io(&path))?;
        }
        let mirrors = mirrors()?;
        let signed = if Path::new(KEYRING).exists() {
            format!("[signed-by={KEYRING}] ")
        } else {
            String::new()
        };
        let mut list = String::new();
        let mut add = |mirror: Option<&String>, suite: &str| {
            if let Some(mirror) = mirror {
                list.push_str(&format!("{kind} {signed}{mirror} {suite} main\n"));
            }
        };
        if suite.ends_with("-security") {
            add(mirrors.security.as_ref(), suite);
        } else {
            add(mirrors.main.as_ref(), suite);
            // Only the host's own release: of others the security suite need not exist.
            let security = mirrors.security.as_ref();
            add(
                security.filter(|_| mirrors.codename == suite),
                &format!("{suite}-security"),
            );
        }
        let at = folder.display();
        let text = format!(
            "Dir::Etc::SourceList \"{at}/sources.list\";\n\
             Dir::Etc::SourceParts \"{at}/sources.d\";\n\
             Dir::Etc::Preferences \"{at}/preferences\";\n\
             Dir::Etc::PreferencesParts \"{at}/preferences.d\";\n\
             Dir::State::Lists \"{at}/lists\";\n\
             Dir::Cache \"{at}/cache\";\n\
             APT::Sandbox::User \"root\";\n\
             Acquire::Retries \"1\";\n\
             APT::Update::Error-Mode \"any\";\n\
             Acquire::Languages \"none\";\n"
        );
        for (path, text) in [
            (folder.join("sources.list"), list),
            (settings.clone(), text),
        ] {
            fs::write(&path, text).map_err(Error::io(&path))?;
        }
        run(Command::new("apt-get")
            .args(["update", "-qq"])
            .env("APT_CONFIG", &settings))?;
        Ok(settings)
    }
}

/// A line such as `'http://…' musl_1.2.5.orig.tar.gz 1080786 SHA256:…`.
fn archive(line: &str) -> Option<Archive> {
    let (uri, rest) = line.strip_prefix('\'')?.split_once('\'')?;
    let mut words = rest.split_whitespace();
    let file = words.next()?;
    let sha256 = words.nth(1)?.strip_prefix("SHA256:")?;
    let safe = !file.contains('/') && !file.starts_with('.') && sha256.len() == 64;
    safe.then(|| Archive {
        uri: uri.to_owned(),
        file: file.to_owned(),
        sha256: sha256.to_owned(),
    })
}

struct Mirrors {
    codename: String,
    main: Option<String>,
    security: Option<String>,
}

/// The addresses that the host's apt uses for its own release.
fn mirrors() -> Result<Mirrors> {
    let codename = host_suite()?;
    let output = run(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(REPO_URI) $(RELEASE) $(COMPONENT)",
        "Created-By: Packages",
    ]))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let find = |suites: &[&str]| {
        text.lines().find_map(
            |line| match line.split(' ').collect::<Vec<_>>().as_slice() {
                [uri, suite, "main"] if suites.contains(suite) => Some((*uri).to_owned()),
                _ => None,
            },
        )
    };
    let mirrors = Mirrors {
        main: find(&[&codename, "stable", "testing", "sid", "unstable"]),
        security: find(&[&format!("{codename}-security"), "stable-security"]),
        codename,
    };
    if mirrors.main.is_none() {
        let message = format!("the host's apt knows no mirror of {}", mirrors.codename);
        return Err(Error::Program {
            program: "apt-get".into(),
            message,
        });
    }
    Ok(mirrors)
}

/// The code name of the host's release.
fn host_suite() -> Result<String> {
    let path = Path::new("/etc/os-release");
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    Ok(name.map_or_else(
        || "sid".to_owned(),
        |name| name.trim_matches('"').to_owned(),
    ))
}

/// Runs a program; an error holds the last lines that it printed.
pub(super) fn run(command: &mut Command) -> Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .env("LC_ALL", "C")
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| Error::Program {
            program: program.clone(),
            message: error.to_string(),
        })?;
    if output.status.success() {
        return Ok(output);
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    let mut errors = text
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("E:"));
    // The first is the cause, those behind it what came of it.
    let message = match errors.next().or(text.lines().last()) {
        Some(line) => line.trim_start_matches("E: ").to_owned(),
        None => output.status.to_string(),
    };
    Err(Error::Program { program, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_print_uris() {
        let sum = "a".repeat(64);
        let line = format!("'http://mirror/x_1.orig.tar.gz' x_1.orig.tar.gz 12 SHA256:{sum}");
        assert_eq!(archive(&line).unwrap().file, "x_1.orig.tar.gz");
        assert_eq!(archive("Selected version '1' (sid) for x"), None);
        assert_eq!(
            archive(&format!("'http://mirror/x' ../x 12 SHA256:{sum}")),
            None
        );
        assert_eq!(archive("'http://mirror/x' x 12 MD5Sum:00"), None);
    }
}
