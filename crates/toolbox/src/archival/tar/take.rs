//! Listing and unpacking an archive. Everything is made by [`Below`], which nothing leads out of.

use super::{Failed, OPTIONS, at, is_excluded, stripped, wanted};
use crate::archival::tar::format::{self, Header, Kind};
use crate::common::accounts::Accounts;
use crate::common::below::{Below, Dress, Spot};
use crate::common::glob;
use crate::common::lines::{Output, cause, say};
use crate::common::options::Given;
use crate::common::unpacking::{self, Source};
use rustix::fs::FileType;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

/// A link that is made at the end.
enum Late {
    Symlink(Vec<u8>, Dress),
    Hard(Vec<u8>),
}

struct Taker<'a> {
    given: &'a Given,
    out: Output,
    below: Below,
    /// Folders get their modes and times last: what is in them must get in first.
    folders: Vec<(Vec<u8>, Dress)>,
    /// Links that lead out of their folder come last: nothing is unpacked through them.
    late: Vec<(Vec<u8>, Late)>,
    told: bool,
    users: HashMap<Vec<u8>, u32>,
    groups: HashMap<Vec<u8>, u32>,
    root: bool,
    mask: u32,
    status: i32,
}

pub(super) fn read(given: &Given, archive: &OsStr, excluded: &[Vec<u8>]) -> Result<i32, Failed> {
    let names = wanted(given)?;
    let file = crate::common::lines::open(archive).map_err(at(archive))?;
    let unpacked = unpacking::unpacked(Source::new(file)).map_err(at(archive))?;
    let mut body = Source::new(unpacked);
    if body.peek(1).map_err(at(archive))?.is_empty() {
        say("tar", "short read");
        return Ok(1);
    }
    if let Some(folder) = given.value('C') {
        std::env::set_current_dir(folder).map_err(at(folder))?;
    }
    let strip = match given
        .value('5')
        .map(|text| text.to_str().and_then(|text| text.parse().ok()))
    {
        None => 0,
        Some(Some(count)) => count,
        Some(None) => return Ok(OPTIONS.wrong("invalid number of components")),
    };
    let accounts = Accounts::system();
    let mut taker = Taker {
        given,
        out: Output::new(),
        below: if given.has('P') {
            Below::anywhere()
        } else {
            Below::here()
        }
        .map_err(at(OsStr::new(".")))?,
        folders: Vec::new(),
        late: Vec::new(),
        told: false,
        users: accounts
            .users()
            .unwrap_or_default()
            .into_iter()
            .rev()
            .map(|user| (user.name, user.uid))
            .collect(),
        groups: accounts
            .groups()
            .unwrap_or_default()
            .into_iter()
            .rev()
            .map(|group| (group.name, group.gid))
            .collect(),
        root: rustix::process::geteuid().is_root(),
        mask: crate::common::copying::umask(),
        status: 0,
    };
    let mut seen = vec![false; names.len()];
    let done = (|| -> io::Result<()> {
        let mut reader = format::Reader::new(&mut body);
        while let Some(mut header) = reader.next()? {
            let trimmed = header
                .name
                .strip_suffix(b"/")
                .unwrap_or(&header.name)
                .to_vec();
            let mut chosen = names.is_empty();
            for (name, seen) in names.iter().zip(&mut seen) {
                let name = name.as_bytes();
                let name = name.strip_suffix(b"/").unwrap_or(name);
                let below = trimmed
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
                if below || glob::matches(name, &trimmed, glob::Options::default()) {
                    *seen = true;
                    chosen = true;
                }
            }
            if !chosen || is_excluded(&trimmed, excluded) {
                reader.skip(header.size)?;
                continue;
            }
            if given.has('t') {
                taker.list(&header);
                reader.skip(header.size)?;
                continue;
            }
            if strip > 0 {
                let parts: Vec<&[u8]> = header
                    .name
                    .split(|byte| *byte == b'/')
                    .filter(|part| !part.is_empty())
                    .collect();
                let rest = parts.get(strip..).unwrap_or_default().join(&b'/');
                if rest.is_empty() {
                    reader.skip(header.size)?;
                    continue;
                }
                header.name = rest;
            }
            taker.take(&header, &mut reader)?;
        }
        Ok(())
    })();
    taker.finish_links();
    taker.finish_folders();
    done.map_err(at(archive))?;
    let mut status = taker.status;
    for (name, seen) in names.iter().zip(seen) {
        if !seen {
            say("tar", format!("{}: not found in archive", name.display()));
            status = 1;
        }
    }
    Ok(taker.out.finish("tar", status, 1))
}

