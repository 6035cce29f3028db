//! `/run/openrc`: the states of services as OpenRC keeps them, for whoever reads them.
//!
//! A service is in at most one of the folders `starting started stopping inactive failed`, as a link to its script.
//! `softlevel` names the runlevel, `options/NAME/KEY` holds what a script keeps for later, `daemons/NAME/NNN` what it
//! started, `log/NAME` what it said, and `why/NAME` why it is not up.

use crate::layout::Layout;
use crate::machine::Current;
use crate::name::{Runlevel, ServiceName};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The states of services below a root.
#[derive(Clone, Debug)]
pub struct State {
    layout: Layout,
}

/// A state that could not be kept.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct Error {
    path: PathBuf,
    source: io::Error,
}

/// The folders that say what a service is.
const FOLDERS: [(&str, Current); 5] = [
    ("started", Current::Started),
    ("starting", Current::Starting),
    ("stopping", Current::Stopping),
    ("inactive", Current::Inactive),
    ("failed", Current::Failed),
];

/// Folders that OpenRC has besides.
const OTHERS: [&str; 9] = [
    "daemons",
    "options",
    "exclusive",
    "hotplugged",
    "scheduled",
    "wasinactive",
    "tmp",
    "log",
    "why",
];

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error { path, source }
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

impl State {
    /// The states below a root; nothing is touched yet.
    pub fn new(layout: &Layout) -> State {
        State {
            layout: layout.clone(),
        }
    }

    /// Where it lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.layout.state().join(name)
    }

    /// Makes the folders.
    pub fn prepare(&self) -> Result<(), Error> {
        for name in FOLDERS.iter().map(|(name, _)| *name).chain(OTHERS) {
            let folder = self.folder(name);
            fs::create_dir_all(&folder).map_err(at(&folder))?;
        }
        Ok(())
    }

    /// Keeps the state of a service.
    pub fn mark(&self, service: &ServiceName, current: Current) -> Result<(), Error> {
        // The new mark first, so that a reader never finds none.
        for (folder, state) in FOLDERS {
            if state == current {
                let link = self.folder(folder).join(service);
                match symlink(Path::new("/etc/init.d").join(service), &link) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(at(&link)(error));
                    }
                    _ => {}
                }
            }
        }
        for (folder, state) in FOLDERS {
            if state != current {
                remove(&self.folder(folder).join(service))?;
            }
        }
        if current == Current::Started {
            remove(&self.folder("why").join(service))?;
        }
        if current == Current::Stopped {
            let options = self.folder("options").join(service);
            let daemons = self.folder("daemons").join(service);
            for folder in [options, daemons] {
                match fs::remove_dir_all(&folder) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(at(&folder)(error));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Why a service is not what it should be, when that was told since it was last up.
    pub fn why(&self, service: &ServiceName) -> Option<String> {
        let text = fs::read(self.folder("why").join(service)).ok()?;
        Some(String::from_utf8_lossy(&text).into_owned())
    }

    /// Keeps why a service is not what it should be.
    pub fn set_why(&self, service: &ServiceName, text: &str) -> Result<(), Error> {
        let folder = self.folder("why");
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        self.write(&folder.join(service), text.as_bytes())
    }

    /// The state of a service.
    pub fn read(&self, service: &ServiceName) -> Current {
        let is_in = |folder: &str| fs::symlink_metadata(self.folder(folder).join(service)).is_ok();
        FOLDERS
            .iter()
            .find(|(folder, _)| is_in(folder))
            .map_or(Current::Stopped, |(_, state)| *state)
    }

    /// Puts a service into one of the folders besides (`hotplugged`, `wasinactive`), or takes it out.
    pub fn set_flag(&self, folder: &str, service: &ServiceName, on: bool) -> Result<(), Error> {
        let link = self.folder(folder).join(service);
        if !on {
            return remove(&link);
        }
        match symlink(Path::new("/etc/init.d").join(service), &link) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(at(&link)(error)),
            _ => Ok(()),
        }
    }

    /// Whether a service is in such a folder.
    pub fn has_flag(&self, folder: &str, service: &ServiceName) -> bool {
        fs::symlink_metadata(self.folder(folder).join(service)).is_ok()
    }

    /// All services that are in a folder (`started`, `hotplugged`, …), sorted.
    pub fn services_in(&self, folder: &str) -> Vec<ServiceName> {
        crate::runlevels::names_in(&self.folder(folder))
    }

    /// The runlevel, when one was reached.
    pub fn runlevel(&self) -> Option<Runlevel> {
        let text = fs::read(self.folder("softlevel")).ok()?;
        Runlevel::parse(text.trim_ascii()).ok()
    }

    /// Keeps the runlevel.
    pub fn set_runlevel(&self, level: &Runlevel) -> Result<(), Error> {
        self.write(&self.folder("softlevel"), level.as_str().as_bytes())
    }

    /// Replaces a small file.
    fn write(&self, path: &Path, text: &[u8]) -> Result<(), Error> {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".new");
        fs::write(&aside, text).map_err(at(path))?;
        fs::rename(&aside, path).map_err(at(path))
    }

    /// What a script kept for itself.
    pub fn value(&self, service: &ServiceName, key: &ServiceName) -> Option<Vec<u8>> {
        fs::read(self.folder("options").join(service).join(key)).ok()
    }

    /// Keeps a value for a script.
    pub fn set_value(
        &self,
        service: &ServiceName,
        key: &ServiceName,
        value: &[u8],
    ) -> Result<(), Error> {
        let folder = self.folder("options").join(service);
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        self.write(&folder.join(key), value)
    }

    /// Notes that a service started a daemon: how to recognise it.
    pub fn add_daemon(&self, service: &ServiceName, daemon: &Daemon) -> Result<(), Error> {
        let folder = self.folder("daemons").join(service);
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        let mut others = self.daemons(service);
        others.retain(|other| other != daemon);
        others.push(daemon.clone());
        for (number, daemon) in (1..).zip(&others) {
            let text = format!(
                "exec={}\nargv_0=\nname=\npidfile={}\n",
                daemon.program, daemon.pidfile
            );
            self.write(&folder.join(format!("{number:03}")), text.as_bytes())?;
        }
        Ok(())
    }

    /// The daemons that a service started.
    pub fn daemons(&self, service: &ServiceName) -> Vec<Daemon> {
        let folder = self.folder("daemons").join(service);
        let Ok(entries) = fs::read_dir(&folder) else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        let field = |text: &str, key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key))
                .unwrap_or_default()
                .to_owned()
        };
        paths
            .iter()
            .filter_map(|path| fs::read_to_string(path).ok())
            .map(|text| Daemon {
                program: field(&text, "exec="),
                pidfile: field(&text, "pidfile="),
            })
            .collect()
    }

    /// Whether a service that should be up has lost a daemon: a pidfile that names no process.
    pub fn has_crashed(&self, service: &ServiceName) -> bool {
        self.daemons(service).iter().any(|daemon| {
            !daemon.pidfile.is_empty()
                && crate::daemon::read_pidfile(&self.layout.path(&daemon.pidfile))
                    .is_none_or(|pid| !crate::daemon::is_alive(pid))
        })
    }
}

