//! The file system as `apk` sees it.
