//! Where things lie: OpenRC's folders below a root.

use crate::name::{Runlevel, ServiceName};
use std::path::{Path, PathBuf};

/// The root below which everything lies: `/`, or a folder of a test.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout below this root.
    pub fn new(root: impl Into<PathBuf>) -> Layout {
        Layout { root: root.into() }
    }

    /// A path given as it is on the running system.
    pub fn path(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let absolute = absolute.as_ref();
        self.root
            .join(absolute.strip_prefix("/").unwrap_or(absolute))
    }

    /// `/etc/init.d`: the scripts.
    pub fn scripts(&self) -> PathBuf {
        self.path("/etc/init.d")
    }

    /// The script of a service.
    pub fn script(&self, name: &ServiceName) -> PathBuf {
        self.scripts().join(name)
    }

    /// `/etc/conf.d/NAME`
    pub fn config(&self, name: &str) -> PathBuf {
        self.path("/etc/conf.d").join(name)
    }

    /// `/etc/runlevels`
    pub fn runlevels(&self) -> PathBuf {
        self.path("/etc/runlevels")
    }

    /// The folder of a runlevel.
    pub fn runlevel(&self, level: &Runlevel) -> PathBuf {
        self.runlevels().join(level.as_str())
    }

    /// `/run/openrc`: what runs.
    pub fn state(&self) -> PathBuf {
        self.path("/run/openrc")
    }

    /// `/run/rc.sock`: where PID 1 listens.
    pub fn socket(&self) -> PathBuf {
        self.path("/run/rc.sock")
    }
}
