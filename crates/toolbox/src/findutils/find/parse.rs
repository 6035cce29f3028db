//! From the words of the command line to an expression.

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use rustix::fs::{Access, AtFlags, CWD, FileType, Stat};

use super::{Comparison, Exec, Expr, ModeTest, Settings, Time, c_string, time_of};
use crate::common::glob;
use crate::common::lines::cause;
use crate::common::walk::Follow;
use crate::regex::{Regex, Syntax};

/// The deepest nesting of parentheses and `!`.
const MAX_DEPTH: usize = 500;

struct Parser<'a> {
    words: std::iter::Peekable<std::slice::Iter<'a, OsString>>,
    settings: Settings,
    follow: &'a mut Follow,
    depth: usize,
    /// Whether an action was met, so that `-print` is not added.
    action: bool,
    regex_extended: bool,
}

/// Parses the expression.
pub fn parse(words: &[OsString], follow: &mut Follow) -> Result<Settings, String> {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec;
    let settings = Settings {
        expr: Expr::True,
        max_depth: usize::MAX,
        min_depth: 0,
        depth_first: false,
        one_file_system: false,
        now,
    };
    let mut parser = Parser {
        words: words.iter().peekable(),
        settings,
        follow,
        depth: 0,
        action: false,
        regex_extended: false,
    };
    let mut expr = if words.is_empty() {
        Expr::True
    } else {
        parser.comma()?
    };
    if let Some(word) = parser.words.next() {
        return Err(format!("unexpected {}", word.to_string_lossy()));
    }
    if !parser.action {
        expr = Expr::And(Box::new(expr), Box::new(Expr::Print(b'\n')));
    }
    parser.settings.expr = expr;
    Ok(parser.settings)
}

