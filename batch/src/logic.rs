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

/// Hand-written polars for one query.
#[derive(Debug, Clone)]
pub struct HandWritten {
    /// For manifests and messages.
    pub name: &'static str,
    /// The version of the code.
    pub version: u32,
    /// From the topic's columns (by name; timestamps as Int64 microseconds) to the query's keys, in order, and after them the
    /// arguments of its aggregates, in order (COUNT(*) has none): Int, Timestamp and Interval as Int64, Float as Float64, Text as
    /// String, Bool as Boolean. Rows that the query leaves out are to be filtered out.
    pub plan: fn(LazyFrame) -> LazyFrame,
}

impl Logic {
    /// What manifests call it.
    pub fn name(&self) -> String {
        match self {
            Logic::Sql => "sql".to_owned(),
            Logic::Hand(hand) => format!("{} version {}", hand.name, hand.version),
        }
    }
}
