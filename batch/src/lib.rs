//! The batch layer: a position of the log and a query give a batch view, computed in full every time.
//!
//! The log's sealed segments are mapped and verified by [`twopath_log`], handed to polars without copying, filtered and
//! projected there by the query's own SQL or by hand-written polars ([`Logic`]), and grouped, part by part in parallel, into a
//! [`GroupTable`](twopath_view::GroupTable). Published views live in a [`ViewStore`](twopath_view::store::ViewStore).
//!
//! **What it is not**: incremental. It keeps nothing between runs, so whatever a run computes depends on the log and the query
//! alone. This is the only crate that knows polars.

pub mod bench;
mod compute;
mod error;
mod expr;
mod frame;
pub mod jobs;
mod logic;
mod prepare;
mod read;
mod run;

pub use compute::{compute, compute_timed, threads};
pub use error::BatchError;
pub use logic::{HandWritten, Logic};
pub use run::run_batch;
