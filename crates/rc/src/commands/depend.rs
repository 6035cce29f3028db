//! `rc-depend [-aost] NAME…`: what services depend on, in the order in which they start (or stop).

use super::fail;
use crate::graph::{Declared, Graph, Id};
use crate::layout::Layout;
use crate::name::ServiceName;
use crate::script::depend;
use lexopt::{Arg, Parser};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

const USAGE: &str = "\
usage: rc-depend [-a|-o] [-s] [-T] [-t TYPE[,TYPE…]] NAME…
  -a  in the order of the start (as it is)   -o  in that of the stop   -s  only what is needed
  -T  what is said by NAME alone, not by what that depends on
  -t  ineed iuse iwant iafter ibefore iprovide needsme usesme wantsme aftersme beforeme";

/// What a service declares under the name of a type. The types of whom it is declared by have none.
pub(crate) fn list<'a>(declared: &'a Declared, kind: &str) -> Option<&'a [ServiceName]> {
    Some(match kind {
        "ineed" => &declared.need,
        "iuse" => &declared.uses,
        "iwant" => &declared.want,
        "ibefore" => &declared.before,
        "iafter" => &declared.after,
        "iprovide" => &declared.provide,
        _ => return None,
    })
}

/// Everybody whom a service is connected to in this way.
pub(crate) fn related(
    graph: &Graph,
    all: &BTreeMap<ServiceName, Declared>,
    name: &ServiceName,
    kind: &str,
) -> Option<Vec<ServiceName>> {
    if let Some(mine) = all.get(name).and_then(|declared| list(declared, kind)) {
        return Some(mine.to_vec());
    }
    let theirs = match kind {
        "needsme" => "ineed",
        "usesme" => "iuse",
        "wantsme" => "iwant",
        "aftersme" | "afterme" => "iafter",
        "beforeme" => "ibefore",
        _ => return None,
    };
    let me = graph.id(name);
    let names_me = |declared: &Declared| {
        list(declared, theirs).is_some_and(|names| {
            names
                .iter()
                .any(|name| graph.providers_of(name).iter().any(|id| Some(*id) == me))
        })
    };
    Some(
        all.iter()
            .filter(|(_, declared)| names_me(declared))
            .map(|(name, _)| name.clone())
            .collect(),
    )
}

/// These services and what they depend on, each behind what comes before it.
fn closure(
    graph: &Graph,
    all: &BTreeMap<ServiceName, Declared>,
    names: &[ServiceName],
    kinds: &[String],
    deep: bool,
) -> Vec<ServiceName> {
    let mut found: BTreeSet<Id> = BTreeSet::new();
    let mut stack: Vec<(Id, bool)> = names
        .iter()
        .filter_map(|name| Some((graph.id(name)?, true)))
        .collect();
    while let Some((id, first)) = stack.pop() {
        if !found.insert(id) || !(first || deep) {
            continue;
        }
        let Some(name) = graph.name(id) else { continue };
        for kind in kinds {
            for other in related(graph, all, name, kind).unwrap_or_default() {
                stack.extend(graph.providers_of(&other).into_iter().map(|id| (id, false)));
            }
        }
    }
    if !deep {
        for name in names {
            graph.id(name).map(|id| found.remove(&id));
        }
    }
    // No path along these links is a circle, so in each round somebody comes whose forerunners are all there.
    let mut order: Vec<Id> = Vec::new();
    while order.len() < found.len() {
        let before = order.len();
        for id in &found {
            let waits = graph.node(*id).is_some_and(|node| {
                node.first
                    .iter()
                    .any(|first| found.contains(first) && !order.contains(first))
            });
            if !order.contains(id) && !waits {
                order.push(*id);
            }
        }
        if order.len() == before {
            break;
        }
    }
    order
        .into_iter()
        .filter_map(|id| graph.name(id).cloned())
        .collect()
}

/// The command. The first argument is its name.
pub fn main(layout: &Layout, arguments: &[OsString]) -> i32 {
    match run(layout, arguments) {
        Ok(status) => status,
        Err(why) => fail("rc-depend", &why),
    }
}

