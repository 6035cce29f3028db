//! System V's objects between processes: made and removed (ipcrm(1)). What there is stands in `/proc/sysvipc`.

use std::io;

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Shared memory.
    Memory,
    /// A set of semaphores.
    Semaphores,
    /// A message queue.
    Queue,
}

fn check(result: libc::c_int) -> io::Result<i32> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Removes an object by its number.
///
/// # Errors
/// The system's error: `EINVAL` where there is none.
pub fn remove(kind: Kind, id: i32) -> io::Result<()> {
    // SAFETY: IPC_RMID reads and writes no memory; the last argument is not used.
    let done = unsafe {
        match kind {
            Kind::Memory => libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()),
            Kind::Semaphores => libc::semctl(id, 0, libc::IPC_RMID),
            Kind::Queue => libc::msgctl(id, libc::IPC_RMID, std::ptr::null_mut()),
        }
    };
    check(done).map(drop)
}

/// Removes an object by its key.
///
/// # Errors
/// The system's error: `ENOENT` where there is none.
pub fn remove_by_key(kind: Kind, key: i32) -> io::Result<()> {
    remove(kind, find(kind, key)?)
}

fn find(kind: Kind, key: i32) -> io::Result<i32> {
    // SAFETY: all three take numbers only; without IPC_CREAT they make nothing.
    check(unsafe {
        match kind {
            Kind::Memory => libc::shmget(key, 0, 0),
            Kind::Semaphores => libc::semget(key, 0, 0),
            Kind::Queue => libc::msgget(key, 0),
        }
    })
}

/// Makes an object that only its owner may use: a page of memory, one semaphore, a queue. `None`: without a key.
///
/// # Errors
/// The system's error: `EEXIST` where the key is taken.
pub fn make(kind: Kind, key: Option<i32>) -> io::Result<i32> {
    let key = key.unwrap_or(libc::IPC_PRIVATE);
    let flags = libc::IPC_CREAT | libc::IPC_EXCL | 0o600;
    // SAFETY: all three take numbers only.
    check(unsafe {
        match kind {
            Kind::Memory => libc::shmget(key, 4096, flags),
            Kind::Semaphores => libc::semget(key, 1, flags),
            Kind::Queue => libc::msgget(key, flags),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_and_removed() {
        for kind in [Kind::Memory, Kind::Semaphores, Kind::Queue] {
            let id = make(kind, None).unwrap();
            remove(kind, id).unwrap();
            assert!(remove(kind, id).is_err());
        }
    }
}
