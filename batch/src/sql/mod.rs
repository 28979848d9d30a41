//! A query compiled to polars: expressions, aggregates, and the lazy plan that they make.
//!
//! polars evaluates and groups. Where its own operator is not SQL's (its integers wrap around, x / 0 is NULL, its casts round otherwise),
//! a small checked function of [`checked`] runs inside the polars plan. Nothing here is shared with the other engines.

mod aggregate;
mod calendar;
mod checked;
mod decimal;
mod expr;
pub mod frame;
mod function;
mod prepare;

pub use checked::Raised;
pub use expr::of_sql_type;
pub use prepare::{Prepared, ReadColumn};
