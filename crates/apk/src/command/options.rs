//! Options as apk takes them: letters in clusters, long names that may be cut short, `--no-x` and `--x=no` for those
//! that are yes or no; before the command and behind it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// An option: its letter, its name, and whether it has a value.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The letter, if it has one.
    pub letter: Option<char>,
    /// The long name.
    pub name: &'static str,
    /// What stands behind it.
    pub takes: Takes,
}

/// What stands behind an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Flag,
    /// Nothing, or `=yes` or `=no`; `--no-NAME` is the same as `=no`.
    Bool,
    /// The same, or `=auto`.
    Auto,
    /// A value.
    Value,
}

const fn flag(letter: Option<char>, name: &'static str) -> Known {
    Known {
        letter,
        name,
        takes: Takes::Flag,
    }
}

const fn boolean(letter: Option<char>, name: &'static str) -> Known {
    Known {
        letter,
        name,
        takes: Takes::Bool,
    }
}

const fn auto(letter: Option<char>, name: &'static str) -> Known {
    Known {
        letter,
        name,
        takes: Takes::Auto,
    }
}

const fn value(letter: Option<char>, name: &'static str) -> Known {
    Known {
        letter,
        name,
        takes: Takes::Value,
    }
}

/// What every command takes.
pub const GLOBAL: &[Known] = &[
    flag(Some('h'), "help"),
    value(Some('p'), "root"),
    value(Some('X'), "repository"),
    flag(Some('q'), "quiet"),
    flag(Some('v'), "verbose"),
    flag(Some('V'), "version"),
    flag(Some('f'), "force"),
    auto(Some('i'), "interactive"),
    flag(Some('U'), "update-cache"),
    flag(None, "allow-untrusted"),
    value(None, "arch"),
    boolean(None, "cache"),
    value(None, "cache-dir"),
    value(None, "cache-max-age"),
    boolean(None, "check-certificate"),
    flag(None, "force-broken-world"),
    flag(None, "force-missing-repositories"),
    flag(None, "force-no-chroot"),
    flag(None, "force-non-repository"),
    flag(None, "force-old-apk"),
    flag(None, "force-overwrite"),
    flag(None, "force-refresh"),
    value(None, "keys-dir"),
    boolean(None, "network"),
    boolean(None, "preserve-env"),
    value(None, "preupgrade-depends"),
    flag(None, "print-arch"),
    auto(None, "progress"),
    boolean(None, "purge"),
    value(None, "repositories-file"),
    value(None, "repository-config"),
    auto(None, "root-tmpfs"),
    value(None, "timeout"),
    value(None, "wait"),
    boolean(None, "commit-hooks"),
    boolean(None, "scripts"),
    boolean(Some('s'), "simulate"),
];

/// The commands: name, what they take, what they do, and their usage.
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// What it takes besides [`GLOBAL`].
    pub options: &'static [Known],
    /// One line.
    pub about: &'static str,
    /// What stands behind the name, and its options a line each.
    pub usage: &'static str,
}

/// All commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "add",
        options: &[
            flag(Some('l'), "latest"),
            flag(Some('u'), "upgrade"),
            value(Some('t'), "virtual"),
            flag(None, "initdb"),
            flag(None, "usermode"),
            flag(None, "no-chown"),
        ],
        about: "add packages to the world and install them",
        usage: "[-l] [-u] [-t NAME] [--initdb] [--usermode] PACKAGE...\n
