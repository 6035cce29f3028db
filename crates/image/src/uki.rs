//! A unified kernel image: an EFI stub with the kernel, its initramfs and its command line as PE sections
//! (the UAPI group's "Unified Kernel Image" specification; Microsoft's "PE Format").

/// Why a stub cannot be extended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UkiError {
    /// It is no PE32+ file, or is cut short.
    #[error("the EFI stub is no PE32+ program")]
    NotPe,
    /// Its header has no room for the sections.
    #[error("the EFI stub's header has no room for {0} more sections")]
    NoRoom(usize),
    /// The result passes 4 GiB, or its tables hold impossible numbers.
    #[error("the unified kernel image grows too large")]
    TooLarge,
}

/// Appends the sections to the stub, in order, each behind the last in memory.
pub fn build(stub: &[u8], sections: &[(&str, &[u8])]) -> Result<Vec<u8>, UkiError> {
    let pe = get32(stub, 0x3c).ok_or(UkiError::NotPe)? as usize;
    if stub
        .get(pe..)
        .is_none_or(|rest| !rest.starts_with(b"PE\0\0"))
    {
        return Err(UkiError::NotPe);
    }
    let count = usize::from(get16(stub, pe + 6).ok_or(UkiError::NotPe)?);
    let optional = pe + 24;
    let table = optional + usize::from(get16(stub, pe + 20).ok_or(UkiError::NotPe)?);
    if get16(stub, optional) != Some(0x20b) {
        return Err(UkiError::NotPe);
    }
    let at = |offset| get32(stub, optional + offset).ok_or(UkiError::NotPe);
    let (memory_unit, file_unit, headers) = (at(32)?, at(36)?, at(60)?);
    let mut next_address = 0;
    for index in 0..count {
        let entry = table + index * 40;
        let size = get32(stub, entry + 8).ok_or(UkiError::NotPe)?;
        let address = get32(stub, entry + 12).ok_or(UkiError::NotPe)?;
        next_address = next_address.max(address.checked_add(size).ok_or(UkiError::TooLarge)?);
    }
    if table + (count + sections.len()) * 40 > headers as usize {
        return Err(UkiError::NoRoom(sections.len()));
    }
    let mut out = stub.to_vec();
    for (index, (name, data)) in sections.iter().enumerate() {
        let size = u32::try_from(data.len()).map_err(|_| UkiError::TooLarge)?;
        let address = round_up(next_address, memory_unit).ok_or(UkiError::TooLarge)?;
        let raw = round_up(size, file_unit).ok_or(UkiError::TooLarge)?;
        let place = u32::try_from(out.len())
            .ok()
            .and_then(|len| round_up(len, file_unit));
        let place = place.ok_or(UkiError::TooLarge)?;
        let mut entry = [0; 40];
        for (to, from) in entry.iter_mut().take(8).zip(name.bytes()) {
            *to = from;
        }
        // Initialised data that may be read.
        for (offset, value) in [
            (8, size),
            (12, address),
            (16, raw),
            (20, place),
            (36, 0x4000_0040),
        ] {
            put32(&mut entry, offset, value);
        }
        let slot = table + (count + index) * 40;
        out.get_mut(slot..slot + 40)
            .ok_or(UkiError::NotPe)?
            .copy_from_slice(&entry);
        out.resize(place as usize, 0);
        out.extend_from_slice(data);
        out.resize(place as usize + raw as usize, 0);
        next_address = address.checked_add(size).ok_or(UkiError::TooLarge)?;
    }
    let total = u16::try_from(count + sections.len()).map_err(|_| UkiError::TooLarge)?;
    out.get_mut(pe + 6..pe + 8)
        .ok_or(UkiError::NotPe)?
        .copy_from_slice(&total.to_le_bytes());
    put32(
        &mut out,
        optional + 56,
        round_up(next_address, memory_unit).ok_or(UkiError::TooLarge)?,
    );
    // The check sum is for drivers only.
    put32(&mut out, optional + 64, 0);
    Ok(out)
}

fn get16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(
        bytes.get(at..at.checked_add(2)?)?.try_into().ok()?,
    ))
}

fn get32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(
        bytes.get(at..at.checked_add(4)?)?.try_into().ok()?,
    ))
}

fn put32(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}

fn round_up(value: u32, unit: u32) -> Option<u32> {
    value.checked_next_multiple_of(unit.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PE32+ header with one section of 0x10 bytes at 0x1000.
    fn stub() -> Vec<u8> {
        let mut stub = vec![0; 0x400];
        put32(&mut stub, 0x3c, 0x40);
        stub[0x40..0x44].copy_from_slice(b"PE\0\0");
        stub[0x46] = 1;
        stub[0x54] = 240;
        stub[0x58..0x5a].copy_from_slice(&0x20bu16.to_le_bytes());
        put32(&mut stub, 0x58 + 32, 0x1000);
        put32(&mut stub, 0x58 + 36, 0x200);
        put32(&mut stub, 0x58 + 60, 0x400);
        put32(&mut stub, 0x58 + 240 + 8, 0x10);
        put32(&mut stub, 0x58 + 240 + 12, 0x1000);
        stub
    }

    #[test]
    fn sections_follow_one_another() {
        let out = build(&stub(), &[(".cmdline", b"quiet"), (".linux", &[7; 0x1234])]).unwrap();
        let table = 0x58 + 240;
        let field = |index: usize, offset| get32(&out, table + index * 40 + offset).unwrap();
        assert_eq!(get16(&out, 0x46), Some(3));
        assert_eq!(
            (field(1, 12), field(1, 8), field(1, 20)),
            (0x2000, 5, 0x400)
        );
        assert_eq!((field(2, 12), field(2, 20)), (0x3000, 0x600));
        assert_eq!(get32(&out, 0x58 + 56), Some(0x5000));
        assert!(out[0x600..].starts_with(&[7; 0x1234]));
    }

    #[test]
    fn what_is_no_stub_is_refused() {
        for bad in [&[][..], &[0; 0x40], &stub()[..0x80], &[0xff; 0x400]] {
            assert_eq!(build(bad, &[]), Err(UkiError::NotPe));
        }
        let many: Vec<(&str, &[u8])> = vec![(".x", b"y"); 40];
        assert_eq!(build(&stub(), &many), Err(UkiError::NoRoom(40)));
    }
}
