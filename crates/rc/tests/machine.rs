//! The graph and the state machine on a virtual system: scripts take virtual time, fail and hang as told.

#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use rc::graph::{Declared, Graph, Id, Need};
use rc::machine::{Action, Current, Desired, Effect, Machine, Outcome, Reason};
use rc::name::ServiceName;
use std::collections::BTreeMap;

fn name(text: &str) -> ServiceName {
    ServiceName::parse(text.as_bytes()).unwrap()
}

/// `a: need b, after c` and so on, one service a line.
fn graph(text: &str) -> Graph {
    let mut all = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (service, rest) = line.split_once(':').unwrap();
        let mut declared = Declared::default();
        for clause in rest.split(',').filter(|clause| !clause.trim().is_empty()) {
            let mut words = clause.split_whitespace();
            let verb = words.next().unwrap();
            for word in words {
                match (verb, word) {
                    ("before", "*") => declared.before_all = true,
                    ("after", "*") => declared.after_all = true,
                    ("keyword", "-stop") => declared.keywords.no_stop = true,
                    ("keyword", "-shutdown") => declared.keywords.no_shutdown = true,
                    ("keyword", "-timeout") => declared.keywords.no_timeout = true,
                    ("keyword", "-here") => declared.keywords.excluded = true,
                    ("need", _) => declared.need.push(name(word)),
                    ("use", _) => declared.uses.push(name(word)),
                    ("want", _) => declared.want.push(name(word)),
                    ("before", _) => declared.before.push(name(word)),
                    ("after", _) => declared.after.push(name(word)),
                    ("provide", _) => declared.provide.push(name(word)),
                    other => panic!("{other:?}"),
                }
            }
        }
        all.insert(name(service.trim()), declared);
    }
    Graph::new(all)
}

#[derive(Clone, Copy, PartialEq)]
enum Script {
    Works,
    Fails,
    Hangs,
    IsInactive,
    WillNotStop,
}

/// Runs the machine's effects in virtual time and writes down what happened.
struct World {
    machine: Machine,
    now: u64,
    scripts: BTreeMap<Id, Script>,
    /// Scripts that run, and when they end.
    running: Vec<(u64, Id, Outcome)>,
    log: Vec<String>,
    most: usize,
}

impl World {
    fn new(graph: Graph) -> World {
        World {
            machine: Machine::new(graph, 4, 60_000),
            now: 0,
            scripts: BTreeMap::new(),
            running: vec![],
            log: vec![],
            most: 0,
        }
    }

    fn id(&self, text: &str) -> Id {
        self.machine.graph().id(&name(text)).unwrap()
    }

    fn ids(&self, text: &str) -> Vec<Id> {
        text.split_whitespace().map(|word| self.id(word)).collect()
    }

