//! Tar as packages use it: ustar (POSIX.1-1988) with pax extended headers (POSIX.1-2001) for what does not fit and for
//! apk's own records; GNU's long names are read too.

use std::io::{self, Read, Write};

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A hard link to the path in `link`.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A folder.
    Directory,
    /// A named pipe.
    Fifo,
}

/// An entry's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path as it stands in the archive, without a trailing slash.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Owner and group.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Bytes of data behind the header.
    pub size: u64,
    /// Seconds since 1970.
    pub mtime: u64,
    /// Where a link leads.
    pub link: Vec<u8>,
    /// A device's numbers.
    pub device: (u32, u32),
    /// The pax records that are not told by the fields above: `APK-TOOLS.checksum.SHA1`, `SCHILY.xattr.…`.
    pub records: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Entry {
    /// An entry of that kind with nothing else said.
    pub fn new(path: impl Into<Vec<u8>>, kind: Kind, mode: u32) -> Entry {
        Entry {
            path: path.into(),
            kind,
            mode,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: 0,
            link: Vec::new(),
            device: (0, 0),
            records: Vec::new(),
        }
    }

    /// The value of a pax record.
    pub fn record(&self, name: &[u8]) -> Option<&[u8]> {
        self.records
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_slice())
    }
}

const BLOCK: usize = 512;

/// An extended header or a long name may not be larger: no honest package comes near.
const LARGEST_EXTENSION: u64 = 1 << 20;

fn broken(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("broken tar archive: {what}"),
    )
}

/// Reads entries in turn.
pub struct Reader<R> {
    inner: R,
    /// Bytes of the current entry's data that were not read yet, and the padding behind them.
    left: u64,
    padding: u64,
}

impl<R: Read> Reader<R> {
    /// Begins at the first header.
    pub fn new(inner: R) -> Reader<R> {
        Reader {
            inner,
            left: 0,
            padding: 0,
        }
    }

    /// The reader below.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// The next entry; what was not read of the last one's data is skipped. `None`: the end, by an end mark or, as in
    /// apk's leading segments, by the end of the stream.
    pub fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        let mut path = None;
        let mut link = None;
        let mut size = None;
        let mut records = Vec::new();
        loop {
            self.skip_data()?;
            let mut block = [0; BLOCK];
            if !read_block(&mut self.inner, &mut block)? {
                return Ok(None);
            }
            if block.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            check_sum(&block)?;
            let field = |from: usize, len: usize| block.get(from..from + len).unwrap_or_default();
            let data = number(field(124, 12))?;
            self.set_data(data)?;
            match block[156] {
                b'x' => {
                    for (key, value) in parse_pax(&self.take_extension()?)? {
                        match key.as_slice() {
                            b"path" => path = Some(value),
                            b"linkpath" => link = Some(value),
                            b"size" => size = Some(decimal(&value)?),
                            _ => records.push((key, value)),
                        }
                    }
                }
                // Records for the whole archive: nothing in them concerns apk.
                b'g' => self.skip_data()?,
                b'L' => path = Some(until_nul(&self.take_extension()?).to_vec()),
                b'K' => link = Some(until_nul(&self.take_extension()?).to_vec()),
                flag => {
                    let kind = match flag {
                        b'0' | 0 | b'7' => Kind::File,
                        b'1' => Kind::HardLink,
                        b'2' => Kind::Symlink,
                        b'3' => Kind::CharDevice,
                        b'4' => Kind::BlockDevice,
                        b'5' => Kind::Directory,
                        b'6' => Kind::Fifo,
                        other => {
                            return Err(broken(&format!(
                                "unknown entry type {:?}",
                                char::from(other)
                            )));
                        }
                    };
                    let data = if kind == Kind::File {
                        size.unwrap_or(data)
                    } else {
                        0
                    };
                    self.set_data(data)?;
                    let mut path =
                        path.unwrap_or_else(|| name(field(0, 100), field(345, 155), field(257, 5)));
                    while path.last() == Some(&b'/') {
                        path.pop();
                    }
                    return Ok(Some(Entry {
                        path,
                        kind,
                        mode: u32::try_from(number(field(100, 8))? & 0o7777).unwrap_or(0),
                        uid: small(field(108, 8))?,
                        gid: small(field(116, 8))?,
                        size: data,
                        mtime: number(field(136, 12))?,
                        link: link.unwrap_or_else(|| until_nul(field(157, 100)).to_vec()),
                        device: match kind {
                            Kind::CharDevice | Kind::BlockDevice => {
                                (small(field(329, 8))?, small(field(337, 8))?)
                            }
                            _ => (0, 0),
                        },
                        records,
                    }));
                }
            }
        }
    }

    fn set_data(&mut self, data: u64) -> io::Result<()> {
        let padded = data
            .checked_next_multiple_of(BLOCK as u64)
            .ok_or_else(|| broken("an impossible size"))?;
        self.left = data;
        self.padding = padded - data;
        Ok(())
    }

    fn take_extension(&mut self) -> io::Result<Vec<u8>> {
        if self.left > LARGEST_EXTENSION {
            return Err(broken("an extended header of more than 1 MiB"));
        }
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn skip_data(&mut self) -> io::Result<()> {
        let all = self.left + self.padding;
        if all > 0 && io::copy(&mut self.inner.by_ref().take(all), &mut io::sink())? < all {
            return Err(broken("cut short"));
        }
        self.left = 0;
        self.padding = 0;
        Ok(())
    }
}

