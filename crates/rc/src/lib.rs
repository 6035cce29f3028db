//! PID 1 and the service manager: OpenRC's commands, runlevels and scripts.
//!
//! ```text
//! /etc/init.d ─[script::depend]→ [graph] ─→ [machine] ⇄ [engine] ─fork→ [script] (shell, built-ins) ─→ [daemon]
//!                                                         ↑   └─→ [state] (/run/openrc)
//!                 [commands] ─[control] (/run/rc.sock)─→ [init] (PID 1: boot, terminals, shutdown)
//! ```
//!
//! [`machine`] is told goals and events and says what to do; it knows no clock, process or file. [`engine`] carries that
//! out. [`init`] is PID 1 around an engine; on a system with another PID 1 the [`commands`] run an engine of their own.
//! [`runlevels`], [`state`], [`layout`] and [`mounts`] read and write what OpenRC has in files; [`checkpath`],
//! [`clock`], [`daemon`] and [`message`] are what service scripts call; [`cgroup`] holds what a service runs, [`log`] what
//! it says.
//!
//! *Invariant:* a script runs in a child that was forked for it. What happens there, PID 1 survives.

pub mod cgroup;
pub mod checkpath;
pub mod clock;
pub mod commands;
pub mod control;
pub mod daemon;
pub mod engine;
pub mod graph;
pub mod init;
pub mod layout;
pub mod log;
pub mod machine;
pub mod message;
pub mod mounts;
pub mod name;
pub mod runlevels;
pub mod script;
pub mod state;

/// Where programs are looked for when nobody says.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
