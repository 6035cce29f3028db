//! The real terminal: descriptors 0 and 2.

use super::{Read, Terminal};
use sys::{process, tty};

/// The terminal that the shell was started on. Dropping it puts its settings back.
pub(crate) struct Tty {
    settings: Option<tty::Settings>,
}

impl Tty {
    /// Takes the terminal over.
    pub(crate) fn new() -> Tty {
        Tty {
            settings: tty::editing(0).ok(),
        }
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        if let Some(settings) = self.settings.take() {
            settings.restore();
        }
    }
}

impl Terminal for Tty {
    fn read(&mut self, milliseconds: i32) -> Read {
        match process::readable_or_signal(0, milliseconds) {
            Ok(true) => {}
            Ok(false) => return Read::Timeout,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Read::Signal,
            Err(_) => return Read::End,
        }
        // One byte: what stands behind the command belongs to what it runs.
        let mut byte = [0];
        match process::read(0, &mut byte) {
            Ok(1) => Read::Byte(byte[0]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Read::Signal,
            _ => Read::End,
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        // A terminal that is gone is noticed when it is read.
        let _ = process::write_all(2, bytes);
    }

    fn size(&mut self) -> Option<(usize, usize)> {
        tty::told_size(2).map(|(columns, rows)| (usize::from(columns), usize::from(rows)))
    }

    fn is_waiting(&mut self) -> bool {
        process::readable(0, 0).unwrap_or(false)
    }

    fn lend(&mut self, to_commands: bool) {
        if let Some(settings) = self.settings.take().filter(|_| to_commands) {
            settings.restore();
        } else if !to_commands {
            self.settings = tty::editing(0).ok();
        }
    }
}
