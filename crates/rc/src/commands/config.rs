//! `rc-config`: Gentoo's front end to `rc-update` and `rc-service`; `rc-sstat`: the supervised services.

use super::{fail, service, status, update};
use crate::layout::Layout;
use crate::log;
use crate::machine::Current;
use crate::message::print_line;
use crate::script::depend;
use crate::state::State;
use std::ffi::OsString;

const USAGE: &str = "\
usage: rc-config list [RUNLEVEL]         all services, with the runlevels that they are in
       rc-config show [RUNLEVEL…]        what runlevels have, and what of it runs
       rc-config add|delete NAME [RUNLEVEL…]
       rc-config start|stop|restart|pause|status|zap NAME…";

/// The command. The first argument is its name.
pub fn main(layout: &Layout, arguments: &[OsString]) -> i32 {
    let words = arguments.get(1..).unwrap_or_default();
    let Some((verb, rest)) = words.split_first() else {
        return fail("rc-config", &USAGE);
    };
    let with = |first: &[&str]| -> Vec<OsString> {
        let first = first.iter().map(OsString::from);
        first.chain(rest.iter().cloned()).collect()
    };
    let verb = verb.to_string_lossy();
    match &*verb {
        "list" => update::main(layout, &with(&["rc-update", "-v", "show"])),
        "show" => status::main(layout, &with(&["rc-status"])),
        "add" | "delete" => update::main(layout, &with(&["rc-update", &verb])),
        "start" | "stop" | "restart" | "pause" | "status" | "zap" => {
            // To pause is to stop alone: who needs it stays.
            let (option, action) = match &*verb {
                "pause" => (Some("-D"), "stop"),
                other => (None, other),
            };
            let mut worst = 0;
            for name in rest {
                let mut words: Vec<OsString> = vec!["rc-service".into()];
                words.extend(option.map(OsString::from));
                words.extend([name.clone(), action.into()]);
                worst = worst.max(service::main(layout, &words));
            }
            worst
        }
        "help" | "-h" | "--help" => {
            print_line(1, format_args!("{USAGE}"));
            0
        }
        _ => fail("rc-config", &USAGE),
    }
}

/// `rc-sstat`: a line for each service that has a supervisor.
pub fn supervised(layout: &Layout, arguments: &[OsString]) -> i32 {
    if let Some(word) = arguments.get(1) {
        let help = word == "-h" || word == "--help";
        print_line(if help { 1 } else { 2 }, format_args!("usage: rc-sstat"));
        return i32::from(!help);
    }
    let state = State::new(layout);
    for name in depend::scripts(layout) {
        if state.read(&name) != Current::Started {
            continue;
        }
        let Some(daemon) = status::supervised(&state, &name) else {
            continue;
        };
        let seconds = log::seconds().saturating_sub(daemon.since);
        match daemon.process {
            0 => print_line(
                1,
                format_args!("{name}: down, {} restarts", daemon.restarts),
            ),
            pid => print_line(
                1,
                format_args!(
                    "{name}: up (pid {pid}) {seconds} seconds, {} restarts",
                    daemon.restarts
                ),
            ),
        }
    }
    0
}
