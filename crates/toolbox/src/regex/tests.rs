//! A table of cases, and the machines against a naive matcher.

use super::parse::{Node, Tree, parse};
use super::*;

const ERE: Syntax = Syntax {
    extended: true,
    ignore_case: false,
    newline: false,
    literal: false,
    word: false,
    line: false,
    bracket_escapes: false,
};
const BRE: Syntax = Syntax {
    extended: false,
    ..ERE
};

fn spans(pattern: &str, syntax: Syntax, text: &str) -> String {
    let regex = match Regex::new(pattern.as_bytes(), syntax) {
        Ok(regex) => regex,
        Err(error) => return error.to_string(),
    };
    let mut spans = Vec::new();
    let found = regex.captures_at(text.as_bytes(), 0, &mut spans);
    assert_eq!(
        found,
        regex.is_match(text.as_bytes()),
        "is_match of {pattern} in {text}"
    );
    assert_eq!(
        spans[0],
        regex.find_at(text.as_bytes(), 0),
        "find_at of {pattern} in {text}"
    );
    if !found {
        return "no".into();
    }
    let show =
        |span: &Option<Span>| span.map_or("?".to_string(), |(start, end)| format!("{start}-{end}"));
    spans.iter().map(show).collect::<Vec<_>>().join(" ")
}

/// Pattern, text, spans.
const EXTENDED: &[(&str, &str, &str)] = &[
    ("abc", "xabcy", "1-4"),
    ("a|ab|abc", "abcd", "0-3"),
    ("(a|ab)(c|bcd)(d*)", "abcd", "0-4 0-2 2-3 3-4"),
    ("(a|ab)(bcd|c)(d*)", "abcd", "0-4 0-2 2-3 3-4"),
    // A repeat without parentheses comes before a group behind it.
    ("a *(.*)", "a   b", "0-5 4-5"),
    ("x*(x*)(y*)", "xxy", "0-3 2-2 2-3"),
    ("(a)b*(b*c)", "abbc", "0-4 0-1 3-4"),
    ("a?(ab)?", "ab", "0-2 0-2"),
    ("(a| *b)* *(.*)", "a bb c", "0-6 3-4 5-6"),
    ("((a*) *)*(.*)", "a aa b", "0-6 2-5 2-4 5-6"),
    ("x|y*(y*)", "yy", "0-2 2-2"),
    ("a*", "baaa", "0-0"),
    ("(a*)(b*)(a*)", "aabba", "0-5 0-2 2-4 4-5"),
    ("(a*)*", "b", "0-0 0-0"),
    ("(a*)+", "b", "0-0 0-0"),
    ("((a)|b)*", "ab", "0-2 1-2 ?"),
    ("(a|b)*c", "abac", "0-4 2-3"),
    ("x*", "", "0-0"),
    ("^$", "", "0-0"),
    ("^abc$", "abc", "0-3"),
    ("^b", "ab", "no"),
    ("a{2,3}", "aaaa", "0-3"),
    ("a{2}", "a", "no"),
    ("a{,2}", "aaa", "0-2"),
    ("(ab){2,}", "ababab", "0-6 4-6"),
    ("a{1", "a", "unmatched \\{"),
    ("a{2,1}", "a", "invalid content of \\{\\}"),
    ("a{x", "a{x", "0-3"),
    ("[[:digit:]]+", "ab123c", "2-5"),
    ("[]a]+", "x]a]", "1-4"),
    ("[^]a]", "]ab", "2-3"),
    ("[a-c-]+", "x-abc-", "1-6"),
    ("[[.a.][=b=]]+", "cab", "1-3"),
    ("[b-a]", "", "invalid range end"),
    ("[[:foo:]]", "", "invalid character class name"),
    ("[a", "", "unmatched ["),
    ("(a", "", "unmatched ( or \\("),
    ("a)", "", "unmatched ) or \\)"),
    ("a\\", "", "trailing backslash"),
    ("(a)\\2", "", "invalid back reference"),
    ("\\<foo\\>", "afoo foo", "5-8"),
    ("\\bfoo\\b", "afoo foo", "5-8"),
    ("\\Boo", "foo", "1-3"),
    ("\\w+\\W\\w+", "  ab cd", "2-7"),
    ("\\s+\\S", "a  b", "1-4"),
    ("\\d+", "a12", "1-3"),
    ("(.)\\1", "abccd", "2-4 2-3"),
    ("(a*)\\1b", "aaaab", "0-5 0-2"),
    ("^(.+)\\1$", "abab", "0-4 0-2"),
    ("é+", "caféé", "3-7"),
    ("^.$", "é", "0-2"),
    ("[é-ü]", "xö", "1-3"),
    ("[^a]", "aé", "1-3"),
    ("[[:alpha:]]+", "1éa", "1-4"),
    ("()", "a", "0-0 0-0"),
    ("(|a)b", "ab", "0-2 0-1"),
    ("a||b", "b", "0-1"),
    ("*a", "*a", "0-2"),
    ("a.c", "a\nc", "0-3"),
    ("foo|foobar|fo", "xfoobar", "1-7"),
    ("abcd|c", "abce", "2-3"),
    ("(abc|abcde)(f|def)?", "abcdef", "0-6 0-5 5-6"),
    ("a+b+", "aaacaabb", "4-8"),
    ("(((((a)))))", "a", "0-1 0-1 0-1 0-1 0-1 0-1"),
    ("x{0}y", "xy", "1-2"),
    ("(^a|b)c", "bc", "0-2 0-1"),
    ("a$|b", "ab", "1-2"),
];

