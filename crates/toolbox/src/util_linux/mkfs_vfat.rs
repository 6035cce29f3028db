//! `mkfs.vfat`, `mkdosfs`: makes a FAT file system, of the width that its number of clusters asks for, as Microsoft's
//! "FAT: General Overview of On-Disk Format" has it.

use crate::common::lines::{Output, about, other, status};
use crate::common::options::{Given, Options};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, FileTypeExt};
use sys::kernel::{self, BlockNumber};

pub const USAGE: &str = "[-vIC] [-n LABEL] [-i ID] [-F 12|16|32] [-s SECTORS] [-r ENTRIES] [-R SECTORS] [-f FATS] [-S BYTES]
          DEVICE [KBYTES]

-n  the volume's label    -i  its number, hexadecimal    -F  the width; else 32 where there are clusters enough
-s  sectors a cluster    -r  entries of the root, not with 32    -R  reserved sectors    -f  tables, 1 to 4 (2)
-S  bytes a sector    -C  make a file of KBYTES    -I  a whole disk, too: always so    -v  say what was made";

const OPTIONS: Options = Options {
    applet: "mkfs.vfat",
    letters: "vIcCn:i:F:s:r:R:f:S:",
    long: &[],
};

/// How it is laid out; all but the sector's size in sectors.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Layout {
    bits: u32,
    sector: u32,
    total: u32,
    cluster: u32,
    reserved: u32,
    fats: u32,
    /// A table's length.
    fat: u32,
    entries: u32,
    clusters: u32,
}

/// What was asked for.
#[derive(Clone, Debug, Default)]
struct Wish {
    bits: Option<u32>,
    cluster: Option<u32>,
    entries: Option<u32>,
    reserved: Option<u32>,
    fats: u32,
}

/// `mkfs.vfat`
pub fn main(arguments: &[OsString]) -> i32 {
    match OPTIONS.take(arguments, 1, 2) {
        Ok(given) => status("mkfs.vfat", run(&given)),
        Err(status) => status,
    }
}

fn number(given: &Given, letter: char, least: u32, most: u32) -> io::Result<Option<u32>> {
    if !given.has(letter) {
        return Ok(None);
    }
    let number = given.number(letter, 0_u32).map_err(other)?;
    if (least..=most).contains(&number) {
        Ok(Some(number))
    } else {
        Err(other(format!(
            "-{letter}: {number} is not in {least}..{most}"
        )))
    }
}

fn run(given: &Given) -> io::Result<i32> {
    let wish = Wish {
        bits: number(given, 'F', 12, 32)?,
        cluster: number(given, 's', 1, 128)?,
        entries: number(given, 'r', 1, 32767)?,
        reserved: number(given, 'R', 1, 65535)?,
        fats: number(given, 'f', 1, 4)?.unwrap_or(2),
    };
    if wish.bits.is_some_and(|bits| !matches!(bits, 12 | 16 | 32)) {
        return Err(other("-F takes 12, 16 or 32"));
    }
    if wish
        .cluster
        .is_some_and(|sectors| !sectors.is_power_of_two())
    {
        return Err(other("-s takes a power of two"));
    }
    let sector = number(given, 'S', 512, 32768)?;
    if sector.is_some_and(|bytes| !bytes.is_power_of_two()) {
        return Err(other("-S takes a power of two"));
    }
    let label = label(given.value('n').unwrap_or_default())?;
    let id = match given.value('i') {
        Some(text) => text
            .to_str()
            .and_then(|text| u32::from_str_radix(text, 16).ok())
            .ok_or_else(|| other(format!("invalid number '{}'", text.display())))?,
        None => {
            let mut bytes = [0; 4];
            let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
            u32::from_ne_bytes(bytes)
        }
    };
    let mut words = given.operands.iter();
    let path = words.next().cloned().unwrap_or_default();
    let kbytes = match words.next() {
        None => None,
        Some(text) => Some(
            text.to_str()
                .and_then(|text| text.parse::<u64>().ok())
                .and_then(|number| number.checked_mul(1024))
                .ok_or_else(|| other(format!("invalid number '{}'", text.display())))?,
        ),
    };
    let told = |error: io::Error| about(&path, &error);
    let device = open(&path, given.has('C'), kbytes).map_err(told)?;
    let meta = device.metadata().map_err(told)?;
    let (found, own) = if meta.file_type().is_block_device() {
        (
            kernel::block_size64(&device).map_err(told)?,
            kernel::block_number(&device, BlockNumber::SectorSize).map_err(told)?,
        )
    } else {
        (meta.len(), 512)
    };
    let bytes = kbytes.unwrap_or(found);
    if bytes > found && kbytes.is_some() {
        return Err(other(format!("{}: is not as large", path.display())));
    }
    let sector = sector.unwrap_or(own.clamp(512, 32768));
    let layout = Layout::plan(bytes, sector, &wish).ok_or_else(|| {
        other(format!(
            "{}: there is no such FAT of that size",
            path.display()
        ))
    })?;
    layout.write(&device, id, &label).map_err(told)?;
    if given.has('v') {
        let mut out = Output::new();
        out.put(
            format!(
                "Device '{}': FAT{}, {} sectors of {} bytes, {} clusters of {} sectors, {} FATs of {} sectors, \
                 volume {id:08x}, label '{}'\n",
                path.display(),
                layout.bits,
                layout.total,
                layout.sector,
                layout.clusters,
                layout.cluster,
                layout.fats,
                layout.fat,
                String::from_utf8_lossy(&label).trim_end()
            )
            .as_bytes(),
        );
        return Ok(out.finish("mkfs.vfat", 0, 1));
    }
    Ok(0)
}

