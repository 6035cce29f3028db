//! Tab.

use crate::pty::{Setup, Shown, Term};

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["alpha one", "alphabet", "beta"] {
        std::fs::write(folder.path().join(name), name).unwrap();
    }
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    std::fs::write(folder.path().join("folder/inner.txt"), "inner\n").unwrap();
    folder
}

#[test]
fn files_folders_and_quotes() {
    let mut term = Term::start(Setup::default(), folder());
    term.send("cat be\t");
    term.until("beta and a blank", |screen| {
        screen.text().ends_with("cat beta") && screen.cursor_position().1 == 11
    });
    term.send("fo\tin\t");
    term.expect_last("$ cat beta folder/inner.txt");
    term.send("\x15cat alpha\\ \t");
    term.expect_last("$ cat alpha\\ one");
    term.send("\x15cat \"alpha o\t");
    term.expect_last("$ cat \"alpha one\"");
    term.send("\x15cat al\t");
    term.expect_last("$ cat alpha");
    term.send("\t");
    term.expect("\nalpha one  alphabet\n");
    term.expect_last("$ cat alpha");
}

#[test]
fn commands_variables_and_arguments() {
    let mut term = Term::start(Setup::default(), folder());
    term.line("my_function() { echo called $1; }; my_variable=value");
    term.send("my_f\tx\r");
    term.expect("\ncalled x");
    term.send("echo $my_v\t\r");
    term.expect("\nvalue");
    term.send("echo ${my_v\t\r");
    term.expect("{my_variable}\nvalue");
    term.send("apk upg\t");
    term.expect_last("$ apk upgrade");
    term.send("\x15rc-update sh\t");
    term.expect_last("$ rc-update show");
}
