//! From key hashes to group numbers.

/// A hash table of group numbers, open addressing with linear probing. An entry holds a group's **tag**, the 32 bits of its key's hash
/// that are kept, beside its number, so that a probe seldom leaves the entry's cache line and growing needs no keys.
///
/// **What it is not**: it knows no keys. Who looks up says whether a group with the right tag is the one.
#[derive(Debug, Clone, Default)]
pub struct Index {
    /// `tag << 32 | group + 1`; 0 is free. The length is a power of two or 0.
    entries: Vec<u64>,
    groups: usize,
}

/// A key's hash as the index keeps it.
pub type Tag = u32;

/// The number of the group that is added next.
pub fn next_group(tags: &[Tag]) -> u32 {
    assert!(tags.len() < u32::MAX as usize - 1, "a table holds fewer than 2^32 groups: split it");
    tags.len() as u32
}

const FEWEST_ENTRIES: usize = 64;

impl Index {
    /// The group with this tag for which `same` holds, or else `None`.
    #[inline]
    pub fn find(&self, tag: Tag, mut same: impl FnMut(u32) -> bool) -> Option<u32> {
        let mask = self.entries.len().wrapping_sub(1);
        let mut at = tag as usize;
        while let Some(&entry) = self.entries.get(at & mask) {
            if entry == 0 {
                return None;
            }
            let group = entry as u32 - 1;
            if (entry >> 32) as Tag == tag && same(group) {
                return Some(group);
            }
            at += 1;
        }
        None
    }

    /// The group in the first place of this tag's run, if it has the tag: most often [`Index::find`]'s group. Reads one entry.
    #[inline]
    pub fn first(&self, tag: Tag) -> Option<u32> {
        let entry = *self.entries.get(tag as usize & self.entries.len().wrapping_sub(1))?;
        ((entry >> 32) as Tag == tag && entry != 0).then(|| entry as u32 - 1)
    }

    /// Adds a group that is not there yet.
    pub fn insert(&mut self, tag: Tag, group: u32) {
        self.reserve(1);
        self.groups += 1;
        Self::place(&mut self.entries, u64::from(tag) << 32 | u64::from(group + 1));
    }

    /// Makes room for `more` groups. At most half of the entries are taken, so that runs stay short.
    pub fn reserve(&mut self, more: usize) {
        let wanted = ((self.groups + more) * 2).next_power_of_two().max(FEWEST_ENTRIES);
        if wanted > self.entries.len() {
            let mut entries = vec![0; wanted];
            for &entry in self.entries.iter().filter(|&&e| e != 0) {
                Self::place(&mut entries, entry);
            }
            self.entries = entries;
        }
    }

    fn place(entries: &mut [u64], entry: u64) {
        let mask = entries.len() - 1;
        let mut at = (entry >> 32) as usize & mask;
        while entries[at] != 0 {
            at = (at + 1) & mask;
        }
        entries[at] = entry;
    }

    pub fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_inserted_and_nothing_else() {
        let mut index = Index::default();
        assert_eq!(index.find(7, |_| true), None);
        // All with tags that meet in one run.
        for group in 0..1_000u32 {
            index.insert(group % 3, group);
        }
        for group in 0..1_000u32 {
            assert_eq!(index.find(group % 3, |g| g == group), Some(group));
            assert_eq!(index.find((group + 1) % 3, |g| g == group), None);
        }
        assert_eq!(index.find(3, |_| true), None);
    }
}
