//! `nbd-client`: a disk of another machine as a block device (NBD's protocol, its older greeting and the newer one).

use crate::common::daemon;
use crate::common::lines::{about, other, status};
use crate::common::options::{Given, Options};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;
use sys::control::{Number, number};
use sys::process;

pub const USAGE: &str = "[-b SIZE] [-N NAME] [-t SECONDS] [-p] HOST [PORT] DEVICE | -d DEVICE

-b, -block-size  bytes a block (4096)    -N, -name  which of the host's disks    -t, -timeout  how long to wait for it
-p, -persist  connect anew when the connection breaks    -d  let the device go";

const OPTIONS: Options = Options {
    applet: "nbd-client",
    letters: "dN:b:t:p",
    long: &[
        ("block-size", 'b'),
        ("timeout", 't'),
        ("name", 'N'),
        ("persist", 'p'),
    ],
};

const OLD: u64 = 0x0000_4202_8186_1253;
const NEW: &[u8; 8] = b"IHAVEOPT";
/// What both sides can: the newer greeting in its fixed form, and no zeros behind it.
const FIXED: u16 = 1;
const NO_ZEROS: u16 = 2;
/// The disk can only be read.
const READ_ONLY: u32 = 2;

/// `nbd-client`
pub fn main(arguments: &[OsString]) -> i32 {
    // Its long options begin with one dash, too.
    let words: Vec<OsString> = arguments
        .iter()
        .map(|word| match word.to_str() {
            Some(text)
                if OPTIONS
                    .long
                    .iter()
                    .any(|(name, _)| text.strip_prefix('-') == Some(*name)) =>
            {
                format!("-{text}").into()
            }
            _ => word.clone(),
        })
        .collect();
    let given = match OPTIONS.take(&words, 1, 3) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let words: Vec<&OsStr> = given.operands.iter().map(OsString::as_os_str).collect();
    match words.as_slice() {
        [device] if given.has('d') => status("nbd-client", let_go(device)),
        [host, device] if !given.has('d') => status(
            "nbd-client",
            serve(&given, host, OsStr::new("10809"), device),
        ),
        [host, port, device] if !given.has('d') => {
            status("nbd-client", serve(&given, host, port, device))
        }
        _ => OPTIONS.wrong("HOST [PORT] DEVICE is needed, or -d DEVICE"),
    }
}

fn open(device: &OsStr) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).open(device);
    file.map_err(|error| about(device, &error))
}

fn let_go(device: &OsStr) -> io::Result<i32> {
    let file = open(device)?;
    number(&file, Number::NBD_DISCONNECT, 0).map_err(|error| about(device, &error))?;
    number(&file, Number::NBD_CLEAR_SOCK, 0).map_err(|error| about(device, &error))?;
    Ok(0)
}

/// What the server says of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Disk {
    size: u64,
    flags: u32,
}

