//! Terminals: raw mode, window size, the foreground process group.
