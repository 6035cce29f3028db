//! `growroot`: the root's partition and file system take what the disk has behind them. What runs as `/init` can do it,
//! so the program is the same, by another name.
//!
//! The partition is the disk's last one, in a GUID partition table. The table's copy at the disk's new end is written
//! first; then the first one's header and entry, which lie side by side, in one block.

use crate::{Error, gpt};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use sys::partition;

/// The largest table that is rewritten: 128 entries of 128 bytes are usual.
const LARGEST: usize = 64 * 1024;
/// Partitions end where a MiB does.
const UNIT: u64 = 1 << 20;

/// What is written to grow a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Bytes from the disk's second sector on: header and entries.
    pub first: Vec<u8>,
    /// Entries and header of the copy, up to the disk's end.
    pub copy: Vec<u8>,
    /// Where the copy begins, in bytes.
    pub copy_at: u64,
    /// Where the partition begins, in bytes.
    pub start: u64,
    /// How long it becomes, in bytes.
    pub length: u64,
}

/// Plans how partition `number` grows. `head` are the disk's first bytes, `size` is its length in bytes. `None`: there
/// is no room to grow into.
pub fn plan(
    head: &[u8],
    sector: u64,
    size: u64,
    number: u32,
) -> Result<Option<Plan>, &'static str> {
    let unit = usize::try_from(sector).map_err(|_| "impossible sectors")?;
    let total = size.checked_div(sector).ok_or("impossible sectors")?;
    let mut header = head.get(unit..unit * 2).ok_or("too short")?.to_vec();
    if !header.starts_with(b"EFI PART") {
        return Err("no GUID partition table");
    }
    let header_size = usize::try_from(get32(&header, 12)).unwrap_or(0);
    if !(92..=unit).contains(&header_size) || header_sum(&header, header_size) != get32(&header, 16)
    {
        return Err("the partition table's header is broken");
    }
    let entry_size = usize::try_from(get32(&header, 84)).unwrap_or(0);
    let count = usize::try_from(get32(&header, 80)).unwrap_or(0);
    let bytes = entry_size
        .checked_mul(count)
        .filter(|bytes| *bytes <= LARGEST);
    let bytes = bytes.ok_or("the partition table is too large")?;
    if entry_size < 128 || get64(&header, 72) != 2 {
        return Err("a partition table of a form that is not known");
    }
    let mut entries = head
        .get(unit * 2..unit * 2 + bytes)
        .ok_or("too short")?
        .to_vec();
    if gpt::crc32(&entries) != get32(&header, 88) {
        return Err("the partition table's entries are broken");
    }
    let at = usize::try_from(number)
        .ok()
        .and_then(|number| number.checked_sub(1)?.checked_mul(entry_size))
        .filter(|at| *at < bytes)
        .ok_or("no such partition")?;
    let (start, end) = (get64(&entries, at + 32), get64(&entries, at + 40));
    let behind = entries
        .chunks_exact(entry_size)
        .any(|entry| entry.iter().take(16).any(|byte| *byte != 0) && get64(entry, 32) > end);
    if behind {
        return Err("another partition lies behind it");
    }
    let table = (bytes as u64).div_ceil(sector);
    // The last sectors are the copy's entries and, at the very end, its header.
    let usable = total.checked_sub(table + 2).ok_or("too short")?;
    let new_end = ((usable + 1) * sector / UNIT * UNIT / sector).saturating_sub(1);
    if start > end || new_end <= end {
        return Ok(None);
    }
    put64(&mut entries, at + 40, new_end);
    let sum = gpt::crc32(&entries);
    for (offset, value) in [(32, total - 1), (48, usable)] {
        put64(&mut header, offset, value);
    }
    put32(&mut header, 88, sum);
    seal(&mut header, header_size);
    let mut copy = entries.clone();
    copy.resize(usize::try_from(table * sector).map_err(|_| "too large")?, 0);
    let mut last = header.clone();
    for (offset, value) in [(24, total - 1), (32, 1), (72, total - 1 - table)] {
        put64(&mut last, offset, value);
    }
    seal(&mut last, header_size);
    copy.extend_from_slice(&last);
    header.extend_from_slice(&entries);
    Ok(Some(Plan {
        first: header,
        copy,
        copy_at: (total - 1 - table) * sector,
        start: start * sector,
        length: (new_end + 1 - start) * sector,
    }))
}

