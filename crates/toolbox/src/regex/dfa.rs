//! A deterministic machine that is built while it runs.
//!
//! A state is a list of groups of program places, the group with the leftmost beginning first. A place that two
//! groups reach belongs to the first. When a group reaches the match, the groups behind it are dropped: so the last
//! match seen before the machine dies is the end of the leftmost-longest match. Assertions look at both sides of a
//! place, so a state is closed over its empty steps only when the next character is known; a match is therefore
//! seen one character late, and the end of the text is a character of its own.
//!
//! The memory is bounded: a full table is thrown away, and after a few such throws within one search the search is
//! left to the slower machine.

use std::collections::HashMap;

use super::compile::{Instruction, Program, Side};
use super::set::{INVALID, decode};

/// Most entries of the table of transitions.
const MAX_TABLE: usize = 1 << 18;
/// Most program places in all states together.
const MAX_PLACES: usize = 1 << 19;
/// Most kinds of characters beyond ASCII.
const MAX_WIDE: usize = 16;
/// How often a search may throw the table away.
const MAX_THROWS: u32 = 12;

const UNKNOWN: u32 = u32::MAX;
const MATCH: u32 = 1 << 31;
const FRESH: u32 = 1 << 30;
const DEAD: u32 = 1 << 29;
const STATE: u32 = DEAD - 1;
const FLAGS: u32 = !STATE;

/// The class of bytes that begin a character beyond ASCII.
const WIDE: u8 = 255;
/// Between the groups of a state.
const BAR: u32 = u32::MAX;

/// What a search found.
pub enum Answer {
    None,
    /// A match begins at `low` or behind it and ends at `end`.
    Match {
        low: usize,
        end: usize,
    },
    /// Too many states.
    GaveUp,
}

struct State {
    before: Side,
    /// Whether matches may still begin behind this place.
    seed: bool,
    places: Box<[u32]>,
}

/// The machine and its table.
pub struct Dfa {
    classes: Box<[u8; 256]>,
    /// A character of each class; the class behind these is the end of the text; then come the wide classes.
    samples: Vec<u32>,
    end_class: usize,
    wide_samples: Vec<(Vec<bool>, u32)>,
    wide_tests: Vec<Instruction>,
    wide_cache: Vec<(u32, u8)>,
    stride: usize,
    sides: bool,
    /// The bytes that can begin a match, when not all can.
    first: Option<Box<[bool; 256]>>,
    first_few: Vec<u8>,
    table: Vec<u32>,
    states: Vec<State>,
    known: HashMap<Vec<u32>, u32>,
    places: usize,
    throws: u32,
    seen: Marks,
    next_seen: Marks,
    stack: Vec<u32>,
}

/// A set of program places that is emptied in no time.
#[derive(Default)]
struct Marks {
    marks: Vec<u32>,
    round: u32,
}

impl Marks {
    fn clear(&mut self, length: usize) {
        self.round = self.round.wrapping_add(1);
        if self.round == 0 || self.marks.len() != length {
            self.marks = vec![0; length];
            self.round = 1;
        }
    }

    /// Whether the place was not in the set yet.
    fn insert(&mut self, place: u32) -> bool {
        let mark = &mut self.marks[place as usize];
        let new = *mark != self.round;
        *mark = self.round;
        new
    }
}

impl Dfa {
    /// An empty machine for the program.
    pub fn new(program: &Program) -> Dfa {
        let mut tests: Vec<Instruction> = Vec::new();
        let mut sets = vec![false; program.sets.len()];
        let mut chars = Vec::new();
        let mut any = false;
        let mut sides = false;
        for instruction in &program.code {
            match *instruction {
                Instruction::Char(c) => chars.push(c),
                Instruction::Any => any = true,
                Instruction::Set(index) if !std::mem::replace(&mut sets[index as usize], true) => {
                    tests.push(*instruction);
                }
                Instruction::Assert(_) => sides = true,
                _ => {}
            }
        }
        chars.sort_unstable();
        chars.dedup();
        tests.extend(chars.iter().map(|c| Instruction::Char(*c)));
        if any {
            tests.push(Instruction::Any);
        }
        let (classes, samples) = ascii_classes(program, &tests, sides);
        let wide_tests: Vec<Instruction> = tests
            .into_iter()
            .filter(|test| match test {
                Instruction::Char(c) => *c >= 128,
                Instruction::Set(index) => !program.sets[*index as usize].is_ascii(),
                _ => true,
            })
            .collect();
        let mut dfa = Dfa {
            classes,
            end_class: samples.len(),
            stride: samples.len() + 1 + MAX_WIDE,
            samples,
            wide_samples: Vec::new(),
            wide_cache: vec![(0, 0); 64],
            sides,
            first: None,
            first_few: Vec::new(),
            table: Vec::new(),
            states: Vec::new(),
            known: HashMap::new(),
            places: 0,
            throws: 0,
            seen: Marks::default(),
            next_seen: Marks::default(),
            stack: Vec::new(),
            wide_tests,
        };
        if dfa.wide_tests.is_empty() && !sides {
            // Beyond ASCII all is alike and matches nothing: byte by byte will do.
            let class = dfa.samples.len() as u8;
            dfa.samples.push(INVALID);
            dfa.end_class += 1;
            dfa.stride = dfa.end_class + 1;
            dfa.classes[128..].fill(class);
        }
        dfa.find_first(program);
        dfa
    }

