//! Operators that take rows as they come: WHERE, SELECT, DISTINCT.

use super::keys::numbered;
use super::rows::Rows;
use crate::eval::eval_condition;
use arrow_buffer::BooleanBuffer;
use twopath_query::{EvalError, Expr, NamedExpr};

/// The rows for which the condition is TRUE.
pub fn filter(rows: Rows, condition: &Expr) -> Result<Rows, EvalError> {
    let kept = eval_condition(condition, &rows.columns, rows.count)?;
    Ok(rows.filter(kept))
}

/// One row of these columns for each row.
pub fn project(rows: Rows, columns: &[NamedExpr]) -> Result<Rows, EvalError> {
    let types = columns.iter().map(|c| c.expr.data_type).collect();
    let columns = columns.iter().map(|c| rows.eval(&c.expr)).collect::<Result<_, _>>()?;
    Ok(Rows { columns, types, ..rows })
}

/// Of rows that are alike, the first.
pub fn distinct(rows: Rows) -> Rows {
    let (numbers, _) = numbered(&rows.columns, &rows.types, rows.count);
    // Numbers are given in the order in which keys come.
    let mut next = 0;
    let first = numbers.iter().map(|&number| {
        let is_first = number == next;
        next += u32::from(is_first);
        is_first
    });
    let kept: BooleanBuffer = first.collect();
    rows.filter(kept)
}
