//! Control calls of devices, terminals and files, each named here with what it takes (ioctl(2)).
//!
//! A request can only be one of the constants below: so what the kernel reads and writes is known to be a number
//! or a flat structure without pointers that fits the scratch memory.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// A request whose argument is a number.
#[derive(Clone, Copy, Debug)]
pub struct Number(u32);

/// A request whose argument is a flat structure without pointers, of at most [`ROOM`] bytes.
#[derive(Clone, Copy, Debug)]
pub struct Flat(u32);

/// The largest structure.
pub const ROOM: usize = 4096;

macro_rules! requests {
    ($kind:ident: $($(#[$doc:meta])* $name:ident = $value:expr;)*) => {
        impl $kind { $($(#[$doc])* pub const $name: $kind = $kind($value);)* }
    };
}

requests! { Number:
    /// Switch to a virtual terminal.
    VT_ACTIVATE = 0x5606;
    /// Wait until a virtual terminal is the active one.
    VT_WAITACTIVE = 0x5607;
    /// Free a virtual terminal's memory.
    VT_DISALLOCATE = 0x5608;
    /// The keyboard's mode.
    KDSKBMODE = 0x4B45;
    /// Text or graphics.
    KDSETMODE = 0x4B3A;
    /// Sound a tone.
    KIOCSOUND = 0x4B2F;
    /// Load the medium, or open the tray.
    CDROMEJECT = 0x5309;
    /// Close the tray.
    CDROMCLOSETRAY = 0x5319;
    /// What the tray does.
    CDROM_DRIVE_STATUS = 0x5326;
    /// Discards a floppy's buffers.
    FDFLUSH = 0x024b;
    /// Starts the RAIDs that partitions announce.
    RAID_AUTORUN = 0x914;
    /// A tap or tun device outlives its maker.
    TUNSETPERSIST = 0x4004_54CB;
    /// Its owner.
    TUNSETOWNER = 0x4004_54CC;
    /// Its group.
    TUNSETGROUP = 0x4004_54CE;
    /// The block device of a network server: its size of a block.
    NBD_SET_BLKSIZE = 0xAB01;
    /// Its time-out.
    NBD_SET_TIMEOUT = 0xAB09;
    /// Its size in blocks.
    NBD_SET_SIZE_BLOCKS = 0xAB07;
    /// Forget what is queued.
    NBD_CLEAR_QUE = 0xAB05;
    /// Forget the socket.
    NBD_CLEAR_SOCK = 0xAB04;
    /// End.
    NBD_DISCONNECT = 0xAB08;
    /// Serve, until it ends.
    NBD_DO_IT = 0xAB03;
    /// Use that socket.
    NBD_SET_SOCK = 0xAB00;
    /// What the server can do.
    NBD_SET_FLAGS = 0xAB0A;
    /// Has the kernel find out what a serial port is.
    TIOCSERCONFIG = 0x5453;
    /// How flash memory is read and written: with its error correction, or raw.
    MTDFILEMODE = 0x4D13;
}

requests! { Flat:
    /// The state of the virtual terminals.
    VT_GETSTATE = 0x5603;
    /// The first virtual terminal that nobody uses.
    VT_OPENQRY = 0x5600;
    /// The keyboard's mode.
    KDGKBMODE = 0x4B44;
    /// One entry of the key map.
    KDGKBENT = 0x4B46;
    /// Sets one entry of the key map.
    KDSKBENT = 0x4B47;
    /// Which key a scan code is.
    KDSETKEYCODE = 0x4B4D;
    /// Where the console's messages go, and others of TIOCLINUX.
    TIOCLINUX = 0x541C;
    /// A serial port's settings.
    TIOCGSERIAL = 0x541E;
    /// Sets them.
    TIOCSSERIAL = 0x541F;
    /// The console's output comes here.
    TIOCCONS = 0x541D;
    /// The line's discipline.
    TIOCSETD = 0x5423;
    /// The line's discipline.
    TIOCGETD = 0x5424;
    /// Interface flags.
    SIOCGIFFLAGS = 0x8913;
    /// Sets interface flags.
    SIOCSIFFLAGS = 0x8914;
    /// An interface's map of memory.
    SIOCGIFMAP = 0x8970;
    /// Sets it.
    SIOCSIFMAP = 0x8971;
    /// The interface's metric.
    SIOCSIFMETRIC = 0x891e;
    /// Sets a far end.
    SIOCSIFDSTADDR = 0x8918;
    /// Adds a bridge.
    SIOCBRADDBR = 0x89a0;
    /// Removes a bridge.
    SIOCBRDELBR = 0x89a1;
    /// Adds an interface to a bridge.
    SIOCBRADDIF = 0x89a2;
    /// Removes one.
    SIOCBRDELIF = 0x89a3;
    /// Enslaves to a bond.
    SIOCBONDENSLAVE = 0x8990;
    /// Releases.
    SIOCBONDRELEASE = 0x8991;
    /// Changes the active one.
    SIOCBONDCHANGEACTIVE = 0x8995;
    /// Sets a VLAN's properties.
    SIOCSIFVLAN = 0x8983;
    /// How packets are packed on a serial line.
    SIOCSIFENCAP = 0x8926;
    /// The lines of a modem.
    TIOCMGET = 0x5415;
    /// Renames.
    SIOCSIFNAME = 0x8923;
    /// Makes or opens a tun device.
    TUNSETIFF = 0x4004_54CA;
    /// A screen's settings.
    FBIOGET_VSCREENINFO = 0x4600;
    /// Sets them.
    FBIOPUT_VSCREENINFO = 0x4601;
    /// A disk's geometry as the BIOS would have it.
    HDIO_GETGEO = 0x0301;
    /// FAT attributes.
    FAT_GET_ATTRIBUTES = 0x8004_7210;
    /// Sets FAT attributes.
    FAT_SET_ATTRIBUTES = 0x4004_7211;
    /// A file's attributes.
    FS_GET_FLAGS = if cfg!(target_pointer_width = "64") { 0x8008_6601 } else { 0x8004_6601 };
    /// Sets them.
    FS_SET_FLAGS = if cfg!(target_pointer_width = "64") { 0x4008_6602 } else { 0x4004_6602 };
    /// A file's generation.
    FS_GET_VERSION = if cfg!(target_pointer_width = "64") { 0x8008_7601 } else { 0x8004_7601 };
    /// Sets it.
    FS_SET_VERSION = if cfg!(target_pointer_width = "64") { 0x4008_7602 } else { 0x4004_7602 };
    /// A file's attributes as XFS has them: the project among them.
    FS_GET_XATTR = 0x801c_581f;
    /// Sets them.
    FS_SET_XATTR = 0x401c_5820;
    /// Freezes a file system.
    FIFREEZE = 0xC004_5877;
    /// Thaws it.
    FITHAW = 0xC004_5878;
    /// Discards a range of a device.
    BLKDISCARD = 0x1277;
    /// Discards it beyond recovery.
    BLKSECDISCARD = 0x127d;
    /// Sets the soft block size.
    BLKBSZSET = if cfg!(target_pointer_width = "64") { 0x4008_1271 } else { 0x4004_1271 };
    /// Switches a watchdog on or off.
    WDIOC_SETOPTIONS = 0x8004_5704;
    /// A watchdog's time.
    WDIOC_SETTIMEOUT = 0xC004_5706;
    /// The sizes of a flash memory.
    MEMGETINFO = 0x8020_4D01;
    /// Whether the block of a flash memory at an offset is bad.
    MEMGETBADBLOCK = 0x4008_4D0B;
}

/// Calls with a number; gives what the kernel answers.
///
/// # Errors
/// The system's error.
pub fn number(fd: impl AsFd, request: Number, value: usize) -> io::Result<i32> {
    // SAFETY: each `Number` takes its argument by value.
    let done = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), request.0 as _, value) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(done)
}

/// Calls with a structure, which the kernel may change; gives what the kernel answers.
///
/// # Errors
/// The system's error; `EINVAL` where the structure is larger than [`ROOM`].
pub fn flat(fd: impl AsFd, request: Flat, value: &mut [u8]) -> io::Result<i32> {
    #[repr(align(16))]
    struct Scratch([u8; ROOM]);
    let mut scratch = Scratch([0; ROOM]);
    let Some(place) = scratch.0.get_mut(..value.len()) else {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    };
    place.copy_from_slice(value);
    // SAFETY: each `Flat` reads and writes a structure without pointers that is no larger than the scratch memory,
    // which is aligned for any of them and lives through the call.
    let done = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), request.0 as _, &raw mut scratch) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    for (to, from) in value.iter_mut().zip(scratch.0) {
        *to = from;
    }
    Ok(done)
}

/// Enters the namespaces or leaves the present ones behind: the flags are those of clone(2).
///
/// # Errors
/// The system's error.
pub fn unshare(flags: i32) -> io::Result<()> {
    // SAFETY: CLONE_FILES is taken out, so no thread loses sight of a descriptor; the call takes no pointer.
    if unsafe { libc::unshare(flags & !libc::CLONE_FILES) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// How this process' execution domain is: the old one (`PER_LINUX32` is 8).
///
/// # Errors
/// The system's error.
pub fn personality(persona: u32) -> io::Result<u32> {
    // SAFETY: takes a number only.
    let done = unsafe { libc::personality(libc::c_ulong::from(persona)) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(done.unsigned_abs())
}

/// Seconds and microseconds of CPU that waited-for children used: user, system.
pub fn children_time() -> (std::time::Duration, std::time::Duration, libc::rusage) {
    // SAFETY: rusage is plain numbers; zeros are valid, and the call fills the one that it is given.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
        usage
    };
    let time = |value: libc::timeval| {
        std::time::Duration::from_micros(
            u64::try_from(value.tv_sec)
                .unwrap_or(0)
                .saturating_mul(1_000_000)
                .saturating_add(u64::try_from(value.tv_usec).unwrap_or(0)),
        )
    };
    (time(usage.ru_utime), time(usage.ru_stime), usage)
}

/// Locks a file by the number of a descriptor that this process was given (flock(2): `LOCK_SH` 1, `LOCK_EX` 2,
/// `LOCK_NB` 4, `LOCK_UN` 8).
///
/// # Errors
/// The system's error; a caught signal is [`io::ErrorKind::Interrupted`].
pub fn lock(fd: i32, operation: i32) -> io::Result<()> {
    // SAFETY: takes numbers only; a descriptor that is not open is EBADF.
    if unsafe { libc::flock(fd, operation) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
