//! `login`, as BusyBox has it.
//!
//! A user without a password is let in only on a terminal of the machine itself; root only where `/etc/securetty`
//! says so, if it is there; others only while `/etc/nologin` is not there.

use crate::common::accounts::{Accounts, User};
use crate::common::lines::{complain, say, write_all};
use crate::common::options::Options;
use crate::common::session::{self, Verdict};
use crate::common::syslog;
use rustix::stdio;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::fchown;
use std::path::Path;
use std::time::Duration;

pub const USAGE: &str = "[-p] [-h HOST] [[-f] USER]

-f  let USER in without a password (root only)
-p  keep the environment    -h  where the user comes from";

/// How many times a name and a password may be tried.
const TRIES: usize = 3;
/// How long a wrong password is held up.
const DELAY: Duration = Duration::from_secs(3);
/// How long somebody may take, in seconds.
const TIMEOUT: u32 = 60;

/// Begins a session.
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "login",
        letters: "f:h:p",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    if let Err(status) = options.operands(&given, 0, 1) {
        return status;
    }
    if !rustix::process::geteuid().is_root() {
        say("login", "must be run by root");
        return 1;
    }
    let terminal = session::terminal_name();
    if terminal.is_none() && !given.has('f') {
        say("login", "standard input is no terminal");
        return 1;
    }
    let terminal = terminal.unwrap_or_default();
    let accounts = Accounts::system();
    let from = match given.value('h') {
        Some(host) => format!(" from '{}'", host.display()),
        None => String::new(),
    };
    let user = match given.value('f') {
        Some(name) => match accounts.user(name.as_bytes()) {
            Ok(Some(user)) => user,
            Ok(None) => {
                say("login", format!("unknown user {}", name.display()));
                return 1;
            }
            Err(error) => {
                say("login", error);
                return 1;
            }
        },
        None => {
            let name = given.operands.first().map(|name| name.as_bytes().to_vec());
            match with_timeout(|| identify(&accounts, name, &terminal, &from)) {
                Ok(Some(user)) => user,
                Ok(None) => return 1,
                Err(error) => {
                    say("login", error);
                    return 1;
                }
            }
        }
    };
    if user.uid != 0
        && let Ok(text) = std::fs::read("/etc/nologin")
    {
        let text = if text.is_empty() {
            b"the system is not open for logins\r\n"
        } else {
            text.as_slice()
        };
        let _ = write_all(stdio::stdout(), text);
        return 1;
    }
    open_session(&accounts, &user, &terminal, &from, given.has('p'))
}

/// Gives up with the whole process when it takes too long.
fn with_timeout<T>(run: impl FnOnce() -> T) -> T {
    // The alarm's own way to end the process is what is wanted.
    sys::process::alarm(TIMEOUT);
    let result = run();
    sys::process::alarm(0);
    result
}

/// Asks for names and passwords until they are right.
fn identify(
    accounts: &Accounts,
    mut name: Option<Vec<u8>>,
    terminal: &[u8],
    from: &str,
) -> Result<Option<User>, crate::common::accounts::Error> {
    let securetty = std::fs::read("/etc/securetty").ok();
    let local = session::is_local(terminal) && from.is_empty();
    for _ in 0..TRIES {
        let given = match name.take() {
            Some(name) => name,
            None => match ask_name() {
                Some(name) => name,
                None => return Ok(None),
            },
        };
        let user = accounts.user(&given)?;
        // Root on a terminal that is not for it is asked, and refused, like anybody who does not exist.
        let allowed = user
            .as_ref()
            .filter(|user| user.uid != 0 || session::root_may_use(terminal, securetty.as_deref()));
        if session::authenticate(accounts, allowed, local, "Password: ")? == Verdict::Welcome {
            return Ok(user);
        }
        syslog::log(
            syslog::AUTH,
            syslog::WARNING,
            "login",
            &format!(
                "invalid password for '{}' on '{}'{from}",
                shown(&given),
                shown(terminal)
            ),
        );
        std::thread::sleep(DELAY);
        let _ = write_all(stdio::stdout(), b"Login incorrect\n");
    }
    Ok(None)
}

/// A name for the log: nothing in it may look like a line of its own.
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).escape_debug().to_string()
}

fn ask_name() -> Option<Vec<u8>> {
    let host = rustix::system::uname();
    loop {
        let mut prompt = host.nodename().to_bytes().to_vec();
        prompt.extend_from_slice(b" login: ");
        write_all(stdio::stdout(), &prompt).ok()?;
        let line = session::read_line().ok()??;
        let name = line.trim_ascii();
        if !name.is_empty() {
            return Some(name.to_vec());
        }
    }
}

fn open_session(accounts: &Accounts, user: &User, terminal: &[u8], from: &str, keep: bool) -> i32 {
    if !terminal.is_empty() {
        // On a read-only /dev the terminal stays root's, and the session works all the same.
        let _ = fchown(stdio::stdin(), Some(user.uid), Some(user.gid));
        let _ = rustix::fs::fchmod(stdio::stdin(), rustix::fs::Mode::from_raw_mode(0o600));
    }
    let shell = session::shell_of(user);
    let mut environment = session::environment(user, shell, &["TERM"]);
    if keep {
        for (name, value) in std::env::vars_os() {
            let mut variable = name;
            variable.push("=");
            let named = variable.clone();
            variable.push(value);
            if !environment
                .iter()
                .any(|known| known.as_bytes().starts_with(named.as_bytes()))
            {
                environment.push(variable);
            }
        }
    }
    let home = Path::new(OsStr::from_bytes(&user.home));
    if let Err(error) = std::env::set_current_dir(home) {
        complain("login", home.as_os_str(), &error);
        let _ = std::env::set_current_dir("/");
    }
    if !home.join(".hushlogin").exists()
        && let Ok(text) = std::fs::read("/etc/motd")
    {
        let _ = write_all(stdio::stdout(), &text);
    }
    syslog::log(
        syslog::AUTH,
        if user.uid == 0 {
            syslog::NOTICE
        } else {
            syslog::INFO
        },
        "login",
        &format!("{} login on '{}'{from}", shown(&user.name), shown(terminal)),
    );
    let _ = sys::process::set_signal(2, sys::process::Disposition::Default);
    let arguments = [session::shell_name(shell, true)];
    let error = session::run_as(accounts, user, shell, &arguments, &environment);
    complain("login", shell, &error);
    1
}
