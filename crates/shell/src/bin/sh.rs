//! The shell as a program of its own, for its tests and for the build host.

fn main() {
    sys::process::reset_sigpipe();
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    sys::process::exit_now(shell::main(&arguments, None, None));
}
