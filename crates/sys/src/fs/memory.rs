//! A file system in memory that knows what was flushed: what is left of it behind a power cut is only that.
//!
//! It may have a second file system mounted in it that can neither exchange names nor make hard links, and whose inode
//! numbers change when it is mounted again, as FAT's do.

use super::{Attributes, FileSystem, Kind, Meta, NewFile, Node};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

/// What a power cut leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerCut {
    /// Only what was flushed.
    Everything,
    /// All names and their attributes, but of files' contents only what was flushed: file systems that keep a journal of
    /// their metadata and are late with the data.
    Contents,
    /// The root loses everything that was not flushed, and the file system mounted in it nothing.
    Root,
    /// The other way round.
    Mounted,
}

#[derive(Clone, Debug)]
enum Data {
    File(Rc<Vec<u8>>),
    Folder(BTreeMap<OsString, u64>),
    Link(PathBuf),
    Node,
}

#[derive(Clone, Debug)]
struct Inode {
    data: Data,
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: i64,
    device: u64,
}

type Table = BTreeMap<u64, Rc<Inode>>;

#[derive(Clone, Debug, Default)]
struct State {
    now: Table,
    flushed: Table,
    next: u64,
    /// How often the mounted file system was mounted.
    mounts: u64,
    room: Option<u64>,
}

/// The file system. A clone is one of its own, with the same in it.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    state: RefCell<State>,
}

const TOP: u64 = 1;
const ROOT_DEVICE: u64 = 1;
const MOUNTED_DEVICE: u64 = 2;

fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

impl Memory {
    /// An empty root.
    pub fn new() -> Memory {
        let memory = Memory::default();
        {
            let mut state = memory.state.borrow_mut();
            state.next = TOP;
            state.add(Data::Folder(BTreeMap::new()), 0o755, ROOT_DEVICE);
            state.flushed = state.now.clone();
        }
        memory
    }

    /// Makes a folder on which another file system is mounted.
    pub fn mount(&self, path: &Path) -> io::Result<()> {
        self.make_folder(path, 0o755)?;
        let mut state = self.state.borrow_mut();
        let at = state.find(path)?;
        state.change(at, |inode| inode.device = MOUNTED_DEVICE)?;
        state.flushed = state.now.clone();
        Ok(())
    }

    /// How much may still be written: every byte of a file counts, and every new name counts one.
    pub fn set_room(&self, room: Option<u64>) {
        self.state.borrow_mut().room = room;
    }

    /// The power goes, and comes again.
    pub fn cut_power(&self, cut: PowerCut) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let mut left = Table::new();
        for (number, inode) in &state.now {
            let lost = match cut {
                PowerCut::Everything | PowerCut::Contents => true,
                PowerCut::Root => inode.device == ROOT_DEVICE,
                PowerCut::Mounted => inode.device == MOUNTED_DEVICE,
            };
            let mut kept = Inode::clone(inode);
            let flushed = state.flushed.get(number);
            if lost && let Data::File(_) = kept.data {
                kept.data = match flushed.map(|inode| &inode.data) {
                    Some(data) => data.clone(),
                    None => Data::File(Rc::default()),
                };
            }
            if lost && cut != PowerCut::Contents {
                if let Some(flushed) = flushed {
                    kept = Inode::clone(flushed);
                } else if let Data::Folder(names) = &mut kept.data {
                    names.clear();
                }
            }
            left.insert(*number, Rc::new(kept));
        }
        for (number, inode) in &state.flushed {
            left.entry(*number).or_insert_with(|| Rc::clone(inode));
        }
        // What has no name any more is freed.
        let mut reached = Table::new();
        let mut open = vec![TOP];
        while let Some(number) = open.pop() {
            if let Some(inode) = left.get(&number)
                && reached.insert(number, Rc::clone(inode)).is_none()
                && let Data::Folder(names) = &inode.data
            {
                open.extend(names.values());
            }
        }
        state.now = reached.clone();
        state.flushed = reached;
        state.mounts += 1;
    }
}

impl State {
    fn add(&mut self, data: Data, mode: u32, device: u64) -> u64 {
        let number = self.next;
        self.next += 1;
        let inode = Inode {
            data,
            mode,
            uid: 0,
            gid: 0,
            mtime: 0,
            device,
        };
        self.now.insert(number, Rc::new(inode));
        number
    }

    fn get(&self, number: u64) -> io::Result<&Inode> {
        self.now
            .get(&number)
            .map(|inode| &**inode)
            .ok_or_else(|| errno(libc::ENOENT))
    }

