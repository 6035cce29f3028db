//! A program in the surroundings that a daemon asks for: user, folder, root, mask, priority, output.

use super::notify::{Notify, Waiter};
use super::privileges::Privileges;
use super::users::User;
use rustix::fs::{Mode, OFlags};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use sys::{init, kernel, process};

/// How to run a program.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments, the first being what it calls itself.
    pub arguments: Vec<OsString>,
    /// Variables that are added to the environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Whom it runs as.
    pub user: Option<User>,
    /// The group, in place of the user's.
    pub group: Option<u32>,
    /// Where it runs.
    pub directory: Option<PathBuf>,
    /// Its root.
    pub root: Option<PathBuf>,
    /// The mode bits that its files do not get.
    pub umask: Option<u32>,
    /// How much it steps back for others, -20 to 19.
    pub nice: Option<i32>,
    /// How soon it is killed when memory runs out, -1000 to 1000.
    pub oom_score: Option<i32>,
    /// When it may read and write, as ionice(1) has it: class and level.
    pub io_priority: Option<(u8, u8)>,
    /// When it may run: policy and priority, as sched_setscheduler(2) has them.
    pub scheduler: Option<(i32, i32)>,
    /// What it may do beyond what its user may.
    pub privileges: Privileges,
    /// How it says that it is ready.
    pub notify: Option<Notify>,
    /// Where its output goes.
    pub output: Output,
    /// Where its errors go.
    pub errors: Output,
    /// The file that gets its process number.
    pub pidfile: Option<PathBuf>,
    /// It leaves this session: it has no terminal.
    pub detached: bool,
}

/// Where output goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// Where it goes now; nowhere when detached.
    #[default]
    Inherit,
    /// To the end of a file.
    File(PathBuf),
    /// The same, but nowhere where that cannot be.
    Log(PathBuf),
    /// Into a command of the shell.
    Command(OsString),
}

/// What went wrong on the way to the program.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct Error {
    what: String,
    source: io::Error,
}

fn at<E: Into<io::Error>>(what: impl AsRef<OsStr>) -> impl FnOnce(E) -> Error {
    let what = what.as_ref().to_string_lossy().into_owned();
    move |source| Error {
        what,
        source: source.into(),
    }
}

impl Output {
    fn open(&self) -> Result<Option<OwnedFd>, Error> {
        match self {
            Output::Inherit => Ok(None),
            Output::Log(path) => Ok(crate::log::open(path).ok()),
            Output::File(path) => {
                let flags = OFlags::WRONLY
                    | OFlags::CREATE
                    | OFlags::APPEND
                    | OFlags::CLOEXEC
                    | OFlags::NOCTTY;
                rustix::fs::open(path, flags, Mode::from_raw_mode(0o644))
                    .map(Some)
                    .map_err(at(path))
            }
            Output::Command(command) => {
                let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
                    .map_err(at("pipe"))?;
                process::fork(|| {
                    let _ = rustix::process::setsid();
                    if process::dup2(read.as_raw_fd(), 0).is_err() {
                        return 1;
                    }
                    let words: Vec<OsString> = [OsStr::new("sh"), OsStr::new("-c"), command]
                        .map(OsStr::to_owned)
                        .into();
                    process::exec(Path::new("/bin/sh"), &words, &environment(&[]));
                    127
                })
                .map_err(at("fork"))?;
                Ok(Some(write))
            }
        }
    }
}

fn environment(added: &[(OsString, OsString)]) -> Vec<OsString> {
    let join = |name: &OsStr, value: &OsStr| {
        OsString::from_vec([name.as_bytes(), value.as_bytes()].join(&b'='))
    };
    let replaced = |name: &OsStr| added.iter().any(|(new, _)| new == name);
    let inherited = std::env::vars_os().filter(|(name, _)| !replaced(name));
    inherited
        .map(|(name, value)| join(&name, &value))
        .chain(added.iter().map(|(name, value)| join(name, value)))
        .collect()
}

impl Launch {
    /// Becomes the program. Returns only what went wrong. For a process that was forked for this.
    pub fn run(mut self) -> Error {
        match self.prepare() {
            Ok(()) => {
                let added = std::mem::take(&mut self.environment);
                process::unblock_signals();
                let error = process::exec(&self.program, &self.arguments, &environment(&added));
                at(&self.program)(error)
            }
            Err(error) => error,
        }
    }