impl Taker<'_> {
    fn list(&mut self, header: &Header) {
        if self.given.has('v') {
            let line = header.long_line(self.given.has('2'));
            self.out.put(line.as_bytes());
        }
        self.out.put(&header.name);
        if self.given.has('v') {
            match header.kind {
                Kind::Symlink | Kind::Hard => {
                    self.out.put(&[b" -> ", header.link.as_slice()].concat());
                }
                _ => {}
            }
        }
        self.out.put_byte(b'\n');
    }

    fn fail(&mut self, name: &[u8], what: &str) {
        say(
            "tar",
            format!("{}: {what}", OsStr::from_bytes(name).display()),
        );
        self.status = 1;
    }

    /// What a name loses that would lead outside, which is told once.
    fn inside(&mut self, name: &[u8]) -> Vec<u8> {
        if self.given.has('P') {
            return absolute(name);
        }
        let (removed, rest) = stripped(name);
        if !removed.is_empty() && !self.told {
            self.told = true;
            self.out.flush();
            let removed = String::from_utf8_lossy(removed).into_owned();
            say(
                "tar",
                format!("removing leading '{removed}' from member names"),
            );
        }
        rest.to_vec()
    }

    /// Unpacks one entry. `Err`: the archive cannot be read any further.
    fn take(&mut self, header: &Header, reader: &mut format::Reader<'_>) -> io::Result<()> {
        if self.given.has('O') {
            if header.kind == Kind::File {
                let out = &mut self.out;
                return reader.copy(header.size, &mut |bytes| {
                    out.put(bytes);
                    Ok(())
                });
            }
            return reader.skip(header.size);
        }
        let name = self.inside(&header.name);
        if self.given.has('v') {
            self.out.put(&name);
            self.out.put_byte(b'\n');
            self.out.flush();
        }
        let mut data = Some(reader);
        let result = self.make(header, &name, &mut data);
        // What was not wanted is passed over.
        if let Some(reader) = data {
            reader.skip(header.size)?;
        }
        match result {
            Ok(()) => Ok(()),
            Err(Trouble::Archive(error)) => Err(error),
            Err(Trouble::Entry(error)) => {
                self.fail(&name, &cause(&error));
                Ok(())
            }
        }
    }

    fn dress(&self, header: &Header) -> Dress {
        let owned = self.root && !self.given.has('o') || self.given.has('4');
        Dress {
            owner: owned.then(|| self.owner(header)),
            mode: (header.kind != Kind::Symlink).then(|| {
                if self.root || self.given.has('p') {
                    header.mode & 0o7777
                } else {
                    header.mode & 0o777 & !self.mask
                }
            }),
            mtime: (!self.given.has('m')).then_some(header.mtime),
        }
    }

    fn make(
        &mut self,
        header: &Header,
        name: &[u8],
        data: &mut Option<&mut format::Reader<'_>>,
    ) -> Result<(), Trouble> {
        let spot = self.below.spot(name, true)?;
        let dress = self.dress(header);
        let there = spot.stat().ok();
        if header.kind == Kind::Folder {
            if !spot.is_folder() {
                if there.is_some() {
                    spot.remove(false)?;
                    self.below.forget();
                }
                spot.make_folder(0o700)?;
            }
            self.folders.push((name.to_vec(), dress));
            return Ok(());
        }
        if header.kind == Kind::Hard && self.inside(&header.link) == name {
            // A file that stands in the archive twice.
            return Ok(());
        }
        if let Some(stat) = &there {
            let folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            if self.given.has('k') && !folder {
                // Deferred links keep their place, too.
                return Ok(());
            }
            if !(self.given.has('3') && header.kind == Kind::File && !folder) {
                spot.remove(folder)?;
                self.below.forget();
            }
        }
        match header.kind {
            Kind::File => self.file(&spot, header, data)?,
            Kind::Symlink => {
                let target = header.link.as_slice();
                let leads_out = target.starts_with(b"/")
                    || target.split(|byte| *byte == b'/').any(|part| part == b"..");
                if leads_out {
                    let late = Late::Symlink(target.to_vec(), dress);
                    self.late.push((name.to_vec(), late));
                    return Ok(());
                }
                spot.symlink(target)?;
            }
            Kind::Hard => {
                let first = self.inside(&header.link);
                if self.late.iter().any(|(late, _)| *late == first) {
                    self.late.push((name.to_vec(), Late::Hard(first)));
                    return Ok(());
                }
                spot.link_to(&self.below.spot(&first, false)?)?;
                return Ok(());
            }
            Kind::Char => spot.make_node(FileType::CharacterDevice, header.device)?,
            Kind::Block => spot.make_node(FileType::BlockDevice, header.device)?,
            Kind::Fifo => spot.make_node(FileType::Fifo, header.device)?,
            Kind::Folder | Kind::Other => {
                return Err(io::Error::other("an unknown kind of entry, not unpacked").into());
            }
        }
        Ok(spot.dress(dress)?)
    }

    fn file(
        &self,
        spot: &Spot<'_>,
        header: &Header,
        data: &mut Option<&mut format::Reader<'_>>,
    ) -> Result<(), Trouble> {
        let mut file = if self.given.has('3') {
            spot.overwrite()?
        } else {
            spot.create()?
        };
        let Some(reader) = data.take() else {
            return Ok(());
        };
        let mut bad = None;
        let copied = reader.copy(header.size, &mut |bytes| {
            if bad.is_none() {
                bad = file.write_all(bytes).err();
            }
            Ok(())
        });
        copied.map_err(Trouble::Archive)?;
        match bad {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    fn owner(&self, header: &Header) -> (u32, u32) {
        let named = |table: &HashMap<Vec<u8>, u32>, name: &[u8], id: u32| {
            if self.given.has('2') {
                id
            } else {
                table.get(name).copied().unwrap_or(id)
            }
        };
        (
            named(&self.users, &header.user, header.uid),
            named(&self.groups, &header.group, header.gid),
        )
    }

    fn finish_links(&mut self) {
        for (name, late) in std::mem::take(&mut self.late) {
            let made = self.below.spot(&name, true).and_then(|spot| match &late {
                Late::Symlink(target, dress) => {
                    spot.symlink(target).and_then(|()| spot.dress(*dress))
                }
                Late::Hard(first) => self
                    .below
                    .spot(first, false)
                    .and_then(|first| spot.link_to(&first)),
            });
            let Err(error) = made else { continue };
            let (kind, target) = match &late {
                Late::Symlink(target, _) => ("symlink", target),
                Late::Hard(first) => ("hardlink", first),
            };
            // Something with its name was unpacked meanwhile: that is what this is for.
            let why = if error.kind() == io::ErrorKind::AlreadyExists {
                String::new()
            } else {
                format!(": {}", cause(&error))
            };
            self.out.flush();
            say(
                "tar",
                format!(
                    "can't create {kind} '{}' to '{}'{why}",
                    OsStr::from_bytes(&name).display(),
                    OsStr::from_bytes(target).display()
                ),
            );
            self.status = 1;
        }
    }

    fn finish_folders(&mut self) {
        for (name, dress) in std::mem::take(&mut self.folders).into_iter().rev() {
            let done = self.below.spot(&name, false).and_then(|spot| {
                if spot.stat()?.st_mode & 0o170_000 == 0o120_000 {
                    return Ok(());
                }
                spot.dress(dress)
            });
            if let Err(error) = done {
                self.fail(&name, &cause(&error));
            }
        }
    }
}

/// A name from the root, `..` taken away with what stands before it.
fn absolute(name: &[u8]) -> Vec<u8> {
    let here = std::env::current_dir().unwrap_or_default();
    let mut whole = Vec::new();
    if !name.starts_with(b"/") {
        whole.extend_from_slice(here.as_os_str().as_bytes());
        whole.push(b'/');
    }
    whole.extend_from_slice(name);
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in whole.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join(&b'/')
}

/// What went wrong: with this entry, or with the whole archive.
enum Trouble {
    Entry(io::Error),
    Archive(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Entry(error)
    }
}
