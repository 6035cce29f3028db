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

/// An event on its way from the thread that builds to the one that shows.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    port: String,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Cached,
    Started,
    Phase(String),
    Line(String),
    Note(String),
    Finished(u64),
}

impl Told {
    pub(crate) fn of(event: Event<'_>) -> Told {
        let (port, what) = match event {
            Event::Cached { port } => (port, What::Cached),
            Event::Started { port } => (port, What::Started),
            Event::Phase { port, phase } => (port, What::Phase(phase.to_owned())),
            Event::Line { port, line } => (port, What::Line(line.to_owned())),
            Event::Note { port, text } => (port, What::Note(text.to_owned())),
            Event::Finished { port, seconds } => (port, What::Finished(seconds)),
        };
        Told {
            port: port.to_owned(),
            what,
        }
    }

    pub(crate) fn event(&self) -> Event<'_> {
        let port = self.port.as_str();
        match &self.what {
            What::Cached => Event::Cached { port },
            What::Started => Event::Started { port },
            What::Phase(phase) => Event::Phase { port, phase },
            What::Line(line) => Event::Line { port, line },
            What::Note(text) => Event::Note { port, text },
            What::Finished(seconds) => Event::Finished {
                port,
                seconds: *seconds,
            },
        }
    }
}
