//! A lock on a file that the operating system keeps for a process, and lets go of when the process dies.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::LogError;

/// A look at who holds a lock (see [`holder`]) has it for a moment itself.
const TRIES: u32 = 5;
const RETRY_AFTER: Duration = Duration::from_millis(2);

/// Held for as long as it lives. The file says who holds it.
#[derive(Debug)]
pub(crate) struct Held {
    file: File,
    path: PathBuf,
}

/// The lock belongs to all descriptors that were copied from this one, and a process that is just being started has copies of all of them
/// for a moment: closing ours would not be enough.
impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

impl Held {
    /// The lock, or `None` where another one holds it.
    pub fn try_take(path: &Path, holder: &str) -> Result<Option<Held>, LogError> {
        for attempt in 0..TRIES {
            if attempt > 0 {
                std::thread::sleep(RETRY_AFTER);
            }
            let file = open(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(e)) => return Err(LogError::io("lock", path)(e)),
            }
            if let Some(held) = Held::of(file, path) {
                match held.say(holder).map_err(LogError::io("write", path)) {
                    // Who it is only messages ask; and upkeep is what makes room.
                    Err(LogError::DiskFull { .. }) => {}
                    said => said?,
                }
                return Ok(Some(held));
            }
        }
        Ok(None)
    }

    /// The lock, once those who hold it now are done.
    pub fn take(path: &Path) -> Result<Held, LogError> {
        loop {
            let file = open(path)?;
            file.lock().map_err(LogError::io("lock", path))?;
            if let Some(held) = Held::of(file, path) {
                return Ok(held);
            }
        }
    }

    /// The lock of a topic's one writer, or of who else there is one of, for this process.
    pub fn for_this_process(path: &Path, topic: &str) -> Result<Held, LogError> {
        let this = format!("process {}{}\n", std::process::id(), start_time().map(|t| format!(" (start time {t})")).unwrap_or_default());
        Held::try_take(path, &this)?.ok_or_else(|| {
            let holder = holder(path).ok().flatten().map(|h| h.trim().to_owned()).filter(|h| !h.is_empty());
            LogError::Locked { topic: topic.to_owned(), holder: holder.unwrap_or_else(|| "another process".to_owned()) }
        })
    }

    /// Lets go of it, and takes the file away before anybody else can hold it.
    pub fn remove(self) {
        let _ = fs::remove_file(&self.path);
    }

    /// A locked file. It may have been taken away between the opening and the locking: then the lock is on nothing.
    fn of(file: File, path: &Path) -> Option<Held> {
        let held = Held { file, path: path.to_owned() };
        is_at(&held.file, path).then_some(held)
    }

    fn say(&self, holder: &str) -> std::io::Result<()> {
        let mut file = &self.file;
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(holder.as_bytes())
    }
}

/// Who holds the lock of a file; `None` where nobody does.
pub(crate) fn holder(path: &Path) -> Result<Option<String>, LogError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(LogError::io("open", path)(e)),
    };
    // TopicState, so that looks do not see one another.
    match file.try_lock_shared() {
        Ok(()) => {
            let _ = file.unlock();
            return Ok(None);
        }
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(e)) => return Err(LogError::io("lock", path)(e)),
    }
    let mut holder = String::new();
    file.read_to_string(&mut holder).map_err(LogError::io("read", path))?;
    Ok(Some(holder))
}

fn open(path: &Path) -> Result<File, LogError> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(LogError::io("open", path))
}

fn is_at(file: &File, path: &Path) -> bool {
    let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    file.metadata().is_ok_and(|mine| fs::metadata(path).is_ok_and(|there| same(&mine, &there)))
}

/// When this process started, in clock ticks since boot (field 22 of /proc/self/stat): tells a process from a later one of its number.
fn start_time() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_and_others_are_told_who() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert_eq!(holder(&path).unwrap(), None);
        let held = Held::try_take(&path, "ann").unwrap().unwrap();
        assert_eq!(holder(&path).unwrap().as_deref(), Some("ann"));
        assert!(Held::try_take(&path, "bob").unwrap().is_none());
        drop(held);
        assert_eq!(holder(&path).unwrap(), None);
        let held = Held::try_take(&path, "bob").unwrap().unwrap();
        assert_eq!(holder(&path).unwrap().as_deref(), Some("bob"));
        held.remove();
        assert!(!path.exists());
    }

    #[test]
    fn a_copy_of_the_descriptor_does_not_keep_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = Held::try_take(&path, "ann").unwrap().unwrap();
        // What a process has that is just being started.
        let _copy = held.file.try_clone().unwrap();
        drop(held);
        assert_eq!(holder(&path).unwrap(), None);
        assert!(Held::try_take(&path, "bob").unwrap().is_some());
    }
}
