//! `history`, `undo`, `rollback`: what was done, and the way back.

use super::say;
use super::session::{Failure, Refresh, Session, failure};
use super::transaction::{Work, carry_out, confirmed, json_text, report};
use apk::commit::{Kept, New, Open, Source, Step, change_in_words};
use apk::history::{Back, Build, Changed, Record, lacks, numbers, way_back};
use apk::keys::KeyRing;
use apk::package::{Identity, Reader};
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufReader, Read};

fn number(word: &OsString) -> Result<u64, Failure> {
    word.to_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| {
            Failure::Say(format!(
                "'{}' is no number of a transaction",
                word.display()
            ))
        })
}

fn read(session: &Session<'_>, number: u64) -> Result<Record, Failure> {
    Record::read(&session.fs, number).map_err(|error| {
        Failure::Say(format!(
            "{error}\nhint: `apk history` lists the transactions"
        ))
    })
}

/// `2026-01-31 12:34:56`, in UTC.
fn date(seconds: u64) -> String {
    let (year, month, day) = apk::civil(i64::try_from(seconds / 86_400).unwrap_or(0));
    let rest = seconds % 86_400;
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// `Upgrading zlib (1.3-r0 -> 1.3-r1)`
fn in_words(changed: &Changed) -> String {
    let name = &changed.name;
    match (&changed.old, &changed.new) {
        (None, Some(new)) => format!("Installing {name} ({})", new.version),
        (Some(old), None) => format!("Purging {name} ({})", old.version),
        (Some(old), Some(new)) => change_in_words(
            name,
            &old.version,
            &new.version,
            old.identity == new.identity,
        ),
        (None, None) => name.clone(),
    }
}

/// `apk history`
pub fn history(session: &Session<'_>) -> Result<u8, Failure> {
    let given = session.given;
    let json = match given.value("format").and_then(|word| word.to_str()) {
        None if given.value("format").is_none() => false,
        Some("default") => false,
        Some("json") => true,
        _ => return failure("--format is one of: default, json"),
    };
    let chosen: Vec<u64> = if given.operands.is_empty() {
        numbers(&session.fs)
    } else {
        given
            .operands
            .iter()
            .map(number)
            .collect::<Result<_, _>>()?
    };
    let mut objects = Vec::new();
    for number in chosen {
        let record = read(session, number)?;
        if json {
            objects.push(as_json(&record));
            continue;
        }
        let count = |which: fn(&Changed) -> bool| {
            record
                .changes
                .iter()
                .filter(|changed| which(changed))
                .count()
        };
        let mut counts = Vec::new();
        for (sign, number) in [
            ('+', count(|changed| changed.old.is_none())),
            (
                '~',
                count(|changed| changed.old.is_some() && changed.new.is_some()),
            ),
            ('-', count(|changed| changed.new.is_none())),
        ] {
            if number > 0 {
                counts.push(format!("{sign}{number}"));
            }
        }
        say(&format!(
            "{number:>4}  {}  {:<9}  {}",
            date(record.when),
            counts.join(" "),
            record.command
        ));
        if given.has("verbose") || !given.operands.is_empty() {
            for changed in &record.changes {
                say(&format!("      {}", in_words(changed)));
            }
            for wanted in &record.world_after {
                if !record.world_before.contains(wanted) {
                    say(&format!("      world gains {wanted}"));
                }
            }
            for wanted in &record.world_before {
                if !record.world_after.contains(wanted) {
                    say(&format!("      world loses {wanted}"));
                }
            }
        }
    }
    if json {
        say(&format!("[{}]", objects.join(",\n")));
    }
    Ok(0)
}

fn as_json(record: &Record) -> String {
    let build = |build: &Option<Build>| {
        build.as_ref().map_or_else(
            || "null".to_owned(),
            |build| json_text(build.version.as_str()),
        )
    };
    let changes: Vec<String> = record
        .changes
        .iter()
        .map(|changed| {
            format!(
                "{{\"name\":{},\"old\":{},\"new\":{}}}",
                json_text(&changed.name),
                build(&changed.old),
                build(&changed.new)
            )
        })
        .collect();
    let world = |world: &[apk::dependency::Dependency]| -> String {
        let texts: Vec<String> = world
            .iter()
            .map(|one| json_text(&one.to_string()))
            .collect();
        texts.join(",")
    };
    format!(
        "{{\"id\":{},\"time\":{},\"command\":{},\"changes\":[{}],\"world-before\":[{}],\"world-after\":[{}]}}",
        record.number,
        record.when,
        json_text(&record.command),
        changes.join(","),
        world(&record.world_before),
        world(&record.world_after)
    )
}

/// `apk undo`
pub fn undo(session: &mut Session<'_>) -> Result<u8, Failure> {
    let last = numbers(&session.fs).last().copied();
    let number = match session.given.operands.as_slice() {
        [] => match last {
            Some(number) => number,
            None => return failure("there is no transaction to undo"),
        },
        [word] => number(word)?,
        _ => return failure("undo takes one number\nhint: `apk rollback ID` goes back further"),
    };
    let record = read(session, number)?;
    let back = way_back(&session.database, &[record], Some(number) != last).map_err(|error| {
        Failure::Say(format!(
            "{error}\nhint: `apk rollback {}` takes back all transactions from this one on",
            number.saturating_sub(1)
        ))
    })?;
    go(session, &back)
}

/// `apk rollback`
pub fn rollback(session: &mut Session<'_>) -> Result<u8, Failure> {
    let [word] = session.given.operands.as_slice() else {
        return failure(
            "rollback takes the number of the transaction to go back to\nhint: `apk history` lists them; 0 is before the first",
        );
    };
    let goal = number(word)?;
    let all = numbers(&session.fs);
    if goal != 0 && !all.contains(&goal) {
        read(session, goal)?;
    }
    let records = all
        .into_iter()
        .rev()
        .filter(|number| *number > goal)
        .map(|number| read(session, number))
        .collect::<Result<Vec<_>, _>>()?;
    let back = way_back(&session.database, &records, false)
        .map_err(|error| Failure::Say(format!("{error}: something else changed this root")))?;
    go(session, &back)
}

/// Where a build comes from: what was kept of it, the cache, a repository.
fn find(
    session: &Session<'_>,
    known: &mut Option<super::session::Known>,
    name: &str,
    identity: &Identity,
) -> Result<Option<(apk::record::Record, Source)>, Failure> {
    if let Some(kept) = Kept::find(&session.fs, name, identity) {
        return Ok(Some((kept.package.record.clone(), Source::Kept(kept))));
    }
    let new = |record: apk::record::Record, open: Open| {
        let source = Source::Package(New {
            record: record.clone(),
            open: Some(open),
            check_signature: false,
            tag: None,
        });
        Some((record, source))
    };
    if known.is_none() {
        *known = Some(session.load(Refresh::Never)?);
    }
    let candidates = known
        .as_ref()
        .map(|known| session.candidates(known))
        .unwrap_or_default();
    let candidate = candidates.into_iter().find(|candidate| {
        candidate.record.identity == *identity && !candidate.repositories.is_empty()
    });
    if let Some(candidate) = candidate {
        let source = session.source(&candidate.record, &candidate.repositories);
        return Ok(new(candidate.record, Box::new(move || source.open())));
    }
    // A package in the cache that no index names any more: its name and its identity say that it is the one.
    for entry in std::fs::read_dir(session.cache())
        .into_iter()
        .flatten()
        .flatten()
    {
        let file_name = entry.file_name();
        let text = file_name.to_string_lossy();
        if !text.starts_with(&format!("{name}-")) || !text.ends_with(".apk") {
            continue;
        }
        let path = entry.path();
        let Ok(file) = File::open(&path) else {
            continue;
        };
        let size = file.metadata().map_or(0, |meta| meta.len());
        let Ok(reader) = Reader::open(BufReader::new(file.take(size)), &KeyRing::default()) else {
            continue;
        };
        if reader.control.identity == *identity {
            let record = apk::record::Record::of_package(*identity, &reader.control.info, size);
            let open = move || -> std::io::Result<Box<dyn std::io::BufRead>> {
                Ok(Box::new(BufReader::new(File::open(&path)?)))
            };
            return Ok(new(record, Box::new(open)));
        }
    }
    Ok(None)
}

fn go(session: &mut Session<'_>, back: &Back) -> Result<u8, Failure> {
    let given = session.given;
    let mut known = None;
    let (mut steps, mut coming, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for changed in &back.changes {
        let old = changed.old.as_ref().map(|_| changed.name.clone());
        let Some(build) = &changed.new else {
            steps.push(Step { old, new: None });
            continue;
        };
        match find(session, &mut known, &changed.name, &build.identity)? {
            Some((record, source)) => {
                coming.push(record);
                steps.push(Step {
                    old,
                    new: Some(source),
                });
            }
            None => missing.push(format!("{}-{}", changed.name, build.version)),
        }
    }
    if !missing.is_empty() {
        if let Some(known) = &known {
            report(session, known, false);
        }
        return failure(format!(
            "{}: neither kept nor in the cache or a repository\nhint: nothing was changed; history_space in /etc/apk/config says how much is kept",
            missing.join(" ")
        ));
    }
    let lacks = lacks(&session.database, back, &coming);
    if !lacks.is_empty() {
        return failure(format!(
            "going back would break packages:\n  {}\nhint: nothing was changed; a later transaction may have to be undone first",
            lacks.join("\n  ")
        ));
    }
    let total = back.changes.len();
    if given.has("simulate") || given.has("interactive") {
        for (number, changed) in (1..).zip(&back.changes) {
            session.tell(&format!("({number}/{total}) {}", in_words(changed)));
        }
        if given.has("simulate") {
            return Ok(0);
        }
        if total > 0 && !confirmed() {
            return failure("nothing was changed");
        }
    }
    if total == 0 && back.world == session.database.world {
        session.tell("there is nothing to go back from");
        return Ok(0);
    }
    carry_out(
        session,
        Work {
            steps,
            world: back.world.clone(),
            ..Work::default()
        },
    )
}
