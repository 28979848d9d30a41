//! The storage seam: everything that the log's writer does to files goes through [`Storage`], so that a test can tear
//! a write at any byte or let a sync fail ([`FaultyStorage`]), let any one call fail, and see what a disk may hold after
//! the power went ([`RecordingStorage`], [`Disk`]).
//!
//! Reading is not behind it: readers map real files.
//!
//! Beside it, the seam to object stores, where sealed segments can be moved to: [`ObjectStores`], [`Objects`].
//!
//! ```
//! use twopath_storage::{FaultyStorage, OsStorage, Storage, write_atomically};
//!
//! let dir = tempfile::tempdir()?;
//! let path = dir.path().join("settings");
//! write_atomically(&OsStorage, &path, b"first")?;
//!
//! // The process dies after three bytes of the next writing: what was there is still there, whole.
//! let storage = FaultyStorage::default();
//! storage.crash_after_bytes(3);
//! assert!(write_atomically(&storage, &path, b"second").is_err());
//! assert_eq!(OsStorage.read(&path)?, b"first");
//! # Ok::<(), std::io::Error>(())
//! ```

mod disk;
mod faulty;
mod objects;
mod os;
mod recording;

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use disk::{Disk, SECTOR_BYTES};
pub use faulty::FaultyStorage;
pub use objects::{
    FaultyStores, ObjectError, ObjectFault, ObjectStores, Objects, RealStores, RecordingStores, canonical_address, check_store_address,
};
pub use os::OsStorage;
pub use recording::{Change, Fault, RecordingStorage};

/// A file that is only ever appended to, by one at a time.
pub trait AppendFile: Send + Sync {
    /// Appends all of `parts`, in order. After an error an unknown part of them may be in the file.
    fn append(&self, parts: &[IoSlice<'_>]) -> io::Result<()>;
    /// Writes so many zeros after the end, which stays where it is: later appends go over them, and as long as they do a sync has no new
    /// length of the file to bring to the disk. After an error there may be some of them.
    fn preallocate(&self, bytes: u64) -> io::Result<()>;
    /// Sets the disk to work on what was appended, and does not wait for it. Promises nothing, and reports nothing: a sync does.
    fn start_writing(&self) {}
    /// Returns once everything appended is on the disk.
    fn sync_data(&self) -> io::Result<()>;
    /// Cuts the file to `len` bytes; there is no room after them then.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Its length in bytes, without the room after its end. (Of a file that was just opened, all of it.)
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
    /// Makes the next sync write the bytes `from..to` of a file, which are there. After a sync that failed (in this process or one before it)
    /// Linux takes pages for written that are not: what is read there may never reach the disk, unless it is written again.
    fn write_again(&self, path: &Path, from: u64, to: u64) -> io::Result<()>;
    /// Moves a file or folder; what a file moves onto is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The names in a folder, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Returns once the folder's entries are on the disk.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// Removes a file, or finds it gone already.
pub fn remove_if_there(storage: &dyn Storage, path: &Path) -> io::Result<()> {
    match storage.remove(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// How many bytes the files of a folder have, and those of the folders in it; 0 where there is none. What goes meanwhile is not counted.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let dir = tempfile::tempdir()?;
/// std::fs::create_dir(dir.path().join("inner"))?;
/// std::fs::write(dir.path().join("inner/file"), [0; 7])?;
/// assert_eq!(twopath_storage::folder_bytes(dir.path()), 7);
/// # Ok(())
/// # }
/// ```
pub fn folder_bytes(dir: &Path) -> u64 {
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(m) if m.is_dir() => folder_bytes(&entry.path()),
        Ok(m) => m.len(),
        Err(_) => 0,
    };
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(bytes).sum()
}

/// Removes a folder with all that is in it: at once for those who look for it, since it is moved aside first.
pub fn remove_dir_with_content(storage: &dyn Storage, dir: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let gone = parent.join(format!(".{}.gone-{}", name.display(), std::process::id()));
    // A process of this number that died here may have left it, as those in containers do, which have the same numbers again and again.
    match std::fs::remove_dir_all(&gone) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    storage.rename(dir, &gone)?;
    storage.sync_dir(parent)?;
    std::fs::remove_dir_all(&gone)
}

/// Makes a folder and those above it that are missing, so that none of them is lost with the machine: each is on the disk before the next one
/// below it is made.
pub fn create_dir_durably(storage: &dyn Storage, dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let missing: Vec<&Path> = dir.ancestors().take_while(|d| !d.as_os_str().is_empty() && (*d == dir || !d.exists())).collect();
    if let Some(there) = missing.last().and_then(|highest| highest.parent()) {
        // Who made it may have died before its entry was on the disk.
        sync_entry(storage, there)?;
    }
    missing.into_iter().rev().try_for_each(|dir| {
        storage.create_dir(dir)?;
        sync_entry(storage, dir)
    })
}

/// Syncs the folder that holds a folder, unless that is one that this user may not open: then its entries are not this user's to make durable.
pub fn sync_entry(storage: &dyn Storage, dir: &Path) -> io::Result<()> {
    let Some(parent) = dir.parent() else { return Ok(()) };
    match storage.sync_dir(if parent.as_os_str().is_empty() { Path::new(".") } else { parent }) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

/// Writes a small file so that a reader sees all of it or the one before: a file beside it, synced, then renamed.
pub fn write_atomically(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside: PathBuf = path.to_owned();
    beside.as_mut_os_string().push(".new");
    remove_if_there(storage, &beside)?;
    let file = storage.create(&beside)?;
    file.append(&[IoSlice::new(bytes)])?;
    file.sync_data()?;
    storage.rename(&beside, path)?;
    path.parent().map_or(Ok(()), |dir| storage.sync_dir(dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Also where making it failed at some call, and was tried again.
    #[test]
    fn no_level_of_a_new_folder_is_lost_with_the_power() {
        let mut state = 5_u64;
        let mut draw = move |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        for calls in 0.. {
            let root = tempfile::tempdir().unwrap();
            let dir = root.path().join("a/b/c/d");
            let storage = RecordingStorage::new(root.path());
            storage.fail_after(calls, Fault::Io);
            if create_dir_durably(&storage, &dir).is_err() {
                create_dir_durably(&storage, &dir).unwrap();
            }
            let mut disk = Disk::default();
            storage.changes().iter().for_each(|change| disk.apply(change));
            for _ in 0..50 {
                let image = tempfile::tempdir().unwrap();
                disk.image(image.path(), &mut draw).unwrap();
                // Whoever uses the folder syncs its entry where the call that was to do so failed, as the log's writer does.
                let sure = if storage.struck().is_some() { "a/b/c" } else { "a/b/c/d" };
                assert!(image.path().join(sure).is_dir(), "{calls} calls, {:?}", storage.struck());
            }
            if storage.struck().is_none() {
                assert!(calls >= 8, "four folders, each made and synced");
                return;
            }
        }
    }
}
