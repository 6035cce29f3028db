//! All threads of the program side by side, a character at a time. Where two threads meet, the better one goes on:
//! the one whose match begins first, then whose first piece begins first, is longest, and so on.

use super::Span;
use super::compile::{Instruction, Program, Side};
use super::set::decode;

const UNSET: usize = usize::MAX;
/// How often one place may be taken over by a better thread at one place of the text.
const MAX_VISITS: u8 = 12;

/// The threads at one place of the text.
#[derive(Default)]
struct Threads {
    list: Vec<u32>,
    marks: Vec<u32>,
    visits: Vec<u8>,
    slots: Vec<usize>,
    round: u32,
}

impl Threads {
    fn clear(&mut self, length: usize, slots: usize) {
        self.list.clear();
        self.round = self.round.wrapping_add(1);
        if self.round == 0 || self.marks.len() != length || self.slots.len() != length * slots {
            self.marks = vec![0; length];
            self.visits = vec![0; length];
            self.slots = vec![UNSET; length * slots];
            self.round = 1;
        }
    }
}

enum Job {
    Go(u32),
    Restore(usize, usize),
}

/// The machine's memory, kept from search to search.
#[derive(Default)]
pub struct Pike {
    now: Threads,
    next: Threads,
    stack: Vec<Job>,
    current: Vec<usize>,
    best: Vec<usize>,
}

/// Whether the slots `a` are better than `b`.
pub fn better(a: &[usize], b: &[usize]) -> bool {
    for (a, b) in a.chunks_exact(2).zip(b.chunks_exact(2)) {
        if a[0] != b[0] {
            return a[0] < b[0];
        }
        if a[1] != b[1] {
            return a[1] > b[1];
        }
    }
    false
}

/// Turns slots into the groups' spans.
pub fn to_spans(program: &Program, slots: &[usize], spans: &mut [Option<Span>]) {
    for (span, piece) in spans.iter_mut().zip(&program.pieces) {
        let at = 2 * *piece as usize;
        let (from, to) = (slots[at], slots[at + 1]);
        *span = (from != UNSET && to != UNSET).then_some((from, to));
    }
}

impl Pike {
    /// Finds the leftmost-longest match that begins at `from` or behind it and ends at `limit` or before it, and
    /// fills as many spans as there are.
    pub fn search(
        &mut self,
        program: &Program,
        text: &[u8],
        from: usize,
        limit: usize,
        spans: &mut [Option<Span>],
    ) -> bool {
        let width = program.width(spans.len());
        let length = program.code.len();
        self.now.clear(length, width);
        self.best.clear();
        let mut before = Side::before(text, from);
        let mut at = from;
        loop {
            let (c, size) = if at < text.len() {
                decode(text, at)
            } else {
                (0, 0)
            };
            let after = if size == 0 { Side::Edge } else { Side::of(c) };
            if self.best.is_empty() && (at == from || !program.anchored) {
                self.current.clear();
                self.current.resize(width, UNSET);
                self.current[0] = at;
                // Threads that are here began earlier and are better.
                follow(
                    program,
                    &mut self.now,
                    &mut self.stack,
                    &mut self.current,
                    0,
                    at,
                    (before, after),
                    &mut self.best,
                );
            }
            if at >= limit
                || size == 0
                || self.now.list.is_empty() && (!self.best.is_empty() || program.anchored)
            {
                break;
            }
            self.next.clear(length, width);
            let next_at = at + size;
            let next_after = Side::after(text, next_at);
            for index in 0..self.now.list.len() {
                let place = self.now.list[index];
                if !program.takes(program.code[place as usize], c) {
                    continue;
                }
                let slots = &self.now.slots[place as usize * width..][..width];
                if self.best.first().is_some_and(|start| slots[0] > *start) {
                    continue;
                }
                self.current.clear();
                self.current.extend_from_slice(slots);
                let sides = (after, next_after);
                follow(
                    program,
                    &mut self.next,
                    &mut self.stack,
                    &mut self.current,
                    place + 1,
                    next_at,
                    sides,
                    &mut self.best,
                );
            }
            std::mem::swap(&mut self.now, &mut self.next);
            before = after;
            at = next_at;
        }
        if self.best.is_empty() {
            return false;
        }
        to_spans(program, &self.best, spans);
        true
    }
}

/// Takes a thread through all empty steps from a place.
#[allow(clippy::too_many_arguments)]
fn follow(
    program: &Program,
    threads: &mut Threads,
    stack: &mut Vec<Job>,
    current: &mut [usize],
    place: u32,
    at: usize,
    (before, after): (Side, Side),
    best: &mut Vec<usize>,
) {
    let width = current.len();
    stack.push(Job::Go(place));
    while let Some(job) = stack.pop() {
        let place = match job {
            Job::Restore(slot, value) => {
                current[slot] = value;
                continue;
            }
            Job::Go(place) => place,
        };
        let index = place as usize;
        let held = &mut threads.slots[index * width..][..width];
        let known = threads.marks[index] == threads.round;
        if known {
            if threads.visits[index] >= MAX_VISITS || !better(current, held) {
                continue;
            }
            threads.visits[index] += 1;
        } else {
            threads.marks[index] = threads.round;
            threads.visits[index] = 0;
        }
        held.copy_from_slice(current);
        match program.code[index] {
            Instruction::Split(a, b) => {
                stack.push(Job::Go(b));
                stack.push(Job::Go(a));
            }
            Instruction::Jump(to) => stack.push(Job::Go(to)),
            Instruction::Save(slot) => {
                let slot = slot as usize;
                if slot < width {
                    stack.push(Job::Restore(slot, current[slot]));
                    current[slot] = at;
                }
                stack.push(Job::Go(place + 1));
            }
            Instruction::Forget(first, end) => {
                let end = (2 * end as usize).min(width);
                let first = (2 * first as usize).min(end);
                for (slot, value) in (first..end).zip(&mut current[first..end]) {
                    if *value != UNSET {
                        stack.push(Job::Restore(slot, std::mem::replace(value, UNSET)));
                    }
                }
                stack.push(Job::Go(place + 1));
            }
            Instruction::Progress(_) => stack.push(Job::Go(place + 1)),
            Instruction::Assert(assert) => {
                if program.holds(assert, before, after) {
                    stack.push(Job::Go(place + 1));
                }
            }
            Instruction::Match => {
                current[1] = at;
                if best.is_empty() || better(current, best) {
                    best.clear();
                    best.extend_from_slice(current);
                }
                current[1] = UNSET;
            }
            _ => {
                if !known {
                    threads.list.push(place);
                }
            }
        }
    }
}