/// The header's checksum, which counts as zero itself.
fn header_sum(header: &[u8], size: usize) -> u32 {
    let mut copy = header.get(..size).unwrap_or_default().to_vec();
    put32(&mut copy, 16, 0);
    gpt::crc32(&copy)
}

fn seal(header: &mut [u8], size: usize) {
    let sum = header_sum(header, size);
    put32(header, 16, sum);
}

fn get32(bytes: &[u8], at: usize) -> u32 {
    let found = bytes.get(at..at + 4).and_then(|b| b.try_into().ok());
    found.map_or(0, u32::from_le_bytes)
}

fn get64(bytes: &[u8], at: usize) -> u64 {
    let found = bytes.get(at..at + 8).and_then(|b| b.try_into().ok());
    found.map_or(0, u64::from_le_bytes)
}

fn put32(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}

fn put64(bytes: &mut [u8], at: usize, value: u64) {
    if let Some(place) = bytes.get_mut(at..at + 8) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}

/// The root's partition: its disk, and its number there.
fn root_partition() -> Result<(String, u32), Error> {
    let root = std::fs::metadata("/").map_err(|e| Error::io("look at", "/", e))?;
    let (major, minor) = (rustix::fs::major(root.dev()), rustix::fs::minor(root.dev()));
    let link = PathBuf::from(format!("/sys/dev/block/{major}:{minor}"));
    let folder = link
        .canonicalize()
        .map_err(|_| Error::NotGrown("the root is on no disk".into()))?;
    let number = number(&folder.join("partition"));
    let disk = folder.parent().and_then(Path::file_name);
    match (number, disk) {
        (Some(number), Some(disk)) => Ok((
            disk.to_string_lossy().into_owned(),
            u32::try_from(number).unwrap_or(0),
        )),
        _ => Err(Error::NotGrown("the root is on no partition".into())),
    }
}

