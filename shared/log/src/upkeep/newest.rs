//! The newest offset of each key, of as many keys as may be in memory: what compaction looks for, in several passes where there are more.

use std::hash::BuildHasher;
use std::ops::RangeInclusive;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use smallvec::SmallVec;
use twopath_base::Offset;

/// So many keys are known at once: where there are more, those of a part of the hashes are looked for at a time, and the keys are read again for the
/// others. So memory does not grow with the number of keys (but for a bit for each record).
pub const KEYS_IN_MEMORY: usize = if cfg!(test) { 4 } else { 448 << 10 };

/// The newest offset so far of each key of some hashes. Short keys stand in the table itself, so that it has one miss of the caches for each record.
pub(super) struct NewestOffsets {
    table: HashTable<(SmallVec<[u8; 16]>, Offset)>,
    hasher: foldhash::fast::RandomState,
    /// Of keys; others are passed over.
    hashes: RangeInclusive<u64>,
    /// Of the NULL key, which is a key like any other, and no empty text.
    null: Option<Offset>,
}

impl Default for NewestOffsets {
    fn default() -> Self {
        NewestOffsets { table: HashTable::new(), hasher: foldhash::fast::RandomState::default(), hashes: 0..=u64::MAX, null: None }
    }
}

impl NewestOffsets {
    /// Whether it is about the first of the hashes.
    pub fn is_first_pass(&self) -> bool {
        *self.hashes.start() == 0
    }

    /// Forgets the keys, and turns to those of the hashes that follow. Returns whether there are none.
    pub fn go_on(&mut self) -> bool {
        self.table.clear();
        self.null = None;
        let is_done = *self.hashes.end() == u64::MAX;
        self.hashes = self.hashes.end().wrapping_add(1)..=u64::MAX;
        is_done
    }

    /// Leaves the half with the greater hashes to a later pass.
    fn halve(&mut self) {
        let (from, to) = self.hashes.clone().into_inner();
        self.hashes = from..=from + (to - from) / 2;
        let (hasher, hashes) = (&self.hasher, &self.hashes);
        self.table.retain(|(key, _)| hashes.contains(&hasher.hash_one(&key[..])));
    }

    /// The hash of a key. Also reads what [`replace`](Self::replace) will look at, without waiting for it: for some keys one after the other
    /// the misses of the caches run side by side.
    pub fn hash(&self, key: &[u8]) -> u64 {
        let hash = self.hasher.hash_one(key);
        std::hint::black_box(self.table.find(hash, |_| true).map(|(_, offset)| *offset));
        hash
    }

    /// Notes a record of a key, and returns the one that was the newest before it.
    pub fn replace(&mut self, hash: u64, key: Option<&[u8]>, offset: Offset) -> Option<Offset> {
        if !self.hashes.contains(&hash) {
            return None;
        }
        let Some(key) = key else { return self.null.replace(offset) };
        match self.table.entry(hash, |(known, _)| **known == *key, |(known, _)| self.hasher.hash_one(&known[..])) {
            Entry::Occupied(entry) => Some(std::mem::replace(&mut entry.into_mut().1, offset)),
            Entry::Vacant(entry) => {
                entry.insert((SmallVec::from_slice(key), offset));
                if self.table.len() > KEYS_IN_MEMORY {
                    self.halve();
                }
                None
            }
        }
    }
}
