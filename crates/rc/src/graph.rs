//! The dependency graph: what services declare, resolved, ordered and without cycles.
//!
//! `need` must be up first; `want` is brought up too but may fail; `use` counts when it is to be up anyway; `before`
//! and `after` only order. `provide` gives further names (`net`, `logger`). All of them order the start, and in
//! reverse the stop. Where they go round in a circle, the weakest link is left out and the circle is told in full;
//! services whose needs alone form a circle can never start.

use crate::name::ServiceName;
use std::collections::BTreeMap;
use std::fmt;

/// What a service's `depend()` says (openrc-run(8), DEPENDENCIES).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// Services without which it cannot run.
    pub need: Vec<ServiceName>,
    /// Services that are used where they run.
    pub uses: Vec<ServiceName>,
    /// Services that are started with it where they exist.
    pub want: Vec<ServiceName>,
    /// Services that it comes before.
    pub before: Vec<ServiceName>,
    /// Services that it comes after.
    pub after: Vec<ServiceName>,
    /// Other names that it answers to.
    pub provide: Vec<ServiceName>,
    /// `before *`
    pub before_all: bool,
    /// `after *`
    pub after_all: bool,
    /// What its keywords say.
    pub keywords: Keywords,
}

/// What the keywords of a service say that concerns this system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keywords {
    /// `-stop`: a change of the runlevel leaves it alone.
    pub no_stop: bool,
    /// `-shutdown`: it stays up until the machine is down.
    pub no_shutdown: bool,
    /// `-timeout`: it may take as long as it takes.
    pub no_timeout: bool,
    /// It does not run on this kind of system (`-lxc`, `-docker`, …): starting it does nothing.
    pub excluded: bool,
    /// How many seconds its script may take, where that is not the usual time; 0: as long as it takes.
    pub time_limit: Option<u32>,
}

/// The number of a service in a graph.
pub type Id = usize;

/// Which word made a link, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    /// `before` or `after`
    Order,
    /// `use`, or `need` of a name that several provide
    Use,
    /// `want`
    Want,
    /// `need`
    Need,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Link::Order => "comes after",
            Link::Use => "uses",
            Link::Want => "wants",
            Link::Need => "needs",
        })
    }
}

/// One `need`, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// These provide it; one of them is enough.
    Any(Vec<Id>),
    /// Nothing is called so.
    Missing(ServiceName),
}

/// Services that wait for one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// Each service, and how it depends on the next; the last depends on the first.
    pub links: Vec<(ServiceName, Link)>,
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "services wait for one another: ")?;
        for (name, link) in &self.links {
            write!(f, "{name} {link} ")?;
        }
        let first = self.links.first().map_or("", |(name, _)| name.as_str());
        write!(f, "{first}")?;
        match self.links.iter().map(|(_, link)| *link).min() {
            Some(Link::Need) => write!(f, "; none of them can start"),
            _ => write!(f, "; the weakest of these is left out"),
        }
    }
}

/// A service in the graph.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// What it cannot run without.
    pub need: Vec<Need>,
    /// What is started with it.
    pub want: Vec<Id>,
    /// What comes before it, for any reason.
    pub first: Vec<Id>,
    /// What comes after it: the reverse of `first`.
    pub last: Vec<Id>,
    /// Who needs it.
    pub needed_by: Vec<Id>,
    /// Its needs form a circle.
    pub broken: bool,
    /// What its keywords say.
    pub keywords: Keywords,
}

/// All services, and how they depend on each other. No path along [`Node::first`] leads back to where it began.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    names: Vec<ServiceName>,
    nodes: Vec<Node>,
    index: BTreeMap<ServiceName, Id>,
    providers: BTreeMap<ServiceName, Vec<Id>>,
    cycles: Vec<Cycle>,
}

/// The links that lead from each service to what comes before it.
type Links = Vec<BTreeMap<Id, Link>>;

