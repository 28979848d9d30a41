//! Delays by the age and by the maker of the aircraft, joins, written by hand for the stream engines: flights and the aircraft that flew them are events of one stream, in any order.
//!
//! Of the data it is assumed that an aircraft's rows become known after 1970 and a second apart or more: parts carry the second, so that the greatest is the newest; and that
//! no maker's name is empty, which stands for one that is not known.
//!
//! Version 1 computes a delay by subtracting clock times as if they were numbers; version 2 does it right, across midnight too.

use super::{Kind, SourceFile};
use crate::Engine;

macro_rules! files {
    ($($folder:ident)*) => {
        $(mod $folder {
            pub mod by_age_v1;
            pub mod by_age_v2;
            pub mod by_maker_v1;
            pub mod by_maker_v2;
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
            _ => return None,
        })
    };
}

/// The hand-written code of a query over departures, if there is any: `by_age` or `by_maker`, version 1 or 2.
pub fn hand_written(query: &str, version: u32, engine: Engine, kind: Kind) -> Option<SourceFile> {
    match (engine, kind) {
        (Engine::Timely, Kind::Parts) => choose!(query, version, timely_parts, parts),
        (Engine::Timely, Kind::Finals) => choose!(query, version, timely_finals, finals),
        (Engine::Differential, Kind::Parts) => choose!(query, version, differential_parts, parts),
        (Engine::Differential, Kind::Finals) => choose!(query, version, differential_finals, finals),
    }
}
