//! The local index: groups by key in a fjall database, which one process at a time has open.
//!
//! ```text
//! generation (8 bytes, the greatest first) and key → accumulators
//! "head"                                           → the head
//! "log"                                            → up to which offset of the changelog it is all in here
//! "torn"                                           → what is in here goes beyond the head
//! ```
//!
//! All of it is in one keyspace: the database's journal goes once what stands in it is in files, and a keyspace that is hardly written would keep it for long,
//! to be read at each start.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot};
use twopath_base::Offset;

use super::slices::Slices;
use super::store::{Group, StoreError};

// Shorter than a generation, so that they are no group's.
const HEAD: &str = "head";
const CHANGELOG: &str = "log";
const TORN: &str = "torn";

/// Of what an index may have in memory, the share of blocks that were read: what makes reading a group that has not changed for long not go to the disk.
const CACHE_SHARE: u64 = 4;
/// The share of what was written and is not in files yet. While it goes there, there is another one.
const WRITTEN_SHARE: u64 = 16;
/// fjall takes no less.
const WRITTEN_MIN: u64 = 1 << 20;
/// More makes nothing faster.
const WRITTEN_MAX: u64 = 64 << 20;

/// Groups that are handed on together.
const AT_ONCE: usize = 8192;

/// A look-up takes as long as reading on over about so many groups.
const OTHERS_PER_KEY: usize = 8;

/// From so many groups on, a change is written as files of its own: sorted as it is, it need not go through the journal and the newest writes, of which each
/// group is a search. Fewer are not worth the syncs.
const AS_FILES: usize = if cfg!(test) { 64 } else { 8192 };

/// So many files may wait to be put together with others: each is looked at when a group is looked up.
const FILES_MAX: usize = 20;
const LOOK_EVERY: Duration = Duration::from_millis(10);

pub(super) struct Index {
    dir: PathBuf,
    database: Database,
    keys: Keyspace,
}

/// The index as it was once.
pub(super) type Moment = Snapshot;

/// A group's generation and key, and what is to be under it; `None`: the group is removed.
pub(super) type GroupChange<'a> = (u64, &'a [u8], Option<&'a [u8]>);

/// What is changed together.
#[derive(Default)]
pub(super) struct Change<'a> {
    pub groups: Vec<GroupChange<'a>>,
    /// `None` where more belongs to it.
    pub head: Option<&'a [u8]>,
    /// Up to where the changelog is all in the index then.
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

    /// Whether what is in here goes beyond the head: more was to come.
    pub fn is_torn(&self) -> Result<bool, StoreError> {
        Ok(self.keys.get(TORN).map_err(failed)?.is_some())
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

    /// What is under keys of a generation, by key; an empty one where there is nothing. Keys in order, of which the index has few others in between, are read in
    /// one go: those of new windows, or most of all that there are.
    pub fn get_all(&self, generation: u64, keys: &Slices) -> Result<Slices, StoreError> {
        let mut found = Slices::with_room(keys.len(), 0);
        let (mut first, mut are_near, mut full) = (0, true, Vec::new());
        while first < keys.len() {
            let end = keys.len().min(first + AT_ONCE);
            if are_near && (first + 1..end).all(|i| keys[i - 1] < keys[i]) {
                first = self.scan_for(generation, keys, first..end, &mut found)?;
                are_near = first == end;
            }
            for key in (first..end).map(|i| &keys[i]) {
                let value = self.keys.get(put_together(&mut full, generation, key)).map_err(failed)?;
                found.push(&[value.as_deref().unwrap_or_default()]);
            }
            first = end;
        }
        Ok(found)
    }

    /// Finds ascending keys in what stands from the first to the last of them, as long as that is not much more than they are. Returns the first that was not looked for.
    fn scan_for(&self, generation: u64, keys: &Slices, range: Range<usize>, found: &mut Slices) -> Result<usize, StoreError> {
        let mut left = OTHERS_PER_KEY * range.len();
        let mut wanted = range.clone();
        let (low, high) = (full_key(generation, &keys[range.start]), full_key(generation, &keys[range.end - 1]));
        for guard in self.keys.range(low..=high) {
            let (key, value) = guard.into_inner().map_err(failed)?;
            let key = &key[generation.to_be_bytes().len()..];
            while !wanted.is_empty() && keys[wanted.start] < *key {
                found.push(&[]);
                wanted.start += 1;
            }
            if !wanted.is_empty() && keys[wanted.start] == *key {
                found.push(&[&value]);
                wanted.start += 1;
            } else if left == 0 {
                return Ok(wanted.start);
            } else {
                left -= 1;
            }
        }
        wanted.for_each(|_| found.push(&[]));
        Ok(range.end)
    }

    /// All groups of a generation, by key: keys, without the generation before them, and values.
    pub fn scan(&self, at: &Moment, generation: u64) -> impl Iterator<Item = Result<Group, StoreError>> + use<> {
        let prefix = generation.to_be_bytes();
        let pair = move |guard: fjall::Guard| guard.into_inner().map(|(key, value)| (key[prefix.len()..].to_vec(), value.to_vec()));
        at.prefix(&self.keys, prefix).map(move |guard| pair(guard).map_err(failed))
    }

    /// Changes groups, the head and the place in the changelog: all of it or nothing. The operating system has it when this returns. Until a change with a
    /// head has followed one without, the index is torn.
    pub fn apply(&self, change: Change<'_>) -> Result<(), StoreError> {
        if change.groups.len() >= AS_FILES {
            return self.apply_as_files(change);
        }
        let mut batch = self.database.batch().durability(Some(PersistMode::Buffer));
        let mut full = Vec::new();
        for (generation, key, value) in change.groups {
            let key = put_together(&mut full, generation, key);
            match value {
                Some(value) => batch.insert(&self.keys, key, value),
                None => batch.remove(&self.keys, key),
            }
        }
        match change.head {
            Some(head) => {
                batch.insert(&self.keys, HEAD, head);
                batch.remove(&self.keys, TORN);
            }
            None => batch.insert(&self.keys, TORN, []),
        }
        batch.insert(&self.keys, CHANGELOG, change.changelog.0.to_be_bytes());
        batch.commit().map_err(failed)
    }

    fn apply_as_files(&self, mut change: Change<'_>) -> Result<(), StoreError> {
        change.groups.sort_unstable_by_key(|&(generation, key, _)| (generation, key));
        // What changes in small steps makes room by itself; here nobody looks whether the files are put together as fast as they come.
        while self.keys.l0_table_count() >= FILES_MAX {
            self.database.persist(PersistMode::Buffer).map_err(failed)?;
            std::thread::sleep(LOOK_EVERY);
        }
        // The journal goes once it is told that what stands in it is in files.
        self.keys.rotate_memtable().map_err(failed)?;
        let mut files = self.keys.start_ingestion().map_err(failed)?;
        let mut full = Vec::new();
        for (generation, key, value) in change.groups {
            let key = put_together(&mut full, generation, key);
            match value {
                Some(value) => files.write(key, value),
                None => files.write_tombstone(key),
            }
            .map_err(failed)?;
        }
        // Behind all generations, and in their own order.
        if let Some(head) = change.head {
            files.write(HEAD, head).map_err(failed)?;
        }
        files.write(CHANGELOG, change.changelog.0.to_be_bytes()).map_err(failed)?;
        match change.head {
            Some(_) => files.write_tombstone(TORN),
            None => files.write(TORN, []),
        }
        .map_err(failed)?;
        files.finish().map_err(failed)
    }
}

