//! What a caller is told while ports are built.

/// One step of a run. A port is started, goes through phases with lines of output, and is finished; or it is cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The port's packages were built from the same inputs before.
    Cached {
        /// The port.
        port: &'a str,
    },
    /// The build of a port begins.
    Started {
        /// The port.
        port: &'a str,
    },
    /// The next phase: sources, sysroot, prepare, build, check, package, split, write.
    Phase {
        /// The port.
        port: &'a str,
        /// Its name.
        phase: &'a str,
    },
    /// A line that the build printed. It is in the log as well.
    Line {
        /// The port.
        port: &'a str,
        /// Without the line end.
        line: &'a str,
    },
    /// Something the user should know, such as which suite served a source.
    Note {
        /// The port.
        port: &'a str,
        /// What.
        text: &'a str,
    },
    /// The port is built and its packages are in the cache.
    Finished {
        /// The port.
        port: &'a str,
        /// How long it took, in seconds.
        seconds: u64,
    },
}
