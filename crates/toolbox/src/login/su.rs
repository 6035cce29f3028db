//! `su`, as BusyBox has it.

use crate::common::accounts::{Accounts, User};
use crate::common::lines::{complain, say};
use crate::common::session::{self, Verdict};
use crate::common::syslog;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub const USAGE: &str = "[-lmp] [-s SHELL] [-c COMMAND] [-] [USER [ARGUMENT...]]

-, -l   a login shell with a new environment
-m, -p  keep the environment
-s      run SHELL    -c  run a COMMAND";

/// Runs it.
pub fn main(arguments: &[OsString]) -> i32 {
    let mut wish = Wish::default();
    if let Err(message) = wish.parse(arguments.get(1..).unwrap_or_default()) {
        say("su", message);
        say("su", "try 'su --help'");
        return 1;
    }
    let accounts = Accounts::system();
    let user = match accounts.user(wish.user.as_bytes()) {
        Ok(user) => user,
        Err(error) => {
            say("su", error);
            return 1;
        }
    };
    let caller = rustix::process::getuid().as_raw();
    let terminal = session::terminal_name().unwrap_or_else(|| b"none".to_vec());
    let note = |level, what: &str| {
        let text = format!(
            "{what} {} by uid {caller} on {}",
            wish.user.display(),
            String::from_utf8_lossy(&terminal)
        );
        syslog::log(syslog::AUTH, level, "su", &text);
    };
    if caller != 0 {
        match session::authenticate(&accounts, user.as_ref(), false, "Password: ") {
            Ok(Verdict::Welcome) => {}
            Ok(Verdict::Refused) => {
                note(syslog::NOTICE, "refused");
                std::thread::sleep(std::time::Duration::from_secs(3));
                say("su", "incorrect password");
                return 1;
            }
            Err(error) => {
                say("su", error);
                return 1;
            }
        }
    }
    let Some(user) = user else {
        say("su", format!("unknown user {}", wish.user.display()));
        return 1;
    };
    note(syslog::NOTICE, "became");
    start(&accounts, &user, &wish)
}

fn start(accounts: &Accounts, user: &User, wish: &Wish) -> i32 {
    let shell = wish
        .shell
        .clone()
        .unwrap_or_else(|| session::shell_of(user).to_owned());
    let mut arguments = vec![session::shell_name(&shell, wish.login)];
    if let Some(command) = &wish.command {
        arguments.push("-c".into());
        arguments.push(command.clone());
    }
    arguments.extend(wish.rest.iter().cloned());
    let environment = if wish.login {
        session::environment(user, &shell, &["TERM"])
    } else {
        let mut all = Vec::new();
        let changed: &[&str] = if wish.keep {
            &[]
        } else if user.uid == 0 {
            &["HOME", "SHELL"]
        } else {
            &["HOME", "SHELL", "USER", "LOGNAME"]
        };
        let own = session::environment(user, &shell, &[]);
        for (name, value) in std::env::vars_os() {
            if !changed.iter().any(|changed| name == *changed) {
                let mut variable = name;
                variable.push("=");
                variable.push(value);
                all.push(variable);
            }
        }
        all.extend(own.into_iter().filter(|variable| {
            changed.iter().any(|name| {
                variable
                    .as_bytes()
                    .strip_prefix(name.as_bytes())
                    .is_some_and(|rest| rest.starts_with(b"="))
            })
        }));
        all
    };
    if wish.login {
        let home = Path::new(OsStr::from_bytes(&user.home));
        if let Err(error) = std::env::set_current_dir(home) {
            complain("su", home.as_os_str(), &error);
            let _ = std::env::set_current_dir("/");
        }
    }
    let error = session::run_as(accounts, user, &shell, &arguments, &environment);
    complain("su", &shell, &error);
    if error.kind() == std::io::ErrorKind::NotFound {
        127
    } else {
        126
    }
}

#[derive(Debug)]
struct Wish {
    login: bool,
    keep: bool,
    shell: Option<OsString>,
    command: Option<OsString>,
    user: OsString,
    rest: Vec<OsString>,
}

impl Default for Wish {
    fn default() -> Wish {
        Wish {
            login: false,
            keep: false,
            shell: None,
            command: None,
            user: "root".into(),
            rest: Vec::new(),
        }
    }
}

impl Wish {
    /// Options stand before and behind the user's name; what follows then is the shell's.
    fn parse(&mut self, words: &[OsString]) -> Result<(), String> {
        let mut words = words.iter();
        let mut named = false;
        while let Some(word) = words.next() {
            let bytes = word.as_bytes();
            match bytes {
                b"-" | b"--login" if !named => self.login = true,
                b"--" => {
                    self.rest.extend(words.cloned());
                    break;
                }
                _ if bytes.starts_with(b"-") && bytes.len() > 1 => {
                    let mut letters = bytes.get(1..).unwrap_or_default();
                    while let Some((letter, behind)) = letters.split_first() {
                        letters = behind;
                        match letter {
                            b'l' => self.login = true,
                            b'm' | b'p' => self.keep = true,
                            b'c' | b's' => {
                                let value = if behind.is_empty() {
                                    words.next().cloned()
                                } else {
                                    Some(OsStr::from_bytes(behind).to_owned())
                                };
                                let letter = char::from(*letter);
                                let value = value
                                    .ok_or_else(|| format!("option '-{letter}' needs a value"))?;
                                if letter == 'c' {
                                    self.command = Some(value);
                                } else {
                                    self.shell = Some(value);
                                }
                                letters = b"";
                            }
                            _ => {
                                return Err(format!(
                                    "unrecognized option '-{}'",
                                    char::from(*letter)
                                ));
                            }
                        }
                    }
                }
                _ if !named => {
                    self.user.clone_from(word);
                    named = true;
                }
                _ => {
                    self.rest.push(word.clone());
                    self.rest.extend(words.cloned());
                    break;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Wish, String> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let mut wish = Wish::default();
        wish.parse(&words).map(|()| wish)
    }

    #[test]
    fn options_around_the_name() {
        let wish = parse("- me -c id -s/bin/ash").unwrap();
        assert!(wish.login && wish.user == "me");
        assert_eq!(wish.command.unwrap(), "id");
        assert_eq!(wish.shell.unwrap(), "/bin/ash");
        let wish = parse("-m me file -x").unwrap();
        assert!(wish.keep && !wish.login);
        assert_eq!(wish.rest, ["file", "-x"]);
        assert_eq!(parse("").unwrap().user, "root");
        assert!(parse("-c").is_err());
        assert!(parse("-q").is_err());
    }
}
