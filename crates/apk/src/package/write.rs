//! Writing a package: the same contents give the same bytes.

use super::{Identity, PackageError, PkgInfo, Script};
use crate::archive::tar::{Entry, Kind, Writer};
use crate::digest::{Digest, sha1};
use crate::encoding;
use flate2::{Compression, GzBuilder};
use ring::digest::{SHA256, digest};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

/// What goes into the data part: a header, and for a file where its bytes lie.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The header. Of a file, the size and the checksum are filled in from the bytes.
    pub entry: Entry,
    /// The file on the host.
    pub source: Option<PathBuf>,
}

fn gz() -> flate2::write::GzEncoder<Vec<u8>> {
    GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::best())
}

/// Writes a package. `contents` must have every folder before what is in it; `mtime` is every time stamp. Returns its
/// identity and the number of bytes written. The installed size and the hash of the data are filled into `info`.
pub fn write(
    out: &mut dyn Write,
    info: &mut PkgInfo,
    scripts: &[(Script, Vec<u8>)],
    contents: &[Contents],
    mtime: u64,
    sign: &dyn Fn(&[u8]) -> Result<Option<crate::keys::Signature>, PackageError>,
) -> Result<(Identity, u64), PackageError> {
    let (data, installed) = data_member(contents, mtime)?;
    info.installed_size = installed;
    info.data_hash = Some(encoding::hex(digest(&SHA256, &data).as_ref()));
    let mut control = Writer::new(gz());
    let mut put = |name: String, bytes: &[u8], mode| {
        let mut entry = Entry::new(name, Kind::File, mode);
        entry.size = bytes.len() as u64;
        entry.mtime = mtime;
        control.append(&entry, &mut &*bytes)
    };
    put(".PKGINFO".to_owned(), info.to_text().as_bytes(), 0o644)?;
    for (script, text) in scripts {
        put(format!(".{}", script.name()), text, 0o755)?;
    }
    let control = control.cut().finish()?;
    let mut written = 0;
    if let Some(signature) = sign(&control)? {
        let member = signature_member(&signature, mtime)?;
        out.write_all(&member)?;
        written += member.len() as u64;
    }
    out.write_all(&control)?;
    out.write_all(&data)?;
    Ok((
        Identity::of(&control),
        written + control.len() as u64 + data.len() as u64,
    ))
}

/// A signature as a member of its own, to stand before what it signs.
pub(crate) fn signature_member(
    signature: &crate::keys::Signature,
    mtime: u64,
) -> io::Result<Vec<u8>> {
    let name = format!(".SIGN.{}.{}", signature.algorithm.name(), signature.key);
    let mut entry = Entry::new(name, Kind::File, 0o644);
    entry.size = signature.bytes.len() as u64;
    entry.mtime = mtime;
    let mut member = Writer::new(gz());
    member.append(&entry, &mut signature.bytes.as_slice())?;
    member.cut().finish()
}

fn data_member(contents: &[Contents], mtime: u64) -> io::Result<(Vec<u8>, u64)> {
    let mut data = Writer::new(gz());
    let mut installed = 0;
    for Contents { entry, source } in contents {
        let mut entry = entry.clone();
        entry.mtime = mtime;
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {error}", show(&entry.path)))
        };
        match (entry.kind, source) {
            (Kind::File, Some(source)) => {
                let (hash, size) =
                    checksum(&mut File::open(source).map_err(named)?).map_err(named)?;
                let mut file = File::open(source).map_err(named)?;
                entry.size = size;
                installed += size;
                entry
                    .records
                    .insert(0, (b"APK-TOOLS.checksum.SHA1".to_vec(), hash.into_bytes()));
                data.append(&entry, &mut file)?;
            }
            (Kind::Symlink, _) => {
                let hash = encoding::hex(&sha1(&entry.link));
                entry
                    .records
                    .insert(0, (b"APK-TOOLS.checksum.SHA1".to_vec(), hash.into_bytes()));
                data.append(&entry, &mut io::empty())?;
            }
            _ => data.append(&entry, &mut io::empty())?,
        }
    }
    Ok((data.finish()?.finish()?, installed))
}

