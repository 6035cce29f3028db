//! From a pattern's bytes to a tree. The tree lies in an arena; groups are kept on a stack of our own, and their
//! depth is bounded, so that later steps may recurse.

use super::set::{Class, Set, decode, encode, other_cases};
use super::{Error, Syntax};

/// The deepest nesting of groups and repeats.
const MAX_DEPTH: usize = 200;
/// POSIX asks for 255 at least; this is what glibc allows.
const MAX_REPEAT: u32 = 32767;

/// A node's place in the arena.
pub type Id = usize;

/// What must hold at a place, without taking a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assert {
    LineStart,
    LineEnd,
    TextStart,
    TextEnd,
    WordStart,
    WordEnd,
    WordEdge,
    NoWordEdge,
    NoWordBefore,
    NoWordAfter,
}

/// A node of the tree.
#[derive(Clone, Debug)]
pub enum Node {
    Empty,
    Char(u32),
    Any,
    Set(usize),
    Assert(Assert),
    BackReference(usize),
    Group(usize, Id),
    Cat(Vec<Id>),
    Alt(Vec<Id>),
    Repeat(Id, u32, Option<u32>),
}

/// The whole pattern.
#[derive(Debug)]
pub struct Tree {
    pub nodes: Vec<Node>,
    pub sets: Vec<Set>,
    pub root: Id,
    pub groups: usize,
}

/// Reads patterns, of which any may match.
pub fn parse<'a>(patterns: impl Iterator<Item = &'a [u8]>, syntax: Syntax) -> Result<Tree, Error> {
    let tree = Tree {
        nodes: Vec::new(),
        sets: Vec::new(),
        root: 0,
        groups: 0,
    };
    let mut parser = Parser {
        tree,
        depths: Vec::new(),
        syntax,
        text: b"",
        at: 0,
        closed: Vec::new(),
    };
    let mut all = Vec::new();
    for pattern in patterns {
        parser.text = pattern;
        parser.at = 0;
        let id = if syntax.literal {
            parser.literal()
        } else {
            parser.pattern()?
        };
        all.push(id);
    }
    let mut root = match all.as_slice() {
        [one] => *one,
        _ => parser.add(Node::Alt(all)),
    };
    let (before, after) = match (syntax.line, syntax.word) {
        (true, _) => (Assert::LineStart, Assert::LineEnd),
        (_, true) => (Assert::NoWordBefore, Assert::NoWordAfter),
        _ => return Ok(parser.finish(root)),
    };
    let before = parser.add(Node::Assert(before));
    let after = parser.add(Node::Assert(after));
    root = parser.add(Node::Cat(vec![before, root, after]));
    Ok(parser.finish(root))
}

struct Parser<'a> {
    tree: Tree,
    /// How deep the tree is below each node.
    depths: Vec<usize>,
    syntax: Syntax,
    text: &'a [u8],
    at: usize,
    /// The groups that are closed: only these can be referred back to.
    closed: Vec<usize>,
}

/// A group that is still open.
#[derive(Default)]
struct Frame {
    group: usize,
    alternatives: Vec<Id>,
    items: Vec<Id>,
}

enum Token {
    Char(u32),
    Any,
    Bracket,
    Open,
    Close,
    Alternative,
    Assert(Assert),
    Repeat(u32, Option<u32>),
    Class(Class, bool),
    Word(bool),
    BackReference(usize),
}

impl<'a> Parser<'a> {
    fn finish(mut self, root: Id) -> Tree {
        self.tree.root = root;
        self.tree
    }

    fn add(&mut self, node: Node) -> Id {
        let below = |id: &Id| self.depths[*id];
        let depth = match &node {
            Node::Group(_, id) | Node::Repeat(id, ..) => below(id) + 1,
            Node::Cat(ids) | Node::Alt(ids) => ids.iter().map(below).max().unwrap_or(0) + 1,
            _ => 0,
        };
        self.tree.nodes.push(node);
        self.depths.push(depth);
        self.tree.nodes.len() - 1
    }

    fn add_char(&mut self, c: u32) -> Id {
        if self.syntax.ignore_case {
            let mut set = Set::default();
            set.add_range(c, c);
            let mut found = false;
            for other in other_cases(c) {
                set.add_range(other, other);
                found = true;
            }
            if found {
                return self.add_set(set);
            }
        }
        self.add(Node::Char(c))
    }

    fn add_set(&mut self, set: Set) -> Id {
        let index = match self.tree.sets.iter().position(|known| *known == set) {
            Some(index) => index,
            None => {
                self.tree.sets.push(set);
                self.tree.sets.len() - 1
            }
        };
        self.add(Node::Set(index))
    }

