//! `depmod`: writes down what modules need, and what they answer to.

use super::image::{self, Image};
use super::tree;
use crate::common::lines::{Output, about, complain, other, say, status};
use crate::common::options::{Given, Options};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub const USAGE: &str = "[-n] [-b FOLDER] [RELEASE] [FILE...]

writes modules.dep, modules.alias, modules.symbols and modules.softdep for the running kernel, or RELEASE
-b  below FOLDER/lib/modules    -n  print it, change nothing
-a, -A, -e, -q, -r, -u, -C FILE, -F FILE make no difference: all modules are always read, and unknown symbols are
the kernel's";

const OPTIONS: Options = Options {
    applet: "depmod",
    letters: "aAb:eF:nruqC:",
    long: &[
        ("all", 'a'),
        ("quick", 'A'),
        ("basedir", 'b'),
        ("errsyms", 'e'),
        ("filesyms", 'F'),
        ("dry-run", 'n'),
        ("show", 'n'),
        ("unresolved-error", 'u'),
        ("quiet", 'q'),
        ("config", 'C'),
    ],
};

/// A module: its file as it is written down, and what is in it.
#[derive(Debug, Default)]
struct Module {
    path: Vec<u8>,
    aliases: Vec<Vec<u8>>,
    soft: Vec<Vec<u8>>,
    exported: Vec<Vec<u8>>,
    needed: Vec<Vec<u8>>,
    depends: Vec<Vec<u8>>,
}

/// `depmod`
pub fn main(arguments: &[OsString]) -> i32 {
    match OPTIONS.parse(arguments) {
        Ok(given) => status("depmod", run(&given)),
        Err(status) => status,
    }
}

/// `6.12.1-virt` and its like: three numbers begin it.
fn is_release(text: &OsStr) -> bool {
    let text = text.to_string_lossy();
    let mut parts = text.splitn(3, '.');
    let number = |part: &str| {
        part.bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_digit())
    };
    (0..3).all(|_| parts.next().is_some_and(number))
}

fn run(given: &Given) -> io::Result<i32> {
    let mut words = given.operands.iter().peekable();
    let release = match words.next_if(|word| is_release(word)) {
        Some(word) => word.to_string_lossy().into_owned(),
        None => tree::release(),
    };
    let base = given.value('b').unwrap_or(OsStr::new("/"));
    let folder = Path::new(base).join("lib/modules").join(release);
    if !folder.is_dir() {
        return Err(other(format!(
            "{}: there is no such folder",
            folder.display()
        )));
    }
    let mut files: Vec<PathBuf> = words.map(PathBuf::from).collect();
    if files.is_empty() {
        find(&folder, &mut files)?;
        files.sort();
    }
    let mut modules = Vec::new();
    let mut status = 0;
    for file in &files {
        match read(&folder, file) {
            Ok(module) => modules.push(module),
            Err(error) => {
                complain("depmod", file.as_os_str(), &error);
                status = 1;
            }
        }
    }
    let tables = tables(&modules);
    if given.has('n') {
        let mut out = Output::new();
        for (_, text) in &tables {
            out.put(text);
        }
        return Ok(out.finish("depmod", status, 1));
    }
    for (name, text) in &tables {
        // All of it or the old one.
        let (place, new) = (folder.join(name), folder.join(format!("{name}.new")));
        std::fs::write(&new, text)
            .and_then(|()| std::fs::rename(&new, &place))
            .map_err(|error| about(&place, &error))?;
    }
    Ok(status)
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| about(&folder, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| about(&folder, &error))?;
            // Links lead to the sources, and out of here.
            let kind = entry
                .file_type()
                .map_err(|error| about(entry.path(), &error))?;
            if kind.is_dir() {
                waiting.push(entry.path());
            } else if kind.is_file() && is_module(entry.file_name().as_bytes()) {
                files.push(entry.path());
            }
        }
    }
    Ok(())
}

fn is_module(name: &[u8]) -> bool {
    [&b".ko"[..], b".ko.gz", b".ko.xz", b".ko.zst"]
        .iter()
        .any(|end| name.ends_with(end))
}

fn read(folder: &Path, file: &Path) -> io::Result<Module> {
    let bytes = image::read(file)?;
    let image = Image::parse(&bytes).ok_or_else(|| other("it is no module"))?;
    let path = file.strip_prefix(folder).unwrap_or(file);
    let mut module = Module {
        path: path.as_os_str().as_bytes().to_vec(),
        ..Module::default()
    };
    for (name, value) in image.fields() {
        match name {
            b"alias" => module.aliases.push(value.to_vec()),
            b"softdep" => module.soft.push(value.to_vec()),
            b"depends" => module.depends.extend(
                value
                    .split(|byte| *byte == b',')
                    .filter(|name| !name.is_empty())
                    .map(tree::normal),
            ),
            _ => {}
        }
    }
    let (exported, needed) = image.symbols();
    module.exported = exported.into_iter().map(<[u8]>::to_vec).collect();
    module.needed = needed.into_iter().map(<[u8]>::to_vec).collect();
    Ok(module)
}

