//! Rows between operators.

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow_buffer::BooleanBuffer;
use arrow_select::filter::FilterBuilder;
use arrow_select::take::take;

use crate::canonical::is_canonical;
use crate::eval::eval;
use crate::order::SortColumn;
use twopath_query::{DataType, EvalError, Expr};

/// Rows by column, in canonical types.
#[derive(Debug, Clone)]
pub struct Rows {
    pub columns: Vec<ArrayRef>,
    pub types: Vec<DataType>,
    pub count: usize,
    /// Whether their order means something.
    pub ordered: bool,
}

impl Rows {
    /// The rows of an answer.
    pub fn of(batch: &RecordBatch, columns: &[(String, DataType)]) -> Self {
        let types: Vec<DataType> = columns.iter().map(|(_, t)| *t).collect();
        assert_eq!(types.len(), batch.num_columns(), "an input has its query's columns");
        let canonical = batch.columns().iter().zip(&types).all(|(array, t)| is_canonical(array.as_ref(), *t));
        assert!(canonical, "an input has its query's types: {types:?} and {}", batch.schema());
        Rows { columns: batch.columns().to_vec(), types, count: batch.num_rows(), ordered: false }
    }

    /// Rows without an order.
    pub fn new(columns: Vec<ArrayRef>, types: Vec<DataType>, count: usize) -> Self {
        Rows { columns, types, count, ordered: false }
    }

    pub fn eval(&self, expr: &Expr) -> Result<ArrayRef, EvalError> {
        eval(expr, &self.columns, self.count)
    }

    /// These rows, in this order.
    pub fn take(&self, rows: Vec<u32>) -> Self {
        let count = rows.len();
        Rows { columns: taken(&self.columns, &UInt32Array::from(rows)), types: self.types.clone(), count, ordered: self.ordered }
    }

    pub fn filter(self, kept: BooleanBuffer) -> Self {
        let count = kept.count_set_bits();
        if count == self.count {
            return self;
        }
        let predicate = FilterBuilder::new(&BooleanArray::new(kept, None)).optimize().build();
        let columns = self.columns.iter().map(|c| predicate.filter(c.as_ref()).expect("columns and mask have the same rows"));
        Rows { columns: columns.collect(), count, ..self }
    }

    /// Of rows that follow one another, the first `count` after so many.
    pub fn slice(self, offset: usize, count: usize) -> Self {
        let offset = offset.min(self.count);
        let count = count.min(self.count - offset);
        Rows { columns: self.columns.iter().map(|c| c.slice(offset, count)).collect(), count, ..self }
    }

    /// The order of all columns, from the first, ascending, NULLs last.
    pub fn order(&self) -> impl Iterator<Item = SortColumn> {
        self.columns.iter().zip(&self.types).map(|(array, t)| SortColumn::ascending(array, *t))
    }
}

/// These rows of all columns; NULLs where the row is NULL.
pub fn taken(columns: &[ArrayRef], rows: &UInt32Array) -> Vec<ArrayRef> {
    columns.iter().map(|c| take(c, rows, None).expect("rows that exist")).collect()
}
