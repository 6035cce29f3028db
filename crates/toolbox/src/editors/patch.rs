//! `patch`: applies unified diffs (POSIX.1-2024 patch; only the unified form).
//!
//! A file is replaced by rename when all of its hunks were tried; hunks that do not apply go to FILE.rej.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use lexopt::prelude::*;

use crate::common::lines::{Output, cause, open, say};

/// Usage.
pub const USAGE: &str = "\
[-RNEbfsl] [-p N] [-i PATCH] [-d DIR] [--dry-run] [FILE [PATCH]]
  -p N       cut N leading folders off the names
  -i PATCH   read PATCH instead of standard input
  -d DIR     change to DIR first
  -R         undo the patch
  -N         pass over patches that are applied already
  -E         remove files that become empty
  -b         keep the old file as FILE.orig
  -s         say only what goes wrong
  --dry-run  change nothing";

/// How many lines of a hunk's context may be wrong at each end.
const MAX_FUZZ: usize = 2;

#[derive(Default)]
struct Settings {
    strip: Option<usize>,
    reverse: bool,
    forward: bool,
    remove_empty: bool,
    backup: bool,
    quiet: bool,
    dry: bool,
}

/// One hunk: lines with their marks, without newlines.
struct Hunk {
    old_start: usize,
    lines: Vec<(u8, Vec<u8>)>,
    /// Whether the last old and the last new line lack their newline.
    old_open: bool,
    new_open: bool,
}

struct FilePatch {
    old: Vec<u8>,
    new: Vec<u8>,
    hunks: Vec<Hunk>,
}

/// Runs `patch`.
pub fn main(args: &[OsString]) -> i32 {
    match run(args) {
        Ok(status) => status,
        Err(message) => {
            say("patch", message);
            2
        }
    }
}

fn told(name: &OsStr, error: &std::io::Error) -> String {
    format!("{}: {}", name.to_string_lossy(), cause(error))
}

fn run(args: &[OsString]) -> Result<i32, String> {
    let mut settings = Settings::default();
    let mut input: Option<OsString> = None;
    let mut dir: Option<OsString> = None;
    let mut operands: Vec<OsString> = Vec::new();
    let mut parser = lexopt::Parser::from_args(args.iter().skip(1).cloned());
    let bad = |error: lexopt::Error| error.to_string();
    while let Some(argument) = parser.next().map_err(bad)? {
        match argument {
            Short('p') | Long("strip") => {
                let value = parser.value().map_err(bad)?;
                let text = value.to_string_lossy();
                settings.strip = Some(
                    text.parse()
                        .map_err(|_| format!("invalid number '{text}' of option -p"))?,
                );
            }
            Short('i') | Long("input") => input = Some(parser.value().map_err(bad)?),
            Short('d') | Long("directory") => dir = Some(parser.value().map_err(bad)?),
            Short('R') | Long("reverse") => settings.reverse = true,
            Short('N') | Long("forward") => settings.forward = true,
            Short('E') | Long("remove-empty-files") => settings.remove_empty = true,
            Short('b') | Long("backup") => settings.backup = true,
            Short('s') | Long("quiet" | "silent") => settings.quiet = true,
            Short('f' | 't' | 'u' | 'l') | Long("force" | "batch" | "unified") => {}
            Long("dry-run") => settings.dry = true,
            Value(value) => operands.push(value),
            other => return Err(other.unexpected().to_string()),
        }
    }
    let mut operands = operands.into_iter();
    let target = operands.next();
    let input = input
        .or_else(|| operands.next())
        .unwrap_or_else(|| "-".into());
    let mut text = Vec::new();
    open(&input)
        .and_then(|mut file| file.read_to_end(&mut text))
        .map_err(|error| told(&input, &error))?;
    if let Some(dir) = dir {
        std::env::set_current_dir(&dir).map_err(|error| told(&dir, &error))?;
    }
    let patches = parse(&text)?;
    if patches.is_empty() {
        return Err(format!("{}: no patch found", input.to_string_lossy()));
    }
    let mut out = Output::new();
    let mut status = 0;
    for patch in &patches {
        let failed = settings.apply(patch, target.as_deref(), &mut out)?;
        status |= i32::from(failed);
    }
    Ok(out.finish("patch", status, 2))
}

/// The name in a header: up to a tab, or to the end.
fn header_name(line: &[u8]) -> Vec<u8> {
    let name = line.split(|b| *b == b'\t').next().unwrap_or_default();
    name.trim_ascii_end().to_vec()
}

