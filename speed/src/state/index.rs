//! The local index: groups by key in a fjall database, which one process at a time has open.
//!
//! ```text
//! generation (8 bytes, the greatest first) and key → accumulators
//! "head"                                           → the head
//! "log"                                            → up to which offset of the changelog it is all in here
//! ```
//!
//! All of it is in one keyspace: the database's journal goes once what stands in it is in files, and a keyspace that is hardly written would keep it for long,
//! to be read at each start.

use std::fs;
use std::path::{Path, PathBuf};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot};
use twopath_base::Offset;

use super::store::{Group, StoreError};

// Shorter than a generation, so that they are no group's.
const HEAD: &str = "head";
const CHANGELOG: &str = "log";

/// Of what an index may have in memory, the share of blocks that were read: what makes reading a group that has not changed for long not go to the disk.
const CACHE_SHARE: u64 = 2;
/// The share of what was written and is not in files yet. While it goes there, there is another one.
const WRITTEN_SHARE: u64 = 8;
/// fjall takes no less.
const WRITTEN_MIN: u64 = 1 << 20;
/// More makes nothing faster.
const WRITTEN_MAX: u64 = 64 << 20;

/// Groups that are handed on together.
const AT_ONCE: usize = 8192;

pub(super) struct Index {
    dir: PathBuf,
    database: Database,
    keys: Keyspace,
}

/// The index as it was once.
pub(super) type Moment = Snapshot;

/// What is changed together.
#[derive(Default)]
pub(super) struct Change<'a> {
    /// `None`: the group is removed.
    pub groups: Vec<(Vec<u8>, Option<&'a [u8]>)>,
    /// `None` where more belongs to it.
    pub head: Option<&'a [u8]>,
    pub changelog: Offset,
}

impl Index {
    /// Opens the index in a folder, making one where there is none; it takes about so many bytes of memory.
    ///
    /// # Errors
    /// Another process has it open, or it is damaged, or files fail.
    pub fn open(dir: &Path, memory: u64) -> Result<Index, StoreError> {
        let database = Database::builder(dir).cache_size(memory / CACHE_SHARE).worker_threads(1).open().map_err(failed)?;
        let written = (memory / WRITTEN_SHARE).clamp(WRITTEN_MIN, WRITTEN_MAX);
        let options = || KeyspaceCreateOptions::default().max_memtable_size(written);
        let keys = database.keyspace("state", options).map_err(failed)?;
        Ok(Index { dir: dir.to_owned(), database, keys })
    }

    /// Opens it anew, without what was in it.
    pub fn open_emptied(dir: &Path, memory: u64) -> Result<Index, StoreError> {
        match fs::remove_dir_all(dir) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(StoreError::Failed(e.to_string())),
            _ => Index::open(dir, memory),
        }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What messages call it.
    pub fn place(&self) -> String {
        self.dir.display().to_string()
    }

    pub fn head(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.keys.get(HEAD).map_err(failed)?.map(|head| head.to_vec()))
    }

    /// Up to which offset of the changelog it is all in here.
    pub fn changelog(&self) -> Result<Offset, StoreError> {
        let Some(offset) = self.keys.get(CHANGELOG).map_err(failed)? else { return Ok(Offset(0)) };
        let offset = offset.as_ref().try_into().map_err(|_| StoreError::Damaged("its place in the changelog is cut".into()))?;
        Ok(Offset(u64::from_be_bytes(offset)))
    }

    pub fn now(&self) -> Moment {
        self.database.snapshot()
    }

    /// What is under a key: now, or at a moment.
    pub fn get(&self, at: Option<&Moment>, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = match at {
            Some(at) => at.get(&self.keys, key),
            None => self.keys.get(key),
        };
        Ok(value.map_err(failed)?.map(|value| value.to_vec()))
    }

    /// All groups of a generation, by key: keys, without the generation before them, and values.
    pub fn scan(&self, at: &Moment, generation: u64) -> impl Iterator<Item = Result<Group, StoreError>> + use<> {
        let prefix = generation.to_be_bytes();
        let pair = move |guard: fjall::Guard| guard.into_inner().map(|(key, value)| (key[prefix.len()..].to_vec(), value.to_vec()));
        at.prefix(&self.keys, prefix).map(move |guard| pair(guard).map_err(failed))
    }

    /// Changes groups, the head and the place in the changelog: all of it or nothing. The operating system has it when this returns.
    pub fn apply(&self, change: Change<'_>) -> Result<(), StoreError> {
        let mut batch = self.database.batch().durability(Some(PersistMode::Buffer));
        for (key, value) in change.groups {
            match value {
                Some(value) => batch.insert(&self.keys, key, value),
                None => batch.remove(&self.keys, key),
            }
        }
        if let Some(head) = change.head {
            batch.insert(&self.keys, HEAD, head);
        }
        batch.insert(&self.keys, CHANGELOG, change.changelog.0.to_be_bytes());
        batch.commit().map_err(failed)
    }
}

/// A generation's key as it stands in the index and in the changelog.
pub(super) fn full_key(generation: u64, key: &[u8]) -> Vec<u8> {
    [&generation.to_be_bytes()[..], key].concat()
}

/// What [`full_key`] put together.
pub(super) fn split_key(key: &[u8]) -> Option<(u64, &[u8])> {
    let (generation, key) = key.split_first_chunk()?;
    Some((u64::from_be_bytes(*generation), key))
}

/// Groups, some thousands at a time.
pub(super) fn at_once(mut groups: impl Iterator<Item = Result<Group, StoreError>>) -> impl Iterator<Item = Result<Vec<Group>, StoreError>> {
    std::iter::from_fn(move || {
        let some: Result<Vec<Group>, StoreError> = groups.by_ref().take(AT_ONCE).collect();
        Some(some).filter(|some| !matches!(some, Ok(some) if some.is_empty()))
    })
}

fn failed(error: fjall::Error) -> StoreError {
    match error {
        fjall::Error::Locked => StoreError::Taken("another process has it open; end that one first".into()),
        fjall::Error::Io(_) | fjall::Error::Poisoned => StoreError::Failed(error.to_string()),
        _ => StoreError::Damaged(error.to_string()),
    }
}

/// Where the indexes lie in the folder of a job's local state: the job's, and that of a process that stands by.
pub(super) fn index_dirs(dir: &Path) -> [PathBuf; 2] {
    [dir.join("index"), dir.join("index-2")]
}
