//! `/etc/mdev.conf` and the events that its rules are held against.

use crate::regex::{Regex, Syntax};
use rustix::fs::FileType;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// What the kernel says of a device.
pub struct Event {
    /// `add`, `remove`, …
    pub action: String,
    /// The node's name below /dev: DEVNAME, or the last part of DEVPATH.
    pub name: OsString,
    /// All keys and values.
    pub keys: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Event {
    /// Out of its keys. `None`: there is no ACTION or no DEVPATH, or the name would lead out of /dev.
    pub fn new(keys: Vec<(Vec<u8>, Vec<u8>)>) -> Option<Event> {
        let get = |wanted: &[u8]| {
            keys.iter()
                .find(|(key, _)| key == wanted)
                .map(|(_, value)| value.as_slice())
        };
        let action = String::from_utf8(get(b"ACTION")?.to_vec()).ok()?;
        let path = get(b"DEVPATH")?;
        let name = match get(b"DEVNAME") {
            Some(name) => name.strip_prefix(b"/dev/").unwrap_or(name),
            None => path.rsplit(|byte| *byte == b'/').next()?,
        };
        let name = OsStr::from_bytes(name).to_owned();
        let plain = !name.is_empty()
            && Path::new(&name)
                .components()
                .all(|part| matches!(part, Component::Normal(_)));
        plain.then_some(Event { action, name, keys })
    }

    /// The value of a key.
    pub fn get(&self, wanted: &[u8]) -> Option<&[u8]> {
        self.keys
            .iter()
            .find(|(key, _)| key == wanted)
            .map(|(_, value)| value.as_slice())
    }

    fn number(&self, key: &[u8]) -> Option<u32> {
        std::str::from_utf8(self.get(key)?).ok()?.parse().ok()
    }

    /// The node's kind and number; `None`: the device has no node.
    pub fn numbers(&self) -> Option<(FileType, u64)> {
        let (major, minor) = (self.number(b"MAJOR")?, self.number(b"MINOR")?);
        let block = self.get(b"SUBSYSTEM") == Some(b"block");
        let kind = if block {
            FileType::BlockDevice
        } else {
            FileType::CharacterDevice
        };
        Some((kind, rustix::fs::makedev(major, minor)))
    }
}

/// What a rule is held against.
enum Test {
    Name(Regex),
    Key(Vec<u8>, Regex),
    Numbers(u32, u32, u32),
}

/// Where the node goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// Below /dev by its name.
    Default,
    /// `=PATH`
    Moved(Vec<u8>),
    /// `>PATH`: and a link by its name.
    Linked(Vec<u8>),
    /// `!`: there is to be none.
    Nowhere,
}

/// When a rule's command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// It has none.
    Never,
    /// `@`: when a device has come.
    Add,
    /// `$`: before it goes.
    Remove,
    /// `*`
    Both,
}

/// A line of mdev.conf.
pub struct Rule {
    tests: Vec<Test>,
    /// The owner.
    pub user: Vec<u8>,
    /// The group.
    pub group: Vec<u8>,
    /// The mode.
    pub mode: u32,
    /// Where the node goes.
    pub placed: Placed,
    /// When the command runs.
    pub when: Run,
    /// The command, for the shell.
    pub command: Vec<u8>,
    /// `-`: the next lines are looked at too.
    pub go_on: bool,
}

impl Default for Rule {
    fn default() -> Rule {
        Rule {
            tests: Vec::new(),
            user: b"root".to_vec(),
            group: b"root".to_vec(),
            mode: 0o660,
            placed: Placed::Default,
            when: Run::Never,
            command: Vec::new(),
            go_on: false,
        }
    }
}

impl Rule {
    /// What the name's expression caught (the whole first), if the rule is for this event.
    pub fn matches(&self, event: &Event) -> Option<Vec<Vec<u8>>> {
        let mut groups = Vec::new();
        for test in &self.tests {
            let (regex, text) = match test {
                Test::Numbers(major, least, most) => {
                    let minor = event.number(b"MINOR")?;
                    let fits =
                        event.number(b"MAJOR") == Some(*major) && (*least..=*most).contains(&minor);
                    if !fits {
                        return None;
                    }
                    continue;
                }
                Test::Name(regex) => (regex, event.name.as_bytes()),
                Test::Key(key, regex) => (regex, event.get(key)?),
            };
            let mut spans = Vec::new();
            if !regex.captures_at(text, 0, &mut spans) {
                return None;
            }
            if spans.first() != Some(&Some((0, text.len()))) {
                return None;
            }
            groups = spans
                .iter()
                .map(|span| match span {
                    Some((from, to)) => text.get(*from..*to).unwrap_or_default().to_vec(),
                    None => Vec::new(),
                })
                .collect();
        }
        Some(groups)
    }
}

