//! What the parser makes of a script.

use std::cell::OnceCell;
use std::rc::Rc;

/// Commands apart by `;`, `&` or line ends.
pub type List = Vec<AndOr>;

/// Pipelines joined by `&&` and `||`.
#[derive(Clone, Debug, PartialEq)]
pub struct AndOr {
    /// The first.
    pub first: Pipeline,
    /// The others: whether `&&` stands before it, and it.
    pub rest: Vec<(bool, Pipeline)>,
    /// `&` stands behind.
    pub background: bool,
}

/// Commands joined by `|`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// `!` stands before.
    pub negate: bool,
    /// The commands, at least one.
    pub commands: Vec<Redirected>,
}

/// A command and its redirections.
#[derive(Clone, Debug, PartialEq)]
pub struct Redirected {
    /// The command.
    pub command: Command,
    /// In their order.
    pub redirections: Vec<Redirection>,
    /// The line that it begins on.
    pub line: u32,
}

/// The kinds of command.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// `a=b cmd word …`
    Simple {
        /// Assignments before the name.
        assignments: Vec<Assignment>,
        /// The name and the arguments.
        words: Vec<Word>,
    },
    /// `{ … }`
    Group(List),
    /// `( … )`
    Subshell(List),
    /// `if … then … elif … else … fi`
    If {
        /// Conditions and what follows them.
        branches: Vec<(List, List)>,
        /// `else`
        otherwise: Option<List>,
    },
    /// `for name in words; do … done`
    For {
        /// The variable.
        name: Vec<u8>,
        /// The words; none: the positional parameters.
        words: Option<Vec<Word>>,
        /// What is repeated.
        body: List,
    },
    /// `while` or `until`
    Loop {
        /// `until`
        until: bool,
        /// The condition.
        condition: List,
        /// What is repeated.
        body: List,
    },
    /// `case word in … esac`
    Case {
        /// What is looked at.
        word: Word,
        /// The arms.
        arms: Vec<Arm>,
    },
    /// `name() …`
    Function {
        /// Its name.
        name: Vec<u8>,
        /// Its body.
        body: Rc<Redirected>,
    },
    /// `[[ … ]]`
    Test(Condition),
    /// `(( … ))`
    Arithmetic(Word),
}

/// One arm of `case`.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// Its patterns.
    pub patterns: Vec<Word>,
    /// What it does.
    pub body: List,
    /// `;&`: goes on with the next arm.
    pub falls_through: bool,
}

/// `name=word` or `name+=word`
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The variable.
    pub name: Vec<u8>,
    /// `+=`
    pub append: bool,
    /// The value.
    pub value: Word,
}

/// The inside of `[[ … ]]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// `a || b`
    Or(Box<Condition>, Box<Condition>),
    /// `a && b`
    And(Box<Condition>, Box<Condition>),
    /// `! a`
    Not(Box<Condition>),
    /// `-f word`
    Unary(Vec<u8>, Word),
    /// `word op word`
    Binary(Word, Vec<u8>, Word),
    /// `word`
    Word(Word),
}

/// `n>word` and its kin.
#[derive(Clone, Debug, PartialEq)]
pub struct Redirection {
    /// The descriptor.
    pub fd: i32,
    /// What happens to it.
    pub target: Target,
}

/// What a descriptor is led to.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// `<`
    Read(Word),
    /// `>`; with `|`: also where `noclobber` is set
    Write(Word, bool),
    /// `>>`
    Append(Word),
    /// `<>`
    ReadWrite(Word),
    /// `<&` or `>&`: another descriptor, or `-`
    Duplicate(Word),
    /// `&>` or `>&file`: the standard output and the standard error
    Both(Word, bool),
    /// `<<` and `<<<`: the text, which the parser finds behind the line
    Here(Rc<OnceCell<Word>>),
}

/// A word: parts that are joined.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Word(pub Vec<Part>);

impl Word {
    /// The text of a word that is nothing but unquoted text.
    pub fn plain(&self) -> Option<&[u8]> {
        match self.0.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

/// A part of a word.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Unquoted text: patterns are alive in it.
    Text(Vec<u8>),
    /// Text that stands for itself.
    Quoted(Vec<u8>),
    /// `"…"`: text in it stands for itself.
    Double(Vec<Part>),
    /// `~` or `~user` at a word's beginning.
    Tilde(Vec<u8>),
    /// `$name`, `${…}`
    Parameter(Box<Parameter>),
    /// `$(…)` or backquotes
    Command(Rc<List>),
    /// `$((…))`
    Arithmetic(Word),
    /// `<(…)`, or `>(…)` where the flag is not set
    Process(bool, Rc<List>),
}

/// `${name…}`
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// A variable's name, digits, or one of `@*#?-$!`.
    pub name: Vec<u8>,
    /// What is done with its value.
    pub operation: Operation,
}

/// What `${…}` does with the value.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Nothing.
    Value,
    /// `${#name}`
    Length,
    /// `${name-word}`; the flag: `:` stands before, so that an empty value counts as none
    Default(bool, Word),
    /// `${name=word}`
    Assign(bool, Word),
    /// `${name?word}`
    Error(bool, Word),
    /// `${name+word}`
    Alternative(bool, Word),
    /// `${name%word}`; the flag: doubled, the longest match
    TrimEnd(bool, Word),
    /// `${name#word}`
    TrimStart(bool, Word),
    /// `${name:offset:length}`
    Slice(Word, Option<Word>),
    /// `${name/pattern/text}`
    Replace(Place, Word, Word),
}

/// Which matches of `${name/pattern/text}` are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The first.
    First,
    /// `//`: all.
    All,
    /// `/#`: one at the beginning.
    Start,
    /// `/%`: one at the end.
    End,
}
