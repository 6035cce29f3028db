//! One port: from its sources to an entry in the cache.

use crate::cache::{self, Work};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::package::{self, Finished};
use crate::phase::{self, Build, BuildSource, Built, Failure, Owner, Script};
use crate::plan::{Plan, PlannedPort};
use crate::recipe::{Recipe, evaluate};
use crate::sandbox::{self, Bind, Job, PHASE_MARK, Task};
use crate::sources::{self, Found};
use crate::{keys, sysroot, toolchain, workspace};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// How many lines of the log an error shows.
const TAIL: usize = 15;

/// Takes an event; `false`: nobody wants the build any more.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(Event<'_>) -> bool;

/// Builds a port whose needs are in the cache, and stores its packages there.
pub(crate) fn port(config: &Config, plan: &Plan, port: &PlannedPort, tell: Tell<'_>) -> Result<()> {
    let recipe = &port.recipe;
    let name = recipe.name.as_str();
    tell(Event::Phase {
        port: name,
        phase: "sources",
    });
    let mut note = |text: &str| {
        tell(Event::Note { port: name, text });
    };
    let found = sources::fetch(config, recipe, port.resolved.as_ref(), &mut note)?;
    let work = Work::new(config, name)?;
    tell(Event::Phase {
        port: name,
        phase: "sysroot",
    });
    let root = work.folder("sysroot")?;
    let sysroot = sysroot::make(config, plan, port, &root)?;
    let mut log = Log::create(config, name)?;
    let (job, folders) = job(config, port, &work, &root, &found)?;
    let ended = sandbox::run(config, &job, &mut |line| log.line(line, tell))?;
    log.flush()?;
    let built: Built = match ended.status {
        Some(0) => json(&folders.out.join("built.json"))?,
        status => {
            let failure =
                json(&folders.out.join("failure.json")).unwrap_or_else(|_: Error| Failure {
                    phase: log.phase.clone(),
                    message: status.map_or("a signal ended it".to_owned(), |status| {
                        format!("exit status {status}")
                    }),
                });
            return Err(log.failed(failure));
        }
    };
    tell(Event::Phase {
        port: name,
        phase: "write",
    });
    let target = work.folder("packages")?;
    let finished = Finished {
        config,
        recipe,
        built: &built,
        owners: &owners(&folders.out)?,
        folder: &folders.packages,
        sysroot: &sysroot,
        sysroot_folder: &root,
    };
    let files = package::write(&finished, &target)?;
    let entry = cache::Entry {
        files,
        sources: found,
    };
    cache::store(config, &port.key, &target, &entry)?;
    port.inputs.remember(config, name)
}

struct Folders {
    packages: PathBuf,
    out: PathBuf,
}

/// All that the sandbox is to see and do.
fn job(
    config: &Config,
    port: &PlannedPort,
    work: &Work,
    sysroot: &Path,
    found: &[Found],
) -> Result<(Job, Folders)> {
    let recipe = &port.recipe;
    let source = work.folder("src")?;
    let folders = Folders {
        packages: work.folder("pkg")?,
        out: work.folder("out")?,
    };
    let copy = work.folder("recipe")?;
    workspace::copy_folder(&recipe.folder, &copy)?;
    let apkbuild = copy.join("APKBUILD");
    let version = port.resolved.as_ref().map(|_| recipe.version.as_str());
    let text = evaluate::with_version(&fs::read(&apkbuild).map_err(Error::io(&apkbuild))?, version);
    fs::write(&apkbuild, &text).map_err(Error::io(&apkbuild))?;
    let tools = work.folder("toolchain")?;
    let environment = toolchain::lay_out(config, recipe, &tools)?;
    let mut binds = vec![
        Bind::writable(&source, "/build/src"),
        Bind::writable(&folders.packages, "/build/pkg"),
        Bind::writable(&folders.out, phase::OUT),
        Bind::read_only(copy, "/build/recipe"),
        Bind::read_only(sysroot, toolchain::SYSROOT),
        Bind::read_only(tools, toolchain::TOOLCHAIN),
    ];
    if !recipe.workspace.is_empty() {
        let placed = source.join("workspace");
        workspace::place(config, &recipe.workspace, &placed)?;
        binds.push(Bind::read_only(
            workspace::fetch(config, &placed)?,
            "/cargo",
        ));
    }
    for key in &recipe.keys {
        binds.push(match key.as_str() {
            "modules" => Bind::read_only(keys::modules(&config.config_dir)?, "/keys/modules.pem"),
            _ => {
                let public = keys::public(&config.config_dir)?;
                let name = public.file_name().map(PathBuf::from).unwrap_or_default();
                Bind::read_only(&public, Path::new("/keys").join(name))
            }
        });
    }
    let task = Build {
        script: Script {
            name: "APKBUILD".to_owned(),
            text,
            arch: config.arch.clone(),
        },
        sources: build_sources(config, recipe, found, &mut binds),
        subpackages: recipe.subpackages.clone(),
        skip_check: recipe.has_option("!check"),
    };
    let job = Job {
        staging: cache::staging(config)?,
        binds,
        environment: phase::environment(config, &environment),
        task: Task::Build(task),
    };
    Ok((job, folders))
}