/// Reads the file; `complain` gets the number of a line that is wrong and what is wrong with it.
pub fn parse(text: &[u8], complain: &mut dyn FnMut(usize, &str)) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        match rule(line) {
            Ok(rule) => rules.push(rule),
            Err(what) => complain(number + 1, &what),
        }
    }
    rules
}

fn rule(line: &[u8]) -> Result<Rule, String> {
    let mut rule = Rule::default();
    let (word, rest) = split(line);
    let mut word = word;
    if let Some(behind) = word.strip_prefix(b"-") {
        rule.go_on = true;
        word = behind;
    }
    // The parts in front of the name are tests of keys.
    for part in word.split(|byte| *byte == b';') {
        if part.is_empty() {
            continue;
        }
        rule.tests.push(test(part)?);
    }
    if rule.tests.is_empty() {
        return Err("no device is named".to_owned());
    }
    let (owner, rest) = split(rest);
    let mut both = owner.splitn(2, |byte| *byte == b':');
    if let (Some(user), Some(group)) = (both.next(), both.next()) {
        (rule.user, rule.group) = (user.to_vec(), group.to_vec());
    } else {
        return Err("the owner is not USER:GROUP".to_owned());
    }
    let (mode, mut rest) = split(rest);
    rule.mode = std::str::from_utf8(mode)
        .ok()
        .and_then(|text| u32::from_str_radix(text, 8).ok())
        .filter(|mode| *mode <= 0o7777)
        .ok_or("the mode is not octal")?;
    let (word, behind) = split(rest);
    match word.split_first() {
        Some((b'=', path)) => (rule.placed, rest) = (Placed::Moved(path.to_vec()), behind),
        Some((b'>', path)) => (rule.placed, rest) = (Placed::Linked(path.to_vec()), behind),
        Some((b'!', [])) => (rule.placed, rest) = (Placed::Nowhere, behind),
        _ => {}
    }
    let rest = rest.trim_ascii();
    if let Some((mark, command)) = rest.split_first() {
        rule.when = match mark {
            b'@' => Run::Add,
            b'$' => Run::Remove,
            b'*' => Run::Both,
            _ => return Err("a command begins with @, $ or *".to_owned()),
        };
        rule.command = command.to_vec();
    }
    Ok(rule)
}

fn test(part: &[u8]) -> Result<Test, String> {
    if let Some(numbers) = part.strip_prefix(b"@") {
        let bad = || "@ needs MAJOR[,MINOR[-MINOR]]".to_owned();
        let text = std::str::from_utf8(numbers).map_err(|_| bad())?;
        let (major, minors) = text.split_once(',').unwrap_or((text, "0-1048575"));
        let (least, most) = minors.split_once('-').unwrap_or((minors, minors));
        let number = |text: &str| text.parse::<u32>().map_err(|_| bad());
        return Ok(Test::Numbers(number(major)?, number(least)?, number(most)?));
    }
    let body = part.strip_prefix(b"$").unwrap_or(part);
    let at = body.iter().position(|byte| *byte == b'=');
    let key = at.and_then(|at| body.get(..at)).filter(|key| {
        !key.is_empty()
            && key
                .iter()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_')
    });
    match (key, at) {
        (Some(key), Some(at)) => {
            let pattern = body.get(at + 1..).unwrap_or_default();
            Ok(Test::Key(key.to_vec(), regex(pattern)?))
        }
        _ => Ok(Test::Name(regex(part)?)),
    }
}

fn regex(pattern: &[u8]) -> Result<Regex, String> {
    let syntax = Syntax {
        extended: true,
        ..Syntax::default()
    };
    Regex::new(pattern, syntax).map_err(|error| error.to_string())
}

/// The first word and what is behind it.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.trim_ascii_start();
    let end = line
        .iter()
        .position(u8::is_ascii_whitespace)
        .unwrap_or(line.len());
    line.split_at(end)
}

