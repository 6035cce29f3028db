//! POSIX regular expressions: basic and extended, leftmost-longest (POSIX.1-2024, XBD chapter 9), with the
//! extras that GNU and BusyBox have (`\<`, `\>`, `\b`, `\w`, `\s`, and `\+`, `\?`, `\|` in basic ones).
//!
//! A pattern goes through [`parse`] (a tree in an arena), [`compile`] (a program for the machines) and is then
//! run by one of four machines:
//! - a plain search for bytes where the whole pattern is literal,
//! - [`dfa`]: built while it runs, it answers "is there a match" and "where does it end" in linear time,
//! - [`pike`]: all threads side by side in linear time; finds the sub-matches,
//! - [`backtrack`]: only for patterns with back-references, with a limit on its steps.
//!
//! Text is bytes. What is valid UTF-8 counts as characters; any other byte counts as a character of its own, which
//! `.` and negated brackets match. Sub-matches follow "earlier pieces first, each as long as can be", where
//! repeats and alternatives without parentheses are pieces too; of a repeated group the last round is reported.

mod backtrack;
mod compile;
mod dfa;
mod parse;
mod pike;
mod set;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};

use memchr::memmem;

use compile::Program;

/// Why a pattern is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A bracket expression has no end.
    #[error("unmatched [")]
    Bracket,
    /// A group has no end.
    #[error("unmatched ( or \\(")]
    Paren,
    /// A group's end has no beginning.
    #[error("unmatched ) or \\)")]
    CloseParen,
    /// An interval has no end.
    #[error("unmatched \\{{")]
    Brace,
    /// An interval is not `m`, `m,` or `m,n` with m <= n <= 32767.
    #[error("invalid content of \\{{\\}}")]
    Interval,
    /// The pattern ends in a backslash.
    #[error("trailing backslash")]
    Backslash,
    /// A range's end is before its beginning.
    #[error("invalid range end")]
    Range,
    /// `[:name:]` names no class.
    #[error("invalid character class name")]
    Class,
    /// `[.x.]` or `[=x=]` is not one character.
    #[error("invalid collation character")]
    Collation,
    /// `\N` names a group that is not closed before it.
    #[error("invalid back reference")]
    BackReference,
    /// The program would be too large, or is nested too deeply.
    #[error("regular expression too big")]
    TooBig,
}

/// How a pattern is read and matched.
#[derive(Clone, Copy, Debug, Default)]
pub struct Syntax {
    /// Extended instead of basic.
    pub extended: bool,
    /// Upper and lower case are the same.
    pub ignore_case: bool,
    /// The text may hold many lines: `^` and `$` match at them, `.` and negated brackets match no newline.
    pub newline: bool,
    /// No character is special.
    pub literal: bool,
    /// A match must not touch further word characters on either side.
    pub word: bool,
    /// A match must be a whole line (or the whole text without `newline`).
    pub line: bool,
    /// A backslash in a bracket expression is an escape, as awk has it.
    pub bracket_escapes: bool,
}

/// Where a match or group lies: offset of its first byte and of the byte behind it.
pub type Span = (usize, usize);

/// A compiled pattern. It keeps its working memory, so it is not for sharing between threads.
pub struct Regex {
    program: Program,
    literal: Option<memmem::Finder<'static>>,
    required: Option<memmem::Finder<'static>>,
    dfa: RefCell<dfa::Dfa>,
    pike: RefCell<pike::Pike>,
    gave_up: Cell<bool>,
}

impl Regex {
    /// Compiles one pattern.
    ///
    /// # Errors
    /// What is wrong with the pattern.
    pub fn new(pattern: &[u8], syntax: Syntax) -> Result<Regex, Error> {
        Regex::any_of(&[pattern], syntax)
    }

    /// Compiles patterns of which any may match, as `grep -e a -e b` does.
    ///
    /// # Errors
    /// What is wrong with the first bad pattern.
    pub fn any_of<P: AsRef<[u8]>>(patterns: &[P], syntax: Syntax) -> Result<Regex, Error> {
        let tree = parse::parse(patterns.iter().map(AsRef::as_ref), syntax)?;
        let program = compile::compile(&tree, syntax)?;
        let literal = tree
            .whole_literal()
            .map(|bytes| memmem::Finder::new(&bytes).into_owned());
        let required = match literal {
            Some(_) => None,
            None => tree
                .required_literal()
                .map(|bytes| memmem::Finder::new(&bytes).into_owned()),
        };
        let dfa = RefCell::new(dfa::Dfa::new(&program));
        Ok(Regex {
            program,
            literal,
            required,
            dfa,
            pike: RefCell::default(),
            gave_up: Cell::new(false),
        })
    }

