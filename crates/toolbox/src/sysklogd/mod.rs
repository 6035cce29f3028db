//! The applets of the group `sysklogd`.

mod syslogd;

use crate::applet::{Applet, Folder, applet};

/// This group's table.
#[rustfmt::skip]
pub const APPLETS: &[Applet] = &[
    applet("klogd", Folder::Sbin, "hand the kernel's messages to syslogd", syslogd::KLOGD_USAGE, syslogd::klogd),
    applet("logger", Folder::UsrBin, "write into the system's log", syslogd::LOGGER_USAGE, syslogd::logger),
    applet("logread", Folder::Sbin, "print the system's log", syslogd::LOGREAD_USAGE, syslogd::logread),
    applet("syslogd", Folder::Sbin, "log what programs have to say", syslogd::USAGE, syslogd::main),
];
