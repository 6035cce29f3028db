//! Matching with back-references: tries the ways one after another, on a stack of its own and with a limit on the
//! number of steps.

use super::Span;
use super::compile::{Instruction, Program, Side};
use super::pike::{better, to_spans};
use super::set::{decode, other_cases};

const UNSET: usize = usize::MAX;
/// How many steps one search may take.
const MAX_STEPS: u64 = 20_000_000;

/// The limit was reached.
pub struct TooManySteps;

enum Job {
    Go(u32, usize),
    Restore(usize, usize),
}

/// As [`super::pike::Pike::search`], up to the text's end.
pub fn search(
    program: &Program,
    text: &[u8],
    from: usize,
    spans: &mut [Option<Span>],
) -> Result<bool, TooManySteps> {
    let width = program.width(program.groups + 1);
    let mut steps = 0;
    let mut slots = vec![UNSET; width + program.loops as usize];
    let mut stack = Vec::new();
    let mut best: Vec<usize> = Vec::new();
    let mut start = from;
    loop {
        slots.fill(UNSET);
        slots[0] = start;
        stack.push(Job::Go(0, start));
        while let Some(job) = stack.pop() {
            steps += 1;
            if steps > MAX_STEPS {
                return Err(TooManySteps);
            }
            match job {
                Job::Restore(slot, value) => slots[slot] = value,
                Job::Go(place, at) => {
                    run(
                        program, text, place, at, width, &mut slots, &mut stack, &mut best,
                    );
                    if best.first() == Some(&start)
                        && best.get(1) == Some(&text.len())
                        && program.groups <= 1
                    {
                        stack.clear();
                    }
                }
            }
        }
        if !best.is_empty() {
            to_spans(program, &best, spans);
            return Ok(true);
        }
        if start >= text.len() || program.anchored {
            return Ok(false);
        }
        start += decode(text, start).1;
    }
}

/// Runs a thread until it forks or ends.
#[allow(clippy::too_many_arguments)]
fn run(
    program: &Program,
    text: &[u8],
    mut place: u32,
    mut at: usize,
    width: usize,
    slots: &mut [usize],
    stack: &mut Vec<Job>,
    best: &mut Vec<usize>,
) {
    loop {
        let instruction = program.code[place as usize];
        match instruction {
            Instruction::Split(a, b) => {
                stack.push(Job::Go(b, at));
                stack.push(Job::Go(a, at));
                return;
            }
            Instruction::Jump(to) => {
                place = to;
                continue;
            }
            Instruction::Save(slot) => note(slots, stack, slot as usize, at),
            Instruction::Forget(first, end) => {
                for slot in (2 * first as usize)..(2 * end as usize) {
                    note(slots, stack, slot, UNSET);
                }
            }
            Instruction::Progress(index) => {
                let slot = width + index as usize;
                if slots[slot] == at {
                    return;
                }
                note(slots, stack, slot, at);
            }
            Instruction::Assert(assert) => {
                if !program.holds(assert, Side::before(text, at), Side::after(text, at)) {
                    return;
                }
            }
            Instruction::BackReference(group) => {
                let group = group as usize;
                let (start, end) = (slots[2 * group], slots[2 * group + 1]);
                let Some(wanted) = text.get(start..end) else {
                    return;
                };
                match text.get(at..at + wanted.len()) {
                    Some(found) if found == wanted => at += wanted.len(),
                    Some(found) if program.ignore_case && same_folded(found, wanted) => {
                        at += wanted.len()
                    }
                    _ => return,
                }
            }
            Instruction::Match => {
                slots[1] = at;
                if best.is_empty() || better(&slots[..width], best) {
                    best.clear();
                    best.extend_from_slice(&slots[..width]);
                }
                slots[1] = UNSET;
                return;
            }
            taker => {
                if at >= text.len() {
                    return;
                }
                let (c, length) = decode(text, at);
                if !program.takes(taker, c) {
                    return;
                }
                at += length;
            }
        }
        place += 1;
    }
}

fn note(slots: &mut [usize], stack: &mut Vec<Job>, slot: usize, value: usize) {
    if slots[slot] != value {
        stack.push(Job::Restore(slot, slots[slot]));
        slots[slot] = value;
    }
}

fn same_folded(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() {
        let (left, length) = decode(a, at);
        let (right, _) = decode(b, at);
        if left != right && !other_cases(left).any(|other| other == right) {
            return false;
        }
        at += length;
    }
    true
}