/// `-A,B +C,D @@`: the first old line and both counts.
fn hunk_header(line: &[u8]) -> Option<(usize, usize, usize)> {
    let text =
        std::str::from_utf8(line.strip_prefix(b"@@ -")?.split(|b| *b == b'@').next()?).ok()?;
    let (old, new) = text.trim().split_once(" +")?;
    let pair = |part: &str| -> Option<(usize, usize)> {
        match part.split_once(',') {
            Some((start, count)) => Some((start.parse().ok()?, count.parse().ok()?)),
            None => Some((part.parse().ok()?, 1)),
        }
    };
    let (start, old_count) = pair(old)?;
    Some((start, old_count, pair(new)?.1))
}

fn parse(text: &[u8]) -> Result<Vec<FilePatch>, String> {
    let mut lines = text.split(|b| *b == b'\n').enumerate().peekable();
    let mut patches: Vec<FilePatch> = Vec::new();
    let mut old = None;
    while let Some((number, line)) = lines.next() {
        let next_is = |lines: &mut std::iter::Peekable<_>, start: &[u8]| {
            let next: Option<&(usize, &[u8])> = lines.peek();
            next.is_some_and(|(_, next)| next.starts_with(start))
        };
        if let Some(name) = line.strip_prefix(b"--- ")
            && next_is(&mut lines, b"+++ ")
        {
            old = Some(header_name(name));
            continue;
        }
        if let Some(name) = line.strip_prefix(b"+++ ")
            && let Some(old) = old.take()
        {
            patches.push(FilePatch {
                old,
                new: header_name(name),
                hunks: Vec::new(),
            });
            continue;
        }
        let (Some(patch), true) = (patches.last_mut(), line.starts_with(b"@@ -")) else {
            continue;
        };
        let malformed = |number: usize| format!("malformed patch at line {}", number + 1);
        let (old_start, mut old_left, mut new_left) =
            hunk_header(line).ok_or_else(|| malformed(number))?;
        let mut hunk = Hunk {
            old_start,
            lines: Vec::new(),
            old_open: false,
            new_open: false,
        };
        while old_left > 0 || new_left > 0 {
            let (number, line) = lines
                .next()
                .ok_or_else(|| "the patch ends in the middle of a hunk".to_string())?;
            // Mailers cut the blank off empty context lines.
            let (mark, rest) = match line.split_first() {
                Some((mark, rest)) => (*mark, rest),
                None => (b' ', line),
            };
            match mark {
                b' ' => (old_left, new_left) = (old_left.wrapping_sub(1), new_left.wrapping_sub(1)),
                b'-' => old_left = old_left.wrapping_sub(1),
                b'+' => new_left = new_left.wrapping_sub(1),
                b'\\' => {
                    hunk.open_last();
                    continue;
                }
                _ => return Err(malformed(number)),
            }
            if old_left == usize::MAX || new_left == usize::MAX {
                return Err(malformed(number));
            }
            hunk.lines.push((mark, rest.to_vec()));
        }
        if next_is(&mut lines, b"\\") {
            hunk.open_last();
            lines.next();
        }
        patch.hunks.push(hunk);
    }
    patches.retain(|patch| !patch.hunks.is_empty());
    Ok(patches)
}

impl Hunk {
    /// The last line read has no newline.
    fn open_last(&mut self) {
        match self.lines.last() {
            Some((b'-', _)) => self.old_open = true,
            Some((b'+', _)) => self.new_open = true,
            _ => (self.old_open, self.new_open) = (true, true),
        }
    }

    /// Lines of one side, marks dropped.
    fn side(&self, mark: u8) -> Vec<&[u8]> {
        self.lines
            .iter()
            .filter(|(m, _)| *m == b' ' || *m == mark)
            .map(|(_, line)| line.as_slice())
            .collect()
    }

    /// How many context lines are at the beginning and the end.
    fn context(&self) -> (usize, usize) {
        let is_context = |line: &&(u8, Vec<u8>)| line.0 == b' ';
        (
            self.lines.iter().take_while(is_context).count(),
            self.lines.iter().rev().take_while(is_context).count(),
        )
    }
}