const BASIC: &[(&str, &str, &str)] = &[
    ("a\\{2\\}", "aaa", "0-2"),
    ("\\(a\\)\\1", "aa", "0-2 0-1"),
    ("a\\|b", "b", "0-1"),
    ("a\\+", "aa", "0-2"),
    ("ab\\?", "ab", "0-2"),
    ("*a", "x*a", "1-3"),
    ("^*a", "*a", "0-2"),
    ("\\(*a\\)", "*a", "0-2 0-2"),
    ("a^b", "a^b", "0-3"),
    ("a$b", "a$b", "0-3"),
    ("\\(^a\\)", "ba", "no"),
    ("\\(a$\\)", "ba", "1-2 1-2"),
    ("(a)", "(a)", "0-3"),
    ("a+", "a+", "0-2"),
    ("a|b", "a|b", "0-3"),
    ("\\(", "", "unmatched ( or \\("),
    ("\\)", "", "unmatched ) or \\)"),
    ("a\\{1", "", "unmatched \\{"),
    ("^\\(.*\\)\n\\1$", "ab\nab", "0-5 0-2"),
    ("[\\n]", "\\", "0-1"),
];

#[test]
fn the_table() {
    for (cases, syntax) in [(EXTENDED, ERE), (BASIC, BRE)] {
        for (pattern, text, wanted) in cases {
            assert_eq!(
                spans(pattern, syntax, text),
                *wanted,
                "{pattern} in {text:?}"
            );
        }
    }
}

#[test]
fn options() {
    let on = |syntax: Syntax, pattern: &str, text: &str| spans(pattern, syntax, text);
    assert_eq!(
        on(
            Syntax {
                ignore_case: true,
                ..ERE
            },
            "É[a-c]x",
            "éBX"
        ),
        "0-4"
    );
    assert_eq!(
        on(
            Syntax {
                ignore_case: true,
                ..ERE
            },
            "(a)\\1",
            "aA"
        ),
        "0-2 0-1"
    );
    assert_eq!(
        on(
            Syntax {
                newline: true,
                ..ERE
            },
            "^b.*$",
            "a\nbc\nd"
        ),
        "2-4"
    );
    assert_eq!(
        on(
            Syntax {
                newline: true,
                ..ERE
            },
            "a[^x]",
            "a\nab"
        ),
        "2-4"
    );
    assert_eq!(
        on(Syntax { word: true, ..ERE }, "foo", "foobar foo"),
        "7-10"
    );
    assert_eq!(on(Syntax { word: true, ..ERE }, "a|ab", "ab"), "0-2");
    assert_eq!(on(Syntax { line: true, ..ERE }, "a|ab", "ab"), "0-2");
    assert_eq!(
        on(
            Syntax {
                literal: true,
                ..ERE
            },
            "a.*",
            "xa.*"
        ),
        "1-4"
    );
    assert_eq!(
        on(
            Syntax {
                bracket_escapes: true,
                ..ERE
            },
            "[\\]x]+",
            "a]x"
        ),
        "1-3"
    );
}

#[test]
fn bytes_that_are_not_utf8_are_characters() {
    let regex = Regex::new(b"^a.b$", ERE).unwrap();
    assert!(regex.is_match(b"a\xffb"));
    let regex = Regex::new(b"\xff+", ERE).unwrap();
    assert_eq!(regex.find_at(b"a\xff\xffb", 0), Some((1, 3)));
}

#[test]
fn hostile_patterns_end() {
    assert_eq!(
        Regex::new(b"((((a{999}){999}){999}){999})", ERE).unwrap_err(),
        Error::TooBig
    );
    assert_eq!(
        Regex::new(&b"(".repeat(100_000), ERE).unwrap_err(),
        Error::TooBig
    );
    let mut stars = b"a".to_vec();
    stars.extend(b"{2}".repeat(50_000));
    assert_eq!(Regex::new(&stars, ERE).unwrap_err(), Error::TooBig);
    Regex::new(&b"a*".repeat(1000), ERE)
        .unwrap()
        .is_match(&b"a".repeat(1000));
    let text = b"a".repeat(5000);
    let regex = Regex::new(b"(a|a|a*)*(a*)*b", ERE).unwrap();
    assert!(!regex.is_match(&text));
    let regex = Regex::new(b"(((a*)*)*)*", ERE).unwrap();
    assert_eq!(regex.find_at(&text, 0), Some((0, 5000)));
    let regex = Regex::new(b"(a*)*(a*)*(a*)*\\1b", ERE).unwrap();
    assert!(!regex.is_match(&text));
    assert!(regex.gave_up());
}

