//! Loop devices, block devices, swap, the kernel's log, the hardware clock, local time: what rustix lacks.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn text(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// A loop device's state (`struct loop_info64`, loop(4)).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct LoopStatus {
    device: u64,
    /// The backing file's inode.
    pub inode: u64,
    rdevice: u64,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// How much of the file it shows, in bytes; 0: all.
    pub limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    /// `LO_FLAGS_…`.
    pub flags: u32,
    name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// The device refuses to be written.
pub const LOOP_READ_ONLY: u32 = 1;
/// The device lets go of its file when it is no longer used.
pub const LOOP_AUTOCLEAR: u32 = 4;
/// The device's partitions are looked for.
pub const LOOP_PARTITIONS: u32 = 8;

#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    status: LoopStatus,
    reserved: [u64; 8],
}

const EMPTY_LOOP: LoopStatus = LoopStatus {
    device: 0,
    inode: 0,
    rdevice: 0,
    offset: 0,
    limit: 0,
    number: 0,
    encrypt_type: 0,
    encrypt_key_size: 0,
    flags: 0,
    name: [0; 64],
    crypt_name: [0; 64],
    encrypt_key: [0; 32],
    init: [0; 2],
};

/// The number of a loop device that is free; `control` is `/dev/loop-control`.
///
/// # Errors
/// The system's error.
pub fn loop_free(control: impl AsFd) -> io::Result<u32> {
    // SAFETY: LOOP_CTL_GET_FREE takes no argument.
    let number = check(unsafe { libc::ioctl(control.as_fd().as_raw_fd(), 0x4C82 as _) })?;
    Ok(number.unsigned_abs())
}

/// Shows a file as a loop device.
///
/// # Errors
/// The system's error: `EBUSY` where the device has a file already.
pub fn loop_attach(
    device: impl AsFd,
    file: impl AsFd,
    name: &Path,
    offset: u64,
    limit: u64,
    flags: u32,
) -> io::Result<()> {
    let mut status = LoopStatus {
        offset,
        limit,
        flags,
        ..EMPTY_LOOP
    };
    for (to, from) in status
        .name
        .iter_mut()
        .take(63)
        .zip(name.as_os_str().as_bytes())
    {
        *to = *from;
    }
    let config = LoopConfig {
        fd: file.as_fd().as_raw_fd().cast_unsigned(),
        block_size: 0,
        status,
        reserved: [0; 8],
    };
    // SAFETY: LOOP_CONFIGURE reads one loop_config, which has this layout and lives through the call.
    check(unsafe { libc::ioctl(device.as_fd().as_raw_fd(), 0x4C0A as _, &raw const config) })
        .map(drop)
}

/// Takes a loop device's file away, or lets it go once nobody uses the device.
///
/// # Errors
/// The system's error: `ENXIO` where it has none.
pub fn loop_detach(device: impl AsFd) -> io::Result<()> {
    // SAFETY: LOOP_CLR_FD takes no argument.
    check(unsafe { libc::ioctl(device.as_fd().as_raw_fd(), 0x4C01 as _) }).map(drop)
}

/// What a loop device shows.
///
/// # Errors
/// The system's error: `ENXIO` where it has no file.
pub fn loop_status(device: impl AsFd) -> io::Result<LoopStatus> {
    let mut status = EMPTY_LOOP;
    // SAFETY: LOOP_GET_STATUS64 fills one loop_info64, which has this layout.
    check(unsafe { libc::ioctl(device.as_fd().as_raw_fd(), 0x4C05 as _, &raw mut status) })?;
    Ok(status)
}

/// A question to a block device that a number answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockNumber {
    /// `BLKROGET`: whether it is read only.
    ReadOnly,
    /// `BLKSSZGET`: bytes a logical sector.
    SectorSize,
    /// `BLKPBSZGET`: bytes a physical sector.
    PhysicalSize,
    /// `BLKBSZGET`: bytes a block.
    BlockSize,
}

/// Asks a block device.
///
/// # Errors
/// The system's error.
pub fn block_number(device: impl AsFd, which: BlockNumber) -> io::Result<u32> {
    let request: u64 = match which {
        BlockNumber::ReadOnly => 0x125E,
        BlockNumber::SectorSize => 0x1268,
        BlockNumber::PhysicalSize => 0x127B,
        BlockNumber::BlockSize => 0x8008_1270,
    };
    let mut value: libc::c_int = 0;
    // SAFETY: all four fill one int.
    check(unsafe { libc::ioctl(device.as_fd().as_raw_fd(), request as _, &raw mut value) })?;
    Ok(value.cast_unsigned())
}

