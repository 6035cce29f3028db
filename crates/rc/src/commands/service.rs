//! `openrc-run SCRIPT ACTION…` (what the scripts' first line calls), `rc-service NAME ACTION…` and `service`.

use super::{fail, reach};
use crate::control::Flags;
use crate::engine::Goal;
use crate::graph::Graph;
use crate::layout::Layout;
use crate::machine::Current;
use crate::message::{Level, Style, is_yes};
use crate::name::ServiceName;
use crate::script::{self, depend};
use crate::state::State;
use lexopt::{Arg, Parser};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const USAGE: &str = "\
usage: rc-service [-CDqv] [-cdefilNrsSZ] NAME ACTION…
  start stop restart status zap describe, and what the script has besides
  -l  list all services        -e  status 0 if the service exists
  -r  print the script's path  -i  do nothing if it does not exist
  -s  only if it is started    -S  only if it is stopped   -N  only if it is not started
  -c  only if it has crashed   -D  without what it needs   -Z  print what would be done
  -C  no colours               -q  quiet                   -v  more
  -d  print each command";

#[derive(Debug, Default)]
struct Options {
    flags: Flags,
    alone: bool,
    dry: bool,
    list: bool,
    exists: bool,
    resolve: bool,
    if_exists: bool,
    if_started: bool,
    if_stopped: bool,
    if_not_started: bool,
    if_crashed: bool,
    help: bool,
    words: Vec<OsString>,
}

fn parse(arguments: &[OsString]) -> Result<Options, lexopt::Error> {
    let mut options = Options::default();
    let mut parser = Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('q') | Arg::Long("quiet") => options.flags.quiet = true,
            Arg::Short('v') | Arg::Long("verbose") => options.flags.verbose = true,
            Arg::Short('C') | Arg::Long("nocolor") => options.flags.plain = true,
            Arg::Short('D') | Arg::Long("nodeps") => options.alone = true,
            Arg::Short('Z') | Arg::Long("dry-run") => options.dry = true,
            Arg::Short('l') | Arg::Long("list") => options.list = true,
            Arg::Short('e') | Arg::Long("exists") => options.exists = true,
            Arg::Short('r') | Arg::Long("resolve") => options.resolve = true,
            Arg::Short('i') | Arg::Long("ifexists") => options.if_exists = true,
            Arg::Short('s') | Arg::Long("ifstarted") => options.if_started = true,
            Arg::Short('S') | Arg::Long("ifstopped") => options.if_stopped = true,
            Arg::Short('N') | Arg::Long("ifnotstarted") => options.if_not_started = true,
            Arg::Short('c') | Arg::Long("ifcrashed") => options.if_crashed = true,
            Arg::Short('d') | Arg::Long("debug") => options.flags.debug = true,
            Arg::Short('h') | Arg::Long("help") => options.help = true,
            Arg::Value(word) => options.words.push(word),
            other => return Err(other.unexpected()),
        }
    }
    Ok(options)
}

/// The `rc-service` command.
pub fn main(layout: &Layout, arguments: &[OsString]) -> i32 {
    let options = match parse(arguments.get(1..).unwrap_or_default()) {
        Ok(options) => options,
        Err(error) => return fail("rc-service", &error),
    };
    if options.help {
        crate::message::print_line(1, format_args!("{USAGE}"));
        return 0;
    }
    if options.list {
        for name in depend::scripts(layout) {
            crate::message::print_line(1, format_args!("{name}"));
        }
        return 0;
    }
    let Some((first, actions)) = options.words.split_first() else {
        crate::message::print_line(2, format_args!("{USAGE}"));
        return 1;
    };
    let name = match ServiceName::parse(first.as_bytes()) {
        Ok(name) => name,
        Err(error) => return fail("rc-service", &error),
    };
    let exists = layout.script(&name).is_file();
    if options.exists || (options.if_exists && !exists) {
        return i32::from(!exists && !options.if_exists);
    }
    if !exists {
        return fail(
            "rc-service",
            &format_args!("service `{name}' does not exist"),
        );
    }
    if options.resolve {
        crate::message::print_line(1, format_args!("{}", layout.script(&name).display()));
        return 0;
    }
    run(layout, &name, actions, &options)
}