impl Parser<'_> {
    fn next_is(&mut self, options: &[&str]) -> bool {
        let found = self
            .words
            .peek()
            .is_some_and(|word| options.iter().any(|option| word.as_os_str() == *option));
        if found {
            self.words.next();
        }
        found
    }

    fn comma(&mut self) -> Result<Expr, String> {
        let mut left = self.or()?;
        while self.next_is(&[","]) {
            left = Expr::Comma(Box::new(left), Box::new(self.or()?));
        }
        Ok(left)
    }

    fn or(&mut self) -> Result<Expr, String> {
        let mut left = self.and()?;
        while self.next_is(&["-o", "-or"]) {
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, String> {
        let mut left = self.not()?;
        loop {
            match self.words.peek().map(|word| word.as_bytes()) {
                None | Some(b"-o" | b"-or" | b")" | b",") => return Ok(left),
                _ => {}
            }
            self.next_is(&["-a", "-and"]);
            left = Expr::And(Box::new(left), Box::new(self.not()?));
        }
    }

    fn not(&mut self) -> Result<Expr, String> {
        if self.next_is(&["!", "-not"]) {
            self.deeper()?;
            let inner = self.not()?;
            self.depth -= 1;
            return Ok(Expr::Not(Box::new(inner)));
        }
        if self.next_is(&["("]) {
            self.deeper()?;
            let inner = self.comma()?;
            if !self.next_is(&[")"]) {
                return Err("unmatched (".into());
            }
            self.depth -= 1;
            return Ok(inner);
        }
        let Some(word) = self.words.next() else {
            return Err("expression expected at the end".into());
        };
        self.primary(word)
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            Err("expression too deeply nested".into())
        } else {
            Ok(())
        }
    }

    fn argument(&mut self, name: &str) -> Result<OsString, String> {
        self.words
            .next()
            .cloned()
            .ok_or_else(|| format!("{name} needs an argument"))
    }

    fn comparison(&mut self, name: &str) -> Result<Comparison, String> {
        let word = self.argument(name)?;
        compare(word.as_bytes())
            .ok_or_else(|| format!("invalid number '{}' of {name}", word.to_string_lossy()))
    }

    fn count(&mut self, name: &str) -> Result<usize, String> {
        let word = self.argument(name)?;
        let text = word.to_string_lossy();
        text.parse()
            .map_err(|_| format!("invalid number '{text}' of {name}"))
    }

    fn stat(&mut self, name: &str) -> Result<Stat, String> {
        let path = self.argument(name)?;
        let flags = if *self.follow == Follow::Never {
            AtFlags::SYMLINK_NOFOLLOW
        } else {
            AtFlags::empty()
        };
        c_string(path.as_bytes())
            .and_then(|path| Ok(rustix::fs::statat(CWD, path.as_c_str(), flags)?))
            .map_err(|error| format!("{}: {}", path.to_string_lossy(), cause(&error)))
    }

    fn act(&mut self, expr: Expr) -> Expr {
        self.action = true;
        expr
    }

    fn age(&mut self, name: &str, time: Time, unit: i64) -> Result<Expr, String> {
        Ok(Expr::Age(time, self.comparison(name)?, unit))
    }

    fn primary(&mut self, word: &OsStr) -> Result<Expr, String> {
        let name = &*word.to_string_lossy();
        let fold = glob::Options {
            ignore_case: name.starts_with("-i"),
            ..glob::Options::default()
        };
        Ok(match name {
            "-name" | "-iname" => Expr::Name(self.argument(name)?, fold),
            "-path" | "-ipath" | "-wholename" | "-iwholename" => {
                Expr::Path(self.argument(name)?, fold)
            }
            "-lname" | "-ilname" => Expr::LinkName(self.argument(name)?, fold),
            "-regextype" => {
                let kind = self.argument(name)?;
                self.regex_extended = matches!(
                    &*kind.to_string_lossy(),
                    "posix-extended" | "egrep" | "posix-egrep" | "awk" | "gnu-awk"
                );
                Expr::True
            }
            "-regex" | "-iregex" => {
                let pattern = self.argument(name)?;
                let syntax = Syntax {
                    extended: self.regex_extended,
                    ignore_case: fold.ignore_case,
                    line: true,
                    ..Syntax::default()
                };
                let regex = Regex::new(pattern.as_bytes(), syntax)
                    .map_err(|error| format!("{error}: {}", pattern.to_string_lossy()))?;
                Expr::Regex(Box::new(regex))
            }
            "-type" | "-xtype" => Expr::Type(types(&self.argument(name)?)?),
            "-size" => size(&self.argument(name)?)?,
            "-empty" => Expr::Empty,
            "-links" => Expr::Links(self.comparison(name)?),
            "-inum" => Expr::Inode(self.comparison(name)?),
            "-samefile" => {
                let stat = self.stat(name)?;
                Expr::SameFile(stat.st_dev, stat.st_ino)
            }
            "-mtime" => self.age(name, Time::Modify, 86400)?,
            "-atime" => self.age(name, Time::Access, 86400)?,
            "-ctime" => self.age(name, Time::Change, 86400)?,
            "-mmin" => self.age(name, Time::Modify, 60)?,
            "-amin" => self.age(name, Time::Access, 60)?,
            "-cmin" => self.age(name, Time::Change, 60)?,
            "-newer" | "-anewer" | "-cnewer" => {
                let stat = self.stat(name)?;
                let (seconds, nanoseconds) = time_of(&stat, Time::Modify);
                let time = match name {
                    "-anewer" => Time::Access,
                    "-cnewer" => Time::Change,
                    _ => Time::Modify,
                };
                Expr::Newer(time, seconds, nanoseconds)
            }
            _ if name.len() == 8 && name.starts_with("-newer") => {
                let letters = name.as_bytes();
                let time = |letter: u8| match letter {
                    b'a' => Ok(Time::Access),
                    b'c' => Ok(Time::Change),
                    b'm' => Ok(Time::Modify),
                    _ => Err(format!("unknown test {name}")),
                };
                let (mine, its) = (time(letters[6])?, time(letters[7])?);
                let (seconds, nanoseconds) = time_of(&self.stat(name)?, its);
                Expr::Newer(mine, seconds, nanoseconds)
            }
            "-perm" => Expr::Mode(mode(&self.argument(name)?)?),
            "-user" => Expr::User(self.owner(name, "/etc/passwd")?),
            "-group" => Expr::Group(self.owner(name, "/etc/group")?),
            "-uid" => Expr::User(self.comparison(name)?),
            "-gid" => Expr::Group(self.comparison(name)?),
            "-nouser" => Expr::NoUser(Rc::new(numbers("/etc/passwd"))),
            "-nogroup" => Expr::NoGroup(Rc::new(numbers("/etc/group"))),
            "-readable" => Expr::Access(Access::READ_OK),
            "-writable" => Expr::Access(Access::WRITE_OK),
            "-executable" => Expr::Access(Access::EXEC_OK),
            "-true" | "-noleaf" | "-ignore_readdir_race" | "-noignore_readdir_race" => Expr::True,
            "-false" => Expr::False,
            "-maxdepth" => {
                self.settings.max_depth = self.count(name)?;
                Expr::True
            }
            "-mindepth" => {
                self.settings.min_depth = self.count(name)?;
                Expr::True
            }
            "-depth" | "-d" => {
                self.settings.depth_first = true;
                Expr::True
            }
            "-xdev" | "-mount" => {
                self.settings.one_file_system = true;
                Expr::True
            }
            "-follow" => {
                *self.follow = Follow::Always;
                Expr::True
            }
            "-daystart" => {
                // The end of today; days are counted in UTC.
                let end = self.settings.now - self.settings.now.rem_euclid(86400) + 86400;
                self.settings.now = end;
                Expr::True
            }
            "-print" => self.act(Expr::Print(b'\n')),
            "-print0" => self.act(Expr::Print(0)),
            "-printf" => {
                let format = self.argument(name)?;
                self.act(Expr::PrintFormat(format.as_bytes().to_vec()))
            }
            "-ls" => self.act(Expr::List),
            "-prune" => Expr::Prune,
            "-quit" => self.act(Expr::Quit),
            "-delete" => self.act(Expr::Delete),
            "-exec" | "-execdir" | "-ok" | "-okdir" => {
                let exec = self.exec(name)?;
                self.act(Expr::Exec(exec))
            }
            _ => return Err(format!("unknown test or action: {name}")),
        })
    }

    fn exec(&mut self, name: &str) -> Result<Exec, String> {
        let mut words: Vec<OsString> = Vec::new();
        loop {
            let word = self
                .words
                .next()
                .ok_or_else(|| format!("{name} needs a ; at its end"))?;
            if word == ";" {
                break;
            }
            if word == "+"
                && words.last().is_some_and(|last| last == "{}")
                && name.starts_with("-exec")
            {
                words.pop();
                if words.is_empty() {
                    return Err(format!("{name} needs a command"));
                }
                return Ok(Exec {
                    words,
                    in_dir: name.ends_with("dir"),
                    ask: false,
                    many: Some(Default::default()),
                });
            }
            words.push(word.clone());
        }
        if words.is_empty() {
            return Err(format!("{name} needs a command"));
        }
        Ok(Exec {
            words,
            in_dir: name.ends_with("dir"),
            ask: name.starts_with("-ok"),
            many: None,
        })
    }

    /// A user's or group's number, by name or as a number.
    fn owner(&mut self, name: &str, table: &str) -> Result<Comparison, String> {
        let word = self.argument(name)?;
        for (known, number) in entries(table) {
            if known == word.as_bytes() {
                return Ok(Comparison {
                    how: Ordering::Equal,
                    value: u64::from(number),
                });
            }
        }
        compare(word.as_bytes()).ok_or_else(|| {
            let kind = if name == "-user" { "user" } else { "group" };
            format!("unknown {kind} {}", word.to_string_lossy())
        })
    }
}

