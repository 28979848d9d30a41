//! The local index: groups by key in a fjall database, which one process at a time has open.
//!
//! ```text
//! groups    generation (8 bytes, the greatest first) and key → accumulators
//! meta      "head" → the head; "changelog" → up to which offset of the changelog it is all in here
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use twopath_base::Offset;

use super::store::{Group, StoreError};

const HEAD: &str = "head";
const CHANGELOG: &str = "changelog";

/// For blocks of the index in memory: what makes reading a group that has not changed for long not go to the disk.
const CACHE_BYTES: u64 = 64 << 20;

pub(super) struct Index {
    database: Database,
    groups: Keyspace,
    meta: Keyspace,
}

/// What one step changes.
#[derive(Default)]
pub(super) struct Change<'a> {
    /// `None`: the group is removed.
    pub groups: Vec<(Vec<u8>, Option<&'a [u8]>)>,
    pub head: &'a [u8],
    pub changelog: Offset,
}

impl Index {
    /// Opens the index in a folder, making one where there is none.
    ///
    /// # Errors
    /// Another process has it open, or it is damaged, or files fail.
    pub fn open(dir: &Path) -> Result<Index, StoreError> {
        let database = Database::builder(dir).cache_size(CACHE_BYTES).worker_threads(1).open().map_err(failed)?;
        let keyspace = |name| database.keyspace(name, KeyspaceCreateOptions::default).map_err(failed);
        let (groups, meta) = (keyspace("groups")?, keyspace("meta")?);
        Ok(Index { database, groups, meta })
    }

    /// Opens it anew, without what was in it.
    pub fn open_emptied(dir: &Path) -> Result<Index, StoreError> {
        match fs::remove_dir_all(dir) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(StoreError::Failed(e.to_string())),
            _ => Index::open(dir),
        }
    }

    pub fn head(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.meta.get(HEAD).map_err(failed)?.map(|head| head.to_vec()))
    }

    /// Up to which offset of the changelog it is all in here.
    pub fn changelog(&self) -> Result<Offset, StoreError> {
        let Some(offset) = self.meta.get(CHANGELOG).map_err(failed)? else { return Ok(Offset(0)) };
        let offset = offset.as_ref().try_into().map_err(|_| StoreError::Damaged("its place in the changelog is cut".into()))?;
        Ok(Offset(u64::from_be_bytes(offset)))
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.groups.get(key).map_err(failed)?.map(|value| value.to_vec()))
    }

    /// All groups of a generation: keys, without the generation before them, and values.
    pub fn scan(&self, generation: u64) -> Result<Vec<Group>, StoreError> {
        let prefix = generation.to_be_bytes();
        let pair = |guard: fjall::Guard| guard.into_inner().map(|(key, value)| (key[prefix.len()..].to_vec(), value.to_vec()));
        self.groups.prefix(prefix).map(|guard| pair(guard).map_err(failed)).collect()
    }

    /// Changes groups, the head and the place in the changelog: all of it or nothing. The operating system has it when this returns.
    pub fn apply(&self, change: Change<'_>) -> Result<(), StoreError> {
        let mut batch = self.database.batch().durability(Some(PersistMode::Buffer));
        for (key, value) in change.groups {
            match value {
                Some(value) => batch.insert(&self.groups, key, value),
                None => batch.remove(&self.groups, key),
            }
        }
        batch.insert(&self.meta, HEAD, change.head);
        batch.insert(&self.meta, CHANGELOG, change.changelog.0.to_be_bytes());
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

fn failed(error: fjall::Error) -> StoreError {
    match error {
        fjall::Error::Locked => StoreError::Failed("another process has it open; end that one first".into()),
        fjall::Error::Io(_) | fjall::Error::Poisoned => StoreError::Failed(error.to_string()),
        _ => StoreError::Damaged(error.to_string()),
    }
}

/// Where the index lies in the folder of a job's local state.
pub(super) fn index_dir(dir: &Path) -> PathBuf {
    dir.join("index")
}