/// The `openrc-run` command: `openrc-run /etc/init.d/NAME ACTION…`.
pub fn openrc_run(layout: &Layout, arguments: &[OsString]) -> i32 {
    let options = match parse(arguments.get(1..).unwrap_or_default()) {
        Ok(options) => options,
        Err(error) => return fail("openrc-run", &error),
    };
    let Some((script, actions)) = options.words.split_first() else {
        return fail("openrc-run", &"usage: openrc-run SCRIPT ACTION…");
    };
    let file = Path::new(script).file_name().unwrap_or_default();
    match ServiceName::parse(file.as_bytes()) {
        Ok(name) if layout.script(&name).is_file() => run(layout, &name, actions, &options),
        Ok(name) => fail(
            "openrc-run",
            &format_args!("{}: no such service", layout.script(&name).display()),
        ),
        Err(error) => fail("openrc-run", &error),
    }
}

fn run(layout: &Layout, name: &ServiceName, actions: &[OsString], options: &Options) -> i32 {
    if actions.is_empty() {
        return fail(
            name.as_str(),
            &"an action is needed: start, stop, restart, status, …",
        );
    }
    let state = State::new(layout);
    for action in actions {
        let action = action.to_string_lossy();
        let current = state.read(name);
        let started = matches!(current, Current::Started | Current::Inactive);
        let skip = (options.if_started && !started)
            || (options.if_stopped
                && matches!(
                    current,
                    Current::Started | Current::Starting | Current::Inactive
                ))
            || (options.if_not_started && started)
            || (options.if_crashed && !(started && state.has_crashed(name)));
        if skip {
            continue;
        }
        let status = act(layout, &state, name, &action, options);
        if status != 0 {
            return status;
        }
    }
    0
}

fn act(layout: &Layout, state: &State, name: &ServiceName, action: &str, options: &Options) -> i32 {
    let style = Style {
        plain: options.flags.plain,
        ..Style::from_environment()
    };
    let current = state.read(name);
    let alone = options.alone;
    if options.dry {
        crate::message::print_line(1, format_args!("{action} {name}"));
        return 0;
    }
    let goal = match action {
        "start" if current == Current::Started => {
            style.say(
                Level::Warn,
                &format!("WARNING: {name} has already been started"),
            );
            return 0;
        }
        "start" => {
            if let Err(why) = hotplug(layout, state, name) {
                return fail(name.as_str(), &why);
            }
            Goal::Start(name.clone(), alone)
        }
        "stop" if matches!(current, Current::Stopped | Current::Failed) => {
            style.say(Level::Warn, &format!("WARNING: {name} is already stopped"));
            return 0;
        }
        "stop" => Goal::Stop(name.clone(), alone),
        "restart" => Goal::Restart(name.clone(), alone),
        "zap" => {
            style.say(
                Level::Info,
                &format!("Manually resetting {name} to stopped state"),
            );
            Goal::Zap(name.clone())
        }
        "ineed" | "iuse" | "iwant" | "ibefore" | "iafter" | "iprovide" | "needsme" | "usesme"
        | "wantsme" | "afterme" | "beforeme" => {
            return dependencies(layout, name, action);
        }
        other => return script::run(layout, name, other, &options.flags.surroundings()),
    };
    reach(name.as_str(), layout, goal, options.flags)
}

/// A device appeared (`IN_HOTPLUG`): the service has to be one that may be started for that, and no change of the runlevel
/// stops it then.
fn hotplug(layout: &Layout, state: &State, name: &ServiceName) -> Result<(), String> {
    let asked =
        std::env::var_os("IN_HOTPLUG").is_some_and(|value| is_yes(value.as_bytes()) == Some(true));
    if !asked {
        return Ok(());
    }
    if !depend::Settings::load(layout).may_hotplug(name) {
        return Err("it is not among those that rc_hotplug in /etc/rc.conf allows".into());
    }
    state
        .set_flag("hotplugged", name, true)
        .map_err(|error| error.to_string())
}

/// What a service declares, and by whom it is declared, by name.
fn dependencies(layout: &Layout, name: &ServiceName, what: &str) -> i32 {
    let found = depend::scan(layout);
    let graph = Graph::new(found.declared.clone());
    let Some(names) = super::depend::related(&graph, &found.declared, name, what) else {
        return 1;
    };
    let words: Vec<&str> = names.iter().map(ServiceName::as_str).collect();
    crate::message::print_line(1, format_args!("{}", words.join(" ")));
    0
}