-t NAME   add a package NAME that depends on them, instead of them
-u        prefer newer versions of them
-l        prefer the newest, whatever the tag
--initdb  begin a database in the root
a package is a name, with @tag or =version, ~version, <version…, or a file that ends in .apk",
    },
    Command {
        name: "del",
        options: &[flag(Some('r'), "rdepends")],
        about: "remove packages from the world, and what nothing needs any more",
        usage: "[-r] [--purge] PACKAGE...\n
-r       what depends on them goes, too
--purge  changed configuration goes, too",
    },
    Command {
        name: "update",
        options: &[],
        about: "fetch the repositories' indexes",
        usage: "",
    },
    Command {
        name: "upgrade",
        options: &[
            flag(Some('a'), "available"),
            flag(Some('l'), "latest"),
            flag(None, "ignore"),
            boolean(None, "preupgrade"),
            flag(None, "preupgrade-only"),
            boolean(None, "self-upgrade"),
            flag(None, "self-upgrade-only"),
            flag(None, "prune"),
        ],
        about: "install newer versions of what is installed",
        usage: "[-a] [-l] [--prune] [--ignore] [--no-preupgrade | --preupgrade-only] [PACKAGE...]\n
-a  take what the repositories have, older versions too
-l  prefer the newest, whatever the tag
--prune   give up what no repository has any more
--ignore  all but the packages named
--preupgrade-only  only apk itself, and what --preupgrade-depends names",
    },
    Command {
        name: "fix",
        options: &[
            flag(Some('d'), "depends"),
            flag(Some('r'), "reinstall"),
            flag(Some('u'), "upgrade"),
            flag(Some('x'), "xattr"),
            flag(None, "directory-permissions"),
        ],
        about: "install again what is broken",
        usage: "[-d] [-r] [-u] [-x] [--directory-permissions] [PACKAGE...]\n
without a package: what is marked as broken
-r  install again    -u  prefer newer versions    -d  their dependencies, too
-x  also what lost its extended attributes    --directory-permissions  owners and modes of all folders",
    },
    Command {
        name: "info",
        options: &[
            flag(Some('a'), "all"),
            flag(Some('d'), "description"),
            flag(Some('e'), "installed"),
            flag(Some('L'), "contents"),
            flag(Some('P'), "provides"),
            flag(Some('r'), "rdepends"),
            flag(Some('R'), "depends"),
            flag(Some('s'), "size"),
            flag(Some('t'), "triggers"),
            flag(Some('w'), "webpage"),
            flag(Some('W'), "who-owns"),
            flag(None, "install-if"),
            flag(None, "license"),
            flag(None, "replaces"),
            flag(None, "rinstall-if"),
        ],
        about: "tell of packages",
        usage: "[-adePrRstwL] [--install-if] [--license] [--replaces] [PACKAGE...] | -W PATH...\n
without a package: list what is installed
-a  all    -d  description    -e  only whether it is installed    -L  files    -P  provides
-r  who depends on it    -R  dependencies    -s  size    -t  triggers    -w  web page
-W  who owns the files",
    },
    Command {
        name: "list",
        options: &[
            flag(Some('a'), "available"),
            flag(Some('d'), "depends"),
            flag(Some('I'), "installed"),
            flag(Some('o'), "origin"),
            flag(Some('O'), "orphaned"),
            flag(Some('P'), "providers"),
            flag(Some('u'), "upgradable"),
            flag(None, "upgradeable"),
        ],
        about: "list packages by a pattern",
        usage: "[-I] [-O] [-u] [-a] [-d] [-o] [-P] [PATTERN...]\n
-I  installed    -O  installed and in no repository    -u  with a newer version    -a  available
-d  by dependency    -o  by origin    -P  by what they provide",
    },
    Command {
        name: "search",
        options: &[
            flag(Some('a'), "all"),
            flag(Some('d'), "description"),
            flag(Some('e'), "exact"),
            flag(Some('x'), "exact-match"),
            flag(Some('o'), "origin"),
            flag(Some('r'), "rdepends"),
            flag(None, "has-origin"),
        ],
        about: "search the repositories",
        usage: "[-a] [-d] [-e] [-o] [-r] [-v] PATTERN...\n
-a  all versions    -d  in descriptions, too    -e  exactly this name    -o  print origins
-r  print who depends on it    -v  print descriptions",
    },
    Command {
        name: "fetch",
        options: &[
            flag(Some('l'), "link"),
            value(Some('o'), "output"),
            flag(Some('R'), "recursive"),
            flag(Some('s'), "stdout"),
            flag(None, "url"),
        ],
        about: "download packages",
        usage: "[-R] [-o FOLDER | -s | --url] PACKAGE...\n
-R  dependencies, too    -o  into a folder    -s  to standard output    --url  print the addresses
-l  link to them where they are local files",
    },
    Command {
        name: "index",
        options: &[
            value(Some('o'), "output"),
            value(Some('x'), "index"),
            value(Some('d'), "description"),
            value(None, "rewrite-arch"),
            flag(None, "merge"),
            flag(None, "warnings"),
        ],
        about: "write an index of package files",
        usage: "[-o FILE] [-x OLD-INDEX] [-d TEXT] [--rewrite-arch ARCH] FILE...",
    },
    Command {
        name: "verify",
        options: &[],
        about: "check package files",
        usage: "FILE...",
    },
    Command {
        name: "version",
        options: &[
            flag(Some('a'), "all"),
            flag(Some('c'), "check"),
            flag(Some('I'), "indexes"),
            value(Some('l'), "limit"),
            flag(Some('t'), "test"),
        ],
        about: "compare versions, or what is installed with what there is",
        usage: "[-l OPERATORS] [PACKAGE...] | -t VERSION VERSION | -c VERSION...\n
-l  only those whose sign is among < = >    -t  compare two    -c  print those that are none
-I  list the indexes",
    },
    Command {
        name: "audit",
        options: &[
            flag(None, "backup"),
            flag(None, "check-permissions"),
            flag(None, "details"),
            flag(None, "full"),
            flag(None, "ignore-busybox-symlinks"),
            flag(None, "packages"),
            value(None, "protected-paths"),
            flag(Some('r'), "recursive"),
            flag(None, "system"),
        ],
        about: "tell what was changed since it was installed",
        usage:
            "[--backup | --system | --full] [--check-permissions] [--packages] [-r] [FOLDER...]\n
--backup  configuration that was changed or added    --system  what packages own, but configuration
--full    both, and what nobody owns    --packages  only the packages' names
A added, U changed, X removed, M owner or mode changed, D a folder added",
    },
    Command {
        name: "policy",
        options: &[],
        about: "tell which versions there are and where",
        usage: "PACKAGE...",
    },
    Command {
        name: "manifest",
        options: &[],
        about: "print the checksums of packages' files",
        usage: "PACKAGE...",
    },
    Command {
        name: "stats",
        options: &[],
        about: "count packages, folders and files",
        usage: "",
    },
    Command {
        name: "history",
        options: &[value(None, "format")],
        about: "tell what was done to the system",
        usage: "[-v] [--format json] [ID...]\n
-v  each transaction's packages, too",
    },
    Command {
        name: "undo",
        options: &[],
        about: "take a transaction back",
        usage: "[-s] [ID]\n
without a number: the last one. What it replaced is taken from what was kept, the cache or a repository",
    },
    Command {
        name: "rollback",
        options: &[],
        about: "go back to how it was behind a transaction",
        usage: "[-s] ID\n
all later ones are taken back; 0 is before the first",
    },
    Command {
        name: "why",
        options: &[],
        about: "tell what holds a package or a file on the system",
        usage: "[-v] NAME|PATH...\n
-v  a chain for each that needs it",
    },
    Command {
        name: "recover",
        options: &[],
        about: "finish or undo a transaction that was interrupted",
        usage: "\n
every other command does the same before its own work, where it may write",
    },
    Command {
        name: "cache",
        options: &[],
        about: "clear the cache of downloads",
        usage: "clean | purge",
    },
];

