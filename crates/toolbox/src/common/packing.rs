//! What programs like gzip do around their engine: names with suffixes, one file replaced by the other, `-c`, `-t`.

use super::copying;
use super::lines::{complain, open, say, write_all};
use super::options::{Given, Options};
use super::unpacking::Source;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// One program of a family.
pub struct Program {
    /// Its name and options.
    pub options: Options,
    /// What packed files end in.
    pub suffix: &'static str,
    /// What is taken off when unpacking, and what stands instead.
    pub suffixes: &'static [(&'static str, &'static str)],
    /// Unpacked files of other names get this behind theirs; else they are refused.
    pub other: Option<&'static str>,
    /// Packs.
    pub pack: fn(Source, &mut dyn Write, &Given) -> io::Result<()>,
    /// Unpacks.
    pub unpack: fn(Source, &mut dyn Write, &Given) -> io::Result<()>,
}

/// Counts what goes through.
struct Counted<'a> {
    out: &'a mut dyn Write,
    count: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.count += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Program {
    /// Works on all operands; `implied` letters count as given.
    pub fn run(&self, arguments: &[OsString], implied: &str) -> i32 {
        let mut given = match self.options.parse(arguments) {
            Ok(given) => given,
            Err(status) => return status,
        };
        for letter in implied.chars() {
            given.set(letter);
        }
        if given.operands.is_empty() {
            given.operands.push("-".into());
        }
        let mut status = 0;
        for name in &given.operands {
            match self.one(&given, name) {
                Ok(()) => {}
                Err(error) => {
                    match error {
                        Some(error) if name == "-" => {
                            say(self.options.applet, super::lines::cause(&error));
                        }
                        Some(error) => complain(self.options.applet, name, &error),
                        None => {}
                    }
                    status = 1;
                }
            }
        }
        status
    }

    fn refuse(&self, text: &str) -> Option<io::Error> {
        say(self.options.applet, text);
        None
    }

    /// The name of what is made. None: there is none for it.
    fn target(&self, name: &OsStr, unpack: bool) -> Option<OsString> {
        let bytes = name.as_bytes();
        if !unpack {
            return Some(OsString::from_vec([bytes, self.suffix.as_bytes()].concat()));
        }
        for (suffix, instead) in self.suffixes {
            if let Some(stem) = bytes.strip_suffix(suffix.as_bytes())
                && !stem.is_empty()
                && !stem.ends_with(b"/")
            {
                return Some(OsString::from_vec([stem, instead.as_bytes()].concat()));
            }
        }
        self.other
            .map(|other| OsString::from_vec([bytes, other.as_bytes()].concat()))
    }

    /// Packs or unpacks one file. `Err(None)`: told.
    fn one(&self, given: &Given, name: &OsStr) -> Result<(), Option<io::Error>> {
        let unpack = given.has('d') || given.has('t');
        let stdout = given.has('c') || name == "-";
        let forced = given.has('f');
        if !forced && !given.has('t') {
            if stdout && !unpack && rustix::termios::isatty(rustix::stdio::stdout()) {
                return Err(
                    self.refuse("compressed data is not written to a terminal, -f forces it")
                );
            }
            if name == "-" && unpack && rustix::termios::isatty(rustix::stdio::stdin()) {
                return Err(
                    self.refuse("compressed data is not read from a terminal, -f forces it")
                );
            }
        }
        let input = open(name)?;
        let work = |input: File, out: &mut dyn Write| {
            let mut out = Counted { out, count: 0 };
            let work = if unpack { self.unpack } else { self.pack };
            work(Source::new(input), &mut out, given)?;
            Ok::<u64, io::Error>(out.count)
        };
        if given.has('t') {
            work(input, &mut io::sink())?;
            return Ok(());
        }
        if stdout {
            let mut out = File::from(rustix::stdio::stdout().try_clone_to_owned()?);
            work(input, &mut out)?;
            return Ok(());
        }
        let meta = input.metadata()?;
        if !meta.is_file() {
            return Err(self.refuse(&format!("{}: not a regular file", name.display())));
        }
        if !unpack && name.as_bytes().ends_with(self.suffix.as_bytes()) && !forced {
            let text = format!("{}: already has {} suffix", name.display(), self.suffix);
            return Err(self.refuse(&text));
        }
        let Some(target) = self.target(name, unpack) else {
            return Err(self.refuse(&format!("{}: unknown suffix - ignored", name.display())));
        };
        let path = Path::new(&target);
        if forced && path.symlink_metadata().is_ok() {
            fs::remove_file(path)?;
        }
        // Nobody may read it who could not read the other.
        let created = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(meta.mode() & 0o600)
            .open(path);
        let mut out = created.map_err(|error| {
            let text = format!(
                "can't open '{}': {}",
                path.display(),
                super::lines::cause(&error)
            );
            self.refuse(&text)
        })?;
        let done = work(input, &mut out).and_then(|count| {
            copying::keep(path, &meta)?;
            Ok(count)
        });
        let count = match done {
            Ok(count) => count,
            Err(error) => {
                let _ = fs::remove_file(path);
                return Err(Some(error));
            }
        };
        if given.has('v') && !given.has('q') {
            let (packed, plain) = if unpack {
                (meta.len(), count)
            } else {
                (count, meta.len())
            };
            let taken = if plain == 0 {
                0
            } else {
                u128::from(packed) * 100 / u128::from(plain)
            };
            let saved = 100u128.saturating_sub(taken);
            let text = format!(
                "{}: {saved}% - replaced with {}\n",
                name.display(),
                path.display()
            );
            let _ = write_all(rustix::stdio::stderr(), text.as_bytes());
        }
        if !given.has('k') {
            fs::remove_file(name)?;
        }
        Ok(())
    }
}

/// The digit that was given last as a level.
pub fn level(given: &Given, usual: u32) -> u32 {
    given
        .last_of("123456789")
        .and_then(|digit| digit.to_digit(10))
        .unwrap_or(usual)
}

/// Long names that all of these programs know.
pub const LONG: &[(&str, char)] = &[
    ("stdout", 'c'),
    ("to-stdout", 'c'),
    ("decompress", 'd'),
    ("uncompress", 'd'),
    ("force", 'f'),
    ("keep", 'k'),
    ("test", 't'),
    ("quiet", 'q'),
    ("verbose", 'v'),
    ("fast", '1'),
    ("best", '9'),
];
