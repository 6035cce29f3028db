//! Block devices: which there are, what they hold, `LABEL=` and `UUID=`, and files shown as devices (loop(4)).

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use sys::kernel;
use sys::superblock::{self, FileSystem};

/// What a device or file holds, as its superblock says.
///
/// # Errors
/// The system's error.
pub fn probe(path: &Path) -> io::Result<Option<FileSystem>> {
    let mut head = Vec::with_capacity(superblock::HEAD);
    File::open(path)?
        .take(superblock::HEAD as u64)
        .read_to_end(&mut head)?;
    Ok(superblock::probe(&head))
}

/// The paths of all block devices with something in them, from sysfs, sorted.
pub fn all() -> Vec<PathBuf> {
    let mut names: Vec<OsString> = std::fs::read_dir("/sys/class/block")
        .map(|entries| entries.flatten().map(|entry| entry.file_name()).collect())
        .unwrap_or_default();
    names.sort();
    names.retain(|name| {
        let size = Path::new("/sys/class/block").join(name).join("size");
        std::fs::read_to_string(size).is_ok_and(|text| text.trim() != "0")
    });
    // sysfs has `!` for the slash in a device's name.
    names
        .into_iter()
        .map(|name| Path::new("/dev").join(name.to_string_lossy().replace('!', "/")))
        .collect()
}

/// The device behind `LABEL=x`, `UUID=x` or `PARTUUID=x` (with or without quotes); another text is a path already.
/// `None`: no device is called so.
pub fn resolve(text: &OsStr) -> Option<PathBuf> {
    let (tag, value) = match text.as_bytes().iter().position(|byte| *byte == b'=') {
        Some(at) => text.as_bytes().split_at(at),
        None => return Some(PathBuf::from(text)),
    };
    let value = value.get(1..).unwrap_or_default();
    let value = std::str::from_utf8(value).ok()?.trim_matches('"');
    match tag {
        b"LABEL" => find(|fs| fs.label.as_deref() == Some(value)),
        b"UUID" => find(|fs| {
            fs.uuid
                .as_deref()
                .is_some_and(|uuid| uuid.eq_ignore_ascii_case(value))
        }),
        b"PARTUUID" => all().into_iter().find(|path| {
            uevent(path, "PARTUUID").is_some_and(|uuid| uuid.eq_ignore_ascii_case(value))
        }),
        b"PARTLABEL" => all()
            .into_iter()
            .find(|path| uevent(path, "PARTNAME").as_deref() == Some(value)),
        _ => Some(PathBuf::from(text)),
    }
}

fn find(is: impl Fn(&FileSystem) -> bool) -> Option<PathBuf> {
    all()
        .into_iter()
        .find(|path| probe(path).ok().flatten().is_some_and(|fs| is(&fs)))
}

/// What the kernel says of a block device in its `uevent` file.
fn uevent(path: &Path, key: &str) -> Option<String> {
    let name = path.strip_prefix("/dev").ok()?.to_str()?.replace('/', "!");
    let text = std::fs::read_to_string(format!("/sys/class/block/{name}/uevent")).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .map(str::to_owned)
}

/// Shows a file as a free loop device, which goes by itself when it is no longer used if `autoclear`.
///
/// # Errors
/// The system's error.
pub fn attach(
    file: &Path,
    offset: u64,
    limit: u64,
    read_only: bool,
    autoclear: bool,
) -> io::Result<PathBuf> {
    let control = File::open("/dev/loop-control")?;
    let open = |path: &Path, write: bool| OpenOptions::new().read(true).write(write).open(path);
    let (backing, read_only) = match open(file, !read_only) {
        Err(error) if !read_only && matches!(error.raw_os_error(), Some(13 | 30)) => {
            (open(file, false)?, true)
        }
        opened => (opened?, read_only),
    };
    let mut flags = 0;
    if read_only {
        flags |= kernel::LOOP_READ_ONLY;
    }
    if autoclear {
        flags |= kernel::LOOP_AUTOCLEAR;
    }
    let name = file.canonicalize()?;
    loop {
        let path = PathBuf::from(format!("/dev/loop{}", kernel::loop_free(&control)?));
        let device = open(&path, !read_only)?;
        match kernel::loop_attach(&device, &backing, &name, offset, limit, flags) {
            Ok(()) => {
                // The last one who has it open would clear it.
                hold(device);
                return Ok(path);
            }
            // Another process was quicker.
            Err(error) if error.raw_os_error() == Some(16) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Keeps a descriptor open until the program ends.
fn hold(device: File) {
    use std::os::fd::IntoRawFd;
    let _ = device.into_raw_fd();
}
