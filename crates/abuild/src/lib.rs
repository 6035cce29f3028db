//! From a recipe (APKBUILD) to signed packages.
//!
//! ```text
//! ports/*/APKBUILD ── recipe ─▶ Recipe ── graph ─▶ order ── plan ─▶ Plan (cached or to build, by key)
//!                                                                    │ run
//!      sources, workspace, sysroot, toolchain ─▶ build ─▶ sandbox ─▶ phase (inside: prepare build check package split)
//!                                                                    │
//!                            repo (signed index) ◀─ cache ◀─ package (strip, trace, audit, write)
//! ```
//!
//! - [`Config`]: where things are; [`plan`], [`run()`]: what has to be built, and building it, with [`Event`]s
//! - [`recipe`]: what an APKBUILD says; evaluated in a sandbox, parsed into types
//! - `inputs`: the key of a port; `graph`: who provides what, the order of builds, cycles; `host`: the tools that come from the build host
//! - [`sources`]: Debian's archives through a private apt, upstream's addresses, verified and kept by hash
//! - `workspace`: crates of the checkout as a source; `sysroot`: what a port is built against
//! - `sandbox`: what a job sees of the host, from outside; `phase`: what runs inside ([`phase_main`])
//! - `package`: the files that a build left, made into packages
//! - `cache`: packages by the hash of their inputs; [`index`]: the repository; [`keys`]: the user's two keys
//!
//! *Invariant:* nothing here reads the environment, the terminal or the clock (but to say how long a build took).
//! *Invariant:* the key of a port covers all that its packages are made from; equal keys, equal bytes.

mod build;
mod cache;
mod config;
mod error;
mod event;
mod graph;
mod hash;
mod host;
mod inputs;
pub mod keys;
mod package;
mod phase;
mod plan;
pub mod recipe;
mod repo;
mod run;
mod sandbox;
pub mod sources;
mod sysroot;
mod toolchain;
mod workspace;

pub use config::{Config, SOURCE_DATE_EPOCH};
pub use error::{Error, Result};
pub use event::Event;
pub use hash::Algorithm;
pub use phase::phase_main;
pub use plan::{Plan, PlannedPort, plan, plan_noting};
pub use repo::{extract, index};
pub use run::{Outcome, packages, run, used_sources};
