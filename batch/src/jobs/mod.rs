//! Logic written by hand for polars, as for the classic Lambda architecture.

pub mod flights;
