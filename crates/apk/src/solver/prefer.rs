//! Which of two providers of a name is the better one.

use super::Flags;
use super::deduce::Solver;
use super::universe::Provider;
use std::cmp::Ordering;

impl Solver<'_> {
    /// `Greater`: `one` is better than `other`.
    pub(super) fn compare(&self, one: Provider<'_>, other: Provider<'_>) -> Ordering {
        let (Some(a), Some(b)) = (self.all.pack(one.pack), self.all.pack(other.pack)) else {
            return Ordering::Equal;
        };
        let (mine, theirs) = (self.pack(one.pack), self.pack(other.pack));
        let flags = mine.flags.with(theirs.flags);
        let available = || mine.available.cmp(&theirs.available);
        let installed = || a.candidate.installed.cmp(&b.candidate.installed);
        let unpinned = mine.pinning_allowed == 1 && theirs.pinning_allowed == 1;
        let first = if flags.any(Flags::LATEST) && unpinned {
            mine.tag_ok.cmp(&theirs.tag_ok).then_with(|| {
                if flags.any(Flags::AVAILABLE) {
                    available()
                } else if flags.any(Flags::REINSTALL) {
                    mine.selectable.cmp(&theirs.selectable)
                } else {
                    Ordering::Equal
                }
            })
        } else {
            // What nothing speaks against; then what the last look at this name had in common with the others.
            let free = mine
                .selectable
                .cmp(&theirs.selectable)
                .then_with(|| mine.merged.cmp(&theirs.merged))
                .then_with(|| theirs.conflicts.cmp(&mine.conflicts));
            let keep = self.problem.preupgrade && !flags.any(Flags::UPGRADE)
                || flags.any(Flags::INSTALLED);
            let stays = !flags.any(Flags::REMOVE.with(Flags::UPGRADE))
                && (a.name == b.name || one.version.is_some() || other.version.is_some());
            free.then_with(|| if keep { installed() } else { Ordering::Equal })
                .then_with(|| mine.tag_ok.cmp(&theirs.tag_ok))
                .then_with(|| {
                    if flags.any(Flags::AVAILABLE) {
                        available()
                    } else {
                        Ordering::Equal
                    }
                })
                .then_with(|| mine.tag_preferred.cmp(&theirs.tag_preferred))
                .then_with(|| if stays { installed() } else { Ordering::Equal })
        };
        first
            .then_with(|| match (one.version, other.version) {
                (Some(one), Some(other)) => one.cmp(other),
                _ => Ordering::Equal,
            })
            .then_with(|| {
                if a.name == b.name {
                    a.candidate.record.version.cmp(&b.candidate.record.version)
                } else {
                    Ordering::Equal
                }
            })
            .then_with(|| {
                let priority = |pack: &super::universe::Pack<'_>| {
                    pack.candidate.record.provider_priority.unwrap_or(0)
                };
                priority(a).cmp(&priority(b))
            })
            .then_with(|| {
                if flags.any(Flags::REMOVE) {
                    Ordering::Equal
                } else {
                    installed()
                }
            })
            .then_with(|| mine.selectable.cmp(&theirs.selectable))
            .then_with(|| {
                // The lowest repository; what is in none comes before all.
                let place = |bits: u64| {
                    if bits == 0 {
                        0
                    } else {
                        bits.trailing_zeros() + 1
                    }
                };
                place(b.repositories).cmp(&place(a.repositories))
            })
    }
}