/// Sectors of 512 bytes that are read ahead (`BLKRAGET`).
///
/// # Errors
/// The system's error.
pub fn read_ahead(device: impl AsFd) -> io::Result<u64> {
    let mut value: libc::c_ulong = 0;
    // SAFETY: BLKRAGET fills one unsigned long.
    check(unsafe { libc::ioctl(device.as_fd().as_raw_fd(), 0x1263 as _, &raw mut value) })?;
    Ok(value)
}

/// Sets how many sectors of 512 bytes are read ahead (`BLKRASET`).
///
/// # Errors
/// The system's error.
pub fn set_read_ahead(device: impl AsFd, sectors: u64) -> io::Result<()> {
    // SAFETY: BLKRASET takes a number.
    check(unsafe { libc::ioctl(device.as_fd().as_raw_fd(), 0x1262 as _, sectors) }).map(drop)
}

/// A block device's size in bytes (`BLKGETSIZE64`).
///
/// # Errors
/// The system's error.
pub fn block_size64(device: impl AsFd) -> io::Result<u64> {
    let mut value = 0_u64;
    let request: u64 = 0x8008_1272;
    // SAFETY: BLKGETSIZE64 fills one u64.
    check(unsafe { libc::ioctl(device.as_fd().as_raw_fd(), request as _, &raw mut value) })?;
    Ok(value)
}

/// Sets whether a block device is read only (`BLKROSET`).
///
/// # Errors
/// The system's error.
pub fn set_read_only(device: impl AsFd, read_only: bool) -> io::Result<()> {
    let value = libc::c_int::from(read_only);
    // SAFETY: BLKROSET reads one int.
    check(unsafe { libc::ioctl(device.as_fd().as_raw_fd(), 0x125D as _, &raw const value) })
        .map(drop)
}

/// Reads a block device's partition table anew (`BLKRRPART`).
///
/// # Errors
/// The system's error: `EBUSY` while a partition is in use.
pub fn reread_partitions(device: impl AsFd) -> io::Result<()> {
    // SAFETY: BLKRRPART takes no argument.
    check(unsafe { libc::ioctl(device.as_fd().as_raw_fd(), 0x125F as _) }).map(drop)
}

/// Writes out and forgets what is cached of a block device (`BLKFLSBUF`).
///
/// # Errors
/// The system's error.
pub fn flush_buffers(device: impl AsFd) -> io::Result<()> {
    // SAFETY: BLKFLSBUF takes no argument.
    check(unsafe { libc::ioctl(device.as_fd().as_raw_fd(), 0x1261 as _) }).map(drop)
}

/// Discards the unused blocks of the file system that `folder` lies on (`FITRIM`); how many bytes were discarded.
///
/// # Errors
/// The system's error.
pub fn trim(folder: impl AsFd, start: u64, length: u64, least: u64) -> io::Result<u64> {
    let mut range = [start, length, least];
    let request: u64 = 0xC018_5879;
    // SAFETY: FITRIM reads and writes one fstrim_range, three u64.
    check(unsafe { libc::ioctl(folder.as_fd().as_raw_fd(), request as _, range.as_mut_ptr()) })?;
    let [_, done, _] = range;
    Ok(done)
}

/// Swaps to a file or device (swapon(2)); `flags` are its second argument.
///
/// # Errors
/// The system's error.
pub fn swap_on(path: &Path, flags: i32) -> io::Result<()> {
    let path = text(path)?;
    // SAFETY: the path is NUL-terminated and lives through the call.
    check(unsafe { libc::swapon(path.as_ptr(), flags) }).map(drop)
}

/// What to do with the kernel's log (syslog(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelLog {
    /// Wait for new messages and take them.
    Read,
    /// All that is there, and leave it.
    ReadAll,
    /// All that is there, and clear it.
    ReadClear,
    /// How long the buffer is.
    Size,
    /// No messages on the console.
    ConsoleOff,
    /// Messages on the console again.
    ConsoleOn,
    /// Only messages more urgent than this come to the console.
    ConsoleLevel(u8),
}

