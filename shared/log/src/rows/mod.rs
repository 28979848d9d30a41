//! What the log computes of rows: their partitions, their event times, the columns that it adds to them, and rows of values that other programs
//! wrote.

pub(crate) mod event_range;
pub(crate) mod log_columns;
pub(crate) mod partitioning;
pub(crate) mod row_decoder;
