//! What stands in the way of a solution, in the words of apk.

use super::deduce::{Solver, display_order};
use super::universe::{Need, Universe};
use super::{Move, Problem};
use crate::dependency::{Dependency, Operator};
use std::fmt::Write as _;

/// The columns where there is no terminal.
const USUAL_WIDTH: usize = 50;

/// How a name comes to be there.
const PRESENT: u8 = 1;
const MISSING: u8 = 2;
const SHARED: u8 = 4;
const AWAITED: u8 = 8;

/// Lines of which each goes on, indented, where it is too long.
struct Paragraphs {
    text: String,
    width: usize,
    column: usize,
    indent: usize,
    /// What the next part is about, until it was said.
    title: Option<String>,
}

impl Paragraphs {
    /// Begins a part such as `satisfies:`, or goes on with it.
    fn begin(&mut self, label: &str) {
        if let Some(title) = self.title.take() {
            let _ = writeln!(self.text, "  {title}:");
            (self.column, self.indent) = (0, 0);
        }
        if self.column == 0 {
            let _ = write!(self.text, "    {label}");
            self.column = label.len() + 4;
            self.indent = self.column + 1;
        }
    }

    fn item(&mut self, text: &str) {
        if self.column <= self.indent {
            let _ = write!(self.text, "{:1$}{text}", "", self.indent - self.column);
            self.column = self.indent + text.len();
        } else if self.column + text.len() + 1 >= self.width {
            let _ = write!(self.text, "\n{:1$}{text}", "", self.indent);
            self.column = self.indent + text.len();
        } else {
            let _ = write!(self.text, " {text}");
            self.column += text.len() + 1;
        }
    }

    fn end(&mut self) {
        if self.column != 0 {
            self.text.push('\n');
            (self.column, self.indent) = (0, 0);
        }
    }
}

struct Report<'s, 'a> {
    problem: &'a Problem<'a>,
    all: &'a Universe<'a>,
    solver: &'s Solver<'a>,
    /// The packages that were chosen.
    there: Vec<bool>,
    names: Vec<u8>,
    packs: Vec<u8>,
    out: Paragraphs,
}

pub(super) fn report<'a>(
    problem: &'a Problem<'a>,
    all: &'a Universe<'a>,
    moves: &[Move],
    solver: &Solver<'a>,
) -> String {
    let mut report = Report {
        problem,
        all,
        solver,
        there: vec![false; all.packs.len()],
        names: vec![0; all.names.len()],
        packs: vec![0; all.packs.len()],
        out: Paragraphs {
            text: String::new(),
            width: if problem.width == 0 {
                USUAL_WIDTH
            } else {
                problem.width
            },
            column: 0,
            indent: 0,
            title: None,
        },
    };
    let chosen: Vec<(usize, Option<&str>)> = moves
        .iter()
        .filter_map(|step| Some((step.new?, step.new_tag.as_deref())))
        .collect();
    for (at, _) in &chosen {
        if let Some(there) = report.there.get_mut(*at) {
            *there = true;
        }
    }
    let mut world = all.world.clone();
    world.sort_by(|a, b| display_order(&a.written.name, &b.written.name));
    report.discover(&world);
    report.missing(&world, &world);
    for (at, tag) in chosen {
        report.package(at, tag, &world);
        if let Some(pack) = all.pack(at) {
            report.missing(&pack.depends, &world);
        }
    }
    if report.out.text.is_empty() {
        report
            .out
            .text
            .push_str("Huh? Error reporter did not find the broken constraints.\n");
    }
    report.out.text
}

/// A dependency as messages have it: without its tag.
fn plain(written: &Dependency) -> String {
    Dependency {
        tag: None,
        ..written.clone()
    }
    .to_string()
}

/// In the world the tag stands at the end.
fn in_world(written: &Dependency) -> String {
    let tag = written.tag.as_ref().map(|tag| format!("@{tag}"));
    format!("world[{}{}]", plain(written), tag.unwrap_or_default())
}

/// The order of dependencies of one package.
fn weight(written: &Dependency) -> u8 {
    let operator = match written.version.as_ref().map(|(operator, _)| operator) {
        None => 7,
        Some(Operator::Equal) => 1,
        Some(Operator::Less) => 2,
        Some(Operator::LessEqual) => 3,
        Some(Operator::Greater) => 4,
        Some(Operator::GreaterEqual) => 5,
        Some(Operator::Identity) => 6,
        Some(Operator::Fuzzy) => 9,
        Some(Operator::LessFuzzy) => 11,
        Some(Operator::GreaterFuzzy) => 13,
    };
    operator | if written.conflict { 16 } else { 0 }
}

