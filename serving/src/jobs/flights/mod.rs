//! The built-in queries over flights: one whole file each. The code change leaves them as they are, so that one file is both versions.

mod cancelled_share_by_day;
mod delay_quantiles_by_carrier_day;
mod delays_by_origin_hour;
mod distinct_tails_by_carrier_day;
mod totals_by_route;

use twopath_view::Merging;

/// How the parts of a built-in flights query merge and finish, if there are layers that give them: `delays_by_origin_hour`,
/// `delay_quantiles_by_carrier_day`, `distinct_tails_by_carrier_day`, `totals_by_route` or `cancelled_share_by_day`, version 1 or 2.
pub fn merging(query: &str, version: u32) -> Option<Merging> {
    if !matches!(version, 1 | 2) {
        return None;
    }
    let (merging, _) = file(query)?;
    Some(Merging { version, ..merging })
}

/// The file of [`merging`], whole.
pub fn source(query: &str) -> Option<&'static str> {
    file(query).map(|(_, source)| source)
}

fn file(query: &str) -> Option<(Merging, &'static str)> {
    Some(match query {
        "delays_by_origin_hour" => (delays_by_origin_hour::MERGING, include_str!("delays_by_origin_hour.rs")),
        "delay_quantiles_by_carrier_day" => (delay_quantiles_by_carrier_day::MERGING, include_str!("delay_quantiles_by_carrier_day.rs")),
        "distinct_tails_by_carrier_day" => (distinct_tails_by_carrier_day::MERGING, include_str!("distinct_tails_by_carrier_day.rs")),
        "totals_by_route" => (totals_by_route::MERGING, include_str!("totals_by_route.rs")),
        "cancelled_share_by_day" => (cancelled_share_by_day::MERGING, include_str!("cancelled_share_by_day.rs")),
        _ => return None,
    })
}
