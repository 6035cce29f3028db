//! A whole disk: GPT, an EFI system partition with the unified kernel image, and the root.

use crate::tools::{self, ToolError};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Why a disk cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Writing a file of the host failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being written.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// sfdisk or syslinux failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// The boot sector is missing.
    #[error("{GPTMBR}: not there (is the package syslinux-common installed?)")]
    NoBootSector,
}

/// The boot sector that finds the partition with the mark, from Debian's package syslinux-common.
const GPTMBR: &str = "/usr/lib/syslinux/mbr/gptmbr.bin";

/// How a disk starts.
#[derive(Clone, Copy, Debug)]
pub struct Boot<'a> {
    /// The program for UEFI.
    pub uefi: &'a [u8],
    /// For BIOS: files at the top of the EFI system partition, by name, among them syslinux' configuration.
    pub bios: Option<&'a [(&'a str, &'a [u8])]>,
}

/// The identities on a disk.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Of the disk.
    pub disk: String,
    /// Of the EFI system partition's entry.
    pub esp: String,
    /// Of the root's entry: `root=PARTUUID=` names it.
    pub root: String,
    /// FAT's serial number.
    pub serial: u32,
}

const MIB: u64 = 1 << 20;

/// Writes the disk: `mib` MiB with an EFI system partition of `esp_mib`, from which it starts, and the root's
/// file system copied from `root`.
pub fn write(
    file: &Path,
    mib: u64,
    esp_mib: u64,
    boot: Boot<'_>,
    root: &Path,
    id: &Identity,
    epoch: u64,
) -> Result<(), DiskError> {
    let io = |what| move |source| DiskError::Io { what, source };
    let disk = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(file);
    let mut disk = disk.map_err(io("the disk"))?;
    disk.set_len(mib * MIB).map_err(io("the disk"))?;
    let table = format!(
        "label: gpt\nlabel-id: {}\nunit: sectors\nsector-size: 512\n\
         start={}, size={}, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid={}, name=\"esp\"{}\n\
         start={}, size={}, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid={}, name=\"root\"\n",
        id.disk,
        2048,
        esp_mib * 2048,
        id.esp,
        // Where the boot sector looks.
        if boot.bios.is_some() {
            ", attrs=\"LegacyBIOSBootable\""
        } else {
            ""
        },
        2048 + esp_mib * 2048,
        root_mib(mib, esp_mib) * 2048,
        id.root,
    );
    tools::run(
        "sfdisk",
        "fdisk",
        0,
        &[OsStr::new("-q"), file.as_os_str()],
        table.as_bytes(),
    )?;
    let mut esp = fat(esp_mib, boot.uefi, boot.bios.unwrap_or_default(), id.serial)
        .map_err(io("the EFI system partition"))?;
    if boot.bios.is_some() {
        esp = bootable(&esp, file, epoch)?;
        let sector = std::fs::read(GPTMBR).map_err(|_| DiskError::NoBootSector)?;
        // The table of partitions begins behind the code.
        let code = sector.get(..440).unwrap_or(&sector);
        disk.write_all(code).map_err(io("the boot sector"))?;
    }
    copy_sparse(&mut esp.as_slice(), &mut disk, MIB).map_err(io("the EFI system partition"))?;
    let mut root = File::open(root).map_err(io("the root's file system"))?;
    copy_sparse(&mut root, &mut disk, MIB + esp_mib * MIB).map_err(io("the root's file system"))?;
    disk.sync_all().map_err(io("the disk"))
}

/// What is left for the root: a MiB before the first partition and one behind the last hold the tables.
pub fn root_mib(mib: u64, esp_mib: u64) -> u64 {
    mib.saturating_sub(esp_mib + 2)
}

/// Puts syslinux on a FAT file system, by way of a file beside `disk`.
fn bootable(esp: &[u8], disk: &Path, epoch: u64) -> Result<Vec<u8>, DiskError> {
    let io = |source| DiskError::Io {
        what: "the EFI system partition",
        source,
    };
    let file = disk.with_extension("esp");
    std::fs::write(&file, esp).map_err(io)?;
    let arguments = [OsStr::new("--install"), file.as_os_str()];
    tools::run("syslinux", "syslinux", epoch, &arguments, b"")?;
    let bytes = std::fs::read(&file).map_err(io)?;
    std::fs::remove_file(&file).map_err(io)?;
    Ok(bytes)
}

