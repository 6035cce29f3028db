//! How busy the processors are, as `/proc/stat` counts it.

/// Ticks of a processor: user, nice, system, idle, I/O wait, interrupts, soft interrupts, stolen, guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticks(pub [u64; 9]);

/// Their places.
pub const USER: usize = 0;
/// Niced.
pub const NICE: usize = 1;
/// The kernel.
pub const SYSTEM: usize = 2;
/// Idle.
pub const IDLE: usize = 3;
/// Waiting for a disk.
pub const WAIT: usize = 4;
/// Interrupts.
pub const IRQ: usize = 5;
/// Soft interrupts.
pub const SOFT: usize = 6;
/// Taken by another system.
pub const STEAL: usize = 7;
/// Lent to another system; counted among the user's, too.
pub const GUEST: usize = 8;

impl Ticks {
    /// One of them.
    pub fn get(&self, at: usize) -> u64 {
        self.0.get(at).copied().unwrap_or(0)
    }

    /// All that went by.
    pub fn total(&self) -> u64 {
        self.0.iter().take(GUEST).sum()
    }

    /// What went by since an earlier look.
    pub fn since(&self, before: &Ticks) -> Ticks {
        let mut difference = Ticks::default();
        for (at, place) in difference.0.iter_mut().enumerate() {
            // Idle time may seem to run backwards when a processor wakes.
            *place = self.get(at).saturating_sub(before.get(at));
        }
        difference
    }

    /// How much of all that went by that was, in percent.
    pub fn percent(&self, at: usize) -> f64 {
        self.get(at) as f64 * 100.0 / self.total().max(1) as f64
    }
}

/// What `/proc/stat` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// All processors together.
    pub all: Ticks,
    /// Each of them, by its number.
    pub each: Vec<(u32, Ticks)>,
    /// Interrupts: their sum, and each of them.
    pub interrupts: Vec<u64>,
    /// Soft interrupts: their sum, and each of them.
    pub soft: Vec<u64>,
    /// Changes from one process to another.
    pub switches: u64,
    /// New processes.
    pub forks: u64,
}

impl Stat {
    /// Reads it.
    ///
    /// # Errors
    /// The system's error.
    pub fn read() -> std::io::Result<Stat> {
        let path = "/proc/stat";
        let text = std::fs::read_to_string(path)
            .map_err(|error| crate::common::lines::about(path, &error))?;
        Ok(Stat::parse(&text))
    }

    /// Reads the text.
    pub fn parse(text: &str) -> Stat {
        let mut stat = Stat::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let name = words.next().unwrap_or_default();
            let numbers: Vec<u64> = words.map(|word| word.parse().unwrap_or(0)).collect();
            let first = numbers.first().copied().unwrap_or(0);
            match name {
                "intr" => stat.interrupts = numbers,
                "softirq" => stat.soft = numbers,
                "ctxt" => stat.switches = first,
                "processes" => stat.forks = first,
                _ => {
                    let Some(number) = name.strip_prefix("cpu") else {
                        continue;
                    };
                    let mut ticks = Ticks::default();
                    for (place, number) in ticks.0.iter_mut().zip(numbers) {
                        *place = number;
                    }
                    match number.parse() {
                        Ok(number) => stat.each.push((number, ticks)),
                        Err(_) => stat.all = ticks,
                    }
                }
            }
        }
        stat
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences() {
        let text = "cpu  1 2 3 4 5 6 7 8 9 0\ncpu0 1 2 3 4 5 6 7 8 9 0\nintr 12 5 7\nctxt 99\nprocesses 3\n";
        let before = Stat::parse(text);
        assert_eq!(before.all.total(), 36);
        assert_eq!((before.switches, before.forks), (99, 3));
        assert_eq!(before.interrupts, [12, 5, 7]);
        let after = Stat::parse(&text.replace("cpu  1", "cpu  101"));
        let between = after.all.since(&before.all);
        assert_eq!(between.get(USER), 100);
        assert!((between.percent(USER) - 100.0).abs() < 1e-9);
        assert_eq!(before.all.since(&after.all).get(USER), 0);
    }
}
