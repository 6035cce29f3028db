//! Fork, exec, wait, signals, pidfds.
