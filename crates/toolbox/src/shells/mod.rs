//! The applets of the group `shells`: the shell, on top of the crate of that name.

use crate::applet::{Applet, Folder};
use crate::regex::{Regex, Syntax};
use std::ffi::OsString;

const USAGE: &str = "[-abCefilmnuvx] [-o option] [-c command | file | -s] [argument...]

-c  run the command that the argument gives; the next argument is its $0
-s  read commands from standard input
-l  be a login shell: read /etc/profile and ~/.profile first
-i  be interactive
The other options are those of the built-in set.";

/// This group's table.
pub const APPLETS: &[Applet] = &[
    Applet {
        name: "ash",
        folder: Folder::Bin,
        about: "the shell",
        usage: USAGE,
        run: main,
    },
    Applet {
        name: "sh",
        folder: Folder::Bin,
        about: "the shell",
        usage: USAGE,
        run: main,
    },
];

fn main(arguments: &[OsString]) -> i32 {
    shell::main(arguments, Some(crate::lookup), Some(matches))
}

/// What `[[ text =~ expression ]]` asks.
fn matches(expression: &[u8], text: &[u8]) -> Result<bool, String> {
    let syntax = Syntax {
        extended: true,
        ..Syntax::default()
    };
    Regex::new(expression, syntax)
        .map(|regex| regex.is_match(text))
        .map_err(|error| error.to_string())
}
