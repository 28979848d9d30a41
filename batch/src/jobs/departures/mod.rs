//! Joins: flights, the aircraft that flew them and the weather of each hour are events of one topic. Delays by the age and by the maker of the aircraft, by the wind that was reported last
//! (as of the departure), and carried over to the aircraft's next flights (within an interval). Version 1 computes a delay by subtracting clock times as if they were numbers; version 2 does
//! it right, across midnight too.

mod by_age_v1;
mod by_age_v2;
mod by_last_wind_v1;
mod by_last_wind_v2;
mod by_maker_v1;
mod by_maker_v2;
mod carry_over_v1;
mod carry_over_v2;

use crate::HandWritten;

/// The hand-written logic of a query over departures in one of its versions, if there is one.
pub fn hand_written(query: &str, version: u32) -> Option<HandWritten> {
    let (name, plan, source): (_, fn(_) -> _, _) = match (query, version) {
        ("by_age", 1) => ("by_age", by_age_v1::plan, include_str!("by_age_v1.rs")),
        ("by_age", 2) => ("by_age", by_age_v2::plan, include_str!("by_age_v2.rs")),
        ("by_maker", 1) => ("by_maker", by_maker_v1::plan, include_str!("by_maker_v1.rs")),
        ("by_maker", 2) => ("by_maker", by_maker_v2::plan, include_str!("by_maker_v2.rs")),
        ("by_last_wind", 1) => ("by_last_wind", by_last_wind_v1::plan, include_str!("by_last_wind_v1.rs")),
        ("by_last_wind", 2) => ("by_last_wind", by_last_wind_v2::plan, include_str!("by_last_wind_v2.rs")),
        ("carry_over", 1) => ("carry_over", carry_over_v1::plan, include_str!("carry_over_v1.rs")),
        ("carry_over", 2) => ("carry_over", carry_over_v2::plan, include_str!("carry_over_v2.rs")),
        _ => return None,
    };
    Some(HandWritten { name, version, plan, source })
}
