//! Progress and errors on the terminal: a live line where there is one, plain lines elsewhere.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// A numbered run of steps, each with the time that it took. Several may be under way at once.
pub struct Steps {
    total: usize,
    started: usize,
    /// A live line for each step that is under way; `None`: plain lines only.
    live: Option<MultiProgress>,
    current: Vec<Step>,
}

struct Step {
    name: String,
    title: String,
    start: Instant,
    bar: ProgressBar,
}

impl Steps {
    /// A run of so many steps.
    pub fn new(total: usize) -> Steps {
        let live = std::io::stderr()
            .is_terminal()
            .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        Steps {
            total,
            started: 0,
            live,
            current: Vec::new(),
        }
    }

    /// Begins a step beside those that are under way.
    pub fn begin(&mut self, name: &str) {
        self.started += 1;
        let title = format!("[{}/{}] {name}", self.started, self.total);
        let bar = match &self.live {
            None => {
                eprintln!("{title} …");
                ProgressBar::hidden()
            }
            Some(live) => {
                let bar = live.add(ProgressBar::new_spinner());
                if let Ok(style) =
                    ProgressStyle::with_template("{spinner} {prefix} {elapsed} {wide_msg}")
                {
                    bar.set_style(style);
                }
                bar.set_prefix(title.clone());
                bar.enable_steady_tick(Duration::from_millis(120));
                bar
            }
        };
        self.current.push(Step {
            name: name.to_owned(),
            title,
            start: Instant::now(),
            bar,
        });
    }

    /// Ends all that is under way, and begins a step.
    pub fn next(&mut self, name: &str) {
        self.end_all();
        self.begin(name);
    }

    /// Says what a step is at now.
    pub fn note(&self, name: &str, text: &str) {
        if let Some(step) = self.current.iter().find(|step| step.name == name) {
            step.bar.set_message(text.trim().to_owned());
        }
    }

    /// Ends a step: its line stays, with its time and what came of it.
    pub fn end(&mut self, name: &str, what: &str) {
        let Some(at) = self.current.iter().position(|step| step.name == name) else {
            return;
        };
        let step = self.current.remove(at);
        step.bar.finish_and_clear();
        let line = format!(
            "{}: {what} in {}",
            step.title,
            seconds(step.start.elapsed())
        );
        let shown = self.live.as_ref().map(|live| live.println(&line));
        if !matches!(shown, Some(Ok(()))) {
            eprintln!("{line}");
        }
    }

    fn end_all(&mut self) {
        while let Some(name) = self.current.first().map(|step| step.name.clone()) {
            self.end(&name, "done");
        }
    }

    /// Ends the run.
    pub fn finish(mut self) {
        self.end_all();
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        // An error on its way must not leave a spinning line behind.
        for step in &self.current {
            step.bar.finish_and_clear();
        }
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