    fn prepare(&mut self) -> Result<(), Error> {
        init::forget_crash_handler();
        process::reset_sigpipe();
        let (output, errors) = (self.output.open()?, self.errors.open()?);
        if self.detached {
            // A session leader already is one without a terminal that it did not ask for.
            let _ = rustix::process::setsid();
        }
        if let Some(pidfile) = &self.pidfile {
            // A link that somebody put there must not be followed, so it goes first.
            let _ = std::fs::remove_file(pidfile);
            std::fs::write(pidfile, format!("{}\n", std::process::id())).map_err(at(pidfile))?;
        }
        self.redirect(output, errors)?;
        if let Some(score) = self.oom_score {
            std::fs::write("/proc/self/oom_score_adj", score.to_string())
                .map_err(at("/proc/self/oom_score_adj"))?;
        }
        if let Some(nice) = self.nice {
            rustix::process::setpriority_process(None, nice).map_err(at("priority"))?;
        }
        if let Some((class, level)) = self.io_priority {
            kernel::set_io_priority(0, class, level).map_err(at("ionice"))?;
        }
        if let Some((policy, priority)) = self.scheduler {
            kernel::set_scheduler(policy, priority).map_err(at("scheduler"))?;
        }
        if let Some(root) = &self.root {
            rustix::process::chroot(root).map_err(at(root))?;
            rustix::process::chdir("/").map_err(at("/"))?;
        }
        match &self.directory {
            Some(directory) => rustix::process::chdir(directory).map_err(at(directory))?,
            None if self.detached => rustix::process::chdir("/").map_err(at("/"))?,
            None => {}
        }
        if let Some(mask) = self.umask {
            process::umask(mask);
        }
        self.privileges.prepare().map_err(at("capabilities"))?;
        self.change_user()?;
        self.privileges.apply().map_err(at("capabilities"))
    }

    fn redirect(&self, output: Option<OwnedFd>, errors: Option<OwnedFd>) -> Result<(), Error> {
        if !self.detached && output.is_none() && errors.is_none() {
            return Ok(());
        }
        let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .map_err(at("/dev/null"))?;
        let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        let input = if self.detached {
            null.as_fd()
        } else {
            stdin.as_fd()
        };
        let output_fd = match &output {
            Some(fd) => fd.as_fd(),
            None if self.detached => null.as_fd(),
            None => stdout.as_fd(),
        };
        let error_fd = match &errors {
            Some(fd) => fd.as_fd(),
            None if self.detached => null.as_fd(),
            None => stderr.as_fd(),
        };
        init::set_stdio(input, output_fd, error_fd).map_err(at("standard output"))
    }

    fn change_user(&mut self) -> Result<(), Error> {
        let Some(user) = self.user.take() else {
            return match self.group {
                Some(group) => {
                    let me = rustix::process::getuid().as_raw();
                    init::become_user(me, group, &[group]).map_err(at("group"))
                }
                None => Ok(()),
            };
        };
        let group = self.group.unwrap_or(user.group);
        if user.id != rustix::process::getuid().as_raw()
            || group != rustix::process::getgid().as_raw()
        {
            init::become_user(user.id, group, &user.groups).map_err(at("user"))?;
        }
        for (name, value) in [
            ("HOME", user.home.into_os_string()),
            ("USER", OsString::from_vec(user.name)),
        ] {
            if !self.environment.iter().any(|(known, _)| known == name) {
                self.environment.push((name.into(), value));
            }
        }
        Ok(())
    }

    /// Forks and runs the program. An error on the way to it comes back here.
    pub fn spawn(mut self) -> Result<process::Pid, Error> {
        self.notify = None;
        self.spawn_heard().map(|(pid, _)| pid)
    }

    /// The same, with what waits for its word that it is ready, where it was asked for one.
    pub fn spawn_heard(mut self) -> Result<(process::Pid, Option<Waiter>), Error> {
        let (read, write) = process::pipe().map_err(at("pipe"))?;
        let owner = self.user.as_ref().map(|user| user.id);
        let mut heard = match self.notify.take().map(|notify| notify.prepare(owner)) {
            Some(Ok((waiter, end))) => Some((waiter, end)),
            Some(Err(error)) => {
                let _ = process::close(read);
                let _ = process::close(write);
                return Err(at("notify")(error));
            }
            None => None,
        };
        let forked = process::fork(|| {
            let mut error_end = write;
            if let Some((waiter, end)) = heard.take() {
                // The descriptor that is asked for may be the one that errors go to.
                match process::dup_above(write, 100) {
                    Ok(fd) => error_end = fd,
                    Err(_) => return 127,
                }
                match end.install(&waiter) {
                    Ok(variable) => self.environment.extend(variable),
                    Err(error) => {
                        let text = format!("notify: {error}");
                        let _ = process::write_all(error_end, text.as_bytes());
                        return 127;
                    }
                }
                drop(waiter);
            }
            let error = self.run();
            let _ = process::write_all(error_end, error.to_string().as_bytes());
            127
        });
        let _ = process::close(write);
        let pid = match forked {
            Ok(pid) => pid,
            Err(error) => {
                let _ = process::close(read);
                return Err(at("fork")(error));
            }
        };
        let mut said = Vec::new();
        let mut part = [0; 512];
        loop {
            match process::read(read, &mut part) {
                Ok(0) => break,
                Ok(count) => said.extend_from_slice(part.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let _ = process::close(read);
        if said.is_empty() {
            return Ok((pid, heard.map(|(waiter, _)| waiter)));
        }
        let _ = process::wait(process::Which::One(pid), true, false);
        // The child said what went wrong in its own words.
        let text = String::from_utf8_lossy(&said).into_owned();
        let (what, why) = text.rsplit_once(": ").unwrap_or((&text, "failed"));
        Err(Error {
            what: what.to_owned(),
            source: io::Error::other(why.to_owned()),
        })
    }
}