fn open(path: &OsStr, create: bool, kbytes: Option<u64>) -> io::Result<File> {
    let mut how = OpenOptions::new();
    how.read(true).write(true);
    if create {
        let bytes = kbytes.ok_or_else(|| other("-C needs KBYTES"))?;
        let file = how.create_new(true).open(path)?;
        file.set_len(bytes)?;
        return Ok(file);
    }
    how.open(path)
}

/// Eleven bytes that the system allows.
fn label(text: &OsStr) -> io::Result<[u8; 11]> {
    let bytes = text.as_encoded_bytes();
    let bad = |byte: &u8| *byte < 0x20 || b"\"*+,./:;<=>?[\\]|".contains(byte);
    if bytes.len() > 11 || bytes.iter().any(bad) {
        return Err(other(format!("'{}' is no label", text.display())));
    }
    if bytes.is_empty() {
        return Ok(*b"NO NAME    ");
    }
    let mut label = [b' '; 11];
    for (to, from) in label.iter_mut().zip(bytes) {
        *to = from.to_ascii_uppercase();
    }
    Ok(label)
}

/// A FAT of 12, 16 or 32 bits has at most so many clusters; where it has more it is taken for the next one.
fn most(bits: u32) -> u32 {
    match bits {
        12 => 4084,
        16 => 65524,
        _ => 0x0fff_fff5,
    }
}

impl Layout {
    /// `None`: there is none of that kind in that size.
    fn plan(bytes: u64, sector: u32, wish: &Wish) -> Option<Layout> {
        let total = u32::try_from(bytes / u64::from(sector)).ok()?;
        if let Some(bits) = wish.bits {
            return Layout::of(bits, total, sector, wish);
        }
        [32, 16, 12]
            .into_iter()
            .find_map(|bits| Layout::of(bits, total, sector, wish))
    }

    fn of(bits: u32, total: u32, sector: u32, wish: &Wish) -> Option<Layout> {
        if let Some(cluster) = wish.cluster {
            return Layout::fit(bits, total, sector, cluster, wish);
        }
        // 32: as Microsoft's table has it; else the smallest cluster that does.
        let megabytes = (u64::from(total) * u64::from(sector)) >> 20;
        let first = match (bits, megabytes) {
            (32, 0..=260) => 1,
            (32, 261..=8192) => 4096 / sector,
            (32, 8193..=16384) => 8192 / sector,
            (32, 16385..=32768) => 16384 / sector,
            (32, _) => 32768 / sector,
            _ => 1,
        };
        let mut cluster = first.max(1);
        while cluster <= 128 && cluster * sector <= 65536 {
            if let Some(layout) = Layout::fit(bits, total, sector, cluster, wish) {
                return Some(layout);
            }
            cluster *= 2;
        }
        None
    }

