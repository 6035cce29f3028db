//! PID 1 and the service manager.

pub mod daemon;
pub mod graph;
pub mod layout;
pub mod machine;
pub mod message;
pub mod name;
pub mod runlevels;
pub mod state;

/// Where programs are looked for when nobody says.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
