//! What hardened means: compiler and linker flags per architecture, and the ELF auditor.
