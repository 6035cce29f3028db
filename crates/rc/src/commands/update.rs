//! `rc-update [add|del|show] …`: which services are in which runlevels.

use super::fail;
use crate::layout::Layout;
use crate::message::{Level, Style};
use crate::name::{Runlevel, ServiceName};
use crate::runlevels;
use crate::script::depend;
use crate::state::State;
use lexopt::{Arg, Parser};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

const USAGE: &str = "\
usage: rc-update [-s] add SERVICE [RUNLEVEL…]
       rc-update [-as] del SERVICE [RUNLEVEL…]
       rc-update [-v] [show] [RUNLEVEL…]
       rc-update -u
  -a  from all runlevels   -s  SERVICE is a runlevel to stack   -v  show services of no level too
  -u  has no effect here: dependencies are read anew whenever a script has changed";

#[derive(Debug, Default)]
struct Options {
    all: bool,
    stack: bool,
    verbose: bool,
    update: bool,
    help: bool,
    words: Vec<OsString>,
}

fn parse(arguments: &[OsString]) -> Result<Options, lexopt::Error> {
    let mut options = Options::default();
    let mut parser = Parser::from_args(arguments.iter().skip(1));
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('a') | Arg::Long("all") => options.all = true,
            Arg::Short('s') | Arg::Long("stack") => options.stack = true,
            Arg::Short('v') | Arg::Long("verbose") => options.verbose = true,
            Arg::Short('u') | Arg::Long("update") => options.update = true,
            Arg::Short('C' | 'q') | Arg::Long("nocolor" | "quiet") => {}
            Arg::Short('h') | Arg::Long("help") => options.help = true,
            Arg::Value(word) => options.words.push(word),
            other => return Err(other.unexpected()),
        }
    }
    Ok(options)
}

fn level(word: &OsString) -> Result<Runlevel, String> {
    Runlevel::parse(word.as_bytes()).map_err(|error| error.to_string())
}

/// The command. The first argument is its name.
pub fn main(layout: &Layout, arguments: &[OsString]) -> i32 {
    let done = match parse(arguments) {
        Ok(options) if options.help => {
            crate::message::print_line(1, format_args!("{USAGE}"));
            return 0;
        }
        Ok(options) => act(layout, &options),
        Err(error) => Err(error.to_string()),
    };
    match done {
        Ok(()) => 0,
        Err(error) => fail("rc-update", &error),
    }
}

fn act(layout: &Layout, options: &Options) -> Result<(), String> {
    let (verb, rest) = match options.words.split_first() {
        Some((verb, rest)) => (verb.to_string_lossy().into_owned(), rest),
        None if options.update => return Ok(()),
        None => ("show".to_owned(), &[][..]),
    };
    match verb.as_str() {
        "add" | "del" | "delete" => change(layout, options, &verb, rest),
        "show" => show(layout, options, rest),
        "update" => Ok(()),
        // `rc-update default` shows that level.
        _ if runlevels::exists(layout, &level(&OsString::from(&verb))?) => {
            show(layout, options, &options.words)
        }
        _ => Err(format!("{verb:?} is no command and no runlevel\n{USAGE}")),
    }
}

fn change(
    layout: &Layout,
    options: &Options,
    verb: &str,
    words: &[OsString],
) -> Result<(), String> {
    let Some((first, levels)) = words.split_first() else {
        return Err("which service?".into());
    };
    let service = ServiceName::parse(first.as_bytes()).map_err(|error| error.to_string())?;
    let mut levels: Vec<Runlevel> = levels.iter().map(level).collect::<Result<_, _>>()?;
    if options.all && verb != "add" {
        levels = runlevels::all(layout);
    } else if levels.is_empty() {
        levels.push(
            State::new(layout)
                .runlevel()
                .unwrap_or_else(Runlevel::default_level),
        );
    }
    let style = Style::from_environment();
    for level in &levels {
        if verb == "add" {
            let added = if options.stack {
                let below = Runlevel::parse(first.as_bytes()).map_err(|error| error.to_string())?;
                runlevels::add_stacked(layout, &below, level)
            } else {
                runlevels::add(layout, &service, level)
            };
            let text = match added.map_err(|error| error.to_string())? {
                true => format!("service {service} added to runlevel {level}"),
                false => format!("{service} already installed in runlevel `{level}'; skipping"),
            };
            style.say(Level::Info, &text);
        } else {
            match runlevels::remove(layout, &service, level) {
                Ok(()) => style.say(
                    Level::Info,
                    &format!("service {service} removed from runlevel {level}"),
                ),
                Err(runlevels::Error::NotThere(..)) if options.all => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }
    if verb == "add" && !options.stack {
        tell_of_cycles(layout, &service);
    }
    Ok(())
}

/// Circles are named when they are made, not when the next boot runs into them.
fn tell_of_cycles(layout: &Layout, service: &ServiceName) {
    let graph = crate::graph::Graph::new(depend::scan(layout).declared);
    for cycle in graph
        .cycles()
        .iter()
        .filter(|cycle| cycle.links.iter().any(|(name, _)| name == service))
    {
        Style::from_environment().say(Level::Warn, &cycle.to_string());
    }
}

fn show(layout: &Layout, options: &Options, words: &[OsString]) -> Result<(), String> {
    let levels = match words {
        [] => runlevels::all(layout),
        words => words.iter().map(level).collect::<Result<_, _>>()?,
    };
    let mut services: BTreeSet<ServiceName> = BTreeSet::new();
    let mut members = Vec::new();
    for level in levels {
        if !runlevels::exists(layout, &level) {
            return Err(runlevels::Error::NoLevel(level).to_string());
        }
        let own: BTreeSet<ServiceName> = runlevels::own_services(layout, &level)
            .into_iter()
            .collect();
        services.extend(own.iter().cloned());
        members.push((level, own));
    }
    if options.verbose {
        services.extend(depend::scripts(layout));
    }
    for service in services {
        let mut line = format!("{service:>20} |");
        for (level, own) in &members {
            let word = if own.contains(&service) {
                level.as_str()
            } else {
                ""
            };
            line += &format!(" {word:width$}", width = level.as_str().len());
        }
        crate::message::print_line(1, format_args!("{}", line.trim_end()));
    }
    Ok(())
}
