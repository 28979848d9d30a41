//! What people write for the serving layer: how the parts that hand-written layers give merge and finish.

pub mod departures;
pub mod flights;

use twopath_view::Merging;

/// How the parts of a query of a built-in workload merge and finish, if there are layers that give them.
///
/// ```
/// let merging = twopath_serving::jobs::merging("flights", ("totals_by_route", 2)).unwrap();
/// assert_eq!((merging.version, merging.keys.len(), merging.parts.len()), (2, 2, 5));
/// ```
pub fn merging(workload: &str, (query, version): (&str, u32)) -> Option<Merging> {
    match workload {
        "flights" => flights::merging(query, version),
        "departures" => departures::merging(query, version),
        _ => None,
    }
}

/// The file of [`merging`], whole.
pub fn source(workload: &str, query: &str) -> Option<&'static str> {
    match workload {
        "flights" => flights::source(query),
        "departures" => departures::source(query),
        _ => None,
    }
}
