//! PID 1 and the service manager.

pub mod graph;
pub mod machine;
pub mod name;