    fn literal(&mut self) -> Id {
        let mut items = Vec::new();
        while self.at < self.text.len() {
            let c = self.take();
            items.push(self.add_char(c));
        }
        self.add_cat(items)
    }

    fn add_cat(&mut self, mut items: Vec<Id>) -> Id {
        match items.len() {
            0 => self.add(Node::Empty),
            1 => items.remove(0),
            _ => self.add(Node::Cat(items)),
        }
    }

    /// The next character, which must be there.
    fn take(&mut self) -> u32 {
        let (c, length) = decode(self.text, self.at);
        self.at += length;
        c
    }

    fn rest(&self) -> &'a [u8] {
        &self.text[self.at.min(self.text.len())..]
    }

    fn close_frame(&mut self, mut frame: Frame) -> Id {
        let last = self.add_cat(std::mem::take(&mut frame.items));
        if frame.alternatives.is_empty() {
            return last;
        }
        frame.alternatives.push(last);
        self.add(Node::Alt(frame.alternatives))
    }

    fn pattern(&mut self) -> Result<Id, Error> {
        let mut stack: Vec<Frame> = Vec::new();
        let mut frame = Frame::default();
        // Whether a repeat here has something to repeat.
        let mut repeatable = false;
        while self.at < self.text.len() {
            let first = frame.items.is_empty();
            let after_anchor = frame.items.len() == 1
                && matches!(
                    self.tree.nodes[frame.items[0]],
                    Node::Assert(Assert::LineStart)
                );
            let item = match self.token(
                first,
                first || !self.syntax.extended && after_anchor && !repeatable,
                stack.is_empty(),
            )? {
                Token::Char(c) => self.add_char(c),
                Token::Any => self.add(Node::Any),
                Token::Bracket => self.bracket()?,
                Token::Assert(assert) => {
                    let id = self.add(Node::Assert(assert));
                    frame.items.push(id);
                    repeatable = self.syntax.extended;
                    continue;
                }
                Token::Class(class, negated) => self.class(class, false, negated),
                Token::Word(negated) => self.class(Class::Alnum, true, negated),
                Token::BackReference(n) => {
                    if !self.closed.contains(&n) {
                        return Err(Error::BackReference);
                    }
                    self.add(Node::BackReference(n))
                }
                Token::Open => {
                    if stack.len() >= MAX_DEPTH {
                        return Err(Error::TooBig);
                    }
                    self.tree.groups += 1;
                    let inner = Frame {
                        group: self.tree.groups,
                        ..Frame::default()
                    };
                    stack.push(std::mem::replace(&mut frame, inner));
                    repeatable = false;
                    continue;
                }
                Token::Close => {
                    let outer = stack.pop().ok_or(Error::CloseParen)?;
                    let inner = std::mem::replace(&mut frame, outer);
                    let group = inner.group;
                    let body = self.close_frame(inner);
                    self.closed.push(group);
                    self.add(Node::Group(group, body))
                }
                Token::Alternative => {
                    let items = std::mem::take(&mut frame.items);
                    let id = self.add_cat(items);
                    frame.alternatives.push(id);
                    repeatable = false;
                    continue;
                }
                Token::Repeat(min, max) => {
                    let Some(last) = frame.items.pop() else {
                        continue;
                    };
                    self.repeat(last, min, max)?
                }
            };
            frame.items.push(item);
            repeatable = true;
        }
        if !stack.is_empty() {
            return Err(Error::Paren);
        }
        Ok(self.close_frame(frame))
    }

    fn repeat(&mut self, body: Id, min: u32, max: Option<u32>) -> Result<Id, Error> {
        if self.depths[body] >= 2 * MAX_DEPTH {
            return Err(Error::TooBig);
        }
        Ok(match (&self.tree.nodes[body], min, max) {
            (Node::Empty, ..) => body,
            (_, 1, Some(1)) => body,
            (_, _, Some(0)) => self.add(Node::Empty),
            // x** and x+* and x*+ are x*
            (Node::Repeat(inner, 0 | 1, None), 0 | 1, None) => {
                let (inner, least) = (
                    *inner,
                    if matches!(self.tree.nodes[body], Node::Repeat(_, 1, _)) {
                        min
                    } else {
                        0
                    },
                );
                self.add(Node::Repeat(inner, least, None))
            }
            _ => self.add(Node::Repeat(body, min, max)),
        })
    }

    fn class(&mut self, class: Class, underscore: bool, negated: bool) -> Id {
        let mut set = Set::default();
        set.add_class(class);
        if underscore {
            set.add_range(u32::from(b'_'), u32::from(b'_'));
        }
        if negated {
            set.negate();
            if self.syntax.newline {
                set.remove(b'\n');
            }
        }
        self.add_set(set)
    }

    /// Reads one token. `first`: nothing is before it in its alternative; `star_literal`: a `*` here is literal.
    fn token(&mut self, first: bool, star_literal: bool, outermost: bool) -> Result<Token, Error> {
        let extended = self.syntax.extended;
        let c = self.take();
        let Some(byte) = u8::try_from(c).ok().filter(u8::is_ascii) else {
            return Ok(Token::Char(c));
        };
        Ok(match byte {
            b'\\' => return self.escape(first, outermost),
            b'.' => Token::Any,
            b'[' => Token::Bracket,
            b'*' if !star_literal => Token::Repeat(0, None),
            b'^' if extended || first => Token::Assert(Assert::LineStart),
            b'$' if extended => Token::Assert(Assert::LineEnd),
            b'$' if matches!(self.rest(), [] | [b'\\', b'|', ..]) => Token::Assert(Assert::LineEnd),
            b'$' if !outermost && self.rest().starts_with(b"\\)") => Token::Assert(Assert::LineEnd),
            b'(' if extended => Token::Open,
            b')' if extended => Token::Close,
            b'|' if extended => Token::Alternative,
            b'+' if extended && !star_literal => Token::Repeat(1, None),
            b'?' if extended && !star_literal => Token::Repeat(0, Some(1)),
            b'{' if extended
                && !star_literal
                && self
                    .rest()
                    .first()
                    .is_some_and(|b| b.is_ascii_digit() || *b == b',') =>
            {
                self.interval()?
            }
            _ => Token::Char(c),
        })
    }

    fn escape(&mut self, first: bool, outermost: bool) -> Result<Token, Error> {
        if self.at >= self.text.len() {
            return Err(Error::Backslash);
        }
        let extended = self.syntax.extended;
        let c = self.take();
        let Some(byte) = u8::try_from(c).ok().filter(u8::is_ascii) else {
            return Ok(Token::Char(c));
        };
        let control = |b: u8| Ok(Token::Char(u32::from(b)));
        Ok(match byte {
            b'(' if !extended => Token::Open,
            b')' if !extended && outermost => return Err(Error::CloseParen),
            b')' if !extended => Token::Close,
            b'|' if !extended => Token::Alternative,
            b'+' if !extended && !first => Token::Repeat(1, None),
            b'?' if !extended && !first => Token::Repeat(0, Some(1)),
            b'{' if !extended && !first => self.interval()?,
            b'<' => Token::Assert(Assert::WordStart),
            b'>' => Token::Assert(Assert::WordEnd),
            b'b' => Token::Assert(Assert::WordEdge),
            b'B' => Token::Assert(Assert::NoWordEdge),
            b'`' => Token::Assert(Assert::TextStart),
            b'\'' => Token::Assert(Assert::TextEnd),
            b'w' => Token::Word(false),
            b'W' => Token::Word(true),
            b's' => Token::Class(Class::Space, false),
            b'S' => Token::Class(Class::Space, true),
            b'd' => Token::Class(Class::Digit, false),
            b'D' => Token::Class(Class::Digit, true),
            b'n' => return control(b'\n'),
            b't' => return control(b'\t'),
            b'r' => return control(b'\r'),
            b'f' => return control(12),
            b'v' => return control(11),
            b'a' => return control(7),
            b'e' => return control(27),
            b'1'..=b'9' => Token::BackReference(usize::from(byte - b'0')),
            _ => Token::Char(c),
        })
    }

    fn number(&mut self) -> Result<Option<u32>, Error> {
        let start = self.at;
        let mut value = 0u32;
        while let Some(digit) = self.rest().first().filter(|b| b.is_ascii_digit()) {
            value = value * 10 + u32::from(digit - b'0');
            if value > MAX_REPEAT {
                return Err(Error::Interval);
            }
            self.at += 1;
        }
        Ok((self.at > start).then_some(value))
    }

    fn interval(&mut self) -> Result<Token, Error> {
        let min = self.number()?;
        let max = if self.rest().first() == Some(&b',') {
            self.at += 1;
            self.number()?
        } else if min.is_none() {
            return Err(if self.at >= self.text.len() {
                Error::Brace
            } else {
                Error::Interval
            });
        } else {
            min
        };
        let end: &[u8] = if self.syntax.extended { b"}" } else { b"\\}" };
        if !self.rest().starts_with(end) {
            return Err(if self.at >= self.text.len() {
                Error::Brace
            } else {
                Error::Interval
            });
        }
        self.at += end.len();
        let min = min.unwrap_or(0);
        if max.is_some_and(|max| max < min) {
            return Err(Error::Interval);
        }
        Ok(Token::Repeat(min, max))
    }

    /// Reads a bracket expression; its `[` is taken already.
    fn bracket(&mut self) -> Result<Id, Error> {
        let mut set = Set::default();
        let negated = self.rest().first() == Some(&b'^');
        if negated {
            self.at += 1;
        }
        let mut first = true;
        loop {
            match self.rest() {
                [] => return Err(Error::Bracket),
                [b']', ..] if !first => {
                    self.at += 1;
                    break;
                }
                [b'[', b':', ..] => {
                    let name = self.named(b":]")?;
                    set.add_class(Class::named(name).ok_or(Error::Class)?);
                }
                _ => {
                    let (low, escaped) = self.bracket_char()?;
                    if let Some(class) = escaped {
                        set.add_class(class);
                    } else if matches!(self.rest(), [b'-', next, ..] if *next != b']') {
                        self.at += 1;
                        let (high, _) = self.bracket_char()?;
                        if high < low {
                            return Err(Error::Range);
                        }
                        set.add_range(low, high);
                    } else {
                        set.add_range(low, low);
                    }
                }
            }
            first = false;
        }
        if self.syntax.ignore_case {
            set.fold_case();
        }
        if negated {
            set.negate();
            if self.syntax.newline {
                set.remove(b'\n');
            }
        }
        Ok(self.add_set(set))
    }

    /// The name between `[:` and `:]` (or the like), whose first two bytes are at hand.
    fn named(&mut self, end: &[u8; 2]) -> Result<&'a [u8], Error> {
        let inside = &self.rest()[2..];
        let length = inside
            .windows(2)
            .position(|pair| pair == end)
            .ok_or(Error::Bracket)?;
        self.at += length + 4;
        Ok(&inside[..length])
    }

    fn bracket_char(&mut self) -> Result<(u32, Option<Class>), Error> {
        match self.rest() {
            [] => Err(Error::Bracket),
            [b'[', kind @ (b'.' | b'='), ..] => {
                let name = self.named(&[*kind, b']'])?;
                if name.is_empty() {
                    return Err(Error::Collation);
                }
                match decode(name, 0) {
                    (c, length) if length == name.len() => Ok((c, None)),
                    _ => Err(Error::Collation),
                }
            }
            [b'\\', next, ..] if self.syntax.bracket_escapes => {
                self.at += 1;
                let c = self.take();
                Ok(match next {
                    b'n' => (10, None),
                    b't' => (9, None),
                    b'r' => (13, None),
                    b'f' => (12, None),
                    b'v' => (11, None),
                    b'a' => (7, None),
                    b's' => (c, Some(Class::Space)),
                    b'd' => (c, Some(Class::Digit)),
                    _ => (c, None),
                })
            }
            _ => Ok((self.take(), None)),
        }
    }
}

