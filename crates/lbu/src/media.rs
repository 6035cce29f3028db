//! Where overlays lie: a medium below `/media`, mounted and made writable for as long as it takes.

use crate::Error;
use crate::config::Config;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// File systems that nothing can be written to.
const READ_ONLY: [&str; 4] = ["iso9660", "squashfs", "erofs", "udf"];

/// A line of the table of mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub point: PathBuf,
    /// The kind of file system.
    pub kind: String,
    /// Whether it can be read only.
    pub read_only: bool,
}

/// Reads `/proc/mounts` (fstab(5): blanks in names as octal numbers). Of several on one point the last counts.
pub fn parse(text: &[u8]) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let [_, point, kind, options, ..] = fields.as_slice() else {
            continue;
        };
        let mount = Mount {
            point: PathBuf::from(std::ffi::OsString::from_vec(unescaped(point))),
            kind: String::from_utf8_lossy(kind).into_owned(),
            read_only: options
                .split(|byte| *byte == b',')
                .any(|option| option == b"ro"),
        };
        mounts.retain(|known| known.point != mount.point);
        mounts.push(mount);
    }
    mounts
}

fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = field;
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| *byte == b'\\');
        let value = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (value, after.get(3..)) {
            (Some(value), Some(behind)) => {
                out.push(value);
                rest = behind;
            }
            _ => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    out
}

/// The medium's name where neither the command nor the configuration has one: the only one that can be written to.
pub fn guess(mounts: &[Mount], media: &Path) -> Result<String, Error> {
    let names: Vec<String> = mounts
        .iter()
        .filter(|mount| mount.point.parent() == Some(media))
        .filter(|mount| !READ_ONLY.contains(&mount.kind.as_str()))
        .filter_map(|mount| Some(mount.point.file_name()?.to_string_lossy().into_owned()))
        .collect();
    match names.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Error::NoMedium(format!(
            "nothing that can be written to is mounted below {}",
            media.display()
        ))),
        more => Err(Error::NoMedium(format!(
            "there is more than one: {}",
            more.join(", ")
        ))),
    }
}

/// A place for overlays, as long as it is held. What was done to the medium is undone then.
#[derive(Debug)]
pub struct Place {
    /// The folder.
    pub folder: PathBuf,
    /// The words for mount or umount that undo it.
    undo: Option<(&'static str, Vec<std::ffi::OsString>)>,
}

impl Place {
    /// Finds the place, and mounts it or makes it writable where need be. A root other than `/` is somebody else's
    /// system: nothing is mounted there.
    pub fn open(
        root: &Path,
        config: &Config,
        named: Option<&str>,
        write: bool,
    ) -> Result<Place, Error> {
        if let (None, Some(folder)) = (named, &config.folder) {
            return Ok(Place {
                folder: folder.clone(),
                undo: None,
            });
        }
        let live = root == Path::new("/");
        let mounts = if live {
            let table = Path::new("/proc/mounts");
            parse(&std::fs::read(table).map_err(Error::io(table))?)
        } else {
            Vec::new()
        };
        let media = root.join("media");
        let name = match named.or(config.medium.as_deref()) {
            Some(name) => name.to_owned(),
            None => guess(&mounts, &media)?,
        };
        let folder = media.join(&name);
        if !folder.is_dir() {
            return Err(Error::NoMedium(format!(
                "{} is not there",
                folder.display()
            )));
        }
        let mut place = Place { folder, undo: None };
        if !live {
            return Ok(place);
        }
        let point = place.folder.clone().into_os_string();
        let options = |text: &str| vec!["-o".into(), text.into(), point.clone()];
        match mounts.iter().find(|mount| mount.point == place.folder) {
            Some(mount) if mount.read_only && write => {
                run(&place.folder, "mount", &options("remount,rw"))?;
                place.undo = Some(("mount", options("remount,ro")));
            }
            Some(_) => {}
            None => {
                // As /etc/fstab has it.
                run(&place.folder, "mount", std::slice::from_ref(&point))?;
                place.undo = Some(("umount", vec![point]));
            }
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((program, arguments)) = &self.undo
            && let Err(error) = run(&self.folder, program, arguments)
        {
            // Everything is flushed by now: the medium is only not as it was.
            eprintln!("lbu: WARNING: {error}");
        }
    }
}

fn run(point: &Path, program: &str, arguments: &[impl AsRef<OsStr>]) -> Result<(), Error> {
    let failed = |what: String| Error::Mount {
        path: point.to_owned(),
        what,
    };
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(format!("{program}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(said.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_and_the_last_on_a_point_counts() {
        let table = b"/dev/sda1 /media/my\\040stick vfat rw,noatime 0 0\n\
                      /dev/sr0 /media/sr0 iso9660 ro 0 0\n/dev/sda1 /media/my\\040stick vfat ro 0 0\nbroken\n";
        let mounts = parse(table);
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[1].point, Path::new("/media/my stick"));
        assert!(mounts[1].read_only);
        assert_eq!(guess(&mounts, Path::new("/media")).unwrap(), "my stick");
        assert_eq!(unescaped(b"a\\"), b"a\\");
        assert_eq!(unescaped(b"a\\999"), b"a\\999");
    }

    #[test]
    fn two_media_are_not_guessed_between() {
        let mounts = parse(b"/dev/a /media/a vfat rw 0 0\n/dev/b /media/b ext4 rw 0 0\n");
        let error = guess(&mounts, Path::new("/media")).unwrap_err().to_string();
        assert!(error.contains("a, b"), "{error}");
        assert!(guess(&[], Path::new("/media")).is_err());
    }
}
