//! What is shown while data comes.

use crate::common::lines::write_all;
use rustix::stdio;

/// The line that grows while data comes.
pub struct Progress {
    label: String,
    total: Option<u64>,
    done: u64,
    shown: u64,
    begin: std::time::Instant,
    last: Option<std::time::Instant>,
    on: bool,
}

impl Progress {
    /// It shows nothing unless `on`; without a total there is no percentage.
    pub fn new(label: String, total: Option<u64>, on: bool) -> Progress {
        Progress {
            label,
            total,
            done: 0,
            shown: 0,
            begin: std::time::Instant::now(),
            last: None,
            on,
        }
    }

    /// So many bytes more have come.
    pub fn add(&mut self, count: u64) {
        self.done = self.done.saturating_add(count);
        let now = std::time::Instant::now();
        if self.on && self.last.is_none_or(|last| (now - last).as_millis() >= 500) {
            self.last = Some(now);
            self.show();
        }
    }

    fn show(&mut self) {
        let seconds = self.begin.elapsed().as_secs();
        let (percent, eta) = match self.total.filter(|total| *total > 0) {
            Some(total) => {
                let percent = self.done.saturating_mul(100) / total;
                let left =
                    total.saturating_sub(self.done).saturating_mul(seconds) / self.done.max(1);
                (
                    percent.min(100),
                    format!(
                        "{:02}:{:02}:{:02} ETA",
                        left / 3600,
                        left / 60 % 60,
                        left % 60
                    ),
                )
            }
            None => (
                0,
                format!(
                    "{:02}:{:02}:{:02}",
                    seconds / 3600,
                    seconds / 60 % 60,
                    seconds % 60
                ),
            ),
        };
        let bar = usize::try_from(percent / 4).unwrap_or(0);
        let amount = match self.done {
            done if done < 100_000 => done.to_string(),
            done if done < 100_000 << 10 => format!("{}k", done >> 10),
            done => format!("{}M", done >> 20),
        };
        let name: String = self.label.chars().take(20).collect();
        let line = format!(
            "\r{name:<20} {percent:>3}% |{:<25}| {amount:>6}  {eta}",
            "*".repeat(bar)
        );
        let _ = write_all(stdio::stderr(), line.as_bytes());
        self.shown += 1;
    }

    /// The last line.
    pub fn finish(&mut self) {
        if self.on {
            self.show();
            let _ = write_all(stdio::stderr(), b"\n");
        }
    }
}