impl Graph {
    /// Resolves what the services declare. Names that stand for nothing count only where they are needed.
    pub fn new(declared: BTreeMap<ServiceName, Declared>) -> Graph {
        let mut graph = Graph::default();
        for (id, name) in declared.keys().enumerate() {
            graph.names.push(name.clone());
            graph.index.insert(name.clone(), id);
        }
        for (id, declaration) in declared.values().enumerate() {
            for name in &declaration.provide {
                let list = graph.providers.entry(name.clone()).or_default();
                if !list.contains(&id) {
                    list.push(id);
                }
            }
        }
        let mut links: Links = vec![BTreeMap::new(); graph.names.len()];
        for (id, declaration) in declared.values().enumerate() {
            let node = graph.resolve(id, declaration, &mut links);
            graph.nodes.push(node);
        }
        graph.break_cycles(&mut links);
        graph.link_wildcards(&declared, &mut links);
        for (id, first) in links.iter().enumerate() {
            for &before in first.keys() {
                if let Some(node) = graph.nodes.get_mut(before) {
                    node.last.push(id);
                }
            }
        }
        for (id, first) in links.into_iter().enumerate() {
            let mut needs = Vec::new();
            if let Some(node) = graph.nodes.get_mut(id) {
                node.first = first.into_keys().collect();
                needs.clone_from(&node.need);
            }
            for need in needs {
                let Need::Any(providers) = need else { continue };
                for provider in providers {
                    if let Some(node) = graph.nodes.get_mut(provider) {
                        node.needed_by.push(id);
                    }
                }
            }
        }
        graph
    }

    fn resolve(&self, id: Id, declaration: &Declared, links: &mut Links) -> Node {
        let mut node = Node {
            keywords: declaration.keywords,
            ..Node::default()
        };
        let mut link = |from: Id, to: Id, kind: Link| {
            if from != to
                && let Some(links) = links.get_mut(from)
            {
                let entry = links.entry(to).or_insert(kind);
                *entry = kind.max(*entry);
            }
        };
        for name in &declaration.need {
            let providers = self.providers_of(name);
            if providers.is_empty() {
                node.need.push(Need::Missing(name.clone()));
                continue;
            }
            // Of several providers only one will be taken, so none of them is as strong a link as a need.
            let kind = if providers.len() == 1 {
                Link::Need
            } else {
                Link::Use
            };
            providers.iter().for_each(|&to| link(id, to, kind));
            if providers.contains(&id) {
                // What it provides itself needs nobody else, unless it is its own name.
                node.broken |= self.names.get(id) == Some(name);
                continue;
            }
            node.need.push(Need::Any(providers));
        }
        for name in &declaration.want {
            for to in self.providers_of(name) {
                link(id, to, Link::Want);
                if to != id && !node.want.contains(&to) {
                    node.want.push(to);
                }
            }
        }
        let each = |names: &[ServiceName]| -> Vec<Id> {
            names
                .iter()
                .flat_map(|name| self.providers_of(name))
                .collect()
        };
        each(&declaration.uses)
            .into_iter()
            .for_each(|to| link(id, to, Link::Use));
        each(&declaration.after)
            .into_iter()
            .for_each(|to| link(id, to, Link::Order));
        each(&declaration.before)
            .into_iter()
            .for_each(|to| link(to, id, Link::Order));
        node
    }

    /// Leaves out the weakest link of each circle until there is none.
    fn break_cycles(&mut self, links: &mut Links) {
        while let Some(circle) = find_cycle(links) {
            let mut named = Vec::new();
            let mut weakest: Option<(Link, Id, Id)> = None;
            for (position, &from) in circle.iter().enumerate() {
                let Some(&to) = circle.get((position + 1) % circle.len()) else {
                    continue;
                };
                let Some(&kind) = links.get(from).and_then(|links| links.get(&to)) else {
                    continue;
                };
                if weakest.is_none_or(|(least, ..)| kind < least) {
                    weakest = Some((kind, from, to));
                }
                named.extend(self.names.get(from).map(|name| (name.clone(), kind)));
            }
            let Some((kind, from, to)) = weakest else {
                return;
            };
            if kind == Link::Need {
                for &id in &circle {
                    if let Some(node) = self.nodes.get_mut(id) {
                        node.broken = true;
                    }
                }
            }
            if let Some(links) = links.get_mut(from) {
                links.remove(&to);
            }
            self.cycles.push(Cycle { links: named });
        }
    }

