//! From the tree to a program for the machines.

use super::parse::{Assert, Id, Node, Tree};
use super::set::{Set, decode, decode_before, is_word};
use super::{Error, Syntax};

/// The longest program. A thread list of this length still fits into a few hundred kilobytes.
const MAX_PROGRAM: usize = 40_000;

/// The most instructions times groups.
const MAX_SLOTS: usize = 1_000_000;

/// An instruction. Targets are indexes into the program.
#[derive(Clone, Copy, Debug)]
pub enum Instruction {
    Char(u32),
    Any,
    Set(u32),
    /// Goes both ways, preferring the first.
    Split(u32, u32),
    Jump(u32),
    /// Notes the place in a slot: 2n is where piece n begins, 2n+1 where it ends.
    Save(u32),
    /// Forgets the pieces from the first to before the second: a new round of a repeat begins.
    Forget(u32, u32),
    /// Fails where this loop was entered before at the same place (only with back-references).
    Progress(u32),
    Assert(Assert),
    BackReference(u32),
    Match,
}

/// A compiled pattern.
#[derive(Debug)]
pub struct Program {
    pub code: Vec<Instruction>,
    pub sets: Vec<Set>,
    pub groups: usize,
    /// Which piece a group is. Pieces are what POSIX wants longest, from left to right: the whole match, the groups,
    /// and every repeat and alternative that a group comes behind.
    pub pieces: Vec<u32>,
    pub back_references: bool,
    pub loops: u32,
    pub newline: bool,
    pub ignore_case: bool,
    /// Matches can only begin at the text's first byte.
    pub anchored: bool,
}

/// Compiles a tree.
pub fn compile(tree: &Tree, syntax: Syntax) -> Result<Program, Error> {
    let back_references = tree
        .nodes
        .iter()
        .any(|node| matches!(node, Node::BackReference(_)));
    let program = Program {
        code: Vec::new(),
        sets: tree.sets.clone(),
        groups: tree.groups,
        pieces: vec![0; tree.groups + 1],
        back_references,
        loops: 0,
        newline: syntax.newline,
        ignore_case: syntax.ignore_case,
        anchored: false,
    };
    let mut order = Vec::new();
    let mut last_group = 0;
    preorder(tree, tree.root, false, &mut order, &mut last_group);
    let mut compiler = Compiler {
        tree,
        program,
        ranks: vec![None; tree.nodes.len()],
    };
    let mut rank = 0;
    for id in order.into_iter().take(last_group) {
        rank += 1;
        compiler.ranks[id] = Some(rank);
        if let Node::Group(group, _) = tree.nodes[id] {
            compiler.program.pieces[group] = rank;
        }
    }
    let pieces = rank as usize + 1;
    compiler.emit(tree.root)?;
    compiler.push(Instruction::Match)?;
    let mut program = compiler.program;
    // The machines keep two slots a piece for every instruction.
    if program.code.len() * pieces > MAX_SLOTS {
        return Err(Error::TooBig);
    }
    program.anchored = match program.code.first() {
        Some(Instruction::Assert(Assert::TextStart)) => true,
        Some(Instruction::Assert(Assert::LineStart)) => !syntax.newline,
        _ => false,
    };
    Ok(program)
}

/// The nodes that may be pieces, in the order of the pattern, and how many there are up to the last group.
fn preorder(tree: &Tree, id: Id, in_group: bool, order: &mut Vec<Id>, last_group: &mut usize) {
    match &tree.nodes[id] {
        Node::Group(_, body) => {
            order.push(id);
            *last_group = order.len();
            preorder(tree, *body, true, order, last_group);
        }
        Node::Repeat(body, ..) => {
            // What is all that a group holds is as long as the group.
            if !in_group {
                order.push(id);
            }
            preorder(tree, *body, false, order, last_group);
        }
        Node::Alt(items) => {
            if !in_group {
                order.push(id);
            }
            for item in items {
                preorder(tree, *item, false, order, last_group);
            }
        }
        Node::Cat(items) => {
            for item in items {
                preorder(tree, *item, false, order, last_group);
            }
        }
        _ => {}
    }
}

struct Compiler<'a> {
    tree: &'a Tree,
    program: Program,
    /// The pieces that nodes are.
    ranks: Vec<Option<u32>>,
}