/// A FAT file system with `boot` as `\EFI\BOOT\BOOTX64.EFI`, and these files at its top.
pub(crate) fn fat(
    mib: u64,
    boot: &[u8],
    files: &[(&str, &[u8])],
    serial: u32,
) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(mib * MIB).map_err(io::Error::other)?];
    let options = fatfs::FormatVolumeOptions::new()
        .volume_id(serial)
        .volume_label(*b"FERRATA    ");
    fatfs::format_volume(io::Cursor::new(&mut bytes), options)?;
    {
        let volume = fatfs::FileSystem::new(io::Cursor::new(&mut bytes), fatfs::FsOptions::new())?;
        let folder = volume.root_dir().create_dir("EFI")?.create_dir("BOOT")?;
        let mut program = folder.create_file("BOOTX64.EFI")?;
        program.write_all(boot)?;
        program.flush()?;
        for (name, data) in files {
            let mut file = volume.root_dir().create_file(name)?;
            file.write_all(data)?;
            file.flush()?;
        }
    }
    Ok(bytes)
}

/// Copies to `offset`, leaving holes where there are only zeros.
fn copy_sparse(from: &mut impl Read, to: &mut File, offset: u64) -> io::Result<()> {
    let mut block = vec![0; 64 * 1024];
    let mut at = offset;
    loop {
        let mut filled = 0;
        while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match from.read(rest)? {
                0 => break,
                count => filled += count,
            }
        }
        let Some(data) = block.get(..filled).filter(|data| !data.is_empty()) else {
            return Ok(());
        };
        if data.iter().any(|byte| *byte != 0) {
            to.seek(SeekFrom::Start(at))?;
            to.write_all(data)?;
        }
        at += filled as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            disk: "00000000-0000-4000-8000-000000000001".into(),
            esp: "00000000-0000-4000-8000-000000000002".into(),
            root: "00000000-0000-4000-8000-000000000003".into(),
            serial: 7,
        }
    }

    #[test]
    fn the_disk_has_its_table_its_boot_program_and_its_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root.img");
        std::fs::write(&root, b"root file system").unwrap();
        let disk = dir.path().join("disk.img");
        let boot = Boot {
            uefi: b"MZ boot program",
            bios: Some(&[("syslinux.cfg", b"DEFAULT x\n")]),
        };
        write(&disk, 64, 16, boot, &root, &identity(), 1_700_000_000).unwrap();
        let again = dir.path().join("again.img");
        write(&again, 64, 16, boot, &root, &identity(), 1_700_000_000).unwrap();
        assert!(
            std::fs::read(&again).unwrap() == std::fs::read(&disk).unwrap(),
            "two runs differ"
        );
        let bytes = std::fs::read(&disk).unwrap();
        assert_eq!(bytes.len(), 64 << 20);
        assert!(bytes[17 << 20..].starts_with(b"root file system"));
        let found = tools::run(
            "sfdisk",
            "fdisk",
            0,
            &[OsStr::new("-d"), disk.as_os_str()],
            b"",
        )
        .unwrap()
        .0;
        assert!(
            found.contains("uuid=00000000-0000-4000-8000-000000000003"),
            "{found}"
        );
        assert!(found.contains("LegacyBIOSBootable"), "{found}");
        assert!(bytes[0] != 0 && bytes[510..512] == [0x55, 0xaa]);
        let volume = fatfs::FileSystem::new(
            io::Cursor::new(bytes[1 << 20..17 << 20].to_vec()),
            fatfs::FsOptions::new(),
        )
        .unwrap();
        let mut text = String::new();
        volume
            .root_dir()
            .open_file("EFI/BOOT/BOOTX64.EFI")
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "MZ boot program");
        let names: Vec<String> = volume
            .root_dir()
            .iter()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        for name in ["ldlinux.sys", "ldlinux.c32", "syslinux.cfg"] {
            assert!(names.iter().any(|n| n == name), "{name}: {names:?}");
        }
    }

    #[test]
    fn a_boot_program_larger_than_its_partition_is_an_error() {
        assert!(fat(8, &vec![1; 9 << 20], &[], 1).is_err());
    }
}