fn take<const N: usize>(stream: &mut dyn Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Greets the server and asks for a disk.
fn greet<S: Read + Write>(stream: &mut S, name: &str) -> io::Result<Disk> {
    let failed = || other("login failed");
    if take(stream)? != *b"NBDMAGIC" {
        return Err(failed());
    }
    let second: [u8; 8] = take(stream)?;
    if u64::from_be_bytes(second) == OLD {
        let size = u64::from_be_bytes(take(stream)?);
        let flags = u32::from_be_bytes(take(stream)?);
        take::<124>(stream)?;
        return Ok(Disk { size, flags });
    }
    if second != *NEW {
        return Err(failed());
    }
    let able = u16::from_be_bytes(take(stream)?) & (FIXED | NO_ZEROS);
    let length = u32::try_from(name.len()).map_err(|_| failed())?;
    // What we can, then the option "this disk".
    let mut wish = u32::from(able).to_be_bytes().to_vec();
    wish.extend(NEW);
    wish.extend(1_u32.to_be_bytes());
    wish.extend(length.to_be_bytes());
    wish.extend(name.as_bytes());
    stream.write_all(&wish)?;
    let size = u64::from_be_bytes(take(stream)?);
    let flags = u16::from_be_bytes(take(stream)?);
    if able & NO_ZEROS == 0 {
        take::<124>(stream)?;
    }
    Ok(Disk {
        size,
        flags: flags.into(),
    })
}

fn serve(given: &Given, host: &OsStr, port: &OsStr, device: &OsStr) -> io::Result<i32> {
    let block = given.number('b', 4096_u32).map_err(other)?;
    let timeout = given.number('t', 0_u32).map_err(other)?;
    if !matches!(block, 512 | 1024 | 2048 | 4096) {
        return Err(other("a block has 512, 1024, 2048 or 4096 bytes"));
    }
    let port: u16 = port
        .to_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| other("bad port"))?;
    let host = host.to_string_lossy();
    let name = given
        .value('N')
        .map(OsStr::to_string_lossy)
        .unwrap_or_default();
    let prepare = || -> io::Result<(File, TcpStream)> {
        let file = open(device)?;
        let told = |error: io::Error| about(&*host, &error);
        let mut stream = TcpStream::connect((&*host, port)).map_err(told)?;
        stream.set_nodelay(true)?;
        let disk = greet(&mut stream, &name).map_err(told)?;
        let blocks = usize::try_from(disk.size / u64::from(block))
            .map_err(|_| other("the disk is too large"))?;
        let call = |request, value: usize| {
            number(&file, request, value).map_err(|error| about(device, &error))
        };
        call(Number::NBD_SET_BLKSIZE, block as usize)?;
        call(Number::NBD_SET_SIZE_BLOCKS, blocks)?;
        call(Number::NBD_CLEAR_SOCK, 0)?;
        call(Number::NBD_SET_FLAGS, disk.flags as usize)?;
        sys::kernel::set_read_only(&file, disk.flags & READ_ONLY != 0)
            .map_err(|error| about(device, &error))?;
        if timeout != 0 {
            call(Number::NBD_SET_TIMEOUT, timeout as usize)?;
        }
        call(
            Number::NBD_SET_SOCK,
            usize::try_from(stream.as_raw_fd()).unwrap_or(0),
        )?;
        Ok((file, stream))
    };
    // What goes wrong at first is told; then it goes on in the background.
    let first = prepare()?;
    let (persist, path) = (given.has('p'), device.to_owned());
    Ok(daemon::detach("nbd-client", || {
        let mut ready = Some(first);
        loop {
            let Some((file, stream)) = ready.take().or_else(|| prepare().ok()) else {
                if !persist {
                    return 1;
                }
                std::thread::sleep(Duration::from_secs(1));
                continue;
            };
            look_at_partitions(&path);
            // It comes back when the connection has ended, or when the device is let go.
            let done = number(&file, Number::NBD_DO_IT, 0);
            let let_go = done.is_ok() || done.is_err_and(|error| error.raw_os_error() == Some(53));
            if let_go || !persist {
                let _ = number(&file, Number::NBD_CLEAR_QUE, 0);
                let _ = number(&file, Number::NBD_CLEAR_SOCK, 0);
                return i32::from(!let_go);
            }
            drop((file, stream));
        }
    }))
}

/// Opens the device once it works, so that the kernel looks for partitions. That needs a process of its own.
fn look_at_partitions(device: &OsStr) {
    let path = device.to_owned();
    let child = process::fork(move || {
        let name = Path::new(&path).file_name().unwrap_or_default();
        let up = Path::new("/sys/block").join(name).join("pid");
        for _ in 0..600 {
            if up.exists() {
                return i32::from(File::open(&path).is_err());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        1
    });
    drop(child);
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Server {
        says: io::Cursor<Vec<u8>>,
        hears: Vec<u8>,
    }

    impl Read for Server {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.says.read(into)
        }
    }

    impl Write for Server {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.hears.extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn ask(says: &[u8]) -> (io::Result<Disk>, Vec<u8>) {
        let mut server = Server {
            says: io::Cursor::new(says.to_vec()),
            hears: Vec::new(),
        };
        let disk = greet(&mut server, "disk");
        (disk, server.hears)
    }

    #[test]
    fn both_greetings() {
        let mut old = b"NBDMAGIC".to_vec();
        old.extend(OLD.to_be_bytes());
        old.extend(8192_u64.to_be_bytes());
        old.extend(2_u32.to_be_bytes());
        old.extend([0; 124]);
        assert_eq!(
            ask(&old).0.unwrap(),
            Disk {
                size: 8192,
                flags: 2
            }
        );

        let mut new = b"NBDMAGICIHAVEOPT\0\x03".to_vec();
        new.extend(4096_u64.to_be_bytes());
        new.extend(1_u16.to_be_bytes());
        let (disk, heard) = ask(&new);
        assert_eq!(
            disk.unwrap(),
            Disk {
                size: 4096,
                flags: 1
            }
        );
        assert_eq!(heard, b"\0\0\0\x03IHAVEOPT\0\0\0\x01\0\0\0\x04disk");
        for whole in [old, new] {
            for end in 0..whole.len() {
                assert!(ask(&whole[..end]).0.is_err(), "{end}");
            }
        }
        assert!(ask(&[b'x'; 300]).0.is_err());
    }
}