impl Compiler<'_> {
    fn here(&self) -> u32 {
        self.program.code.len() as u32
    }

    fn push(&mut self, instruction: Instruction) -> Result<usize, Error> {
        if self.program.code.len() >= MAX_PROGRAM {
            return Err(Error::TooBig);
        }
        self.program.code.push(instruction);
        Ok(self.program.code.len() - 1)
    }

    fn emit(&mut self, id: Id) -> Result<(), Error> {
        let Some(piece) = self.ranks[id] else {
            return self.emit_inside(id);
        };
        self.push(Instruction::Save(2 * piece))?;
        self.emit_inside(id)?;
        self.push(Instruction::Save(2 * piece + 1))?;
        Ok(())
    }

    fn emit_inside(&mut self, id: Id) -> Result<(), Error> {
        match &self.tree.nodes[id] {
            Node::Empty => {}
            Node::Char(c) => {
                self.push(Instruction::Char(*c))?;
            }
            Node::Any => {
                self.push(Instruction::Any)?;
            }
            Node::Set(index) => {
                self.push(Instruction::Set(*index as u32))?;
            }
            Node::Assert(assert) => {
                self.push(Instruction::Assert(*assert))?;
            }
            Node::BackReference(group) => {
                self.push(Instruction::BackReference(self.program.pieces[*group]))?;
            }
            Node::Group(_, body) => self.emit(*body)?,
            Node::Cat(items) => {
                for item in items {
                    self.emit(*item)?;
                }
            }
            Node::Alt(items) => self.alternatives(items)?,
            Node::Repeat(body, min, max) => self.repeat(*body, *min, *max)?,
        }
        Ok(())
    }

    fn alternatives(&mut self, items: &[Id]) -> Result<(), Error> {
        let mut jumps = Vec::new();
        for (index, item) in items.iter().enumerate() {
            if index + 1 == items.len() {
                self.emit(*item)?;
                break;
            }
            let split = self.push(Instruction::Split(0, 0))?;
            self.emit(*item)?;
            jumps.push(self.push(Instruction::Jump(0))?);
            self.program.code[split] = Instruction::Split(split as u32 + 1, self.here());
        }
        for jump in jumps {
            self.program.code[jump] = Instruction::Jump(self.here());
        }
        Ok(())
    }

    /// A round of a repeat: what the pieces inside held before is forgotten.
    fn round(&mut self, body: Id, forget: Option<(u32, u32)>) -> Result<(), Error> {
        if self.program.back_references {
            let index = self.program.loops;
            self.program.loops += 1;
            self.push(Instruction::Progress(index))?;
        }
        if let Some((first, end)) = forget {
            self.push(Instruction::Forget(first, end))?;
        }
        self.emit(body)
    }

    fn repeat(&mut self, body: Id, min: u32, max: Option<u32>) -> Result<(), Error> {
        let forget = self.pieces_in(body);
        for _ in 1..min {
            self.round(body, forget)?;
        }
        match max {
            None if min == 0 => {
                let split = self.push(Instruction::Split(0, 0))?;
                self.round(body, forget)?;
                self.push(Instruction::Jump(split as u32))?;
                self.program.code[split] = Instruction::Split(split as u32 + 1, self.here());
            }
            None => {
                let start = self.here();
                self.round(body, forget)?;
                let next = self.here() + 1;
                self.push(Instruction::Split(start, next))?;
            }
            Some(max) => {
                if min > 0 {
                    self.round(body, forget)?;
                }
                let mut splits = Vec::new();
                for _ in min..max {
                    splits.push(self.push(Instruction::Split(0, 0))?);
                    self.round(body, forget)?;
                }
                for split in splits {
                    self.program.code[split] = Instruction::Split(split as u32 + 1, self.here());
                }
            }
        }
        Ok(())
    }

    /// The pieces inside a node: the first, and the one behind the last.
    fn pieces_in(&self, id: Id) -> Option<(u32, u32)> {
        let own = self.ranks[id].map(|piece| (piece, piece + 1));
        let join = |a: Option<(u32, u32)>, b: Option<(u32, u32)>| match (a, b) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
        let inside = match &self.tree.nodes[id] {
            Node::Group(_, body) | Node::Repeat(body, ..) => self.pieces_in(*body),
            Node::Cat(items) | Node::Alt(items) => items
                .iter()
                .fold(None, |found, item| join(found, self.pieces_in(*item))),
            _ => None,
        };
        join(own, inside)
    }
}

/// What lies on one side of a place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The text ends here.
    Edge,
    Newline,
    Word,
    Other,
}

impl Side {
    /// The side that a character makes.
    pub fn of(c: u32) -> Side {
        match c {
            10 => Side::Newline,
            c if is_word(c) => Side::Word,
            _ => Side::Other,
        }
    }

    /// What is before a place.
    pub fn before(text: &[u8], at: usize) -> Side {
        decode_before(text, at).map_or(Side::Edge, Side::of)
    }

    /// What is behind a place.
    pub fn after(text: &[u8], at: usize) -> Side {
        if at < text.len() {
            Side::of(decode(text, at).0)
        } else {
            Side::Edge
        }
    }
}

impl Program {
    /// How many slots tell this many groups, the whole match counted as one, from those that are worse.
    pub fn width(&self, groups: usize) -> usize {
        let last = groups.min(self.pieces.len()).saturating_sub(1);
        2 * (self.pieces[last] as usize + 1)
    }

    /// Whether an assertion holds between these.
    pub fn holds(&self, assert: Assert, before: Side, after: Side) -> bool {
        let (word_before, word_after) = (before == Side::Word, after == Side::Word);
        match assert {
            Assert::LineStart => before == Side::Edge || self.newline && before == Side::Newline,
            Assert::LineEnd => after == Side::Edge || self.newline && after == Side::Newline,
            Assert::TextStart => before == Side::Edge,
            Assert::TextEnd => after == Side::Edge,
            Assert::WordStart => !word_before && word_after,
            Assert::WordEnd => word_before && !word_after,
            Assert::WordEdge => word_before != word_after,
            Assert::NoWordEdge => word_before == word_after,
            Assert::NoWordBefore => !word_before,
            Assert::NoWordAfter => !word_after,
        }
    }

    /// Whether the instruction takes the character.
    pub fn takes(&self, instruction: Instruction, c: u32) -> bool {
        match instruction {
            Instruction::Char(wanted) => wanted == c,
            Instruction::Any => !(self.newline && c == 10),
            Instruction::Set(index) => self.sets[index as usize].has(c),
            _ => false,
        }
    }
}