fn run(layout: &Layout, arguments: &[OsString]) -> Result<i32, String> {
    let (mut stopping, mut strict, mut deep) = (false, false, true);
    let (mut kinds, mut names): (Vec<String>, Vec<ServiceName>) = (Vec::new(), Vec::new());
    let mut parser = Parser::from_args(arguments.iter().skip(1));
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Arg::Short('a') | Arg::Long("starting") => stopping = false,
            Arg::Short('o') | Arg::Long("stopping") => stopping = true,
            Arg::Short('s') | Arg::Long("strict") => strict = true,
            Arg::Short('T') | Arg::Long("notrace") => deep = false,
            // They are read anew in any case.
            Arg::Short('u') | Arg::Long("update") => {}
            Arg::Short('t') | Arg::Long("type") => {
                let value = parser.value().map_err(|error| error.to_string())?;
                let text = value.to_string_lossy();
                kinds.extend(text.split([',', ' ']).map(str::to_owned));
            }
            Arg::Short('C' | 'q' | 'v') | Arg::Long("nocolor" | "quiet" | "verbose") => {}
            Arg::Short('h') | Arg::Long("help") => {
                crate::message::print_line(1, format_args!("{USAGE}"));
                return Ok(0);
            }
            Arg::Value(word) => {
                names.push(ServiceName::parse(word.as_bytes()).map_err(|error| error.to_string())?)
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    if names.is_empty() {
        return Err("which service?".into());
    }
    if kinds.is_empty() {
        let usual: &[&str] = match (stopping, strict) {
            (true, true) => &["needsme"],
            (true, false) => &["needsme", "usesme", "wantsme"],
            (false, true) => &["ineed"],
            (false, false) => &["ineed", "iuse", "iwant"],
        };
        kinds = usual.iter().map(|kind| (*kind).to_owned()).collect();
    }
    let found = depend::scan(layout);
    let graph = Graph::new(found.declared.clone());
    for name in &names {
        if graph.id(name).is_none() {
            return Err(format!("service {name} does not exist"));
        }
        for kind in &kinds {
            if related(&graph, &found.declared, name, kind).is_none() {
                return Err(format!("{kind:?} is no type of dependency\n{USAGE}"));
            }
        }
    }
    let mut order = closure(&graph, &found.declared, &names, &kinds, deep);
    if stopping {
        order.reverse();
    }
    let words: Vec<&str> = order.iter().map(ServiceName::as_str).collect();
    crate::message::print_line(1, format_args!("{}", words.join(" ")));
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn dependencies_in_their_order() {
        let mut all = BTreeMap::new();
        let declared = |need: &[&str], uses: &[&str], provide: &[&str]| Declared {
            need: need.iter().map(|text| name(text)).collect(),
            uses: uses.iter().map(|text| name(text)).collect(),
            provide: provide.iter().map(|text| name(text)).collect(),
            ..Declared::default()
        };
        all.insert(name("app"), declared(&["web"], &["log"], &[]));
        all.insert(name("web"), declared(&["net"], &[], &[]));
        all.insert(name("zlan"), declared(&[], &[], &["net"]));
        all.insert(name("log"), declared(&[], &[], &[]));
        let graph = Graph::new(all.clone());
        let order = |names: &[&str], kinds: &[&str], deep| {
            let names: Vec<ServiceName> = names.iter().map(|text| name(text)).collect();
            let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
            let order = closure(&graph, &all, &names, &kinds, deep);
            let words: Vec<&str> = order.iter().map(ServiceName::as_str).collect();
            words.join(" ")
        };
        assert_eq!(order(&["app"], &["ineed"], true), "zlan web app");
        assert_eq!(
            order(&["app"], &["ineed", "iuse"], true),
            "log zlan web app"
        );
        assert_eq!(order(&["app"], &["ineed"], false), "web");
        assert_eq!(order(&["zlan"], &["needsme"], true), "zlan web app");
        assert_eq!(related(&graph, &all, &name("app"), "nonsense"), None);
    }
}
