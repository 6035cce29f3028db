//! A terminal's modes as a person wants them.

use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios,
    tcgetattr, tcsetattr,
};
use std::os::fd::AsFd;

/// The keys that are set to their usual values: (index, name, value).
pub const KEYS: &[(SpecialCodeIndex, &str, u8)] = &[
    (SpecialCodeIndex::VINTR, "intr", 3),
    (SpecialCodeIndex::VQUIT, "quit", 28),
    (SpecialCodeIndex::VERASE, "erase", 127),
    (SpecialCodeIndex::VKILL, "kill", 21),
    (SpecialCodeIndex::VEOF, "eof", 4),
    (SpecialCodeIndex::VEOL, "eol", 0),
    (SpecialCodeIndex::VEOL2, "eol2", 0),
    (SpecialCodeIndex::VSWTC, "swtch", 0),
    (SpecialCodeIndex::VSTART, "start", 17),
    (SpecialCodeIndex::VSTOP, "stop", 19),
    (SpecialCodeIndex::VSUSP, "susp", 26),
    (SpecialCodeIndex::VREPRINT, "rprnt", 18),
    (SpecialCodeIndex::VWERASE, "werase", 23),
    (SpecialCodeIndex::VLNEXT, "lnext", 22),
    (SpecialCodeIndex::VDISCARD, "flush", 15),
];

/// Sane modes: lines, echo, signals.
pub fn make_sane(modes: &mut Termios) {
    let control = modes.control_modes;
    modes.control_modes = control | ControlModes::CREAD | ControlModes::HUPCL;
    modes.input_modes = InputModes::BRKINT
        | InputModes::ICRNL
        | InputModes::IMAXBEL
        | InputModes::IXON
        | modes.input_modes & InputModes::IUTF8;
    modes.output_modes = OutputModes::OPOST | OutputModes::ONLCR;
    modes.local_modes = LocalModes::ISIG
        | LocalModes::ICANON
        | LocalModes::IEXTEN
        | LocalModes::ECHO
        | LocalModes::ECHOE
        | LocalModes::ECHOK
        | LocalModes::ECHOCTL
        | LocalModes::ECHOKE;
    for (index, _, value) in KEYS {
        modes.special_codes[*index] = *value;
    }
    modes.special_codes[SpecialCodeIndex::VMIN] = 1;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
}

/// Makes a terminal sane.
///
/// # Errors
/// The system's error.
pub fn sane(terminal: impl AsFd) -> std::io::Result<()> {
    let mut modes = tcgetattr(&terminal)?;
    make_sane(&mut modes);
    Ok(tcsetattr(&terminal, OptionalActions::Drain, &modes)?)
}
