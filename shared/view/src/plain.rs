//! The hot path: groups of keys that are all of fixed width and without NULLs.

use super::index::{Index, Tag, next_group};
use super::keys::{EMPTY_HASH, fold, tag};
use super::recent::Recent;

/// Rows that [`resolve`] takes through its steps together.
pub const BLOCK: usize = 256;

/// The group of each row whose key stands in `inputs`, new ones added to `keys`, `tags` and `index`.
///
/// Each step goes over a block of rows before the next one starts, so that the reads of one step wait for memory together, and a
/// wrong guess costs no mispredicted branch.
pub fn resolve<const N: usize>(
    index: &mut Index,
    recent: &mut Recent,
    tags: &mut Vec<Tag>,
    mut keys: [&mut Vec<i64>; N],
    inputs: [&[i64]; N],
    groups: &mut [u32],
) {
    recent.fit(tags.len());
    for (block, groups) in groups.chunks_mut(BLOCK).enumerate() {
        let inputs = inputs.map(|values| &values[block * BLOCK..][..groups.len()]);
        let key = |row: usize| -> [i64; N] { std::array::from_fn(|k| inputs[k][row]) };
        // Without a short circuit: a branch less.
        let same =
            |keys: &[&mut Vec<i64>; N], group: u32, key: &[i64; N]| (0..N).fold(true, |same, k| same & (keys[k][group as usize] == key[k]));

        let mut missed = [0u32; BLOCK];
        let mut misses = 0;
        for (row, group) in groups.iter_mut().enumerate() {
            let key = key(row);
            *group = recent.guess(&key);
            missed[misses] = row as u32;
            misses += usize::from(tags.is_empty() || !same(&keys, *group, &key));
        }
        let missed = &missed[..misses];

        let mut found = [(0, None); BLOCK];
        for (&row, found) in missed.iter().zip(&mut found) {
            let tag = tag(key(row as usize).iter().fold(EMPTY_HASH, |hash, &v| fold(hash, v as u64)));
            *found = (tag, index.first(tag));
        }
        for (&row, &(tag, first)) in missed.iter().zip(&found) {
            let key = key(row as usize);
            let group = first.filter(|&group| same(&keys, group, &key)).or_else(|| index.find(tag, |group| same(&keys, group, &key)));
            let group = group.unwrap_or_else(|| {
                let group = next_group(tags);
                index.insert(tag, group);
                tags.push(tag);
                keys.iter_mut().zip(key).for_each(|(mine, value)| mine.push(value));
                group
            });
            groups[row as usize] = group;
            recent.remember(&key, group);
        }
    }
}

/// The group of each row whose key stands in `inputs`, or else `none`; as [`resolve`], with nothing added.
pub fn lookup<const N: usize>(index: &Index, keys: [&[i64]; N], inputs: [&[i64]; N], none: u32) -> Vec<u32> {
    let rows = inputs[0].len();
    let mut groups = Vec::with_capacity(rows);
    let mut found = [(0, None); BLOCK];
    for from in (0..rows).step_by(BLOCK) {
        let inputs = inputs.map(|values| &values[from..rows.min(from + BLOCK)]);
        let key = |row: usize| -> [i64; N] { std::array::from_fn(|k| inputs[k][row]) };
        let same = |group: u32, key: &[i64; N]| (0..N).fold(true, |same, k| same & (keys[k][group as usize] == key[k]));
        let found = &mut found[..inputs[0].len()];
        for (row, found) in found.iter_mut().enumerate() {
            let tag = tag(key(row).iter().fold(EMPTY_HASH, |hash, &v| fold(hash, v as u64)));
            *found = (tag, index.first(tag));
        }
        groups.extend(found.iter().enumerate().map(|(row, &(tag, first))| {
            let key = key(row);
            let first = first.filter(|&group| same(group, &key));
            first.or_else(|| index.find(tag, |group| same(group, &key))).unwrap_or(none)
        }));
    }
    groups
}