/// What was given.
#[derive(Clone, Debug, Default)]
pub struct Given {
    options: Vec<(&'static str, Option<OsString>)>,
    /// The command, if there is one.
    pub command: Option<OsString>,
    /// What is no option.
    pub operands: Vec<OsString>,
}

/// A command line that cannot be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Wrong(pub String);

impl Given {
    /// Whether a flag was given, and not taken back.
    pub fn has(&self, name: &str) -> bool {
        self.says(name) == Some(true)
    }

    /// What was said of a flag last.
    pub fn says(&self, name: &str) -> Option<bool> {
        let (_, value) = self
            .options
            .iter()
            .rev()
            .find(|(known, _)| *known == name)?;
        Some(value.as_deref() != Some(OsStr::new("no")))
    }

    /// How often a flag was given.
    pub fn count(&self, name: &str) -> usize {
        self.options
            .iter()
            .filter(|(known, _)| *known == name)
            .count()
    }

    /// How much is said: 1, one more for each `-v`, one less for each `-q`.
    pub fn level(&self) -> i32 {
        let count = |name| i32::try_from(self.count(name)).unwrap_or(i32::MAX);
        1_i32
            .saturating_add(count("verbose"))
            .saturating_sub(count("quiet"))
    }

    /// An option's value; the last one counts.
    pub fn value(&self, name: &str) -> Option<&OsStr> {
        self.options
            .iter()
            .rev()
            .find(|(known, _)| *known == name)
            .and_then(|(_, value)| value.as_deref())
    }

    /// All values of an option.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &OsStr> {
        self.options
            .iter()
            .filter(move |(known, _)| *known == name)
            .filter_map(|(_, value)| value.as_deref())
    }