    fn fit(bits: u32, total: u32, sector: u32, cluster: u32, wish: &Wish) -> Option<Layout> {
        let reserved = wish.reserved.unwrap_or(if bits == 32 { 32 } else { 1 });
        if bits == 32 && reserved < 8 {
            return None;
        }
        let a_sector = sector / 32;
        let entries = match bits {
            32 => 0,
            _ => wish.entries.unwrap_or(512).div_ceil(a_sector) * a_sector,
        };
        let front = reserved + entries / a_sector;
        // The table's length depends on the clusters, and they on what it leaves: more never makes it shorter.
        let mut fat = 1_u32;
        loop {
            let data = total
                .checked_sub(front)?
                .checked_sub(fat.checked_mul(wish.fats)?)?;
            let clusters = data / cluster;
            if clusters == 0 || clusters > most(bits) {
                return None;
            }
            // Where it has fewer it is taken for a narrower one.
            if bits == 32 && clusters <= most(16) || bits == 16 && clusters <= most(12) {
                return None;
            }
            let wanted = (u64::from(clusters) + 2) * u64::from(bits);
            let wanted = u32::try_from(wanted.div_ceil(8).div_ceil(sector.into())).ok()?;
            if wanted <= fat {
                return Some(Layout {
                    bits,
                    sector,
                    total,
                    cluster,
                    reserved,
                    fats: wish.fats,
                    fat,
                    entries,
                    clusters,
                });
            }
            fat = wanted;
        }
    }

    /// The boot sector.
    fn boot(&self, id: u32, label: &[u8; 11]) -> Vec<u8> {
        let half = |value: u32| (value as u16).to_le_bytes();
        let mut boot = vec![0xeb, if self.bits == 32 { 0x58 } else { 0x3c }, 0x90];
        boot.extend(b"FERRATA ");
        boot.extend(half(self.sector));
        boot.push(self.cluster as u8);
        boot.extend(half(self.reserved));
        boot.push(self.fats as u8);
        boot.extend(half(self.entries));
        let small = self.bits != 32 && self.total < 65536;
        boot.extend(half(if small { self.total } else { 0 }));
        boot.push(0xf8);
        boot.extend(half(if self.bits == 32 { 0 } else { self.fat }));
        // Sectors a track, heads, hidden sectors.
        boot.extend([63, 0, 255, 0, 0, 0, 0, 0]);
        boot.extend(if small { 0 } else { self.total }.to_le_bytes());
        if self.bits == 32 {
            boot.extend(self.fat.to_le_bytes());
            // Flags, version; the root's cluster; the sectors of the summary and of the copy.
            boot.extend([0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 6, 0]);
            boot.extend([0; 12]);
        }
        boot.extend([0x80, 0, 0x29]);
        boot.extend(id.to_le_bytes());
        boot.extend(label);
        boot.extend(match self.bits {
            32 => b"FAT32   ",
            16 => b"FAT16   ",
            _ => b"FAT12   ",
        });
        // What a BIOS runs: prints the text, waits for a key, goes on with the next disk.
        let code = boot.len();
        boot.extend([
            0x0e, 0x1f, 0xbe, 0, 0, 0xac, 0x22, 0xc0, 0x74, 0x0b, 0x56, 0xb4, 0x0e, 0xbb, 7, 0,
            0xcd, 0x10, 0x5e, 0xeb, 0xf0, 0x32, 0xe4, 0xcd, 0x16, 0xcd, 0x19, 0xeb, 0xfe,
        ]);
        let text = 0x7c00 + boot.len();
        if let Some(place) = boot.get_mut(code + 3..code + 5) {
            place.copy_from_slice(&half(text as u32));
        }
        boot.extend(b"This disk does not boot. Change it, and press a key.\r\n\0");
        boot.resize(510, 0);
        boot.extend([0x55, 0xaa]);
        boot.resize(self.sector as usize, 0);
        boot
    }