fn number(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Grows the partition, then the file system. Gives what was done, a line each.
pub fn grow() -> Result<Vec<String>, Error> {
    let (disk, number_of) = root_partition()?;
    let device = Path::new("/dev").join(&disk);
    let sysfs = Path::new("/sys/block").join(&disk);
    let sector = number(&sysfs.join("queue/logical_block_size")).unwrap_or(512);
    let size = number(&sysfs.join("size")).unwrap_or(0).saturating_mul(512);
    let mut done = Vec::new();
    let open = File::options().read(true).write(true).open(&device);
    let mut file = open.map_err(|e| Error::io("open", &device, e))?;
    let mut head = Vec::new();
    let most = 2 * sector + LARGEST as u64;
    let read = (&mut file).take(most).read_to_end(&mut head);
    read.map_err(|e| Error::io("read", &device, e))?;
    let plan = plan(&head, sector, size, number_of)
        .map_err(|why| Error::NotGrown(format!("{}: {why}", device.display())))?;
    if let Some(plan) = plan {
        let mut put = |at: u64, bytes: &[u8]| {
            file.seek(SeekFrom::Start(at))?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        put(plan.copy_at, &plan.copy)
            .and_then(|()| put(sector, &plan.first))
            .map_err(|e| Error::io("write", &device, e))?;
        partition::resize(&file, number_of, plan.start, plan.length)
            .map_err(|e| Error::io("resize partition of", &device, e))?;
        let mib = plan.length >> 20;
        done.push(format!(
            "partition {number_of} of {} has {mib} MiB now",
            device.display()
        ));
    }
    done.extend(grow_file_system(&sysfs, number_of)?);
    Ok(done)
}

/// The file system takes the whole partition.
fn grow_file_system(disk: &Path, number_of: u32) -> Result<Option<String>, Error> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(disk).into_iter().flatten().flatten() {
        if number(&entry.path().join("partition")) == Some(u64::from(number_of)) {
            bytes = number(&entry.path().join("size"))
                .unwrap_or(0)
                .saturating_mul(512);
        }
    }
    let root = File::open("/").map_err(|e| Error::io("open", "/", e))?;
    let stat = rustix::fs::statvfs("/").map_err(|e| Error::io("look at", "/", e))?;
    let blocks = bytes.checked_div(stat.f_frsize).unwrap_or(0);
    // What the file system's own tables take is not among its blocks: less than a tenth is not worth a try.
    if blocks / 10 * 9 <= stat.f_blocks {
        return Ok(None);
    }
    partition::grow_ext4(&root, blocks).map_err(|e| Error::io("grow", "/", e))?;
    Ok(Some(format!(
        "the file system of / has {} MiB now",
        bytes >> 20
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    /// A disk of `mib` MiB with two partitions, made by sfdisk.
    fn disk(file: &Path, mib: u64, last: &str) -> Vec<u8> {
        let out = File::create(file).unwrap();
        out.set_len(mib << 20).unwrap();
        let mut child = Command::new("sfdisk")
            .args(["-q", "--no-reread"])
            .arg(file)
            .stdin(Stdio::piped())
            .spawn()
            .expect("sfdisk (package fdisk) is needed");
        let script = format!("label: gpt\nstart=2048,size=2048\nstart=4096,{last}\n");
        child
            .stdin
            .take()
            .unwrap()
            .write_all(script.as_bytes())
            .unwrap();
        assert!(child.wait().unwrap().success());
        std::fs::read(file).unwrap()
    }

    fn file(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("early-grow-{}-{name}", std::process::id()))
    }

    #[test]
    fn the_grown_table_is_what_sfdisk_reads() {
        let path = file("a");
        let mut bytes = disk(&path, 8, "size=8192");
        bytes.resize(64 << 20, 0);
        let plan = plan(&bytes, 512, 64 << 20, 2).unwrap().unwrap();
        assert_eq!(plan.start, 2 << 20);
        assert_eq!(plan.length, 61 << 20);
        let at = usize::try_from(plan.copy_at).unwrap();
        bytes[at..].copy_from_slice(&plan.copy);
        bytes[512..512 + plan.first.len()].copy_from_slice(&plan.first);
        std::fs::write(&path, &bytes).unwrap();
        for broken in [false, true] {
            if broken {
                // The copy alone is a table, too.
                bytes[512..1024].fill(0);
                std::fs::write(&path, &bytes).unwrap();
            }
            let out = Command::new("sfdisk")
                .arg("-d")
                .arg(&path)
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&out.stdout).into_owned();
            assert!(
                text.contains("start=        4096, size=      124928"),
                "{text}"
            );
        }
        let out = Command::new("sfdisk")
            .args(["-q", "--verify"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(out.status.success());
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_cannot_grow_is_left_alone() {
        let path = file("b");
        let whole = disk(&path, 8, "size=");
        assert_eq!(plan(&whole, 512, 8 << 20, 2), Ok(None));
        assert_eq!(
            plan(&whole, 512, 64 << 20, 1),
            Err("another partition lies behind it")
        );
        assert_eq!(plan(&whole, 512, 64 << 20, 0), Err("no such partition"));
        assert_eq!(plan(&whole, 512, 64 << 20, 200), Err("no such partition"));
        for (at, want) in [
            (513, "no GUID partition table"),
            (512 + 40, "the partition table's header is broken"),
            (1024 + 128 + 32, "the partition table's entries are broken"),
        ] {
            let mut bad = whole.clone();
            bad[at] ^= 1;
            assert_eq!(plan(&bad, 512, 64 << 20, 2), Err(want));
        }
        for cut in [0, 511, 1000, 5000] {
            assert!(plan(&whole[..cut], 512, 64 << 20, 2).is_err());
        }
        assert!(plan(&whole, 0, 64 << 20, 2).is_err());
        std::fs::remove_file(&path).unwrap();
    }
}
