//! A disk in memory that dies at a chosen operation and then keeps of what was not synced whatever
//! it likes: sectors of a write, in any order, torn in the middle, lengths, names, or none of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use super::dice::Dice;
use crate::disk::{Disk, DiskFile};

const SECTOR: usize = 512;

#[derive(Debug, Clone)]
pub(crate) struct SimDisk(Arc<Mutex<State>>);

#[derive(Debug)]
pub(crate) struct SimFile {
    disk: SimDisk,
    inode: usize,
    life: u64,
}

#[derive(Debug)]
struct State {
    dice: Dice,
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending: Vec<NameOp>,
    life: u64,
    operations: u64,
    crash_at: Option<u64>,
    fail_at: Option<(u64, io::ErrorKind)>,
    crashed: bool,
    free: u64,
    lies: Option<Lie>,
}

/// A sync that says it is done and does nothing: a ledger on such a disk must be found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    Data,
    Names,
}

#[derive(Debug, Default)]
struct Inode {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<FileOp>,
}

#[derive(Debug, Clone)]
enum FileOp {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Debug, Clone)]
enum NameOp {
    Link { name: String, inode: usize },
    Rename { from: String, to: String, inode: usize },
    Unlink { name: String, inode: usize },
}

impl SimDisk {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            dice: Dice::new(seed),
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending: Vec::new(),
            life: 0,
            operations: 0,
            crash_at: None,
            fail_at: None,
            crashed: false,
            free: u64::MAX,
            lies: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Dies at the operation that comes after `operations` more.
    pub(crate) fn crash_after(&self, operations: u64) {
        let mut state = self.state();
        state.crash_at = Some(state.operations + operations);
    }

    /// Fails the operation that comes after `operations` more, and no other.
    pub(crate) fn fail_after(&self, operations: u64, kind: io::ErrorKind) {
        let mut state = self.state();
        state.fail_at = Some((state.operations + operations, kind));
    }

    pub(crate) fn lie(&self, lie: Option<Lie>) {
        self.state().lies = lie;
    }

    /// Says from here on that so many bytes are free.
    pub(crate) fn set_free(&self, free: u64) {
        self.state().free = free;
    }

    pub(crate) fn crashed(&self) -> bool {
        self.state().crashed
    }

    pub(crate) fn operations(&self) -> u64 {
        self.state().operations
    }

    /// The machine is back: what was durable is there, and what the dice left of the rest.
    pub(crate) fn restart(&self) {
        self.state().restart();
    }

    /// A copy of all files as they would be read now.
    pub(crate) fn copy(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        state.names.iter().map(|(name, i)| (name.clone(), state.inodes[*i].bytes.clone())).collect()
    }

    /// A disk with these files, all durable.
    pub(crate) fn of(files: &BTreeMap<String, Vec<u8>>) -> Self {
        let disk = Self::new(0);
        {
            let mut state = disk.state();
            for (place, (name, bytes)) in files.iter().enumerate() {
                let (bytes, durable) = (bytes.clone(), bytes.clone());
                state.inodes.push(Inode { bytes, durable, pending: Vec::new() });
                state.names.insert(name.clone(), place);
                state.durable_names.insert(name.clone(), place);
            }
        }
        disk
    }
}

impl State {
    /// Counts an operation; the one at which the machine dies still reaches the disk's cache.
    fn tick(&mut self) -> io::Result<bool> {
        if self.crashed {
            return Err(io::Error::other("the machine is down"));
        }
        self.operations += 1;
        if let Some((at, kind)) = self.fail_at
            && self.operations >= at
        {
            self.fail_at = None;
            return Err(kind.into());
        }
        let dies = self.crash_at.is_some_and(|at| self.operations >= at);
        self.crashed = dies;
        Ok(dies)
    }

    fn done(dies: bool) -> io::Result<()> {
        if dies { Err(io::Error::other("the machine died")) } else { Ok(()) }
    }

    fn restart(&mut self) {
        let dice = &mut self.dice;
        // Some machines lose nearly everything, some nearly nothing.
        let survives = [0, 20, 50, 80, 100][dice.below(5) as usize];
        for inode in &mut self.inodes {
            for op in std::mem::take(&mut inode.pending) {
                match op {
                    FileOp::Length(length) if dice.chance(survives) => {
                        inode.durable.resize(length, 0);
                    }
                    FileOp::Length(_) => {}
                    FileOp::Write { at, bytes } => {
                        survive(dice, survives, &mut inode.durable, at, &bytes);
                    }
                }
            }
            inode.bytes.clone_from(&inode.durable);
        }
        let mut lost = BTreeSet::new();
        for op in std::mem::take(&mut self.pending) {
            let inode = match &op {
                NameOp::Link { inode, .. }
                | NameOp::Rename { inode, .. }
                | NameOp::Unlink { inode, .. } => *inode,
            };
            if lost.contains(&inode) || !dice.chance(survives) {
                lost.insert(inode);
                continue;
            }
            apply(&op, &mut self.durable_names);
        }
        self.names.clone_from(&self.durable_names);
        self.life += 1;
        self.crashed = false;
        self.crash_at = None;
        self.fail_at = None;
    }
}

