//! The shell on a real pseudo-terminal: what is typed at it, and what the screen shows then.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what went wrong by ending"
)]

mod completion;
mod editing;
mod history;
mod jobs;
mod pty;
mod screen;