    /// `before *` and `after *`: all others, but for those that what is already there puts on the other side.
    fn link_wildcards(&self, declared: &BTreeMap<ServiceName, Declared>, links: &mut Links) {
        for (id, declaration) in declared.values().enumerate() {
            if declaration.after_all {
                let others: Vec<Id> = {
                    let after_me = reachable_from(id, &reversed(links));
                    (0..links.len())
                        .filter(|other| *other != id && !after_me.contains(other))
                        .collect()
                };
                if let Some(mine) = links.get_mut(id) {
                    others.into_iter().for_each(|other| {
                        mine.entry(other).or_insert(Link::Order);
                    });
                }
            }
            if declaration.before_all {
                let before_me = reachable_from(id, &forward(links));
                for (other, theirs) in links.iter_mut().enumerate() {
                    if other != id && !before_me.contains(&other) {
                        theirs.entry(id).or_insert(Link::Order);
                    }
                }
            }
        }
    }

    /// How many services there are; their numbers are those below.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no service.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// A service's number.
    pub fn id(&self, name: &ServiceName) -> Option<Id> {
        self.index.get(name).copied()
    }

    /// A service's name.
    pub fn name(&self, id: Id) -> Option<&ServiceName> {
        self.names.get(id)
    }

    /// A service's node.
    pub fn node(&self, id: Id) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &ServiceName> {
        self.names.iter()
    }

    /// The service of that name, or else those that provide it.
    pub fn providers_of(&self, name: &ServiceName) -> Vec<Id> {
        match self.index.get(name) {
            Some(&id) => vec![id],
            None => self.providers.get(name).cloned().unwrap_or_default(),
        }
    }

    /// The circles that were found.
    pub fn cycles(&self) -> &[Cycle] {
        &self.cycles
    }
}

fn forward(links: &Links) -> Vec<Vec<Id>> {
    links
        .iter()
        .map(|links| links.keys().copied().collect())
        .collect()
}

fn reversed(links: &Links) -> Vec<Vec<Id>> {
    let mut reverse = vec![Vec::new(); links.len()];
    for (from, links) in links.iter().enumerate() {
        for &to in links.keys() {
            if let Some(list) = reverse.get_mut(to) {
                list.push(from);
            }
        }
    }
    reverse
}

fn reachable_from(start: Id, links: &[Vec<Id>]) -> std::collections::BTreeSet<Id> {
    let mut seen = std::collections::BTreeSet::new();
    let mut stack = vec![start];
    while let Some(id) = stack.pop() {
        for &next in links.get(id).into_iter().flatten() {
            if seen.insert(next) {
                stack.push(next);
            }
        }
    }
    seen
}

/// A circle, each linking to the next and the last to the first. Depth first, on a stack of its own.
fn find_cycle(links: &Links) -> Option<Vec<Id>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        OnPath,
        Done,
    }
    let mut marks = vec![Mark::New; links.len()];
    for root in 0..links.len() {
        if marks.get(root) != Some(&Mark::New) {
            continue;
        }
        let mut path: Vec<(Id, Vec<Id>)> = Vec::new();
        let mut enter = Some(root);
        loop {
            if let Some(id) = enter.take() {
                if let Some(mark) = marks.get_mut(id) {
                    *mark = Mark::OnPath;
                }
                path.push((
                    id,
                    links
                        .get(id)
                        .map(|links| links.keys().rev().copied().collect())
                        .unwrap_or_default(),
                ));
            }
            let Some((id, rest)) = path.last_mut() else {
                break;
            };
            match rest.pop() {
                Some(next) => match marks.get(next) {
                    Some(Mark::New) => enter = Some(next),
                    Some(Mark::OnPath) => {
                        let from = path.iter().position(|(id, _)| *id == next).unwrap_or(0);
                        return Some(path.iter().skip(from).map(|(id, _)| *id).collect());
                    }
                    _ => {}
                },
                None => {
                    if let Some(mark) = marks.get_mut(*id) {
                        *mark = Mark::Done;
                    }
                    path.pop();
                }
            }
        }
    }
    None
}