    /// Notes which bytes can begin a match.
    fn find_first(&mut self, program: &Program) {
        let mut first = Box::new([false; 256]);
        self.seen.clear(program.code.len());
        self.stack.push(0);
        let mut all = program.back_references;
        while let Some(place) = self.stack.pop() {
            if all || !self.seen.insert(place) {
                continue;
            }
            match program.code[place as usize] {
                Instruction::Match | Instruction::Any | Instruction::BackReference(_) => all = true,
                Instruction::Char(c) => match char::from_u32(c) {
                    Some(c) => first[usize::from(c.encode_utf8(&mut [0; 4]).as_bytes()[0])] = true,
                    None => first[128..].fill(true),
                },
                Instruction::Set(index) => {
                    let set = &program.sets[index as usize];
                    (0..128).for_each(|c| first[c as usize] |= set.has(c));
                    if !set.is_ascii() {
                        first[128..].fill(true);
                    }
                }
                Instruction::Split(a, b) => self.stack.extend([b, a]),
                Instruction::Jump(to) => self.stack.push(to),
                _ => self.stack.push(place + 1),
            }
        }
        if !all {
            let few: Vec<u8> = (0..=255u8).filter(|b| first[usize::from(*b)]).collect();
            if few.len() <= 3 {
                self.first_few = few;
            }
            self.first = Some(first);
        }
    }

    /// Looks for a match from `from` on; with `anchored` only for one that begins there. With `earliest` any match
    /// will do, and its end is not the longest.
    pub fn search(
        &mut self,
        program: &Program,
        text: &[u8],
        from: usize,
        anchored: bool,
        earliest: bool,
    ) -> Answer {
        self.throws = 0;
        let mut low = from;
        let mut last = None;
        let mut at = from;
        let seed = !anchored && !program.anchored;
        let Some(mut state) = self.start(text, at, seed) else {
            return Answer::GaveUp;
        };
        let mut fresh = seed;
        loop {
            if fresh {
                fresh = false;
                let skipped = self.skip(text, at);
                low = skipped;
                if skipped != at {
                    at = skipped;
                    match self.start(text, at, true) {
                        Some(start) => state = start,
                        None => return Answer::GaveUp,
                    }
                }
            }
            let (class, length) = match text.get(at) {
                None => (self.end_class, 0),
                Some(byte) => match self.classes[usize::from(*byte)] {
                    WIDE => {
                        let (c, length) = decode(text, at);
                        match self.wide_class(program, c) {
                            Some(class) => (class, length),
                            None => return Answer::GaveUp,
                        }
                    }
                    class => (usize::from(class), 1),
                },
            };
            let mut to = self.table[state as usize + class];
            if to & FLAGS == 0 && length != 0 {
                state = to;
                at += length;
                continue;
            }
            if to == UNKNOWN {
                match self.step(program, state, class) {
                    Some(found) => to = found,
                    None => return Answer::GaveUp,
                }
            }
            if to & MATCH != 0 {
                last = Some(at);
                if earliest {
                    break;
                }
            }
            if to & DEAD != 0 || length == 0 {
                break;
            }
            state = to & STATE;
            at += length;
            if to & FRESH != 0 {
                low = at;
                fresh = true;
            }
        }
        match last {
            Some(end) => Answer::Match { low, end },
            None => Answer::None,
        }
    }

    /// The next place where a match can begin.
    fn skip(&self, text: &[u8], at: usize) -> usize {
        let Some(first) = &self.first else { return at };
        let rest = text.get(at..).unwrap_or_default();
        let found = match *self.first_few.as_slice() {
            [] => None,
            [a] => memchr::memchr(a, rest),
            [a, b] => memchr::memchr2(a, b, rest),
            [a, b, c] => memchr::memchr3(a, b, c, rest),
            _ => rest.iter().position(|byte| first[usize::from(*byte)]),
        };
        let found = if self.first_few.is_empty() {
            rest.iter().position(|byte| first[usize::from(*byte)])
        } else {
            found
        };
        at + found.unwrap_or(rest.len())
    }

    fn start(&mut self, text: &[u8], at: usize, seed: bool) -> Option<u32> {
        let before = if self.sides {
            Side::before(text, at)
        } else {
            Side::Other
        };
        let places = if seed { vec![] } else { vec![0] };
        self.state(before, seed, places)
    }

