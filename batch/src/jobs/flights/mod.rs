//! The flights of 2013. Version 1 computes a delay by subtracting clock times as if they were numbers; version 2 does it right, across
//! midnight too. Queries without a delay are the same in both.

mod cancelled_share_by_day;
mod delay_quantiles_by_carrier_day_v1;
mod delay_quantiles_by_carrier_day_v2;
mod delays_by_origin_hour_v1;
mod delays_by_origin_hour_v2;
mod distinct_tails_by_carrier_day;
mod totals_by_route;

use crate::HandWritten;

/// The hand-written logic of a built-in flights query in one of its versions, if there is one.
pub fn hand_written(query: &str, version: u32) -> Option<HandWritten> {
    macro_rules! file {
        ($name:ident) => {
            ($name::plan as fn(_) -> _, include_str!(concat!(stringify!($name), ".rs")))
        };
    }
    let (name, (plan, source)) = match (query, version) {
        ("delays_by_origin_hour", 1) => ("delays_by_origin_hour", file!(delays_by_origin_hour_v1)),
        ("delays_by_origin_hour", 2) => ("delays_by_origin_hour", file!(delays_by_origin_hour_v2)),
        ("delay_quantiles_by_carrier_day", 1) => ("delay_quantiles_by_carrier_day", file!(delay_quantiles_by_carrier_day_v1)),
        ("delay_quantiles_by_carrier_day", 2) => ("delay_quantiles_by_carrier_day", file!(delay_quantiles_by_carrier_day_v2)),
        ("distinct_tails_by_carrier_day", 1 | 2) => ("distinct_tails_by_carrier_day", file!(distinct_tails_by_carrier_day)),
        ("totals_by_route", 1 | 2) => ("totals_by_route", file!(totals_by_route)),
        ("cancelled_share_by_day", 1 | 2) => ("cancelled_share_by_day", file!(cancelled_share_by_day)),
        _ => return None,
    };
    Some(HandWritten { name, version, plan, source })
}
