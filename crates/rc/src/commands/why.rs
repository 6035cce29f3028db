//! `rc-why NAME`: why a service is up, down, or on its way, and what it said last.

use super::fail;
use crate::engine;
use crate::graph::{Graph, Id, Need};
use crate::layout::Layout;
use crate::log;
use crate::machine::Current;
use crate::name::{Runlevel, ServiceName};
use crate::runlevels;
use crate::script::depend;
use crate::state::State;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// How many lines of the log are shown.
const LINES: usize = 8;

/// The command. The first argument is its name.
pub fn main(layout: &Layout, arguments: &[OsString]) -> i32 {
    let [word] = arguments.get(1..).unwrap_or_default() else {
        return fail("rc-why", &"usage: rc-why NAME");
    };
    if word == "--help" || word == "-h" {
        crate::message::print_line(1, format_args!("usage: rc-why NAME"));
        return 0;
    }
    let name = match ServiceName::parse(word.as_bytes()) {
        Ok(name) => name,
        Err(error) => return fail("rc-why", &error),
    };
    if !layout.script(&name).exists() {
        return fail("rc-why", &format_args!("service {name} does not exist"));
    }
    let found = depend::scan(layout);
    let graph = Graph::new(found.declared);
    for line in explain(layout, &graph, &name, &found.problems) {
        crate::message::print_line(1, format_args!("{line}"));
    }
    0
}

fn explain(layout: &Layout, graph: &Graph, name: &ServiceName, problems: &[String]) -> Vec<String> {
    let state = State::new(layout);
    let current = state.read(name);
    let crashed = current == Current::Started && state.has_crashed(name);
    let word = match (current, crashed) {
        (_, true) => "crashed",
        (Current::Failed, _) => "failed",
        _ => super::status::word(current),
    };
    let mut lines = vec![format!("{name} is {word}")];
    let mut say = |text: String| lines.push(format!("  {text}"));
    let levels: Vec<Runlevel> = runlevels::all(layout)
        .into_iter()
        .filter(|level| runlevels::own_services(layout, level).contains(name))
        .collect();
    match levels.as_slice() {
        [] => say("it is in no runlevel".into()),
        levels => {
            let words: Vec<&str> = levels.iter().map(Runlevel::as_str).collect();
            say(format!("it is in the runlevel {}", words.join(", ")));
        }
    }
    if let Some(Current::Started) = Some(current).filter(|_| !crashed)
        && let Some(supervised) = super::status::supervised(&state, name)
    {
        say(supervised.to_string());
    }
    if let Some(why) = state.why(name) {
        say(why);
    }
    for problem in problems
        .iter()
        .filter(|problem| problem.contains(name.as_str()))
    {
        say(problem.clone());
    }
    if let Some(id) = graph.id(name) {
        for line in relations(&state, graph, id) {
            say(line);
        }
    }
    for cycle in graph.cycles() {
        if cycle.links.iter().any(|(member, _)| member == name) {
            say(cycle.to_string());
        }
    }
    let log = log::path(layout, name);
    let said = super::log::tail(&log, LINES);
    if !said.is_empty() {
        say(format!("what it said last (rc-log {name}):"));
        for line in said {
            say(format!("| {line}"));
        }
    }
    lines
}

/// What it needs that is not up, who needs it, and what it waits for.
fn relations(state: &State, graph: &Graph, id: Id) -> Vec<String> {
    let mut lines = Vec::new();
    let Some(node) = graph.node(id) else {
        return lines;
    };
    let of = |id: Id| graph.name(id).map(|name| (name, state.read(name)));
    let names = |ids: &[Id], wanted: &dyn Fn(Current) -> bool| -> Vec<String> {
        ids.iter()
            .filter_map(|id| of(*id))
            .filter(|(_, current)| wanted(*current))
            .map(|(name, _)| name.to_string())
            .collect()
    };
    let up = |current: Current| matches!(current, Current::Started | Current::Inactive);
    if node.keywords.excluded {
        lines.push("its keywords say that it does not run on this kind of system".into());
    }
    if node.broken {
        lines.push("its needs lead back to itself".into());
    }
    for need in &node.need {
        match need {
            Need::Missing(name) => lines.push(format!("it needs {name}, which does not exist")),
            Need::Any(providers) if names(providers, &up).is_empty() => {
                let all = names(providers, &|_| true).join(" or ");
                lines.push(format!("it needs {all}, which is not started"));
            }
            Need::Any(_) => {}
        }
    }
    let current = of(id).map_or(Current::Stopped, |(_, current)| current);
    if up(current) {
        let needing = names(&node.needed_by, &up);
        if !needing.is_empty() {
            lines.push(format!("it is needed by {}", needing.join(", ")));
        }
    } else {
        let moving = names(&node.first, &|current| {
            matches!(current, Current::Starting | Current::Stopping)
        });
        if !moving.is_empty() {
            lines.push(format!("before it comes {}", moving.join(", ")));
        }
    }
    if matches!(current, Current::Starting | Current::Stopping) {
        lines.push(format!(
            "its script may take {} seconds",
            engine::TIME_LIMIT / 1000
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_known_is_told() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        fs::create_dir_all(layout.scripts()).unwrap();
        fs::create_dir_all(layout.runlevels().join("default")).unwrap();
        for (name, depend) in [
            ("web", "need net ghost"),
            ("net", ""),
            ("lone", "need lone"),
        ] {
            let path = layout.scripts().join(name);
            let text = format!("#!/sbin/openrc-run\ndepend() {{\n:\n{depend}\n}}\n");
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let name = |text: &str| ServiceName::parse(text.as_bytes()).unwrap();
        runlevels::add(&layout, &name("web"), &Runlevel::default_level()).unwrap();
        let state = State::new(&layout);
        state.prepare().unwrap();
        state.mark(&name("web"), Current::Failed).unwrap();
        state
            .set_why(&name("web"), "its script ended with status 3")
            .unwrap();
        log::append(&log::path(&layout, &name("web")), b"cannot bind\n");
        let found = depend::scan(&layout);
        let graph = Graph::new(found.declared);
        assert_eq!(
            explain(&layout, &graph, &name("web"), &[]).join("\n"),
            "web is failed\n  it is in the runlevel default\n  its script ended with status 3\n  \
             it needs net, which is not started\n  it needs ghost, which does not exist\n  \
             what it said last (rc-log web):\n  | cannot bind"
        );
        state.mark(&name("web"), Current::Started).unwrap();
        state.mark(&name("net"), Current::Started).unwrap();
        let text = explain(&layout, &graph, &name("net"), &[]).join("\n");
        assert!(
            text.starts_with("net is started\n  it is in no runlevel"),
            "{text}"
        );
        assert!(text.contains("needed by web"), "{text}");
        let text = explain(&layout, &graph, &name("lone"), &[]).join("\n");
        assert!(text.contains("lead back to itself"), "{text}");
    }
}
