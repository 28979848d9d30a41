//! Views: groups of accumulators, the parts that answers are merged from, and the making of answers.
//!
//! Batch views, realtime views and everything between are one shape: a [`GroupTable`] of keys and accumulators over a range of
//! the log. Merging is associative and commutative, so parts may be made by different engines and put together in any order.

pub mod store;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};

use crate::position::{Coverage, Position};
use crate::query::{EvalError, Query, Value};

/// Groups by key, each with the accumulators of a query's aggregates, stored by column.
#[derive(Debug, Clone)]
pub struct GroupTable {}

impl GroupTable {
    /// An empty table laid out for the query's keys and aggregates.
    pub fn new(_query: &Query) -> Self {
        todo!()
    }

    /// The number of groups.
    pub fn len(&self) -> usize {
        todo!()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Approximate bytes in memory.
    pub fn bytes(&self) -> usize {
        todo!()
    }

    /// Folds rows in: `keys` are the evaluated key columns and `args` the evaluated aggregate arguments (`None` for COUNT(*)), all of
    /// one length, in the canonical Arrow type of their SQL type ([`arrow_type`]).
    pub fn update(&mut self, _keys: &[ArrayRef], _args: &[Option<ArrayRef>], _rows: usize) -> Result<(), EvalError> {
        todo!()
    }

    /// Filters, evaluates and folds in one record batch of the topic (all of the topic's columns, or with the columns
    /// that `query.columns_read()` leaves out replaced by anything of the same length).
    pub fn update_from_log(&mut self, _query: &Query, _batch: &RecordBatch) -> Result<(), EvalError> {
        todo!()
    }

    /// Merges all of `other`'s groups in.
    pub fn merge(&mut self, _other: &GroupTable) {
        todo!()
    }

    /// Merges one group of `other` in (or adds it).
    pub fn merge_group(&mut self, _other: &GroupTable, _group: usize) {
        todo!()
    }

    /// Splits by key hash into `n` tables; equal keys go to equal places in every process.
    pub fn split(self, _n: usize) -> Vec<GroupTable> {
        todo!()
    }

    /// The group with this key, if present.
    pub fn find(&self, _key: &[Value]) -> Option<usize> {
        todo!()
    }

    /// The key of a group.
    pub fn key(&self, _group: usize) -> Vec<Value> {
        todo!()
    }

    /// The table at rest: key columns `k0..`, then the accumulator columns, sorted by key. The inverse is [`GroupTable::from_batch`].
    pub fn to_batch(&self) -> RecordBatch {
        todo!()
    }

    /// Reads what [`GroupTable::to_batch`] wrote; the error says what in the file does not fit the query.
    pub fn from_batch(_query: &Query, _batch: &RecordBatch) -> Result<Self, String> {
        todo!()
    }
}

/// The Arrow type in which the engines hand over values of a SQL type: Boolean, Int64, Float64, Utf8, Timestamp(Microsecond, "UTC"),
/// Int64 (an interval's microseconds: Duration(Microsecond)), Decimal128(38, 0).
pub fn arrow_type(_t: crate::query::DataType) -> arrow_schema::DataType {
    todo!()
}

/// The batch layer's result: everything below `horizon`.
#[derive(Debug, Clone)]
pub struct BatchView {
    /// Counts up from 1 per job and code version.
    pub version: u64,
    /// The barrier at which it was cut: it answers for all generations below this number. 0 where it was cut at no barrier.
    pub barrier: u64,
    pub horizon: Position,
    pub table: Arc<GroupTable>,
}

/// One generation of a realtime view: what lies between two barriers, as far as it has been read.
#[derive(Debug, Clone)]
pub struct Generation {
    /// The number of the barrier that it starts at (0: the log's start). A record belongs to the generation whose number is the
    /// number of barriers before it in its partition.
    pub number: u64,
    /// Where it starts: the position of its barrier.
    pub from: Position,
    /// How far it has been read, exclusive.
    pub to: Position,
    /// Its groups; the same key may be in several tables, which then are to be merged.
    pub tables: Vec<Arc<GroupTable>>,
}

/// An immutable snapshot of the speed layer's state, exact for one position.
#[derive(Debug, Clone)]
pub struct RealtimeView {
    /// Oldest first; they abut.
    pub generations: Vec<Generation>,
    /// When it was published: microseconds since 1970.
    pub published_us: i64,
    /// Set when a row below its position raised an error: then every answer at or after it is this error.
    pub error: Option<EvalError>,
}

impl RealtimeView {
    /// The position up to which all effects of the log are in it.
    pub fn position(&self) -> &Position {
        &self.generations.last().expect("a realtime view has a generation").to
    }
}

/// What an answer is asked for.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// Only the group with this key (one value per key of the query).
    pub key: Option<Vec<Value>>,
    /// Only groups whose first key is in this range (both inclusive; either may be open).
    pub first_key: (Option<Value>, Option<Value>),
}

/// An answer: rows in the query's output columns, and what they cover.
#[derive(Debug, Clone)]
pub struct Answer {
    pub rows: RecordBatch,
    pub coverage: Coverage,
}

/// Merges the parts' groups that `ask` wants, finalises them, and applies HAVING, ORDER BY and LIMIT. Without ORDER BY, rows come
/// in key order. `parts` are given with their coverage, in log order.
pub fn answer(_query: &Query, _parts: &[&GroupTable], _ask: &Ask) -> Result<RecordBatch, EvalError> {
    todo!()
}
