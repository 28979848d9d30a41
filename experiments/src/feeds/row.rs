//! A SELECT without aggregates, evaluated batch by batch.

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use arrow_select::filter::filter;
use twopath_shared::query::{EvalError, Query};
use twopath_shared::view::{answer_schema, eval, eval_condition};

use super::FeedError;

/// A query each of whose rows comes from one row of its topic, in the same order.
#[derive(Debug, Clone)]
pub struct RowQuery {
    query: Query,
    schema: SchemaRef,
}

impl RowQuery {
    /// # Errors
    /// [`FeedError::NotRows`] for a query with aggregates, ORDER BY or LIMIT.
    pub fn new(query: Query) -> Result<RowQuery, FeedError> {
        let refuse = |what| Err(FeedError::NotRows { what });
        if !query.rows {
            return refuse("leave GROUP BY, HAVING and aggregates to a query over its output");
        }
        if !query.order_by.is_empty() {
            return refuse("leave ORDER BY out; the order is the input's");
        }
        if query.limit.is_some() {
            return refuse("leave LIMIT out");
        }
        let schema = answer_schema(&query);
        Ok(RowQuery { query, schema })
    }

    /// Of what it gives: the select list in canonical types, all nullable.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows that pass the WHERE clause, and, as a mask over the rows of `batch`, which those are.
    ///
    /// # Errors
    /// The [`EvalError`] of one of the rows that raise one.
    pub fn apply(&self, batch: &RecordBatch) -> Result<(RecordBatch, BooleanArray), EvalError> {
        let rows = batch.num_rows();
        let kept = match &self.query.filter {
            Some(condition) => BooleanArray::new(eval_condition(condition, batch.columns(), rows)?, None),
            None => BooleanArray::from(vec![true; rows]),
        };
        let count = kept.true_count();
        let columns: Vec<ArrayRef> = match count == rows {
            true => batch.columns().to_vec(),
            false => batch.columns().iter().map(|c| filter(c, &kept).expect("columns and mask have the same rows")).collect(),
        };
        // The select list is over the keys, as it is where rows are grouped.
        let keys = self.query.keys.iter().map(|key| eval(&key.expr, &columns, count)).collect::<Result<Vec<_>, _>>()?;
        let output = self.query.output.iter().map(|o| eval(&o.expr, &keys, count)).collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let made = RecordBatch::try_new_with_options(self.schema.clone(), output, &options);
        Ok((made.expect("the columns are in the canonical types that the schema is made of"), kept))
    }
}
