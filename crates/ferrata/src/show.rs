//! Progress and errors on the terminal: a live line where there is one, plain lines elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// A numbered run of steps, each with the time that it took.
pub struct Steps {
    total: usize,
    done: usize,
    bar: ProgressBar,
    current: Option<(String, Instant)>,
}

impl Steps {
    /// A run of so many steps.
    pub fn new(total: usize) -> Steps {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        Steps {
            total,
            done: 0,
            bar,
            current: None,
        }
    }

    /// Begins a step.
    pub fn begin(&mut self, name: &str) {
        self.end_quietly();
        self.done += 1;
        let title = format!("[{}/{}] {name}", self.done, self.total);
        if self.bar.is_hidden() {
            eprintln!("{title} …");
        } else {
            self.bar.reset();
            self.bar.set_prefix(title.clone());
            self.bar.set_message("");
            self.bar.enable_steady_tick(Duration::from_millis(120));
        }
        self.current = Some((title, Instant::now()));
    }

    /// Says what the step is at now.
    pub fn note(&self, text: &str) {
        if !self.bar.is_hidden() {
            self.bar.set_message(text.trim().to_owned());
        }
    }

    /// Ends the step: its line stays, with its time and what came of it.
    pub fn end(&mut self, what: &str) {
        if let Some((title, start)) = self.current.take() {
            let line = format!("{title}: {what} ({})", seconds(start.elapsed()));
            if self.bar.is_hidden() {
                eprintln!("{line}");
            } else {
                self.bar.disable_steady_tick();
                self.bar.println(&line);
            }
        }
    }

    fn end_quietly(&mut self) {
        if self.current.is_some() {
            self.end("done");
        }
    }

    /// Ends the run.
    pub fn finish(mut self) {
        self.end_quietly();
        self.bar.finish_and_clear();
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        // An error on its way must not leave a spinning line behind.
        self.bar.finish_and_clear();
    }
}

/// `0.4 s`, `12 s`, `14 min 3 s`
pub fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..=9 => format!("{:.1} s", time.as_secs_f64()),
        seconds @ 10..=119 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// `812 B`, `3.49 MB`: decimal, as the sizes of downloads usually are.
pub fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let value = bytes as f64;
    match bytes {
        0..=999 => format!("{bytes} B"),
        1_000..=999_999 => format!("{:.1} kB", value / 1e3),
        _ => format!("{:.2} MB", value / 1e6),
    }
}

/// An error with its causes, on one line, and its hint on another.
pub fn error(error: &anyhow::Error) {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        // A transparent wrapper says what its cause says.
        if !text.ends_with(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    eprintln!("ERROR: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        assert_eq!(seconds(Duration::from_millis(430)), "0.4 s");
        assert_eq!(seconds(Duration::from_secs(843)), "14 min 3 s");
    }
}
