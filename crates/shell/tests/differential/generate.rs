//! Scripts from a seed: words of every kind of quoting and expansion inside every kind of command, and always an end.

/// xorshift64*: the same scripts for a seed, everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % sides
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }
}

/// The script of a seed.
pub fn script(seed: u64) -> String {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    // No empty parameter: with unquoted text behind it, dash and ash lose it (the corpus has what POSIX says).
    let mut out = String::from("x='a b' y=abcab z= n=3; set -- one 'two three' c\n");
    out.push_str("f() { p f \"$#\" \"$@\"; return $(($# % 3)); }\ntouch a.c ab.c b.h\n");
    if dice.roll(4) == 0 {
        out.push_str(dice.pick(&[
            "IFS=:\n", "IFS=b\n", "IFS=\n", "set -f\n", "set -u\n", "set -e\n",
        ]));
    }
    for _ in 0..=dice.roll(4) {
        // A process's number is never the same twice.
        out.push_str(&command(&mut dice, 3).replace("$$", "$n"));
        out.push('\n');
    }
    out.push_str("p end $? \"$x\" \"$y\" \"$z\" $n \"$#\"\n");
    out
}

/// Changes a few bytes of a text.
pub fn damage(seed: u64, text: &mut Vec<u8>) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    const BYTES: &[u8] = b"$`'\"\\(){}[]<>|&;#~*?!=:%/-+ \n\t\0\xff\xc3a1";
    for _ in 0..=dice.roll(4) {
        if text.is_empty() {
            return;
        }
        let at = dice.roll(text.len());
        match dice.roll(5) {
            0 => text[at] = BYTES[dice.roll(BYTES.len())],
            1 => text.insert(at, BYTES[dice.roll(BYTES.len())]),
            2 => {
                text.remove(at);
            }
            3 => text.truncate(at),
            _ => {
                let end = (at + 1 + dice.roll(8)).min(text.len());
                let piece = text[at..end].to_vec();
                let to = dice.roll(text.len());
                text.splice(to..to, piece);
            }
        }
    }
}

fn words(dice: &mut Dice, depth: usize) -> String {
    let count = dice.roll(4);
    let words: Vec<String> = (0..count).map(|_| word(dice, depth)).collect();
    words.join(" ")
}

fn word(dice: &mut Dice, depth: usize) -> String {
    (0..=dice.roll(3)).map(|_| part(dice, depth)).collect()
}

fn part(dice: &mut Dice, depth: usize) -> String {
    match dice.roll(if depth == 0 { 7 } else { 12 }) {
        0 => dice.pick(&["a", "b.h", "-n", "x=1", "~x", "3", "%"]).into(),
        1 => dice.pick(&["'a b'", "'$x'", "'\\'", "''", "'*'"]).into(),
        2 => dice
            .pick(&["\\a", "\\$", "\\ ", "\\\"", "\\*", "\\\\"])
            .into(),
        3 => dice
            .pick(&["$x", "$y", "$z", "$n", "$#", "$1", "$2", "$3", "$?"])
            .into(),
        4 => dice
            .pick(&["*", "?.h", "[ab]*", "*.c", "[!a]*", "no*"])
            .into(),
        5 => dice
            .pick(&["$@", "$*", "\"$@\"", "\"$*\"", "\"$x\"", "\"$z\""])
            .into(),
        6 => format!("\"{}\"", inside(dice, 0)),
        7 => format!("\"{}\"", inside(dice, depth - 1)),
        8 => {
            let name = dice.pick(&["x", "y", "z", "u", "1", "3"]);
            let operator = dice.pick(&["-", ":-", "+", ":+"]);
            format!("${{{name}{operator}{}}}", word(dice, depth - 1))
        }
        9 => {
            let name = dice.pick(&["x", "y", "2"]);
            let operator = dice.pick(&["#", "##", "%", "%%"]);
            let pattern = dice.pick(&[
                "a", "*b", "?", "a*", "'a'", "\"*\"", "[ab]", "$z", "\\a", "c*",
            ]);
            format!("${{{name}{operator}{pattern}}}")
        }
        10 => format!("$(({}))", sum(dice, depth - 1)),
        _ => format!("$({})", simple(dice, depth - 1)),
    }
}

