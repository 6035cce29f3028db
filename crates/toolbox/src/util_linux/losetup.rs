//! `losetup` (losetup(8)), `blkid`, `findfs`, `switch_root` and `pivot_root`.

use crate::common::lines::{Output, complain, say};
use crate::common::options::{self, Options};
use crate::common::volumes;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

pub const USAGE: &str =
    "[-r] [-o OFFSET] {-f [-s] file | device file} | -d device... | -D | -a | -f | device

-f  the first free device    -s  print which it is    -d  free devices    -D  free all
-a  list those in use    -r  read-only    -o  where in the file to begin";
pub const BLKID_USAGE: &str = "[device]...

prints what the devices hold; without devices: all that hold something known";
pub const FINDFS_USAGE: &str = "LABEL=label | UUID=uuid | PARTUUID=uuid";
pub const SWITCH_USAGE: &str = "[-c CONSOLE] folder init [argument]...

empties the initramfs and runs init in the new root; only for process 1
-c  the console of the new init";
pub const PIVOT_USAGE: &str = "new-root put-old";

/// `losetup`
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "losetup",
        letters: "adDfrso:P",
        long: &[
            ("all", 'a'),
            ("detach", 'd'),
            ("detach-all", 'D'),
            ("find", 'f'),
            ("read-only", 'r'),
            ("show", 's'),
            ("offset", 'o'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let offset = match given.value('o').map(options::size) {
        Some(None) => return options.wrong("invalid offset"),
        Some(Some(offset)) => offset,
        None => 0,
    };
    let mut out = Output::new();
    let mut status = 0;
    let mut failed = |what: &OsStr, error: &io::Error| {
        complain("losetup", what, error);
        status = 1;
    };
    if given.has('D') || given.has('d') {
        let devices = if given.has('D') {
            in_use()
        } else {
            given.operands.iter().map(PathBuf::from).collect()
        };
        for device in devices {
            if let Err(error) = File::open(&device).and_then(sys::kernel::loop_detach) {
                failed(device.as_os_str(), &error);
            }
        }
        return status;
    }
    match given.operands.as_slice() {
        [] if given.has('f') => {
            match File::open("/dev/loop-control").and_then(sys::kernel::loop_free) {
                Ok(number) => out.put(format!("/dev/loop{number}\n").as_bytes()),
                Err(error) => failed(OsStr::new("/dev/loop-control"), &error),
            }
        }
        [] => {
            for device in in_use() {
                show(&device, &mut out);
            }
        }
        [file] if given.has('f') => {
            match volumes::attach(Path::new(file), offset, 0, given.has('r'), false) {
                Ok(device) if given.has('s') => {
                    out.put(device.as_os_str().as_bytes());
                    out.put_byte(b'\n');
                }
                Ok(_) => {}
                Err(error) => failed(file, &error),
            }
        }
        [device] => match File::open(device).and_then(sys::kernel::loop_status) {
            Ok(_) => show(Path::new(device), &mut out),
            Err(error) => failed(device, &error),
        },
        [device, file] => {
            let flags = if given.has('r') {
                sys::kernel::LOOP_READ_ONLY
            } else {
                0
            };
            let open = |path: &OsStr| {
                fs::OpenOptions::new()
                    .read(true)
                    .write(!given.has('r'))
                    .open(path)
            };
            let done = open(device).and_then(|loop_device| {
                sys::kernel::loop_attach(
                    &loop_device,
                    open(file)?,
                    Path::new(file),
                    offset,
                    0,
                    flags,
                )
            });
            if let Err(error) = done {
                failed(device, &error);
            }
        }
        _ => return options.wrong("too many operands"),
    }
    out.finish("losetup", status, 1)
}

/// The loop devices that show a file.
fn in_use() -> Vec<PathBuf> {
    let mut names: Vec<OsString> = fs::read_dir("/sys/block")
        .map(|entries| entries.flatten().map(|entry| entry.file_name()).collect())
        .unwrap_or_default();
    names.retain(|name| {
        Path::new("/sys/block")
            .join(name)
            .join("loop/backing_file")
            .exists()
    });
    names.sort();
    names
        .iter()
        .map(|name| Path::new("/dev").join(name))
        .collect()
}

fn show(device: &Path, out: &mut Output) {
    let name = device.file_name().unwrap_or_default();
    let folder = Path::new("/sys/block").join(name).join("loop");
    let text = |file: &str| fs::read(folder.join(file)).unwrap_or_default();
    out.put(device.as_os_str().as_bytes());
    out.put(b": ");
    out.put(text("offset").trim_ascii());
    out.put(b" ");
    out.put(text("backing_file").trim_ascii());
    out.put(b"\n");
}

/// `blkid`
pub fn blkid(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "blkid",
        letters: "",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let named = !given.operands.is_empty();
    let devices = if named {
        given.operands.iter().map(PathBuf::from).collect()
    } else {
        volumes::all()
    };
    let mut out = Output::new();
    let mut status = if named { 2 } else { 0 };
    for device in devices {
        match volumes::probe(&device) {
            Ok(Some(found)) => {
                let mut line = format!("{}:", device.display());
                for (key, value) in [("LABEL", &found.label), ("UUID", &found.uuid)] {
                    if let Some(value) = value {
                        line.push_str(&format!(" {key}=\"{value}\""));
                    }
                }
                line.push_str(&format!(" TYPE=\"{}\"\n", found.kind));
                out.put(line.as_bytes());
                status = 0;
            }
            Ok(None) => {}
            Err(error) if named => complain("blkid", device.as_os_str(), &error),
            Err(_) => {}
        }
    }
    out.finish("blkid", status, 1)
}

/// `findfs`
pub fn findfs(arguments: &[OsString]) -> i32 {
    let [_, word] = arguments else {
        say("findfs", "one operand is needed: LABEL=x or UUID=x");
        return 1;
    };
    match volumes::resolve(word) {
        Some(path) => {
            let mut out = Output::new();
            out.put(path.as_os_str().as_bytes());
            out.put_byte(b'\n');
            out.finish("findfs", 0, 1)
        }
        None => {
            say("findfs", format!("unable to resolve '{}'", word.display()));
            1
        }
    }
}

/// `pivot_root`
pub fn pivot_root(arguments: &[OsString]) -> i32 {
    let [_, new, old] = arguments else {
        say("pivot_root", "two folders are needed");
        return 1;
    };
    match rustix::process::pivot_root(new.as_os_str(), old.as_os_str()) {
        Ok(()) => 0,
        Err(error) => {
            complain("pivot_root", new, &error.into());
            1
        }
    }
}

/// `switch_root`
pub fn switch_root(arguments: &[OsString]) -> i32 {
    let mut words = arguments.iter().skip(1).peekable();
    let mut console = None;
    if words.next_if(|word| *word == "-c").is_some() {
        console = words.next();
    }
    let (Some(root), Some(init)) = (words.next(), words.next()) else {
        say("switch_root", "a folder and an init are needed");
        return 1;
    };
    match switch(root, console, init, words) {
        Ok(never) => match never {},
        Err((what, error)) => {
            complain("switch_root", &what, &error);
            1
        }
    }
}

fn switch<'a>(
    root: &OsStr,
    console: Option<&OsString>,
    init: &OsStr,
    rest: impl Iterator<Item = &'a OsString>,
) -> Result<std::convert::Infallible, (OsString, io::Error)> {
    let at = |what: &OsStr| {
        let what = what.to_owned();
        move |error: io::Error| (what, error)
    };
    if std::process::id() != 1 {
        return Err(at(OsStr::new("process"))(io::Error::other(
            "this is not process 1",
        )));
    }
    let old = fs::metadata("/").map_err(at(OsStr::new("/")))?.dev();
    std::env::set_current_dir(root).map_err(at(root))?;
    if fs::metadata(".").map_err(at(root))?.dev() == old {
        return Err(at(root)(io::Error::other("nothing is mounted there")));
    }
    // Only ever an initramfs is emptied.
    if !Path::new("/init").exists() {
        return Err(at(OsStr::new("/init"))(io::ErrorKind::NotFound.into()));
    }
    empty(Path::new("/"), old);
    rustix::mount::mount_move(".", "/").map_err(|error| at(root)(error.into()))?;
    rustix::process::chroot(".").map_err(|error| at(root)(error.into()))?;
    std::env::set_current_dir("/").map_err(at(root))?;
    if let Some(path) = console {
        let fd = sys::process::open(path, 2, 0).map_err(at(path))?;
        for target in 0..3 {
            sys::process::dup2(fd, target).map_err(at(path))?;
        }
        let _ = sys::process::close(fd);
    }
    Err(at(init)(std::process::Command::new(init).args(rest).exec()))
}

/// Removes all below a folder that lies on the same file system.
fn empty(folder: &Path, device: u64) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.symlink_metadata() {
            Ok(meta) if meta.dev() == device && meta.is_dir() => {
                empty(&path, device);
                let _ = fs::remove_dir(&path);
            }
            Ok(meta) if meta.dev() == device => {
                let _ = fs::remove_file(&path);
            }
            _ => {}
        }
    }
}