/// Names and numbers of the user or group table.
pub fn entries(table: &str) -> Vec<(Vec<u8>, u32)> {
    let text = std::fs::read(table).unwrap_or_default();
    let entry = |line: &[u8]| {
        let mut fields = line.split(|b| *b == b':');
        let name = fields.next()?.to_vec();
        let number = std::str::from_utf8(fields.nth(1)?).ok()?.parse().ok()?;
        Some((name, number))
    };
    text.split(|b| *b == b'\n').filter_map(entry).collect()
}

fn numbers(table: &str) -> Vec<u32> {
    entries(table)
        .into_iter()
        .map(|(_, number)| number)
        .collect()
}

fn compare(word: &[u8]) -> Option<Comparison> {
    let (how, digits) = match word {
        [b'+', rest @ ..] => (Ordering::Greater, rest),
        [b'-', rest @ ..] => (Ordering::Less, rest),
        _ => (Ordering::Equal, word),
    };
    let value = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(Comparison { how, value })
}

fn size(word: &OsStr) -> Result<Expr, String> {
    let bytes = word.as_bytes();
    let (digits, unit) = match bytes.split_last() {
        Some((b'c', rest)) => (rest, 1),
        Some((b'w', rest)) => (rest, 2),
        Some((b'b', rest)) => (rest, 512),
        Some((b'k', rest)) => (rest, 1 << 10),
        Some((b'M', rest)) => (rest, 1 << 20),
        Some((b'G', rest)) => (rest, 1 << 30),
        _ => (bytes, 512),
    };
    match compare(digits) {
        Some(comparison) => Ok(Expr::Size(comparison, unit)),
        None => Err(format!("invalid size '{}'", word.to_string_lossy())),
    }
}

