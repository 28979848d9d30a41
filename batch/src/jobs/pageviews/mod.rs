//! Generated pageviews. Version 1 adds up every duration; version 2 counts no visit for longer than half an hour.

mod views_by_minute_url_v1;
mod views_by_minute_url_v2;

use crate::HandWritten;

/// The hand-written logic of the built-in pageviews query in one of its versions, if there is one.
pub fn hand_written(query: &str, version: u32) -> Option<HandWritten> {
    let (name, plan, source): (_, fn(_) -> _, _) = match (query, version) {
        ("views_by_minute_url", 1) => ("views_by_minute_url", views_by_minute_url_v1::plan, include_str!("views_by_minute_url_v1.rs")),
        ("views_by_minute_url", 2) => ("views_by_minute_url", views_by_minute_url_v2::plan, include_str!("views_by_minute_url_v2.rs")),
        _ => return None,
    };
    Some(HandWritten { name, version, plan, source })
}
