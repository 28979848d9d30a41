//! Where segments that were fetched from an object store lie, so that they can be mapped: a folder of the topic that all processes
//! share, of a bounded size (what several fetch at the same moment may exceed it for that moment). What was not used longest goes first. Nothing in it matters: it can be removed at any time.
//!
//! A file is put together beside its place and checked before it is moved there. One process fetches; others that want the same object
//! wait for it. Who has a file mapped keeps its bytes, also when it is removed.

use std::fs::{self, File};
use std::io::{self, ErrorKind, IoSlice, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use twopath_storage::{Storage, remove_if_there, write_atomically};

use crate::error::LogError;
use crate::lock::Held;
use crate::tier::object::Object;
use twopath_base::checksum::Crc32c;

/// How large the cache grows unless told otherwise.
pub(crate) const CACHE_BYTES: u64 = 1 << 30;
const PART: &str = ".part";
const LOCK: &str = ".lock";
/// Bytes that are read at once to check a file.
const CHECK_BYTES: usize = 1 << 20;

pub(crate) struct Cache {
    dir: PathBuf,
    /// Says how large it may be.
    limit: PathBuf,
    storage: Arc<dyn Storage>,
}

impl Cache {
    pub fn of(topic_dir: &Path, storage: Arc<dyn Storage>) -> Cache {
        Cache { dir: topic_dir.join("cache"), limit: topic_dir.join("cache-bytes"), storage }
    }

    /// How large it may be, in bytes. One segment fits in any case.
    pub fn limit(&self) -> Result<u64, LogError> {
        match fs::read_to_string(&self.limit) {
            Ok(text) => text.trim().parse().map_err(|_| LogError::corrupt(&self.limit, 0, "this is no number of bytes")),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(CACHE_BYTES),
            Err(e) => Err(LogError::io("read", &self.limit)(e)),
        }
    }

    pub fn set_limit(&self, bytes: u64) -> Result<(), LogError> {
        write_atomically(&*self.storage, &self.limit, format!("{bytes}\n").as_bytes()).map_err(LogError::io("write", &self.limit))
    }

    /// Where an object lies once it was fetched.
    pub fn path(&self, object: &Object) -> PathBuf {
        self.dir.join(object.name.replace('/', "_"))
    }

    /// An object's file: as it lies here, or fetched. `checked` says that this process has checked what lies here before.
    pub fn file(&self, object: &Object, checked: bool) -> Result<File, LogError> {
        let path = self.path(object);
        if let Some(file) = self.there(&path, object, checked)? {
            return Ok(file);
        }
        self.storage.create_dir(&self.dir).map_err(|e| self.failed(object, e))?;
        let mut lock = path.clone();
        lock.as_mut_os_string().push(LOCK);
        let lock = Held::take(&lock).map_err(|e| match e {
            LogError::DiskFull { .. } => self.full(object),
            other => other,
        })?;
        // Another one may have fetched it meanwhile.
        let file = match self.there(&path, object, false) {
            Ok(None) => self.fetch(&path, object),
            Ok(Some(file)) => Ok(file),
            Err(e) => Err(e),
        };
        lock.remove();
        file
    }

    /// The file if it is here and whole; what is not whole (the machine died while it was written) is removed.
    fn there(&self, path: &Path, object: &Object, checked: bool) -> Result<Option<File>, LogError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(LogError::io("open", path)(e)),
        };
        let len = file.metadata().map_err(LogError::io("look at", path))?.len();
        if len == object.bytes && (checked || checksum(&file).map_err(LogError::io("read", path))? == object.crc) {
            // It was used now. Where that cannot be noted, it only goes earlier.
            let _ = file.set_modified(SystemTime::now());
            return Ok(Some(file));
        }
        tracing::warn!(file = %path.display(), "a fetched segment is damaged, and is fetched again");
        self.remove(path)?;
        Ok(None)
    }

    fn fetch(&self, path: &Path, object: &Object) -> Result<File, LogError> {
        self.evict_for(object.bytes, self.limit()?)?;
        match self.try_fetch(path, object) {
            // As the disk is full, the cache must be smaller than it may be.
            Err(LogError::CacheFull { .. }) => {
                self.evict_for(object.bytes, 0)?;
                self.try_fetch(path, object)
            }
            other => other,
        }
    }

    fn try_fetch(&self, path: &Path, object: &Object) -> Result<File, LogError> {
        let mut part = path.to_owned();
        part.as_mut_os_string().push(PART);
        self.remove(&part)?;
        let fetched = self.write(&part, object).and_then(|()| {
            let file = File::open(&part).map_err(LogError::io("open", &part))?;
            self.storage.rename(&part, path).map_err(|e| self.failed(object, e))?;
            Ok(file)
        });
        if fetched.is_err() {
            let _ = self.storage.remove(&part);
        }
        fetched
    }

    fn write(&self, part: &Path, object: &Object) -> Result<(), LogError> {
        let file = self.storage.create(part).map_err(|e| self.failed(object, e))?;
        object.read(|bytes| file.append(&[IoSlice::new(bytes)]).map_err(|e| self.failed(object, e)))
    }

    /// Removes what was not used longest, until the rest and `bytes` more are at most `limit`.
    fn evict_for(&self, bytes: u64, limit: u64) -> Result<(), LogError> {
        let list = || -> io::Result<Vec<(SystemTime, u64, PathBuf)>> {
            let mut files = Vec::new();
            for entry in fs::read_dir(&self.dir)? {
                let entry = entry?;
                // Removed by another process meanwhile, or a lock: not ours to count.
                if let Ok(meta) = entry.metadata()
                    && !entry.file_name().to_string_lossy().ends_with(LOCK)
                {
                    files.push((meta.modified()?, meta.len(), entry.path()));
                }
            }
            Ok(files)
        };
        let mut files = list().map_err(LogError::io("list", &self.dir))?;
        files.sort();
        let mut used: u64 = files.iter().map(|(_, len, _)| len).sum();
        for (_, len, path) in files {
            if used + bytes <= limit {
                break;
            }
            if self.evict(&path)? {
                used -= len;
            }
        }
        Ok(())
    }

    /// Removes a file, unless somebody is writing it.
    fn evict(&self, path: &Path) -> Result<bool, LogError> {
        let Some(whole) = path.to_str().and_then(|p| p.strip_suffix(PART)) else {
            return self.remove(path).map(|()| true);
        };
        let Some(lock) = Held::try_take(format!("{whole}{LOCK}").as_ref(), "")? else {
            return Ok(false);
        };
        let removed = self.remove(path);
        lock.remove();
        removed.map(|()| true)
    }

    fn remove(&self, path: &Path) -> Result<(), LogError> {
        remove_if_there(&*self.storage, path).map_err(LogError::io("remove", path))
    }

    fn full(&self, object: &Object) -> LogError {
        LogError::CacheFull { dir: self.dir.clone(), object: object.address() }
    }

    fn failed(&self, object: &Object, error: io::Error) -> LogError {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => self.full(object),
            _ => LogError::io("write to", &self.dir)(error),
        }
    }
}

fn checksum(mut file: &File) -> io::Result<u32> {
    let mut crc = Crc32c::new();
    let mut buffer = vec![0; CHECK_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(crc.value()),
            n => crc.update(&buffer[..n]),
        }
    }
}
