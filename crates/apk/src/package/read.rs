//! Reading a package in one pass: signatures, then control, then data, each checked before the next is believed.

use super::{Identity, PackageError, PkgInfo, Script};
use crate::archive::member::{Keep, Members};
use crate::archive::tar::{self, Entry};
use crate::digest::Digest;
use crate::encoding;
use crate::keys::{Algorithm, KeyRing, Signature, Trust};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The control member may not be larger, compressed: its scripts are at most 256 KiB each.
const LARGEST_CONTROL: usize = 8 << 20;
/// Nor may a file in it, unpacked.
const LARGEST_SCRIPT: u64 = 4 << 20;
/// Signatures are some hundred bytes each.
const LARGEST_SIGNATURES: usize = 256 << 10;

/// The first two members.
#[derive(Clone, Debug)]
pub struct Control {
    /// What identifies it.
    pub identity: Identity,
    /// What it says of itself.
    pub info: PkgInfo,
    /// Its scripts.
    pub scripts: Vec<(Script, Vec<u8>)>,
    /// What its signatures are worth.
    pub trust: Trust,
}

/// A package that is being read.
pub struct Reader<R: BufRead> {
    /// What was read of it by now.
    pub control: Control,
    members: Members<R>,
}

impl<R: BufRead> Reader<R> {
    /// Reads the signatures and the control part.
    pub fn open(input: R, keys: &KeyRing) -> Result<Reader<R>, PackageError> {
        let mut members = Members::new(input);
        let mut signatures = Vec::new();
        if !members.next(Keep::Bytes(LARGEST_CONTROL))? {
            return Err(PackageError::Layout("it is empty"));
        }
        let mut files = small_files(&mut members)?;
        if files.iter().any(|(name, _)| name.starts_with(b".SIGN.")) {
            members.finish()?;
            for (name, bytes) in files {
                if let Some((algorithm, key)) = Algorithm::of_file(&name) {
                    signatures.push(Signature {
                        algorithm,
                        key,
                        bytes,
                    });
                }
            }
            if !members.next(Keep::Bytes(LARGEST_CONTROL))? {
                return Err(PackageError::Layout(
                    "there is nothing behind the signatures",
                ));
            }
            files = small_files(&mut members)?;
        }
        let bytes = members.finish()?.bytes;
        let (mut info, mut scripts) = (None, Vec::new());
        for (name, text) in files {
            match std::str::from_utf8(&name)
                .ok()
                .and_then(|name| name.strip_prefix('.'))
            {
                Some("PKGINFO") => info = Some(PkgInfo::parse(&text)?),
                Some("INSTALL") => return Err(PackageError::Layout("it has an .INSTALL script")),
                Some(name) => scripts.extend(Script::parse(name).map(|script| (script, text))),
                None => {
                    return Err(PackageError::Layout(
                        "the control part holds a file of data",
                    ));
                }
            }
        }
        let control = Control {
            identity: Identity::of(&bytes),
            info: info.ok_or(PackageError::Layout("it has no .PKGINFO"))?,
            scripts,
            trust: keys.verify(&signatures, &bytes),
        };
        Ok(Reader { control, members })
    }

    /// Goes on to the data.
    pub fn data(mut self) -> Result<Data<R>, PackageError> {
        if self.control.info.data_hash.is_none() {
            return Err(PackageError::Layout("its .PKGINFO has no datahash"));
        }
        if !self.members.next(Keep::Sha256)? {
            return Err(PackageError::Layout("it has no data part"));
        }
        let data_hash = self.control.info.data_hash.clone().unwrap_or_default();
        Ok(Data {
            tar: tar::Reader::new(self.members),
            data_hash,
            buffer: Vec::new(),
        })
    }
}

/// The data part that is being read. Nothing of it is to be believed before [`Data::finish`] returned.
pub struct Data<R: BufRead> {
    tar: tar::Reader<Members<R>>,
    data_hash: String,
    buffer: Vec<u8>,
}

impl<R: BufRead> Data<R> {
    /// The next entry.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, PackageError> {
        Ok(self.tar.next_entry()?)
    }

    /// Hands the current entry's data to `sink` and checks them against the entry's checksum. Returns the checksum.
    pub fn copy_file(
        &mut self,
        entry: &Entry,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Vec<u8>, PackageError> {
        let name = || String::from_utf8_lossy(&entry.path).into_owned();
        let (want, mut digest) = if let Some(hex) = entry.record(b"APK-TOOLS.checksum.SHA1") {
            (encoding::from_hex(hex), Digest::sha1())
        } else if let Some(hex) = entry.record(b"APK-TOOLS.checksum.SHA256") {
            (encoding::from_hex(hex), Digest::sha256())
        } else {
            return Err(PackageError::NoChecksum(name()));
        };
        self.buffer.resize(64 * 1024, 0);
        loop {
            let count = self.tar.read(&mut self.buffer)?;
            let Some(bytes) = self.buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            digest.update(bytes);
            sink(bytes)?;
        }
        let found = digest.finish();
        if want.as_ref() != Some(&found) {
            return Err(PackageError::WrongFile(name()));
        }
        Ok(found)
    }

    /// Reads what is left, and checks the whole against `datahash`.
    pub fn finish(mut self) -> Result<(), PackageError> {
        while self.tar.next_entry()?.is_some() {}
        let mut members = self.tar.into_inner();
        let kept = members.finish()?;
        if encoding::hex(&kept.sha256) != self.data_hash.to_ascii_lowercase() {
            return Err(PackageError::WrongData);
        }
        if members.next(Keep::Sha256)? {
            return Err(PackageError::Layout(
                "there is something behind the data part",
            ));
        }
        Ok(())
    }
}

/// The regular files of a signature or control member.
fn small_files<R: BufRead>(
    members: &mut Members<R>,
) -> Result<Vec<(Vec<u8>, Vec<u8>)>, PackageError> {
    let mut tar = tar::Reader::new(members);
    let mut files = Vec::new();
    let mut total = 0;
    while let Some(entry) = tar.next_entry()? {
        total += entry.size;
        let most = if entry.path.starts_with(b".SIGN.") {
            LARGEST_SIGNATURES as u64
        } else {
            LARGEST_SCRIPT
        };
        if entry.size > most || total > LARGEST_CONTROL as u64 {
            return Err(PackageError::Layout(
                "its control part is larger than it may be",
            ));
        }
        let mut bytes = Vec::new();
        tar.read_to_end(&mut bytes)?;
        files.push((entry.path, bytes));
    }
    Ok(files)
}

/// Calls `each` with the path and the contents of every regular file, after they were checked. Whoever asks does not
/// care about signatures.
pub fn for_each_file(
    input: impl Read,
    each: &mut dyn FnMut(&Path, &[u8]),
) -> Result<(), PackageError> {
    let mut data = Reader::open(BufReader::new(input), &KeyRing::default())?.data()?;
    while let Some(entry) = data.next_entry()? {
        if entry.kind == tar::Kind::File {
            let mut bytes = Vec::new();
            data.copy_file(&entry, &mut |part| {
                bytes.extend_from_slice(part);
                Ok(())
            })?;
            each(Path::new(std::ffi::OsStr::from_bytes(&entry.path)), &bytes);
        }
    }
    data.finish()
}