/// A daemon that a service started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// The program.
    pub program: String,
    /// The file that holds its process number, or nothing.
    pub pidfile: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_in_one_state() {
        let root = tempfile::tempdir().unwrap();
        let state = State::new(&Layout::new(root.path()));
        state.prepare().unwrap();
        let name = ServiceName::parse(b"sshd").unwrap();
        for (_, current) in FOLDERS.iter().chain(&[("", Current::Stopped)]) {
            state.mark(&name, *current).unwrap();
            assert_eq!(state.read(&name), *current);
            let marks = FOLDERS
                .iter()
                .filter(|(folder, _)| state.folder(folder).join("sshd").is_symlink());
            assert_eq!(marks.count(), usize::from(*current != Current::Stopped));
        }
    }

    #[test]
    fn values_and_daemons_go_when_it_stops() {
        let root = tempfile::tempdir().unwrap();
        let state = State::new(&Layout::new(root.path()));
        state.prepare().unwrap();
        let name = ServiceName::parse(b"sshd").unwrap();
        state.mark(&name, Current::Started).unwrap();
        state
            .set_value(&name, &ServiceName::parse(b"key").unwrap(), b"v")
            .unwrap();
        state
            .add_daemon(
                &name,
                &Daemon {
                    program: "/bin/x".into(),
                    pidfile: "/run/x.pid".into(),
                },
            )
            .unwrap();
        assert_eq!(state.daemons(&name).len(), 1);
        assert!(state.has_crashed(&name));
        state.mark(&name, Current::Stopped).unwrap();
        assert_eq!(
            state.value(&name, &ServiceName::parse(b"key").unwrap()),
            None
        );
        assert_eq!(state.daemons(&name), []);
    }

    #[test]
    fn a_runlevel_that_is_none_is_not_believed() {
        let root = tempfile::tempdir().unwrap();
        let state = State::new(&Layout::new(root.path()));
        state.prepare().unwrap();
        assert_eq!(state.runlevel(), None);
        fs::write(root.path().join("run/openrc/softlevel"), "../etc\n").unwrap();
        assert_eq!(state.runlevel(), None);
        state.set_runlevel(&Runlevel::default_level()).unwrap();
        assert_eq!(state.runlevel(), Some(Runlevel::default_level()));
    }
}
