//! What a transaction is going to do, in the lines that apk prints.

use super::session::Session;
use super::transaction::{mention, prompt};
use apk::record::Record;
use apk::solver::{Candidate, Move, Solution, display_order};

/// `12.3 MiB`: bytes below ten thousand of a unit, whole numbers up to KiB.
pub fn human(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut whole = bytes;
    let mut tenths = u128::from(bytes) * 10;
    while unit + 1 < units.len() && tenths >= 100_000 {
        tenths /= 1024;
        whole /= 1024;
        unit += 1;
    }
    let name = units.get(unit).unwrap_or(&"");
    if unit < 2 {
        return format!("{whole} {name}");
    }
    let exact = (u128::from(bytes) * 100) >> (10 * unit);
    let rounded = (exact + 5) / 10;
    format!("{}.{} {name}", rounded / 10, rounded % 10)
}

/// `@tag`, if there is one.
fn tag(tag: &Option<String>) -> String {
    tag.as_ref()
        .map(|tag| format!("@{tag}"))
        .unwrap_or_default()
}

/// A line for a step that changes something.
pub struct Line {
    /// `Upgrading zlib (1.3-r0 -> 1.3-r1)`
    pub text: String,
    /// Packages are changed by it, and not only what they are pinned to.
    pub is_step: bool,
}

/// The changes as they are shown, with the records behind them.
pub struct Changes<'a> {
    moves: &'a [Move],
    candidates: &'a [Candidate],
}

