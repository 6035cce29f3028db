//! The `apk` command: [`command`] reads the command line and calls the library, [`net`] fetches.

mod command;
mod net;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    ExitCode::from(command::main(&arguments))
}
