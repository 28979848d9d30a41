//! What hand-written queries start with.

pub use polars::prelude::*;
