//! What people write for the batch layer.

use polars::prelude::LazyFrame;

/// How a query's keys and aggregate arguments are computed from the log's columns.
#[derive(Debug, Clone)]
pub enum Logic {
    /// The query's own expressions, compiled to polars.
    Sql,
    /// Written by hand for polars; to give the same groups is the writer's duty.
    Hand(HandWritten),
}

/// Hand-written polars for one query: a function, and which of its columns are the query's keys and aggregate arguments.
#[derive(Debug, Clone)]
pub struct HandWritten {
    /// For manifests and messages.
    pub name: &'static str,
    /// The version of the code.
    pub version: u32,
    /// From the topic's columns, by name (timestamps as Int64 microseconds), to the columns named below. Rows that the query leaves out
    /// are to be filtered out; the others stay, one for one. Columns are to be named, not selected by patterns.
    pub plan: fn(LazyFrame) -> LazyFrame,
    /// The columns that are the query's keys, in its order. Int, Timestamp and Interval are Int64 in polars, Float is Float64, Text is
    /// String, Bool is Boolean.
    pub keys: &'static [&'static str],
    /// The columns that are the arguments of the query's aggregates, in its order; `None` for COUNT(*).
    pub args: &'static [Option<&'static str>],
}

impl Logic {
    /// What manifests and messages call it.
    pub fn name(&self) -> String {
        match self {
            Logic::Sql => "sql".to_owned(),
            Logic::Hand(hand) => format!("{} version {}", hand.name, hand.version),
        }
    }
}
