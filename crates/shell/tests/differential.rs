//! The same scripts under this shell, dash and BusyBox' ash: the same output, the same status, and an error from all or
//! from none.
//!
//! `corpus/*.txt`: a snippet is a line and those below it that begin with a tab (which is not part of them) or are empty.
//! `p` prints its arguments in angles. A line `#! dash: reason`, `#! ash: reason` or `#! both: reason` before a snippet
//! says from whom this shell differs there; that is checked too. `corpus/ash.txt` is not put to dash.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};

#[path = "differential/generate.rs"]
mod generate;
#[path = "differential/harmless.rs"]
mod harmless;
#[path = "differential/print.rs"]
mod print;

const PRELUDE: &str = "p() { printf '<%s>' \"$@\"; printf '\\n'; }\n";

/// What a script did, as far as it is compared.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    output: String,
    /// The exit status, or 1000 and the signal.
    status: i32,
    complains: bool,
}

const OURS: &[&str] = &[env!("CARGO_BIN_EXE_sh")];
const DASH: &[&str] = &["dash"];
const ASH: &[&str] = &["busybox", "ash"];

fn run(shell: &[&str], script: &str) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("work");
    fs::create_dir(&work).unwrap();
    let script = format!("{PRELUDE}{script}\n");
    fs::write(folder.path().join("t.sh"), script).unwrap();
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    let status = Command::new("timeout")
        .arg("20")
        .args(shell)
        .arg("../t.sh")
        .current_dir(&work)
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .env("HOME", "/root")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(File::create(&out).unwrap())
        .stderr(File::create(&err).unwrap())
        .process_group(0)
        .status()
        .expect("dash and busybox (Debian's packages) are needed");
    Outcome {
        output: String::from_utf8_lossy(&fs::read(out).unwrap()).into_owned(),
        status: status
            .code()
            .unwrap_or_else(|| 1000 + status.signal().unwrap_or_default()),
        complains: fs::metadata(err).unwrap().len() > 0,
    }
}

struct Snippet {
    place: String,
    text: String,
    differs: Option<(String, String)>,
    dash_too: bool,
}

fn corpus() -> Vec<Snippet> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut snippets: Vec<Snippet> = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let mut differs = None;
        let mut open = false;
        for (at, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            if let Some(note) = line.strip_prefix("#! ") {
                let (who, why) = note.split_once(": ").unwrap();
                assert!(["dash", "ash", "both"].contains(&who), "{name}: {line}");
                differs = Some((who.to_owned(), why.to_owned()));
            } else if line.starts_with("# ") {
                open = false;
            } else if let Some(more) = line.strip_prefix('\t').or(line.is_empty().then_some("")) {
                assert!(open, "{name}:{}: what does this go on?", at + 1);
                let text = &mut snippets.last_mut().unwrap().text;
                text.push('\n');
                text.push_str(more);
            } else {
                open = true;
                snippets.push(Snippet {
                    place: format!("{name}:{}", at + 1),
                    text: line.to_owned(),
                    differs: differs.take(),
                    dash_too: name != "ash.txt",
                });
            }
        }
    }
    snippets
}

/// Calls `judge` on all of them, several at a time, and gathers what it says.
fn all<T: Sync>(of: &[T], judge: impl Fn(&T) -> Option<String> + Sync) -> Vec<String> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let said = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(one) =
                    of.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    if let Some(words) = judge(one) {
                        said.lock().unwrap().push(words);
                    }
                }
            });
        }
    });
    let mut said = said.into_inner().unwrap();
    said.sort();
    said
}

#[test]
fn the_corpus_does_the_same_under_three_shells() {
    let snippets = corpus();
    assert!(snippets.len() >= 500, "{} snippets", snippets.len());
    let wrong = all(&snippets, |snippet| {
        let ours = run(OURS, &snippet.text);
        let dash = if snippet.dash_too {
            run(DASH, &snippet.text)
        } else {
            run(OURS, &snippet.text)
        };
        let ash = run(ASH, &snippet.text);
        let differs = match (ours == dash, ours == ash) {
            (true, true) => None,
            (false, true) => Some("dash"),
            (true, false) => Some("ash"),
            (false, false) => Some("both"),
        };
        (differs != snippet.differs.as_ref().map(|(who, _)| who.as_str())).then(|| {
            format!(
                "{}: differs from {}, listed {:?}\n{}\n  ours {ours:?}\n  dash {dash:?}\n  ash  {ash:?}\n",
                snippet.place,
                differs.unwrap_or("none"),
                snippet.differs,
                snippet.text,
            )
        })
    });
    assert!(
        wrong.is_empty(),
        "{}\n{} of {} snippets",
        wrong.join("\n"),
        wrong.len(),
        snippets.len()
    );
}

