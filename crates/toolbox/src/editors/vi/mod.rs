//! `vi`: the screen editor (POSIX.1-2024 vi, the everyday part of it).
//!
//! [`buffer`] is the text with undo, [`motion`] where commands go to, [`normal`] the commands, [`colon`] the lines
//! behind a colon, [`view`] what is on the screen. Keys come through [`Keys`], so that tests can type.

mod buffer;
mod colon;
mod motion;
mod normal;
#[cfg(test)]
mod tests;
mod view;

use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;

use lexopt::prelude::*;

use crate::common::lines::{cause, say};
use crate::common::screen::{Key, Screen};
use crate::regex::Regex;
use buffer::{Buffer, Position, Register};

/// Usage.
pub const USAGE: &str = "\
[-R] [-c COMMAND] [+COMMAND] [FILE]...
  -R          read only
  -c COMMAND  run a colon command first";

/// Where keys come from.
enum Keys {
    Screen(Screen),
    /// For tests: when they are used up, the editor ends.
    #[cfg(test)]
    Typed(VecDeque<Key>),
}

/// What the editor goes by.
struct Settings {
    ignore_case: bool,
    numbers: bool,
    auto_indent: bool,
    tab_width: usize,
    shift_width: usize,
    expand_tabs: bool,
}

/// A find on the line: the letter `f F t T`, and the character.
type LineFind = (char, char);

struct Editor {
    keys: Keys,
    /// Keys that are played again.
    replay: VecDeque<Key>,
    /// Keys of the command at hand, and of the last change.
    recorded: Vec<Key>,
    last_change: Vec<Key>,
    replaying: bool,
    buffer: Buffer,
    cursor: Position,
    /// The column that going up and down tries to keep.
    wish: usize,
    top: usize,
    file: Option<OsString>,
    files: VecDeque<OsString>,
    read_only: bool,
    registers: HashMap<char, Register>,
    marks: HashMap<char, Position>,
    search: Option<Regex>,
    search_back: bool,
    line_find: Option<LineFind>,
    settings: Settings,
    message: String,
    mode: &'static str,
    /// The exit status, once the end is wanted.
    end: Option<i32>,
}

/// Runs `vi`.
pub fn main(args: &[OsString]) -> i32 {
    match run(args) {
        Ok(status) => status,
        Err(message) => {
            say("vi", message);
            1
        }
    }
}

fn run(args: &[OsString]) -> Result<i32, String> {
    let mut read_only = false;
    let mut commands: Vec<String> = Vec::new();
    let mut files = VecDeque::new();
    let mut parser = lexopt::Parser::from_args(args.iter().skip(1).cloned());
    let bad = |error: lexopt::Error| error.to_string();
    while let Some(argument) = parser.next().map_err(bad)? {
        match argument {
            Short('R') => read_only = true,
            Short('c') => {
                commands.push(parser.value().map_err(bad)?.to_string_lossy().into_owned())
            }
            Value(value) => match value.to_string_lossy().strip_prefix('+') {
                Some("") => commands.push("$".into()),
                Some(command) => commands.push(command.to_string()),
                None => files.push_back(value),
            },
            other => return Err(other.unexpected().to_string()),
        }
    }
    let mut screen = Screen::open().map_err(|error| format!("/dev/tty: {}", cause(&error)))?;
    screen
        .set_aside()
        .map_err(|error| format!("/dev/tty: {}", cause(&error)))?;
    let mut editor = Editor::new(Keys::Screen(screen));
    editor.read_only = read_only;
    editor.files = files;
    if let Some(file) = editor.files.pop_front() {
        editor.edit(file);
    }
    for command in commands {
        editor.colon(&command);
    }
    Ok(editor.run())
}

impl Editor {
    fn new(keys: Keys) -> Editor {
        Editor {
            keys,
            replay: VecDeque::new(),
            recorded: Vec::new(),
            last_change: Vec::new(),
            replaying: false,
            buffer: Buffer::default(),
            cursor: Position::default(),
            wish: 0,
            top: 0,
            file: None,
            files: VecDeque::new(),
            read_only: false,
            registers: HashMap::new(),
            marks: HashMap::new(),
            search: None,
            search_back: false,
            line_find: None,
            settings: Settings {
                ignore_case: false,
                numbers: false,
                auto_indent: false,
                tab_width: 8,
                shift_width: 8,
                expand_tabs: false,
            },
            message: String::new(),
            mode: "",
            end: None,
        }
    }

    fn run(&mut self) -> i32 {
        loop {
            if let Some(status) = self.end {
                return status;
            }
            self.recorded.clear();
            self.command();
            self.clamp();
        }
    }

    /// The next key; the screen is brought up to date before one is waited for.
    fn key(&mut self) -> Key {
        if let Some(key) = self.replay.pop_front() {
            return key;
        }
        if self.replaying {
            // A change that was cut short when it was typed ends here as well.
            return crate::common::screen::ESCAPE;
        }
        self.draw();
        let key = match &mut self.keys {
            Keys::Screen(screen) => screen.key(),
            #[cfg(test)]
            Keys::Typed(keys) => keys.pop_front().unwrap_or(Key::Gone),
        };
        if key == Key::Gone {
            self.end = Some(1);
        }
        self.recorded.push(key);
        key
    }

    /// Keeps the cursor inside the text.
    fn clamp(&mut self) {
        let last = self.buffer.len().saturating_sub(1);
        self.cursor.line = self.cursor.line.min(last);
        let line = self.buffer.line(self.cursor.line);
        let mut column = self.cursor.column.min(buffer::last_column(line));
        while column > 0 && !buffer::is_start(line, column) {
            column -= 1;
        }
        self.cursor.column = column;
    }
}
