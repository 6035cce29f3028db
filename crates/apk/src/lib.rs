//! The package manager: a library, and the apk command on top of it.
