//! The batch layer: a position of the log and a query give a batch view, computed in full every time.
//!
//! Two engines do so, and share nothing above the log's bytes ([`Engine`]): polars, as people who use polars write it, over sealed segments
//! mapped as the Arrow files that they are; and rayon, which runs the kernels that the stream engine is compiled to, too. A query comes as
//! SQL or written by hand ([`Logic`]). Published views live in a [`ViewStore`](twopath_view::store::ViewStore).
//!
//! ```
//! use std::sync::Arc;
//! use arrow_array::{Int64Array, RecordBatch};
//! use arrow_schema::{DataType, Field, Schema};
//! use twopath_batch::{Engine, Logic, compute};
//! use twopath_log::{Log, TopicConfig};
//!
//! let dir = tempfile::tempdir()?;
//! let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
//! let topic = Log::open(dir.path())?.create_topic(TopicConfig::new("numbers", schema.clone()))?;
//! topic.writer()?.append(&RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(vec![1, 2, 3]))])?)?;
//!
//! let query = twopath_query::parse("SELECT n % 2 AS odd, SUM(n) AS s FROM numbers GROUP BY n % 2", "numbers", &schema)?;
//! for engine in Engine::ALL {
//!     let groups = compute(&topic, &query, &Logic::Sql, engine, &topic.end()?)?;
//!     assert_eq!(groups.len(), 2);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **What it is not**: incremental by itself. A run computes everything of the log and the query alone; only who asks for it ([`run_incremental`]) has
//! it go on from the view of the last run. This is the only crate that knows polars.

mod by_polars;
mod by_rayon;
mod compute;
mod engine;
mod error;
mod hand;
mod incremental;
pub mod jobs;
mod logic;
pub mod plain;
mod read;
mod run;
mod scan;
mod sql;
mod timings;

pub use compute::{answer, check_polars, compute, compute_timed, threads};
pub use engine::Engine;
pub use error::BatchError;
pub use incremental::{Incremental, run_incremental};
pub use logic::{HandWritten, Logic};
pub use run::run_batch;