fn inside(dice: &mut Dice, depth: usize) -> String {
    (0..=dice.roll(3))
        .map(|_| match dice.roll(if depth == 0 { 4 } else { 7 }) {
            0 => dice.pick(&["a b", "'", "*", "#", "~", "{"]).to_owned(),
            1 => dice.pick(&["\\\\", "\\$", "\\\"", "\\a", "\\`"]).to_owned(),
            2 => dice
                .pick(&["$x", "$z", "$#", "${#y}", "${2}", "$?"])
                .to_owned(),
            3 => dice
                .pick(&["${x%b}", "${y#*b}", "${u-d}", "${z:-e f}", "${x+set}"])
                .to_owned(),
            4 => format!("$(({}))", sum(dice, depth - 1)),
            5 => format!(
                "${{u-{}}}",
                inside(dice, depth - 1).replace(['\'', '#', '~', '{'], "")
            ),
            _ => format!("$({})", simple(dice, depth - 1)),
        })
        .collect()
}

fn sum(dice: &mut Dice, depth: usize) -> String {
    if depth == 0 || dice.roll(3) == 0 {
        return dice
            .pick(&["1", "n", "$n", "07", "0x1f", "${#y}", "$#", "-2"])
            .to_owned();
    }
    let operator = dice.pick(&[
        "+", "-", "*", "<", "<=", ">", ">=", "==", "!=", "&", "|", "^", "<<", ">>", "&&", "||",
    ]);
    let (left, right) = (sum(dice, depth - 1), sum(dice, depth - 1));
    match dice.roll(5) {
        0 => format!("({left} {operator} {right})"),
        1 => format!("!({left})"),
        2 => format!("{left} ? {right} : 9"),
        3 => format!("n = {left}"),
        _ => format!("{left} {operator} {right}"),
    }
}

fn simple(dice: &mut Dice, depth: usize) -> String {
    match dice.roll(8) {
        0 => format!("x={}", word(dice, depth)),
        1 => format!("z={} p z", word(dice, depth)),
        2 => format!("f {}", words(dice, depth)),
        3 => dice.pick(&["true", "false", "(exit 3)", ":"]).to_owned(),
        4 => format!("printf '%s\\n' {}", words(dice, depth)),
        5 => format!("set -- {}", words(dice, depth)),
        _ => format!("p {}", words(dice, depth)),
    }
}

fn command(dice: &mut Dice, depth: usize) -> String {
    if depth == 0 {
        return simple(dice, 1);
    }
    let deeper = depth - 1;
    match dice.roll(15) {
        0 => format!("{} && {}", command(dice, 0), command(dice, deeper)),
        1 => format!("{} || {}", command(dice, 0), command(dice, deeper)),
        2 => format!("{} | cat", command(dice, 0)),
        3 => format!("{{ {}; }}", command(dice, deeper)),
        4 => format!("( {} )", command(dice, deeper)),
        5 => format!(
            "if {}; then {}; else {}; fi",
            command(dice, 0),
            command(dice, deeper),
            command(dice, deeper)
        ),
        6 => format!(
            "for i in {}; do p \"$i\"; {}; done",
            words(dice, 1),
            command(dice, deeper)
        ),
        7 => format!(
            "case {} in {}) p 1;; {}) {};; *) p other; esac",
            word(dice, 1),
            dice.pick(&["a*", "'a b'", "\"$x\"", "$x", "[a-c]*", "?"]),
            dice.pick(&["*b", "\\**", "''", "$z", "a|b.h", "[!a]"]),
            command(dice, deeper)
        ),
        8 => format!("! {}", command(dice, 0)),
        9 => format!("g() {{ {}; }}; g {}", command(dice, deeper), words(dice, 1)),
        10 => format!("cat <<E\n{}\nE", inside(dice, 1)),
        11 => format!(
            "k=0; while [ $k -lt 2 ]; do k=$((k+1)); {}; done",
            command(dice, deeper)
        ),
        12 => format!("eval '{}'", command(dice, 0).replace('\'', "\"")),
        _ => simple(dice, 2),
    }
}
