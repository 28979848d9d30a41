//! The first half of every query: which rows pass its filter, and what is computed of each that does.

use arrow_array::{ArrayRef, BooleanArray};
use arrow_buffer::BooleanBuffer;
use arrow_select::filter::FilterBuilder;

use super::eval::{eval, eval_condition};
use twopath_query::{EvalError, Expr, ExprKind, Query};

/// A filter and expressions, over the columns that they read and no others: what DataFusion calls a filter under a projection. An expression that
/// stands there twice is computed once.
///
/// ```
/// use std::sync::Arc;
/// use arrow_array::{Array, ArrayRef, Int64Array};
/// use arrow_schema::{DataType, Field, Schema};
/// use twopath_view::FilterMap;
///
/// let schema = Schema::new(vec![Field::new("unread", DataType::Utf8, false), Field::new("n", DataType::Int64, false)]);
/// let query = twopath_query::parse("SELECT n * 2 AS twice FROM numbers WHERE n > 1", "numbers", &schema)?;
/// let rows = FilterMap::new(&query, query.keys.iter().map(|key| &key.expr));
/// assert_eq!(rows.projection(), [1]);
///
/// let n: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
/// let (passed, which) = rows.apply(vec![n], 3)?;
/// assert_eq!(passed.rows, 2);
/// assert_eq!(which.unwrap().set_indices().collect::<Vec<_>>(), [1, 2]);
/// let twice = &passed.values[rows.number(0)];
/// assert_eq!(twice.as_ref(), &Int64Array::from(vec![4, 6]) as &dyn Array);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct FilterMap {
    projection: Vec<usize>,
    filter: Option<Expr>,
    /// What is computed, each once.
    exprs: Vec<Expr>,
    /// Into `exprs`, by the number of the expression that was asked for.
    numbers: Vec<usize>,
    /// By column of `projection`: whether it is read of rows that passed, and not by the filter alone.
    is_read: Vec<bool>,
}

/// The rows that passed, with what is computed of each.
#[derive(Debug, Clone)]
pub struct Passed {
    /// One column for each different expression: [`FilterMap::number`].
    pub values: Vec<ArrayRef>,
    pub rows: usize,
}

impl FilterMap {
    /// The query's filter and these expressions over its topic.
    pub fn new<'a>(query: &Query, wanted: impl IntoIterator<Item = &'a Expr>) -> Self {
        let projection = query.columns_read();
        let mut exprs: Vec<Expr> = Vec::new();
        let mut number = |e: &Expr| {
            let e = e.over(&projection);
            exprs.iter().position(|known| *known == e).unwrap_or_else(|| {
                exprs.push(e);
                exprs.len() - 1
            })
        };
        let numbers = wanted.into_iter().map(&mut number).collect();
        let mut is_read = vec![false; projection.len()];
        exprs.iter().for_each(|e| {
            e.visit(&mut |e| {
                if let ExprKind::Column(column) = e.kind {
                    is_read[column] = true;
                }
            })
        });
        let filter = query.filter.as_ref().map(|f| f.over(&projection));
        FilterMap { projection, filter, exprs, numbers, is_read }
    }

    /// The topic's columns to read, ascending: [`Query::columns_read`].
    pub fn projection(&self) -> &[usize] {
        &self.projection
    }

    /// Where in [`Passed::values`] the expression is that was given as this one.
    pub fn number(&self, expr: usize) -> usize {
        self.numbers[expr]
    }

    /// Filters and computes. The columns are those of [`FilterMap::projection`], in that order. Beside what passed it tells which rows that were; `None` is all.
    ///
    /// # Errors
    /// The [`EvalError`] of one of the rows that raise one.
    pub fn apply(&self, mut columns: Vec<ArrayRef>, mut rows: usize) -> Result<(Passed, Option<BooleanBuffer>), EvalError> {
        let mut which = None;
        if let Some(filter) = &self.filter {
            let passing = eval_condition(filter, &columns, rows)?;
            let count = passing.count_set_bits();
            if count < rows {
                let mask = BooleanArray::new(passing.clone(), None);
                let predicate = FilterBuilder::new(&mask).optimize().build();
                // What the filter alone has read is not read again, however long it is.
                let read = columns.iter_mut().zip(&self.is_read).filter(|(_, is_read)| **is_read && count > 0);
                for (column, _) in read {
                    *column = predicate.filter(column.as_ref()).expect("columns and mask have the same rows");
                }
                (rows, which) = (count, Some(passing));
            }
        }
        let values = self.exprs.iter().map(|e| eval(e, &columns, rows)).collect::<Result<Vec<_>, _>>()?;
        Ok((Passed { values, rows }, which))
    }
}
