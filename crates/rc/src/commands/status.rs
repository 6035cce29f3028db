//! `rc-status [-aclmrsSu] [--json] [RUNLEVEL…]`: the services of runlevels and what they are.

use super::fail;
use crate::layout::Layout;
use crate::machine::Current;
use crate::message::{Style, print_line};
use crate::name::{Runlevel, ServiceName};
use crate::runlevels;
use crate::script::depend;
use crate::state::State;
use lexopt::{Arg, Parser};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

const USAGE: &str = "\
usage: rc-status [-C] [--json|-f ini] [RUNLEVEL…]
       rc-status [-C] [--json|-f ini] -a|-c|-l|-m|-r|-s|-S|-u
  -a  all runlevels   -l  list runlevels       -r  print the current runlevel   -s  all services
  -c  crashed ones    -m  started, in no level -u  in no level                  -S  supervised ones
  -f ini, --json: to be read by programs       -C  no colours";

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

/// A daemon that a supervisor looks after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supervised {
    /// Its process; 0: it is between two.
    pub process: i32,
    /// Seconds since 1970 when it was started last.
    pub since: u64,
    /// How often it was started again lately.
    pub restarts: u64,
}

impl fmt::Display for Supervised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = crate::log::date(self.since);
        match self.process {
            0 => write!(f, "its daemon ended, and is to be started again")?,
            pid => write!(f, "its daemon is process {pid}, since {since}")?,
        }
        match self.restarts {
            0 => Ok(()),
            count => write!(f, ", started again {count} times lately"),
        }
    }
}

