use super::*;
use crate::index;

/// A case: packages as `name-version: depends | provides | install_if`, `*` in front: installed.
fn case(packages: &[&str], world: &str, flags: Flags) -> Result<Vec<String>, String> {
    let candidates: Vec<Candidate> = packages
        .iter()
        .map(|line| {
            let (installed, line) = match line.strip_prefix('*') {
                Some(line) => (true, line),
                None => (false, *line),
            };
            let (name, rest) = line.split_once(':').unwrap();
            let (name, version) = name.split_once('-').unwrap();
            let mut parts = rest
                .split('|')
                .map(|part| Dependency::parse_list(part).unwrap());
            let mut record = index::parse(&format!("P:{name}\nV:{version}\n"))
                .unwrap()
                .remove(0);
            record.depends = parts.next().unwrap_or_default();
            record.provides = parts.next().unwrap_or_default();
            record.install_if = parts.next().unwrap_or_default();
            let repositories = if installed { vec![] } else { vec![0] };
            record.installed_size = 1;
            record.identity = crate::package::Identity::of(line.as_bytes());
            Candidate {
                installed,
                repositories,
                ..Candidate::of(record)
            }
        })
        .collect();
    let world = Dependency::parse_list(world).unwrap();
    let problem = Problem {
        world: &world,
        candidates: &candidates,
        repositories: vec![Offer::default()],
        flags,
        ..Problem::default()
    };
    match problem.solve() {
        Ok(solution) => Ok(solution
            .moves
            .into_iter()
            .filter_map(|step| step.new)
            .map(|at| candidates[at].record.full_name())
            .collect()),
        Err(Unsolvable(text)) => Err(text),
    }
}

fn plain(packages: &[&str], world: &str) -> Result<Vec<String>, String> {
    case(packages, world, Flags::NONE)
}

#[test]
fn dependencies_come_first_and_the_newest_is_taken() {
    let chosen = plain(&["a-1:b c>=2", "b-1:c", "c-1:", "c-2:", "d-1:"], "a");
    assert_eq!(chosen.unwrap(), ["c-2", "b-1", "a-1"]);
}

#[test]
fn what_is_installed_stays_unless_upgrading() {
    let packages = ["*a-1:", "a-2:"];
    assert_eq!(plain(&packages, "a").unwrap(), ["a-1"]);
    assert_eq!(case(&packages, "a", Flags::UPGRADE).unwrap(), ["a-2"]);
    assert_eq!(plain(&packages, "a>1").unwrap(), ["a-2"]);
}

#[test]
fn what_is_ruled_out_is_not_chosen() {
    // As in apk-tools, the newest is chosen and found wanting; an older one has to be asked for.
    let error = plain(&["a-1:", "a-2:missing"], "a").unwrap_err();
    assert!(error.starts_with("  missing (no such package):"), "{error}");
    assert_eq!(plain(&["a-1:", "a-2:missing"], "a<2").unwrap(), ["a-1"]);
    assert_eq!(
        plain(&["a-1:c=1", "b-1:c=2", "b-0:c=1", "c-1:", "c-2:"], "a b").unwrap(),
        ["c-1", "a-1", "b-0"]
    );
}

#[test]
fn provides_conflicts_and_install_if() {
    assert_eq!(
        plain(&["a-1:so:x.so", "lib-3:|so:x.so=1"], "a").unwrap(),
        ["lib-3", "a-1"]
    );
    assert!(plain(&["a-1:|v=1", "b-1:|v=1"], "a b").is_err());
    assert!(plain(&["a-1:!b", "b-1:"], "a b").is_err());
    assert_eq!(plain(&["a-1:!a|x"], "a").unwrap(), ["a-1"]);
    assert_eq!(
        plain(
            &["a-1:", "b-1:", "a-doc-1:||a=1 b"]
                .map(|l| l.replacen("a-doc", "adoc", 1))
                .each_ref()
                .map(String::as_str),
            "a b"
        )
        .unwrap()
        .len(),
        3
    );
}

#[test]
fn a_name_without_a_version_is_not_chosen_by_itself() {
    assert!(plain(&["a-1:mta", "x-1:|mta"], "a").is_err());
    assert_eq!(
        plain(&["a-1:mta", "x-1:|mta"], "a x").unwrap(),
        ["x-1", "a-1"]
    );
}

#[test]
fn messages_are_apks() {
    assert_eq!(
        plain(&[], "a").unwrap_err(),
        "  a (no such package):\n    required by: world[a]\n"
    );
    assert_eq!(
        plain(&["a-1:"], "a>2").unwrap_err(),
        "  a-1:\n    breaks: world[a>2]\n"
    );
    assert_eq!(
        plain(&["a-1:x"], "a").unwrap_err(),
        "  x (no such package):\n    required by: a-1[x]\n"
    );
}

#[test]
fn a_long_chain_needs_no_deep_stack() {
    let lines: Vec<String> = (0..3000)
        .map(|n| format!("p{n}-1:p{}", n + 1))
        .chain(["p3000-1:".to_owned()])
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(plain(&lines, "p0").unwrap().len(), 3001);
}
