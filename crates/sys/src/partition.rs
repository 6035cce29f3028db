//! Partitions and file systems that grow while they are in use.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

#[repr(C)]
struct Partition {
    start: i64,
    length: i64,
    number: libc::c_int,
    device_name: [u8; 64],
    volume_name: [u8; 64],
}

#[repr(C)]
struct Argument {
    operation: libc::c_int,
    flags: libc::c_int,
    length: libc::c_int,
    data: *mut Partition,
}

/// `BLKPG_RESIZE_PARTITION` of <linux/blkpg.h>.
const RESIZE: libc::c_int = 3;

/// Tells the kernel that a partition of `disk` has another length by now; both in bytes. The table on the disk is not
/// touched.
///
/// # Errors
/// The system's error: `EINVAL` where the start is not the partition's, or the end is behind the disk's.
pub fn resize(disk: impl AsFd, number: u32, start: u64, length: u64) -> io::Result<()> {
    let bad = |_| io::Error::from_raw_os_error(libc::EINVAL);
    let mut partition = Partition {
        start: i64::try_from(start).map_err(bad)?,
        length: i64::try_from(length).map_err(bad)?,
        number: libc::c_int::try_from(number).map_err(bad)?,
        device_name: [0; 64],
        volume_name: [0; 64],
    };
    let mut argument = Argument {
        operation: RESIZE,
        flags: 0,
        length: libc::c_int::try_from(size_of::<Partition>()).map_err(bad)?,
        data: &raw mut partition,
    };
    // SAFETY: BLKPG reads one blkpg_ioctl_arg that leads to one blkpg_partition; both have the kernel's layout and live
    // through the call.
    let done = unsafe { libc::ioctl(disk.as_fd().as_raw_fd(), 0x1269 as _, &raw mut argument) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Grows the mounted ext4 that `file` is on to so many of its blocks.
///
/// # Errors
/// The system's error: `ENOTTY` where it is no ext4.
pub fn grow_ext4(file: impl AsFd, blocks: u64) -> io::Result<()> {
    // SAFETY: EXT4_IOC_RESIZE_FS reads one 64-bit number, which lives through the call.
    let done = unsafe {
        libc::ioctl(
            file.as_fd().as_raw_fd(),
            0x4008_6610_u32 as _,
            &raw const blocks,
        )
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layouts_are_the_kernels_and_plain_files_are_refused() {
        assert_eq!(size_of::<Partition>(), 152);
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(resize(&file, 1, 0, 1 << 20).is_err());
        assert!(grow_ext4(&file, 1).is_err());
    }
}
