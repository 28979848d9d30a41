//! Views: groups of accumulators, the parts that answers are merged from, and the making of answers.
//!
//! Batch views, realtime views and everything between are one shape: a [`GroupTable`] of keys and accumulators over a range of
//! the log. Merging is associative and commutative, so parts may be made by different engines and put together in any order.
//!
//! ```
//! use std::sync::Arc;
//! use arrow_array::{Int64Array, RecordBatch};
//! use arrow_schema::{DataType, Field, Schema};
//! use twopath_query::{Value, values};
//! use twopath_view::{Selection, GroupTable, answer};
//!
//! let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
//! let query = twopath_query::parse("SELECT n % 2 AS odd, COUNT(*) FROM numbers GROUP BY n % 2", "numbers", &schema)?;
//! let part = |numbers: Vec<i64>| -> Result<GroupTable, Box<dyn std::error::Error>> {
//!     let mut table = GroupTable::new(&query);
//!     table.update_from_log(&query, &RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(numbers))])?)?;
//!     Ok(table)
//! };
//!
//! // Two parts of a log, and the answer over both.
//! let (first, second) = (part(vec![1, 2, 3])?, part(vec![4, 5])?);
//! let rows = values::rows(&answer(&query, &[&first, &second], &Selection::default())?)?;
//! assert_eq!(rows, [[Value::Int(0), Value::Int(2)], [Value::Int(1), Value::Int(3)]]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod accumulator;
mod answer;
mod at_rest;
mod canonical;
mod cast;
mod closing;
mod column;
mod decimal;
mod divisible;
mod eval;
mod filter_map;
mod finals;
mod fold;
mod frames;
mod function;
mod index;
mod kept;
mod keys;
mod like;
mod number;
mod order;
mod parts;
mod plain;
mod recent;
mod relational;
mod retract;
mod scattered;
mod selection;
pub mod store;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod top;
mod whole;
mod windows;

use std::sync::Arc;

use arrow_array::RecordBatch;

pub use answer::{answer, answer_groups, answer_schema, candidates};
pub use canonical::{arrow_type, canonical};
pub use closing::{Open, closed, still_open};
pub use eval::{eval, eval_condition};
pub use filter_map::{FilterMap, Passed};
pub use finals::Finals;
pub use fold::Fold;
pub use kept::{KeptError, KeptGroups, key_columns, tables_for};
pub use parts::{Finish, MergedGroup, Merging, Part};
pub use relational::finish;
pub use retract::{NotRetractable, counting_rows};
pub use scattered::Scattered;
pub use selection::Selection;
pub use table::GroupTable;

use twopath_base::{Coverage, Position};
use twopath_query::EvalError;

/// The batch layer's result: everything from `lower` up to `upper`, its horizon.
#[derive(Debug, Clone)]
pub struct BatchView {
    /// Counts up from 1 per job and code version.
    pub version: u64,
    /// The barrier at which it was cut: it answers for all generations below this number. 0 where it was cut at no barrier.
    pub barrier: u64,
    /// From where on it answers: the log's start when it was computed.
    pub lower: Position,
    /// Up to where, exclusive: the horizon.
    pub upper: Position,
    pub table: Arc<GroupTable>,
}

/// One generation of a realtime view: what lies between two barriers, as far as it has been read.
#[derive(Debug, Clone)]
pub struct Generation {
    /// The number of the barrier that it starts at (0: the log's start). A record belongs to the generation whose number is the
    /// number of barriers before it in its partition.
    pub number: u64,
    /// Where it starts: the position of its barrier.
    pub lower: Position,
    /// How far it has been read, exclusive.
    pub upper: Position,
    /// Its groups in memory; the same key may be in several tables, which then are to be merged.
    pub tables: Vec<Arc<GroupTable>>,
    /// Its groups in a store, where they are not in memory ([`tables_for`] brings those that an answer needs).
    pub kept: Option<Arc<dyn KeptGroups>>,
}

impl Generation {
    /// One whose groups are in memory.
    pub fn of(number: u64, (lower, upper): (Position, Position), tables: Vec<Arc<GroupTable>>) -> Self {
        Generation { number, lower, upper, tables, kept: None }
    }
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
        &self.generations.last().expect("a realtime view has a generation").upper
    }
}

/// An answer: rows in the query's output columns, and what they cover.
#[derive(Debug, Clone)]
pub struct Answer {
    pub rows: RecordBatch,
    pub coverage: Coverage,
}
