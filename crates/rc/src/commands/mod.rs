//! The commands, one file each: parse, ask, print.

pub mod config;
pub mod depend;
pub mod lint;
pub mod log;
pub mod messages;
pub mod openrc;
pub mod power;
pub mod service;
pub mod status;
pub mod update;
pub mod why;

use crate::control::{self, Flags, Request};
use crate::engine::{Asker, Engine, Goal};
use crate::layout::Layout;
use crate::message::{Level, Style};
use std::ffi::OsString;

/// The command of that name; the first argument is what it was called by. Process 1 is the init, whatever its name.
pub fn main(layout: &Layout, name: &str, arguments: &[OsString]) -> i32 {
    if std::process::id() == 1 {
        return crate::init::main(layout, arguments);
    }
    match name {
        "init" | "openrc-init" => crate::init::main(layout, arguments),
        "openrc" => openrc::main(layout, arguments),
        "openrc-run" => service::openrc_run(layout, arguments),
        "rc-service" | "service" => service::main(layout, arguments),
        "rc-update" => update::main(layout, arguments),
        "rc-status" => status::main(layout, arguments),
        "rc-config" => config::main(layout, arguments),
        "rc-depend" => depend::main(layout, arguments),
        "rc-lint" => lint::main(layout, arguments),
        "rc-log" => log::main(layout, arguments),
        "rc-sstat" => config::supervised(layout, arguments),
        "rc-why" => why::main(layout, arguments),
        "halt" | "poweroff" | "reboot" | "shutdown" | "openrc-shutdown" => {
            power::main(layout, name, arguments)
        }
        _ => match messages::main(name, arguments) {
            Some(status) => status,
            None => fail("rc", &format_args!("{name}: no such command")),
        },
    }
}

/// Prints an error and returns status 1.
pub(crate) fn fail(name: &str, why: &dyn std::fmt::Display) -> i32 {
    Style::from_environment().say(Level::Error, &format!("{name}: {why}"));
    1
}

/// Has a goal reached: by PID 1 where it is ours, otherwise here. Returns the status.
pub(crate) fn reach(name: &str, layout: &Layout, goal: Goal, flags: Flags) -> i32 {
    match control::ask(&layout.socket(), &Request::Goal(goal.clone(), flags)) {
        Ok(done) => i32::from(!done),
        Err(control::Error::Nobody) => {
            let mut engine = Engine::load(layout.clone());
            let together = matches!(goal, Goal::Level(..));
            let asker = Asker {
                stdio: None,
                around: crate::script::Surroundings {
                    together,
                    ..flags.surroundings()
                },
            };
            if let Err(error) = engine.ask(&goal, &asker) {
                return fail(name, &error);
            }
            engine.run_until_idle();
            i32::from(engine.reached(&goal) != Some(true))
        }
        Err(error) => fail(name, &error),
    }
}
