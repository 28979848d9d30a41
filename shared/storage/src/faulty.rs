//! Files that tear and fail.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::{AppendFile, OsStorage, Storage};

/// Real files whose writes and syncs fail on command: for tests.
///
/// Once a fault has struck, every later change fails too, as if the process had died there, until [`Self::heal`].
#[derive(Clone, Default)]
pub struct FaultyStorage {
    plan: Arc<Mutex<Plan>>,
}

#[derive(Default)]
struct Plan {
    /// Bytes that may still be written; `None` for any number.
    bytes_left: Option<u64>,
    /// Syncs that may still succeed; `None` for any number.
    syncs_left: Option<u64>,
    /// The error of a torn write.
    kind: Option<io::ErrorKind>,
    struck: bool,
    /// Whether a failed write lets the writer truncate what it left behind (a full disk does, a crash does not).
    truncate_works: bool,
}

impl Plan {
    fn error(&self) -> io::Error {
        self.kind.map_or_else(|| io::Error::other("injected crash"), io::Error::from)
    }
}

impl FaultyStorage {
    /// The process dies after `bytes` more bytes: the write that reaches that byte is torn there.
    pub fn crash_after_bytes(&self, bytes: u64) {
        self.set(Plan { bytes_left: Some(bytes), ..Plan::default() });
    }

    /// The disk is full after `bytes` more bytes: the write that reaches that byte is cut short there.
    pub fn full_after_bytes(&self, bytes: u64) {
        self.set(Plan { bytes_left: Some(bytes), kind: Some(io::ErrorKind::StorageFull), truncate_works: true, ..Plan::default() });
    }

    /// The sync after `syncs` more good ones fails.
    pub fn fail_sync_after(&self, syncs: u64) {
        self.set(Plan { syncs_left: Some(syncs), truncate_works: true, ..Plan::default() });
    }

    /// Everything works again.
    pub fn heal(&self) {
        self.set(Plan::default());
    }

    /// Whether the fault has struck.
    pub fn struck(&self) -> bool {
        self.plan().struck
    }

    fn set(&self, plan: Plan) {
        *self.plan() = plan;
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> io::Result<()> {
        let plan = self.plan();
        if plan.struck && !plan.truncate_works { Err(io::Error::other("injected crash")) } else { Ok(()) }
    }
}

struct FaultyFile {
    storage: FaultyStorage,
    file: Arc<dyn AppendFile>,
}

impl AppendFile for FaultyFile {
    fn append(&self, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let mut plan = self.storage.plan();
        let len: u64 = parts.iter().map(|p| p.len() as u64).sum();
        let allowed = if plan.struck { 0 } else { plan.bytes_left.unwrap_or(u64::MAX).min(len) };
        if allowed == len && !plan.struck {
            if let Some(left) = &mut plan.bytes_left {
                *left -= len;
            }
            return self.file.append(parts);
        }
        plan.struck = true;
        let bytes: Vec<u8> = parts.iter().flat_map(|p| p.iter().copied()).take(allowed as usize).collect();
        self.file.append(&[IoSlice::new(&bytes)])?;
        Err(plan.error())
    }

    fn preallocate(&self, bytes: u64) -> io::Result<()> {
        let mut plan = self.storage.plan();
        let allowed = if plan.struck { 0 } else { plan.bytes_left.unwrap_or(u64::MAX).min(bytes) };
        self.file.preallocate(allowed)?;
        if let Some(left) = &mut plan.bytes_left {
            *left -= allowed;
        }
        if allowed == bytes && !plan.struck {
            return Ok(());
        }
        plan.struck = true;
        Err(plan.error())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut plan = self.storage.plan();
        if plan.struck || plan.syncs_left == Some(0) {
            plan.struck = true;
            return Err(io::Error::other("injected sync failure"));
        }
        if let Some(left) = &mut plan.syncs_left {
            *left -= 1;
        }
        self.file.sync_data()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.storage.change()?;
        self.file.truncate(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}

impl Storage for FaultyStorage {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn AppendFile>> {
        self.change()?;
        Ok(Arc::new(FaultyFile { storage: self.clone(), file: OsStorage.create(path)? }))
    }

    fn open_append(&self, path: &Path) -> io::Result<Arc<dyn AppendFile>> {
        Ok(Arc::new(FaultyFile { storage: self.clone(), file: OsStorage.open_append(path)? }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        OsStorage.read(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        OsStorage.create_dir(path)
    }

    fn write_again(&self, path: &Path, from: u64, to: u64) -> io::Result<()> {
        self.change()?;
        OsStorage.write_again(path, from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change()?;
        OsStorage.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        OsStorage.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        OsStorage.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.change()?;
        OsStorage.sync_dir(dir)
    }
}
