//! Jobs written by hand for the stream engine.

#[allow(clippy::type_complexity, reason = "a query by hand says its groups as the tuples that they are")]
pub mod flights;
pub mod prelude;
