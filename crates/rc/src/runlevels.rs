//! Runlevels: folders in `/etc/runlevels` with a link for each service; a folder (or a link to one) inside means that
//! the level is stacked on the level of that name.

use crate::layout::Layout;
use crate::name::{Runlevel, ServiceName};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// What can be wrong with runlevels.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such level.
    #[error("runlevel {0} does not exist")]
    NoLevel(Runlevel),
    /// There is no such script.
    #[error("service {0} does not exist")]
    NoService(ServiceName),
    /// The service is not in the level.
    #[error("service {0} is not in the runlevel {1}")]
    NotThere(ServiceName, Runlevel),
    /// The file system says no.
    #[error("{path}: {source}")]
    Io {
        /// Where
        path: PathBuf,
        /// Why
        source: io::Error,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { path, source }
}

/// The names in a folder that can be those of services, sorted. A folder that is not there has none.
pub(crate) fn names_in(folder: &Path) -> Vec<ServiceName> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<ServiceName> = entries
        .flatten()
        .filter_map(|entry| ServiceName::parse(entry.file_name().as_bytes()).ok())
        .collect();
    names.sort();
    names
}

/// All levels, sorted.
pub fn all(layout: &Layout) -> Vec<Runlevel> {
    let Ok(entries) = fs::read_dir(layout.runlevels()) else {
        return Vec::new();
    };
    let mut levels: Vec<Runlevel> = entries
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| Runlevel::parse(entry.file_name().as_bytes()).ok())
        .collect();
    levels.sort();
    levels
}

/// Whether there is such a level.
pub fn exists(layout: &Layout, level: &Runlevel) -> bool {
    layout.runlevel(level).is_dir()
}

/// The levels on which a level is stacked, without itself.
pub fn stacked(layout: &Layout, level: &Runlevel) -> Vec<Runlevel> {
    let mut found = Vec::new();
    let mut stack = vec![level.clone()];
    while let Some(next) = stack.pop() {
        for name in names_in(&layout.runlevel(&next)) {
            let Ok(below) = Runlevel::parse(name.as_str().as_bytes()) else {
                continue;
            };
            if layout.runlevel(&next).join(&name).is_dir()
                && below != *level
                && !found.contains(&below)
            {
                found.push(below.clone());
                stack.push(below);
            }
        }
    }
    found
}

/// The services of a level alone.
pub fn own_services(layout: &Layout, level: &Runlevel) -> Vec<ServiceName> {
    let folder = layout.runlevel(level);
    names_in(&folder)
        .into_iter()
        .filter(|name| !folder.join(name).is_dir())
        .collect()
}

/// The services of a level and of those that it is stacked on.
pub fn services(layout: &Layout, level: &Runlevel) -> Result<BTreeSet<ServiceName>, Error> {
    if !exists(layout, level) {
        return Err(Error::NoLevel(level.clone()));
    }
    let mut services: BTreeSet<ServiceName> = own_services(layout, level).into_iter().collect();
    for below in stacked(layout, level) {
        services.extend(own_services(layout, &below));
    }
    Ok(services)
}

/// Adds a service to a level. `false`: it was there already.
pub fn add(layout: &Layout, service: &ServiceName, level: &Runlevel) -> Result<bool, Error> {
    if !exists(layout, level) {
        return Err(Error::NoLevel(level.clone()));
    }
    if !layout.script(service).exists() {
        return Err(Error::NoService(service.clone()));
    }
    link(
        &layout.runlevel(level).join(service),
        &Path::new("/etc/init.d").join(service),
    )
}

/// Stacks a level on another. `false`: it was already.
pub fn add_stacked(layout: &Layout, below: &Runlevel, level: &Runlevel) -> Result<bool, Error> {
    for level in [below, level] {
        if !exists(layout, level) {
            return Err(Error::NoLevel(level.clone()));
        }
    }
    link(
        &layout.runlevel(level).join(below.as_str()),
        &Path::new("..").join(below.as_str()),
    )
}

fn link(path: &Path, target: &Path) -> Result<bool, Error> {
    match symlink(target, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(at(path)(error)),
    }
}

/// Takes a service (or a stacked level) out of a level.
pub fn remove(layout: &Layout, service: &ServiceName, level: &Runlevel) -> Result<(), Error> {
    if !exists(layout, level) {
        return Err(Error::NoLevel(level.clone()));
    }
    let path = layout.runlevel(level).join(service);
    match fs::remove_file(&path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Error::NotThere(service.clone(), level.clone()))
        }
        Err(error) => Err(at(&path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text.as_bytes()).unwrap()
    }

    fn level(text: &str) -> Runlevel {
        Runlevel::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn levels_are_stacked_and_circles_of_them_end() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        fs::create_dir_all(layout.scripts()).unwrap();
        for service in ["a", "b"] {
            fs::write(layout.scripts().join(service), "").unwrap();
        }
        for level in ["default", "office"] {
            fs::create_dir_all(layout.runlevels().join(level)).unwrap();
        }
        assert!(add(&layout, &name("a"), &level("default")).unwrap());
        assert!(!add(&layout, &name("a"), &level("default")).unwrap());
        assert!(add(&layout, &name("b"), &level("office")).unwrap());
        assert!(add_stacked(&layout, &level("default"), &level("office")).unwrap());
        assert!(add_stacked(&layout, &level("office"), &level("default")).unwrap());
        let both: Vec<ServiceName> = services(&layout, &level("office"))
            .unwrap()
            .into_iter()
            .collect();
        assert_eq!(both, [name("a"), name("b")]);
        remove(&layout, &name("b"), &level("office")).unwrap();
        assert!(matches!(
            remove(&layout, &name("b"), &level("office")),
            Err(Error::NotThere(..))
        ));
        assert!(matches!(
            add(&layout, &name("ghost"), &level("default")),
            Err(Error::NoService(_))
        ));
        assert!(matches!(
            services(&layout, &level("ghost")),
            Err(Error::NoLevel(_))
        ));
    }
}
