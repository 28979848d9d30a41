//! Which rows of a changelog replace which.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};

use super::keys::numbered;
use super::rows::Rows;
use crate::order::{SortColumn, sorted};
use arrow_array::Int64Array;
use twopath_query::DataType;
use twopath_query::plan::Upserts;

/// The rows key by key, in the order in which they replace one another; and a number for each row's key.
pub fn by_key(rows: &Rows, upserts: &Upserts) -> (Vec<u32>, Vec<u32>) {
    let columns: Vec<ArrayRef> = upserts.key.iter().map(|&c| Arc::clone(&rows.columns[c])).collect();
    let types: Vec<DataType> = upserts.key.iter().map(|&c| rows.types[c]).collect();
    let (keys, _) = numbered(&columns, &types, rows.count);
    let key: ArrayRef = Arc::new(Int64Array::from_iter_values(keys.iter().map(|&k| i64::from(k))));
    let mut order = vec![SortColumn::ascending(&key, DataType::Int)];
    order.extend(upserts.order.iter().map(|&c| SortColumn::ascending(&rows.columns[c], rows.types[c])));
    order.extend(rows.order());
    (sorted(&order, rows.count, rows.count), keys)
}

/// Whether a row removes its key's row.
pub fn is_tombstone<'a>(rows: &'a Rows, upserts: &'a Upserts) -> impl Fn(u32) -> bool + 'a {
    let payload = &upserts.payload;
    move |row| !payload.is_empty() && payload.iter().all(|&c| rows.columns[c].is_null(row as usize))
}