    /// A value that is a number.
    pub fn number(&self, name: &str, usual: u64) -> Result<u64, Wrong> {
        match self.value(name) {
            None => Ok(usual),
            Some(text) => text
                .to_str()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| Wrong(format!("--{name}: '{}' is no number", text.display()))),
        }
    }

    /// Reads a command line.
    pub fn parse(arguments: &[OsString]) -> Result<Given, Wrong> {
        let mut given = Given::default();
        // A command's options may stand before it.
        let named = arguments.iter().find_map(|word| {
            let mut all = COMMANDS.iter();
            all.find(|command| command.name.as_bytes() == word.as_bytes())
        });
        let own: &[Known] = named.map(|command| command.options).unwrap_or_default();
        let mut words = arguments.iter();
        let mut only_operands = false;
        while let Some(word) = words.next() {
            let bytes = word.as_bytes();
            if only_operands || bytes.len() < 2 || !bytes.starts_with(b"-") {
                if given.command.is_none() {
                    given.command = Some(word.clone());
                } else {
                    given.operands.push(word.clone());
                }
                continue;
            }
            if bytes == b"--" {
                only_operands = true;
                continue;
            }
            let mut next = |name: &str| {
                words.next().cloned().ok_or_else(|| {
                    Wrong(format!("command line: option '{name}' expects an argument"))
                })
            };
            if let Some(long) = bytes.strip_prefix(b"--") {
                let text = String::from_utf8_lossy(long).into_owned();
                let (name, joined) = match long.iter().position(|byte| *byte == b'=') {
                    Some(at) => (
                        text.get(..at).unwrap_or(&text).to_owned(),
                        Some(OsString::from_vec(
                            long.get(at + 1..).unwrap_or_default().to_vec(),
                        )),
                    ),
                    None => (text, None),
                };
                let (known, negated) = long_name(&name, own)?;
                let value = match (known.takes, joined) {
                    (Takes::Value, Some(value)) => Some(value),
                    (Takes::Value, None) => Some(next(&name)?),
                    (_, None) if negated => Some("no".into()),
                    (_, None) => None,
                    (Takes::Flag, Some(value)) => return Err(unexpected(&name, &value)),
                    (_, Some(value)) if negated => return Err(unexpected(&name, &value)),
                    (takes, Some(value)) => {
                        let fits = value == "yes"
                            || value == "no"
                            || value == "auto" && takes == Takes::Auto;
                        if !fits {
                            return Err(Wrong(format!(
                                "command line: invalid argument for option '{name}': '{}'",
                                value.display()
                            )));
                        }
                        Some(value)
                    }
                };
                given.options.push((known.name, value));
                continue;
            }
            let mut rest = bytes.get(1..).unwrap_or_default();
            while let Some((letter, behind)) = rest.split_first() {
                let letter = char::from(*letter);
                rest = behind;
                let known = own
                    .iter()
                    .chain(GLOBAL)
                    .find(|known| known.letter == Some(letter))
                    .ok_or_else(|| {
                        Wrong(format!("command line: unrecognized option '{letter}'"))
                    })?;
                let value = match known.takes {
                    Takes::Value if rest.is_empty() => Some(next(&letter.to_string())?),
                    Takes::Value => {
                        let value = OsString::from_vec(rest.to_vec());
                        rest = b"";
                        Some(value)
                    }
                    _ => None,
                };
                given.options.push((known.name, value));
            }
        }
        Ok(given)
    }
}

fn unexpected(name: &str, value: &OsStr) -> Wrong {
    Wrong(format!(
        "command line: option '{name}' does not expect argument (got '{}')",
        value.display()
    ))
}

/// The option of that name, or the only one that begins so; and whether `no-` stood in front.
fn long_name(name: &str, own: &[Known]) -> Result<(Known, bool), Wrong> {
    let mut fitting: Vec<(&Known, String, bool)> = Vec::new();
    for known in own.iter().chain(GLOBAL) {
        let mut spellings = vec![(known.name.to_owned(), false)];
        if matches!(known.takes, Takes::Bool | Takes::Auto) {
            spellings.push((format!("no-{}", known.name), true));
        }
        for (spelling, negated) in spellings {
            if spelling == name {
                return Ok((*known, negated));
            }
            let twice = fitting.iter().any(|(_, other, _)| *other == spelling);
            if spelling.starts_with(name) && !twice {
                fitting.push((known, spelling, negated));
            }
        }
    }
    match fitting.as_slice() {
        [] => Err(Wrong(format!("command line: unrecognized option '{name}'"))),
        [(known, _, negated)] => Ok((**known, *negated)),
        many => {
            let names: Vec<String> = many
                .iter()
                .map(|(_, name, _)| format!("--{name}"))
                .collect();
            Err(Wrong(format!(
                "command line: ambiguous option '{name}': it may be {}",
                names.join(", ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Given, Wrong> {
        let words: Vec<OsString> = text.split_whitespace().map(OsString::from).collect();
        Given::parse(&words)
    }

    #[test]
    fn options_stand_anywhere_and_are_cut_short() {
        let given =
            parse("-U --initdb --root /x add -t.virt --no-cache --allow-u a b --scripts=no")
                .unwrap();
        assert_eq!(given.command.as_deref(), Some(OsStr::new("add")));
        assert_eq!(given.operands, ["a", "b"]);
        assert_eq!(given.value("virtual"), Some(OsStr::new(".virt")));
        assert_eq!(given.value("root"), Some(OsStr::new("/x")));
        assert!(given.has("allow-untrusted") && given.has("update-cache"));
        assert_eq!(given.says("cache"), Some(false));
        assert_eq!(given.says("scripts"), Some(false));
        assert_eq!(given.says("network"), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, word) in [
            ("add --nonsense", "unrecognized option 'nonsense'"),
            ("add -Z", "'Z'"),
            ("add -t", "option 't' expects an argument"),
            (
                "add --force-b --cache=maybe",
                "invalid argument for option 'cache': 'maybe'",
            ),
            ("add --no-cache=yes", "does not expect argument (got 'yes')"),
            ("add --force-o", "ambiguous"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