    /// The state's offset in the table; it is made when it is not known. None: the table was thrown away too often.
    fn state(&mut self, before: Side, seed: bool, places: Vec<u32>) -> Option<u32> {
        let mut key = places;
        key.push(before as u32 | u32::from(seed) << 8);
        if let Some(known) = self.known.get(&key) {
            return Some(*known);
        }
        if self.table.len() + self.stride > MAX_TABLE || self.places + key.len() > MAX_PLACES {
            self.throws += 1;
            if self.throws > MAX_THROWS {
                return None;
            }
            self.table.clear();
            self.states.clear();
            self.known.clear();
            self.places = 0;
        }
        let offset = self.table.len() as u32;
        self.table.resize(self.table.len() + self.stride, UNKNOWN);
        self.places += key.len();
        let places = key[..key.len() - 1].into();
        self.states.push(State {
            before,
            seed,
            places,
        });
        self.known.insert(key, offset);
        Some(offset)
    }

    /// Computes a transition.
    fn step(&mut self, program: &Program, from: u32, class: usize) -> Option<u32> {
        let c = if class == self.end_class {
            None
        } else if class < self.end_class {
            Some(self.samples[class])
        } else {
            Some(self.wide_samples[class - self.end_class - 1].1)
        };
        let after = match c {
            _ if !self.sides => Side::Other,
            None => Side::Edge,
            Some(c) => Side::of(c),
        };
        self.seen.clear(program.code.len());
        self.next_seen.clear(program.code.len());
        let state = &self.states[from as usize / self.stride];
        let before = state.before;
        let mut next: Vec<u32> = Vec::new();
        let mut matched = false;
        let groups = state.places.split(|place| *place == BAR);
        let fresh_group: &[u32] = if state.seed { &[0] } else { &[] };
        for group in groups.chain([fresh_group]) {
            let start = next.len();
            self.stack.clear();
            self.stack.extend(group.iter().rev());
            while let Some(place) = self.stack.pop() {
                if !self.seen.insert(place) {
                    continue;
                }
                match program.code[place as usize] {
                    Instruction::Split(a, b) => self.stack.extend([b, a]),
                    Instruction::Jump(to) => self.stack.push(to),
                    Instruction::Save(_) | Instruction::Forget(..) | Instruction::Progress(_) => {
                        self.stack.push(place + 1);
                    }
                    Instruction::Assert(assert) => {
                        if program.holds(assert, before, after) {
                            self.stack.push(place + 1);
                        }
                    }
                    Instruction::Match => matched = true,
                    Instruction::BackReference(_) => {}
                    taker => {
                        if c.is_some_and(|c| program.takes(taker, c))
                            && self.next_seen.insert(place + 1)
                        {
                            next.push(place + 1);
                        }
                    }
                }
            }
            if next.len() > start {
                next[start..].sort_unstable();
                next.push(BAR);
            }
            if matched {
                break;
            }
        }
        next.pop();
        let seed = state.seed && !matched;
        let throws = self.throws;
        let mut flags = if matched { MATCH } else { 0 };
        let to = if next.is_empty() && !seed {
            flags |= DEAD;
            0
        } else {
            if next.is_empty() {
                flags |= FRESH;
            }
            self.state(after, seed, next)?
        };
        if self.throws == throws {
            self.table[from as usize + class] = to | flags;
        }
        Some(to | flags)
    }

    fn wide_class(&mut self, program: &Program, c: u32) -> Option<usize> {
        let slot = (c & 63) as usize;
        let (known, class) = self.wide_cache[slot];
        if known == c {
            return Some(usize::from(class));
        }
        let mut kind: Vec<bool> = self
            .wide_tests
            .iter()
            .map(|test| program.takes(*test, c))
            .collect();
        kind.push(self.sides && super::set::is_word(c));
        let index = match self
            .wide_samples
            .iter()
            .position(|(known, _)| *known == kind)
        {
            Some(index) => index,
            None if self.wide_samples.len() >= MAX_WIDE => return None,
            None => {
                self.wide_samples.push((kind, c));
                self.wide_samples.len() - 1
            }
        };
        let class = self.end_class + 1 + index;
        self.wide_cache[slot] = (c, class as u8);
        Some(class)
    }
}

/// Sorts the ASCII characters into classes that the program cannot tell apart.
fn ascii_classes(
    program: &Program,
    tests: &[Instruction],
    sides: bool,
) -> (Box<[u8; 256]>, Vec<u32>) {
    let mut classes = Box::new([WIDE; 256]);
    classes[..128].fill(0);
    let mut count = 1usize;
    let mut refine = |test: &dyn Fn(u32) -> bool| {
        if count >= 128 {
            return;
        }
        // Each class that holds both kinds is cut in two.
        let mut moved = [None; 128];
        let mut stays = [false; 128];
        for c in 0..128usize {
            stays[usize::from(classes[c])] |= !test(c as u32);
        }
        for c in 0..128usize {
            let class = usize::from(classes[c]);
            if test(c as u32) && stays[class] {
                let to = *moved[class].get_or_insert_with(|| {
                    count += 1;
                    count - 1
                });
                classes[c] = to as u8;
            }
        }
    };
    for test in tests {
        refine(&|c| program.takes(*test, c));
    }
    if sides {
        refine(&|c| c == 10);
        refine(&super::set::is_word);
    }
    let mut samples = vec![0; count];
    for c in 0..128u32 {
        samples[usize::from(classes[c as usize])] = c;
    }
    (classes, samples)
}
