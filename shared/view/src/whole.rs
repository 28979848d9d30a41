//! Tables of groups that are all there at once, as views at rest and checkpoints have them: nothing is looked up while they are made.

use arrow_array::ArrayRef;
use twopath_query::Query;

use super::accumulator::Accumulator;
use super::index::{Index, MANY, Tag};
use super::keys::{EMPTY_HASH, KeyColumn, KeyInput, tag};
use super::table::GroupTable;

/// Rows whose hashes are made together.
const BLOCK: usize = 16 << 10;

impl GroupTable {
    /// A table of these key columns, which have `groups` rows, with accumulators that hold as many groups. `Err` is the row of a key
    /// that was there before.
    pub(super) fn from_columns(query: &Query, keys: &[ArrayRef], accumulators: Vec<Accumulator>, groups: usize) -> Result<Self, usize> {
        let mut table = Self::of_distinct(query, keys, groups)?;
        table.accumulators = accumulators;
        Ok(table)
    }

    /// The same, whose accumulators are still to come.
    pub(super) fn of_distinct(query: &Query, keys: &[ArrayRef], groups: usize) -> Result<Self, usize> {
        let mut table = Self::new(query);
        if table.keys.is_empty() {
            // There is one group, whatever comes.
            return if groups > 1 { Err(1) } else { Ok(table) };
        }
        assert!(groups < u32::MAX as usize - 1, "a table holds fewer than 2^32 groups: split it");
        let inputs = table.key_inputs(keys);
        table.keys = table.keys.iter().zip(&inputs).map(|(key, input)| KeyColumn::of(key.data_type, input)).collect();
        table.tags = tags_of(&inputs, groups);
        let keys = &table.keys;
        let same = |a: u32, b: u32| keys.iter().all(|key| key.same_group(a as usize, key, b as usize));
        table.index = Index::of(&table.tags, same).map_err(|row| row as usize)?;
        Ok(table)
    }
}

/// The tags of the rows of these key columns; of many, each half by a thread.
fn tags_of(inputs: &[KeyInput], rows: usize) -> Vec<Tag> {
    let mut tags = vec![0; rows];
    let of = |from: usize, tags: &mut [Tag]| {
        let mut hashes = vec![EMPTY_HASH; BLOCK.min(tags.len())];
        for (block, tags) in tags.chunks_mut(BLOCK).enumerate() {
            let hashes = &mut hashes[..tags.len()];
            hashes.fill(EMPTY_HASH);
            inputs.iter().for_each(|input| input.slice(from + block * BLOCK, tags.len()).hash_into(hashes));
            tags.iter_mut().zip(hashes).for_each(|(mine, hash)| *mine = tag(*hash));
        }
    };
    let (first, second) = tags.split_at_mut(if rows < MANY { rows } else { rows / 2 });
    let from = first.len();
    std::thread::scope(|scope| {
        if !second.is_empty() {
            scope.spawn(|| of(from, second));
        }
        of(0, first);
    });
    tags
}