/// Where `=PATH` puts a node: a folder where it ends in `/`, with `%0` to `%9` for what the name's expression caught.
pub fn place(path: &[u8], name: &OsStr, groups: &[Vec<u8>]) -> PathBuf {
    let mut out = Vec::new();
    let mut rest = path;
    while let Some((byte, behind)) = rest.split_first() {
        if let (b'%', [digit @ b'0'..=b'9', more @ ..]) = (*byte, behind) {
            if let Some(group) = groups.get(usize::from(digit - b'0')) {
                out.extend_from_slice(group);
            }
            rest = more;
        } else {
            out.push(*byte);
            rest = behind;
        }
    }
    if out.ends_with(b"/") {
        let last = Path::new(name).file_name().unwrap_or(name);
        out.extend_from_slice(last.as_bytes());
    }
    // Nothing may lead out of /dev.
    let below: PathBuf = Path::new(&OsString::from_vec(out))
        .components()
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect();
    Path::new("/dev").join(below.strip_prefix("dev").unwrap_or(&below))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> Event {
        let keys = text.split(' ').map(|word| {
            let (key, value) = word.split_once('=').unwrap();
            (key.as_bytes().to_vec(), value.as_bytes().to_vec())
        });
        Event::new(keys.collect()).unwrap()
    }

    fn one(line: &str) -> Rule {
        let mut wrong = Vec::new();
        let mut rules = parse(line.as_bytes(), &mut |at, what| {
            wrong.push(format!("{at}: {what}"))
        });
        assert!(wrong.is_empty(), "{wrong:?}");
        rules.remove(0)
    }

    #[test]
    fn the_distributions_own_file_is_right() {
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../ports/baselayout/mdev.conf"
        );
        let mut wrong = 0;
        let rules = parse(&std::fs::read(file).unwrap(), &mut |_, _| wrong += 1);
        assert_eq!(wrong, 0);
        assert!(rules.len() > 20);
    }

    #[test]
    fn names_keys_and_numbers_choose() {
        let vda =
            event("ACTION=add DEVPATH=/block/vda DEVNAME=vda MAJOR=254 MINOR=0 SUBSYSTEM=block");
        assert!(one("vd[a-z] root:disk 660").matches(&vda).is_some());
        assert!(one("vd root:disk 660").matches(&vda).is_none());
        assert!(one("@254,0-7 root:disk 660").matches(&vda).is_some());
        assert!(one("@254,1 root:disk 660").matches(&vda).is_none());
        assert!(
            one("SUBSYSTEM=block;.* root:disk 660")
                .matches(&vda)
                .is_some()
        );
        assert!(one("$SUBSYSTEM=net root:disk 660").matches(&vda).is_none());
        assert_eq!(vda.numbers().unwrap().0, FileType::BlockDevice);
    }

    #[test]
    fn nodes_are_moved_and_stay_in_dev() {
        let rule = one("-event([0-9]+) root:input 0640 =input/ @echo $MDEV");
        assert!(rule.go_on && rule.when == Run::Add && rule.command == b"echo $MDEV");
        assert_eq!(rule.mode, 0o640);
        let name = OsStr::new("event3");
        assert_eq!(place(b"input/", name, &[]), Path::new("/dev/input/event3"));
        assert_eq!(
            place(b"e/%1", name, &[b"event3".to_vec(), b"3".to_vec()]),
            Path::new("/dev/e/3")
        );
        assert_eq!(place(b"../../etc/x", name, &[]), Path::new("/dev/etc/x"));
        assert!(
            Event::new(vec![
                (b"ACTION".to_vec(), b"add".to_vec()),
                (b"DEVPATH".to_vec(), b"/x".to_vec()),
                (b"DEVNAME".to_vec(), b"../etc/passwd".to_vec()),
            ])
            .is_none()
        );
    }

    #[test]
    fn wrong_lines_are_told_by_their_number() {
        let mut wrong = Vec::new();
        let rules = parse(
            b"# fine\na root:root 660\nb root 660\nc root:root 9\nd root:root 660 x\n( root:root 660\n",
            &mut |at, _| wrong.push(at),
        );
        assert_eq!(rules.len(), 1);
        assert_eq!(wrong, [3, 4, 5, 6]);
    }
}
