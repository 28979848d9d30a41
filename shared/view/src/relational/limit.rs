//! LIMIT and OFFSET.

use super::rows::Rows;
use super::sort::by_all;

/// At most `most` rows, after `offset`: of rows without an order, in the order of all columns.
pub fn limit(rows: Rows, most: usize, offset: usize) -> Rows {
    let rows = if rows.ordered { rows } else { by_all(rows, most.saturating_add(offset)) };
    rows.slice(offset, most)
}

/// A number of rows; without one, all.
pub fn count(rows: Option<u64>) -> usize {
    rows.map_or(usize::MAX, |rows| usize::try_from(rows).unwrap_or(usize::MAX))
}
