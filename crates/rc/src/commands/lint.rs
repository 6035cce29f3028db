//! `rc-lint FILE…`: what is wrong with service scripts, and what will not do what it seems to.

use super::fail;
use crate::daemon::notify::Notify;
use crate::daemon::options;
use crate::daemon::privileges::Privileges;
use crate::daemon::schedule;
use crate::graph::{Declared, Graph};
use crate::layout::Layout;
use crate::message::{is_yes, print_line};
use crate::name::ServiceName;
use crate::script::{self, Surroundings, depend};
use shell::Shell;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use sys::{init, process};

const USAGE: &str = "\
usage: rc-lint FILE…
  Loads scripts as the service manager does and tells what is wrong with them. Status 1: there were errors.";

/// How long a script may take to be loaded, in seconds.
const PATIENCE: u32 = 10;

/// The command. The first argument is its name.
pub fn main(layout: &Layout, arguments: &[OsString]) -> i32 {
    let files = arguments.get(1..).unwrap_or_default();
    match files.first() {
        None => return fail("rc-lint", &USAGE),
        Some(word) if word == "-h" || word == "--help" => {
            print_line(1, format_args!("{USAGE}"));
            return 0;
        }
        Some(_) => {}
    }
    let mut status = 0;
    for file in files {
        for finding in examine(layout, Path::new(file)) {
            status |= i32::from(finding.starts_with("error"));
            print_line(1, format_args!("{}: {finding}", file.to_string_lossy()));
        }
    }
    status
}

/// All that is found of a script: `error: …` or `warning: …`.
fn examine(layout: &Layout, path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) => return vec![format!("error: {error}")],
    };
    let name = path.file_name().unwrap_or_default().as_bytes();
    // In a port it lies under the name that it will have, with an ending.
    let name = name.strip_suffix(b".initd").unwrap_or(name);
    let name = match ServiceName::parse(name) {
        Ok(name) => name,
        Err(error) => return vec![format!("error: {error}")],
    };
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = String::from_utf8_lossy(first);
    if !first.starts_with("#!") || !first.contains("openrc-run") {
        found.push("error: the first line is not #!/sbin/openrc-run".into());
    }
    let runs = fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o111 != 0);
    if !runs && path.starts_with(layout.scripts()) {
        found.push("error: it cannot be run: chmod 755".into());
    }
    let (said, why) = in_child(|| loaded(layout, &name, path));
    found.extend(said);
    found.extend(why);
    found
}

/// A script may do anything when it is loaded, so that happens in a child. Returns its lines, and how it broke off.
fn in_child(work: impl FnOnce() -> Vec<String>) -> (Vec<String>, Option<String>) {
    let failed = |error: std::io::Error| (Vec::new(), Some(format!("error: {error}")));
    let (read, write) = match process::pipe() {
        Ok(ends) => ends,
        Err(error) => return failed(error),
    };
    let forked = process::fork(|| {
        init::forget_crash_handler();
        process::unblock_signals();
        process::alarm(PATIENCE);
        let _ = process::close(read);
        let Ok(write) = process::dup_above(write, 20) else {
            return 1;
        };
        if let Ok(null) = process::open("/dev/null".as_ref(), 2, 0) {
            for fd in 0..3 {
                let _ = process::dup2(null, fd);
            }
        }
        let mut text = work().join("\n");
        text.push('\n');
        i32::from(process::write_all(write, text.as_bytes()).is_err())
    });
    let _ = process::close(write);
    let child = match forked {
        Ok(child) => child,
        Err(error) => {
            let _ = process::close(read);
            return failed(error);
        }
    };
    let mut text = Vec::new();
    let mut part = [0; 4096];
    while let Ok(count @ 1..) = process::read(read, &mut part) {
        text.extend_from_slice(part.get(..count).unwrap_or_default());
    }
    let _ = process::close(read);
    let code = match process::wait(process::Which::One(child), true, false) {
        Ok(Some((_, status))) => status.code(),
        _ => 1,
    };
    let lines = String::from_utf8_lossy(&text)
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    let why = match code {
        0 => None,
        142 => Some(format!(
            "error: it was not loaded within {PATIENCE} seconds"
        )),
        code => Some(format!(
            "error: its shell ended with status {code} when it was loaded"
        )),
    };
    (lines, why)
}

