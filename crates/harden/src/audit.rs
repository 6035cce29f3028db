//! Whether an ELF file is hardened.

use object::elf;
use object::read::elf::{Dyn, ElfFile64, FileHeader, ProgramHeader};
use object::{Endianness, Object, ObjectSection, ObjectSymbol, SectionFlags};
use std::fmt;

/// A property that a file lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: String,
    /// The name of the flag, as in the table.
    pub flag: &'static str,
    /// What is wrong.
    pub what: String,
    /// The way out.
    pub hint: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}: {} (hint: {})",
            self.file, self.flag, self.what, self.hint
        )
    }
}

/// Less code than this may well have no function that needs the stack protector.
const SMALL: u64 = 2048;

/// Audits a file. `None`: it is no ELF program or library (object files and kernel modules are none); an empty list:
/// it has everything.
pub fn audit(file: &str, bytes: &[u8]) -> Option<Vec<Finding>> {
    if !bytes.starts_with(b"\x7fELF") {
        return None;
    }
    let finding = |flag, what: &str, hint| Finding {
        file: file.to_owned(),
        flag,
        what: what.to_owned(),
        hint,
    };
    let Ok(parsed) = ElfFile64::<Endianness>::parse(bytes) else {
        return Some(vec![finding(
            "elf",
            "not a 64-bit ELF file that can be read",
            "look at it with readelf -a",
        )]);
    };
    let endian = parsed.endian();
    let header = parsed.elf_header();
    match header.e_type(endian) {
        elf::ET_DYN | elf::ET_EXEC => {}
        _ => return None,
    }
    let mut findings = Vec::new();
    let mut add = |flag, what: &str, hint| findings.push(finding(flag, what, hint));
    let segments = parsed.elf_program_headers();
    if header.e_type(endian) == elf::ET_EXEC {
        add(
            "pie",
            "lies at a fixed address",
            "compile with -fPIE and link with -pie (the toolchain's cc does)",
        );
    }
    if !segments
        .iter()
        .any(|segment| segment.p_type(endian) == elf::PT_GNU_RELRO)
    {
        add(
            "relro",
            "its tables of addresses stay writable",
            "link with -Wl,-z,relro",
        );
    }
    match segments
        .iter()
        .find(|segment| segment.p_type(endian) == elf::PT_GNU_STACK)
    {
        None => add(
            "nx",
            "does not say that its stack is not executable",
            "link with -Wl,-z,noexecstack",
        ),
        Some(stack) if stack.p_flags(endian) & elf::PF_X != 0 => {
            add(
                "nx",
                "its stack is executable",
                "add .note.GNU-stack to its assembler sources, or link with -Wl,-z,noexecstack",
            );
        }
        Some(_) => {}
    }
    let writable_code = |flags: u32| flags & elf::PF_W != 0 && flags & elf::PF_X != 0;
    if segments
        .iter()
        .any(|s| s.p_type(endian) == elf::PT_LOAD && writable_code(s.p_flags(endian)))
    {
        add(
            "nx",
            "has memory that is writable and executable",
            "link with -Wl,-z,separate-code and look at its linker script",
        );
    }
    let dynamic = dynamic_section(&parsed, bytes);
    let tag = |wanted: u32| {
        dynamic
            .iter()
            .find(|(tag, _)| *tag == u64::from(wanted))
            .map(|(_, value)| *value)
    };
    let now = tag(elf::DT_BIND_NOW).is_some()
        || tag(elf::DT_FLAGS).is_some_and(|value| value & u64::from(elf::DF_BIND_NOW) != 0)
        || tag(elf::DT_FLAGS_1).is_some_and(|value| value & u64::from(elf::DF_1_NOW) != 0);
    // Without lazy relocations there is nothing to bind late.
    if tag(elf::DT_JMPREL).is_some() && !now {
        add(
            "now",
            "binds functions when they are first called",
            "link with -Wl,-z,now",
        );
    }
    let text_relocations = tag(elf::DT_TEXTREL).is_some()
        || tag(elf::DT_FLAGS).is_some_and(|value| value & u64::from(elf::DF_TEXTREL) != 0);
    if text_relocations {
        add(
            "pie",
            "its code is changed when it is loaded",
            "compile everything in it with -fPIC or -fPIE",
        );
    }
    if code_size(&parsed) >= SMALL && !has_stack_protector(&parsed, bytes) {
        add(
            "ssp",
            "no function checks its stack",
            "compile with -fstack-protector-strong (rustc: -Zstack-protector=strong)",
        );
    }
    Some(findings)
}

