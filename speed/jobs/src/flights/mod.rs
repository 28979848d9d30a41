//! The built-in queries over the flights of 2013, written by hand for the stream engines.
//!
//! Version 1 computes a delay by subtracting clock times as if they were numbers; version 2 does it right, across midnight too.

use super::{Kind, SourceFile};
use twopath_speed::Engine;

macro_rules! files {
    ($($folder:ident)*) => {
        $(mod $folder {
            pub mod cancelled_share_by_day;
            pub mod delay_quantiles_by_carrier_day_v1;
            pub mod delay_quantiles_by_carrier_day_v2;
            pub mod delays_by_origin_hour_v1;
            pub mod delays_by_origin_hour_v2;
            pub mod distinct_tails_by_carrier_day;
            pub mod totals_by_route;
        })*
    };
}

files!(timely_parts timely_finals differential_parts differential_finals);

macro_rules! choose {
    ($query:expr, $version:expr, $folder:ident, $kind:ident) => {
        Some(match ($query, $version) {
            ("delays_by_origin_hour", 1) => $kind!($folder, delays_by_origin_hour_v1),
            ("delays_by_origin_hour", 2) => $kind!($folder, delays_by_origin_hour_v2),
            ("delay_quantiles_by_carrier_day", 1) => $kind!($folder, delay_quantiles_by_carrier_day_v1),
            ("delay_quantiles_by_carrier_day", 2) => $kind!($folder, delay_quantiles_by_carrier_day_v2),
            // These compute no delay: the code change leaves them as they are.
            ("distinct_tails_by_carrier_day", 1 | 2) => $kind!($folder, distinct_tails_by_carrier_day),
            ("totals_by_route", 1 | 2) => $kind!($folder, totals_by_route),
            ("cancelled_share_by_day", 1 | 2) => $kind!($folder, cancelled_share_by_day),
            _ => return None,
        })
    };
}

/// The hand-written code of a built-in flights query, if there is any: `delays_by_origin_hour`, `delay_quantiles_by_carrier_day`,
/// `distinct_tails_by_carrier_day`, `totals_by_route` or `cancelled_share_by_day`, version 1 or 2.
pub fn hand_written(query: &str, version: u32, engine: Engine, kind: Kind) -> Option<SourceFile> {
    match (engine, kind) {
        (Engine::Timely, Kind::Parts) => choose!(query, version, timely_parts, parts),
        (Engine::Timely, Kind::Finals) => choose!(query, version, timely_finals, finals),
        (Engine::Differential, Kind::Parts) => choose!(query, version, differential_parts, parts),
        (Engine::Differential, Kind::Finals) => choose!(query, version, differential_finals, finals),
    }
}
