//! From what a command wants to a solved problem.

use super::changes::{Changes, summary};
use super::session::{Failure, Known, Session};
use super::transaction::{self, Extra};
use super::{complain, warn};
use apk::commit::{Change, New, Open, Step};
use apk::dependency::Dependency;
use apk::solver::{Candidate, Flags, Offer, Problem, Solution, Wish};

/// What is to be done.
pub struct Plan {
    /// The world as it is to be.
    pub world: Vec<Dependency>,
    /// What is preferred for all packages.
    pub flags: Flags,
    /// And for some.
    pub wishes: Vec<Wish>,
    /// As little as can be besides the wishes.
    pub preupgrade: bool,
    /// Packages that are in no repository.
    pub extra: Extra,
}

impl Plan {
    /// Everything stays as it is.
    pub fn new(session: &Session<'_>) -> Plan {
        Plan {
            world: session.database.world.clone(),
            flags: Flags::NONE,
            wishes: Vec::new(),
            preupgrade: false,
            extra: Extra::default(),
        }
    }

    /// Prefers something for a name, and for what its package depends on.
    pub fn wish(&mut self, name: &str, own: Flags, inherited: Flags) {
        self.wishes.push(Wish {
            name: name.to_owned(),
            own,
            inherited,
        });
    }
}

/// Everything that may be chosen, with the packages of the command line.
pub fn candidates(session: &Session<'_>, known: &Known, plan: &mut Plan) -> Vec<Candidate> {
    let mut candidates = session.candidates(known);
    for (record, file) in plan.extra.take() {
        candidates.push(Candidate {
            file,
            cached: true,
            ..Candidate::of(record)
        });
    }
    candidates
}

/// Whether all tags of the world are those of repositories.
fn tags_exist(session: &Session<'_>, world: &[Dependency]) -> bool {
    if session.given.has("force-broken-world") {
        return true;
    }
    let mut fine = true;
    for wanted in world {
        let Some(tag) = &wanted.tag else { continue };
        let known = session
            .repositories
            .iter()
            .any(|one| one.tag.as_ref() == Some(tag));
        if !known {
            warn(&format!(
                "The repository tag for world dependency '{}@{tag}' does not exist",
                wanted.name
            ));
            fine = false;
        }
    }
    fine
}

/// Solves a plan.
pub fn solve(
    session: &Session<'_>,
    plan: &Plan,
    known: &Known,
    candidates: &[Candidate],
) -> Result<Solution, Failure> {
    if known.unavailable.iter().any(|one| one.suspicious)
        && transaction::report(session, known, false)
    {
        return Err(Failure::Said(1));
    }
    if !tags_exist(session, &plan.world) {
        complain("Not committing changes due to missing repository tags.");
        return Err(Failure::Said(1));
    }
    if !session.given.has("quiet") {
        let unknown = |record: &apk::record::Record| record.unknown_field;
        let fields: Vec<char> = known
            .packages
            .iter()
            .filter_map(|(_, one)| unknown(one))
            .collect();
        if fields.iter().any(|field| *field != 'D') {
            warn("This apk-tools is OLD! Some packages are not installable.");
        }
        if fields.contains(&'D') {
            warn("The indexes contain broken packages which are not installable.");
        }
    }
    let repositories = session
        .repositories
        .iter()
        .map(|one| Offer {
            tag: one.tag.clone(),
            unreachable: one.local().is_none() && !session.may_fetch(),
        })
        .collect();
    let problem = Problem {
        world: &plan.world,
        candidates,
        repositories,
        flags: plan.flags,
        wishes: plan.wishes.clone(),
        preupgrade: plan.preupgrade,
        force_broken_world: session.given.has("force-broken-world"),
        arches: &session.arches,
        width: super::columns(2),
        ..Problem::default()
    };
    match problem.solve() {
        Ok(solution) => {
            transaction::report(session, known, false);
            Ok(solution)
        }
        Err(_) if !known.unavailable.is_empty() && transaction::report(session, known, true) => {
            // What is missing may just be in the repository that does not answer.
            Err(Failure::Said(1))
        }
        Err(error) => {
            let text = error.to_string();
            complain(text.trim_end());
            // Scripts read the classic text; people also want to know what contradicts what.
            if sys::tty::is_terminal(2)
                && !session.given.has("quiet")
                && let Some(why) = apk::explain::contradiction(&problem)
            {
                super::show_progress(&format!("{why}\n"));
            }
            Err(Failure::Said(1))
        }
    }
}

/// Solves, shows, and carries out.
pub fn apply(session: &mut Session<'_>, mut plan: Plan, known: &Known) -> Result<u8, Failure> {
    let candidates = candidates(session, known, &mut plan);
    let solution = solve(session, &plan, known, &candidates)?;
    commit(session, plan, &solution, &candidates)
}

/// Shows a solution and carries it out.
pub fn commit(
    session: &mut Session<'_>,
    mut plan: Plan,
    solution: &Solution,
    candidates: &[Candidate],
) -> Result<u8, Failure> {
    let changes = Changes::new(solution, candidates);
    let provided = |name: &str| {
        candidates.iter().any(|one| {
            !one.repositories.is_empty()
                && (one.record.name == name
                    || one
                        .record
                        .provides
                        .iter()
                        .any(|provided| provided.name == name))
        })
    };
    if !changes.preview(session, &provided) {
        return Err(Failure::Said(1));
    }
    let lines = changes.lines();
    if session.given.has("simulate") {
        for line in &lines {
            session.tell(&line.text);
        }
        if !plan.preupgrade {
            summary(session, changes.growth(), 0);
        }
        return Ok(0);
    }
    let mut steps = Vec::new();
    let mut pins = Vec::new();
    for step in &solution.moves {
        let name = |at: Option<usize>| {
            at.and_then(|at| candidates.get(at))
                .map(|one| one.record.name.clone())
        };
        if !step.is_change() {
            continue;
        }
        if step.old == step.new && !step.again {
            pins.extend(name(step.new).map(|name| (name, step.new_tag.clone())));
            continue;
        }
        let new = step.new.and_then(|at| candidates.get(at)).map(|candidate| {
            let record = &candidate.record;
            let open: Open = match plan.extra.open(&record.identity) {
                Some(open) => open,
                None => {
                    let source = session.source(record, &candidate.repositories);
                    Box::new(move || source.open())
                }
            };
            New {
                record: record.clone(),
                open: Some(open),
                check_signature: false,
                tag: step.new_tag.clone(),
            }
        });
        steps.push(Step::from(Change {
            old: name(step.old),
            new,
        }));
    }
    let world = std::mem::take(&mut plan.world);
    transaction::carry_out(
        session,
        transaction::Work {
            steps,
            world,
            pins,
            lines,
            part_of_more: plan.preupgrade,
        },
    )
}