    fn write(&self, device: &File, id: u32, label: &[u8; 11]) -> io::Result<()> {
        let sector = u64::from(self.sector);
        let root = if self.bits == 32 {
            self.cluster
        } else {
            self.entries * 32 / self.sector
        };
        // All that comes before the data, and the root: nothing of what was there may be left.
        let wiped =
            u64::from(self.reserved) + u64::from(self.fats) * u64::from(self.fat) + u64::from(root);
        let mut out = device;
        out.seek(SeekFrom::Start(0))?;
        let zeros = vec![0; 64 * 1024];
        let mut left = wiped * sector;
        while left > 0 {
            let count = usize::try_from(left)
                .unwrap_or(zeros.len())
                .min(zeros.len());
            out.write_all(zeros.get(..count).unwrap_or(&zeros))?;
            left -= count as u64;
        }
        let boot = self.boot(id, label);
        device.write_all_at(&boot, 0)?;
        if self.bits == 32 {
            // The summary: how many clusters are free, and where to look for one.
            let mut summary = vec![0; self.sector as usize];
            for (at, value) in [
                (0, 0x4161_5252),
                (484, 0x6141_7272),
                (488, self.clusters - 1),
                (492, 3),
                (508, 0xaa55_0000),
            ] {
                if let Some(place) = summary.get_mut(at..at + 4) {
                    place.copy_from_slice(&u32::to_le_bytes(value));
                }
            }
            let mut third = vec![0; self.sector as usize];
            if let Some(place) = third.get_mut(510..512) {
                place.copy_from_slice(&[0x55, 0xaa]);
            }
            for (at, bytes) in [
                (1, &summary),
                (2, &third),
                (6, &boot),
                (7, &summary),
                (8, &third),
            ] {
                if at < self.reserved {
                    device.write_all_at(bytes, u64::from(at) * sector)?;
                }
            }
        }
        let start: &[u8] = match self.bits {
            // The medium, the end mark, and the root's only cluster.
            32 => &[
                0xf8, 0xff, 0xff, 0x0f, 0xff, 0xff, 0xff, 0x0f, 0xff, 0xff, 0xff, 0x0f,
            ],
            16 => &[0xf8, 0xff, 0xff, 0xff],
            _ => &[0xf8, 0xff, 0xff],
        };
        for index in 0..self.fats {
            let at = u64::from(self.reserved) + u64::from(index) * u64::from(self.fat);
            device.write_all_at(start, at * sector)?;
        }
        if label != b"NO NAME    " {
            let mut entry = label.to_vec();
            entry.push(8);
            entry.extend([0; 10]);
            // 1980-01-01, as no clock is asked.
            entry.extend([0, 0, 0x21, 0]);
            entry.resize(32, 0);
            let at = u64::from(self.reserved) + u64::from(self.fats) * u64::from(self.fat);
            device.write_all_at(&entry, at * sector)?;
        }
        rustix::fs::fsync(device)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(bytes: u64, wish: &Wish) -> Option<Layout> {
        Layout::plan(bytes, 512, wish)
    }

    #[test]
    fn the_width_fits_the_size() {
        let wish = Wish {
            fats: 2,
            ..Wish::default()
        };
        for (megabytes, bits, cluster) in [
            (1, 12, 1),
            (8, 16, 1),
            (32, 16, 1),
            (64, 32, 1),
            (512, 32, 8),
            (10240, 32, 16),
        ] {
            let layout = plan(megabytes << 20, &wish).unwrap();
            assert_eq!(
                (layout.bits, layout.cluster),
                (bits, cluster),
                "{megabytes} MB"
            );
            // The tables have room for all clusters, and all of it fits.
            assert!(
                u64::from(layout.fat) * 512 * 8 >= u64::from(layout.clusters + 2) * u64::from(bits)
            );
            let used = layout.reserved
                + layout.fats * layout.fat
                + layout.entries / 16
                + layout.clusters * layout.cluster;
            assert!(
                used <= layout.total && layout.total - used < layout.cluster + 8,
                "{layout:?}"
            );
        }
        assert_eq!(plan(1024, &wish), None);
        let forced = Wish {
            bits: Some(32),
            ..wish.clone()
        };
        assert_eq!(plan(1 << 20, &forced), None);
        let forced = Wish {
            bits: Some(12),
            ..wish
        };
        assert_eq!(plan(64 << 20, &forced).unwrap().cluster, 64);
    }

    #[test]
    fn labels() {
        assert_eq!(&label(OsStr::new("boot 1")).unwrap(), b"BOOT 1     ");
        assert_eq!(&label(OsStr::new("")).unwrap(), b"NO NAME    ");
        for bad in ["twelve chars", "a/b", "a\n"] {
            assert!(label(OsStr::new(bad)).is_err(), "{bad}");
        }
    }
}
