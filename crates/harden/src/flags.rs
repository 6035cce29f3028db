//! The table of hardening flags.

use crate::Arch;

/// One property that programs are built to have.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// The name by which a recipe switches it off: `options="!pie"`.
    pub name: &'static str,
    /// What clang is told when it compiles.
    pub compile: &'static [&'static str],
    /// What clang is told when it links.
    pub link: &'static [&'static str],
    /// What rustc is told.
    pub rust: &'static [&'static str],
    /// Where it exists.
    pub arches: &'static [Arch],
    /// What it is good for.
    pub why: &'static str,
}

const ALL: &[Arch] = &[Arch::X86_64, Arch::Aarch64];

/// Every flag.
pub const TABLE: &[Flag] = &[
    Flag {
        name: "pie",
        compile: &["-fPIE"],
        link: &["-pie"],
        rust: &["-Crelocation-model=pie"],
        arches: ALL,
        why: "a program lies at another address each time, so an attacker cannot know where",
    },
    Flag {
        name: "ssp",
        compile: &["-fstack-protector-strong"],
        link: &[],
        rust: &["-Zstack-protector=strong"],
        arches: ALL,
        why: "a function whose return address was overwritten ends the program instead of returning",
    },
    Flag {
        name: "stack-clash",
        compile: &["-fstack-clash-protection"],
        link: &[],
        // rustc probes the stack by itself.
        rust: &[],
        arches: ALL,
        why: "a large frame touches every page, so it cannot step over the guard page into other memory",
    },
    Flag {
        name: "cet",
        compile: &["-fcf-protection=full"],
        link: &[],
        rust: &["-Zcf-protection=full"],
        arches: &[Arch::X86_64],
        why: "indirect jumps land only where one is meant to, on processors that check it",
    },
    Flag {
        name: "bti",
        compile: &["-mbranch-protection=standard"],
        link: &[],
        rust: &["-Zbranch-protection=bti,pac-ret"],
        arches: &[Arch::Aarch64],
        why: "the same on ARM, and return addresses are signed",
    },
    Flag {
        name: "zero-init",
        compile: &["-ftrivial-auto-var-init=zero"],
        link: &[],
        // Rust has no uninitialised variables.
        rust: &[],
        arches: ALL,
        why: "a variable that was forgotten holds zeros, not what another function left there",
    },
    Flag {
        name: "fortify",
        // The headers are the package fortify-headers; every build of C has it.
        compile: &["-D_FORTIFY_SOURCE=3", "-iwithsysroot/usr/include/fortify"],
        link: &[],
        // Rust checks every access.
        rust: &[],
        arches: ALL,
        why: "a call that would write or read beyond the end of a buffer ends the program instead",
    },
    Flag {
        name: "format",
        compile: &["-Wformat", "-Werror=format-security"],
        link: &[],
        rust: &[],
        arches: ALL,
        why: "a format string from outside is an error of the build",
    },
    Flag {
        name: "relro",
        compile: &[],
        link: &["-Wl,-z,relro"],
        rust: &["-Crelro-level=full"],
        arches: ALL,
        why: "the tables of addresses are read-only once they are filled",
    },
    Flag {
        name: "now",
        compile: &[],
        link: &["-Wl,-z,now"],
        rust: &[],
        arches: ALL,
        why: "they are filled at the start, so all of them can be read-only",
    },
    Flag {
        name: "nx",
        compile: &[],
        link: &["-Wl,-z,noexecstack"],
        rust: &[],
        arches: ALL,
        why: "what lies on the stack is never run",
    },
    Flag {
        name: "separate-code",
        compile: &[],
        link: &["-Wl,-z,separate-code"],
        rust: &[],
        arches: ALL,
        why: "data does not share a page with code, so it cannot be run as such",
    },
];

/// The flags of an architecture.
pub fn of(arch: Arch) -> impl Iterator<Item = &'static Flag> {
    TABLE.iter().filter(move |flag| flag.arches.contains(&arch))
}

/// Whether a recipe's option switches off a flag that there is.
pub fn is_opt_out(option: &str) -> bool {
    option
        .strip_prefix('!')
        .is_some_and(|name| TABLE.iter().any(|flag| flag.name == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_flag_does_something() {
        for (at, flag) in TABLE.iter().enumerate() {
            assert!(
                TABLE
                    .iter()
                    .skip(at + 1)
                    .all(|other| other.name != flag.name),
                "{}",
                flag.name
            );
            assert!(
                !flag.compile.is_empty() || !flag.link.is_empty(),
                "{}",
                flag.name
            );
            assert!(!flag.arches.is_empty() && !flag.why.is_empty());
        }
        assert!(is_opt_out("!pie") && !is_opt_out("!check") && !is_opt_out("pie"));
    }
}
