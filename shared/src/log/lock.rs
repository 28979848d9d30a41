//! The topic's write lock: one writer at a time, and a second one is told who holds it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use super::error::LogError;

const TRIES_MAX: u32 = 5;
const RETRY_AFTER: Duration = Duration::from_millis(2);

/// Held for as long as it lives; the operating system lets go of it when the process dies.
pub(crate) struct WriteLock(#[allow(dead_code)] File);

impl WriteLock {
    pub fn take(path: &Path, topic: &str) -> Result<WriteLock, LogError> {
        let mut file = open(path)?;
        // A probe (see `is_held`) has the lock for a moment only.
        let mut tries = 1..=TRIES_MAX;
        while !flock(&file) {
            if tries.next().is_some() {
                std::thread::sleep(RETRY_AFTER);
                continue;
            }
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let holder = if holder.trim().is_empty() { "another process".to_owned() } else { holder.trim().to_owned() };
            return Err(LogError::Locked { topic: topic.to_owned(), holder });
        }
        let holder = format!("process {}{}\n", std::process::id(), start_time().map(|t| format!(" (start time {t})")).unwrap_or_default());
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(holder.as_bytes()))
            .map_err(LogError::io("write", path))?;
        Ok(WriteLock(file))
    }

    /// Whether a writer lives.
    pub fn is_held(path: &Path) -> bool {
        // The probe takes the lock for a moment: shared, so that probes do not see one another.
        open(path).is_ok_and(|file| !flock_with(&file, libc::LOCK_SH))
    }
}

fn open(path: &Path) -> Result<File, LogError> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(LogError::io("open", path))
}

fn flock(file: &File) -> bool {
    flock_with(file, libc::LOCK_EX)
}

fn flock_with(file: &File, how: libc::c_int) -> bool {
    // SAFETY: a call on a descriptor that is open.
    unsafe { libc::flock(file.as_raw_fd(), how | libc::LOCK_NB) == 0 }
}

/// When this process started, in clock ticks since boot (field 22 of /proc/self/stat): tells a process from a later one of its number.
fn start_time() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}
