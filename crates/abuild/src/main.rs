//! `abuild [-j JOBS] [--update-sources] [PORT…]`: builds ports of the checkout in the current folder.
//!
//! `ferrata build` is the same with progress bars; this one prints lines, for logs and for tests.

use abuild::{Config, Event};
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: abuild [-j JOBS] [--update-sources] [PORT...]

Builds the ports below ./ports (all, or those named and what they need) into
signed packages, and indexes them in ./dist/repo. Packages built from the same
inputs before are taken from the cache.

  -j JOBS           run that many jobs at once; as many as there are processors
  --update-sources  look for newer sources of ports that follow a suite of Debian";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "__phase") {
        let status = abuild::phase_main(arguments.get(1..).unwrap_or_default());
        return ExitCode::from(u8::try_from(status).unwrap_or(1));
    }
    match build(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err((message, hint)) => {
            eprintln!("ERROR: {message}");
            if let Some(hint) = hint {
                eprintln!("hint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

type Failure = (String, Option<String>);

fn build(arguments: Vec<OsString>) -> Result<(), Failure> {
    let plain = |message: String| (message, None);
    let mut jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut names = Vec::new();
    let mut update_sources = false;
    let mut arguments = arguments
        .into_iter()
        .map(|argument| argument.to_string_lossy().into_owned());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-h" | "--help" => {
                println!("{USAGE}");
                return Ok(());
            }
            "--update-sources" => update_sources = true,
            "-j" => {
                let value = arguments.next().unwrap_or_default();
                jobs = value
                    .parse()
                    .ok()
                    .filter(|jobs| *jobs > 0)
                    .ok_or_else(|| plain(format!("-j {value:?}: no number")))?;
            }
            option if option.starts_with('-') => {
                return Err(plain(format!("unknown option {option}\n{USAGE}")));
            }
            name => names.push(name.to_owned()),
        }
    }
    let top = env::current_dir().map_err(|error| plain(format!("the current folder: {error}")))?;
    let runner =
        env::current_exe().map_err(|error| plain(format!("the path of this program: {error}")))?;
    let home = env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let xdg = |name: &str, below: &str| match env::var_os(name).map(PathBuf::from) {
        Some(folder) if folder.is_absolute() => folder.join("ferrata"),
        _ => home.join(below).join("ferrata"),
    };
    let config = Config {
        ports: top.join("ports"),
        repo: top.join("dist/repo"),
        workspace: top,
        cache: xdg("XDG_CACHE_HOME", ".cache"),
        config_dir: xdg("XDG_CONFIG_HOME", ".config"),
        arch: env::consts::ARCH.to_owned(),
        jobs,
        runner,
        update_sources,
    };
    let failed = |error: abuild::Error| (error.to_string(), error.hint());
    let plan = abuild::plan_noting(&config, &names, &mut show).map_err(failed)?;
    for port in plan.ports.iter().filter(|port| !port.cached) {
        println!("{}: to build: {}", port.recipe.name, port.why);
    }
    let outcome = abuild::run(&config, &plan, &mut show).map_err(failed)?;
    println!(
        "{} ports, {} built; {} packages in {}",
        outcome.ports,
        outcome.built,
        outcome.packages,
        config.arch_repo().display()
    );
    Ok(())
}

fn show(event: Event<'_>) {
    match event {
        Event::Cached { port } => println!("{port}: cached"),
        Event::Started { port } => println!("{port}"),
        Event::Phase { port, phase } => println!("{port}: {phase}"),
        Event::Note { port, text } => println!("{port}: {text}"),
        Event::Finished { port, seconds } => println!("{port}: built in {seconds} s"),
        Event::Line { .. } => {}
    }
}