/// The files' names and texts.
fn tables(modules: &[Module]) -> Vec<(&'static str, Vec<u8>)> {
    let names: Vec<Vec<u8>> = modules
        .iter()
        .map(|module| tree::normal(&tree::module_name(&module.path)))
        .collect();
    let by_name: HashMap<&[u8], usize> = names
        .iter()
        .enumerate()
        .map(|(index, name)| (name.as_slice(), index))
        .collect();
    let by_symbol: HashMap<&[u8], usize> = modules
        .iter()
        .enumerate()
        .flat_map(|(index, module)| {
            module
                .exported
                .iter()
                .map(move |name| (name.as_slice(), index))
        })
        .collect();
    // What each of them needs itself: by its symbols, and as it says.
    let direct: Vec<Vec<usize>> = modules
        .iter()
        .enumerate()
        .map(|(index, module)| {
            let by_symbols = module
                .needed
                .iter()
                .filter_map(|name| by_symbol.get(name.as_slice()));
            let said = module
                .depends
                .iter()
                .filter_map(|name| by_name.get(name.as_slice()));
            let mut all: Vec<usize> = by_symbols
                .chain(said)
                .copied()
                .filter(|other| *other != index)
                .collect();
            all.sort_unstable();
            all.dedup();
            all
        })
        .collect();
    let (mut dep, mut alias, mut symbols, mut soft) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (index, module) in modules.iter().enumerate() {
        dep.extend(&module.path);
        dep.push(b':');
        for needed in order(index, &direct) {
            if let Some(other) = modules.get(needed) {
                dep.push(b' ');
                dep.extend(&other.path);
            }
        }
        dep.push(b'\n');
        let name = names.get(index).map(Vec::as_slice).unwrap_or_default();
        for pattern in &module.aliases {
            alias.extend([b"alias ", pattern.as_slice(), b" ", name, b"\n"].concat());
        }
        for text in &module.soft {
            soft.extend([b"softdep ", name, b" ", text.as_slice(), b"\n"].concat());
        }
    }
    let sorted: BTreeMap<&[u8], usize> = by_symbol.into_iter().collect();
    for (symbol, index) in sorted {
        let name = names.get(index).map(Vec::as_slice).unwrap_or_default();
        symbols.extend([b"alias symbol:", symbol, b" ", name, b"\n"].concat());
    }
    vec![
        ("modules.dep", dep),
        ("modules.alias", alias),
        ("modules.symbols", symbols),
        ("modules.softdep", soft),
    ]
}

/// All that a module needs, in the order of unloading: what needs others comes before them.
fn order(of: usize, direct: &[Vec<usize>]) -> Vec<usize> {
    let (mut done, mut seen) = (Vec::new(), HashSet::from([of]));
    // Each with how many of its needs were looked at.
    let mut waiting = vec![(of, 0)];
    while let Some((index, at)) = waiting.pop() {
        let next = direct.get(index).and_then(|needs| needs.get(at)).copied();
        match next {
            Some(needed) => {
                waiting.push((index, at + 1));
                // One that is on the way already: modules that need each other.
                if seen.insert(needed) {
                    waiting.push((needed, 0));
                } else if waiting.iter().any(|(other, _)| *other == needed) {
                    say("depmod", "modules need each other");
                }
            }
            None if index != of => done.push(index),
            None => {}
        }
    }
    done.reverse();
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(folder: &Path, name: &str) -> String {
        std::fs::read_to_string(folder.join(name)).unwrap()
    }

    #[test]
    fn a_tree_of_modules() {
        let base = std::env::temp_dir().join(format!("toolbox-depmod-{}", std::process::id()));
        let folder = base.join("lib/modules/6.1.2-x");
        std::fs::create_dir_all(folder.join("kernel")).unwrap();
        for (name, fields, exported, needed) in [
            (
                "a.ko",
                &["alias=pci:*", "softdep=pre: c"][..],
                &[][..],
                &["b_one", "printk"][..],
            ),
            ("b-x.ko", &["depends=c"], &["b_one"], &["c_one"]),
            ("c.ko", &[], &["c_one"], &[]),
        ] {
            let image = image::sample(fields, exported, needed);
            std::fs::write(folder.join("kernel").join(name), image).unwrap();
        }
        std::fs::write(folder.join("kernel/bad.ko"), "x").unwrap();
        let words = ["depmod", "-b", base.to_str().unwrap(), "6.1.2-x"].map(OsString::from);
        assert_eq!(main(&words), 1);
        std::fs::remove_file(folder.join("kernel/bad.ko")).unwrap();
        assert_eq!(main(&words), 0);
        assert_eq!(
            text(&folder, "modules.dep"),
            "kernel/a.ko: kernel/b-x.ko kernel/c.ko\nkernel/b-x.ko: kernel/c.ko\nkernel/c.ko:\n"
        );
        assert_eq!(text(&folder, "modules.alias"), "alias pci:* a\n");
        assert_eq!(text(&folder, "modules.softdep"), "softdep a pre: c\n");
        assert_eq!(
            text(&folder, "modules.symbols"),
            "alias symbol:b_one b_x\nalias symbol:c_one c\n"
        );
        std::fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn an_order_even_in_a_circle() {
        assert_eq!(order(0, &[vec![1, 2], vec![2], vec![]]), [1, 2]);
        assert_eq!(order(0, &[vec![2, 1], vec![2], vec![]]), [1, 2]);
        assert_eq!(order(0, &[vec![1], vec![0]]), [1]);
    }

    #[test]
    fn releases() {
        assert!(is_release(OsStr::new("6.12.1-virt")));
        assert!(!is_release(OsStr::new("kernel/a.ko")));
        assert!(!is_release(OsStr::new("6.12")));
    }
}
