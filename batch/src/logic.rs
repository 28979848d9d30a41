//! What people write for the batch layer.

use polars::prelude::LazyFrame;
use twopath_view::Merging;

/// The code that a batch view is computed by.
#[derive(Debug, Clone)]
pub enum Logic {
    /// The query itself, compiled for the engine.
    Sql,
    /// Written by hand for polars. The view then has the parts that the [`Merging`] names, which the speed layer's hand-written code
    /// gives, too; to give what the query would give is the writer's duty.
    Hand(HandWritten, Merging),
}

/// One query in one version, written by hand for polars.
#[derive(Debug, Clone, Copy)]
pub struct HandWritten {
    /// The query's name, for manifests and messages.
    pub name: &'static str,
    /// The version of the code.
    pub version: u32,
    /// The whole query, from the topic's columns to one row per group: the columns are called and typed as the keys and parts of the
    /// [`Merging`] that it is run with.
    ///
    /// In, columns stand under the topic's names: integers as Int64, floats as Float64, timestamps as Datetime and intervals as Duration,
    /// both in microseconds (UTC, without a time zone). Out, a count or an integer sum may be of any integer type; a sketch or a set
    /// of distinct values is the list of its values. Columns are to be named, not selected by patterns: those that are not named are not read.
    pub plan: fn(LazyFrame) -> LazyFrame,
    /// The text of the file that it is written in, to be counted and shown.
    pub source: &'static str,
}

impl Logic {
    /// What manifests and messages call it.
    pub fn name(&self) -> String {
        match self {
            Logic::Sql => "sql".to_owned(),
            Logic::Hand(hand, _) => format!("{} version {}", hand.name, hand.version),
        }
    }
}