/// Does it; the number that the system gives back.
///
/// # Errors
/// The system's error.
pub fn kernel_log(what: KernelLog, into: &mut [u8]) -> io::Result<usize> {
    let (kind, length) = match what {
        KernelLog::Read => (2, into.len()),
        KernelLog::ReadAll => (3, into.len()),
        KernelLog::ReadClear => (4, into.len()),
        KernelLog::Size => (10, 0),
        KernelLog::ConsoleOff => (6, 0),
        KernelLog::ConsoleOn => (7, 0),
        KernelLog::ConsoleLevel(level) => (8, usize::from(level)),
    };
    let length = libc::c_int::try_from(length).unwrap_or(libc::c_int::MAX);
    // SAFETY: where the call writes, it writes at most `length` bytes to the slice, which is not longer than it.
    let count = check(unsafe { libc::klogctl(kind, into.as_mut_ptr().cast(), length) })?;
    usize::try_from(count).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// A broken-down time as the hardware clock has it: year, month from 1, day, hour, minute, second.
pub type ClockTime = [i32; 6];

/// Reads the hardware clock (rtc(4)).
///
/// # Errors
/// The system's error.
pub fn rtc_read(device: impl AsFd) -> io::Result<ClockTime> {
    let mut raw = [0_i32; 9];
    let request: u64 = 0x8024_7009;
    // SAFETY: RTC_RD_TIME fills one rtc_time, nine ints.
    check(unsafe { libc::ioctl(device.as_fd().as_raw_fd(), request as _, raw.as_mut_ptr()) })?;
    let [second, minute, hour, day, month, year, ..] = raw;
    Ok([
        year.saturating_add(1900),
        month.saturating_add(1),
        day,
        hour,
        minute,
        second,
    ])
}

/// Sets the hardware clock.
///
/// # Errors
/// The system's error.
pub fn rtc_set(device: impl AsFd, time: ClockTime) -> io::Result<()> {
    let [year, month, day, hour, minute, second] = time;
    let raw = [
        second,
        minute,
        hour,
        day,
        month.saturating_sub(1),
        year.saturating_sub(1900),
        0,
        0,
        0,
    ];
    // SAFETY: RTC_SET_TIME reads one rtc_time, nine ints.
    check(unsafe { libc::ioctl(device.as_fd().as_raw_fd(), 0x4024_700A as _, raw.as_ptr()) })
        .map(drop)
}

/// Tells the kernel how many minutes west of UTC local time is, once after the start (settimeofday(2)).
///
/// # Errors
/// The system's error.
pub fn set_time_zone(minutes_west: i64) -> io::Result<()> {
    let zone = [i32::try_from(minutes_west).unwrap_or(0), 0];
    // SAFETY: a null time is allowed; the zone is a `struct timezone`, two ints, and lives through the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_settimeofday,
            std::ptr::null::<libc::timeval>(),
            zone.as_ptr(),
        )
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Moves the clock by so many nanoseconds little by little (adjtimex(2), `ADJ_OFFSET_SINGLESHOT`).
///
/// # Errors
/// The system's error.
pub fn slew_clock(nanoseconds: i64) -> io::Result<()> {
    // SAFETY: all-zero is a valid timex, and it lives through the call.
    unsafe {
        let mut change: libc::timex = std::mem::zeroed();
        change.modes = libc::ADJ_OFFSET_SINGLESHOT;
        change.offset = (nanoseconds / 1000) as _;
        check(libc::adjtimex(&raw mut change)).map(drop)
    }
}

/// Tells the kernel that the clock is synchronised, so that it keeps the hardware clock right by itself.
///
/// # Errors
/// The system's error.
pub fn clock_is_right() -> io::Result<()> {
    // SAFETY: all-zero is a valid timex, and it lives through the call.
    unsafe {
        let mut change: libc::timex = std::mem::zeroed();
        change.modes = libc::ADJ_STATUS | libc::ADJ_MAXERROR | libc::ADJ_ESTERROR;
        check(libc::adjtimex(&raw mut change)).map(drop)
    }
}

/// What the kernel knows of its clock (adjtimex(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockState {
    /// What was changed: `ADJ_…`
    pub modes: u32,
    /// How far it is off, in microseconds.
    pub offset: i64,
    /// How much faster it is made to go: 65536 are a millionth.
    pub frequency: i64,
    /// The largest error, in microseconds.
    pub largest_error: i64,
    /// The error that is expected.
    pub expected_error: i64,
    /// `STA_…`
    pub status: i32,
    /// The time constant of the loop that regulates it.
    pub constant: i64,
    /// Its precision, in microseconds.
    pub precision: i64,
    /// How much its frequency may be off.
    pub tolerance: i64,
    /// Microseconds a tick.
    pub tick: i64,
    /// Seconds and microseconds since 1970.
    pub time: (i64, i64),
}

