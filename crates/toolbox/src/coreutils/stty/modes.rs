//! The modes and keys of a terminal by name (termios(3)), as `stty` knows them.

/// Which flags a mode belongs to, in the order that they are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The line: `c_cflag`
    Control,
    /// `c_iflag`
    Input,
    /// `c_oflag`
    Output,
    /// `c_lflag`
    Local,
}

/// The groups in their order.
pub const GROUPS: [Group; 4] = [Group::Control, Group::Input, Group::Output, Group::Local];

/// How a sane terminal has a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sane {
    /// Set.
    On,
    /// Not set.
    Off,
    /// As it is.
    Any,
}

/// A mode.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    /// Its name.
    pub name: &'static str,
    /// Where it is.
    pub group: Group,
    /// Its bits.
    pub bits: u32,
    /// The bits that it excludes; 0: it is a switch, which `-` turns off.
    pub mask: u32,
    /// How a sane terminal has it.
    pub sane: Sane,
    /// A second name, which is not printed.
    pub alias: bool,
}

const fn mode(name: &'static str, group: Group, bits: u32, mask: u32, sane: Sane) -> Mode {
    Mode {
        name,
        group,
        bits,
        mask,
        sane,
        alias: false,
    }
}

const fn alias(name: &'static str, group: Group, bits: u32) -> Mode {
    Mode {
        name,
        group,
        bits,
        mask: 0,
        sane: Sane::Any,
        alias: true,
    }
}

use Group::{Control, Input, Local, Output};
use Sane::{Any, Off, On};

/// All modes, as they are printed.
pub const MODES: &[Mode] = &[
    mode("parenb", Control, 0o400, 0, Any),
    mode("parodd", Control, 0o1000, 0, Any),
    mode("cmspar", Control, 0x4000_0000, 0, Any),
    mode("cs5", Control, 0, 0o60, Any),
    mode("cs6", Control, 0o20, 0o60, Any),
    mode("cs7", Control, 0o40, 0o60, Any),
    mode("cs8", Control, 0o60, 0o60, Any),
    mode("hupcl", Control, 0o2000, 0, Any),
    alias("hup", Control, 0o2000),
    mode("cstopb", Control, 0o100, 0, Any),
    mode("cread", Control, 0o200, 0, On),
    mode("clocal", Control, 0o4000, 0, Any),
    mode("crtscts", Control, 0x8000_0000, 0, Any),
    mode("ignbrk", Input, 0o1, 0, Off),
    mode("brkint", Input, 0o2, 0, On),
    mode("ignpar", Input, 0o4, 0, Any),
    mode("parmrk", Input, 0o10, 0, Any),
    mode("inpck", Input, 0o20, 0, Any),
    mode("istrip", Input, 0o40, 0, Any),
    mode("inlcr", Input, 0o100, 0, Off),
    mode("igncr", Input, 0o200, 0, Off),
    mode("icrnl", Input, 0o400, 0, On),
    mode("ixon", Input, 0o2000, 0, Any),
    mode("ixoff", Input, 0o10000, 0, Off),
    alias("tandem", Input, 0o10000),
    mode("iuclc", Input, 0o1000, 0, Off),
    mode("ixany", Input, 0o4000, 0, Off),
    mode("imaxbel", Input, 0o20000, 0, On),
    mode("iutf8", Input, 0o40000, 0, Off),
    mode("opost", Output, 0o1, 0, On),
    mode("olcuc", Output, 0o2, 0, Off),
    mode("ocrnl", Output, 0o10, 0, Off),
    mode("onlcr", Output, 0o4, 0, On),
    mode("onocr", Output, 0o20, 0, Off),
    mode("onlret", Output, 0o40, 0, Off),
    mode("ofill", Output, 0o100, 0, Off),
    mode("ofdel", Output, 0o200, 0, Off),
    mode("nl1", Output, 0o400, 0o400, Off),
    mode("nl0", Output, 0, 0o400, On),
    mode("cr3", Output, 0o3000, 0o3000, Off),
    mode("cr2", Output, 0o2000, 0o3000, Off),
    mode("cr1", Output, 0o1000, 0o3000, Off),
    mode("cr0", Output, 0, 0o3000, On),
    mode("tab3", Output, 0o14000, 0o14000, Off),
    mode("tab2", Output, 0o10000, 0o14000, Off),
    mode("tab1", Output, 0o4000, 0o14000, Off),
    mode("tab0", Output, 0, 0o14000, On),
    mode("bs1", Output, 0o20000, 0o20000, Off),
    mode("bs0", Output, 0, 0o20000, On),
    mode("vt1", Output, 0o40000, 0o40000, Off),
    mode("vt0", Output, 0, 0o40000, On),
    mode("ff1", Output, 0o100000, 0o100000, Off),
    mode("ff0", Output, 0, 0o100000, On),
    mode("isig", Local, 0o1, 0, On),
    mode("icanon", Local, 0o2, 0, On),
    mode("iexten", Local, 0o100000, 0, On),
    mode("echo", Local, 0o10, 0, On),
    mode("echoe", Local, 0o20, 0, On),
    alias("crterase", Local, 0o20),
    mode("echok", Local, 0o40, 0, On),
    mode("echonl", Local, 0o100, 0, Off),
    mode("noflsh", Local, 0o200, 0, Off),
    mode("xcase", Local, 0o4, 0, Off),
    mode("tostop", Local, 0o400, 0, Off),
    mode("echoprt", Local, 0o2000, 0, Off),
    alias("prterase", Local, 0o2000),
    mode("echoctl", Local, 0o1000, 0, On),
    alias("ctlecho", Local, 0o1000),
    mode("echoke", Local, 0o4000, 0, On),
    alias("crtkill", Local, 0o4000),
    mode("flusho", Local, 0o10000, 0, Off),
    mode("extproc", Local, 0o200000, 0, Off),
];

