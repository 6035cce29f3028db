//! One program with the names of all commands of the service manager; it does what it is called.

use rc::layout::Layout;
use rc::message::print_line;
use std::ffi::OsString;
use std::path::Path;
use sys::process;

/// Where each name lies in a system.
const PATHS: [&str; 26] = [
    "sbin/init",
    "sbin/openrc-init",
    "sbin/openrc",
    "sbin/openrc-run",
    "sbin/rc-service",
    "sbin/service",
    "sbin/rc-update",
    "bin/rc-status",
    "sbin/rc-config",
    "bin/rc-depend",
    "bin/rc-lint",
    "bin/rc-log",
    "bin/rc-sstat",
    "bin/rc-why",
    "sbin/seedrng",
    "sbin/swclock",
    "sbin/start-stop-daemon",
    "sbin/supervise-daemon",
    "bin/checkpath",
    "bin/fstabinfo",
    "bin/mountinfo",
    "sbin/openrc-shutdown",
    "sbin/halt",
    "sbin/poweroff",
    "sbin/reboot",
    "sbin/shutdown",
];

/// The words of service scripts that scripts of other kinds may call as programs.
const WORDS: &str = "checkpath fstabinfo mountinfo rc-depend ewaitfile eval_ecolors kill_all on_ac_power veindent veoutdent einfo einfon ewarn ewarnn eerror eerrorn ebegin eend ewend eindent eoutdent veinfo vewarn vebegin \
veend vewend esyslog elog yesno shell_var get_bootparam is_newer_than is_older_than service_started service_stopped \
service_starting service_stopping service_inactive service_crashed service_wasinactive service_hotplugged \
service_started_daemon service_set_value service_get_value save_options get_options";

/// Those that change something.
const MARKS: &str = "mark_service_started mark_service_stopped mark_service_starting mark_service_stopping \
mark_service_inactive mark_service_wasinactive mark_service_hotplugged mark_service_failed mark_service_crashed";

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
        return match arguments
            .get(1)
            .map(|word| word.to_string_lossy())
            .as_deref()
        {
            None | Some("--list") => {
                for path in PATHS {
                    print_line(
                        1,
                        format_args!("{}", path.rsplit('/').next().unwrap_or(path)),
                    );
                }
                0
            }
            Some("--list-full") => {
                PATHS
                    .iter()
                    .for_each(|path| print_line(1, format_args!("{path}")));
                WORDS
                    .split(' ')
                    .for_each(|word| print_line(1, format_args!("lib/rc/bin/{word}")));
                MARKS
                    .split(' ')
                    .for_each(|word| print_line(1, format_args!("lib/rc/sbin/{word}")));
                0
            }
            Some("rc") => 1,
            Some(_) => run(arguments.get(1..).unwrap_or_default()),
        };
    }
    if std::process::id() != 1 {
        process::reset_sigpipe();
    }
    rc::commands::main(&Layout::new("/"), &name, arguments)
}
