//! The `ferrata` command: from source to a running system.
//!
//! - [`context`]: where everything lies
//! - [`command`]: one file a command: it parses, calls one operation, prints
//! - [`show`]: progress and errors on the terminal
//! - [`http`]: a folder over HTTP
//! - [`qemu`]: the virtual machine
//!
//! The script `ferrata` at the top of the checkout installs what the host lacks, builds this and runs it.

mod command;
mod context;
mod http;
mod qemu;
mod show;

use clap::{Parser, Subcommand};
use context::Context;
use std::process::ExitCode;

/// Builds and tests Ferrata Linux.
#[derive(Debug, Parser)]
#[command(name = "ferrata", version, max_term_width = 100)]
struct Arguments {
    /// The architecture to build for.
    #[arg(long, global = true, default_value = "x86_64", value_parser = ["x86_64"])]
    arch: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build everything, and start it in QEMU on this terminal.
    Boot(command::boot::Arguments),
    /// Run every test there is.
    Test(command::test::Arguments),
    /// Build ports into packages, and the signed repository.
    Build(command::build::Arguments),
    /// Make an image.
    Image(command::image::Arguments),
    /// Run a command, or a shell, in the built root.
    Run(command::run::Arguments),
    /// Index or serve the repository.
    Repo(command::repo::Arguments),
    /// Check how ELF files, or those in packages, are hardened.
    Audit(command::audit::Arguments),
    /// Say what this host has and lacks.
    Doctor,
    /// Serves a folder over HTTP on standard input and output: QEMU starts it for the guest's connections.
    #[command(name = "__http", hide = true)]
    Http { folder: std::path::PathBuf },
    /// Prints the folder of a Debian source package's unpacked upstream archive, or without a version that of a binary
    /// package's files: for tests and benchmarks.
    #[command(name = "__source", hide = true)]
    Source {
        package: String,
        version: Option<String>,
    },
    /// Makes the namespaces of `run`, and enters the root inside them.
    #[command(name = "__enter", hide = true)]
    Enter {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Runs a build's phases inside the sandbox.
    #[command(name = "__phase", hide = true)]
    Phase {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
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
    // Inside a sandbox there is no checkout.
    if let Command::Phase { arguments } = &arguments.command {
        let code = abuild::phase_main(arguments);
        return Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)));
    }
    if let Command::Enter { arguments } = &arguments.command {
        let code = command::run::enter(arguments);
        return Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)));
    }
    if let Command::Http { folder } = &arguments.command {
        http::serve(
            folder,
            &mut std::io::stdin().lock(),
            &mut std::io::stdout().lock(),
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let context = Context::from_environment(&arguments.arch)?;
    match &arguments.command {
        Command::Boot(arguments) => command::boot::run(&context, arguments),
        Command::Test(arguments) => command::test::run(&context, arguments),
        Command::Build(arguments) => command::build::run(&context, arguments),
        Command::Image(arguments) => command::image::run(&context, arguments),
        Command::Run(arguments) => command::run::run(&context, arguments),
        Command::Repo(arguments) => command::repo::run(&context, arguments),
        Command::Audit(arguments) => command::audit::run(&context, arguments),
        Command::Source { package, version } => {
            command::source::run(&context, package, version.as_deref())
        }
        Command::Doctor => command::doctor::run(&context),
        Command::Phase { .. } | Command::Enter { .. } | Command::Http { .. } => {
            Ok(ExitCode::FAILURE)
        }
    }
}