fn show(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

fn checksum(file: &mut File) -> io::Result<(String, u64)> {
    let mut context = Digest::sha1();
    let (mut buffer, mut size) = (vec![0; 64 * 1024], 0);
    loop {
        let count = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        context.update(bytes);
        size += count as u64;
    }
    Ok((encoding::hex(&context.finish()), size))
}

#[cfg(test)]
#[cfg(feature = "sign")]
mod tests {
    use super::super::{Reader, for_each_file};
    use super::*;
    use crate::keys::{Algorithm, KeyRing, PrivateKey, Trust};
    use std::sync::OnceLock;

    fn key() -> &'static PrivateKey {
        static KEY: OnceLock<PrivateKey> = OnceLock::new();
        KEY.get_or_init(|| PrivateKey::generate(2048, "me.rsa.pub").unwrap())
    }

    fn ring() -> KeyRing {
        let mut ring = KeyRing::default();
        ring.add("me.rsa.pub", &key().public_pem().unwrap());
        ring
    }

    fn sample() -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x");
        std::fs::write(&file, "hello").unwrap();
        let mut link = Entry::new("bin/y", Kind::Symlink, 0o777);
        link.link = b"x".to_vec();
        let contents = [
            Contents {
                entry: Entry::new("bin", Kind::Directory, 0o755),
                source: None,
            },
            Contents {
                entry: Entry::new("bin/x", Kind::File, 0o755),
                source: Some(file),
            },
            Contents {
                entry: link,
                source: None,
            },
        ];
        let mut info = PkgInfo::new("x", "1-r0", "x86_64");
        let scripts = [(Script::PostInstall, b"#!/bin/sh\n".to_vec())];
        let mut out = Vec::new();
        let sign = |bytes: &[u8]| Ok(Some(key().sign(Algorithm::RsaSha256, bytes)?));
        let (identity, size) = write(&mut out, &mut info, &scripts, &contents, 5, &sign).unwrap();
        assert_eq!(size, out.len() as u64);
        assert_eq!(
            Reader::open(out.as_slice(), &ring())
                .unwrap()
                .control
                .identity,
            identity
        );
        out
    }

    fn read_whole(bytes: &[u8], ring: &KeyRing) -> Result<(Trust, Vec<String>), PackageError> {
        let package = Reader::open(bytes, ring)?;
        let trust = package.control.trust;
        let mut data = package.data()?;
        let mut names = Vec::new();
        while let Some(entry) = data.next_entry()? {
            names.push(String::from_utf8_lossy(&entry.path).into_owned());
            if entry.kind == Kind::File {
                data.copy_file(&entry, &mut |_| Ok(()))?;
            }
        }
        data.finish()?;
        Ok((trust, names))
    }

    #[test]
    fn a_package_reads_back_and_is_the_same_twice() {
        let bytes = sample();
        assert_eq!(bytes, sample());
        let (trust, names) = read_whole(&bytes, &ring()).unwrap();
        assert_eq!(
            (trust, names),
            (
                Trust::Good,
                vec!["bin".into(), "bin/x".into(), "bin/y".into()]
            )
        );
        assert_eq!(
            read_whole(&bytes, &KeyRing::default()).unwrap().0,
            Trust::Unknown
        );
        let mut seen = Vec::new();
        for_each_file(bytes.as_slice(), &mut |path, bytes| {
            seen.push((path.to_owned(), bytes.to_vec()))
        })
        .unwrap();
        assert_eq!(seen, [(PathBuf::from("bin/x"), b"hello".to_vec())]);
    }

    #[test]
    fn every_cut_is_found() {
        let bytes = sample();
        for cut in 0..bytes.len() {
            assert!(read_whole(&bytes[..cut], &ring()).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn every_changed_byte_is_found_or_untrusted() {
        let bytes = sample();
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x55;
            if let Ok((trust, _)) = read_whole(&bad, &ring()) {
                // Some bytes of gzip's header of the signature say nothing.
                assert!(
                    trust != Trust::Good || at < 10,
                    "byte {at} changed, and nothing was said"
                );
            }
        }
    }
}
