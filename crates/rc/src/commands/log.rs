//! `rc-log [-f] [-n LINES] NAME`: what a service's script and its daemons said.

use super::fail;
use crate::layout::Layout;
use crate::log;
use crate::name::ServiceName;
use lexopt::{Arg, Parser, ValueExt};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use sys::process;

const USAGE: &str = "\
usage: rc-log [-f] [-n LINES] NAME
  -f  go on with what comes   -n  only the last lines";

/// The command. The first argument is its name.
pub fn main(layout: &Layout, arguments: &[OsString]) -> i32 {
    match run(layout, arguments) {
        Ok(status) => status,
        Err(why) => fail("rc-log", &why),
    }
}

fn run(layout: &Layout, arguments: &[OsString]) -> Result<i32, String> {
    let (mut follow, mut lines, mut name) = (false, None, None);
    let mut parser = Parser::from_args(arguments.iter().skip(1));
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Arg::Short('f') | Arg::Long("follow") => follow = true,
            Arg::Short('n') | Arg::Long("lines") => {
                let count = parser.value().and_then(|value| value.parse::<usize>());
                lines = Some(count.map_err(|error| error.to_string())?);
            }
            Arg::Short('h') | Arg::Long("help") => {
                crate::message::print_line(1, format_args!("{USAGE}"));
                return Ok(0);
            }
            Arg::Value(word) if name.is_none() => {
                name = Some(ServiceName::parse(word.as_bytes()).map_err(|error| error.to_string())?)
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    let name = name.ok_or("which service?")?;
    if !layout.script(&name).exists() {
        return Err(format!("service {name} does not exist"));
    }
    let path = log::path(layout, &name);
    let at = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    // Before the first look: what is said between that and the first wait is not missed.
    let watch = follow
        .then(|| watch(&log::folder(layout)))
        .transpose()
        .map_err(|error| at(&log::folder(layout), error))?;
    let mut text = Vec::new();
    let mut place = 0;
    for path in [log::older(&path), path.clone()] {
        place = match append(&path, 0, &mut text) {
            Ok(place) => place,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(at(&path, error)),
        };
    }
    if !show(last_lines(&text, lines)) {
        return Ok(1);
    }
    let Some(watch) = watch else { return Ok(0) };
    loop {
        // What has changed is seen by a look at the file.
        let mut events = [0; 4096];
        match rustix::io::read(&watch, &mut events) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.to_string()),
        }
        let mut more = Vec::new();
        match append(&path, place, &mut more) {
            Ok(now) => place = now,
            Err(error) if error.kind() == io::ErrorKind::NotFound => place = 0,
            Err(error) => return Err(at(&path, error)),
        }
        if !show(&more) {
            return Ok(1);
        }
    }
}

/// Told of whatever changes in a folder.
fn watch(folder: &Path) -> io::Result<std::os::fd::OwnedFd> {
    let watch = inotify::init(CreateFlags::CLOEXEC)?;
    let flags = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
    inotify::add_watch(&watch, folder, flags)?;
    Ok(watch)
}

/// Reads on from a place; from the beginning where the file has become shorter. Returns the new place.
fn append(path: &Path, place: u64, text: &mut Vec<u8>) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let from = if length < place { 0 } else { place };
    file.seek(SeekFrom::Start(from))?;
    // Not further than it was: who writes all the time must not keep this from being shown.
    let count = file.take(length - from).read_to_end(text)?;
    Ok(from + u64::try_from(count).unwrap_or(0))
}

fn last_lines(text: &[u8], lines: Option<usize>) -> &[u8] {
    let Some(lines) = lines else { return text };
    let end = text.strip_suffix(b"\n").unwrap_or(text).len();
    if lines == 0 {
        return &[];
    }
    let from = (0..end)
        .rev()
        .filter(|at| text.get(*at) == Some(&b'\n'))
        .nth(lines - 1)
        .map_or(0, |at| at + 1);
    text.get(from..).unwrap_or_default()
}

fn show(text: &[u8]) -> bool {
    process::write_all(1, text).is_ok()
}

/// The last lines of a log, for who asks why.
pub(crate) fn tail(path: &Path, lines: usize) -> Vec<String> {
    let mut text = Vec::new();
    if append(path, 0, &mut text).is_err() {
        return Vec::new();
    }
    String::from_utf8_lossy(last_lines(&text, Some(lines)))
        .lines()
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines() {
        let text = b"a\nb\nc\n";
        assert_eq!(last_lines(text, None), text);
        assert_eq!(last_lines(text, Some(0)), b"");
        assert_eq!(last_lines(text, Some(1)), b"c\n");
        assert_eq!(last_lines(text, Some(2)), b"b\nc\n");
        assert_eq!(last_lines(text, Some(9)), text);
        assert_eq!(last_lines(b"a\nb", Some(1)), b"b");
        assert_eq!(last_lines(b"", Some(1)), b"");
    }

    #[test]
    fn a_file_that_was_emptied_is_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "0123").unwrap();
        let mut text = Vec::new();
        assert_eq!(append(&path, 2, &mut text).unwrap(), 4);
        assert_eq!(text, b"23");
        std::fs::write(&path, "x").unwrap();
        assert_eq!(append(&path, 4, &mut text).unwrap(), 1);
        assert_eq!(text, b"23x");
        assert_eq!(tail(&path, 5), ["x"]);
        assert_eq!(tail(Path::new("/no/such/file"), 5), [""; 0]);
    }
}
