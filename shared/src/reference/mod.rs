//! The reference interpreter: a query evaluated row by row in the most obvious way, on one thread.
//!
//! It is the oracle of every test and the baseline of every speed claim. It shares no evaluation code with the engines: from this
//! crate it takes the logical query's types and nothing else.

use arrow_array::RecordBatch;

use crate::query::{EvalError, Query, Value};

/// The state of a query over the rows seen so far.
pub struct Reference {}

impl Reference {
    pub fn new(_query: Query) -> Self {
        todo!()
    }

    /// Takes all rows of a record batch of the topic (all its columns).
    pub fn push(&mut self, _batch: &RecordBatch) {
        todo!()
    }

    /// Takes one row.
    pub fn push_row(&mut self, _batch: &RecordBatch, _row: usize) {
        todo!()
    }

    /// The answer's rows, in the query's output columns, after HAVING, ORDER BY and LIMIT; without ORDER BY in key order.
    pub fn answer(&self) -> Result<Vec<Vec<Value>>, EvalError> {
        todo!()
    }

    /// The output row of one group, before ORDER BY and LIMIT; `None` where the group does not exist or HAVING leaves it out.
    pub fn answer_key(&self, _key: &[Value]) -> Result<Option<Vec<Value>>, EvalError> {
        todo!()
    }
}
