//! `ferrata repo`: index, sign or serve the repository.

use crate::context::Context;
use crate::http;
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;

/// Works on a repository: a folder that holds one of each architecture, with packages and their index.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write and sign the index of the packages that lie in the repository.
    Index {
        /// The repository; without: dist/repo.
        folder: Option<PathBuf>,
    },
    /// Serve the repository over HTTP until interrupted.
    Serve {
        /// The repository; without: dist/repo.
        folder: Option<PathBuf>,
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: String,
    },
}

/// Does what was asked.
pub fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.action {
        Action::Index { folder } => {
            let folder = folder
                .clone()
                .unwrap_or_else(|| context.repository())
                .join(&context.arch);
            let count = abuild::index(&folder, &context.config, &context.arch)?;
            println!("{}: {count} packages indexed and signed", folder.display());
        }
        Action::Serve { folder, listen } => {
            let folder = folder.clone().unwrap_or_else(|| context.repository());
            if !folder.is_dir() {
                anyhow::bail!(
                    "{}: no such folder: run ./ferrata build first",
                    folder.display()
                );
            }
            let listener =
                TcpListener::bind(listen).with_context(|| format!("listening on {listen}"))?;
            println!(
                "serving {} on http://{} (Ctrl-C ends it)",
                folder.display(),
                listener.local_addr()?
            );
            http::listen(&folder, &listener)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
