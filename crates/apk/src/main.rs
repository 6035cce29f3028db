//! The `apk` command: [`command`] reads the command line and calls the library, [`net`] fetches. Called as `ssl_client`
//! the program lends its TLS to others.

mod command;
mod net;

use std::process::ExitCode;

#[global_allocator]
static HEAP: sys::heap::Heap = sys::heap::Heap;

fn main() -> ExitCode {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    #[cfg_attr(not(feature = "tls"), expect(unused_variables))]
    let name = arguments.drain(..arguments.len().min(1)).next();
    #[cfg(feature = "tls")]
    if name
        .as_ref()
        .and_then(|name| std::path::Path::new(name).file_name())
        .is_some_and(|name| name == "ssl_client")
    {
        return ExitCode::from(net::bridge::main(&arguments));
    }
    ExitCode::from(command::main(&arguments))
}
