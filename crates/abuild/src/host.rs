//! What the build host gives: the programs that recipes name in makedepends as Alpine's packages, where no port has
//! that name. They are seen in the sandbox with the rest of the host's /usr.

use std::path::Path;

/// Alpine's package, a program in it, and Debian's package.
const TOOLS: &[(&str, &str, &str)] = &[
    ("autoconf", "autoconf", "autoconf"),
    ("automake", "automake", "automake"),
    ("bash", "bash", "bash"),
    ("bc", "bc", "bc"),
    ("bison", "bison", "bison"),
    ("build-base", "make", "make"),
    ("bzip2", "bzip2", "bzip2"),
    ("cargo", "cargo", "cargo-web"),
    ("clang", "clang-19", "clang-19"),
    ("cmake", "cmake", "cmake"),
    ("coreutils", "install", "coreutils"),
    ("cpio", "cpio", "cpio"),
    ("diffutils", "diff", "diffutils"),
    ("file", "file", "file"),
    ("findutils", "find", "findutils"),
    ("flex", "flex", "flex"),
    ("gawk", "gawk", "gawk"),
    ("gettext", "msgfmt", "gettext"),
    ("gzip", "gzip", "gzip"),
    ("kmod", "depmod", "kmod"),
    ("libtool", "libtoolize", "libtool"),
    ("lld", "ld.lld-19", "lld-19"),
    ("llvm", "llvm-ar-19", "llvm-19"),
    ("m4", "m4", "m4"),
    ("make", "make", "make"),
    ("meson", "meson", "meson"),
    ("openssl", "openssl", "openssl"),
    ("pahole", "pahole", "pahole"),
    ("patch", "patch", "patch"),
    ("perl", "perl", "perl"),
    ("pkgconf", "pkg-config", "pkg-config"),
    ("python3", "python3", "python3"),
    ("rsync", "rsync", "rsync"),
    ("rust", "rustc", "rustc-web"),
    ("samurai", "ninja", "ninja-build"),
    ("sed", "sed", "sed"),
    ("tar", "tar", "tar"),
    ("texinfo", "makeinfo", "texinfo"),
    ("unzip", "unzip", "unzip"),
    ("xz", "xz", "xz-utils"),
    ("zstd", "zstd", "zstd"),
];

/// How the host stands to a name in makedepends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// It is there.
    Present,
    /// The host could have it: the program, and Debian's package.
    Absent(&'static str, &'static str),
    /// No such tool is known.
    Unknown,
}

/// Looks a package's name up.
pub(crate) fn tool(name: &str) -> Tool {
    match TOOLS.iter().find(|(package, _, _)| *package == name) {
        None => Tool::Unknown,
        Some((_, program, debian)) => {
            let there = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"]
                .iter()
                .any(|folder| Path::new(folder).join(program).exists());
            if there {
                Tool::Present
            } else {
                Tool::Absent(program, debian)
            }
        }
    }
}
