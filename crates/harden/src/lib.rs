//! What "hardened" means here.
//!
//! - [`flags`]: one table of named flags for compilers and linkers: for which architectures, and why
//! - [`toolchain`]: the compiler's configuration and the environment of a build, made from that table
//! - [`audit`]: whether an ELF file has what the table promises
//!
//! *Invariant:* a flag is on unless a recipe switches it off by its name and says why.

pub mod audit;
pub mod flags;
pub mod toolchain;

/// An architecture that is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// 64-bit PCs.
    X86_64,
    /// 64-bit ARM.
    Aarch64,
}

impl Arch {
    /// As apk names it.
    pub fn name(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::Aarch64 => "aarch64",
        }
    }

    /// The architecture of that name.
    pub fn parse(name: &str) -> Option<Arch> {
        [Arch::X86_64, Arch::Aarch64]
            .into_iter()
            .find(|arch| arch.name() == name)
    }

    /// The triple that clang and configure scripts take.
    pub fn triple(self) -> String {
        format!("{}-linux-musl", self.name())
    }

    /// The triple that rustc takes.
    pub fn rust_triple(self) -> String {
        format!("{}-unknown-linux-musl", self.name())
    }
}