    fn change(&mut self, number: u64, with: impl FnOnce(&mut Inode)) -> io::Result<()> {
        let inode = self
            .now
            .get_mut(&number)
            .ok_or_else(|| errno(libc::ENOENT))?;
        with(Rc::make_mut(inode));
        Ok(())
    }

    fn names(&self, folder: u64) -> io::Result<&BTreeMap<OsString, u64>> {
        match &self.get(folder)?.data {
            Data::Folder(names) => Ok(names),
            _ => Err(errno(libc::ENOTDIR)),
        }
    }

    fn entry(&self, folder: u64, name: &OsStr) -> io::Result<u64> {
        self.names(folder)?
            .get(name)
            .copied()
            .ok_or_else(|| errno(libc::ENOENT))
    }

    fn set(&mut self, folder: u64, name: &OsStr, entry: Option<u64>) -> io::Result<()> {
        self.names(folder)?;
        self.change(folder, |inode| {
            if let Data::Folder(names) = &mut inode.data {
                match entry {
                    Some(number) => names.insert(name.to_owned(), number),
                    None => names.remove(name),
                };
            }
        })
    }

    fn take_room(&mut self, amount: u64) -> io::Result<()> {
        if let Some(room) = &mut self.room {
            *room = room
                .checked_sub(amount)
                .ok_or_else(|| errno(libc::ENOSPC))?;
        }
        Ok(())
    }

    /// Follows links, in the root only.
    fn find(&self, path: &Path) -> io::Result<u64> {
        let mut left: VecDeque<OsString> = VecDeque::new();
        let parts = |path: &Path| -> Vec<OsString> {
            path.components()
                .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
                .map(|part| part.as_os_str().to_owned())
                .collect()
        };
        left.extend(parts(path));
        let mut way = vec![TOP];
        let mut links = 0;
        while let Some(name) = left.pop_front() {
            if name == ".." {
                if way.len() > 1 {
                    way.pop();
                }
                continue;
            }
            let here = way.last().copied().unwrap_or(TOP);
            let number = self.entry(here, &name)?;
            if let Data::Link(target) = &self.get(number)?.data {
                links += 1;
                if links > 40 {
                    return Err(errno(libc::ELOOP));
                }
                if target.has_root() {
                    way.truncate(1);
                }
                for part in parts(target).into_iter().rev() {
                    left.push_front(part);
                }
                continue;
            }
            way.push(number);
        }
        Ok(way.last().copied().unwrap_or(TOP))
    }

    fn parent<'a>(&self, path: &'a Path) -> io::Result<(u64, &'a OsStr)> {
        let name = path.file_name().ok_or_else(|| errno(libc::EINVAL))?;
        let folder = self.find(path.parent().unwrap_or(Path::new("")))?;
        self.names(folder)?;
        Ok((folder, name))
    }

    fn named(&self, path: &Path) -> io::Result<u64> {
        if path.as_os_str().is_empty() {
            return Ok(TOP);
        }
        let (folder, name) = self.parent(path)?;
        self.entry(folder, name)
    }

    fn make(&mut self, path: &Path, data: Data, mode: u32) -> io::Result<u64> {
        let (folder, name) = self.parent(path)?;
        if self.entry(folder, name).is_ok() {
            return Err(errno(libc::EEXIST));
        }
        self.take_room(1)?;
        let device = self.get(folder)?.device;
        let number = self.add(data, mode, device);
        self.set(folder, name, Some(number))?;
        Ok(number)
    }

    fn device(&self, number: u64) -> io::Result<u64> {
        Ok(self.get(number)?.device)
    }
}

struct Open<'a> {
    memory: &'a Memory,
    number: u64,
}

impl Write for Open<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.memory.state.borrow_mut();
        state.take_room(bytes.len() as u64)?;
        state.change(self.number, |inode| {
            if let Data::File(data) = &mut inode.data {
                Rc::make_mut(data).extend_from_slice(bytes);
            }
        })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl NewFile for Open<'_> {
    fn finish(self: Box<Self>, attributes: &Attributes) -> io::Result<u64> {
        let mut state = self.memory.state.borrow_mut();
        state.change(self.number, |inode| {
            if let Some((uid, gid)) = attributes.owner {
                (inode.uid, inode.gid) = (uid, gid);
            }
            inode.mode = attributes.mode.unwrap_or(inode.mode);
            inode.mtime = attributes.mtime.unwrap_or(inode.mtime);
        })?;
        if attributes.sync {
            let inode = state.now.get(&self.number).cloned();
            state
                .flushed
                .extend(inode.map(|inode| (self.number, inode)));
        }
        let mounted = state.device(self.number)? == MOUNTED_DEVICE;
        Ok(self.number + if mounted { state.mounts * 100_000 } else { 0 })
    }
}