/// What is known of the daemon of a service that has a supervisor.
pub fn supervised(state: &State, name: &ServiceName) -> Option<Supervised> {
    let value = |key: &[u8]| {
        let text = state.value(name, &ServiceName::parse(key).ok()?)?;
        std::str::from_utf8(text.trim_ascii())
            .ok()?
            .parse::<u64>()
            .ok()
    };
    Some(Supervised {
        process: i32::try_from(value(b"child_pid")?).ok()?,
        since: value(b"start_time")?,
        restarts: value(b"respawn_count")?,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Person,
    Ini,
    Json,
}

struct Printer {
    layout: Layout,
    state: State,
    style: Style,
    form: Form,
    /// Something stands in the list already.
    begun: bool,
}

/// A string as JSON has it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => out += &format!("\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl Printer {
    fn title(&self, text: &str, name: &str) {
        match self.form {
            Form::Person => print_line(
                1,
                format_args!("{text} {}", self.coloured("\x1b[36;1m", name)),
            ),
            Form::Ini => print_line(1, format_args!("[{name}]")),
            Form::Json => {}
        }
    }

    fn coloured(&self, code: &str, text: &str) -> String {
        match self.style.plain || !crate::engine::has_terminal() {
            true => text.to_owned(),
            false => format!("{code}{text}\x1b[m"),
        }
    }

    fn service(&mut self, name: &ServiceName) {
        let current = self.state.read(name);
        let (text, code) = match current {
            Current::Started if self.state.has_crashed(name) => ("crashed", "\x1b[31;1m"),
            // A service that could not be started is no crash as long as nothing of it ever ran.
            Current::Failed => ("failed", "\x1b[31;1m"),
            Current::Started => ("started", "\x1b[32;1m"),
            Current::Stopped => ("stopped", "\x1b[31;1m"),
            other => (word(other), "\x1b[33;1m"),
        };
        let daemon = supervised(&self.state, name).filter(|_| current == Current::Started);
        match self.form {
            Form::Ini => print_line(1, format_args!("{name} = {text}")),
            Form::Json => self.object(name, text, daemon),
            Form::Person => {
                let life = daemon.map(|daemon| {
                    let seconds = crate::log::seconds().saturating_sub(daemon.since);
                    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
                    format!(
                        " {hours:02}:{minutes:02}:{:02} ({})",
                        seconds % 60,
                        daemon.restarts
                    )
                });
                print_line(
                    1,
                    format_args!(
                        " {:<width$} [ {:^9}{} ]",
                        name.as_str(),
                        self.coloured(code, text),
                        life.as_deref().unwrap_or(""),
                        width = 68_usize.saturating_sub(life.as_ref().map_or(0, String::len)),
                    ),
                );
            }
        }
    }

    fn object(&mut self, name: &ServiceName, text: &str, daemon: Option<Supervised>) {
        let levels: Vec<String> = runlevels::all(&self.layout)
            .iter()
            .filter(|level| runlevels::own_services(&self.layout, level).contains(name))
            .map(|level| quoted(level.as_str()))
            .collect();
        let mut line = format!(
            "{}{{\"name\":{},\"state\":{},\"runlevels\":[{}]",
            if self.begun { "," } else { "" },
            quoted(name.as_str()),
            quoted(text),
            levels.join(",")
        );
        self.begun = true;
        if let Some(daemon) = daemon {
            line += &format!(
                ",\"pid\":{},\"since\":{},\"restarts\":{}",
                daemon.process, daemon.since, daemon.restarts
            );
        }
        if let Some(why) = self.state.why(name) {
            line += &format!(",\"why\":{}", quoted(&why));
        }
        print_line(1, format_args!("{line}}}"));
    }

    fn level(&mut self, level: &Runlevel) {
        self.title("Runlevel:", level.as_str());
        for name in runlevels::own_services(&self.layout, level) {
            self.service(&name);
        }
        for below in runlevels::stacked(&self.layout, level) {
            self.title(" Runlevel:", below.as_str());
            for name in runlevels::own_services(&self.layout, &below) {
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
        layout: layout.clone(),
        form: Form::Person,
        begun: false,
    };
    let mut what = ' ';
    let mut levels = Vec::new();
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Short(letter @ ('a' | 'c' | 'l' | 'm' | 'r' | 's' | 'S' | 'u')))) => {
                what = letter
            }
            Ok(Some(Arg::Long("all"))) => what = 'a',
            Ok(Some(Arg::Long("crashed"))) => what = 'c',
            Ok(Some(Arg::Long("list"))) => what = 'l',
            Ok(Some(Arg::Long("manual"))) => what = 'm',
            Ok(Some(Arg::Long("runlevel"))) => what = 'r',
            Ok(Some(Arg::Long("servicelist"))) => what = 's',
            Ok(Some(Arg::Long("supervised"))) => what = 'S',
            Ok(Some(Arg::Long("unused"))) => what = 'u',
            Ok(Some(Arg::Long("json"))) => printer.form = Form::Json,
            Ok(Some(Arg::Short('f') | Arg::Long("format"))) => match parser.value() {
                Ok(value) if value == "ini" => printer.form = Form::Ini,
                Ok(value) if value == "json" => printer.form = Form::Json,
                Ok(_) => return fail("rc-status", &"-f knows ini and json"),
                Err(error) => return fail("rc-status", &error),
            },
            Ok(Some(Arg::Short('C') | Arg::Long("nocolor"))) => printer.style.plain = true,
            Ok(Some(Arg::Short('q') | Arg::Long("quiet"))) => {}
            Ok(Some(Arg::Short('h') | Arg::Long("help"))) => {
                print_line(1, format_args!("{USAGE}"));
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
    let current = printer.state.runlevel();
    let is_json = printer.form == Form::Json && !matches!(what, 'r' | 'l');
    if is_json {
        let level = current
            .as_ref()
            .map_or("null".into(), |level| quoted(level.as_str()));
        print_line(1, format_args!("{{\"runlevel\":{level},\"services\":["));
    }
    let status = show(layout, &mut printer, what, levels);
    if is_json {
        print_line(1, format_args!("]}}"));
    }
    status
}

fn show(layout: &Layout, printer: &mut Printer, what: char, mut levels: Vec<Runlevel>) -> i32 {
    let scripts = depend::scripts(layout);
    let in_levels: BTreeSet<ServiceName> = runlevels::all(layout)
        .iter()
        .flat_map(|level| runlevels::own_services(layout, level))
        .collect();
    let state = printer.state.clone();
    let started = |name: &&ServiceName| state.read(name) == Current::Started;
    let current = state.runlevel().unwrap_or_else(Runlevel::sysinit);
    match what {
        'r' => print_line(1, format_args!("{current}")),
        'l' => runlevels::all(layout)
            .iter()
            .for_each(|level| print_line(1, format_args!("{level}"))),
        's' => scripts.iter().for_each(|name| printer.service(name)),
        'S' => {
            let supervised = |name: &&ServiceName| supervised(&state, name).is_some();
            scripts
                .iter()
                .filter(started)
                .filter(supervised)
                .for_each(|name| printer.service(name));
        }
        'c' => {
            let crashed: Vec<&ServiceName> = scripts
                .iter()
                .filter(started)
                .filter(|name| state.has_crashed(name))
                .collect();
            for name in &crashed {
                match printer.form {
                    Form::Person => print_line(1, format_args!("{name}")),
                    _ => printer.service(name),
                }
            }
            return i32::from(crashed.is_empty());
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
            levels.iter().for_each(|level| printer.level(level));
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
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_of_json() {
        assert_eq!(quoted("a\"b\\c\nd\u{1}é"), r#""a\"b\\c\u000ad\u0001é""#);
    }

    #[test]
    fn what_a_supervisor_noted() {
        let root = tempfile::tempdir().unwrap();
        let state = State::new(&Layout::new(root.path()));
        let name = ServiceName::parse(b"x").unwrap();
        assert_eq!(supervised(&state, &name), None);
        for (key, value) in [
            ("child_pid", "7"),
            ("start_time", "0"),
            ("respawn_count", "2"),
        ] {
            let key = ServiceName::parse(key.as_bytes()).unwrap();
            state.set_value(&name, &key, value.as_bytes()).unwrap();
        }
        assert_eq!(
            supervised(&state, &name).unwrap().to_string(),
            "its daemon is process 7, since 1970-01-01 00:00:00 UTC, started again 2 times lately"
        );
    }
}
