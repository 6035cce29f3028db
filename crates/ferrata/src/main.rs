//! The front door's command.
fn main() {}
