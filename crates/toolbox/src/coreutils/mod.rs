//! The applets of the group `coreutils`.

mod basename;
mod cat;
mod chmod;
mod cksum;
mod cp;
mod cut;
mod date;
mod dd;
mod dos2unix;
mod env;
mod expr;
mod factor;
mod head;
mod identity;
mod ln;
mod ls;
mod mkdir;
mod nodes;
mod od;
mod readlink;
mod rm;
mod running;
mod seq;
mod shred;
mod shuf;
mod sleep;
mod sort;
mod split;
mod stat;
mod stty;
mod sums;
mod tail;
mod tee;
mod text;
mod touch;
mod tr;
mod truth;
mod uname;
mod uuencode;
mod wc;

use crate::applet::{Applet, Folder, applet};

/// This group's table.
#[rustfmt::skip]
pub const APPLETS: &[Applet] = &[
    applet("[", Folder::UsrBin, "test a condition", running::TEST_USAGE, running::bracket),
    applet("[[", Folder::UsrBin, "test a condition", running::TEST_USAGE, running::double_bracket),
    applet("arch", Folder::Bin, "print the machine's architecture", running::NO_USAGE, running::arch),
    applet("base64", Folder::Bin, "encode bytes as text, or decode them", text::BASE64_USAGE, text::base64),
    applet("basename", Folder::UsrBin, "print a path's last part", basename::BASENAME_USAGE, basename::basename),
    applet("cat", Folder::Bin, "join files and print them", cat::USAGE, cat::main),
    applet("chgrp", Folder::Bin, "change the group of files", identity::CHGRP_USAGE, identity::chgrp),
    applet("chmod", Folder::Bin, "change permissions", chmod::USAGE, chmod::main),
    applet("chown", Folder::Bin, "change the owner of files", identity::CHOWN_USAGE, identity::chown),
    applet("chroot", Folder::UsrSbin, "run a command in another root", running::CHROOT_USAGE, running::chroot),
    applet("cksum", Folder::UsrBin, "print CRC sums and sizes", cksum::USAGE, cksum::main),
    applet("comm", Folder::UsrBin, "compare two sorted files by lines", text::COMM_USAGE, text::comm),
    applet("cp", Folder::Bin, "copy files and folders", cp::USAGE, cp::main),
    applet("cut", Folder::UsrBin, "print parts of lines", cut::USAGE, cut::main),
    applet("date", Folder::Bin, "print or set the time", date::USAGE, date::main),
    applet("dd", Folder::Bin, "copy block by block", dd::USAGE, dd::main),
    applet("df", Folder::Bin, "print how full file systems are", stat::DF_USAGE, stat::df),
    applet("dirname", Folder::UsrBin, "print a path without its last part", basename::DIRNAME_USAGE, basename::dirname),
    applet("dos2unix", Folder::UsrBin, "make ends of lines Unix's", dos2unix::USAGE, dos2unix::dos2unix),
    applet("du", Folder::UsrBin, "print what files and folders take", stat::DU_USAGE, stat::du),
    applet("echo", Folder::Bin, "print words", running::ECHO_USAGE, running::echo),
    applet("env", Folder::UsrBin, "run a program with another environment", env::USAGE, env::main),
    applet("expand", Folder::UsrBin, "replace tabs by blanks", text::EXPAND_USAGE, text::expand),
    applet("expr", Folder::UsrBin, "print the value of an expression", expr::USAGE, expr::main),
    applet("factor", Folder::UsrBin, "print the primes that numbers are made of", factor::USAGE, factor::main),
    applet("false", Folder::Bin, "fail", truth::USAGE, truth::no),
    applet("fold", Folder::UsrBin, "break long lines", text::FOLD_USAGE, text::fold),
    applet("fsync", Folder::Bin, "flush files to the disk", nodes::FSYNC_USAGE, nodes::fsync),
    applet("groups", Folder::UsrBin, "print a user's groups", identity::GROUPS_USAGE, identity::groups),
    applet("head", Folder::UsrBin, "print the beginning of files", head::USAGE, head::main),
    applet("hostid", Folder::UsrBin, "print the host's number", running::NO_USAGE, running::hostid),
    applet("id", Folder::UsrBin, "print who somebody is", identity::USAGE, identity::id),
    applet("install", Folder::UsrBin, "copy files and set their owner and mode", cp::INSTALL_USAGE, cp::install),
    applet("link", Folder::Bin, "make a hard link", ln::LINK_USAGE, ln::link),
    applet("ln", Folder::Bin, "make links", ln::USAGE, ln::main),
    applet("logname", Folder::UsrBin, "print who logged in", identity::NO_USAGE, identity::logname),
    applet("ls", Folder::Bin, "list folders and files", ls::USAGE, ls::main),
    applet("md5sum", Folder::UsrBin, "print or check MD5 sums", sums::USAGE, sums::main),
    applet("mkdir", Folder::Bin, "make folders", mkdir::USAGE, mkdir::main),
    applet("mkfifo", Folder::UsrBin, "make named pipes", nodes::MKFIFO_USAGE, nodes::mkfifo),
    applet("mknod", Folder::Bin, "make device nodes", nodes::MKNOD_USAGE, nodes::mknod),
    applet("mktemp", Folder::Bin, "make a temporary file or folder", nodes::MKTEMP_USAGE, nodes::mktemp),
    applet("mv", Folder::Bin, "move or rename files and folders", cp::MV_USAGE, cp::mv),
    applet("nice", Folder::Bin, "run a command with another priority", running::NICE_USAGE, running::nice),
    applet("nl", Folder::UsrBin, "number lines", text::NL_USAGE, text::nl),
    applet("nohup", Folder::UsrBin, "run a command that goes on after logout", running::NOHUP_USAGE, running::nohup),
    applet("nproc", Folder::UsrBin, "print the number of processors", running::NPROC_USAGE, running::nproc),
    applet("od", Folder::UsrBin, "print bytes as numbers or characters", od::USAGE, od::main),
    applet("paste", Folder::UsrBin, "join files line by line", text::PASTE_USAGE, text::paste),
    applet("printenv", Folder::Bin, "print the environment", env::PRINTENV_USAGE, env::printenv),
    applet("printf", Folder::UsrBin, "print by a format", running::PRINTF_USAGE, running::printf),
    applet("pwd", Folder::Bin, "print the current folder", running::PWD_USAGE, running::pwd),
    applet("readlink", Folder::UsrBin, "print where a link leads", readlink::USAGE, readlink::main),
    applet("realpath", Folder::UsrBin, "print paths without links", readlink::REALPATH_USAGE, readlink::realpath),
    applet("rm", Folder::Bin, "remove files and folders", rm::USAGE, rm::main),
    applet("rmdir", Folder::Bin, "remove empty folders", mkdir::RMDIR_USAGE, mkdir::rmdir),
    applet("seq", Folder::UsrBin, "print a sequence of numbers", seq::USAGE, seq::main),
    applet("sha1sum", Folder::UsrBin, "print or check SHA-1 sums", sums::USAGE, sums::main),
    applet("sha256sum", Folder::UsrBin, "print or check SHA-256 sums", sums::USAGE, sums::main),
    applet("sha3sum", Folder::UsrBin, "print or check SHA-3 sums", sums::SHA3_USAGE, sums::main),
    applet("sha512sum", Folder::UsrBin, "print or check SHA-512 sums", sums::USAGE, sums::main),
    applet("shred", Folder::UsrBin, "overwrite files", shred::USAGE, shred::main),
    applet("shuf", Folder::UsrBin, "put lines in a random order", shuf::USAGE, shuf::main),
    applet("sleep", Folder::Bin, "wait", sleep::USAGE, sleep::main),
    applet("sort", Folder::UsrBin, "sort lines", sort::USAGE, sort::main),
    applet("split", Folder::UsrBin, "cut a file in pieces", split::USAGE, split::main),
    applet("stat", Folder::Bin, "print what is known of files", stat::USAGE, stat::main),
    applet("stty", Folder::Bin, "print and change how a terminal behaves", stty::USAGE, stty::main),
    applet("sum", Folder::UsrBin, "print sums and sizes as of old", cksum::SUM_USAGE, cksum::sum),
    applet("sync", Folder::Bin, "write what is cached to the disks", uname::SYNC_USAGE, uname::sync),
    applet("tac", Folder::UsrBin, "print lines backwards", text::TAC_USAGE, text::tac),
    applet("tail", Folder::UsrBin, "print the end of files", tail::USAGE, tail::main),
    applet("tee", Folder::UsrBin, "copy the input to files too", tee::USAGE, tee::main),
    applet("test", Folder::UsrBin, "test a condition", running::TEST_USAGE, running::test),
    applet("timeout", Folder::UsrBin, "run a command for a limited time", running::TIMEOUT_USAGE, running::timeout),
    applet("touch", Folder::Bin, "set times, make empty files", touch::USAGE, touch::main),
    applet("tr", Folder::UsrBin, "replace or delete characters", tr::USAGE, tr::main),
    applet("true", Folder::Bin, "succeed", truth::USAGE, truth::yes),
    applet("truncate", Folder::UsrBin, "set the size of files", nodes::TRUNCATE_USAGE, nodes::truncate),
    applet("tty", Folder::UsrBin, "print the terminal's name", running::TTY_USAGE, running::tty),
    applet("uname", Folder::Bin, "print the system's name", uname::USAGE, uname::main),
    applet("unexpand", Folder::UsrBin, "replace blanks by tabs", text::UNEXPAND_USAGE, text::unexpand),
    applet("uniq", Folder::UsrBin, "drop repeated lines", sort::UNIQ_USAGE, sort::uniq),
    applet("unix2dos", Folder::UsrBin, "make ends of lines DOS's", dos2unix::USAGE, dos2unix::unix2dos),
    applet("unlink", Folder::UsrBin, "remove a name", rm::UNLINK_USAGE, rm::unlink),
    applet("usleep", Folder::Bin, "wait for microseconds", sleep::MICRO_USAGE, sleep::micro),
    applet("uudecode", Folder::UsrBin, "turn text back into bytes", uuencode::DECODE_USAGE, uuencode::decode),
    applet("uuencode", Folder::UsrBin, "turn bytes into text", uuencode::USAGE, uuencode::main),
    applet("wc", Folder::UsrBin, "count lines, words and bytes", wc::USAGE, wc::main),
    applet("whoami", Folder::UsrBin, "print the user's name", identity::NO_USAGE, identity::whoami),
    applet("yes", Folder::UsrBin, "print a line over and over", truth::YES_USAGE, truth::repeat),
];
