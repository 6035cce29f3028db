//! The multi-call program: the name it is called by says which applet runs.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

#[global_allocator]
static HEAP: sys::heap::Heap = sys::heap::Heap;

fn main() {
    sys::process::reset_sigpipe();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // No destructor matters any more, and what applets print they flush themselves.
    sys::process::exit_now(run(&arguments));
}

fn run(arguments: &[OsString]) -> i32 {
    let called = arguments
        .first()
        .map_or(OsStr::new("toolbox"), OsString::as_os_str);
    let name = base_name(called.as_bytes());
    // Also `busybox.static` and whatever else it is called.
    if !name.starts_with(b"toolbox") && !name.starts_with(b"busybox") {
        return match toolbox::find(name) {
            Some(applet) => toolbox::run(applet, arguments),
            None => toolbox::unknown(name),
        };
    }
    let rest = arguments.get(1..).unwrap_or_default();
    let Some(first) = rest.first() else {
        return toolbox::own::overview();
    };
    match first.as_bytes() {
        b"--help" | b"-h" => match rest.get(1) {
            None => toolbox::own::overview(),
            Some(name) => toolbox::own::help(name.as_bytes()),
        },
        b"--list" => toolbox::own::list(false),
        b"--list-full" => toolbox::own::list(true),
        b"--install" => toolbox::own::install(rest.get(1..).unwrap_or_default()),
        name => match toolbox::find(name) {
            Some(applet) => toolbox::run(applet, rest),
            None => toolbox::unknown(name),
        },
    }
}

/// `/bin/ls` and a login shell's `-sh` are `ls` and `sh`.
fn base_name(path: &[u8]) -> &[u8] {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    name.strip_prefix(b"-").unwrap_or(name)
}
