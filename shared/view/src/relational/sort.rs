//! ORDER BY.

use super::rows::Rows;
use crate::order::{SortColumn, sorted};
use twopath_query::{EvalError, Order};

/// The first `wanted` rows in this order, ties broken by all columns.
pub fn sort(rows: Rows, by: &[Order], wanted: usize) -> Result<Rows, EvalError> {
    let columns = by.iter().map(|o| Ok(SortColumn::new(&rows.eval(&o.expr)?, o.expr.data_type, o.descending, o.nulls_first)));
    let mut columns = columns.collect::<Result<Vec<_>, EvalError>>()?;
    columns.extend(rows.order());
    Ok(in_order(&rows, &columns, wanted))
}

/// The first `wanted` rows in the order of all columns.
pub fn by_all(rows: Rows, wanted: usize) -> Rows {
    let columns: Vec<SortColumn> = rows.order().collect();
    in_order(&rows, &columns, wanted)
}

fn in_order(rows: &Rows, columns: &[SortColumn], wanted: usize) -> Rows {
    Rows { ordered: true, ..rows.take(sorted(columns, rows.count, wanted)) }
}
