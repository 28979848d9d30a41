//! The queries over departures that are written by hand: one whole file each, which the code change leaves as it is.

mod by_age;
mod by_maker;

use twopath_view::Merging;

/// How the parts of a query over departures merge and finish, if there are layers that give them: `by_age` or `by_maker`, version 1 or 2.
pub fn merging(query: &str, version: u32) -> Option<Merging> {
    let merging = match query {
        "by_age" => by_age::MERGING,
        "by_maker" => by_maker::MERGING,
        _ => return None,
    };
    matches!(version, 1 | 2).then_some(Merging { version, ..merging })
}

/// The file of [`merging`], whole.
pub fn source(query: &str) -> Option<&'static str> {
    match query {
        "by_age" => Some(include_str!("by_age.rs")),
        "by_maker" => Some(include_str!("by_maker.rs")),
        _ => None,
    }
}