fn loaded(layout: &Layout, name: &ServiceName, path: &Path) -> Vec<String> {
    let mut shell = match script::load_from(layout, name, path, "depend", &Surroundings::default())
    {
        Ok(shell) => shell,
        Err(error) => return vec![format!("error: {error}")],
    };
    let mut found = Vec::new();
    variables(&shell, &mut found);
    functions(&shell, &mut found);
    if shell.has_function(b"depend") {
        let asked = shell
            .eval(b"depend", b"set -f")
            .and_then(|_| shell.call(b"depend", &[]));
        match asked {
            Ok(_) => dependencies(layout, name, &shell, &mut found),
            Err(error) => found.push(format!("error: depend: {error}")),
        }
    }
    found
}

fn text(shell: &Shell, variable: &str) -> Option<String> {
    let value = shell.var(variable.as_bytes())?;
    let value = String::from_utf8_lossy(&value).trim().to_owned();
    (!value.is_empty()).then_some(value)
}

/// Values that cannot be, and combinations that cannot work.
fn variables(shell: &Shell, found: &mut Vec<String>) {
    let get = |variable: &str| text(shell, variable);
    let supervised = get("supervisor").is_some_and(|word| word == "supervise-daemon");
    let background =
        get("command_background").is_some_and(|word| is_yes(word.as_bytes()) == Some(true));
    let own_start = shell.has_function(b"start");
    match get("supervisor").as_deref() {
        None | Some("supervise-daemon" | "start-stop-daemon") => {}
        Some(other) => found.push(format!("error: supervisor={other} is not supported")),
    }
    if supervised && background {
        found.push(
            "error: command_background with supervisor=supervise-daemon: the supervisor would see it end at once"
                .into(),
        );
    }
    if !own_start && !supervised && background && get("pidfile").is_none() {
        found.push("error: command_background needs pidfile".into());
    }
    if let Some(pidfile) = get("pidfile")
        && !pidfile.starts_with("/run/")
    {
        found.push(format!("warning: pidfile={pidfile} is not below /run"));
    }
    if supervised && get("command").is_none() && !own_start {
        found.push("error: supervisor=supervise-daemon needs command".into());
    }
    if let Some(command) = get("command") {
        let program = options::find_program(OsStr::new(&command));
        if !program.is_file() && get("chroot").is_none() {
            found.push(format!("warning: command={command} is not there"));
        }
    }
    if get("description").is_none() {
        found.push("warning: it has no description".into());
    }
    if let Some(word) = get("stopsig")
        && let Err(error) = schedule::signal(&word)
    {
        found.push(format!("error: stopsig: {error}"));
    }
    if let Some(word) = get("retry")
        && let Err(error) = schedule::parse(&word, 15)
    {
        found.push(format!("error: retry: {error}"));
    }
    if let Some(word) = get("umask")
        && !u32::from_str_radix(&word, 8).is_ok_and(|mask| mask <= 0o777)
    {
        found.push(format!("error: umask={word} is not an octal mask"));
    }
    if let Some(word) = get("capabilities")
        && let Err(error) = Privileges::default().add(&word)
    {
        found.push(format!("error: capabilities: {error}"));
    }
    if let Some(word) = get("notify")
        && let Err(error) = Notify::parse(OsStr::new(&word))
    {
        found.push(format!("error: notify: {error}"));
    }
    for variable in [
        "respawn_delay",
        "respawn_max",
        "respawn_period",
        "respawn_delay_step",
        "respawn_delay_cap",
        "healthcheck_timer",
        "healthcheck_delay",
    ] {
        if let Some(word) = get(variable) {
            if word.parse::<u32>().is_err() {
                found.push(format!("error: {variable}={word} is not a number"));
            } else if !supervised {
                found.push(format!(
                    "warning: {variable} has no effect without supervisor=supervise-daemon"
                ));
            }
        }
    }
    if get("healthcheck_timer").is_some() && !shell.has_function(b"healthcheck") {
        found.push("warning: healthcheck_timer without a function healthcheck".into());
    }
    if get("opts").is_some() {
        found.push("warning: opts is the old name of extra_commands".into());
    }
}

/// Commands that are promised have to be there.
fn functions(shell: &Shell, found: &mut Vec<String>) {
    for list in [
        "extra_commands",
        "extra_started_commands",
        "extra_stopped_commands",
    ] {
        for command in text(shell, list).unwrap_or_default().split_whitespace() {
            if !shell.has_function(command.as_bytes()) {
                found.push(format!(
                    "error: {list} has {command}, but there is no such function"
                ));
            }
            if matches!(
                command,
                "start" | "stop" | "restart" | "status" | "describe" | "zap"
            ) {
                found.push(format!(
                    "error: {list} has {command}, which all services have"
                ));
            }
        }
    }
    let own = shell.has_function(b"start");
    if text(shell, "command").is_none() && !own {
        found.push("warning: it has neither command nor start, so it starts nothing".into());
    }
    if own && !shell.has_function(b"stop") && text(shell, "pidfile").is_none() {
        found.push("warning: it has start, but neither stop nor pidfile".into());
    }
}

