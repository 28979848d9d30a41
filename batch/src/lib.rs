//! The batch layer: a position of the log and a query give a batch view, computed in full every time.
//!
//! Two engines do so, and share nothing above the log's bytes ([`Engine`]): polars, as people who use polars write it, over sealed segments
//! mapped as the Arrow files that they are; and rayon, which runs the kernels that the stream engine is compiled to, too. A query comes as
//! SQL or written by hand ([`Logic`]). Published views live in a [`ViewStore`](twopath_view::store::ViewStore).
//!
//! **What it is not**: incremental. It keeps nothing between runs, so whatever a run computes depends on the log and the query
//! alone. This is the only crate that knows polars.

mod by_polars;
mod by_rayon;
mod compute;
mod engine;
mod error;
mod hand;
pub mod jobs;
mod logic;
pub mod plain;
mod read;
mod run;
mod scan;
mod sql;
mod timings;

pub use compute::{compute, compute_timed, threads};
pub use engine::Engine;
pub use error::BatchError;
pub use logic::{HandWritten, Logic};
pub use run::run_batch;