#[test]
fn generated_scripts_do_what_dash_or_ash_does() {
    let count = std::env::var("SCRIPTS").map_or(200, |text| text.parse().unwrap());
    let from = std::env::var("SEED").map_or(1, |text| text.parse().unwrap());
    let seeds: Vec<u64> = (from..from + count).collect();
    let wrong = all(&seeds, |seed| {
        let script = generate::script(*seed);
        let ours = run(OURS, &script);
        let dash = run(DASH, &script);
        // Where the two disagree, either will do.
        (ours != dash && ours != run(ASH, &script)).then(|| {
            let ash = run(ASH, &script);
            format!("seed {seed}:\n{script}\n  ours {ours:?}\n  dash {dash:?}\n  ash  {ash:?}\n")
        })
    });
    assert!(
        wrong.is_empty(),
        "{}\n{} of {} scripts",
        wrong.join("\n"),
        wrong.len(),
        seeds.len()
    );
}

/// What is printed of a script's tree parses to a tree that prints the same, and does what the script does.
fn printed(script: &str, same_lines: bool) -> Option<String> {
    let aliases = shell::parser::Aliases::default();
    let parse = |text: &[u8]| shell::parser::Parser::new(text, "t", &aliases).all();
    let Ok(list) = parse(script.as_bytes()) else {
        return None;
    };
    let first = print::script(&list);
    let text = String::from_utf8_lossy(&first).into_owned();
    let again = match parse(&first) {
        Ok(list) => print::script(&list),
        Err(error) => return Some(format!("{error}\n{script}\n-- printed:\n{text}")),
    };
    if again != first {
        let again = String::from_utf8_lossy(&again);
        return Some(format!(
            "{script}\n-- printed:\n{text}\n-- and again:\n{again}"
        ));
    }
    let (before, after) = (run(OURS, script), run(OURS, &text));
    (same_lines && before != after)
        .then(|| format!("{script}\n-- printed:\n{text}\n{before:?}\n{after:?}"))
}

#[test]
fn what_is_printed_is_the_same_script() {
    let mut scripts: Vec<(String, bool)> = corpus()
        .into_iter()
        .map(|snippet| {
            // The numbers of lines change, an alias is gone once it was read, and `set -v` shows the text itself.
            let same = !["LINENO", "alias", "set -v"]
                .iter()
                .any(|word| snippet.text.contains(word));
            (snippet.text, same)
        })
        .collect();
    scripts.extend((1..=200).map(|seed| (generate::script(seed), true)));
    let wrong = all(&scripts, |(script, same)| printed(script, *same));
    assert!(
        wrong.is_empty(),
        "{}\n{} of {} scripts",
        wrong.join("\n\n"),
        wrong.len(),
        scripts.len()
    );
}

/// The corpus with bytes changed, taken out, doubled and moved: whatever comes of it is a script or an error, and where
/// nothing but assignments is left, a value or an error.
#[test]
fn damaged_scripts_are_scripts_or_errors() {
    let aliases = shell::parser::Aliases::default();
    let snippets = corpus();
    let (mut parsed, mut assigned) = (0, 0);
    for (seed, snippet) in (1..).zip(snippets.iter().cycle().take(100_000)) {
        let mut text = snippet.text.clone().into_bytes();
        if seed % 3 == 0 {
            // A command that assigns what the snippet prints.
            text = text
                .strip_prefix(b"p ")
                .map_or(text.clone(), |word| [b"x=", word].concat());
        }
        generate::damage(seed, &mut text);
        if shell::parser::Parser::new(&text, "t", &aliases)
            .all()
            .is_ok()
        {
            parsed += 1;
        }
        if harmless::only_assigns(&text) {
            let mut shell = shell::Shell::new();
            shell.set_var(b"x", b"a b*c");
            shell.set_args(vec![b"one".to_vec(), b"two three".to_vec()]);
            let _ = shell.eval(b"t", &text);
            assigned += 1;
        }
    }
    assert!(parsed > 2000 && assigned > 200, "{parsed} and {assigned}");
}
