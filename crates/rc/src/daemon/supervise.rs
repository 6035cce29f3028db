//! supervise-daemon(8): runs a daemon in the foreground of a process of its own, and starts it again when it ends.
//!
//! `supervise-daemon NAME [--start] [--pidfile FILE] [--respawn-delay S] [--respawn-delay-step S] [--respawn-delay-cap S]
//! [--respawn-max N] [--respawn-period S] [--healthcheck-timer S] [--healthcheck-delay S] [--retry SCHEDULE]
//! [--user USER] … PROGRAM [-- ARGUMENT…]`, `--stop`, `--signal SIGNAL`.

use super::launch::{Launch, Output};
use super::notify::Notify;
use super::options::{self, Error, Shared};
use super::schedule::{self, Step};
use super::supervisor::{Policy, Supervisor};
use super::users::Accounts;
use super::watch::{Checks, Watch};
use super::{is_alive, read_pidfile, wait_gone};
use crate::machine::Millis;
use crate::message::{Level, Style};
use crate::name::ServiceName;
use crate::state::{Daemon, State};
use lexopt::{Arg, Parser};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use sys::{init, process};

#[derive(Debug, Default)]
struct Request {
    name: Option<OsString>,
    start: bool,
    stop: bool,
    signal: Option<i32>,
    pidfile: Option<PathBuf>,
    retry: Option<String>,
    policy: Policy,
    checks: Checks,
    launch: Launch,
    arguments: Vec<OsString>,
}

fn seconds(option: &'static str, parser: &mut Parser) -> Result<Millis, Error> {
    let value = parser.value()?;
    let seconds: Millis = options::number(option, &value)?;
    Ok(seconds.saturating_mul(1000).min(u64::from(u32::MAX)))
}

