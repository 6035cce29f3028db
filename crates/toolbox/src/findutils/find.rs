//! `find`: walks trees and applies an expression to what it meets (POSIX.1-2024 find, with GNU's usual tests and
//! actions). The expression is parsed by [`parse`], and run by [`eval`].

mod eval;
mod parse;

use std::cell::RefCell;
use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use rustix::fs::{FileType, Stat};

use crate::common::glob;
use crate::common::lines::{Output, complain, say};
use crate::common::walk::{self, Entry, Follow, Next, Visitor};
use crate::regex::Regex;

/// Usage.
pub const USAGE: &str = "\
[-HLP] [PATH]... [EXPRESSION]
  -H, -L, -P      follow links: those named, all, none
Options: -maxdepth N  -mindepth N  -depth  -xdev (-mount)  -daystart
Tests (N may be +N: more, -N: less):
  -name GLOB  -iname GLOB  -path GLOB  -ipath GLOB  -regex RE  -iregex RE  -lname GLOB
  -type [bcdpfls]  -size N[cwbkMG]  -empty  -links N  -inum N  -samefile FILE
  -mtime N  -atime N  -ctime N  -mmin N  -amin N  -cmin N  -newer FILE  -newerXY FILE
  -perm MODE|-MODE|/MODE  -user NAME  -group NAME  -uid N  -gid N  -nouser  -nogroup
  -readable  -writable  -executable  -true  -false
Actions:
  -print  -print0  -printf FORMAT  -ls  -prune  -quit  -delete
  -exec COMMAND ;  -exec COMMAND {} +  -execdir ...  -ok COMMAND ;  -okdir ...
Operators: ( EXPR )  ! EXPR  -not EXPR  EXPR -a EXPR  EXPR -o EXPR  EXPR , EXPR";

/// A number that an attribute is compared with.
#[derive(Clone, Copy, Debug)]
struct Comparison {
    how: std::cmp::Ordering,
    value: u64,
}

impl Comparison {
    fn holds(self, value: u64) -> bool {
        value.cmp(&self.value) == self.how
    }
}

/// One of the times of a file.
#[derive(Clone, Copy, Debug)]
enum Time {
    Access,
    Change,
    Modify,
}

#[derive(Debug)]
enum ModeTest {
    Exactly(u32),
    All(u32),
    Any(u32),
}

/// A command that is run.
#[derive(Debug)]
struct Exec {
    words: Vec<OsString>,
    /// In the directory of the file.
    in_dir: bool,
    ask: bool,
    /// With many files at once (`+`): those that wait, and the directory they are in.
    many: Option<RefCell<Batch>>,
}

#[derive(Debug, Default)]
struct Batch {
    files: Vec<OsString>,
    bytes: usize,
    dir: Option<OsString>,
}

