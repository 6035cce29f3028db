//! POSIX regular expressions: basic and extended, leftmost-longest.