/// Cuts leading folders off. None: the name leads outside.
fn stripped(name: &[u8], strip: Option<usize>) -> Option<PathBuf> {
    let path = match strip {
        None => Path::new(Path::new(OsStr::from_bytes(name)).file_name()?).to_path_buf(),
        Some(count) => {
            let mut rest = name;
            for _ in 0..count {
                let slash = rest.iter().position(|b| *b == b'/')?;
                rest = &rest[slash..];
                let slashes = rest.iter().take_while(|b| **b == b'/').count();
                rest = &rest[slashes..];
            }
            PathBuf::from(OsStr::from_bytes(rest))
        }
    };
    let inside = path
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    (inside && path.file_name().is_some()).then_some(path)
}

impl Settings {
    fn target(&self, patch: &FilePatch) -> Option<PathBuf> {
        let (old, new) = if self.reverse {
            (&patch.new, &patch.old)
        } else {
            (&patch.old, &patch.new)
        };
        let names: Vec<PathBuf> = [old, new]
            .into_iter()
            .filter(|name| name.as_slice() != b"/dev/null")
            .filter_map(|name| stripped(name, self.strip))
            .collect();
        names
            .iter()
            .find(|name| name.exists())
            .or(names.last())
            .cloned()
    }

    /// Applies the patch of one file. Says whether a hunk failed.
    fn apply(
        &self,
        patch: &FilePatch,
        named: Option<&OsStr>,
        out: &mut Output,
    ) -> Result<bool, String> {
        let target = match named {
            Some(name) => PathBuf::from(name),
            None => self.target(patch).ok_or_else(|| {
                let name = String::from_utf8_lossy(&patch.new).into_owned();
                format!("{name}: no file to patch inside this directory (is -p right?)")
            })?,
        };
        let (old_name, new_name) = if self.reverse {
            (&patch.new, &patch.old)
        } else {
            (&patch.old, &patch.new)
        };
        let creates = old_name == b"/dev/null";
        let bytes = match std::fs::read(&target) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if !creates
                    && patch.hunks.iter().any(|hunk| {
                        hunk.lines
                            .iter()
                            .any(|(mark, _)| *mark != b'+' && *mark != b'-')
                    })
                {
                    return Err(told(target.as_os_str(), &error));
                }
                Vec::new()
            }
            Err(error) => return Err(told(target.as_os_str(), &error)),
        };
        if !self.quiet {
            let verb = match (self.dry, creates && bytes.is_empty()) {
                (true, _) => "checking file",
                (false, true) => "creating",
                (false, false) => "patching file",
            };
            out.put(format!("{verb} {}\n", target.display()).as_bytes());
        }
        let mut lines: Vec<Vec<u8>> = bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        let mut open_end = !bytes.is_empty() && !bytes.ends_with(b"\n");
        if !open_end {
            lines.pop();
        }
        let mut shift = 0isize;
        let mut lowest = 0;
        let mut rejected: Vec<&Hunk> = Vec::new();
        for (index, hunk) in patch.hunks.iter().enumerate() {
            let (old_mark, new_mark) = if self.reverse {
                (b'+', b'-')
            } else {
                (b'-', b'+')
            };
            let (old, new) = (hunk.side(old_mark), hunk.side(new_mark));
            let wanted = (hunk.old_start.saturating_sub(usize::from(!old.is_empty())) as isize
                + shift)
                .max(0) as usize;
            let Some((at, fuzz)) = place(&lines, &old, hunk.context(), wanted, lowest) else {
                if place(&lines, &new, (0, 0), wanted, 0).is_some() {
                    if self.forward {
                        continue;
                    }
                    let text = format!("Possibly reversed hunk {} at {}\n", index + 1, wanted + 1);
                    out.put(text.as_bytes());
                }
                out.put(format!("Hunk {} FAILED at {}.\n", index + 1, hunk.old_start).as_bytes());
                rejected.push(hunk);
                continue;
            };
            if !self.quiet && (at != wanted || fuzz.0 + fuzz.1 > 0) {
                out.put(format!("Hunk {} succeeded at {}.\n", index + 1, at + 1).as_bytes());
            }
            let (head, tail) = fuzz;
            let old_range = at + head..at + old.len() - tail;
            let new_lines: Vec<Vec<u8>> = new[head..new.len() - tail]
                .iter()
                .map(|line| line.to_vec())
                .collect();
            let reaches_end = at + old.len() >= lines.len();
            shift += at as isize - wanted as isize + new.len() as isize - old.len() as isize;
            lowest = at + new.len() - tail;
            lines.splice(old_range, new_lines);
            if reaches_end {
                open_end = if self.reverse {
                    hunk.old_open
                } else {
                    hunk.new_open
                };
            }
        }
        let mut result = lines.join(&b'\n');
        if !open_end && !lines.is_empty() {
            result.push(b'\n');
        }
        if !self.dry && rejected.len() < patch.hunks.len() {
            let gone = result.is_empty() && (self.remove_empty || new_name == b"/dev/null");
            self.replace(&target, &result, gone)
                .map_err(|error| told(target.as_os_str(), &error))?;
        }
        if !rejected.is_empty() && !self.dry && !self.forward {
            let mut name = target.into_os_string();
            name.push(".rej");
            std::fs::write(&name, rejects(patch, &rejected))
                .map_err(|error| told(&name, &error))?;
            out.put(
                format!(
                    "{} of {} hunks FAILED -- saved to ",
                    rejected.len(),
                    patch.hunks.len()
                )
                .as_bytes(),
            );
            out.put(name.as_bytes());
            out.put_byte(b'\n');
        }
        Ok(!rejected.is_empty())
    }

    fn replace(&self, target: &Path, bytes: &[u8], gone: bool) -> std::io::Result<()> {
        let known = std::fs::metadata(target).ok();
        if self.backup && known.is_some() {
            let mut name = target.as_os_str().to_os_string();
            name.push(".orig");
            std::fs::copy(target, name)?;
        }
        if gone {
            return if known.is_some() {
                std::fs::remove_file(target)
            } else {
                Ok(())
            };
        }
        if let Some(dir) = target.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            std::fs::create_dir_all(dir)?;
        }
        // A link's target is what is replaced, not the link.
        let target = std::fs::canonicalize(target).unwrap_or_else(|_| target.to_path_buf());
        let temporary = target.with_file_name(format!(".patch{}", std::process::id()));
        let write = || {
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&temporary)?;
            file.write_all(bytes)?;
            if let Some(known) = &known {
                file.set_permissions(std::fs::Permissions::from_mode(
                    known.permissions().mode() & 0o7777,
                ))?;
            }
            std::fs::rename(&temporary, &target)
        };
        write().inspect_err(|_| {
            let _ = std::fs::remove_file(&temporary);
        })
    }
}

