//! `openrc [RUNLEVEL]`: goes to a runlevel, or makes the current one what it should be.

use super::{fail, reach};
use crate::control::Flags;
use crate::engine::{Asker, Engine, Goal};
use crate::layout::Layout;
use crate::name::Runlevel;
use crate::runlevels;
use crate::script::depend;
use crate::state::State;
use lexopt::{Arg, Parser};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

const USAGE: &str = "\
usage: openrc [-CnqSv] [RUNLEVEL]
  -n  stop nothing   -S  print what kind of system this is   -C  no colours   -q  quiet   -v  more";

/// The command. The first argument is its name.
pub fn main(layout: &Layout, arguments: &[OsString]) -> i32 {
    let mut parser = Parser::from_args(arguments.iter().skip(1));
    let mut flags = Flags::default();
    let (mut level, mut keep) = (None, false);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Short('q') | Arg::Long("quiet"))) => flags.quiet = true,
            Ok(Some(Arg::Short('v') | Arg::Long("verbose"))) => flags.verbose = true,
            Ok(Some(Arg::Short('C') | Arg::Long("nocolor"))) => flags.plain = true,
            Ok(Some(Arg::Short('n') | Arg::Long("no-stop"))) => keep = true,
            Ok(Some(Arg::Short('S') | Arg::Long("sys"))) => {
                let kind = depend::Settings::load(layout).kind;
                crate::message::print_line(1, format_args!("{}", kind.to_ascii_uppercase()));
                return 0;
            }
            Ok(Some(Arg::Short('h') | Arg::Long("help"))) => {
                crate::message::print_line(1, format_args!("{USAGE}"));
                return 0;
            }
            Ok(Some(Arg::Value(word))) => match Runlevel::parse(word.as_bytes()) {
                Ok(word) => level = Some(word),
                Err(error) => return fail("openrc", &error),
            },
            Ok(Some(other)) => return fail("openrc", &other.unexpected()),
            Err(error) => return fail("openrc", &error),
        }
    }
    let level = level
        .or_else(|| State::new(layout).runlevel())
        .unwrap_or_else(Runlevel::default_level);
    if !runlevels::exists(layout, &level) {
        return fail("openrc", &runlevels::Error::NoLevel(level));
    }
    if level == Runlevel::shutdown() && !layout.socket().exists() {
        // Another PID 1 brings the machine down and asks for the services' part.
        let mut engine = Engine::load(layout.clone());
        let asker = Asker::default();
        engine.shut_down(&asker);
        engine.run_until_idle();
        engine.start_last(&asker);
        engine.run_until_idle();
        return 0;
    }
    reach("openrc", layout, Goal::Level(level, keep), flags)
}
