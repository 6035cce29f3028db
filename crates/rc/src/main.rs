//! One program with the names of all commands of the service manager; it does what it is called.

use rc::layout::Layout;
use std::ffi::OsString;
use std::path::Path;
use sys::process;

const NAMES: &str = "init openrc-init openrc openrc-run rc-service service rc-update rc-status start-stop-daemon \
supervise-daemon checkpath fstabinfo mountinfo openrc-shutdown halt poweroff reboot shutdown";

fn main() {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let status = run(&arguments);
    process::exit_now(status);
}

fn run(arguments: &[OsString]) -> i32 {
    let called = arguments.first().map(|word| {
        Path::new(word)
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    });
    let name = called.unwrap_or_default();
    // `rc NAME …` is NAME; process 1 is the init, whatever it is called.
    if matches!(name.as_str(), "rc" | "") && std::process::id() != 1 {
        return match arguments.get(1) {
            Some(word) if word != "rc" && word != "--list" => {
                run(arguments.get(1..).unwrap_or_default())
            }
            _ => {
                rc::message::print_line(1, format_args!("{}", NAMES.replace(' ', "\n")));
                0
            }
        };
    }
    if std::process::id() != 1 {
        process::reset_sigpipe();
    }
    rc::commands::main(&Layout::new("/"), &name, arguments)
}
