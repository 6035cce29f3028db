//! The programs that ship are no larger than `tests/sizes.txt` allows, and not much smaller either.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn programs_keep_to_their_budgets() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut budgets: BTreeMap<String, [u64; 2]> = fs::read_to_string(top.join("sizes.txt"))
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let figures = [words[1].parse().unwrap(), words[2].parse().unwrap()];
            (words[0].to_owned(), figures)
        })
        .collect();
    let mut wrong = Vec::new();
    for entry in fs::read_dir(top.join("../dist/bin/x86_64")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let packed = Command::new("gzip")
            .arg("-9nc")
            .arg(&path)
            .output()
            .expect("gzip is needed");
        assert!(packed.status.success());
        let sizes = [
            fs::metadata(&path).unwrap().len(),
            u64::try_from(packed.stdout.len()).unwrap(),
        ];
        let Some(allowed) = budgets.remove(&name) else {
            wrong.push(format!("{name} has no budget: it is {sizes:?}"));
            continue;
        };
        for (size, allowed) in sizes.into_iter().zip(allowed) {
            if size > allowed || size < allowed / 100 * 95 {
                wrong.push(format!(
                    "{name} is {sizes:?}, and may be from 95 in 100 of {allowed} to that"
                ));
            }
        }
    }
    wrong.extend(
        budgets
            .into_keys()
            .map(|name| format!("{name} is not there")),
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