/// A generation's key as it stands in the index and in the changelog.
pub(super) fn full_key(generation: u64, key: &[u8]) -> Vec<u8> {
    [&generation.to_be_bytes()[..], key].concat()
}

/// As [`full_key`], into a buffer.
fn put_together<'b>(full: &'b mut Vec<u8>, generation: u64, key: &[u8]) -> &'b [u8] {
    full.clear();
    full.extend_from_slice(&generation.to_be_bytes());
    full.extend_from_slice(key);
    full
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Keys by generation and number.
    type Model = BTreeMap<(u64, u64), Vec<u8>>;

    fn check(index: &Index, at: &Moment, model: &Model, told: &str) {
        for generation in [1, 2] {
            let found: Vec<Group> = index.scan(at, generation).collect::<Result<_, _>>().unwrap();
            let of_it = model.iter().filter(|((g, _), _)| *g == generation);
            let expected: Vec<Group> = of_it.map(|((_, key), value)| (key.to_be_bytes().to_vec(), value.clone())).collect();
            assert!(found == expected, "{told}, generation {generation}");
        }
    }

    #[test]
    fn small_and_large_changes_are_those_of_a_map() {
        for seed in 0..12_u64 {
            let mut state = seed;
            let mut below = |n: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % n
            };
            let dir = tempfile::tempdir().unwrap();
            let (mut index, mut model) = (Index::open(dir.path(), 8 << 20).unwrap(), Model::new());
            for step in 1..30_u64 {
                let told = format!("seed {seed}, step {step}");
                let (before, model_before) = (index.now(), model.clone());
                let count = [1, 10, 100, 1_000][below(4) as usize];
                let value = step.to_le_bytes();
                let changes: BTreeMap<(u64, u64), Option<&[u8]>> =
                    (0..count).map(|_| ((1 + below(2), below(1_500)), Some(&value[..]).filter(|_| below(5) > 0))).collect();
                for (key, value) in &changes {
                    match value {
                        Some(value) => drop(model.insert(*key, value.to_vec())),
                        None => drop(model.remove(key)),
                    }
                }
                let head = Some(&value[..]).filter(|_| below(4) > 0);
                let changes: Vec<_> = changes.into_iter().map(|((g, key), value)| (g, key.to_be_bytes(), value)).collect();
                let groups = changes.iter().map(|(g, key, value)| (*g, &key[..], *value)).collect();
                index.apply(Change { groups, head, changelog: Offset(step) }).unwrap();
                assert_eq!((index.changelog().unwrap(), index.is_torn().unwrap()), (Offset(step), head.is_none()), "{told}");
                check(&index, &index.now(), &model, &told);
                check(&index, &before, &model_before, &format!("{told}, as it was"));
                drop(before);

                // All of them, few, and few that are far from each other; in any order.
                let (first, apart) = (below(1_000), [1, 3, 400][below(3) as usize]);
                let mut numbers: Vec<u64> = (0..1 + below(300)).map(|i| first + i * apart).collect();
                if below(4) == 0 {
                    numbers.reverse();
                }
                let mut keys = Slices::default();
                numbers.iter().for_each(|number| keys.push(&[&number.to_be_bytes()]));
                let found = index.get_all(2, &keys).unwrap();
                let expected = numbers.iter().map(|number| model.get(&(2, *number)).map_or(&[][..], Vec::as_slice));
                assert!(found.iter().eq(expected), "{told}: {apart} apart");
                if below(5) == 0 {
                    drop(index);
                    index = Index::open(dir.path(), 8 << 20).unwrap();
                    check(&index, &index.now(), &model, &format!("{told}, opened again"));
                }
            }
        }
    }
}