impl<'a> Changes<'a> {
    pub fn new(solution: &'a Solution, candidates: &'a [Candidate]) -> Changes<'a> {
        Changes {
            moves: &solution.moves,
            candidates,
        }
    }

    fn record(&self, at: Option<usize>) -> Option<&'a Record> {
        Some(&self.candidates.get(at?)?.record)
    }

    /// A line for each change, with its number: `(1/2) Installing b (2)`.
    pub fn lines(&self) -> Vec<Line> {
        let changes: Vec<&Move> = self.moves.iter().filter(|step| step.is_change()).collect();
        let total = changes.len();
        let digits = total.to_string().len();
        let lines = changes.into_iter().zip(1..);
        lines
            .filter_map(|(step, number)| {
                let what = self.words(step)?;
                Some(Line {
                    text: format!("({number:>digits$}/{total}) {what}"),
                    is_step: step.old != step.new || step.again,
                })
            })
            .collect()
    }

    fn words(&self, step: &Move) -> Option<String> {
        let tag = tag(&step.new_tag);
        Some(match (self.record(step.old), self.record(step.new)) {
            (None, Some(new)) => format!("Installing {}{tag} ({})", new.name, new.version),
            (Some(old), None) => format!("Purging {}{tag} ({})", old.name, old.version),
            (Some(_), Some(new)) if step.old == step.new => {
                let verb = if step.again {
                    "Reinstalling"
                } else {
                    "Updating pinning"
                };
                format!("{verb} {}{tag} ({})", new.name, new.version)
            }
            (Some(old), Some(new)) => {
                let verb = match new.version.cmp(&old.version) {
                    std::cmp::Ordering::Less => "Downgrading",
                    std::cmp::Ordering::Equal => "Replacing",
                    std::cmp::Ordering::Greater => "Upgrading",
                };
                format!(
                    "{verb} {}{tag} ({} -> {})",
                    new.name, old.version, new.version
                )
            }
            (None, None) => return None,
        })
    }

    /// By how many packages and bytes there will be more.
    pub fn growth(&self) -> (i64, i64) {
        let (mut packages, mut bytes) = (0, 0);
        for step in self.moves {
            for (at, sign) in [(step.new, 1), (step.old, -1)] {
                if let Some(record) = self.record(at) {
                    packages += sign;
                    bytes += sign * i64::try_from(record.installed_size).unwrap_or(0);
                }
            }
        }
        (packages, bytes)
    }

    /// What is no longer in any repository; with `-v` and `-i` all else that is going to happen. `false`: the user does
    /// not want it.
    pub fn preview(&self, session: &Session<'_>, provided: &dyn Fn(&str) -> bool) -> bool {
        let given = session.given;
        let level = given.level();
        let asks = given.has("interactive");
        if level < 2 && !asks {
            return true;
        }
        let mut sorted: Vec<&Move> = self.moves.iter().collect();
        let name = |step: &Move| {
            self.record(step.old.or(step.new))
                .map_or("", |record| record.name.as_str())
        };
        sorted.sort_by(|a, b| display_order(name(a), name(b)));
        let lost = |step: &Move| {
            self.record(step.new).is_some_and(|new| {
                !provided(&new.name) && (level >= 2 || !new.name.starts_with('.'))
            })
        };
        self.group(
            &sorted,
            &lost,
            false,
            "NOTE: Consider running apk upgrade with --prune and/or --available.\nThe following packages are no longer available from a repository",
        );
        let details = level >= 2;
        let order = |step: &Move| {
            let (old, new) = (self.record(step.old)?, self.record(step.new)?);
            Some(new.version.cmp(&old.version))
        };
        let mut some = self.group(
            &sorted,
            &|step| step.new.is_none(),
            details,
            "The following packages will be REMOVED",
        );
        some |= self.group(
            &sorted,
            &|step| order(step) == Some(std::cmp::Ordering::Less),
            details,
            "The following packages will be DOWNGRADED",
        );
        if some || asks || level > 2 {
            some |= self.group(
                &sorted,
                &|step| step.old.is_none(),
                details,
                "The following NEW packages will be installed",
            );
            some |= self.group(
                &sorted,
                &|step| step.old != step.new && order(step).is_some_and(std::cmp::Ordering::is_ge),
                details,
                "The following packages will be upgraded",
            );
            some |= self.group(
                &sorted,
                &|step| step.again,
                details,
                "The following packages will be reinstalled",
            );
            let download: u64 = self
                .moves
                .iter()
                .filter(|step| step.old != step.new)
                .filter_map(|step| self.candidates.get(step.new?))
                .filter(|candidate| !session.is_local(&candidate.repositories))
                .map(|candidate| candidate.record.size)
                .sum();
            if download > 0 {
                session.tell(&format!(
                    "Need to download {} of packages.",
                    human(download)
                ));
            }
            let (_, bytes) = self.growth();
            session.tell(&format!(
                "After this operation, {} of {}.",
                human(bytes.unsigned_abs()),
                if bytes < 0 {
                    "disk space will be freed"
                } else {
                    "additional disk space will be used"
                }
            ));
        }
        if some && asks && !given.has("simulate") {
            return prompt();
        }
        true
    }

    fn group(
        &self,
        moves: &[&Move],
        fits: &dyn Fn(&Move) -> bool,
        details: bool,
        title: &str,
    ) -> bool {
        let fitting: Vec<&&Move> = moves.iter().filter(|step| fits(step)).collect();
        if fitting.is_empty() {
            return false;
        }
        mention(&format!("{title}:"));
        let mut line = String::new();
        for step in fitting {
            let (old, new) = (self.record(step.old), self.record(step.new));
            let Some(one) = new.or(old) else { continue };
            let tag = tag(&step.new_tag);
            match (old, new) {
                (Some(old), Some(new)) if details && !step.again => mention(&format!(
                    "  {}{tag} ({} -> {})",
                    new.name, old.version, new.version
                )),
                _ if details => {
                    let version = &old.unwrap_or(one).version;
                    mention(&format!("  {}{tag} ({version})", one.name));
                }
                _ => {
                    let width = super::columns(1);
                    if !line.is_empty() && line.len() + one.name.len() + 1 >= width {
                        mention(&line);
                        line.clear();
                    }
                    line.push_str(if line.is_empty() { "  " } else { " " });
                    line.push_str(&one.name);
                }
            }
        }
        if !line.is_empty() {
            mention(&line);
        }
        true
    }
}

/// `OK: 5.2 MiB in 12 packages`; `more`: by how much there will be more.
pub fn summary(session: &Session<'_>, more: (i64, i64), errors: usize) {
    let packages = &session.database.packages;
    let sum = |start: usize, more: i64| {
        u64::try_from(start)
            .unwrap_or(0)
            .saturating_add_signed(more)
    };
    let count = sum(packages.len(), more.0);
    let bytes: u64 = packages
        .iter()
        .map(|package| package.record.installed_size)
        .sum();
    let bytes = human(bytes.saturating_add_signed(more.1));
    let head = match errors {
        0 => "OK:".to_owned(),
        1 => "1 error;".to_owned(),
        many => format!("{many} errors;"),
    };
    if session.given.level() > 1 {
        let (folders, files) = session.database.count();
        session.tell(&format!(
            "{head} {count} packages, {folders} dirs, {files} files, {bytes}"
        ));
    } else {
        session.tell(&format!("{head} {bytes} in {count} packages"));
    }
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (9999, "9999 B"),
            (10_000, "9 KiB"),
            (11_264, "11 KiB"),
            (20 << 20, "20.0 MiB"),
            ((20 << 20) + (600 << 10), "20.6 MiB"),
            (u64::MAX, "16777216.0 TiB"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}
