//! Namespaces, for build sandboxes and for entering a built root.