/// The flags of the four groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `c_iflag`
    pub input: u32,
    /// `c_oflag`
    pub output: u32,
    /// `c_cflag`
    pub control: u32,
    /// `c_lflag`
    pub local: u32,
}

impl Flags {
    /// A group's flags.
    pub fn group(&mut self, group: Group) -> &mut u32 {
        match group {
            Control => &mut self.control,
            Input => &mut self.input,
            Output => &mut self.output,
            Local => &mut self.local,
        }
    }

    /// Whether a mode is set.
    pub fn has(mut self, mode: &Mode) -> bool {
        let mask = if mode.mask == 0 { mode.bits } else { mode.mask };
        *self.group(mode.group) & mask == mode.bits
    }

    /// Sets a mode, or turns it off.
    pub fn set(&mut self, mode: &Mode, on: bool) {
        let flags = self.group(mode.group);
        *flags = if on {
            *flags & !mode.mask | mode.bits
        } else {
            *flags & !mode.mask & !mode.bits
        };
    }

    /// Makes all modes sane.
    pub fn make_sane(&mut self) {
        for mode in MODES {
            match mode.sane {
                On => self.set(mode, true),
                Off => {
                    let flags = self.group(mode.group);
                    *flags &= !mode.mask & !mode.bits;
                }
                Any => {}
            }
        }
    }

    /// Sets several modes at once: names, with `-` in front of those that are turned off.
    fn all(&mut self, names: &[&str]) {
        for name in names {
            let (plain, on) = match name.strip_prefix('-') {
                Some(plain) => (plain, false),
                None => (*name, true),
            };
            if let Some(mode) = MODES.iter().find(|mode| mode.name == plain) {
                self.set(mode, on);
            }
        }
    }

    /// Sets what stands for several modes; `None`: it is no such word, or cannot be reversed.
    pub fn combination(&mut self, name: &str, reversed: bool) -> Option<()> {
        let names: &[&str] = match (name, reversed) {
            ("evenp" | "parity", false) => &["-parodd", "parenb", "cs7"],
            ("oddp", false) => &["parodd", "parenb", "cs7"],
            ("evenp" | "parity" | "oddp", true) => &["-parenb", "cs8"],
            ("nl", false) => &["-icrnl", "-onlcr"],
            ("nl", true) => &["icrnl", "-inlcr", "-igncr", "onlcr", "-ocrnl", "-onlret"],
            ("pass8", false) => &["-parenb", "cs8", "-istrip"],
            ("pass8", true) => &["parenb", "cs7", "istrip"],
            ("litout", false) => &["-parenb", "cs8", "-istrip", "-opost"],
            ("litout", true) => &["parenb", "cs7", "istrip", "opost"],
            ("cbreak", false) => &["-icanon"],
            ("cbreak", true) => &["icanon"],
            ("decctlq", false) => &["-ixany"],
            ("decctlq", true) => &["ixany"],
            ("tabs", false) => &["tab0"],
            ("tabs", true) => &["tab3"],
            ("lcase" | "LCASE", false) => &["xcase", "iuclc", "olcuc"],
            ("lcase" | "LCASE", true) => &["-xcase", "-iuclc", "-olcuc"],
            ("raw", false) | ("cooked", true) => &[
                "-ignbrk", "-brkint", "-ignpar", "-parmrk", "-inpck", "-istrip", "-inlcr",
                "-igncr", "-icrnl", "-ixon", "-ixoff", "-iuclc", "-ixany", "-imaxbel", "-opost",
                "-isig", "-icanon", "-xcase",
            ],
            ("cooked", false) | ("raw", true) => &[
                "brkint", "ignpar", "istrip", "icrnl", "ixon", "opost", "isig", "icanon",
            ],
            ("crt", false) => &["echoe", "echoctl", "echoke"],
            ("dec", false) => &["echoe", "echoctl", "echoke", "-ixany"],
            _ => return None,
        };
        self.all(names);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sane_mode_is_as_it_should_be() {
        let mut flags = Flags {
            input: u32::MAX,
            output: u32::MAX,
            control: 0,
            local: 0,
        };
        flags.make_sane();
        for mode in MODES {
            match mode.sane {
                On => assert!(flags.has(mode), "{}", mode.name),
                Off => assert!(!flags.has(mode), "{}", mode.name),
                Any => {}
            }
        }
    }

    #[test]
    fn combinations() {
        let mut flags = Flags::default();
        flags.combination("oddp", false).unwrap();
        assert_eq!(flags.control, 0o1440);
        flags.combination("evenp", false).unwrap();
        assert_eq!(flags.control, 0o440);
        flags.combination("parity", true).unwrap();
        assert_eq!(flags.control, 0o60);
        flags.combination("cooked", false).unwrap();
        assert_eq!((flags.local, flags.output), (3, 1));
        flags.combination("raw", false).unwrap();
        assert_eq!(
            flags,
            Flags {
                control: 0o60,
                ..Flags::default()
            }
        );
        assert_eq!(flags.combination("crt", true), None);
        assert_eq!(flags.combination("x", false), None);
    }
}