/// Changes how the clock goes by those fields that `modes` names; gives how it goes then, and the state: 0 is
/// synchronised, 5 is not (adjtimex(2)).
///
/// # Errors
/// The system's error.
#[allow(
    clippy::useless_conversion,
    reason = "the fields' types differ between machines"
)]
pub fn adjust_clock(change: &ClockState) -> io::Result<(i32, ClockState)> {
    // SAFETY: all-zero is a valid timex, and it lives through the call.
    let (state, known) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        timex.modes = change.modes as _;
        timex.offset = change.offset as _;
        timex.freq = change.frequency as _;
        timex.constant = change.constant as _;
        timex.tick = change.tick as _;
        (check(libc::adjtimex(&raw mut timex))?, timex)
    };
    let now = ClockState {
        modes: known.modes as _,
        offset: known.offset.into(),
        frequency: known.freq.into(),
        largest_error: known.maxerror.into(),
        expected_error: known.esterror.into(),
        status: known.status,
        constant: known.constant.into(),
        precision: known.precision.into(),
        tolerance: known.tolerance.into(),
        tick: known.tick.into(),
        time: (known.time.tv_sec.into(), known.time.tv_usec.into()),
    };
    Ok((state, now))
}

/// Reads the bytes beside a page of flash memory (`MEMREADOOB`).
///
/// # Errors
/// The system's error.
pub fn flash_spare(device: impl AsFd, at: u32, into: &mut [u8]) -> io::Result<()> {
    #[repr(C)]
    struct Spare {
        start: u32,
        length: u32,
        bytes: *mut u8,
    }
    let request = 0xC000_4D04_u32 | (size_of::<Spare>() as u32) << 16;
    let length = u32::try_from(into.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut spare = Spare {
        start: at,
        length,
        bytes: into.as_mut_ptr(),
    };
    // SAFETY: MEMREADOOB takes a structure of this layout, and fills at most as many bytes as it says, which are those of
    // a slice that lives through the call.
    check(unsafe { libc::ioctl(device.as_fd().as_raw_fd(), request as _, &raw mut spare) })
        .map(drop)
}

/// Seconds east of UTC that local time is at a moment, by `TZ` or `/etc/localtime`.
pub fn local_offset(seconds: i64) -> i64 {
    unsafe extern "C" {
        fn tzset();
    }
    let time = seconds as libc::time_t;
    // SAFETY: all-zero is a valid tm; both live through the calls. tzset reads the environment, which callers that
    // have one thread do not change meanwhile.
    unsafe {
        let mut local: libc::tm = std::mem::zeroed();
        tzset();
        if libc::localtime_r(&raw const time, &raw mut local).is_null() {
            return 0;
        }
        local.tm_gmtoff
    }
}

/// The name of local time's zone at a moment: `CET`.
pub fn local_zone(seconds: i64) -> String {
    let time = seconds as libc::time_t;
    let mut text = [0_u8; 64];
    // SAFETY: all-zero is a valid tm; the format is a C string; strftime writes at most the length that it is given,
    // and everything lives through the calls.
    let count = unsafe {
        let mut local: libc::tm = std::mem::zeroed();
        if libc::localtime_r(&raw const time, &raw mut local).is_null() {
            return "UTC".to_owned();
        }
        libc::strftime(
            text.as_mut_ptr().cast(),
            text.len(),
            c"%Z".as_ptr(),
            &raw const local,
        )
    };
    String::from_utf8_lossy(text.get(..count).unwrap_or_default()).into_owned()
}

/// Sets a process' class and level of priority for disks (ioprio_set(2)).
///
/// # Errors
/// The system's error.
pub fn set_io_priority(pid: i32, class: u8, level: u8) -> io::Result<()> {
    let value = libc::c_int::from(class) << 13 | libc::c_int::from(level);
    // SAFETY: the call takes numbers.
    let done = unsafe { libc::syscall(libc::SYS_ioprio_set, 1, pid, value) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Sets this process' scheduling policy and its priority (sched_setscheduler(2)).
///
/// # Errors
/// The system's error.
pub fn set_scheduler(policy: i32, priority: i32) -> io::Result<()> {
    // Not libc's function of the name: musl's only says that it is not there.
    // SAFETY: the call reads one number, which lives through it.
    let done =
        unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const priority) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A process' class and level of priority for disks (ioprio_get(2)).
///
/// # Errors
/// The system's error.
pub fn io_priority(pid: i32) -> io::Result<(u8, u8)> {
    // SAFETY: the call takes numbers.
    let value = unsafe { libc::syscall(libc::SYS_ioprio_get, 1, pid) };
    if value < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(((value >> 13 & 7) as u8, (value & 7) as u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layouts_are_the_kernels() {
        assert_eq!(size_of::<LoopStatus>(), 232);
        assert_eq!(size_of::<LoopConfig>(), 304);
    }

    #[test]
    fn the_ordinary_policy_can_be_set_and_none_that_is_none() {
        set_scheduler(0, 0).unwrap();
        assert!(set_scheduler(77, 0).is_err());
    }

    #[test]
    fn a_plain_file_is_no_device() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(loop_status(&file).is_err());
        assert!(block_size64(&file).is_err());
        assert!(rtc_read(&file).is_err());
    }
}
