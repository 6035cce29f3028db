//! The changes between two lists of numbers (E. W. Myers, "An O(ND) Difference Algorithm and Its Variations", 1986),
//! in linear space. Where the lists differ too much, a good place to cut is taken instead of the best.

use std::ops::Range;

/// What of the old is replaced by what of the new. One of them may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub old: Range<usize>,
    pub new: Range<usize>,
}

/// How many rounds a middle is looked for before a good place is taken.
const MAX_ROUNDS: usize = 1000;

/// The changes, in order.
pub fn changes(old: &[u32], new: &[u32]) -> Vec<Change> {
    let (mut removed, mut added) = (vec![false; old.len()], vec![false; new.len()]);
    let mut search = Search {
        old,
        new,
        forward: Vec::new(),
        backward: Vec::new(),
    };
    let mut waiting = vec![(0..old.len(), 0..new.len())];
    while let Some((mut a, mut b)) = waiting.pop() {
        while !a.is_empty() && !b.is_empty() && old[a.start] == new[b.start] {
            a.start += 1;
            b.start += 1;
        }
        while !a.is_empty() && !b.is_empty() && old[a.end - 1] == new[b.end - 1] {
            a.end -= 1;
            b.end -= 1;
        }
        if a.is_empty() {
            added[b].fill(true);
        } else if b.is_empty() {
            removed[a].fill(true);
        } else {
            let (x, y) = search.middle(&a, &b);
            waiting.push((x..a.end, y..b.end));
            waiting.push((a.start..x, b.start..y));
        }
    }
    let mut found = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        let (start_i, start_j) = (i, j);
        while i < old.len() && removed[i] {
            i += 1;
        }
        while j < new.len() && added[j] {
            j += 1;
        }
        if i > start_i || j > start_j {
            found.push(Change {
                old: start_i..i,
                new: start_j..j,
            });
        } else {
            i += 1;
            j += 1;
        }
    }
    found
}

struct Search<'a> {
    old: &'a [u32],
    new: &'a [u32],
    forward: Vec<usize>,
    backward: Vec<usize>,
}

impl Search<'_> {
    /// A place in both ranges through which a shortest (or at least a good) way leads. Neither both begin nor both
    /// end there. The ranges are not empty and differ at both ends.
    fn middle(&mut self, a: &Range<usize>, b: &Range<usize>) -> (usize, usize) {
        let (n, m) = (a.len(), b.len());
        let most = (n + m).div_ceil(2).min(MAX_ROUNDS);
        let offset = most + 1;
        // How far each diagonal reaches from either end; k + offset is its index.
        self.forward.clear();
        self.forward.resize(2 * offset + 1, 0);
        self.backward.clear();
        self.backward.resize(2 * offset + 1, 0);
        let delta = n as isize - m as isize;
        let at = |k: isize| (k + offset as isize) as usize;
        let y_of = |x: usize, k: isize| (x as isize - k) as usize;
        for d in 0..=most as isize {
            for k in (-d..=d).step_by(2) {
                if k > n as isize || -k > m as isize {
                    continue;
                }
                let mut x =
                    if k == -d || k != d && self.forward[at(k - 1)] < self.forward[at(k + 1)] {
                        self.forward[at(k + 1)]
                    } else {
                        self.forward[at(k - 1)] + usize::from(d > 0)
                    };
                if x > n || (x as isize) < k || y_of(x, k) > m {
                    self.forward[at(k)] = x.min(n);
                    continue;
                }
                let mut y = y_of(x, k);
                while x < n && y < m && self.old[a.start + x] == self.new[b.start + y] {
                    x += 1;
                    y += 1;
                }
                self.forward[at(k)] = x;
                let mirrored = delta - k;
                if delta % 2 != 0 && mirrored.abs() < d && x + self.backward[at(mirrored)] >= n {
                    return (a.start + x, b.start + y);
                }
            }
            for k in (-d..=d).step_by(2) {
                if k > n as isize || -k > m as isize {
                    continue;
                }
                let mut x =
                    if k == -d || k != d && self.backward[at(k - 1)] < self.backward[at(k + 1)] {
                        self.backward[at(k + 1)]
                    } else {
                        self.backward[at(k - 1)] + usize::from(d > 0)
                    };
                if x > n || (x as isize) < k || y_of(x, k) > m {
                    self.backward[at(k)] = x.min(n);
                    continue;
                }
                let mut y = y_of(x, k);
                while x < n && y < m && self.old[a.end - 1 - x] == self.new[b.end - 1 - y] {
                    x += 1;
                    y += 1;
                }
                self.backward[at(k)] = x;
                let mirrored = delta - k;
                if delta % 2 == 0 && mirrored.abs() <= d && x + self.forward[at(mirrored)] >= n {
                    return (a.end - x, b.end - y);
                }
            }
        }
        // Too different: the diagonal that came farthest.
        let mut best = (0, 0);
        for k in (-(most as isize)..=most as isize).rev() {
            let x = self.forward[at(k)];
            if (x as isize) < k || x > n || y_of(x, k) > m {
                continue;
            }
            let y = y_of(x, k);
            if x + y > best.0 + best.1 && x + y < n + m {
                best = (x, y);
            }
        }
        if best == (0, 0) {
            best = (n, 0);
        }
        (a.start + best.0, b.start + best.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(old: &[u32], new: &[u32], changes: &[Change]) -> Vec<u32> {
        let mut out = Vec::new();
        let mut at = 0;
        for change in changes {
            out.extend_from_slice(&old[at..change.old.start]);
            out.extend_from_slice(&new[change.new.clone()]);
            at = change.old.end;
        }
        out.extend_from_slice(&old[at..]);
        out
    }

    /// The length of the longest common subsequence, by the table.
    fn common(a: &[u32], b: &[u32]) -> usize {
        let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..a.len() {
            for j in 0..b.len() {
                table[i + 1][j + 1] = if a[i] == b[j] {
                    table[i][j] + 1
                } else {
                    table[i][j + 1].max(table[i + 1][j])
                };
            }
        }
        table[a.len()][b.len()]
    }

    #[test]
    fn changes_are_right_and_fewest() {
        let mut seed = 12345u64;
        let mut random = |n: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % n
        };
        for _ in 0..3000 {
            let symbols = 1 + random(4);
            let old: Vec<u32> = (0..random(14)).map(|_| random(symbols) as u32).collect();
            let new: Vec<u32> = (0..random(14)).map(|_| random(symbols) as u32).collect();
            let found = changes(&old, &new);
            assert_eq!(apply(&old, &new, &found), new);
            let removed: usize = found.iter().map(|change| change.old.len()).sum();
            assert_eq!(old.len() - removed, common(&old, &new), "{old:?} {new:?}");
        }
    }

    #[test]
    fn very_different_lists_end() {
        let old: Vec<u32> = (0..6_000).collect();
        let new: Vec<u32> = (0..6_000)
            .map(|i| if i % 7 == 0 { i } else { 1_000_000 - i })
            .collect();
        assert_eq!(apply(&old, &new, &changes(&old, &new)), new);
    }
}
