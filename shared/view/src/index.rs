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

/// From so many groups on, several threads make an index of groups that are all there.
pub const MANY: usize = 1 << 18;
/// More of them wait for the same memory.
const THREADS_MAX: usize = 4;

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
        Self::place(&mut self.entries, entry(tag, group));
    }

    /// The index of groups that are all there, of which group `i` has the tag `tags[i]`; no two of them are to be the same. The error is the
    /// first group that is the same as one before it.
    pub fn of(tags: &[Tag], same: impl Fn(u32, u32) -> bool + Sync) -> Result<Index, u32> {
        let mut index = Index::default();
        index.reserve(tags.len());
        index.groups = tags.len();
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let parts = if tags.len() < MANY { 1 } else { 1 << threads.ilog2() };
        let part_len = index.entries.len() / parts;
        // Each thread has a part of the entries to itself, and looks at all tags for those that belong there.
        let filled: Vec<Filled> = std::thread::scope(|scope| {
            let same = &same;
            let mut parted = index.entries.chunks_mut(part_len).enumerate();
            let mine = parted.next();
            let others: Vec<_> = parted.map(|(part, entries)| scope.spawn(move || fill(entries, (part, parts), tags, same))).collect();
            let mine = mine.map(|(part, entries)| fill(entries, (part, parts), tags, same));
            mine.into_iter().chain(others.into_iter().map(|other| other.join().expect("filling does not panic"))).collect()
        });
        let mut twice: Vec<u32> = filled.iter().filter_map(|filled| filled.twice).collect();
        for group in filled.into_iter().flat_map(|filled| filled.beyond) {
            let tag = tags[group as usize];
            match index.find(tag, |other| same(other, group)) {
                Some(other) => twice.push(group.max(other)),
                None => Self::place(&mut index.entries, entry(tag, group)),
            }
        }
        twice.into_iter().min().map_or(Ok(index), Err)
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

fn entry(tag: Tag, group: u32) -> u64 {
    u64::from(tag) << 32 | u64::from(group + 1)
}

/// What a thread found while it filled its part.
#[derive(Default)]
struct Filled {
    /// Groups whose run goes on behind the part.
    beyond: Vec<u32>,
    /// The first group that is the same as one before it.
    twice: Option<u32>,
}

/// Fills one of several parts, of one length, of an index's entries.
fn fill(entries: &mut [u64], (part, parts): (usize, usize), tags: &[Tag], same: impl Fn(u32, u32) -> bool) -> Filled {
    let (len, mask) = (entries.len(), entries.len() * parts - 1);
    let (first, mut filled) = (part * len, Filled::default());
    for (group, &tag) in (0..).zip(tags) {
        let at = (tag as usize & mask).wrapping_sub(first);
        if at >= len {
            continue;
        }
        let free = entries[at..].iter().position(|&known| {
            let other = (known as u32).wrapping_sub(1);
            if (known >> 32) as Tag == tag && known != 0 && same(other, group) {
                let twice = group.max(other);
                filled.twice = Some(filled.twice.map_or(twice, |known| known.min(twice)));
            }
            known == 0
        });
        match free {
            Some(free) => entries[at + free] = entry(tag, group),
            None => filled.beyond.push(group),
        }
    }
    filled
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

    /// By one thread and by several; runs that cross from one part to the next, and from the last to the first.
    #[test]
    fn groups_that_are_all_there_are_found_as_if_they_had_come_one_by_one() {
        for groups in [0, 1, 40, 10_000, MANY + 10_000] {
            let mut tags: Vec<Tag> = (0..groups as u32).map(|i| i.wrapping_mul(0x9e37_79b9)).collect();
            let mask = ((groups * 2).next_power_of_two().max(FEWEST_ENTRIES) - 1) as u32;
            for part in [mask / 4, mask / 2, mask] {
                tags.iter_mut().skip(part as usize % 7).step_by(groups / 20 + 1).for_each(|tag| *tag = part);
            }
            let index = Index::of(&tags, |_, _| false).unwrap();
            for (group, &tag) in (0..).zip(&tags) {
                assert_eq!(index.find(tag, |g| g == group), Some(group), "of {groups}");
            }
            if groups > 1 {
                let last = groups as u32 - 1;
                let (a, b) = (last / 2, last);
                let mut tags = tags.clone();
                tags[b as usize] = tags[a as usize];
                let same = |x: u32, y: u32| (x.min(y), x.max(y)) == (a, b);
                assert_eq!(Index::of(&tags, same).unwrap_err(), b, "of {groups}");
            }
        }
    }
}
