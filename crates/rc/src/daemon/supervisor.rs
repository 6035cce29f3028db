//! When a daemon that ended is started again: the policy alone, on a clock that is handed in.

use crate::machine::Millis;

/// What is asked of a supervisor (supervise-daemon(8), `respawn_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The least pause before a restart. It doubles with each failure in a row, up to `cap`.
    pub delay: Millis,
    /// What is added with each failure in a row, in place of the doubling.
    pub step: Option<Millis>,
    /// The longest pause, unless `delay` is longer.
    pub cap: Millis,
    /// How many restarts there may be within `period`; 0 is no limit.
    pub most: u32,
    /// See `most`. A daemon that stayed up that long has not failed in a row.
    pub period: Millis,
}

/// The longest pause between restarts, unless more is asked for.
pub const LONGEST: Millis = 30_000;

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            delay: 100,
            step: None,
            cap: LONGEST,
            most: 10,
            period: 60_000,
        }
    }
}

/// What to do when a daemon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Start it at this time.
    StartAt(Millis),
    /// It failed too often.
    GiveUp,
}

/// Counts how often a daemon ended.
#[derive(Clone, Debug)]
pub struct Supervisor {
    policy: Policy,
    started: Millis,
    restarts: Vec<Millis>,
}

impl Supervisor {
    /// For a daemon that has just been started.
    pub fn new(policy: Policy, now: Millis) -> Supervisor {
        Supervisor {
            policy,
            started: now,
            restarts: Vec::new(),
        }
    }

    /// How often it was started again within the period.
    pub fn restarts(&self) -> usize {
        self.restarts.len()
    }

    /// It was started again.
    pub fn started(&mut self, now: Millis) {
        self.started = now;
    }

    /// It ended by itself.
    pub fn ended(&mut self, now: Millis) -> Next {
        let period = self.policy.period.max(1);
        if now.saturating_sub(self.started) >= period {
            self.restarts.clear();
        }
        self.restarts.retain(|at| now.saturating_sub(*at) < period);
        let failures = u32::try_from(self.restarts.len()).unwrap_or(u32::MAX);
        if self.policy.most > 0 && failures >= self.policy.most {
            return Next::GiveUp;
        }
        self.restarts.push(now);
        let delay = self.policy.delay;
        let grown = match self.policy.step {
            Some(step) => delay.saturating_add(step.saturating_mul(failures.into())),
            None => delay.saturating_mul(1 << failures.min(20)),
        };
        Next::StartAt(now.saturating_add(grown.min(self.policy.cap.max(delay))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_back_off_and_end() {
        let mut supervisor = Supervisor::new(
            Policy {
                delay: 100,
                most: 3,
                period: 10_000,
                ..Policy::default()
            },
            0,
        );
        assert_eq!(supervisor.ended(0), Next::StartAt(100));
        supervisor.started(100);
        assert_eq!(supervisor.ended(150), Next::StartAt(350));
        supervisor.started(350);
        assert_eq!(supervisor.ended(350), Next::StartAt(750));
        supervisor.started(750);
        assert_eq!(supervisor.ended(751), Next::GiveUp);
    }

    #[test]
    fn who_stays_up_is_forgiven() {
        let mut supervisor = Supervisor::new(
            Policy {
                delay: 100,
                most: 1,
                period: 1_000,
                ..Policy::default()
            },
            0,
        );
        let mut now = 0;
        for _ in 0..1_000 {
            now += 1_000;
            assert_eq!(supervisor.ended(now), Next::StartAt(now + 100));
            now += 100;
            supervisor.started(now);
        }
        assert_eq!(supervisor.ended(now + 10), Next::GiveUp);
    }

    #[test]
    fn without_a_limit_the_pause_has_one() {
        let mut supervisor = Supervisor::new(
            Policy {
                delay: 1,
                most: 0,
                period: 1_000_000,
                ..Policy::default()
            },
            0,
        );
        let mut now = 0;
        for _ in 0..100 {
            let Next::StartAt(next) = supervisor.ended(now) else {
                panic!("gave up")
            };
            assert!(next - now <= LONGEST);
            now = next;
            supervisor.started(now);
        }
    }

    #[test]
    fn the_pause_can_grow_in_steps_up_to_a_cap() {
        let mut supervisor = Supervisor::new(
            Policy {
                delay: 1_000,
                step: Some(2_000),
                cap: 4_500,
                most: 0,
                period: 1_000_000,
            },
            0,
        );
        for expected in [1_000, 3_000, 4_500, 4_500] {
            assert_eq!(supervisor.ended(0), Next::StartAt(expected));
        }
        assert_eq!(supervisor.restarts(), 4);
    }
}
