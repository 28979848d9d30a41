//! A changelog as a table.

use super::newest::{by_key, is_tombstone};
use super::rows::Rows;
use twopath_query::plan::Upserts;

/// Of each key the newest row, unless that is a tombstone.
pub fn latest(rows: &Rows, upserts: &Upserts) -> Rows {
    let (order, keys) = by_key(rows, upserts);
    let is_tombstone = is_tombstone(rows, upserts);
    let newest = order.chunk_by(|&a, &b| keys[a as usize] == keys[b as usize]).filter_map(|run| run.last().copied());
    Rows { ordered: false, ..rows.take(newest.filter(|&row| !is_tombstone(row)).collect()) }
}