    /// How many groups the pattern has, the whole match not counted.
    pub fn groups(&self) -> usize {
        self.program.groups
    }

    /// Whether a search ended early because a pattern with back-references took too many steps; its result
    /// (no match) cannot be relied upon. Stays set.
    pub fn gave_up(&self) -> bool {
        self.gave_up.get()
    }

    /// A string that every match contains, when the pattern has one: a quick way to skip text.
    pub fn required(&self) -> Option<&memmem::Finder<'static>> {
        self.literal.as_ref().or(self.required.as_ref())
    }

    /// Whether the text has a match.
    pub fn is_match(&self, text: &[u8]) -> bool {
        if let Some(literal) = &self.literal {
            return literal.find(text).is_some();
        }
        if self.program.back_references {
            return self.search(text, 0, &mut []);
        }
        if let Some(required) = &self.required
            && text.len() >= 32
            && required.find(text).is_none()
        {
            return false;
        }
        match self
            .dfa
            .borrow_mut()
            .search(&self.program, text, 0, false, true)
        {
            dfa::Answer::Match { .. } => true,
            dfa::Answer::None => false,
            dfa::Answer::GaveUp => self.search(text, 0, &mut []),
        }
    }

    /// A place in the match that ends first, at `from` or behind it: enough to find the line that matches.
    pub fn touch(&self, text: &[u8], from: usize) -> Option<usize> {
        if self.literal.is_none() && !self.program.back_references {
            match self
                .dfa
                .borrow_mut()
                .search(&self.program, text, from, false, true)
            {
                dfa::Answer::None => return None,
                dfa::Answer::Match { end, .. } => return Some(end),
                dfa::Answer::GaveUp => {}
            }
        }
        self.find_at(text, from).map(|span| span.1)
    }

    /// The leftmost-longest match that begins at `from` or behind it. What is before `from` is still looked at by
    /// `^` and `\b`.
    pub fn find_at(&self, text: &[u8], from: usize) -> Option<Span> {
        if let Some(literal) = &self.literal {
            let at = from + literal.find(text.get(from..)?)?;
            return Some((at, at + literal.needle().len()));
        }
        if !self.program.back_references {
            let mut dfa = self.dfa.borrow_mut();
            match dfa.search(&self.program, text, from, false, false) {
                dfa::Answer::None => return None,
                dfa::Answer::Match { low, end } => {
                    match dfa.search(&self.program, text, low, true, false) {
                        dfa::Answer::Match { end: anchored, .. } if anchored == end => {
                            return Some((low, end));
                        }
                        _ => {}
                    }
                    let mut spans = vec![None; 1];
                    self.pike
                        .borrow_mut()
                        .search(&self.program, text, low, end, &mut spans);
                    return spans[0];
                }
                dfa::Answer::GaveUp => {}
            }
        }
        let mut spans = vec![None; 1];
        self.search(text, from, &mut spans);
        spans[0]
    }

    /// As [`Regex::find_at`], with the groups: `spans[0]` is the match, `spans[n]` group n. Its length becomes
    /// the number of groups plus one.
    pub fn captures_at(&self, text: &[u8], from: usize, spans: &mut Vec<Option<Span>>) -> bool {
        spans.clear();
        spans.resize(self.program.groups + 1, None);
        if self.program.groups == 0 {
            spans[0] = self.find_at(text, from);
            return spans[0].is_some();
        }
        if !self.program.back_references {
            let answer = self
                .dfa
                .borrow_mut()
                .search(&self.program, text, from, false, false);
            match answer {
                dfa::Answer::None => return false,
                dfa::Answer::Match { low, end } => {
                    return self
                        .pike
                        .borrow_mut()
                        .search(&self.program, text, low, end, spans);
                }
                dfa::Answer::GaveUp => {}
            }
        }
        self.search(text, from, spans)
    }

    /// The search without the quick machines. Fills as many spans as there are.
    fn search(&self, text: &[u8], from: usize, spans: &mut [Option<Span>]) -> bool {
        if self.program.back_references {
            match backtrack::search(&self.program, text, from, spans) {
                Ok(found) => found,
                Err(backtrack::TooManySteps) => {
                    self.gave_up.set(true);
                    false
                }
            }
        } else {
            self.pike
                .borrow_mut()
                .search(&self.program, text, from, text.len(), spans)
        }
    }
}

impl std::fmt::Debug for Regex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Regex")
    }
}
