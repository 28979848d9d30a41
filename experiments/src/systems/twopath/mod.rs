//! The architectures: wirings of Twopath's own layers. Each is one short file that reads like its diagram.

pub(super) mod batch;
mod context;
mod every;
pub(super) mod kappa;
pub(super) mod kappa_backfill;
pub(super) mod lambda;
pub(super) mod lambda_sql;
pub(super) mod lambda_timely;

pub use context::Context;