fn dependencies(layout: &Layout, name: &ServiceName, shell: &Shell, found: &mut Vec<String>) {
    let mut all = depend::scan(layout).declared;
    let declared: Declared = depend::declared(shell, name, "");
    all.insert(name.clone(), declared.clone());
    let graph = Graph::new(all);
    for need in &declared.need {
        if graph.providers_of(need).is_empty() {
            found.push(format!(
                "warning: it needs {need}, which no service here provides"
            ));
        }
    }
    for word in depend::said(shell, "_rc_said_keyword") {
        if !depend::is_keyword(&word) {
            found.push(format!("warning: keyword {word} is not known"));
        }
    }
    for cycle in graph.cycles() {
        if cycle.links.iter().any(|(member, _)| member == name) {
            found.push(format!("error: {cycle}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lint(text: &str) -> String {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        fs::create_dir_all(layout.scripts()).unwrap();
        for name in ["net", "loop"] {
            let path = layout.scripts().join(name);
            fs::write(&path, "#!/sbin/openrc-run\ndepend() {\n\tneed x\n}\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = root.path().join("x.initd");
        fs::write(&path, text).unwrap();
        examine(&layout, &path).join("\n")
    }

    #[test]
    fn a_sound_script_is_left_in_peace_but_for_the_circle_it_makes() {
        assert_eq!(
            lint(
                "#!/sbin/openrc-run\ndescription=x\ncommand=/bin/sh\npidfile=/run/x.pid\ncommand_background=yes\n\
                 extra_commands=check\ncheck() { :; }\ndepend() { use net; keyword -shutdown -docker; }\n"
            ),
            "error: services wait for one another: x uses net needs x; the weakest of these is left out"
        );
        assert_eq!(
            lint("#!/sbin/openrc-run\ndescription=x\ncommand=/bin/sh\n"),
            ""
        );
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, expected) in [
            ("#!/bin/sh\n", "error: the first line is not"),
            ("#!/sbin/openrc-run\nif then\n", "error: "),
            ("#!/sbin/openrc-run\nexit 3\n", "status 3"),
            ("#!/sbin/openrc-run\nkill -9 $$\n", "status 137"),
            ("#!/sbin/openrc-run\nstopsig=NEVER\n", "error: stopsig"),
            ("#!/sbin/openrc-run\nretry=x/\n", "error: retry"),
            ("#!/sbin/openrc-run\numask=9\n", "error: umask"),
            (
                "#!/sbin/openrc-run\ncapabilities=fly\n",
                "error: capabilities",
            ),
            ("#!/sbin/openrc-run\nnotify=loud\n", "error: notify"),
            (
                "#!/sbin/openrc-run\nsupervisor=s6\n",
                "error: supervisor=s6",
            ),
            (
                "#!/sbin/openrc-run\nrespawn_max=many\n",
                "error: respawn_max",
            ),
            (
                "#!/sbin/openrc-run\nrespawn_max=3\n",
                "warning: respawn_max",
            ),
            (
                "#!/sbin/openrc-run\ncommand=/no/x\n",
                "warning: command=/no/x",
            ),
            (
                "#!/sbin/openrc-run\nextra_commands=fly\n",
                "error: extra_commands has fly",
            ),
            (
                "#!/sbin/openrc-run\ncommand=/bin/sh\ncommand_background=yes\n",
                "error: command_background needs pidfile",
            ),
            (
                "#!/sbin/openrc-run\ncommand=/bin/sh\ncommand_background=yes\nsupervisor=supervise-daemon\n",
                "error: command_background with",
            ),
            (
                "#!/sbin/openrc-run\ndepend() { need ghost; keyword -flying; }\n",
                "warning: keyword -flying",
            ),
            (
                "#!/sbin/openrc-run\ndepend() { need ghost; }\n",
                "warning: it needs ghost",
            ),
            (
                "#!/sbin/openrc-run\nstart() { :; }\n",
                "neither stop nor pidfile",
            ),
        ] {
            let said = lint(text);
            assert!(said.contains(expected), "{text}: {said}");
        }
        let said = examine(&Layout::new("/no/such"), Path::new("/no/such/file"));
        assert!(said.concat().starts_with("error: "), "{said:?}");
    }
}
