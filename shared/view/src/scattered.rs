//! Rows that wait to be folded, by the part of the groups that theirs is in.

use arrow_array::{ArrayRef, UInt32Array};
use arrow_select::take::take;

use super::filter_map::Passed;
use super::keys::{EMPTY_HASH, KeyInput, tag};
use super::table::part_of;

/// Rows that wait to be folded. Those of one part are folded together, into a table of that part alone: where groups are many, and each row is of another one, the
/// part's table stays in the nearest caches meanwhile, as one of all groups does not.
#[derive(Debug)]
pub struct Scattered {
    /// By part.
    pub(super) waiting: Vec<Vec<Passed>>,
    rows: usize,
}

impl Scattered {
    /// Of the parts that [`GroupTable::split`](crate::GroupTable::split) into so many would give.
    pub fn new(parts: usize) -> Self {
        Scattered { waiting: vec![Vec::new(); parts], rows: 0 }
    }

    /// How many parts there are.
    pub fn parts(&self) -> usize {
        self.waiting.len()
    }

    /// How many rows wait.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The rows of one part, which no longer wait: whoever takes them out folds them ([`Fold::fold`](crate::Fold::fold)).
    pub fn take(&mut self, part: usize) -> Vec<Passed> {
        let taken = std::mem::take(&mut self.waiting[part]);
        self.rows -= taken.iter().map(|e| e.rows).sum::<usize>();
        taken
    }

    /// Adds rows, whose keys are these.
    pub(super) fn add(&mut self, rows: &Passed, keys: &[KeyInput]) {
        let parts = self.waiting.len();
        let mut hashes = vec![EMPTY_HASH; rows.rows];
        keys.iter().for_each(|key| key.hash_into(&mut hashes));
        let part = |hash: u64| part_of(tag(hash), parts);
        // Where each part's rows begin, then end.
        let mut places = vec![0u32; parts];
        hashes.iter().for_each(|&hash| places[part(hash)] += 1);
        let mut before = 0;
        places.iter_mut().for_each(|place| before += std::mem::replace(place, before));
        let mut order = vec![0u32; rows.rows];
        for (row, &hash) in (0..).zip(&hashes) {
            let place = &mut places[part(hash)];
            order[*place as usize] = row;
            *place += 1;
        }
        let order = UInt32Array::from(order);
        let values: Vec<ArrayRef> = rows.values.iter().map(|v| take(v, &order, None).expect("rows that exist")).collect();
        let mut from = 0;
        for (waiting, &to) in self.waiting.iter_mut().zip(&places) {
            let (start, count) = (from as usize, (to - from) as usize);
            if count > 0 {
                waiting.push(Passed { values: values.iter().map(|v| v.slice(start, count)).collect(), rows: count });
            }
            from = to;
        }
        self.rows += rows.rows;
    }
}