fn types(word: &OsStr) -> Result<Vec<FileType>, String> {
    let one = |letter: &[u8]| {
        Ok(match letter {
            b"b" => FileType::BlockDevice,
            b"c" => FileType::CharacterDevice,
            b"d" => FileType::Directory,
            b"p" => FileType::Fifo,
            b"f" => FileType::RegularFile,
            b"l" => FileType::Symlink,
            b"s" => FileType::Socket,
            _ => return Err(format!("unknown type '{}'", word.to_string_lossy())),
        })
    };
    word.as_bytes().split(|b| *b == b',').map(one).collect()
}

fn mode(word: &OsStr) -> Result<ModeTest, String> {
    let invalid = || format!("invalid mode '{}'", word.to_string_lossy());
    let text = word.to_str().ok_or_else(invalid)?;
    let (kind, rest): (fn(u32) -> ModeTest, &str) = match text.split_at_checked(1) {
        Some(("-", rest)) => (ModeTest::All, rest),
        Some(("/", rest)) => (ModeTest::Any, rest),
        _ => (ModeTest::Exactly, text),
    };
    if rest.starts_with(|c: char| c.is_ascii_digit()) {
        return match u32::from_str_radix(rest, 8) {
            Ok(bits) if bits <= 0o7777 => Ok(kind(bits)),
            _ => Err(invalid()),
        };
    }
    symbolic(rest).map(kind).ok_or_else(invalid)
}

/// A symbolic mode, as chmod would make it out of nothing.
fn symbolic(text: &str) -> Option<u32> {
    let mut bits = 0u32;
    for clause in text.split(',') {
        let at = clause.find(['+', '-', '='])?;
        let (who, rest) = clause.split_at(at);
        let mut mask = 0;
        for letter in who.chars() {
            mask |= match letter {
                'u' => 0o4700,
                'g' => 0o2070,
                'o' => 0o1007,
                'a' => 0o7777,
                _ => return None,
            };
        }
        if who.is_empty() {
            mask = 0o7777;
        }
        let (sign, letters) = rest.split_at(1);
        let mut value = 0;
        for letter in letters.chars() {
            value |= match letter {
                'r' => 0o444,
                'w' => 0o222,
                'x' | 'X' => 0o111,
                's' => 0o6000,
                't' => 0o1000,
                _ => return None,
            };
        }
        let sticky = if letters.contains('t') { 0o1000 } else { 0 };
        let value = value & mask | sticky;
        match sign {
            "+" => bits |= value,
            "-" => bits &= !value,
            _ => bits = bits & !mask | value,
        }
    }
    Some(bits)
}
