//! The phases of a build, and the split functions, inside the sandbox.

use super::evaluate::{Script, variables};
use super::{OUT, new_shell, unpack};
use crate::recipe::{Source, Subpackage, Variables};
use crate::sandbox::PHASE_MARK;
use serde::{Deserialize, Serialize};
use shell::Shell;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// What to build.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Build {
    /// The APKBUILD.
    pub script: Script,
    /// The files in /build/distfiles, in the order of `source`; the others lie in /build/recipe.
    pub sources: Vec<BuildSource>,
    /// In the order of `subpackages`.
    pub subpackages: Vec<Subpackage>,
    /// Leave `check` out.
    pub skip_check: bool,
}

/// One source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BuildSource {
    /// The file's place in the sandbox.
    pub path: String,
    /// Its name in `$srcdir`.
    pub name: String,
    /// Is it Debian's archive, which may call its folder differently?
    pub stand_in: bool,
}

/// A package as its function left it: the files lie in /build/pkg/NAME.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BuiltPackage {
    /// Its name.
    pub name: String,
    /// The architecture, if the entry in `subpackages` has one.
    pub arch: Option<String>,
    /// As they were when its function had ended.
    pub variables: Variables,
}

/// What came of a build.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Built {
    /// The main package first.
    pub packages: Vec<BuiltPackage>,
}

/// Why there is no result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// In which phase.
    pub phase: String,
    /// How.
    pub message: String,
}

pub(super) fn run(environment: &[(String, String)], task: &Build) -> i32 {
    let (file, json, status) = match Builder::new(environment, task).and_then(Builder::run) {
        Ok(built) => ("built.json", serde_json::to_vec(&built), 0),
        Err(failure) => ("failure.json", serde_json::to_vec(&failure), 1),
    };
    let written = json
        .map_err(std::io::Error::other)
        .and_then(|json| fs::write(Path::new(OUT).join(file), json));
    match written {
        Ok(()) => status,
        Err(error) => {
            eprintln!("{OUT}/{file}: {error}");
            1
        }
    }
}

struct Builder<'a> {
    environment: &'a [(String, String)],
    task: &'a Build,
    shell: Shell,
}

impl<'a> Builder<'a> {
    fn new(environment: &'a [(String, String)], task: &'a Build) -> Result<Builder<'a>, Failure> {
        Ok(Builder {
            environment,
            task,
            shell: sourced(environment, &task.script)?,
        })
    }

    fn run(mut self) -> Result<Built, Failure> {
        self.place_sources().map_err(failure("unpack"))?;
        self.step("prepare", Some("default_prepare"))?;
        self.step("build", None)?;
        if !self.task.skip_check {
            self.step("check", None)?;
        }
        let pkgdir = get(&self.shell, "pkgdir");
        fs::create_dir_all(&pkgdir)
            .map_err(|error| failure("package")(format!("{pkgdir}: {error}")))?;
        if !self.shell.has_function(b"package") {
            return Err(failure("package")(
                "the recipe has no function package".to_owned(),
            ));
        }
        self.step("package", None)?;
        let main = BuiltPackage {
            name: get(&self.shell, "pkgname"),
            arch: None,
            variables: variables(&self.shell).map_err(failure("package"))?,
        };
        let mut packages = vec![main];
        for subpackage in &self.task.subpackages {
            packages.push(self.split(subpackage)?);
        }
        Ok(Built { packages })
    }

    fn place_sources(&self) -> Result<(), String> {
        let srcdir = get(&self.shell, "srcdir");
        let srcdir = Path::new(&srcdir);
        let builddir = get(&self.shell, "builddir");
        println!("{PHASE_MARK}unpack");
        for source in &self.task.sources {
            let target = srcdir.join(&source.name);
            let archive = Source::is_archive(&source.name);
            // An archive is only read; what lies beside the recipe may be patched.
            let placed = if archive {
                symlink(&source.path, &target)
            } else {
                fs::copy(&source.path, &target).map(drop)
            };
            placed.map_err(|error| format!("{}: {error}", target.display()))?;
            if archive {
                let builddir = Path::new(&builddir);
                // Only a folder directly in srcdir is known to be the archive's own.
                let rename =
                    (source.stand_in && builddir.parent() == Some(srcdir)).then_some(builddir);
                unpack::unpack(Path::new(&source.path), srcdir, rename)?;
            }
        }
        Ok(())
    }

    /// Calls a function of the recipe in the folder where it is to work; `instead` is called if there is none.
    fn step(&mut self, name: &str, instead: Option<&str>) -> Result<(), Failure> {
        let function = match instead {
            _ if self.shell.has_function(name.as_bytes()) => name,
            Some(instead) => instead,
            None => return Ok(()),
        };
        println!("{PHASE_MARK}{name}");
        call(&mut self.shell, function).map_err(failure(name))
    }

    /// Runs a split function in a shell of its own, so that what it sets stays with its package.
    fn split(&self, subpackage: &Subpackage) -> Result<BuiltPackage, Failure> {
        let name = &subpackage.name;
        println!("{PHASE_MARK}{name}");
        let mut shell = sourced(self.environment, &self.task.script)?;
        let folder = format!("/build/pkg/{name}");
        fs::create_dir_all(&folder).map_err(|error| failure(name)(format!("{folder}: {error}")))?;
        for (variable, value) in [
            ("subpkgname", name.as_str()),
            ("subpkgdir", &folder),
            // These are the main package's own; a subpackage says what it has.
            ("provides", ""),
            ("provider_priority", ""),
            ("replaces", ""),
            ("replaces_priority", ""),
            ("install_if", ""),
        ] {
            shell.set_var(variable.as_bytes(), value.as_bytes());
        }
        let own = shell.has_function(subpackage.function.as_bytes());
        let function = if own {
            subpackage.function.clone()
        } else {
            format!("default_{}", subpackage.function)
        };
        call(&mut shell, &function).map_err(failure(name))?;
        let variables = variables(&shell).map_err(failure(name))?;
        Ok(BuiltPackage {
            name: name.clone(),
            arch: subpackage.arch.clone(),
            variables,
        })
    }
}

/// A shell that has run the recipe.
fn sourced(environment: &[(String, String)], script: &Script) -> Result<Shell, Failure> {
    let mut shell = new_shell(environment).map_err(failure("evaluate"))?;
    script.source(&mut shell).map_err(failure("evaluate"))?;
    Ok(shell)
}

fn call(shell: &mut Shell, function: &str) -> Result<(), String> {
    let start = b"cd \"$srcdir\" && { [ ! -d \"$builddir\" ] || cd \"$builddir\"; } && set -e";
    match shell.eval(b"abuild", start) {
        Ok(0) => {}
        Ok(status) => {
            return Err(format!(
                "the build folder cannot be entered (status {status})"
            ));
        }
        Err(error) => return Err(error.to_string()),
    }
    match shell.call(function.as_bytes(), &[]) {
        Err(error) => Err(error.to_string()),
        Ok(status) => match shell.exited() {
            Some(0) => Err(format!("{function} ended the recipe with exit 0")),
            Some(status) => Err(format!("exit status {status}")),
            None if status != 0 => Err(format!("exit status {status}")),
            None => Ok(()),
        },
    }
}

fn get(shell: &Shell, name: &str) -> String {
    shell
        .var(name.as_bytes())
        .map(|value| String::from_utf8_lossy(&value).into_owned())
        .unwrap_or_default()
}

fn failure(phase: &str) -> impl Fn(String) -> Failure {
    let phase = phase.to_owned();
    move |message| Failure {
        phase: phase.clone(),
        message,
    }
}
