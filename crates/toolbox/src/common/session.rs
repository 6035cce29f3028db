//! Letting somebody in: asking for a password, and a shell that runs as another user.

use super::accounts::{Accounts, Error, User};
use super::crypt;
use super::lines::write_all;
use rustix::stdio;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// The search path of users, and of root.
const PATH: &str = "PATH=/usr/local/bin:/usr/bin:/bin";
const ROOT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The longest line that is taken for a name or password.
const MOST: usize = 1024;

/// Reads a line from standard input a byte at a time, so that nothing behind it is taken away from what runs next.
/// `None`: the end, or a line that is too long.
pub fn read_line() -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        match sys::process::read(0, &mut byte) {
            Ok(0) if line.is_empty() => return Ok(None),
            Ok(0) => return Ok(Some(line)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                if sys::process::signal_pending() {
                    return Ok(None);
                }
                continue;
            }
            Err(error) => return Err(error),
        }
        match byte {
            [b'\n' | b'\r'] => return Ok(Some(line)),
            [byte] => line.push(byte),
        }
        if line.len() > MOST {
            return Ok(None);
        }
    }
}

/// Shows a prompt and reads a line, unseen on a terminal.
pub fn ask_password(prompt: &str) -> io::Result<Option<Vec<u8>>> {
    write_all(stdio::stderr(), prompt.as_bytes())?;
    // Standard input that is no terminal shows nothing anyway.
    let settings = sys::tty::silence(0).ok();
    let line = read_line();
    if let Some(settings) = settings {
        settings.restore();
        write_all(stdio::stderr(), b"\n")?;
    }
    line
}

/// What a password check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Come in.
    Welcome,
    /// No.
    Refused,
}

/// Asks for the user's password and checks it. Nobody: a password is asked for all the same. `empty_is_welcome`: one
/// whose password field is empty is not asked.
pub fn authenticate(
    accounts: &Accounts,
    user: Option<&User>,
    empty_is_welcome: bool,
    prompt: &str,
) -> Result<Verdict, Error> {
    let hash = match user {
        Some(user) => accounts.hash(user)?.unwrap_or_default(),
        None => b"*".to_vec(),
    };
    if hash.is_empty() && user.is_some() && empty_is_welcome {
        return Ok(Verdict::Welcome);
    }
    let Ok(Some(password)) = ask_password(prompt) else {
        return Ok(Verdict::Refused);
    };
    // Where there is no hash, one is made all the same: how long it takes tells nothing about who exists.
    let right = if hash.starts_with(b"$") {
        crypt::verify(&password, &hash)
    } else {
        let _ = crypt::with_salt(&password, crypt::Method::Sha512, b"nobody", None);
        false
    };
    Ok(if right {
        Verdict::Welcome
    } else {
        Verdict::Refused
    })
}

/// The name of the terminal at standard input, below `/dev`.
pub fn terminal_name() -> Option<Vec<u8>> {
    let name = rustix::termios::ttyname(stdio::stdin(), Vec::new()).ok()?;
    let name = name.to_bytes();
    Some(name.strip_prefix(b"/dev/").unwrap_or(name).to_vec())
}

/// Whether the terminal belongs to the machine itself: a virtual console, a serial line, the console of a hypervisor.
pub fn is_local(terminal: &[u8]) -> bool {
    let digits = |rest: &[u8]| rest.iter().all(u8::is_ascii_digit);
    terminal == b"console"
        || [
            &b"ttyS"[..],
            b"ttyAMA",
            b"ttyUSB",
            b"ttyGS",
            b"ttymxc",
            b"hvc",
            b"tty",
        ]
        .iter()
        .any(|start| terminal.strip_prefix(*start).is_some_and(digits))
}

/// Whether root may log in on a terminal: `/etc/securetty` lists them where it is there.
pub fn root_may_use(terminal: &[u8], securetty: Option<&[u8]>) -> bool {
    match securetty {
        None => true,
        Some(text) => text
            .split(|byte| *byte == b'\n')
            .any(|line| line.trim_ascii() == terminal),
    }
}

/// The shell of a user.
pub fn shell_of(user: &User) -> &OsStr {
    if user.shell.is_empty() {
        OsStr::new("/bin/sh")
    } else {
        OsStr::from_bytes(&user.shell)
    }
}

/// The environment of a new session. `keep`: variables of the old one that stay.
pub fn environment(user: &User, shell: &OsStr, keep: &[&str]) -> Vec<OsString> {
    let variable = |name: &str, value: &[u8]| {
        let mut bytes = name.as_bytes().to_vec();
        bytes.push(b'=');
        bytes.extend_from_slice(value);
        OsString::from_vec(bytes)
    };
    let mut all = vec![
        variable("HOME", &user.home),
        variable("SHELL", shell.as_bytes()),
        variable("USER", &user.name),
        variable("LOGNAME", &user.name),
        OsString::from(if user.uid == 0 { ROOT_PATH } else { PATH }),
    ];
    for name in keep {
        if let Some(value) = std::env::var_os(name) {
            all.push(variable(name, value.as_bytes()));
        }
    }
    all
}

/// Becomes the user and runs the program; returns only when that failed.
pub fn run_as(
    accounts: &Accounts,
    user: &User,
    program: &OsStr,
    arguments: &[OsString],
    environment: &[OsString],
) -> io::Error {
    let groups = match accounts.groups_of(user) {
        Ok(groups) => groups,
        Err(error) => return error.source,
    };
    if let Err(error) = sys::init::become_user(user.uid, user.gid, &groups) {
        return error;
    }
    sys::process::exec(Path::new(program), arguments, environment)
}

/// The first argument of a shell: `-sh` is a login shell.
pub fn shell_name(shell: &OsStr, login: bool) -> OsString {
    let name = Path::new(shell).file_name().unwrap_or(shell);
    let mut argument = OsString::from(if login { "-" } else { "" });
    argument.push(name);
    argument
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals() {
        for name in ["console", "tty1", "ttyS0", "hvc0", "ttyAMA1"] {
            assert!(is_local(name.as_bytes()), "{name}");
        }
        for name in ["pts/0", "", "ttyp0", "ttyS0/x", "null"] {
            assert!(!is_local(name.as_bytes()), "{name}");
        }
        assert!(root_may_use(b"pts/0", None));
        assert!(root_may_use(b"tty1", Some(b"console\n tty1 \n")));
        assert!(!root_may_use(b"tty", Some(b"tty1\n")));
    }
}
