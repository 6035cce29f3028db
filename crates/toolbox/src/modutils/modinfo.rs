//! `modinfo`: what modules say of themselves.

use super::image::{self, Image};
use super::tree;
use crate::common::glob;
use crate::common::lines::{Output, about, other, say, status};
use crate::common::options::{Given, Options};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub const USAGE: &str = "[-adlpn0] [-F FIELD] [-b FOLDER] [-k RELEASE] MODULE...

MODULE is a name, a pattern of names, or a file
-a  the author    -d  the description    -l  the licence    -p  the parameters    -n  the file    -F  that field
-0  NULs between, not lines    -b  FOLDER/lib/modules    -k  of that kernel";

const OPTIONS: Options = Options {
    applet: "modinfo",
    letters: "0F:nadlpb:k:",
    long: &[
        ("field", 'F'),
        ("filename", 'n'),
        ("author", 'a'),
        ("description", 'd'),
        ("license", 'l'),
        ("parameters", 'p'),
        ("null", '0'),
        ("basedir", 'b'),
    ],
};

/// The fields in the order in which they are shown.
const FIELDS: &[(char, &str)] = &[
    ('n', "filename"),
    ('a', "author"),
    ('d', "description"),
    ('l', "license"),
    ('p', "parm"),
];

/// What is shown besides, where no field is chosen.
const MORE: &[&str] = &["alias", "depends", "firmware", "version", "vermagic"];

/// `modinfo`
pub fn main(arguments: &[OsString]) -> i32 {
    match OPTIONS.take(arguments, 1, usize::MAX) {
        Ok(given) => status("modinfo", run(&given)),
        Err(status) => status,
    }
}

fn run(given: &Given) -> io::Result<i32> {
    let release = given
        .value('k')
        .map_or_else(tree::release, |text| text.to_string_lossy().into_owned());
    let base = given.value('b').unwrap_or(OsStr::new("/"));
    let folder = Path::new(base).join("lib/modules").join(release);
    let known = known(&folder);
    let mut out = Output::new();
    let mut status = 0;
    for word in &given.operands {
        let wanted = tree::normal(word.as_bytes());
        let mut paths: Vec<PathBuf> = known
            .iter()
            .filter(|path| {
                let name = tree::module_name(path.as_bytes());
                glob::matches(&wanted, &tree::normal(&name), glob::Options::default())
            })
            .map(|path| folder.join(path))
            .collect();
        if paths.is_empty() {
            paths.push(PathBuf::from(word));
        }
        for path in paths {
            if let Err(error) = show(&path, given, &mut out) {
                out.flush();
                if error.kind() == io::ErrorKind::NotFound {
                    say("modinfo", format!("module '{}' not found", word.display()));
                } else {
                    say(
                        "modinfo",
                        crate::common::lines::cause(&about(&path, &error)),
                    );
                }
                status = 1;
            }
        }
    }
    Ok(out.finish("modinfo", status, 1))
}

/// The modules' files, as `modules.dep` has them.
fn known(folder: &Path) -> Vec<OsString> {
    let text = std::fs::read(folder.join("modules.dep")).unwrap_or_default();
    tree::lines(&text)
        .filter_map(|line| {
            let end = line.iter().position(|byte| *byte == b':')?;
            Some(OsStr::from_bytes(line.get(..end)?).to_owned())
        })
        .collect()
}

fn show(path: &Path, given: &Given, out: &mut Output) -> io::Result<()> {
    let bytes = image::read(path)?;
    let image = Image::parse(&bytes).ok_or_else(|| other("it is no module"))?;
    let end = if given.has('0') { 0 } else { b'\n' };
    let mut wanted: Vec<&str> = FIELDS
        .iter()
        .filter(|(letter, _)| given.has(*letter))
        .map(|(_, name)| *name)
        .collect();
    wanted.extend(given.value('F').and_then(OsStr::to_str));
    let titled = wanted.is_empty();
    if titled {
        wanted.extend(FIELDS.iter().map(|(_, name)| *name));
        wanted.extend(MORE);
    }
    let fields = image.fields();
    for name in wanted {
        let mut line = |value: &[u8]| {
            if titled {
                out.put(format!("{:<16}", format!("{name}:")).as_bytes());
            }
            out.put(value);
            out.put_byte(end);
        };
        if name == "filename" {
            line(path.as_os_str().as_bytes());
        }
        for (_, value) in fields.iter().filter(|(known, _)| *known == name.as_bytes()) {
            line(value);
        }
    }
    Ok(())
}
