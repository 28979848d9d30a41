//! Joins, written by hand for the stream engines: flights, the aircraft that flew them and the weather of each hour are events of one stream, in any order. Delays by the age and by the maker of
//! the aircraft, by the wind that was reported last (as of the departure), and carried over to the aircraft's next flights (within an interval).
//!
//! Of the data it is assumed that an aircraft's rows become known after 1970 and a second apart or more: parts carry the second, so that the greatest is the newest; that
//! no maker's name is empty, which stands for one that is not known; that an hour has one report of an airport's weather; and that no flight is known more than two days after others that were
//! to leave later.
//!
//! Version 1 computes a delay by subtracting clock times as if they were numbers; version 2 does it right, across midnight too.

use super::{Kind, SourceFile};
use twopath_speed::Engine;

macro_rules! files {
    ($($folder:ident)*) => {
        $(mod $folder {
            pub mod by_age_v1;
            pub mod by_age_v2;
            pub mod by_last_wind_v1;
            pub mod by_last_wind_v2;
            pub mod by_maker_v1;
            pub mod by_maker_v2;
            pub mod carry_over_v1;
            pub mod carry_over_v2;
        })*
    };
}

files!(timely_parts timely_finals differential_parts differential_finals);

macro_rules! choose {
    ($query:expr, $version:expr, $folder:ident, $kind:ident) => {
        Some(match ($query, $version) {
            ("by_age", 1) => $kind!($folder, by_age_v1),
            ("by_age", 2) => $kind!($folder, by_age_v2),
            ("by_maker", 1) => $kind!($folder, by_maker_v1),
            ("by_maker", 2) => $kind!($folder, by_maker_v2),
            ("by_last_wind", 1) => $kind!($folder, by_last_wind_v1),
            ("by_last_wind", 2) => $kind!($folder, by_last_wind_v2),
            ("carry_over", 1) => $kind!($folder, carry_over_v1),
            ("carry_over", 2) => $kind!($folder, carry_over_v2),
            _ => return None,
        })
    };
}

/// The hand-written code of a query over departures, if there is any: `by_age`, `by_maker`, `by_last_wind` or `carry_over`, version 1 or 2.
pub fn hand_written(query: &str, version: u32, engine: Engine, kind: Kind) -> Option<SourceFile> {
    match (engine, kind) {
        (Engine::Timely, Kind::Parts) => choose!(query, version, timely_parts, parts),
        (Engine::Timely, Kind::Finals) => choose!(query, version, timely_finals, finals),
        (Engine::Differential, Kind::Parts) => choose!(query, version, differential_parts, parts),
        (Engine::Differential, Kind::Finals) => choose!(query, version, differential_finals, finals),
    }
}
