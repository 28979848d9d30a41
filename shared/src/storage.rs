//! The storage seam: everything that the log's writer does to files goes through [`Storage`], so that a test can tear
//! a write at any byte or let a sync fail ([`FaultyStorage`]).
//!
//! Reading is not behind it: readers map real files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A file that is only ever appended to.
pub trait AppendFile: Send + Sync {
    /// Appends all of `parts`, in order. After an error an unknown part of them may be in the file.
    fn append(&self, parts: &[IoSlice<'_>]) -> io::Result<()>;
    /// Returns once everything appended is on the disk.
    fn sync_data(&self) -> io::Result<()>;
    /// Cuts the file to `len` bytes.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// The file's length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether it has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// What the log needs of a file system.
pub trait Storage: Send + Sync {
    /// Makes a new file for appending; it must not exist.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn AppendFile>>;
    /// Opens an existing file for appending at its end.
    fn open_append(&self, path: &Path) -> io::Result<Arc<dyn AppendFile>>;
    /// The whole file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Makes a folder and those above it.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Moves a file or folder; what a file moves onto is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The names in a folder, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Returns once the folder's entries are on the disk.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// The operating system's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsStorage;

struct OsFile(File);

/// How many slices one writev takes (POSIX guarantees 16, Linux takes 1024).
const SLICES_MAX: usize = 1024;

impl AppendFile for OsFile {
    fn append(&self, parts: &[IoSlice<'_>]) -> io::Result<()> {
        for chunk in parts.chunks(SLICES_MAX) {
            let mut left: Vec<IoSlice<'_>> = chunk.to_vec();
            let mut left = left.as_mut_slice();
            while left.iter().any(|s| !s.is_empty()) {
                match (&self.0).write_vectored(left) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(written) => IoSlice::advance_slices(&mut left, written),
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

impl Storage for OsStorage {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn AppendFile>> {
        Ok(Arc::new(OsFile(OpenOptions::new().append(true).create_new(true).open(path)?)))
    }

    fn open_append(&self, path: &Path) -> io::Result<Arc<dyn AppendFile>> {
        Ok(Arc::new(OsFile(OpenOptions::new().append(true).open(path)?)))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

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
        Err(plan.kind.map_or_else(|| io::Error::other("injected crash"), io::Error::from))
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

/// Writes a small file so that a reader sees all of it or the one before: a file beside it, synced, then renamed.
pub fn write_atomically(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside: PathBuf = path.to_owned();
    beside.as_mut_os_string().push(".new");
    match storage.remove(&beside) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let file = storage.create(&beside)?;
    file.append(&[IoSlice::new(bytes)])?;
    file.sync_data()?;
    storage.rename(&beside, path)?;
    path.parent().map_or(Ok(()), |dir| storage.sync_dir(dir))
}
