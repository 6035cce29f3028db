//! `rc-status [-aclmrsu] [RUNLEVEL…]`: the services of runlevels and what they are.

use super::fail;
use crate::layout::Layout;
use crate::machine::Current;
use crate::message::Style;
use crate::name::{Runlevel, ServiceName};
use crate::runlevels;
use crate::script::depend;
use crate::state::State;
use lexopt::{Arg, Parser};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

const USAGE: &str = "\
usage: rc-status [-C] [RUNLEVEL…]
       rc-status [-C] -a|-c|-l|-m|-r|-s|-u
  -a  all runlevels   -l  list runlevels       -r  print the current runlevel   -s  all services
  -c  crashed ones    -m  started, in no level -u  in no level                  -C  no colours";

/// What a state is called.
pub fn word(current: Current) -> &'static str {
    match current {
        Current::Stopped | Current::Failed => "stopped",
        Current::Starting => "starting",
        Current::Started => "started",
        Current::Stopping => "stopping",
        Current::Inactive => "inactive",
    }
}

struct Printer {
    state: State,
    style: Style,
}

impl Printer {
    fn title(&self, text: &str, name: &str) {
        crate::message::print_line(
            1,
            format_args!("{text} {}", self.coloured("\x1b[36;1m", name)),
        );
    }

    fn coloured(&self, code: &str, text: &str) -> String {
        match self.style.plain || !crate::engine::has_terminal() {
            true => text.to_owned(),
            false => format!("{code}{text}\x1b[m"),
        }
    }

    fn service(&self, name: &ServiceName) {
        let current = self.state.read(name);
        let (text, code) = match current {
            Current::Started if self.state.has_crashed(name) => ("crashed", "\x1b[31;1m"),
            Current::Failed => ("crashed", "\x1b[31;1m"),
            Current::Started => ("started", "\x1b[32;1m"),
            Current::Stopped => ("stopped", "\x1b[31;1m"),
            other => (word(other), "\x1b[33;1m"),
        };
        // A service that could not be started is no crash as long as nothing of it ever ran.
        let text = if current == Current::Failed {
            "failed"
        } else {
            text
        };
        crate::message::print_line(
            1,
            format_args!(
                " {:<68} [ {:^9} ]",
                name.as_str(),
                self.coloured(code, text)
            ),
        );
    }

    fn level(&self, layout: &Layout, level: &Runlevel) {
        self.title("Runlevel:", level.as_str());
        for name in runlevels::own_services(layout, level) {
            self.service(&name);
        }
        for below in runlevels::stacked(layout, level) {
            self.title(" Runlevel:", below.as_str());
            for name in runlevels::own_services(layout, &below) {
                self.service(&name);
            }
        }
    }
}

/// The command. The first argument is its name.
pub fn main(layout: &Layout, arguments: &[OsString]) -> i32 {
    let mut parser = Parser::from_args(arguments.iter().skip(1));
    let mut printer = Printer {
        state: State::new(layout),
        style: Style::from_environment(),
    };
    let mut what = ' ';
    let mut levels = Vec::new();
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Short(letter @ ('a' | 'c' | 'l' | 'm' | 'r' | 's' | 'u')))) => {
                what = letter
            }
            Ok(Some(Arg::Long("all"))) => what = 'a',
            Ok(Some(Arg::Long("crashed"))) => what = 'c',
            Ok(Some(Arg::Long("list"))) => what = 'l',
            Ok(Some(Arg::Long("manual"))) => what = 'm',
            Ok(Some(Arg::Long("runlevel"))) => what = 'r',
            Ok(Some(Arg::Long("servicelist"))) => what = 's',
            Ok(Some(Arg::Long("unused"))) => what = 'u',
            Ok(Some(Arg::Short('C') | Arg::Long("nocolor"))) => printer.style.plain = true,
            Ok(Some(Arg::Short('h') | Arg::Long("help"))) => {
                crate::message::print_line(1, format_args!("{USAGE}"));
                return 0;
            }
            Ok(Some(Arg::Value(word))) => match Runlevel::parse(word.as_bytes()) {
                Ok(level) if runlevels::exists(layout, &level) => levels.push(level),
                Ok(level) => return fail("rc-status", &runlevels::Error::NoLevel(level)),
                Err(error) => return fail("rc-status", &error),
            },
            Ok(Some(other)) => return fail("rc-status", &other.unexpected()),
            Err(error) => return fail("rc-status", &error),
        }
    }
    show(layout, &printer, what, levels);
    0
}

fn show(layout: &Layout, printer: &Printer, what: char, mut levels: Vec<Runlevel>) {
    let scripts = depend::scripts(layout);
    let in_levels: BTreeSet<ServiceName> = runlevels::all(layout)
        .iter()
        .flat_map(|level| runlevels::own_services(layout, level))
        .collect();
    let started = |name: &&ServiceName| printer.state.read(name) == Current::Started;
    let current = printer.state.runlevel().unwrap_or_else(Runlevel::sysinit);
    match what {
        'r' => crate::message::print_line(1, format_args!("{current}")),
        'l' => runlevels::all(layout)
            .iter()
            .for_each(|level| crate::message::print_line(1, format_args!("{level}"))),
        's' => scripts.iter().for_each(|name| printer.service(name)),
        'c' => {
            let crashed = |name: &&ServiceName| started(name) && printer.state.has_crashed(name);
            scripts
                .iter()
                .filter(crashed)
                .for_each(|name| crate::message::print_line(1, format_args!("{name}")));
        }
        'm' | 'u' => {
            let loose = scripts.iter().filter(|name| !in_levels.contains(*name));
            loose
                .filter(|name| what == 'u' || started(name))
                .for_each(|name| printer.service(name));
        }
        _ => {
            let only_current = what != 'a' && levels.is_empty();
            if what == 'a' {
                levels = runlevels::all(layout);
            } else if only_current {
                levels.push(current);
            }
            levels.iter().for_each(|level| printer.level(layout, level));
            if what == 'a' || only_current {
                let loose: Vec<&ServiceName> = scripts
                    .iter()
                    .filter(|name| !in_levels.contains(*name))
                    .filter(started)
                    .collect();
                printer.title("Dynamic Runlevel:", "manual");
                loose.into_iter().for_each(|name| printer.service(name));
            }
        }
    }
}