impl<R: Read> Read for Reader<R> {
    /// Reads the current entry's data.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(into.len());
        let Some(into) = into.get_mut(..most).filter(|into| !into.is_empty()) else {
            return Ok(0);
        };
        let count = self.inner.read(into)?;
        if count == 0 {
            return Err(broken("cut short"));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// `false`: the stream ends right here. Ending inside a block is an error.
fn read_block(from: &mut impl Read, block: &mut [u8; BLOCK]) -> io::Result<bool> {
    let mut filled = 0;
    while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(broken("cut short")),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn check_sum(block: &[u8; BLOCK]) -> io::Result<()> {
    let sum: u64 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            if (148..156).contains(&at) {
                u64::from(b' ')
            } else {
                u64::from(*byte)
            }
        })
        .sum();
    let told = number(block.get(148..156).unwrap_or_default())?;
    if sum == told {
        Ok(())
    } else {
        Err(broken("a header's check sum is wrong"))
    }
}

fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or(field)
}

fn name(short: &[u8], prefix: &[u8], magic: &[u8]) -> Vec<u8> {
    let (short, prefix) = (until_nul(short), until_nul(prefix));
    if prefix.is_empty() || magic != b"ustar" {
        return short.to_vec();
    }
    [prefix, b"/", short].concat()
}

/// Octal digits, or GNU's base 256 where the top bit is set.
fn number(field: &[u8]) -> io::Result<u64> {
    if let Some((first, rest)) = field.split_first()
        && *first & 0x80 != 0
    {
        let mut value = u64::from(*first & 0x7f);
        for byte in rest {
            value = value
                .checked_mul(256)
                .ok_or_else(|| broken("an impossible number"))?
                + u64::from(*byte);
        }
        return Ok(value);
    }
    let mut value: u64 = 0;
    for byte in until_nul(field).trim_ascii() {
        match byte {
            b'0'..=b'7' => {
                value = value
                    .checked_mul(8)
                    .ok_or_else(|| broken("an impossible number"))?
                    + u64::from(byte - b'0');
            }
            _ => return Err(broken("a number that is not octal")),
        }
    }
    Ok(value)
}

fn small(field: &[u8]) -> io::Result<u32> {
    u32::try_from(number(field)?).map_err(|_| broken("an impossible number"))
}

fn decimal(text: &[u8]) -> io::Result<u64> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| broken("a size that is no number"))
}

/// `LENGTH KEY=VALUE\n` over and over.
fn parse_pax(mut bytes: &[u8]) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let bad = || broken("a broken extended header");
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let blank = bytes
            .iter()
            .position(|byte| *byte == b' ')
            .ok_or_else(bad)?;
        let len =
            usize::try_from(decimal(bytes.get(..blank).unwrap_or_default())?).map_err(|_| bad())?;
        let record = bytes
            .get(blank + 1..len)
            .and_then(|record| record.strip_suffix(b"\n"))
            .ok_or_else(bad)?;
        let equals = record
            .iter()
            .position(|byte| *byte == b'=')
            .ok_or_else(bad)?;
        let (key, value) = record.split_at(equals);
        records.push((key.to_vec(), value.get(1..).unwrap_or_default().to_vec()));
        bytes = bytes.get(len..).ok_or_else(bad)?;
    }
    Ok(records)
}

/// Writes entries in turn.
pub struct Writer<W> {
    inner: W,
}

impl<W: Write> Writer<W> {
    /// Begins an archive.
    pub fn new(inner: W) -> Writer<W> {
        Writer { inner }
    }

    /// Writes an entry and its data, of which there must be `entry.size` bytes.
    pub fn append(&mut self, entry: &Entry, data: &mut dyn Read) -> io::Result<()> {
        let mut records = entry.records.clone();
        if entry.path.len() + usize::from(entry.kind == Kind::Directory) > 100 {
            records.push((b"path".to_vec(), entry.path.clone()));
        }
        if entry.link.len() > 100 {
            records.push((b"linkpath".to_vec(), entry.link.clone()));
        }
        if !records.is_empty() {
            let mut text = Vec::new();
            for (key, value) in &records {
                pax_record(&mut text, key, value);
            }
            let mut header = Entry::new(*b"PaxHeader", Kind::File, 0o644);
            header.size = text.len() as u64;
            header.mtime = entry.mtime;
            self.header(&header, b'x')?;
            self.inner.write_all(&text)?;
            self.pad(header.size)?;
        }
        let flag = match entry.kind {
            Kind::File => b'0',
            Kind::HardLink => b'1',
            Kind::Symlink => b'2',
            Kind::CharDevice => b'3',
            Kind::BlockDevice => b'4',
            Kind::Directory => b'5',
            Kind::Fifo => b'6',
        };
        self.header(entry, flag)?;
        if entry.size > 0 {
            let count = io::copy(&mut data.take(entry.size), &mut self.inner)?;
            if count != entry.size {
                let name = String::from_utf8_lossy(&entry.path).into_owned();
                return Err(io::Error::other(format!(
                    "{name}: changed its size while it was read"
                )));
            }
            self.pad(entry.size)?;
        }
        Ok(())
    }

