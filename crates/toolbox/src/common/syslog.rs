//! Messages to the system's log: `/dev/log` (RFC 3164, as syslog(3) writes it).

use super::calendar;
use std::os::unix::net::UnixDatagram;

/// `LOG_DAEMON`
pub const DAEMON: u32 = 3;
/// `LOG_AUTH`
pub const AUTH: u32 = 4;
/// `LOG_CRON`
pub const CRON: u32 = 9;

/// `LOG_ERR`
pub const ERROR: u32 = 3;
/// `LOG_WARNING`
pub const WARNING: u32 = 4;
/// `LOG_NOTICE`
pub const NOTICE: u32 = 5;
/// `LOG_INFO`
pub const INFO: u32 = 6;

/// The facilities by number.
pub const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

/// The levels by number.
pub const LEVELS: [&str; 8] = [
    "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug",
];

/// Seconds since 1970.
pub fn now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .ok()
        .and_then(|time| i64::try_from(time.as_secs()).ok())
        .unwrap_or(0)
}

/// `Nov 23 16:00:00`, in local time.
pub fn stamp(seconds: i64) -> String {
    const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let at = calendar::moment(seconds + sys::kernel::local_offset(seconds));
    let month = (at.month as usize).saturating_sub(1) * 3;
    let month = MONTHS.get(month..month + 3).unwrap_or(b"Jan");
    format!(
        "{} {:>2} {:02}:{:02}:{:02}",
        String::from_utf8_lossy(month),
        at.day,
        at.hour,
        at.minute,
        at.second
    )
}

/// One message as it is sent.
pub fn encode(priority: u32, stamp: &str, tag: &str, message: &[u8]) -> Vec<u8> {
    let mut bytes = format!("<{priority}>{stamp} {tag}: ").into_bytes();
    bytes.extend_from_slice(message);
    bytes
}

/// Sends a message with this process' number behind the tag. A system without a log loses it.
pub fn log(facility: u32, level: u32, tag: &str, message: &str) {
    let tag = format!("{tag}[{}]", std::process::id());
    let bytes = encode(
        facility << 3 | level,
        &stamp(now()),
        &tag,
        message.as_bytes(),
    );
    if let Ok(socket) = UnixDatagram::unbound() {
        let _ = socket.send_to(&bytes, "/dev/log");
    }
}

/// Reads `facility.level`, each by name or number.
pub fn priority(text: &str) -> Option<u32> {
    let (facility, level) = text.split_once('.').unwrap_or(("user", text));
    Some(facility_number(facility)? << 3 | level_number(level)?)
}

/// A facility by name or number.
pub fn facility_number(text: &str) -> Option<u32> {
    let text = if text == "security" { "auth" } else { text };
    by_name(&FACILITIES, text)
}

/// A level by name or number.
pub fn level_number(text: &str) -> Option<u32> {
    let text = match text {
        "panic" => "emerg",
        "error" => "err",
        "warning" => "warn",
        text => text,
    };
    by_name(&LEVELS, text)
}

fn by_name(names: &[&str], text: &str) -> Option<u32> {
    let index = match names.iter().position(|name| *name == text) {
        Some(index) => index,
        None => text.parse().ok().filter(|index| *index < names.len())?,
    };
    u32::try_from(index).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_priorities() {
        assert_eq!(
            encode(30, "Jan  1 00:00:00", "x", b"y"),
            b"<30>Jan  1 00:00:00 x: y"
        );
        assert_eq!(priority("daemon.info"), Some(30));
        assert_eq!(priority("warning"), Some(12));
        assert_eq!(priority("local7.7"), Some(191));
        for bad in ["", "no.info", "daemon.", "daemon.8", "24.1", "-1.1"] {
            assert_eq!(priority(bad), None, "{bad}");
        }
    }
}
