//! start-stop-daemon(8): starts a daemon unless it runs, and stops or signals it.
//!
//! `--start`, `--stop`, `--signal`; found by `--pidfile`, `--exec`, `--name`, `--user`; run with `--background
//! --make-pidfile --user --group --chdir --chroot --umask --nicelevel --env --stdout --stderr --stdout-logger
//! --stderr-logger --oom-score-adj --ionice --scheduler --scheduler-priority --capabilities --secbits --no-new-privs
//! --notify --wait`; stopped by `--retry`. `--test`, `--oknodo`, `--quiet`,
//! `--verbose`, `--progress`, `--interpreted`, `--startas`.

use super::launch::{Launch, Output};
use super::notify::{Heard, Notify};
use super::options::{self, Error, Shared};
use super::schedule::{self, Step};
use super::users::Accounts;
use super::{Search, is_alive, read_pidfile, wait_gone};
use crate::message::{Level, Style};
use crate::name::ServiceName;
use crate::state::{Daemon, State};
use lexopt::{Arg, Parser};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use sys::process;

#[derive(Debug, Default)]
struct Request {
    start: bool,
    stop: bool,
    signal: Option<i32>,
    retry: Option<String>,
    program: Option<OsString>,
    start_as: Option<OsString>,
    name: Option<OsString>,
    pidfile: Option<PathBuf>,
    make_pidfile: bool,
    background: bool,
    interpreted: bool,
    test: bool,
    ok_no_do: bool,
    wait: Option<Duration>,
    user: Option<OsString>,
    arguments: Vec<OsString>,
    launch: Launch,
    quiet: bool,
}

