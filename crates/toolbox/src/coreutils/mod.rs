//! The applets of the group `coreutils`.

mod basename;
mod cat;
mod chmod;
mod cut;
mod env;
mod head;
mod ln;
mod ls;
mod mkdir;
mod readlink;
mod rm;
mod seq;
mod sleep;
mod sums;
mod tail;
mod tee;
mod touch;
mod tr;
mod truth;
mod uname;
mod wc;

use crate::applet::{Applet, Folder, applet};

/// This group's table.
pub const APPLETS: &[Applet] = &[
    applet(
        "basename",
        Folder::UsrBin,
        "print a path's last part",
        basename::BASENAME_USAGE,
        basename::basename,
    ),
    applet(
        "cat",
        Folder::Bin,
        "join files and print them",
        cat::USAGE,
        cat::main,
    ),
    applet(
        "chmod",
        Folder::Bin,
        "change permissions",
        chmod::USAGE,
        chmod::main,
    ),
    applet(
        "cut",
        Folder::UsrBin,
        "print parts of lines",
        cut::USAGE,
        cut::main,
    ),
    applet(
        "dirname",
        Folder::UsrBin,
        "print a path without its last part",
        basename::DIRNAME_USAGE,
        basename::dirname,
    ),
    applet(
        "env",
        Folder::UsrBin,
        "run a program with another environment",
        env::USAGE,
        env::main,
    ),
    applet("false", Folder::Bin, "fail", truth::USAGE, truth::no),
    applet(
        "head",
        Folder::UsrBin,
        "print the beginning of files",
        head::USAGE,
        head::main,
    ),
    applet(
        "link",
        Folder::Bin,
        "make a hard link",
        ln::LINK_USAGE,
        ln::link,
    ),
    applet("ln", Folder::Bin, "make links", ln::USAGE, ln::main),
    applet(
        "ls",
        Folder::Bin,
        "list folders and files",
        ls::USAGE,
        ls::main,
    ),
    applet(
        "mkdir",
        Folder::Bin,
        "make folders",
        mkdir::USAGE,
        mkdir::main,
    ),
    applet(
        "printenv",
        Folder::Bin,
        "print the environment",
        env::PRINTENV_USAGE,
        env::printenv,
    ),
    applet(
        "readlink",
        Folder::Bin,
        "print where a link leads",
        readlink::USAGE,
        readlink::main,
    ),
    applet(
        "realpath",
        Folder::UsrBin,
        "print paths without links",
        readlink::REALPATH_USAGE,
        readlink::realpath,
    ),
    applet(
        "rm",
        Folder::Bin,
        "remove files and folders",
        rm::USAGE,
        rm::main,
    ),
    applet(
        "rmdir",
        Folder::Bin,
        "remove empty folders",
        mkdir::RMDIR_USAGE,
        mkdir::rmdir,
    ),
    applet(
        "seq",
        Folder::UsrBin,
        "print a sequence of numbers",
        seq::USAGE,
        seq::main,
    ),
    applet(
        "sha1sum",
        Folder::UsrBin,
        "print or check SHA-1 sums",
        sums::USAGE,
        sums::main,
    ),
    applet(
        "sha256sum",
        Folder::UsrBin,
        "print or check SHA-256 sums",
        sums::USAGE,
        sums::main,
    ),
    applet(
        "sha512sum",
        Folder::UsrBin,
        "print or check SHA-512 sums",
        sums::USAGE,
        sums::main,
    ),
    applet("sleep", Folder::Bin, "wait", sleep::USAGE, sleep::main),
    applet(
        "sync",
        Folder::Bin,
        "write what is cached to the disks",
        uname::SYNC_USAGE,
        uname::sync,
    ),
    applet(
        "tail",
        Folder::UsrBin,
        "print the end of files",
        tail::USAGE,
        tail::main,
    ),
    applet(
        "tee",
        Folder::UsrBin,
        "copy the input to files too",
        tee::USAGE,
        tee::main,
    ),
    applet(
        "touch",
        Folder::Bin,
        "set times, make empty files",
        touch::USAGE,
        touch::main,
    ),
    applet(
        "tr",
        Folder::UsrBin,
        "replace or delete characters",
        tr::USAGE,
        tr::main,
    ),
    applet("true", Folder::Bin, "succeed", truth::USAGE, truth::yes),
    applet(
        "uname",
        Folder::Bin,
        "print the system's name",
        uname::USAGE,
        uname::main,
    ),
    applet(
        "unlink",
        Folder::UsrBin,
        "remove a name",
        rm::UNLINK_USAGE,
        rm::unlink,
    ),
    applet(
        "wc",
        Folder::UsrBin,
        "count lines, words and bytes",
        wc::USAGE,
        wc::main,
    ),
    applet(
        "yes",
        Folder::UsrBin,
        "print a line over and over",
        truth::YES_USAGE,
        truth::repeat,
    ),
];
