//! UNION ALL.

use arrow_array::Array;
use arrow_select::concat::concat;

use super::rows::Rows;
use twopath_query::EvalError;

/// The rows of all inputs, which have columns of the same types.
pub fn union(inputs: Vec<Rows>) -> Result<Rows, EvalError> {
    let Some(first) = inputs.first() else { return Ok(Rows::new(Vec::new(), Vec::new(), 0)) };
    let column = |c: usize| {
        let arrays: Vec<&dyn Array> = inputs.iter().map(|rows| rows.columns[c].as_ref()).collect();
        concat(&arrays).expect("the inputs of a union have columns of the same types")
    };
    let columns = (0..first.columns.len()).map(column).collect();
    Ok(Rows::new(columns, first.types.clone(), inputs.iter().map(|rows| rows.count).sum()))
}