fn parse(arguments: &[OsString], accounts: &Accounts) -> Result<Request, Error> {
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
            Arg::Short('R') | Arg::Long("retry") => {
                request.retry = Some(options::word(&mut parser)?)
            }
            Arg::Short('x') | Arg::Long("exec") => request.program = Some(parser.value()?),
            Arg::Short('a') | Arg::Long("startas") => request.start_as = Some(parser.value()?),
            Arg::Short('n') | Arg::Long("name") => request.name = Some(parser.value()?),
            Arg::Short('p') | Arg::Long("pidfile") => {
                request.pidfile = Some(parser.value()?.into())
            }
            Arg::Short('m') | Arg::Long("make-pidfile") => request.make_pidfile = true,
            Arg::Short('b') | Arg::Long("background") => request.background = true,
            Arg::Short('i') | Arg::Long("interpreted") => request.interpreted = true,
            Arg::Short('t') | Arg::Long("test") => request.test = true,
            Arg::Short('o') | Arg::Long("oknodo") => request.ok_no_do = true,
            Arg::Short('q') | Arg::Long("quiet") => request.quiet = true,
            Arg::Short('v' | 'P') | Arg::Long("verbose" | "progress") => {}
            Arg::Short('w') | Arg::Long("wait") => {
                request.wait = Some(Duration::from_millis(options::number(
                    "--wait",
                    &parser.value()?,
                )?));
            }
            Arg::Short('u' | 'c') | Arg::Long("user" | "chuid") => {
                request.user = Some(parser.value()?)
            }
            Arg::Value(value) => {
                request.arguments.push(value);
                request.arguments.extend(parser.raw_args()?);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if let Some(user) = &request.user {
        use std::os::unix::ffi::OsStrExt;
        request.launch.user = Some(accounts.user(user.as_bytes())?);
    }
    if request.start == request.stop && (request.start || request.signal.is_none()) {
        return Err(Error::Missing(
            "one of --start, --stop and --signal is needed",
        ));
    }
    if request.start && request.program.is_none() && request.start_as.is_none() {
        if request.arguments.is_empty() {
            return Err(Error::Missing("--start needs a program: --exec PROGRAM"));
        }
        request.program = Some(request.arguments.remove(0));
    }
    if request.make_pidfile && request.pidfile.is_none() {
        return Err(Error::Missing("--make-pidfile needs --pidfile FILE"));
    }
    if !request.start
        && request.program.is_none()
        && request.pidfile.is_none()
        && request.name.is_none()
        && request.user.is_none()
    {
        return Err(Error::Missing(
            "--exec, --pidfile, --name or --user must say which process",
        ));
    }
    Ok(request)
}

/// The command. The first argument is its name. `service`: the service that calls it, which is noted as the one that
/// started the daemon.
pub fn main(arguments: &[OsString], service: Option<(&State, &ServiceName)>) -> i32 {
    let style = Style::from_environment();
    let fail = |why: String| {
        style.say(Level::Error, &format!("start-stop-daemon: {why}"));
        1
    };
    let request = match parse(arguments, &Accounts::load()) {
        Ok(request) => request,
        Err(error) => return fail(error.to_string()),
    };
    if request.start {
        start(request, service, fail)
    } else {
        stop(&request, fail)
    }
}

impl Request {
    fn search(&self) -> Search {
        Search {
            program: self
                .program
                .as_ref()
                .map(|program| options::find_program(program)),
            name: self
                .name
                .as_ref()
                .map(|name| std::os::unix::ffi::OsStrExt::as_bytes(name.as_os_str()).to_vec()),
            user: (!self.start)
                .then(|| self.launch.user.as_ref().map(|user| user.id))
                .flatten(),
            interpreted: self.interpreted,
        }
    }

    /// The processes that are meant. A pidfile says which one, unless something else runs under its number now.
    fn processes(&self) -> Vec<process::Pid> {
        let search = self.search();
        match &self.pidfile {
            Some(pidfile) => {
                let search = Search {
                    name: None,
                    user: search.user,
                    ..search
                };
                read_pidfile(pidfile)
                    .filter(|pid| {
                        is_alive(*pid) && (self.start_as.is_some() || search.matches(*pid))
                    })
                    .into_iter()
                    .collect()
            }
            None => search.find(),
        }
    }
}

fn start(
    request: Request,
    service: Option<(&State, &ServiceName)>,
    fail: impl Fn(String) -> i32,
) -> i32 {
    let Some(called) = request.start_as.clone().or_else(|| request.program.clone()) else {
        return 1;
    };
    let program = options::find_program(&called);
    let seen = request.launch.root.as_ref().map_or_else(
        || program.clone(),
        |root| root.join(program.strip_prefix("/").unwrap_or(&program)),
    );
    if !seen.is_file() {
        return fail(format!("{}: no such program", seen.display()));
    }
    if let Some(pid) = request.processes().first() {
        if request.ok_no_do {
            return 0;
        }
        return fail(format!(
            "{} is already running as process {pid}",
            program.display()
        ));
    }
    if request.test {
        crate::message::print_line(1, format_args!("would start {}", program.display()));
        return 0;
    }
    let mut launch = request.launch;
    launch.arguments = vec![
        request
            .name
            .unwrap_or_else(|| program.clone().into_os_string()),
    ];
    launch.arguments.extend(request.arguments);
    launch.program = program;
    launch.detached = request.background;
    if request.make_pidfile {
        launch.pidfile.clone_from(&request.pidfile);
    }
    let daemon = Daemon {
        program: launch.program.to_string_lossy().into_owned(),
        pidfile: request
            .pidfile
            .as_ref()
            .map(|path| path.to_string_lossy().into_owned())
            .unwrap_or_default(),
    };
    if let Some((state, service)) = service {
        if launch.detached {
            let log = crate::log::path(state.layout(), service);
            for output in [&mut launch.output, &mut launch.errors] {
                if *output == Output::Inherit {
                    *output = Output::Log(log.clone());
                }
            }
        }
        if let Some(Notify::Packet(folder)) = &mut launch.notify {
            *folder = state.layout().state();
        }
    }
    let (pid, waiter) = match launch.spawn_heard() {
        Ok(started) => started,
        Err(error) => return fail(error.to_string()),
    };
    let ended = if request.background {
        match request.wait {
            Some(time) if wait_gone(pid, time) => true,
            _ => process::wait(process::Which::One(pid), false, false)
                .is_ok_and(|ended| ended.is_some()),
        }
    } else {
        match wait_for(pid) {
            0 => false,
            status => return fail(format!("{} ended with status {status}", daemon.program)),
        }
    };
    if ended {
        return fail(format!("{} died", daemon.program));
    }
    if let Some(waiter) = waiter
        && waiter.wait(request.background.then_some(pid)) != Heard::Ready
    {
        return fail(format!(
            "{} ended, or closed its descriptor, before it was ready",
            daemon.program
        ));
    }
    if let Some((state, service)) = service
        && let Err(error) = state.add_daemon(service, &daemon)
    {
        return fail(error.to_string());
    }
    0
}

fn wait_for(pid: process::Pid) -> i32 {
    loop {
        match process::wait(process::Which::One(pid), true, false) {
            Ok(Some((_, status))) => return status.code(),
            Ok(None) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return 1,
        }
    }
}

fn stop(request: &Request, fail: impl Fn(String) -> i32) -> i32 {
    let found = request.processes();
    let what = || {
        let words = [&request.program, &request.name]
            .into_iter()
            .flatten()
            .next()
            .cloned();
        let words = words.or_else(|| request.pidfile.clone().map(PathBuf::into_os_string));
        words.unwrap_or_default().to_string_lossy().into_owned()
    };
    if !request.stop {
        let signal = request.signal.unwrap_or(0);
        if found.is_empty() {
            return fail(format!("{}: no such process", what()));
        }
        return match found
            .iter()
            .find_map(|pid| process::kill(*pid, signal).err())
        {
            Some(error) => fail(format!("{}: {error}", what())),
            None => 0,
        };
    }
    if found.is_empty() {
        // What is not there is stopped, as OpenRC sees it; a stale pidfile goes.
        if let Some(pidfile) = &request.pidfile {
            let _ = std::fs::remove_file(pidfile);
        }
        return if request.ok_no_do || request.pidfile.is_some() {
            0
        } else {
            fail(format!("{}: no such process", what()))
        };
    }
    if request.test {
        crate::message::print_line(1, format_args!("would stop {found:?}"));
        return 0;
    }
    let first = request.signal.unwrap_or(15);
    let steps = match &request.retry {
        Some(text) => match schedule::parse(text, first) {
            Ok(steps) => steps,
            Err(error) => return fail(error.to_string()),
        },
        None => schedule::plain(first),
    };
    let mut left = found;
    for step in steps {
        if let Err(error) = take_step(step, &mut left) {
            return fail(format!("{}: {error}", what()));
        }
    }
    if let Some(pid) = left.first() {
        return fail(format!("{}: process {pid} did not end", what()));
    }
    if let Some(pidfile) = &request.pidfile {
        let _ = std::fs::remove_file(pidfile);
    }
    0
}

/// One step of a schedule for these; those that are gone leave the list.
pub fn take_step(step: Step, left: &mut Vec<process::Pid>) -> std::io::Result<()> {
    match step {
        Step::Signal(signal) => {
            for &pid in left.iter() {
                match process::kill(pid, signal) {
                    Err(error) if error.raw_os_error() != Some(3) => return Err(error),
                    _ => {}
                }
            }
        }
        Step::Wait(time) => {
            let mut rest = time;
            left.retain(|pid| {
                let begun = std::time::Instant::now();
                let gone = wait_gone(*pid, rest);
                rest = rest.saturating_sub(begun.elapsed());
                !gone
            });
        }
        Step::Forever => {
            left.retain(|pid| !wait_gone(*pid, Duration::from_secs(u64::from(u32::MAX))))
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        std::iter::once("start-stop-daemon")
            .chain(text.split_whitespace())
            .map(OsString::from)
            .collect()
    }

    fn run(text: &str) -> i32 {
        main(&words(text), None)
    }

    #[test]
    fn command_lines() {
        let accounts = Accounts::new(b"root:x:0:0::/root:/bin/sh\n", b"root:x:0:\n");
        let good = "--start --exec /bin/x --pidfile /run/x.pid -mb -u root:root -k 027 -- -a --b c";
        let request = parse(&words(good), &accounts).unwrap();
        assert_eq!(request.arguments, ["-a", "--b", "c"]);
        assert_eq!(request.launch.umask, Some(0o27));
        assert!(request.make_pidfile && request.background);
        for bad in [
            "",
            "--start",
            "--start --stop -x /bin/x",
            "--stop",
            "-S -x /bin/x -m",
            "-S -x a -u nobodyatall",
            "-K -x a -s NOPE",
            "-S -x a --umask 9",
            "-S -x a --frobnicate",
            "-S -x",
            "-S -x a -e novalue",
        ] {
            assert!(parse(&words(bad), &accounts).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_daemon_is_started_once_and_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let pidfile = folder.path().join("x.pid");
        let file = pidfile.display();
        let start = format!("-S -x /bin/sleep -p {file} -m -b -- 1000");
        assert_eq!(run(&start), 0);
        // The pidfile is written before the program runs, which may still be under way.
        let pid = read_pidfile(&pidfile).unwrap();
        while !(Search {
            program: Some("/bin/sleep".into()),
            ..Search::default()
        })
        .matches(pid)
        {
            std::thread::yield_now();
        }
        assert_eq!(run(&start), 1);
        assert_eq!(
            run(&format!("{start} --oknodo").replace("-- 1000 --oknodo", "--oknodo -- 1000")),
            0
        );
        assert_eq!(run(&format!("--signal 0 -p {file}")), 0);
        assert_eq!(run(&format!("-K -x /bin/sleep -p {file} -R TERM/10")), 0);
        assert!(!is_alive(pid));
        assert!(!pidfile.exists());
        assert_eq!(run(&format!("-K -p {file}")), 0);
        assert_eq!(run(&format!("--signal 0 -p {file}")), 1);
    }

    #[test]
    fn what_cannot_run_is_told() {
        assert_eq!(run("-S -x /no/such/program"), 1);
        assert_eq!(run("-S -x /bin/false"), 1);
        assert_eq!(run("-S -x /bin/true -d /no/such/folder"), 1);
        assert_eq!(run("-S -x /bin/true"), 0);
    }

    #[test]
    fn output_goes_to_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        assert_eq!(
            run(&format!("-S -x /bin/echo -1 {} -- hello", log.display())),
            0
        );
        assert_eq!(std::fs::read(log).unwrap(), b"hello\n");
    }
}
