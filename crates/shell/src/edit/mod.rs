//! The line editor: keys in, text out, over a terminal that is a trait, so that all of it is tested without one.
//!
//! ```text
//! Terminal ──bytes──▶ keys ──▶ emacs or vi ──▶ line (text, cursor, undo) ──▶ screen ──what differs──▶ Terminal
//!                               │  ├─ history: earlier commands
//!                               │  └─ complete: what Tab offers
//!                               └─ Host: whether a command is whole, candidates, signals
//! ```
//!
//! An [`Editor`] keeps what lasts from line to line; [`Editor::read`] reads one command, which may have several lines.
//! A terminal without cursor movement (`TERM=dumb`) is not for it: there the caller reads plain lines.

mod complete;
mod emacs;
mod history;
mod keys;
mod line;
mod reading;
mod screen;
mod search;
mod tty;
mod vi;
pub(crate) mod width;

pub use complete::{Candidate, Completions, Quoting};
pub use history::{History, append};
pub use screen::{HIDDEN, SHOWN};
pub(crate) use tty::Tty;

use keys::Input;

/// What a terminal gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// A byte that was typed.
    Byte(u8),
    /// None within the time.
    Timeout,
    /// A signal came, or waits to be looked at.
    Signal,
    /// There will be no more.
    End,
}

/// A terminal that gives each byte as it is typed and echoes nothing.
pub trait Terminal {
    /// Waits for a byte, so many milliseconds; -1: for ever.
    fn read(&mut self, milliseconds: i32) -> Read;
    /// Writes.
    fn write(&mut self, bytes: &[u8]);
    /// Columns and rows, where they are known.
    fn size(&mut self) -> Option<(usize, usize)>;
    /// Whether a byte waits to be read.
    fn is_waiting(&mut self) -> bool;
    /// Makes the terminal as commands expect it (`true`), or as the editor does.
    fn lend(&mut self, to_commands: bool);
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing.
    Nothing,
    /// To look at the terminal's size.
    Resize,
    /// To drop the line, as Ctrl-C does.
    Interrupt,
    /// To call [`Host::act`]: it may write lines of its own.
    Act,
}

/// The shell around the editor.
pub trait Host {
    /// Earlier commands.
    fn history(&mut self) -> &mut History;
    /// Whether a command needs more lines.
    fn is_unfinished(&mut self, text: &[u8]) -> bool;
    /// What could stand at the cursor.
    fn complete(&mut self, text: &[u8], cursor: usize) -> Completions;
    /// What the signals that came ask for.
    fn asked(&mut self) -> Asked;
    /// Runs what they ask for. `false`: the shell is to end.
    fn act(&mut self) -> bool;
    /// The text of an alias.
    fn alias(&mut self, name: &[u8]) -> Option<Vec<u8>>;
}

/// What came of reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A command, without a line end behind it.
    Line(Vec<u8>),
    /// The command is to be edited by the user's editor, then run.
    Edit(Vec<u8>),
    /// It was dropped: Ctrl-C.
    Interrupted,
    /// Ctrl-D on an empty line.
    End,
    /// Nobody typed for too long.
    Idle,
    /// The terminal is gone, or the host wants to end.
    Gone,
}

/// Which keys do what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As emacs has them.
    #[default]
    Emacs,
    /// As vi has them (POSIX.1-2024, sh, "Command Line Editing").
    Vi,
}

/// What one reading is about.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The prompt; [`HIDDEN`] and [`SHOWN`] enclose what takes no room.
    pub prompt: Vec<u8>,
    /// The prompt of further lines.
    pub more: Vec<u8>,
    /// Which keys do what.
    pub mode: Mode,
    /// Has the terminal mark what is pasted.
    pub paste: bool,
    /// For how long nobody may type, in milliseconds; -1: for ever.
    pub idle: i32,
    /// What the line begins with.
    pub text: Vec<u8>,
}

/// How many texts are kept to be yanked.
const RING: usize = 16;

/// What lasts from line to line.
#[derive(Debug, Default)]
pub struct Editor {
    input: Input,
    /// What was killed, the last one last.
    ring: Vec<Vec<u8>>,
    vi: vi::Memory,
    /// What was last searched for.
    sought: Vec<u8>,
    /// What the terminal said when it was asked for its size; 0: it did not answer.
    told: Option<(usize, usize)>,
}

impl Editor {
    /// One that knows nothing yet.
    pub fn new() -> Editor {
        Editor::default()
    }

    /// Reads a command.
    pub fn read(
        &mut self,
        request: &Request,
        terminal: &mut dyn Terminal,
        host: &mut dyn Host,
    ) -> Outcome {
        reading::Reading::new(self, request, terminal, host).run()
    }

    /// Keeps a text to be yanked.
    pub fn kill(&mut self, text: Vec<u8>) {
        if !text.is_empty() {
            if self.ring.len() >= RING {
                self.ring.remove(0);
            }
            self.ring.push(text);
        }
    }
}
