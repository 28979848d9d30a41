//! A lock on a file that the operating system keeps for a process, and lets go of when the process dies.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::log::error::LogError;

/// A look at who holds a lock (see [`holder`]) has it for a moment itself.
const TRIES: u32 = 4;
const RETRY_AFTER: Duration = Duration::from_millis(1);

/// Held for as long as it lives. The file says who holds it.
#[derive(Debug)]
pub(in crate::log) struct Held {
    #[allow(dead_code)]
    file: File,
    path: PathBuf,
}

impl Held {
    /// The lock, or `None` where another one holds it.
    pub fn try_take(path: &Path, holder: &str) -> Result<Option<Held>, LogError> {
        for attempt in 0..TRIES {
            if attempt > 0 {
                std::thread::sleep(RETRY_AFTER);
            }
            if let Some(held) = Self::attempt(path, libc::LOCK_EX | libc::LOCK_NB)? {
                held.say(holder).map_err(LogError::io("write", path))?;
                return Ok(Some(held));
            }
        }
        Ok(None)
    }

    /// The lock, once those who hold it now are done.
    pub fn take(path: &Path) -> Result<Held, LogError> {
        loop {
            if let Some(held) = Self::attempt(path, libc::LOCK_EX)? {
                return Ok(held);
            }
        }
    }

    /// Lets go of it, and takes the file away before anybody else can hold it.
    pub fn remove(self) {
        let _ = fs::remove_file(&self.path);
    }

    fn attempt(path: &Path, how: libc::c_int) -> Result<Option<Held>, LogError> {
        let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = open().map_err(LogError::io("open", path))?;
        // The file may have been taken away between the opening and the locking: then the lock is on nothing.
        Ok((flock(&file, how) && is_at(&file, path)).then(|| Held { file, path: path.to_owned() }))
    }

    fn say(&self, holder: &str) -> std::io::Result<()> {
        let mut file = &self.file;
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(holder.as_bytes())
    }
}

/// Who holds the lock of a file; `None` where nobody does.
pub(super) fn holder(path: &Path) -> Result<Option<String>, LogError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(LogError::io("open", path)(e)),
    };
    // Shared, so that looks do not see one another.
    if flock(&file, libc::LOCK_SH | libc::LOCK_NB) {
        return Ok(None);
    }
    let mut holder = String::new();
    file.read_to_string(&mut holder).map_err(LogError::io("read", path))?;
    Ok(Some(holder))
}

fn flock(file: &File, how: libc::c_int) -> bool {
    // SAFETY: a call on a descriptor that is open.
    unsafe { libc::flock(file.as_raw_fd(), how) == 0 }
}

fn is_at(file: &File, path: &Path) -> bool {
    let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    file.metadata().is_ok_and(|mine| fs::metadata(path).is_ok_and(|there| same(&mine, &there)))
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
}