impl Tree {
    /// The bytes, when the pattern is nothing but literal characters.
    pub fn whole_literal(&self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        match &self.nodes[self.root] {
            Node::Char(c) => encode(*c, &mut out),
            Node::Cat(items) => {
                for item in items {
                    match self.nodes[*item] {
                        Node::Char(c) => encode(c, &mut out),
                        _ => return None,
                    }
                }
            }
            _ => return None,
        }
        Some(out)
    }

    /// The longest run of bytes that every match must contain.
    pub fn required_literal(&self) -> Option<Vec<u8>> {
        let mut best = Vec::new();
        let mut run = Vec::new();
        self.runs(self.root, &mut run, &mut best);
        if run.len() > best.len() {
            best = run;
        }
        (best.len() > 1).then_some(best)
    }

    /// Walks what must match, in order. `run` is the run that reaches up to here.
    fn runs(&self, id: Id, run: &mut Vec<u8>, best: &mut Vec<u8>) {
        match &self.nodes[id] {
            Node::Empty | Node::Assert(_) => {}
            Node::Char(c) => encode(*c, run),
            Node::Group(_, body) => self.runs(*body, run, best),
            Node::Cat(items) => {
                for item in items {
                    self.runs(*item, run, best);
                }
            }
            Node::Repeat(body, 1.., _) => {
                self.end_run(run, best);
                self.runs(*body, run, best);
                self.end_run(run, best);
            }
            _ => self.end_run(run, best),
        }
    }

    fn end_run(&self, run: &mut Vec<u8>, best: &mut Vec<u8>) {
        if run.len() > best.len() {
            best.clone_from(run);
        }
        run.clear();
    }
}
