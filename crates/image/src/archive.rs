//! A root as a tar: ustar with GNU's long names, entries in the tree's order, one fixed time.

use crate::tree::{Entry, EntryKind};
use flate2::{Compression, GzBuilder, write::GzEncoder};
use std::fs::File;
use std::io::{self, Write};

/// A gzip encoder whose header holds no name and no time: the same root gives the same bytes.
pub fn gzip<W: Write>(out: W) -> GzEncoder<W> {
    GzBuilder::new().mtime(0).write(out, Compression::best())
}

/// Writes the entries as a gzip-compressed tar to `out`; every time stamp is `epoch`, in seconds.
pub fn write_tar_gz(entries: &[Entry], epoch: u64, out: impl Write) -> io::Result<()> {
    write_tar(entries, epoch, gzip(out))?.finish()?.flush()
}

/// Writes the entries as a tar to `out` and gives it back; every time stamp is `epoch`, in seconds.
pub fn write_tar<W: Write>(entries: &[Entry], epoch: u64, out: W) -> io::Result<W> {
    let mut archive = tar::Builder::new(out);
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(entry.mode);
        header.set_uid(entry.uid.into());
        header.set_gid(entry.gid.into());
        header.set_mtime(epoch);
        header.set_size(0);
        match &entry.kind {
            EntryKind::Folder => {
                header.set_entry_type(tar::EntryType::Directory);
                archive.append_data(&mut header, &entry.path, io::empty())?;
            }
            EntryKind::Link(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                archive.append_link(&mut header, &entry.path, target)?;
            }
            EntryKind::File { source, size } => {
                header.set_entry_type(tar::EntryType::Regular);
                header.set_size(*size);
                archive.append_data(&mut header, &entry.path, File::open(source)?)?;
            }
        }
    }
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;

    #[test]
    fn what_was_written_reads_back_and_is_the_same_twice() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(dir.path().join("etc/motd"), "hi\n").unwrap();
        std::os::unix::fs::symlink("motd", dir.path().join("etc/issue")).unwrap();
        let entries = tree::read(dir.path(), Some(&tree::Owners::new())).unwrap();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        write_tar_gz(&entries, 1_700_000_000, &mut first).unwrap();
        write_tar_gz(&entries, 1_700_000_000, &mut second).unwrap();
        assert_eq!(first, second);
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(first.as_slice()));
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|e| e.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["etc", "etc/issue", "etc/motd"]);
    }
}