/// The sources as the sandbox sees them, each at a place of its own.
fn build_sources(
    config: &Config,
    recipe: &Recipe,
    found: &[Found],
    binds: &mut Vec<Bind>,
) -> Vec<BuildSource> {
    let mut sources = Vec::new();
    for source in &recipe.sources {
        match found.iter().find(|found| found.source == source.name) {
            None => sources.push(BuildSource {
                path: format!("/build/recipe/{}", source.name),
                name: source.name.clone(),
                stand_in: false,
            }),
            Some(found) => {
                // Debian's archive keeps its own name: its ending says how it is compressed.
                let name = if found.stand_in {
                    found.file.clone()
                } else {
                    source.name.clone()
                };
                let path = format!("/build/distfiles/{name}");
                binds.push(Bind::read_only(found.path(config), &path));
                sources.push(BuildSource {
                    path,
                    name,
                    stand_in: found.stand_in,
                });
            }
        }
    }
    sources
}

fn owners(out: &Path) -> Result<Vec<Owner>> {
    let path = out.join("owners");
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(Error::io(&path))?,
    };
    let wrong = |cause: serde_json::Error| Error::Io {
        path: path.clone(),
        cause: cause.into(),
    };
    text.lines()
        .map(|line| serde_json::from_str(line).map_err(wrong))
        .collect()
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).map_err(Error::io(path))?;
    serde_json::from_slice(&text).map_err(|cause| Error::Io {
        path: path.to_owned(),
        cause: cause.into(),
    })
}

/// All that a build prints, in a file, and the last of it for an error.
struct Log {
    port: String,
    path: PathBuf,
    file: BufWriter<File>,
    phase: String,
    tail: VecDeque<String>,
    full: Option<std::io::Error>,
}

impl Log {
    fn create(config: &Config, port: &str) -> Result<Log> {
        let folder = config.cached("logs");
        fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        let path = folder.join(format!("{port}.log"));
        let file = BufWriter::new(File::create(&path).map_err(Error::io(&path))?);
        Ok(Log {
            port: port.to_owned(),
            path,
            file,
            phase: String::new(),
            tail: VecDeque::new(),
            full: None,
        })
    }

    /// Takes a line; `false`: nobody wants the build any more.
    fn line(&mut self, line: &str, tell: Tell<'_>) -> bool {
        let port = self.port.as_str();
        let (wanted, text) = match line.strip_prefix(PHASE_MARK) {
            Some(phase) => {
                phase.clone_into(&mut self.phase);
                (tell(Event::Phase { port, phase }), format!(">>> {phase}"))
            }
            None => (tell(Event::Line { port, line }), line.to_owned()),
        };
        // A full disk must not stop the reading: the build would hang on its pipe.
        if self.full.is_none() {
            self.full = writeln!(self.file, "{text}").err();
        }
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(text);
        wanted
    }

    fn flush(&mut self) -> Result<()> {
        match self.full.take().map_or_else(|| self.file.flush(), Err) {
            Ok(()) => Ok(()),
            Err(cause) => Err(Error::Io {
                path: self.path.clone(),
                cause,
            }),
        }
    }

    fn failed(self, failure: Failure) -> Error {
        Error::Phase {
            port: self.port,
            phase: failure.phase,
            message: failure.message,
            log: self.path,
            tail: self.tail.into(),
        }
    }
}
