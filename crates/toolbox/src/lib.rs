//! The multi-call userland.
