//! The order of rows by several values, as bytes that compare as the rows do.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{DataType as ArrowType, SortOptions};

use crate::canonical::ordinals;
use twopath_query::Directions;

/// The rows of these columns, in canonical types, so that the bytes of a row are less than those of another exactly where it comes first: -0.0 and 0.0 are alike,
/// NaN is above all numbers.
pub fn rows_of(columns: &[ArrayRef], order: Directions) -> Rows {
    let columns: Vec<ArrayRef> = columns.iter().map(by_order).collect();
    let fields = columns.iter().enumerate().map(|(i, column)| {
        let (descending, nulls_first) = order.get(i);
        SortField::new_with_options(column.data_type().clone(), SortOptions { descending, nulls_first })
    });
    let converter = RowConverter::new(fields.collect()).expect("canonical types have rows");
    converter.convert_columns(&columns).expect("columns of the fields' types, of one length")
}

/// Whatever has 64 bits, as integers of the same order.
fn by_order(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        ArrowType::Utf8 | ArrowType::Decimal128(..) => Arc::clone(column),
        _ => Arc::new(ordinals(column.as_ref())),
    }
}

/// Whether each row counts: the last of what stands beside its value is there.
pub fn counts(beside: &[ArrayRef]) -> impl Fn(usize) -> bool + '_ {
    let last = beside.last().expect("rows say whether they count");
    |row| last.is_valid(row)
}
