//! Overlays: gzip-compressed tars of what differs, as Alpine's.

use crate::Error;
use crate::changes::Change;
use apk::archive::tar::{Entry, Kind, Reader, Writer};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use std::fs::{self, File, Metadata};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What follows the host's name.
pub const ENDING: &str = ".apkovl.tar.gz";

/// Writes an overlay of the changes to `out` and gives it back.
pub fn write<W: Write>(root: &Path, changes: &[Change], out: W) -> Result<W, Error> {
    let mut tar = Writer::new(GzEncoder::new(out, Compression::best()));
    for change in changes {
        let path = root.join(&change.path);
        append(&mut tar, &path, change).map_err(Error::io(&path))?;
    }
    let finish = || tar.finish()?.finish();
    finish().map_err(Error::io(Path::new("the overlay")))
}

fn append<W: Write>(tar: &mut Writer<W>, path: &Path, change: &Change) -> io::Result<()> {
    let mut entry = entry(change.path.as_os_str().as_bytes(), &change.meta);
    match entry.kind {
        Kind::Symlink => {
            entry.link = fs::read_link(path)?.as_os_str().as_bytes().to_vec();
            tar.append(&entry, &mut io::empty())
        }
        Kind::Directory => tar.append(&entry, &mut io::empty()),
        _ => {
            let file = File::open(path)?;
            // As large as it is now: it may have grown since it was found.
            entry.size = file.metadata()?.len();
            tar.append(&entry, &mut BufReader::new(file))
        }
    }
}

/// An entry's header, without a link's target.
pub(crate) fn entry(path: &[u8], meta: &Metadata) -> Entry {
    let kind = if meta.is_dir() {
        Kind::Directory
    } else if meta.is_symlink() {
        Kind::Symlink
    } else {
        Kind::File
    };
    let mut entry = Entry::new(path, kind, meta.mode() & 0o7777);
    (entry.uid, entry.gid) = (meta.uid(), meta.gid());
    entry.mtime = u64::try_from(meta.mtime()).unwrap_or(0);
    entry
}

/// Reads an overlay: each entry with its data, in order. The path has no `./` before it and no slash around it.
pub fn read(
    path: &Path,
    each: &mut dyn FnMut(&Entry, &mut dyn Read) -> Result<(), Error>,
) -> Result<(), Error> {
    let broken = |source| Error::Overlay {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(Error::io(path))?;
    let mut tar = Reader::new(MultiGzDecoder::new(BufReader::new(file)));
    while let Some(mut entry) = tar.next_entry().map_err(broken)? {
        let trimmed = entry.path.strip_prefix(b"./").unwrap_or(&entry.path);
        let trimmed = match trimmed.iter().position(|byte| *byte != b'/') {
            Some(at) => trimmed.get(at..).unwrap_or_default().to_vec(),
            None => continue,
        };
        entry.path = trimmed;
        each(&entry, &mut tar)?;
    }
    Ok(())
}

/// Whether an overlay can be read to its end.
pub fn check(path: &Path) -> Result<(), Error> {
    read(path, &mut |_, data| {
        io::copy(data, &mut io::sink())
            .map(drop)
            .map_err(|source| Error::Overlay {
                path: path.to_owned(),
                source,
            })
    })
}