    /// Ends the archive with the end mark and returns the writer below.
    pub fn finish(mut self) -> io::Result<W> {
        self.inner.write_all(&[0; 2 * BLOCK])?;
        Ok(self.inner)
    }

    /// Ends a segment that others follow: no end mark.
    pub fn cut(self) -> W {
        self.inner
    }

    fn header(&mut self, entry: &Entry, flag: u8) -> io::Result<()> {
        let mut block = [0; BLOCK];
        let mut put = |at: usize, bytes: &[u8]| {
            for (to, from) in block.iter_mut().skip(at).zip(bytes) {
                *to = *from;
            }
        };
        put(
            0,
            entry
                .path
                .get(..entry.path.len().min(100))
                .unwrap_or_default(),
        );
        if flag == b'5' && entry.path.len() < 100 {
            put(entry.path.len(), b"/");
        }
        put(100, &octal(entry.mode.into(), 7));
        put(108, &octal(entry.uid.into(), 7));
        put(116, &octal(entry.gid.into(), 7));
        put(124, &octal(entry.size, 11));
        put(136, &octal(entry.mtime, 11));
        put(148, b"        ");
        put(156, &[flag]);
        put(
            157,
            entry
                .link
                .get(..entry.link.len().min(100))
                .unwrap_or_default(),
        );
        put(257, b"ustar\x0000");
        // By number alone, but for root: names are the target's affair.
        for (at, id) in [(265, entry.uid), (297, entry.gid)] {
            if id == 0 {
                put(at, b"root");
            }
        }
        put(329, &octal(entry.device.0.into(), 7));
        put(337, &octal(entry.device.1.into(), 7));
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        for (to, from) in block
            .iter_mut()
            .skip(148)
            .zip([octal(sum, 6), vec![0, b' ']].concat())
        {
            *to = from;
        }
        self.inner.write_all(&block)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
        let padding = [0; BLOCK];
        self.inner
            .write_all(padding.get(..(BLOCK - over) % BLOCK).unwrap_or_default())
    }
}

fn octal(value: u64, digits: usize) -> Vec<u8> {
    format!("{value:0digits$o}").into_bytes()
}

/// The length that stands in front counts itself.
fn pax_record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    out.extend_from_slice(format!("{len} ").as_bytes());
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<(Entry, Vec<u8>)> {
        let mut file = Entry::new("usr/bin/x", Kind::File, 0o4755);
        file.records
            .push((b"APK-TOOLS.checksum.SHA1".to_vec(), b"00ff".to_vec()));
        file.size = 5;
        file.mtime = 77;
        let mut link = Entry::new("l".repeat(150), Kind::Symlink, 0o777);
        link.link = vec![b't'; 200];
        let mut device = Entry::new("dev/null", Kind::CharDevice, 0o666);
        device.device = (1, 3);
        vec![
            (Entry::new("usr", Kind::Directory, 0o755), vec![]),
            (file, b"hello".to_vec()),
            (link, vec![]),
            (device, vec![]),
        ]
    }

    fn written() -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for (entry, data) in sample() {
            writer.append(&entry, &mut data.as_slice()).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn what_was_written_reads_back() {
        let bytes = written();
        let mut reader = Reader::new(bytes.as_slice());
        for (entry, data) in sample() {
            assert_eq!(reader.next_entry().unwrap(), Some(entry));
            let mut found = Vec::new();
            reader.read_to_end(&mut found).unwrap();
            assert_eq!(found, data);
        }
        assert_eq!(reader.next_entry().unwrap(), None);
    }

    #[test]
    fn other_tars_read_it() {
        let dir = std::env::temp_dir().join(format!("apk-tar-{}", std::process::id()));
        std::fs::write(&dir, written()).unwrap();
        let out = std::process::Command::new("tar")
            .arg("tf")
            .arg(&dir)
            .output()
            .unwrap();
        std::fs::remove_file(&dir).unwrap();
        let names = String::from_utf8(out.stdout).unwrap();
        assert!(
            out.status.success() && names.starts_with("usr/\nusr/bin/x\nlll"),
            "{names}"
        );
    }

    #[test]
    fn damage_is_found_or_harmless_but_never_a_panic() {
        let bytes = written();
        for cut in (0..bytes.len()).step_by(97) {
            let mut reader = Reader::new(&bytes[..cut]);
            while let Ok(Some(_)) = reader.next_entry() {}
        }
        // The last byte of the check sum's field stands behind its end and says nothing.
        for at in (0..512).filter(|at| *at != 155) {
            let mut bad = bytes.clone();
            bad[at] ^= 0x41;
            let mut reader = Reader::new(bad.as_slice());
            assert!(
                reader.next_entry().is_err(),
                "byte {at} changed, and nothing was said"
            );
        }
    }
}
