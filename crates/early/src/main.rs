//! `/init` of the initramfs; by the name `growroot`, what makes the root as large as its disk.

use early::cmdline::CommandLine;
use early::rescue::{self, Answer};
use rustix::system::RebootCommand;
use std::path::Path;
use std::process::ExitCode;

const TARGET: &str = "/sysroot";

fn main() -> ExitCode {
    let name = std::env::args_os().next();
    if name.is_some_and(|name| Path::new(&name).file_name() == Some("growroot".as_ref())) {
        return grow();
    }
    if std::process::id() != 1 {
        eprintln!(
            "early: this is the first program of the initramfs: the kernel starts it as process 1"
        );
        return ExitCode::FAILURE;
    }
    let mut words = String::new();
    if let Err(error) = early::mount_kernel_file_systems() {
        eprintln!("early: ERROR: {error}");
    } else {
        words = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    }
    loop {
        let line = CommandLine::parse(&words);
        if !line.quiet {
            let in_memory = if early::diskless::is_possible() {
                "made in memory"
            } else {
                "not given"
            };
            eprintln!(
                "early: root is {}",
                line.root.as_deref().unwrap_or(in_memory)
            );
        }
        let error = match early::prepare_root(&line, Path::new(TARGET)) {
            Ok(()) => early::switch::switch(Path::new(TARGET), &line),
            Err(error) => error,
        };
        rescue::tell(&error);
        rescue::shell();
        // A shell may be there to look at what was made, so it goes only now.
        early::diskless::undo(Path::new(TARGET));
        match rescue::ask() {
            Some(Answer::Retry) => {}
            // The last of a repeated option counts, so what was typed wins.
            Some(Answer::With(more)) => words = format!("{} {more}", words.trim_end()),
            Some(Answer::Reboot) => eprintln!("early: {}", rescue::leave(RebootCommand::Restart)),
            Some(Answer::PowerOff) => {
                eprintln!("early: {}", rescue::leave(RebootCommand::PowerOff))
            }
            // With no console there is nobody to ask: the kernel panics, and panic= decides.
            None => return ExitCode::FAILURE,
        }
    }
}

fn grow() -> ExitCode {
    if std::env::args_os().len() > 1 {
        eprintln!(
            "usage: growroot\n\nThe root's partition and its ext4 take what the disk has behind them."
        );
        return ExitCode::FAILURE;
    }
    match early::grow::grow() {
        Ok(done) => {
            for line in done {
                eprintln!("growroot: {line}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("growroot: ERROR: {error}");
            ExitCode::FAILURE
        }
    }
}