    fn script(&mut self, text: &str, script: Script) {
        let id = self.id(text);
        self.scripts.insert(id, script);
    }

    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Run(id, action) => {
                    let name = self.machine.graph().name(id).unwrap().clone();
                    self.log.push(format!(
                        "{} {name}",
                        if action == Action::Start {
                            "start"
                        } else {
                            "stop"
                        }
                    ));
                    self.check_needs(id, action);
                    let script = self.scripts.get(&id).copied().unwrap_or(Script::Works);
                    let (time, outcome) = match (script, action) {
                        (Script::Hangs, Action::Start) => (u64::MAX, Outcome::Failed(143)),
                        (Script::Fails, Action::Start) | (Script::WillNotStop, Action::Stop) => {
                            (10, Outcome::Failed(1))
                        }
                        (Script::IsInactive, Action::Start) => (10, Outcome::Inactive),
                        _ => (10 + u64::try_from(id).unwrap() % 7, Outcome::Done),
                    };
                    self.running
                        .push((self.now.saturating_add(time), id, outcome));
                    self.most = self.most.max(self.running.len());
                }
                Effect::Kill(id, hard) => {
                    self.log.push(format!(
                        "kill {} {hard}",
                        self.machine.graph().name(id).unwrap()
                    ));
                    if hard {
                        for job in self.running.iter_mut().filter(|job| job.1 == id) {
                            job.0 = self.now;
                        }
                    }
                }
                Effect::Mark(..) => {}
                Effect::Tell(id, _, reason) => {
                    self.log.push(format!(
                        "{}: {reason}",
                        self.machine.graph().name(id).unwrap()
                    ));
                }
            }
        }
    }

    /// What must hold whenever a script is run.
    fn check_needs(&self, id: Id, action: Action) {
        let node = self.machine.graph().node(id).unwrap();
        if action == Action::Start {
            for need in &node.need {
                let Need::Any(providers) = need else {
                    panic!("started without what does not exist")
                };
                assert!(
                    providers
                        .iter()
                        .any(|need| self.machine.current(*need) == Current::Started),
                    "{} was started before its needs",
                    self.machine.graph().name(id).unwrap()
                );
            }
        }
    }

    fn run(&mut self) {
        for _ in 0..100_000 {
            let effects = self.machine.advance(self.now);
            self.apply(effects);
            if self.machine.is_idle() {
                return;
            }
            let ends = self
                .running
                .iter()
                .map(|job| job.0)
                .min()
                .unwrap_or(u64::MAX);
            let next = ends.min(self.machine.next_deadline().unwrap_or(u64::MAX));
            assert!(next < u64::MAX, "nothing will ever happen: {:?}", self.log);
            self.now = self.now.max(next);
            let now = self.now;
            let done: Vec<_> = self.running.extract_if(.., |job| job.0 <= now).collect();
            for (_, id, outcome) in done {
                let effects = self.machine.finished(id, outcome);
                self.apply(effects);
            }
        }
        panic!("no end");
    }

    fn log(&mut self) -> String {
        std::mem::take(&mut self.log).join("; ")
    }

    fn up(&self) -> String {
        let is_up = |name: &&ServiceName| {
            self.machine.current(self.machine.graph().id(name).unwrap()) == Current::Started
        };
        self.machine
            .graph()
            .names()
            .filter(is_up)
            .map(|name| name.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn start(&mut self, text: &str) -> String {
        let ids = self.ids(text);
        self.machine.start(&ids);
        self.run();
        self.log()
    }

    fn stop(&mut self, text: &str) -> String {
        let ids = self.ids(text);
        self.machine.stop(&ids);
        self.run();
        self.log()
    }
}

const SMALL: &str = "web: need net, use log, after clock\nnet: need dev\ndev:\nlog: before net\nclock:\nextra: want log";

#[test]
fn needs_come_first_and_used_ones_only_when_wanted() {
    let mut world = World::new(graph(SMALL));
    assert_eq!(world.start("web"), "start dev; start net; start web");
    assert_eq!(world.up(), "dev net web");
    assert_eq!(world.start("extra"), "start log; start extra");
    assert_eq!(world.start("web"), "");
}

#[test]
fn order_holds_among_those_that_start_together() {
    let mut world = World::new(graph(SMALL));
    let log = world.start("web log clock");
    assert!(log.find("start log") < log.find("start net"), "{log}");
    assert!(log.find("start clock") < log.find("start web"), "{log}");
}

#[test]
fn dependents_stop_first() {
    let mut world = World::new(graph(SMALL));
    world.start("web log");
    assert_eq!(world.stop("dev"), "stop web; stop net; stop dev");
    assert_eq!(world.up(), "log");
}

#[test]
fn a_failure_stops_dependents_and_nobody_else() {
    let mut world = World::new(graph("a: need b\nb:\nc: use b\nd: after b"));
    world.script("b", Script::Fails);
    assert_eq!(
        world.start("a b c d"),
        "start b; b: its script ended with status 1; a: it needs b, which is not started; start c; start d"
    );
    assert_eq!(world.up(), "c d");
}

#[test]
fn a_service_that_hangs_is_ended_and_the_rest_goes_on() {
    let mut world = World::new(graph("hang:\nneeds: need hang\nlater: after hang"));
    world.script("hang", Script::Hangs);
    assert_eq!(
        world.start("hang needs later"),
        "start hang; kill hang false; kill hang true; hang: its script took too long; start later; \
         needs: it needs hang, which is not started"
    );
    assert_eq!(world.now, 65_000 + 10 + 1);
}

#[test]
fn what_may_take_its_time_does() {
    let mut world = World::new(graph("slow: keyword -timeout"));
    world.machine.start(&[0]);
    world.machine.advance(0);
    assert_eq!(world.machine.next_deadline(), None);
}

#[test]
fn missing_needs_are_named() {
    let mut world = World::new(graph("a: need ghost"));
    assert_eq!(world.start("a"), "a: it needs ghost, which does not exist");
    assert_eq!(world.machine.current(0), Current::Failed);
}

#[test]
fn one_provider_is_enough() {
    let text = "web: need net\ndhcp: provide net\nstatic: provide net\nlo: provide net";
    let mut world = World::new(graph(text));
    assert_eq!(world.start("web"), "start dhcp; start web");
    let mut world = World::new(graph(text));
    world.start("static");
    assert_eq!(world.start("web"), "start web");
    world.start("lo");
    // Another one still provides it.
    assert_eq!(world.stop("static"), "stop static");
    assert_eq!(world.stop("lo"), "stop web; stop lo");
}

#[test]
fn restart_takes_dependents_along() {
    let mut world = World::new(graph("web: need net\nnet: need dev\ndev:\nidle: need net"));
    world.start("web");
    let net = world.id("net");
    world.machine.restart(net);
    world.run();
    assert_eq!(world.log(), "stop web; stop net; start net; start web");
    assert_eq!(world.up(), "dev net web");
}

#[test]
fn a_restart_of_what_is_down_starts_it() {
    let mut world = World::new(graph("a: need b\nb:"));
    world.machine.restart(0);
    world.run();
    assert_eq!(world.log(), "start b; start a");
}

#[test]
fn what_will_not_stop_keeps_what_it_needs() {
    let mut world = World::new(graph("a: need b\nb:"));
    world.script("a", Script::WillNotStop);
    world.start("a");
    assert_eq!(
        world.stop("b"),
        "stop a; a: its script ended with status 1; b: a needs it and did not stop"
    );
    assert_eq!(world.up(), "a b");
    // On the way down it does not count.
    world.machine.shut_down();
    world.run();
    assert_eq!(
        world.log(),
        "stop a; a: its script ended with status 1; stop b"
    );
    assert_eq!(world.up(), "");
}

#[test]
fn shutdown_leaves_what_must_stay() {
    let mut world = World::new(graph(
        "a: need dev\nroot: keyword -shutdown\ndev: keyword -stop",
    ));
    world.start("a root");
    world.machine.shut_down();
    world.run();
    assert_eq!(world.up(), "dev root");
}

#[test]
fn a_runlevel_stops_what_is_not_in_it() {
    let mut world = World::new(graph(
        "web: need net\nnet:\ncron:\nlog:\ndev: keyword -stop\nssh: need net",
    ));
    world.start("web cron log dev");
    world.log();
    let (level, keep) = (world.ids("ssh log"), world.ids(""));
    world.machine.change_level(&level, &keep);
    world.run();
    assert_eq!(world.up(), "dev log net ssh");
}

#[test]
fn circles_of_order_lose_their_weakest_link() {
    let graph = graph("a: need b\nb: use c\nc: after a");
    assert_eq!(
        graph
            .cycles()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        [
            "services wait for one another: a needs b uses c comes after a; the weakest of these is left out"
        ]
    );
    let mut world = World::new(graph);
    assert_eq!(world.start("a b c"), "start c; start b; start a");
}

#[test]
fn circles_of_needs_are_named_and_fail_alone() {
    let graph = graph("a: need b\nb: need a\nc: after a\nself: need self");
    assert_eq!(
        graph.cycles()[0].to_string(),
        "services wait for one another: a needs b needs a; none of them can start"
    );
    let mut world = World::new(graph);
    let log = world.start("a c self");
    assert!(log.contains("a: its needs lead back to itself"), "{log}");
    assert!(log.contains("self: its needs lead back to itself"), "{log}");
    assert_eq!(world.up(), "c");
}

#[test]
fn wildcards_mean_all_others() {
    let mut world = World::new(graph(
        "last: after *\nfirst: before *\nm:\nn: after last\no:",
    ));
    let log = world.start("last first m n o");
    assert!(log.starts_with("start first"), "{log}");
    assert!(log.ends_with("start last; start n"), "{log}");
}

#[test]
fn inactive_is_not_up_for_dependents() {
    let mut world = World::new(graph("wifi:\nweb: need wifi"));
    world.script("wifi", Script::IsInactive);
    assert_eq!(
        world.start("web"),
        "start wifi; web: it needs wifi, which is not started"
    );
}

#[test]
fn what_does_not_belong_here_counts_as_up() {
    let mut world = World::new(graph("hw: keyword -here\nweb: need hw"));
    assert_eq!(world.start("web"), "start web");
}

#[test]
fn nodeps_starts_and_stops_one() {
    let mut world = World::new(graph("a: need b\nb:"));
    let (a, b) = (world.id("a"), world.id("b"));
    world.start("a");
    world.log();
    world.machine.stop_alone(b);
    world.run();
    assert_eq!(world.log(), "stop b");
    world.machine.zap(a);
    assert_eq!(world.up(), "");
}

#[test]
fn a_new_graph_keeps_what_runs() {
    let mut world = World::new(graph("a:\nz:"));
    world.start("z");
    world.machine.replace_graph(graph("b: need z\nz:"));
    assert_eq!(world.up(), "z");
    world.log();
    assert_eq!(world.start("b"), "start b");
}

#[test]
fn reasons_read_well() {
    assert_eq!(Reason::Stuck.to_string(), "it would wait for ever");
}

#[test]
fn no_more_run_at_a_time_than_allowed() {
    let text: String = (0..50).map(|n| format!("s{n}:\n")).collect();
    let mut world = World::new(graph(&text));
    let all: Vec<Id> = (0..50).collect();
    world.machine.start(&all);
    world.run();
    assert_eq!(world.most, 4);
    assert_eq!(world.machine.graph().names().count(), 50);
    assert!(
        all.iter()
            .all(|id| world.machine.current(*id) == Current::Started)
    );
}

#[derive(Clone, Debug)]
enum Goal {
    Start(Vec<usize>),
    Stop(usize),
    Restart(usize),
    Level(Vec<usize>),
    Down,
}

fn goals(services: usize) -> impl Strategy<Value = Vec<Goal>> {
    let ids = prop::collection::vec(0..services, 1..6);
    prop::collection::vec(
        prop_oneof![
            4 => ids.clone().prop_map(Goal::Start),
            2 => (0..services).prop_map(Goal::Stop),
            2 => (0..services).prop_map(Goal::Restart),
            1 => ids.prop_map(Goal::Level),
            1 => Just(Goal::Down),
        ],
        1..6,
    )
}

fn world(services: usize) -> impl Strategy<Value = (String, Vec<u8>, Vec<Goal>, Vec<bool>)> {
    let verbs = prop::sample::select(vec!["need", "use", "want", "before", "after", "provide"]);
    let clause = (verbs, 0..services + 3).prop_map(|(verb, other)| format!("{verb} s{other}"));
    let wild = prop_oneof![20 => Just(""), 1 => Just(",before *"), 1 => Just(",after *")];
    let line = (prop::collection::vec(clause, 0..4), wild)
        .prop_map(|(clauses, wild)| clauses.join(",") + wild);
    (
        prop::collection::vec(line, services).prop_map(|lines| {
            lines
                .iter()
                .enumerate()
                .map(|(id, line)| format!("s{id}: {line}\n"))
                .collect::<String>()
        }),
        prop::collection::vec(0..20_u8, services),
        goals(services),
        prop::collection::vec(any::<bool>(), 6),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever the services declare and do, and whatever is asked in between: nothing starts before its needs (the
    /// world checks that at each start), it ends, and nothing is left in between.
    #[test]
    fn it_always_ends_and_never_starts_too_early((text, scripts, goals, together) in (3..24_usize).prop_flat_map(world)) {
        let mut world = World::new(graph(&text));
        for (id, script) in scripts.iter().enumerate() {
            let script = match script {
                0 => Script::Fails,
                1 => Script::Hangs,
                2 => Script::IsInactive,
                3 => Script::WillNotStop,
                _ => Script::Works,
            };
            world.scripts.insert(id, script);
        }
        for (goal, together) in goals.iter().zip(together) {
            match goal {
                Goal::Start(ids) => world.machine.start(ids),
                Goal::Stop(id) => world.machine.stop(&[*id]),
                Goal::Restart(id) => world.machine.restart(*id),
                Goal::Level(ids) => world.machine.change_level(ids, &[]),
                Goal::Down => world.machine.shut_down(),
            }
            if together {
                // The next goal comes while this one is under way.
                let effects = world.machine.advance(world.now);
                world.apply(effects);
            } else {
                world.run();
            }
        }
        world.run();
        for id in 0..world.machine.graph().len() {
            prop_assert!(matches!(
                world.machine.current(id),
                Current::Started | Current::Stopped | Current::Failed | Current::Inactive
            ));
            prop_assert_eq!(world.machine.desired(id), Desired::Keep);
        }
    }

    /// A start of everything on sound scripts leaves nothing down that could be up.
    #[test]
    fn everything_that_can_start_does((text, ..) in (3..40_usize).prop_flat_map(world)) {
        let mut world = World::new(graph(&text));
        let all: Vec<Id> = (0..world.machine.graph().len()).collect();
        world.machine.start(&all);
        world.run();
        for &id in &all {
            let node = world.machine.graph().node(id).unwrap();
            let possible = !node.broken && node.need.iter().all(|need| match need {
                Need::Any(ids) => ids.iter().any(|id| world.machine.current(*id) == Current::Started),
                Need::Missing(_) => false,
            });
            prop_assert_eq!(possible, world.machine.current(id) == Current::Started, "{}: {}", id, world.log.join("; "));
        }
    }
}

#[test]
fn an_order_gives_way_where_a_choice_of_providers_made_a_circle_of_it() {
    let mut world = World::new(graph(
        "a: need c,provide both\nb: use c,provide both\nc: need both\n",
    ));
    world.machine.start(&[0, 1, 2]);
    world.run();
    for id in 0..3 {
        assert_eq!(world.machine.current(id), Current::Started, "{id}");
    }
}

#[test]
fn a_thousand_services_in_a_chain() {
    let text: String = (0..1000)
        .map(|n| {
            format!(
                "s{n}: {}\n",
                if n > 0 {
                    format!("need s{}", n - 1)
                } else {
                    String::new()
                }
            )
        })
        .collect();
    let mut world = World::new(graph(&text));
    world.start("s999");
    assert_eq!(
        world
            .machine
            .graph()
            .names()
            .filter(|name| world
                .machine
                .current(world.machine.graph().id(name).unwrap())
                == Current::Started)
            .count(),
        1000
    );
    world.stop("s0");
    assert_eq!(world.up(), "");
}