impl FileSystem for Memory {
    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn NewFile + '_>> {
        let number = self
            .state
            .borrow_mut()
            .make(path, Data::File(Rc::default()), mode)?;
        Ok(Box::new(Open {
            memory: self,
            number,
        }))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn NewFile + '_>> {
        let number = self.state.borrow().named(path)?;
        Ok(Box::new(Open {
            memory: self,
            number,
        }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state.borrow();
        match &state.get(state.find(path)?)?.data {
            Data::File(bytes) => Ok(bytes.to_vec()),
            Data::Folder(_) => Err(errno(libc::EISDIR)),
            _ => Err(errno(libc::ENXIO)),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(io::Cursor::new(self.read(path)?)))
    }

    fn make_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        state
            .make(path, Data::Folder(BTreeMap::new()), mode)
            .map(drop)
    }

    fn symlink(&self, target: &Path, path: &Path) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        state
            .make(path, Data::Link(target.to_owned()), 0o777)
            .map(drop)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        let number = state.named(from)?;
        let (folder, name) = state.parent(to)?;
        if state.device(number)? != state.device(folder)? {
            return Err(errno(libc::EXDEV));
        }
        if matches!(state.get(number)?.data, Data::Folder(_))
            || state.device(folder)? == MOUNTED_DEVICE
        {
            return Err(errno(libc::EPERM));
        }
        if state.entry(folder, name).is_ok() {
            return Err(errno(libc::EEXIST));
        }
        state.take_room(1)?;
        state.set(folder, name, Some(number))
    }

    fn make_node(&self, path: &Path, _: Node, mode: u32) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        state.make(path, Data::Node, mode).map(drop)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        let number = state.named(from)?;
        let (from_folder, from_name) = state.parent(from)?;
        let (to_folder, to_name) = state.parent(to)?;
        if state.device(number)? != state.device(to_folder)? {
            return Err(errno(libc::EXDEV));
        }
        if let Ok(there) = state.entry(to_folder, to_name) {
            if there == number {
                return Ok(());
            }
            let moved = matches!(state.get(number)?.data, Data::Folder(_));
            match &state.get(there)?.data {
                Data::Folder(_) if !moved => return Err(errno(libc::EISDIR)),
                Data::Folder(names) if !names.is_empty() => return Err(errno(libc::ENOTEMPTY)),
                Data::Folder(_) => {}
                _ if moved => return Err(errno(libc::ENOTDIR)),
                _ => {}
            }
        }
        state.set(from_folder, from_name, None)?;
        state.set(to_folder, to_name, Some(number))
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        let (first, second) = (state.named(one)?, state.named(other)?);
        let (one_folder, one_name) = state.parent(one)?;
        let (other_folder, other_name) = state.parent(other)?;
        if state.device(one_folder)? == MOUNTED_DEVICE {
            return Err(errno(libc::EINVAL));
        }
        if state.device(one_folder)? != state.device(other_folder)? {
            return Err(errno(libc::EXDEV));
        }
        state.set(one_folder, one_name, Some(second))?;
        state.set(other_folder, other_name, Some(first))
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        let (folder, name) = state.parent(path)?;
        let number = state.entry(folder, name)?;
        if matches!(state.get(number)?.data, Data::Folder(_)) {
            return Err(errno(libc::EISDIR));
        }
        state.set(folder, name, None)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        let (folder, name) = state.parent(path)?;
        let number = state.entry(folder, name)?;
        if !state.names(number)?.is_empty() {
            return Err(errno(libc::ENOTEMPTY));
        }
        if state.device(number)? != state.device(folder)? {
            return Err(errno(libc::EBUSY));
        }
        state.set(folder, name, None)
    }

    fn metadata(&self, path: &Path) -> io::Result<Meta> {
        let state = self.state.borrow();
        let number = state.named(path)?;
        let inode = state.get(number)?;
        let (kind, size) = match &inode.data {
            Data::File(bytes) => (Kind::File, bytes.len()),
            Data::Folder(_) => (Kind::Folder, 0),
            Data::Link(target) => (Kind::Link, target.as_os_str().len()),
            Data::Node => (Kind::Other, 0),
        };
        let mounted = inode.device == MOUNTED_DEVICE;
        Ok(Meta {
            kind,
            mode: inode.mode,
            uid: inode.uid,
            gid: inode.gid,
            size: size as u64,
            mtime: inode.mtime,
            inode: number + if mounted { state.mounts * 100_000 } else { 0 },
            device: inode.device,
        })
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        let state = self.state.borrow();
        match &state.get(state.named(path)?)?.data {
            Data::Link(target) => Ok(target.clone()),
            _ => Err(errno(libc::EINVAL)),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let state = self.state.borrow();
        Ok(state.names(state.find(path)?)?.keys().cloned().collect())
    }

    fn chown(&self, path: &Path, uid: u32, gid: u32) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        let number = state.named(path)?;
        state.change(number, |inode| (inode.uid, inode.gid) = (uid, gid))
    }

    fn chmod(&self, path: &Path, mode: u32) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        let number = state.named(path)?;
        state.change(number, |inode| inode.mode = mode)
    }

    fn set_mtime(&self, path: &Path, seconds: i64) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        let number = state.named(path)?;
        state.change(number, |inode| inode.mtime = seconds)
    }

    fn sync(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        let device = state.device(state.find(folder)?)?;
        let State { now, flushed, .. } = &mut *state;
        flushed.retain(|_, inode| inode.device != device);
        let here = now.iter().filter(|(_, inode)| inode.device == device);
        flushed.extend(here.map(|(number, inode)| (*number, Rc::clone(inode))));
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        let number = state.find(path)?;
        state.names(number)?;
        let inode = state.now.get(&number).cloned();
        state.flushed.extend(inode.map(|inode| (number, inode)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(memory: &Memory, path: &str, text: &str, sync: bool) {
        let mut file = memory.create(Path::new(path), 0o644).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let attributes = Attributes {
            sync,
            ..Attributes::default()
        };
        file.finish(&attributes).unwrap();
    }

    #[test]
    fn a_power_cut_leaves_what_was_flushed() {
        let made = || {
            let memory = Memory::new();
            memory.make_folder(Path::new("d"), 0o755).unwrap();
            write(&memory, "d/old", "old", false);
            memory.sync(Path::new("")).unwrap();
            write(&memory, "d/lost", "lost", false);
            write(&memory, "d/new", "new", true);
            memory
                .rename(Path::new("d/new"), Path::new("d/old"))
                .unwrap();
            memory
        };
        let memory = made();
        memory.cut_power(PowerCut::Everything);
        assert_eq!(memory.read(Path::new("d/old")).unwrap(), b"old");
        assert!(memory.metadata(Path::new("d/lost")).is_err());
        let memory = made();
        memory.sync_folder(Path::new("d")).unwrap();
        memory.cut_power(PowerCut::Everything);
        assert_eq!(memory.read(Path::new("d/old")).unwrap(), b"new");
        assert_eq!(memory.read(Path::new("d/lost")).unwrap(), b"");
        let memory = made();
        memory.cut_power(PowerCut::Contents);
        assert_eq!(memory.read(Path::new("d/old")).unwrap(), b"new");
        assert_eq!(memory.read(Path::new("d/lost")).unwrap(), b"");
    }

    #[test]
    fn a_mounted_file_system_is_one_of_its_own() {
        let memory = Memory::new();
        memory.mount(Path::new("boot")).unwrap();
        write(&memory, "boot/a", "a", false);
        write(&memory, "b", "b", false);
        let (a, b) = (Path::new("boot/a"), Path::new("b"));
        assert_eq!(
            memory.rename(a, b).unwrap_err().raw_os_error(),
            Some(libc::EXDEV)
        );
        assert!(memory.hard_link(a, Path::new("boot/c")).is_err());
        assert!(memory.exchange(a, a).is_err());
        memory.sync(Path::new("boot")).unwrap();
        let before = memory.metadata(a).unwrap().inode;
        memory.cut_power(PowerCut::Everything);
        assert!(memory.metadata(b).is_err());
        assert_ne!(memory.metadata(a).unwrap().inode, before);
        memory.set_room(Some(2));
        write(&memory, "c", "c", false);
        assert_eq!(
            memory
                .make_folder(Path::new("d"), 0o755)
                .unwrap_err()
                .raw_os_error(),
            Some(libc::ENOSPC)
        );
    }
}
