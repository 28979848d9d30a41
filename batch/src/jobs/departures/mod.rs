//! Delays by the age and by the maker of the aircraft, joins: flights and the aircraft that flew them are events of one topic. Version 1 computes a delay by subtracting clock times as if they
//! were numbers; version 2 does it right, across midnight too.

mod by_age_v1;
mod by_age_v2;
mod by_maker_v1;
mod by_maker_v2;

use crate::HandWritten;

/// The hand-written logic of a query over departures in one of its versions, if there is one.
pub fn hand_written(query: &str, version: u32) -> Option<HandWritten> {
    let (name, plan, source): (_, fn(_) -> _, _) = match (query, version) {
        ("by_age", 1) => ("by_age", by_age_v1::plan, include_str!("by_age_v1.rs")),
        ("by_age", 2) => ("by_age", by_age_v2::plan, include_str!("by_age_v2.rs")),
        ("by_maker", 1) => ("by_maker", by_maker_v1::plan, include_str!("by_maker_v1.rs")),
        ("by_maker", 2) => ("by_maker", by_maker_v2::plan, include_str!("by_maker_v2.rs")),
        _ => return None,
    };
    Some(HandWritten { name, version, plan, source })
}