/// The tags and values of the dynamic section; none in what has none.
fn dynamic_section(parsed: &ElfFile64<'_, Endianness>, bytes: &[u8]) -> Vec<(u64, u64)> {
    let endian = parsed.endian();
    for segment in parsed.elf_program_headers() {
        if let Ok(Some(entries)) = segment.dynamic(endian, bytes) {
            return entries
                .iter()
                .map(|entry| (entry.d_tag(endian), entry.d_val(endian)))
                .take_while(|(tag, _)| *tag != u64::from(elf::DT_NULL))
                .collect();
        }
    }
    Vec::new()
}

fn code_sections<'a>(
    parsed: &'a ElfFile64<'_, Endianness>,
) -> impl Iterator<Item = impl ObjectSection<'a> + 'a> + 'a {
    parsed.sections().filter(|section| {
        matches!(section.flags(), SectionFlags::Elf { sh_flags } if sh_flags & u64::from(elf::SHF_EXECINSTR) != 0)
    })
}

fn code_size(parsed: &ElfFile64<'_, Endianness>) -> u64 {
    code_sections(parsed).map(|section| section.size()).sum()
}

/// By the symbol of what a failed check calls, or, where a program is stripped, by the checks themselves: on x86-64
/// a read of `%fs:0x28`, where the canary lies.
fn has_stack_protector(parsed: &ElfFile64<'_, Endianness>, _: &[u8]) -> bool {
    let wanted = |name: &[u8]| name.starts_with(b"__stack_chk_");
    let mut symbols = parsed.symbols().chain(parsed.dynamic_symbols());
    if symbols.any(|symbol| symbol.name_bytes().is_ok_and(wanted)) {
        return true;
    }
    if parsed.elf_header().e_machine(parsed.endian()) != elf::EM_X86_64 {
        return false;
    }
    code_sections(parsed).any(|section| {
        let code = section.data().unwrap_or_default();
        // fs prefix, REX.W, opcode, ModRM, SIB without base, 0x28 as 32 bits
        code.windows(9).any(|window| {
            matches!(window, [0x64, 0x48 | 0x4c, _, modrm, 0x25, 0x28, 0, 0, 0] if modrm & 0xc7 == 0x04)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const PROGRAM: &str = "#include <string.h>\n#include <stdio.h>\n\
        int copy(const char *s){char b[64];strcpy(b,s);return printf(\"%s\",b);}\n\
        int main(int c,char**v){return copy(v[c-1]);}\n";

    /// What a build of a small program by the host's clang, with these flags, lacks.
    fn lacking(flags: &[&str]) -> Vec<&'static str> {
        let dir = tempfile::tempdir().unwrap();
        let (source, program) = (dir.path().join("x.c"), dir.path().join("x"));
        // Enough code for the check of the stack protector to count.
        let filler: String = (0..200)
            .map(|n| format!("int f{n}(int a,int b){{return a*b+{n}-(a^b)*(a+{n});}}\n"))
            .collect();
        std::fs::write(&source, format!("{filler}{PROGRAM}")).unwrap();
        let status = Command::new("clang-19")
            .args(["-O1", "-fuse-ld=lld", "-o"])
            .arg(&program)
            .arg(&source)
            .args(flags)
            .status()
            .expect("clang-19 (package clang-19) is needed");
        assert!(status.success());
        let findings = audit("x", &std::fs::read(&program).unwrap()).unwrap();
        findings.into_iter().map(|finding| finding.flag).collect()
    }

    const GOOD: [&str; 7] = [
        "-fPIE",
        "-pie",
        "-fstack-protector-strong",
        "-Wl,-z,relro",
        "-Wl,-z,now",
        "-Wl,-z,noexecstack",
        "-Wl,-z,separate-code",
    ];

    fn with(more: &[&str]) -> Vec<&'static str> {
        lacking(&[&GOOD, more].concat())
    }

    #[test]
    fn what_is_hardened_passes_stripped_or_not() {
        assert_eq!(with(&[]), Vec::<&str>::new());
        assert_eq!(with(&["-s"]), Vec::<&str>::new());
    }

    #[test]
    fn every_missing_property_is_found() {
        assert_eq!(with(&["-fno-pie", "-no-pie"]), ["pie"]);
        assert_eq!(with(&["-fno-stack-protector"]), ["ssp"]);
        assert_eq!(with(&["-Wl,-z,norelro"]), ["relro"]);
        assert_eq!(with(&["-Wl,-z,lazy"]), ["now"]);
        assert_eq!(with(&["-Wl,-z,execstack"]), ["nx"]);
    }

    #[test]
    fn other_files_are_passed_over_and_broken_ones_are_told() {
        assert_eq!(audit("x", b"#!/bin/sh\n"), None);
        assert_eq!(audit("x", b""), None);
        assert_eq!(audit("x", b"\x7fELFnonsense").unwrap()[0].flag, "elf");
    }
}
