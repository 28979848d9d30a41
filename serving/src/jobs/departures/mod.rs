//! The queries over departures that are written by hand: one whole file each, which the code change leaves as it is.

mod by_age;
mod by_last_wind;
mod by_maker;
mod carry_over;

use twopath_view::Merging;

/// How the parts of a query over departures merge and finish, if there are layers that give them: `by_age`, `by_maker`, `by_last_wind` or `carry_over`, version 1 or 2.
pub fn merging(query: &str, version: u32) -> Option<Merging> {
    let merging = match query {
        "by_age" => by_age::MERGING,
        "by_maker" => by_maker::MERGING,
        "by_last_wind" => by_last_wind::MERGING,
        "carry_over" => carry_over::MERGING,
        _ => return None,
    };
    matches!(version, 1 | 2).then_some(Merging { version, ..merging })
}

/// The file of [`merging`], whole.
pub fn source(query: &str) -> Option<&'static str> {
    match query {
        "by_age" => Some(include_str!("by_age.rs")),
        "by_maker" => Some(include_str!("by_maker.rs")),
        "by_last_wind" => Some(include_str!("by_last_wind.rs")),
        "carry_over" => Some(include_str!("carry_over.rs")),
        _ => None,
    }
}