/// Lets some sectors of a write reach the disk, and some of those only in part.
fn survive(dice: &mut Dice, percent: u64, into: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let mut from = 0;
    while from < bytes.len() {
        let to_boundary = SECTOR - (at + from) % SECTOR;
        let mut length = to_boundary.min(bytes.len() - from);
        let next = from + length;
        if dice.chance(percent) {
            if dice.chance(10) {
                length = dice.below(length as u64 + 1) as usize;
            }
            let (start, end) = (at + from, at + from + length);
            if into.len() < end {
                into.resize(end, 0);
            }
            into[start..end].copy_from_slice(&bytes[from..from + length]);
        }
        from = next;
    }
}

fn apply(op: &NameOp, names: &mut BTreeMap<String, usize>) {
    match op {
        NameOp::Link { name, inode } => {
            names.insert(name.clone(), *inode);
        }
        NameOp::Rename { from, to, inode } => {
            names.remove(from);
            names.insert(to.clone(), *inode);
        }
        NameOp::Unlink { name, .. } => {
            names.remove(name);
        }
    }
}

impl Disk for SimDisk {
    type File = SimFile;

    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.state();
        State::done(state.tick()?)?;
        Ok(state.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<SimFile> {
        let mut state = self.state();
        let dies = state.tick()?;
        state.inodes.push(Inode::default());
        let inode = state.inodes.len() - 1;
        let op = NameOp::Link { name: name.to_owned(), inode };
        apply(&op, &mut state.names);
        state.pending.push(op);
        State::done(dies)?;
        Ok(SimFile { disk: self.clone(), inode, life: state.life })
    }

    fn open(&self, name: &str) -> io::Result<SimFile> {
        let mut state = self.state();
        State::done(state.tick()?)?;
        let inode = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(SimFile { disk: self.clone(), inode, life: state.life })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let dies = state.tick()?;
        let inode = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        let op = NameOp::Rename { from: from.to_owned(), to: to.to_owned(), inode };
        apply(&op, &mut state.names);
        state.pending.push(op);
        State::done(dies)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        let dies = state.tick()?;
        let inode = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        let op = NameOp::Unlink { name: name.to_owned(), inode };
        apply(&op, &mut state.names);
        state.pending.push(op);
        State::done(dies)
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut state = self.state();
        State::done(state.tick()?)?;
        if state.lies == Some(Lie::Names) {
            return Ok(());
        }
        state.durable_names = state.names.clone();
        state.pending.clear();
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.state().free)
    }
}

impl SimFile {
    fn with<T>(&self, work: impl FnOnce(&mut Inode, bool) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.state();
        if state.life != self.life {
            return Err(io::Error::other("the file was open before the machine died"));
        }
        let dies = state.tick()?;
        work(&mut state.inodes[self.inode], dies)
    }

    fn change(&self, op: FileOp) -> io::Result<()> {
        self.with(|inode, dies| {
            match &op {
                FileOp::Length(length) => inode.bytes.resize(*length, 0),
                FileOp::Write { at, bytes } => {
                    let end = at + bytes.len();
                    if inode.bytes.len() < end {
                        inode.bytes.resize(end, 0);
                    }
                    inode.bytes[*at..end].copy_from_slice(bytes);
                }
            }
            inode.pending.push(op);
            State::done(dies)
        })
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        self.with(|inode, dies| State::done(dies).map(|()| inode.bytes.len() as u64))
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        self.with(|inode, dies| {
            State::done(dies)?;
            let bytes = inode.bytes.get(at as usize..).unwrap_or_default();
            let length = bytes.len().min(into.len());
            into[..length].copy_from_slice(&bytes[..length]);
            Ok(length)
        })
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.change(FileOp::Write { at: at as usize, bytes: bytes.to_vec() })
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.disk.state().lies == Some(Lie::Data) {
            return Ok(());
        }
        self.with(|inode, dies| {
            State::done(dies)?;
            inode.durable.clone_from(&inode.bytes);
            inode.pending.clear();
            Ok(())
        })
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.change(FileOp::Length(len as usize))
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.change(FileOp::Length(len as usize))
    }
}