#[derive(Debug)]
enum Expr {
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Comma(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    True,
    False,
    Name(OsString, glob::Options),
    Path(OsString, glob::Options),
    LinkName(OsString, glob::Options),
    Regex(Box<Regex>),
    Type(Vec<FileType>),
    Size(Comparison, u64),
    Empty,
    Links(Comparison),
    Inode(Comparison),
    SameFile(u64, u64),
    /// Age in units of that many seconds.
    Age(Time, Comparison, i64),
    /// Younger than this.
    Newer(Time, i64, i64),
    Mode(ModeTest),
    User(Comparison),
    Group(Comparison),
    NoUser(Rc<Vec<u32>>),
    NoGroup(Rc<Vec<u32>>),
    Access(rustix::fs::Access),
    Print(u8),
    PrintFormat(Vec<u8>),
    List,
    Prune,
    Quit,
    Delete,
    Exec(Exec),
}

/// The whole command line.
struct Settings {
    expr: Expr,
    max_depth: usize,
    min_depth: usize,
    depth_first: bool,
    one_file_system: bool,
    /// Seconds since 1970 that ages count from.
    now: i64,
}

struct Find {
    settings: Settings,
    out: Output,
    trouble: bool,
    /// Set by `-prune` and `-quit` while an expression is evaluated.
    prune: bool,
    quit: bool,
}

/// Runs `find`.
pub fn main(args: &[OsString]) -> i32 {
    match run(args) {
        Ok(status) => status,
        Err(message) => {
            say("find", message);
            1
        }
    }
}

fn run(args: &[OsString]) -> Result<i32, String> {
    let mut follow = Follow::Never;
    let mut rest = args.get(1..).unwrap_or_default();
    while let Some((first, more)) = rest.split_first() {
        match first.as_bytes() {
            b"-H" => follow = Follow::Roots,
            b"-L" => follow = Follow::Always,
            b"-P" => follow = Follow::Never,
            b"--" => {}
            _ => break,
        }
        rest = more;
    }
    let is_expression = |word: &OsString| {
        let word = word.as_bytes();
        matches!(word, b"(" | b")" | b"!" | b",") || word.len() > 1 && word[0] == b'-'
    };
    let count = rest.iter().position(is_expression).unwrap_or(rest.len());
    let (roots, words) = rest.split_at(count);
    let mut settings = parse::parse(words, &mut follow)?;
    let dot = [OsString::from(".")];
    let roots = if roots.is_empty() { &dot } else { roots };
    let options = walk::Options {
        follow,
        one_file_system: settings.one_file_system,
        sorted: false,
    };
    settings.depth_first |= has_delete(&settings.expr);
    let mut find = Find {
        settings,
        out: Output::new(),
        trouble: false,
        prune: false,
        quit: false,
    };
    for root in roots {
        if !walk::walk(root, options, &mut find) || find.out.failed() {
            break;
        }
    }
    find.finish_batches();
    let status = i32::from(find.trouble);
    Ok(find.out.finish("find", status, 1))
}

fn has_delete(expr: &Expr) -> bool {
    match expr {
        Expr::And(a, b) | Expr::Or(a, b) | Expr::Comma(a, b) => has_delete(a) || has_delete(b),
        Expr::Not(a) => has_delete(a),
        Expr::Delete => true,
        _ => false,
    }
}

impl Visitor for Find {
    fn before(&mut self, entry: &Entry<'_>) -> Next {
        self.prune = false;
        let deep = entry.depth >= self.settings.max_depth;
        // A directory that is not gone into is seen here also with -depth.
        if !self.settings.depth_first || !entry.kind.is_dir() {
            self.see(entry);
        } else if deep {
            self.see(entry);
            return if self.quit { Next::Quit } else { Next::Skip };
        }
        if self.quit || self.out.failed() {
            return Next::Quit;
        }
        if deep || self.prune && !self.settings.depth_first {
            Next::Skip
        } else {
            Next::Enter
        }
    }

    fn after(&mut self, entry: &Entry<'_>) -> bool {
        if self.settings.depth_first {
            self.see(entry);
        }
        !self.quit
    }

    fn error(&mut self, path: &[u8], error: &io::Error) {
        self.complain(path, error);
    }
}

impl Find {
    fn complain(&mut self, path: &[u8], error: &io::Error) {
        self.trouble = true;
        self.out.flush();
        complain("find", std::ffi::OsStr::from_bytes(path), error);
    }

    fn see(&mut self, entry: &Entry<'_>) {
        if entry.depth >= self.settings.min_depth {
            // The expression is lent out of self while it is evaluated.
            let expr = std::mem::replace(&mut self.settings.expr, Expr::True);
            self.eval(&expr, entry);
            self.settings.expr = expr;
        }
    }
}

fn time_of(stat: &Stat, time: Time) -> (i64, i64) {
    #[allow(clippy::unnecessary_cast)]
    match time {
        Time::Access => (stat.st_atime as i64, stat.st_atime_nsec as i64),
        Time::Change => (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        Time::Modify => (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
    }
}

fn c_string(path: &[u8]) -> io::Result<CString> {
    CString::new(path).map_err(|_| io::ErrorKind::InvalidInput.into())
}
