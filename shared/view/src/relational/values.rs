//! VALUES.

use arrow_array::{Array, ArrayRef};
use arrow_select::concat::concat;

use super::rows::Rows;
use crate::eval::eval;
use twopath_query::{DataType, EvalError, Expr};

/// The rows that the text writes out.
pub fn values(columns: &[(String, DataType)], rows: &[Vec<Expr>]) -> Result<Rows, EvalError> {
    let column = |c: usize| {
        let values = rows.iter().map(|row| eval(&row[c], &[], 1)).collect::<Result<Vec<ArrayRef>, _>>()?;
        let values: Vec<&dyn Array> = values.iter().map(ArrayRef::as_ref).collect();
        Ok::<_, EvalError>(concat(&values).expect("the values of a column have one type, and there is one at least"))
    };
    let arrays = (0..columns.len()).map(column).collect::<Result<_, _>>()?;
    Ok(Rows::new(arrays, columns.iter().map(|(_, t)| *t).collect(), rows.len()))
}
