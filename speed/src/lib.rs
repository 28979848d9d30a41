//! The speed layer: a position in the log and a query give a realtime view that follows the tail, on timely dataflow
//! or on differential dataflow ([`Engine`]).
//!
//! [`start`] follows a topic and publishes an immutable snapshot at most every millisecond (settable), exact for the position that it
//! names; [`replay`] runs the same dataflow over a bounded part. The two together are also the single path: version 2 of a job is
//! started from offset 0 beside version 1. [`run_feed`] is a job whose sink is a topic.
//!
//! ```
//! use std::sync::Arc;
//! use arrow_array::{Int64Array, RecordBatch};
//! use arrow_schema::{DataType, Field, Schema};
//! use twopath_log::{Log, TopicConfig};
//! use twopath_query::{Value, values};
//! use twopath_speed::{Engine, Logic, replay};
//! use twopath_view::{Selection, GroupTable, answer};
//!
//! let dir = tempfile::tempdir()?;
//! let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
//! let topic = Log::open(dir.path())?.create_topic(TopicConfig::new("numbers", schema.clone()))?;
//! topic.writer()?.append(&RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(vec![1, 2, 3]))])?)?;
//!
//! let query = Arc::new(twopath_query::parse("SELECT COUNT(*), SUM(n) FROM numbers", "numbers", &schema)?);
//! for engine in [Engine::Timely, Engine::Differential] {
//!     let view = replay(&topic, query.clone(), Logic::Sql, engine, (0, topic.start()?), &topic.end()?, 1)?;
//!     let parts: Vec<&GroupTable> = view.generations.iter().flat_map(|g| &g.tables).map(|t| &**t).collect();
//!     let rows = values::rows(&answer(&query, &parts, &Selection::default())?)?;
//!     assert_eq!(rows, [[Value::Int(3), Value::Numeric(6)]]);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With another [`Backend`] than memory a job's state outlives it: a restart reads what came after the newest whole checkpoint ([`Checkpoints`]), or after
//! what a store has ([`Remote`], [`Local`]).
//!
//! **What it is not**: it does not merge with batch views, keep tables or answer queries (serving does).

pub mod checkpoint;
mod control;
mod costs;
mod dataflow;
mod differential;
mod epoch;
mod error;
mod feed;
mod feed_job;
mod hand;
mod input;
mod job;
mod logic;
mod options;
mod sink;
mod state;
mod threads;

pub use checkpoint::{CheckpointStats, Checkpoints, Refused};
pub use control::Publish;
pub use costs::StoreCosts;
pub use error::SpeedError;
pub use feed::{FeedKind, FeedQuery, Firings, RowQuery, SpokeLate};
pub use feed_job::{Feed, FeedReport, Until, run_feed};
pub use hand::{Flow, Frame, HandWritten, Item, Row};
pub use job::{JobProgress, Recovery, SpeedJob, replay, replay_joint, start};
pub use logic::{Engine, Logic, folds, maintains};
pub use options::{ProgressMode, SpeedOptions};
pub use state::{Backend, LOCAL_MEMORY, Local, Remote, Standby, kept_state};
