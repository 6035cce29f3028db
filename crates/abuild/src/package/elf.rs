//! What of an ELF file concerns packages: its kind, its SONAME and the libraries that it needs.

use object::elf::{
    DT_NEEDED, DT_NULL, DT_SONAME, DT_STRSZ, DT_STRTAB, ELFMAG, ET_DYN, ET_EXEC, ET_REL,
    FileHeader32, FileHeader64,
};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, FileKind};

/// The kinds that are treated differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An object file or a kernel module.
    Relocatable,
    /// A program that is not position-independent.
    Executable,
    /// A shared object or a position-independent program.
    Dynamic,
}

/// What is read of an ELF file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Elf {
    pub kind: Kind,
    pub soname: Option<String>,
    pub needed: Vec<String>,
}

/// Does it begin as an ELF file does?
pub(crate) fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(&ELFMAG)
}

/// Reads an ELF file; an error says why it cannot be read. None: it is a kind that does not matter, a core dump say.
pub(crate) fn read(bytes: &[u8]) -> Result<Option<Elf>, String> {
    match FileKind::parse(bytes) {
        Ok(FileKind::Elf32) => parse::<FileHeader32<Endianness>>(bytes),
        Ok(FileKind::Elf64) => parse::<FileHeader64<Endianness>>(bytes),
        Ok(_) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn parse<H: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Result<Option<Elf>, String> {
    let text = |error: object::read::Error| error.to_string();
    let header = H::parse(bytes).map_err(text)?;
    let endian = header.endian().map_err(text)?;
    let kind = match header.e_type(endian) {
        ET_REL => Kind::Relocatable,
        ET_EXEC => Kind::Executable,
        ET_DYN => Kind::Dynamic,
        _ => return Ok(None),
    };
    let mut elf = Elf {
        kind,
        soname: None,
        needed: Vec::new(),
    };
    let segments = header.program_headers(endian, bytes).map_err(text)?;
    let Some(dynamic) = segments
        .iter()
        .find_map(|segment| segment.dynamic(endian, bytes).transpose())
    else {
        return Ok(Some(elf));
    };
    let (mut table, mut size, mut soname, mut needed) = (None, 0, None, Vec::new());
    for entry in dynamic.map_err(text)? {
        let value = entry.d_val(endian).into();
        match u32::try_from(entry.d_tag(endian).into()).unwrap_or(DT_NULL) {
            DT_STRTAB => table = Some(value),
            DT_STRSZ => size = value,
            DT_SONAME => soname = Some(value),
            DT_NEEDED => needed.push(value),
            _ => {}
        }
    }
    // The table's address is one of memory: the segment that holds it says where it lies in the file.
    let strings = table.and_then(|address| {
        segments.iter().find_map(|segment| {
            segment
                .data_range(endian, bytes, address, size)
                .ok()
                .flatten()
        })
    });
    let strings = strings.unwrap_or_default();
    let string = |offset: u64| -> Result<String, String> {
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| strings.get(offset..));
        let text = rest.and_then(|rest| rest.split(|byte| *byte == 0).next());
        text.and_then(|text| std::str::from_utf8(text).ok())
            .map(str::to_owned)
            .ok_or("malformed dynamic section".into())
    };
    elf.soname = soname.map(string).transpose()?;
    elf.needed = needed.into_iter().map(string).collect::<Result<_, _>>()?;
    Ok(Some(elf))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_needs_libc() {
        let bytes = std::fs::read("/proc/self/exe").unwrap();
        let elf = read(&bytes).unwrap().unwrap();
        assert!(
            elf.needed.iter().any(|name| name.starts_with("libc.")),
            "{elf:?}"
        );
    }

    #[test]
    fn cut_files_are_errors_or_nothing() {
        let bytes = std::fs::read("/proc/self/exe").unwrap();
        for end in (0..4096.min(bytes.len())).step_by(7) {
            let _ = read(&bytes[..end]);
        }
        assert!(read(b"\x7fELF").is_err());
    }
}
