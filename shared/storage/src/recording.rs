//! Real files, every change of which is written down, and any one call to which can be made to fail: for tests.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{AppendFile, OsStorage, Storage};

/// Something that was done to the files below a [`RecordingStorage`]'s folder. Paths are relative to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    CreateDir(PathBuf),
    Create(PathBuf),
    Write {
        path: PathBuf,
        at: u64,
        bytes: Vec<u8>,
    },
    Truncate {
        path: PathBuf,
        len: u64,
    },
    /// A sync of a file that returned, or that failed (and took the dirty pages with it).
    Sync {
        path: PathBuf,
        done: bool,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove(PathBuf),
    SyncDir(PathBuf),
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// EIO: nothing was done. A failed sync leaves the file's unsynced bytes readable and never writes them, as Linux does.
    Io,
    /// ENOSPC: nothing was done.
    NoSpace,
    /// A write stops half-way with ENOSPC; other calls fail as with [`Fault::Io`].
    Short,
}

/// Real files below a folder. Clones share the record.
#[derive(Clone)]
pub struct RecordingStorage {
    root: PathBuf,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    changes: Vec<Change>,
    calls: u64,
    fault: Option<(u64, Fault)>,
    struck: Option<String>,
}

impl RecordingStorage {
    /// Records what happens below `root`, which exists and is empty.
    pub fn new(root: &Path) -> Self {
        RecordingStorage { root: root.to_owned(), state: Arc::default() }
    }

    /// The call after `calls` more good ones fails; those after it work again.
    pub fn fail_after(&self, calls: u64, fault: Fault) {
        let mut state = self.state();
        state.fault = Some((state.calls + calls, fault));
        state.struck = None;
    }

    /// Which call failed as [`Self::fail_after`] asked, if one has.
    pub fn struck(&self) -> Option<String> {
        self.state().struck.clone()
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// How many changes were made so far.
    pub fn len(&self) -> usize {
        self.state().changes.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was done so far, in order.
    pub fn changes(&self) -> Vec<Change> {
        self.state().changes.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn relative(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap_or_else(|_| panic!("{} is not below {}", path.display(), self.root.display())).to_owned()
    }

    /// Counts a call, and says how it is to fail.
    fn call(&self, what: &str, path: &Path) -> Option<Fault> {
        let mut state = self.state();
        let number = state.calls;
        state.calls += 1;
        let (_, fault) = state.fault.take_if(|(at, _)| *at == number)?;
        state.struck = Some(format!("{what} {} ({fault:?})", self.relative(path).display()));
        Some(fault)
    }

    /// A call that changes something: fails as asked, or does it and writes it down.
    fn change<T>(&self, what: &str, path: &Path, change: Change, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.read_call(what, path)?;
        // Held over the act, so that the record is in the order of what happened.
        let mut state = self.state();
        let done = act()?;
        state.changes.push(change);
        Ok(done)
    }

    fn read_call(&self, what: &str, path: &Path) -> io::Result<()> {
        self.call(what, path).map_or(Ok(()), |fault| Err(error(fault)))
    }

    fn file(&self, path: &Path, file: Arc<dyn AppendFile>) -> Arc<dyn AppendFile> {
        Arc::new(RecordedFile { storage: self.clone(), path: path.to_owned(), file })
    }
}

fn error(fault: Fault) -> io::Error {
    match fault {
        Fault::Io => io::Error::from_raw_os_error(libc::EIO),
        Fault::NoSpace | Fault::Short => io::Error::from_raw_os_error(libc::ENOSPC),
    }
}

struct RecordedFile {
    storage: RecordingStorage,
    path: PathBuf,
    file: Arc<dyn AppendFile>,
}

impl AppendFile for RecordedFile {
    fn append(&self, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let fault = self.storage.call("append", &self.path);
        let mut bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        match fault {
            None => {}
            Some(Fault::Short) => bytes.truncate(bytes.len() / 2),
            Some(fault) => return Err(error(fault)),
        }
        let mut state = self.storage.state();
        let at = self.file.len()?;
        self.file.append(&[IoSlice::new(&bytes)])?;
        state.changes.push(Change::Write { path: self.storage.relative(&self.path), at, bytes });
        fault.map_or(Ok(()), |fault| Err(error(fault)))
    }

    fn preallocate(&self, bytes: u64) -> io::Result<()> {
        let fault = self.storage.call("make room in", &self.path);
        let written = match fault {
            None => bytes,
            Some(Fault::Short) => bytes / 2,
            Some(fault) => return Err(error(fault)),
        };
        let mut state = self.storage.state();
        let at = self.file.len()?;
        self.file.preallocate(written)?;
        state.changes.push(Change::Write { path: self.storage.relative(&self.path), at, bytes: vec![0; written as usize] });
        fault.map_or(Ok(()), |fault| Err(error(fault)))
    }

    fn sync_data(&self) -> io::Result<()> {
        let fault = self.storage.call("sync", &self.path);
        let change = Change::Sync { path: self.storage.relative(&self.path), done: fault.is_none() };
        self.storage.state().changes.push(change);
        fault.map_or(Ok(()), |fault| Err(error(fault)))
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let change = Change::Truncate { path: self.storage.relative(&self.path), len };
        self.storage.change("truncate", &self.path, change, || self.file.truncate(len))
    }

    fn len(&self) -> io::Result<u64> {
        self.storage.read_call("look at", &self.path)?;
        self.file.len()
    }
}

impl Storage for RecordingStorage {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn AppendFile>> {
        let file = self.change("create", path, Change::Create(self.relative(path)), || OsStorage.create(path))?;
        Ok(self.file(path, file))
    }

    fn open_append(&self, path: &Path) -> io::Result<Arc<dyn AppendFile>> {
        self.read_call("open", path)?;
        Ok(self.file(path, OsStorage.open_append(path)?))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.read_call("read", path)?;
        OsStorage.read(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.change("create the folder", path, Change::CreateDir(self.relative(path)), || OsStorage.create_dir(path))
    }

    fn write_again(&self, path: &Path, from: u64, to: u64) -> io::Result<()> {
        let bytes = OsStorage.read(path)?[from as usize..to as usize].to_vec();
        let change = Change::Write { path: self.relative(path), at: from, bytes };
        self.change("write again", path, change, || OsStorage.write_again(path, from, to))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let change = Change::Rename { from: self.relative(from), to: self.relative(to) };
        self.change("rename", from, change, || OsStorage.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change("remove", path, Change::Remove(self.relative(path)), || OsStorage.remove(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.read_call("list", dir)?;
        OsStorage.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if !dir.starts_with(&self.root) {
            // What is not recorded is not lost.
            return Ok(());
        }
        self.change("sync the folder", dir, Change::SyncDir(self.relative(dir)), || Ok(()))
    }
}
