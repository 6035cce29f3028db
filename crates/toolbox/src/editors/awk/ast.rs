//! A program as a tree. Variables are resolved to places.

use std::rc::Rc;

use super::lex::Builtin;
use super::value::Bytes;
use crate::regex::Regex;

/// Where a variable lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Global(usize),
    Local(usize),
}

/// The variables that awk itself knows, in the order of their places.
pub const SPECIAL: &[&str] = &[
    "NF", "NR", "FNR", "FS", "OFS", "ORS", "RS", "FILENAME", "SUBSEP", "RSTART", "RLENGTH",
    "CONVFMT", "OFMT", "ENVIRON", "ARGC", "ARGV", "ERRNO",
];

/// Places of the special variables.
pub mod special {
    pub const NF: usize = 0;
    pub const NR: usize = 1;
    pub const FNR: usize = 2;
    pub const FS: usize = 3;
    pub const OFS: usize = 4;
    pub const ORS: usize = 5;
    pub const RS: usize = 6;
    pub const FILENAME: usize = 7;
    pub const SUBSEP: usize = 8;
    pub const RSTART: usize = 9;
    pub const RLENGTH: usize = 10;
    pub const CONVFMT: usize = 11;
    pub const OFMT: usize = 12;
    pub const ENVIRON: usize = 13;
    pub const ARGC: usize = 14;
    pub const ARGV: usize = 15;
    pub const ERRNO: usize = 16;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    Less,
    LessEqual,
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
}

/// What can be assigned to.
#[derive(Debug)]
pub enum Target {
    Variable(Place),
    Field(Box<Expr>),
    Element(Place, Vec<Expr>),
}

/// Where `getline` reads from.
#[derive(Debug)]
pub enum Source {
    Main,
    File(Box<Expr>),
    Command(Box<Expr>),
}

#[derive(Debug)]
pub enum Expr {
    Number(f64),
    String(Bytes),
    /// A regular expression; alone it is matched with the record.
    Regex(Rc<Regex>),
    Get(Target),
    Assign(Target, Box<Expr>),
    AssignWith(Arithmetic, Target, Box<Expr>),
    /// By how much, and whether the value is the old one.
    Step(Target, f64, bool),
    Conditional(Box<Expr>, Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Negative(Box<Expr>),
    Positive(Box<Expr>),
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    Concat(Vec<Expr>),
    Compare(Compare, Box<Expr>, Box<Expr>),
    Match(bool, Box<Expr>, Box<Expr>),
    In(Vec<Expr>, Place),
    Call(usize, Vec<Expr>),
    Builtin(Builtin, Vec<Expr>),
    Getline(Source, Option<Box<Target>>),
    /// Expressions in parentheses.
    Group(Vec<Expr>),
}

/// How output is redirected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirect {
    Write,
    Append,
    Pipe,
}

#[derive(Debug)]
pub enum Statement {
    Expression(Expr),
    Print(Vec<Expr>, Option<(Redirect, Expr)>),
    Printf(Vec<Expr>, Option<(Redirect, Expr)>),
    If(Expr, Box<Statement>, Option<Box<Statement>>),
    While(Expr, Box<Statement>),
    DoWhile(Box<Statement>, Expr),
    For(
        Option<Box<Statement>>,
        Option<Expr>,
        Option<Box<Statement>>,
        Box<Statement>,
    ),
    ForIn(Place, Place, Box<Statement>),
    Block(Vec<Statement>),
    Delete(Place, Option<Vec<Expr>>),
    Break,
    Continue,
    Next,
    NextFile,
    Exit(Option<Expr>),
    Return(Option<Expr>),
}

#[derive(Debug)]
pub enum Pattern {
    Always,
    Expression(Expr),
    Range(Expr, Expr, usize),
}

#[derive(Debug, Default)]
pub struct Function {
    pub name: String,
    pub parameters: usize,
    pub body: Option<Statement>,
}

/// A whole program.
#[derive(Debug, Default)]
pub struct Program {
    pub begin: Vec<Statement>,
    /// None for an action: print the record.
    pub rules: Vec<(Pattern, Option<Statement>)>,
    pub end: Vec<Statement>,
    pub functions: Vec<Function>,
    pub globals: Vec<String>,
    pub ranges: usize,
}
