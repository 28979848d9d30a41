//! The serving layer: what answers are read from.
//!
//! A [`Table`] is one version of a job. It merges the newest batch view with the generations after its horizon, and hands over from
//! one batch version to the next while being read: publishing swaps one immutable state for another, so that a reader sees all of
//! a publication or nothing of it, and never waits. [`Tables`] are a job's versions: deploy, cutover, rollback, delete.
//!
//! **What it is not**: an engine. Nothing here reads the log or computes groups; views come from the batch and the speed layer,
//! which this crate does not know.
//!
//! ```
//! use std::sync::Arc;
//! use arrow_array::{Int64Array, RecordBatch};
//! use arrow_schema::{DataType, Field, Schema};
//! use twopath_base::{Offset, Position};
//! use twopath_query::{Value, values};
//! use twopath_serving::Table;
//! use twopath_view::{Selection, BatchView, Generation, GroupTable, RealtimeView};
//!
//! let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
//! let query = Arc::new(twopath_query::parse("SELECT COUNT(*), SUM(n) FROM numbers", "numbers", &schema)?);
//! let groups = |numbers: Vec<i64>| -> Result<Arc<GroupTable>, Box<dyn std::error::Error>> {
//!     let mut table = GroupTable::new(&query);
//!     table.update_from_log(&query, &RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(numbers))])?)?;
//!     Ok(Arc::new(table))
//! };
//! let at = |offset| Position::new(vec![Offset(offset)]);
//!
//! // The batch layer computed what is before the first barrier, the speed layer what came after it.
//! let table = Table::new(Arc::clone(&query), 1);
//! table.publish_batch(BatchView { version: 1, barrier: 1, lower: at(0), upper: at(3), table: groups(vec![1, 2, 3])? });
//! let generation = Generation::of(1, (at(3), at(5)), vec![groups(vec![4, 5])?]);
//! table.publish_realtime(Arc::new(RealtimeView { generations: vec![generation], published_us: 0, error: None }));
//!
//! let answer = table.answer(&Selection::default())?;
//! assert_eq!(values::rows(&answer.rows)?, [[Value::Int(5), Value::Numeric(15)]]);
//! assert_eq!(table.position(), Some(at(5)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
pub mod jobs;
mod manifest;
mod table;
mod tables;

pub use error::ServingError;
pub use table::{Table, TableBytes, is_approximate};
pub use tables::{ActiveVersion, Tables, VersionState, VersionStatus};
