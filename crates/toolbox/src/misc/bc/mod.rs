//! `bc` (POSIX.1-2024): a calculator with a language, of numbers as long as memory lasts.
//!
//! Beyond POSIX: names of several letters, `print`, `read()`, `else`, `&&`, `||`, `!`, void functions, arrays by
//! reference, `last` (also `.`), comments behind `#`.

mod lex;
mod parse;
mod run;

pub use run::Printer;

use crate::common::lines::say;
use crate::common::options::Options;
use crate::common::stack::{Stack, with_large};
use lex::Lexer;
use parse::Parser;
use run::{Machine, Stop};
use std::collections::HashMap;
use std::ffi::OsString;

pub const USAGE: &str = "[-lqsw] [file...]

-l  with s(x) c(x) a(x) l(x) e(x) j(n,x), and scale 20    -q -s -w  (nothing changes)
The files are run, and then standard input. Lines are folded at BC_LINE_LENGTH characters (70; 0: never).";

/// What `-l` defines.
const LIBRARY: &[u8] = include_bytes!("library.bc");

/// `bc`
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "bc",
        letters: "lqsw",
        long: &[
            ("mathlib", 'l'),
            ("quiet", 'q'),
            ("standard", 's'),
            ("warn", 'w'),
        ],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mut files = given.operands.clone();
    files.push("-".into());
    let library = given.has('l');
    with_large("bc", move |stack| work(files, library, stack))
}

fn work(files: Vec<OsString>, library: bool, stack: Stack) -> i32 {
    let mut machine = Machine::new(Printer::new("BC_LINE_LENGTH", 70), stack);
    let mut names = HashMap::new();
    let terminal = rustix::termios::isatty(rustix::stdio::stdin());
    if library {
        let mut parser = Parser::new(Lexer::new(LIBRARY, Vec::new()), names);
        if let Err(Stop::Error(text)) = machine.run(&mut parser) {
            say("bc", text);
            return 1;
        }
        names = parser.into_names();
    }
    let mut parser = Parser::new(Lexer::new(b"", files), names);
    loop {
        match machine.run(&mut parser) {
            Ok(()) | Err(Stop::Halt) => return machine.printer.finish("bc", 0),
            Err(Stop::Error(text)) => {
                machine.printer.flush();
                say("bc", text);
                if !terminal {
                    return machine.printer.finish("bc", 1);
                }
                // Who types goes on with the next line.
                parser.lexer.drop_line();
            }
        }
    }
}