fn parse(arguments: &[OsString], accounts: &Accounts) -> Result<Request, Error> {
    use std::os::unix::ffi::OsStrExt;
    let mut request = Request::default();
    let mut parser = Parser::from_args(arguments.iter().skip(1));
    while let Some(argument) = parser.next()? {
        if let Some(shared) = options::shared(&argument) {
            Shared::apply(shared, &mut parser, &mut request.launch, accounts)?;
            continue;
        }
        match argument {
            Arg::Short('S') | Arg::Long("start") => request.start = true,
            Arg::Short('K') | Arg::Long("stop") => request.stop = true,
            Arg::Short('s') | Arg::Long("signal") => {
                request.signal = Some(schedule::signal(&options::word(&mut parser)?)?)
            }
            Arg::Short('p') | Arg::Long("pidfile") => {
                request.pidfile = Some(parser.value()?.into())
            }
            Arg::Short('R') | Arg::Long("retry") => {
                request.retry = Some(options::word(&mut parser)?)
            }
            Arg::Short('D') | Arg::Long("respawn-delay") => {
                request.policy.delay = seconds("--respawn-delay", &mut parser)?.max(100)
            }
            Arg::Long("respawn-delay-step") => {
                request.policy.step = Some(seconds("--respawn-delay-step", &mut parser)?)
            }
            Arg::Long("respawn-delay-cap") => {
                request.policy.cap = seconds("--respawn-delay-cap", &mut parser)?.max(100)
            }
            Arg::Short('a') | Arg::Long("healthcheck-timer") => {
                request.checks.every = seconds("--healthcheck-timer", &mut parser)?
            }
            Arg::Short('A') | Arg::Long("healthcheck-delay") => {
                request.checks.delay = Some(seconds("--healthcheck-delay", &mut parser)?)
            }
            Arg::Short('P') | Arg::Long("respawn-period") => {
                request.policy.period = seconds("--respawn-period", &mut parser)?
            }
            Arg::Short('m') | Arg::Long("respawn-max") => {
                request.policy.most = options::number("--respawn-max", &parser.value()?)?;
            }
            Arg::Short('u' | 'c') | Arg::Long("user" | "chuid") => {
                request.launch.user = Some(accounts.user(parser.value()?.as_bytes())?);
            }
            Arg::Short('q' | 'v') | Arg::Long("quiet" | "verbose" | "progress") => {}
            Arg::Value(value) if request.name.is_none() => request.name = Some(value),
            Arg::Value(value) => {
                request.arguments.push(value);
                request.arguments.extend(parser.raw_args()?);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    // As in OpenRC, what is neither stopped nor signalled is started.
    request.start |= !request.stop && request.signal.is_none();
    if usize::from(request.start)
        + usize::from(request.stop)
        + usize::from(request.signal.is_some())
        != 1
    {
        return Err(Error::Missing(
            "only one of --start, --stop and --signal is possible",
        ));
    }
    if request.name.is_none() {
        return Err(Error::Missing("the name of the service is needed"));
    }
    if request.start && request.arguments.is_empty() {
        return Err(Error::Missing("--start needs a program"));
    }
    Ok(request)
}

/// The command. The first argument is its name.
pub fn main(arguments: &[OsString], state: &State) -> i32 {
    use std::os::unix::ffi::OsStrExt;
    let style = Style::from_environment();
    let fail = |why: &dyn std::fmt::Display| {
        style.say(Level::Error, &format!("supervise-daemon: {why}"));
        1
    };
    let request = match parse(arguments, &Accounts::load()) {
        Ok(request) => request,
        Err(error) => return fail(&error),
    };
    let name = match ServiceName::parse(request.name.clone().unwrap_or_default().as_bytes()) {
        Ok(name) => name,
        Err(error) => return fail(&error),
    };
    let pidfile = request
        .pidfile
        .clone()
        .unwrap_or_else(|| format!("/run/supervise-{name}.pid").into());
    let running = read_pidfile(&pidfile).filter(|pid| is_alive(*pid));
    match (request.start, running) {
        (true, Some(pid)) => fail(&format_args!(
            "{name} is already supervised by process {pid}"
        )),
        (true, None) => match start(request, &name, pidfile, state) {
            Ok(()) => 0,
            Err(why) => fail(&why),
        },
        (false, None) if request.stop => 0,
        (false, None) => fail(&format_args!("{name} is not supervised")),
        (false, Some(pid)) => {
            let signal = request.signal.unwrap_or(15);
            // To the supervisor: SIGTERM ends both, the others it hands on.
            if let Err(error) = process::kill(pid, signal) {
                return fail(&format_args!("process {pid}: {error}"));
            }
            if request.stop && !wait_gone(pid, Duration::from_secs(60)) {
                return fail(&format_args!("{name}: process {pid} did not end"));
            }
            0
        }
    }
}

const SIGTERM: i32 = 15;

fn start(
    request: Request,
    name: &ServiceName,
    pidfile: PathBuf,
    state: &State,
) -> Result<(), String> {
    let stop = match &request.retry {
        Some(text) => schedule::parse(text, SIGTERM).map_err(|error| error.to_string())?,
        None => {
            let wait = Step::Wait(Duration::from_secs(5));
            vec![Step::Signal(SIGTERM), wait, Step::Signal(9), wait]
        }
    };
    let mut launch = request.launch;
    let mut words = request.arguments.into_iter();
    launch.program = options::find_program(&words.next().unwrap_or_default());
    // What stands before the arguments proper.
    let mut words: Vec<OsString> = words.collect();
    if words.first().is_some_and(|word| word == "--") {
        words.remove(0);
    }
    launch.arguments = std::iter::once(launch.program.clone().into_os_string())
        .chain(words)
        .collect();
    let seen = launch.root.as_ref().map_or_else(
        || launch.program.clone(),
        |root| root.join(launch.program.strip_prefix("/").unwrap_or(&launch.program)),
    );
    if !seen.is_file() {
        return Err(format!("{}: no such program", seen.display()));
    }
    // Noted first, so that a supervisor that gives up at once takes the note away and not the other way round.
    let daemon = Daemon {
        program: launch.program.to_string_lossy().into_owned(),
        pidfile: pidfile.to_string_lossy().into_owned(),
    };
    state
        .add_daemon(name, &daemon)
        .map_err(|error| error.to_string())?;
    launch.detached = true;
    let log = crate::log::path(state.layout(), name);
    for output in [&mut launch.output, &mut launch.errors] {
        if *output == Output::Inherit {
            *output = Output::Log(log.clone());
        }
    }
    if let Some(Notify::Packet(folder)) = &mut launch.notify {
        *folder = state.layout().state();
    }
    let (ready, tell) = process::pipe().map_err(|error| error.to_string())?;
    process::fork(|| {
        let _ = process::close(ready);
        let _ = rustix::process::setsid();
        init::forget_crash_handler();
        process::umask(0o022);
        let _ = std::fs::remove_file(&pidfile);
        if let Err(error) = std::fs::write(&pidfile, format!("{}\n", std::process::id())) {
            let _ = process::write_all(tell, format!("{}: {error}", pidfile.display()).as_bytes());
            return 1;
        }
        let watch = Watch::new(
            launch,
            Supervisor::new(request.policy, 0),
            request.checks,
            &stop,
            name,
            state,
        );
        let status = watch.run(tell);
        let _ = std::fs::remove_file(&pidfile);
        status
    })
    .map_err(|error| error.to_string())?;
    let _ = process::close(tell);
    let mut said = [0; 512];
    let count = process::read(ready, &mut said).unwrap_or(0);
    let _ = process::close(ready);
    match said.get(..count).unwrap_or_default() {
        [] => Err("the supervisor died".into()),
        b"ok" => Ok(()),
        why => Err(String::from_utf8_lossy(why).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;

    fn run(state: &State, text: &str) -> i32 {
        let words: Vec<OsString> = std::iter::once("supervise-daemon")
            .chain(text.split_whitespace())
            .map(OsString::from)
            .collect();
        main(&words, state)
    }

    #[test]
    fn a_daemon_that_is_killed_comes_back_until_it_is_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(&Layout::new(folder.path()));
        state.prepare().unwrap();
        let program = folder.path().join("daemon");
        let count = folder.path().join("count");
        std::fs::write(
            &program,
            format!(
                "#!/bin/sh\necho $$ >>{}\nexec sleep 1000\n",
                count.display()
            ),
        )
        .unwrap();
        std::fs::set_permissions(
            &program,
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        let pidfile = folder.path().join("pid");
        let start = format!(
            "x --start --pidfile {} {}",
            pidfile.display(),
            program.display()
        );
        assert_eq!(run(&state, &start), 0);
        assert_eq!(run(&state, &start), 1);
        let mut last = None;
        for _ in 0..3 {
            let pid = loop {
                let text = std::fs::read_to_string(&count).unwrap_or_default();
                let pid: Option<process::Pid> = text
                    .ends_with('\n')
                    .then(|| text.lines().last().and_then(|line| line.parse().ok()))
                    .flatten();
                match pid {
                    Some(pid) if last != Some(pid) => break pid,
                    _ => std::thread::yield_now(),
                }
            };
            last = Some(pid);
            process::kill(pid, 9).unwrap();
        }
        let supervisor = read_pidfile(&pidfile).unwrap();
        assert_eq!(
            run(&state, &format!("x --stop --pidfile {}", pidfile.display())),
            0
        );
        assert!(!is_alive(supervisor));
        assert!(!pidfile.exists());
    }

    #[test]
    fn what_cannot_be_supervised_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(&Layout::new(folder.path()));
        assert_eq!(run(&state, "x --start /no/such/program"), 1);
        assert_eq!(run(&state, "x --start"), 1);
        assert_eq!(run(&state, "--start"), 1);
        assert_eq!(run(&state, "x --signal HUP --pidfile /no/such/file"), 1);
        assert_eq!(run(&state, "x --stop --pidfile /no/such/file"), 0);
    }
}
