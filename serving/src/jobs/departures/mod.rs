//! The queries over departures that are written by hand: one whole file each, which the code change leaves as it is.

mod by_age;

use twopath_view::Merging;

/// How the parts of a query over departures merge and finish, if there are layers that give them: `by_age`, version 1 or 2.
pub fn merging(query: &str, version: u32) -> Option<Merging> {
    matches!((query, version), ("by_age", 1 | 2)).then_some(Merging { version, ..by_age::MERGING })
}

/// The file of [`merging`], whole.
pub fn source(query: &str) -> Option<&'static str> {
    (query == "by_age").then_some(include_str!("by_age.rs"))
}
