//! Which of the applets of Alpine's BusyBox are there, and the handbook's page of all of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Their paths below the root, a line each.
const ALPINE: &str = include_str!("alpine.txt");
/// `path: why it is not there`
const MISSING: &str = include_str!("missing.txt");

fn here() -> BTreeMap<String, &'static toolbox::applet::Applet> {
    toolbox::applets()
        .map(|applet| (format!("{}/{}", applet.folder.path(), applet.name), applet))
        .collect()
}

#[test]
fn alpines_names_are_there_where_alpine_has_them() {
    let here = here();
    let missing: BTreeMap<&str, &str> = MISSING
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(": ").expect(line))
        .collect();
    let mut wrong = Vec::new();
    for path in ALPINE.lines() {
        match (here.contains_key(path), missing.contains_key(path)) {
            (false, false) => wrong.push(format!("{path} is neither there nor in missing.txt")),
            (true, true) => wrong.push(format!("{path} is there: take it out of missing.txt")),
            _ => {}
        }
    }
    for path in missing.keys() {
        if !ALPINE.lines().any(|known| known == *path) {
            wrong.push(format!("{path} of missing.txt is none of Alpine's"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_handbook_has_them_all() {
    let mut page = String::from(
        "# The applets\n\n\
         All programs of `toolbox`, with what `APPLET --help` tells of each. Where those of the system differ from BusyBox'\n\
         stands in [Applets of the system](applets-system.md). This page is written by\n\
         `WRITE=1 cargo test -p toolbox --test names`.\n",
    );
    let mut all: Vec<_> = here().into_iter().collect();
    all.sort_by_key(|(_, applet)| applet.name);
    for (path, applet) in all {
        let usage = applet.usage.trim_end();
        writeln!(
            page,
            "\n## {}\n\n`/{path}`: {}\n\n```\n{} {usage}\n```",
            applet.name, applet.about, applet.name
        )
        .unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/applets.md");
    if std::env::var_os("WRITE").is_some() {
        fs::write(&path, page).unwrap();
        return;
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == page,
        "docs/applets.md is not what the table says: WRITE=1 cargo test -p toolbox --test names"
    );
}