/// All ends that a node can reach from a place: exponential, and plainly right.
fn ends(tree: &Tree, id: usize, text: &[u8], at: usize) -> Vec<usize> {
    let mut out = match &tree.nodes[id] {
        Node::Empty => vec![at],
        Node::Char(c) => {
            if text.get(at).is_some_and(|b| u32::from(*b) == *c) {
                vec![at + 1]
            } else {
                vec![]
            }
        }
        Node::Any => {
            if at < text.len() {
                vec![at + 1]
            } else {
                vec![]
            }
        }
        Node::Set(set) => {
            if text
                .get(at)
                .is_some_and(|b| tree.sets[*set].has(u32::from(*b)))
            {
                vec![at + 1]
            } else {
                vec![]
            }
        }
        Node::Group(_, body) => ends(tree, *body, text, at),
        Node::Cat(items) => items.iter().fold(vec![at], |places, item| {
            places
                .iter()
                .flat_map(|place| ends(tree, *item, text, *place))
                .collect()
        }),
        Node::Alt(items) => items
            .iter()
            .flat_map(|item| ends(tree, *item, text, at))
            .collect(),
        Node::Repeat(body, min, max) => {
            let mut all = if *min == 0 { vec![at] } else { vec![] };
            let mut places = vec![at];
            for round in 1..=max.unwrap_or(u32::MAX) {
                let mut next: Vec<usize> = places
                    .iter()
                    .flat_map(|place| ends(tree, *body, text, *place))
                    .collect();
                next.sort_unstable();
                next.dedup();
                if next.is_empty() || round > min + text.len() as u32 + 1 {
                    break;
                }
                if round >= *min {
                    all.extend(&next);
                }
                places = next;
            }
            all
        }
        Node::Assert(assert) => {
            let holds = match assert {
                super::parse::Assert::LineStart => at == 0,
                super::parse::Assert::LineEnd => at == text.len(),
                other => panic!("{other:?} is not made here"),
            };
            if holds { vec![at] } else { vec![] }
        }
        Node::BackReference(_) => panic!("not made here"),
    };
    out.sort_unstable();
    out.dedup();
    out
}

fn naive(pattern: &[u8], text: &[u8]) -> Option<Span> {
    let tree = parse([pattern].into_iter(), ERE).unwrap();
    (0..=text.len()).find_map(|start| {
        ends(&tree, tree.root, text, start)
            .last()
            .map(|end| (start, *end))
    })
}

/// A small generator with a fixed seed: the same patterns in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    fn pattern(&mut self, depth: u32, out: &mut String) {
        for _ in 0..=self.below(2) {
            match self.below(if depth == 0 { 5 } else { 8 }) {
                0..=2 => out.push(['a', 'b', 'c'][self.below(3) as usize]),
                3 => out.push('.'),
                4 => out.push_str(["[ab]", "[^a]", "^", "$"][self.below(4) as usize]),
                _ => {
                    out.push('(');
                    self.pattern(depth - 1, out);
                    if self.below(2) == 0 {
                        out.push('|');
                        self.pattern(depth - 1, out);
                    }
                    out.push(')');
                }
            }
            out.push_str(["", "", "", "*", "+", "?", "{2}", "{1,2}"][self.below(8) as usize]);
        }
    }
}

#[test]
fn the_machines_agree_with_the_naive_matcher() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for _ in 0..4000 {
        let mut pattern = String::new();
        random.pattern(3, &mut pattern);
        let regex = Regex::new(pattern.as_bytes(), ERE).unwrap();
        for _ in 0..4 {
            let text: Vec<u8> = (0..random.below(8))
                .map(|_| b"abc"[random.below(3) as usize])
                .collect();
            let wanted = naive(pattern.as_bytes(), &text);
            let shown = String::from_utf8_lossy(&text);
            assert_eq!(regex.find_at(&text, 0), wanted, "{pattern} in {shown:?}");
            assert_eq!(
                regex.is_match(&text),
                wanted.is_some(),
                "{pattern} in {shown:?}"
            );
            let mut spans = Vec::new();
            regex.captures_at(&text, 0, &mut spans);
            assert_eq!(spans[0], wanted, "groups of {pattern} in {shown:?}");
            let mut slow = vec![None; regex.groups() + 1];
            regex.search(&text, 0, &mut slow);
            assert_eq!(
                slow, spans,
                "without the quick machine: {pattern} in {shown:?}"
            );
        }
    }
}
