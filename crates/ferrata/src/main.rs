//! The `ferrata` command: from source to a running system.
//!
//! - [`context`]: where everything lies
//! - [`command`]: one file a command: it parses, calls one operation, prints
//! - [`show`]: what the terminal is shown
//!
//! The script `ferrata` at the top of the checkout installs what the host lacks, builds this and runs it.

mod command;
mod context;
mod show;

use clap::{Parser, Subcommand};
use context::Context;
use std::process::ExitCode;

/// Builds and tests Ferrata Linux.
#[derive(Debug, Parser)]
#[command(name = "ferrata", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every test there is.
    Test(command::test::Arguments),
    /// Say what this host has and lacks.
    Doctor,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            show::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let context = Context::from_environment()?;
    match &arguments.command {
        Command::Test(arguments) => command::test::run(&context, arguments),
        Command::Doctor => command::doctor::run(&context),
    }
}