/// Where the lines are, nearest to the wanted place, and how many at each end were let pass.
fn place(
    lines: &[Vec<u8>],
    old: &[&[u8]],
    context: (usize, usize),
    wanted: usize,
    lowest: usize,
) -> Option<(usize, (usize, usize))> {
    if old.is_empty() {
        return Some((wanted.min(lines.len()), (0, 0)));
    }
    for fuzz in 0..=MAX_FUZZ {
        let (head, tail) = (fuzz.min(context.0), fuzz.min(context.1));
        if fuzz > 0 && head < fuzz && tail < fuzz || head + tail >= old.len() {
            break;
        }
        let core = &old[head..old.len() - tail];
        // Less context behind than before it: the file ends there, or the hunk may be applied already.
        let at_end = fuzz + context.1 < context.0;
        let fits = |at: usize| {
            (!at_end || at + old.len() == lines.len())
                && at + old.len() - tail <= lines.len()
                && at + head >= lowest
                && core
                    .iter()
                    .zip(&lines[at + head..])
                    .all(|(wanted, line)| *wanted == line.as_slice())
        };
        let farthest = lines.len().max(wanted);
        let found = (0..=farthest).find_map(|distance| {
            let below = wanted.checked_sub(distance).filter(|at| fits(*at));
            below.or_else(|| wanted.checked_add(distance).filter(|at| fits(*at)))
        });
        if let Some(at) = found {
            return Some((at, (head, tail)));
        }
    }
    None
}

/// The hunks that did not apply, as a patch.
fn rejects(patch: &FilePatch, hunks: &[&Hunk]) -> Vec<u8> {
    let mut out = [b"--- ", patch.old.as_slice(), b"\n+++ ", &patch.new, b"\n"].concat();
    for hunk in hunks {
        let (old, new) = (hunk.side(b'-').len(), hunk.side(b'+').len());
        out.extend_from_slice(
            format!(
                "@@ -{},{old} +{},{new} @@\n",
                hunk.old_start, hunk.old_start
            )
            .as_bytes(),
        );
        for (mark, line) in &hunk.lines {
            out.push(*mark);
            out.extend_from_slice(line);
            out.push(b'\n');
        }
    }
    out
}