impl<'a> Report<'_, 'a> {
    fn full(&self, at: usize) -> String {
        self.all
            .pack(at)
            .map(|pack| pack.candidate.record.full_name())
            .unwrap_or_default()
    }

    fn is_there(&self, at: usize) -> bool {
        self.there.get(at).copied().unwrap_or_default()
    }

    fn state(&self, name: usize) -> u8 {
        self.names.get(name).copied().unwrap_or_default()
    }

    fn note(&mut self, name: usize, state: u8) {
        if let Some(known) = self.names.get_mut(name) {
            *known |= state;
        }
    }

    /// Which names are there, and how.
    fn discover(&mut self, needs: &[Need<'a>]) {
        let all = self.all;
        let mut open: Vec<(usize, u8)> = Vec::new();
        let push = |open: &mut Vec<(usize, u8)>, needs: &[Need<'a>]| {
            let wanted = needs.iter().rev().filter(|need| !need.is_conflict());
            open.extend(wanted.map(|need| (need.name, PRESENT)));
        };
        push(&mut open, needs);
        while let Some((name, wanted)) = open.pop() {
            for provider in &all.name(name).providers {
                let at = provider.pack;
                let Some(pack) = all.pack(at).filter(|_| self.is_there(at)) else {
                    continue;
                };
                let priority = pack.candidate.record.provider_priority.unwrap_or(0);
                let concrete = pack.name == name
                    || pack
                        .provides
                        .iter()
                        .any(|(one, version)| *one == name && version.is_some());
                let state = if priority == 0 && !concrete {
                    SHARED
                } else {
                    wanted
                };
                match self.packs.get_mut(at) {
                    Some(known) if *known & state == 0 => *known |= state,
                    _ => continue,
                }
                self.note(pack.name, state);
                for (one, version) in &pack.provides {
                    let shared = state == AWAITED && version.is_none();
                    self.note(*one, if shared { SHARED } else { state });
                }
                push(&mut open, &pack.depends);
                if state & (PRESENT | AWAITED) != 0 {
                    for (one, _) in all.names_of(at) {
                        self.discover_awaited(one, &mut open);
                    }
                }
            }
        }
    }

    fn discover_awaited(&self, name: usize, open: &mut Vec<(usize, u8)>) {
        let all = self.all;
        for waiting in &all.name(name).awaited_by {
            for provider in &all.name(*waiting).providers {
                let Some(pack) = all.pack(provider.pack) else {
                    continue;
                };
                let met = pack.install_if.iter().all(|need| {
                    need.is_conflict() != (self.state(need.name) & (PRESENT | AWAITED) != 0)
                });
                if self.is_there(provider.pack) && !pack.install_if.is_empty() && met {
                    open.extend(all.names_of(provider.pack).map(|(one, _)| (one, AWAITED)));
                }
            }
        }
    }

    fn missing(&mut self, needs: &[Need<'a>], world: &[Need<'a>]) {
        for need in needs.iter().filter(|need| !need.is_conflict()) {
            if self.state(need.name) & (AWAITED | PRESENT | MISSING) == 0 {
                self.note(need.name, MISSING);
                self.missing_name(need.name, world);
            }
        }
    }

    fn missing_name(&mut self, number: usize, world: &[Need<'a>]) {
        let all = self.all;
        let name = all.name(number);
        if name.providers.is_empty() {
            self.out.title = Some(format!("{} (no such package)", name.text));
        } else {
            self.out.title = Some(format!("{} (virtual)", name.text));
            self.out.begin("note:");
            for word in [
                "please",
                "select",
                "one",
                "of",
                "the",
                "'provided",
                "by'",
                "packages",
                "explicitly",
            ] {
                self.out.item(word);
            }
            self.out.end();
            self.out.begin("provided by:");
            let owner = |at: usize| all.pack(at).map_or(usize::MAX, |pack| pack.name);
            let mut said: Vec<usize> = Vec::new();
            for provider in &name.providers {
                let own = owner(provider.pack);
                let of_it = name
                    .providers
                    .iter()
                    .filter(|one| owner(one.pack) == own)
                    .count();
                if of_it == all.name(own).providers.len() {
                    // All packages of that name.
                    if !said.contains(&own) {
                        said.push(own);
                        self.out.item(all.name(own).text);
                    }
                } else {
                    let text = self.full(provider.pack);
                    self.out.item(&text);
                }
            }
            self.out.end();
        }
        self.out.begin("required by:");
        for need in world
            .iter()
            .filter(|need| need.name == number && !need.is_conflict())
        {
            self.out.item(&in_world(need.written));
        }
        let mut seen: Vec<usize> = Vec::new();
        for dependant in &name.dependants {
            for provider in &all.name(*dependant).providers {
                let at = provider.pack;
                if !self.is_there(at) || seen.contains(&at) {
                    continue;
                }
                seen.push(at);
                let Some(pack) = all.pack(at) else { continue };
                let need = pack
                    .depends
                    .iter()
                    .find(|need| need.name == number && !need.is_conflict());
                if let Some(need) = need {
                    let text = format!("{}[{}]", self.full(at), plain(need.written));
                    self.out.item(&text);
                    break;
                }
            }
        }
        self.out.end();
    }

    fn package(&mut self, at: usize, tag: Option<&str>, world: &[Need<'a>]) {
        let Some(pack) = self.all.pack(at) else {
            return;
        };
        self.out.title = Some(self.full(at));
        if pack.candidate.uninstallable {
            self.out.begin("error:");
            self.out.item("uninstallable");
            self.out.end();
            if let Some(arch) = self.problem.foreign_arch(pack.candidate) {
                self.out.begin("arch:");
                self.out.item(arch);
                self.out.end();
            }
        }
        self.masked(at, tag);
        self.conflicts(at);
        self.dependants(at, false, world);
        if self.out.title.is_none() {
            self.dependants(at, true, world);
        }
        self.out.title = None;
    }

    fn masked(&mut self, at: usize, tag: Option<&str>) {
        let all = self.all;
        let Some(pack) = all.pack(at) else { return };
        let candidate = pack.candidate;
        if candidate.installed {
            return;
        }
        if !self.solver.pack(at).available && !candidate.cached && !candidate.file {
            self.out.begin("masked in:");
            self.out.item("--no-network");
        } else if pack.repositories == 0 && candidate.cached {
            self.out.begin("masked in:");
            self.out.item("cache");
        } else if pack.repositories & all.allowed(1 | 1 << all.find_tag(tag)) == 0 {
            for (text, repositories) in &all.tags {
                if pack.repositories & repositories != 0 {
                    self.out.begin("masked in:");
                    self.out.item(&format!("@{text}"));
                }
            }
        }
        self.out.end();
    }

    fn conflicts(&mut self, at: usize) {
        let all = self.all;
        let Some(pack) = all.pack(at) else { return };
        for provider in &all.name(pack.name).providers {
            if provider.pack != at && self.is_there(provider.pack) {
                let text = self.full(provider.pack);
                self.out.begin("conflicts:");
                self.out.item(&text);
            }
        }
        for ((name, version), written) in pack.provides.iter().zip(&pack.candidate.record.provides)
        {
            let mut own = true;
            for provider in &all.name(*name).providers {
                if !self.is_there(provider.pack) || version.is_none() && provider.version.is_none()
                {
                    continue;
                }
                if own && provider.pack == at && provider.version == *version {
                    own = false;
                    continue;
                }
                let text = format!("{}[{}]", self.full(provider.pack), plain(written));
                self.out.begin("conflicts:");
                self.out.item(&text);
            }
        }
        self.out.end();
    }

    /// Whose needs it satisfies, or breaks.
    fn dependants(&mut self, at: usize, satisfied: bool, world: &[Need<'a>]) {
        let all = self.all;
        let label = if satisfied { "satisfies:" } else { "breaks:" };
        let mut wanted: Vec<&Need<'a>> = world
            .iter()
            .filter(|need| all.concerns(None, need, at) == Some(satisfied))
            .collect();
        wanted.sort_by_key(|need| weight(need.written));
        for need in wanted {
            self.out.begin(label);
            self.out.item(&in_world(need.written));
        }
        let mut found: Vec<(usize, &'a Dependency)> = Vec::new();
        let mut seen: Vec<usize> = Vec::new();
        for (name, _) in all.names_of(at) {
            for dependant in &all.name(name).dependants {
                for provider in &all.name(*dependant).providers {
                    let by = provider.pack;
                    if !self.is_there(by) || seen.contains(&by) {
                        continue;
                    }
                    seen.push(by);
                    for need in all.pack(by).into_iter().flat_map(|pack| &pack.depends) {
                        if all.concerns(Some(by), need, at) == Some(satisfied) {
                            found.push((by, need.written));
                        }
                    }
                }
            }
        }
        found.sort_by(|(a, one), (b, other)| {
            let records = all.pack(*a).zip(all.pack(*b));
            let packages = records.map_or(std::cmp::Ordering::Equal, |(a, b)| {
                let (a, b) = (&a.candidate.record, &b.candidate.record);
                display_order(&a.name, &b.name).then_with(|| a.version.cmp(&b.version))
            });
            packages.then_with(|| weight(one).cmp(&weight(other)))
        });
        for (by, written) in found {
            let text = format!("{}[{}]", self.full(by), plain(written));
            self.out.begin(label);
            self.out.item(&text);
        }
        self.out.end();
    }
}
