//! Median and tail delays by day and carrier: quantiles do not merge, sketches do.

use twopath_query::{DataType, Value};
use twopath_view::{Finish, MergedGroup, Merging, Part};

pub const MERGING: Merging = Merging {
    name: "delay_quantiles_by_carrier_day",
    version: 1,
    keys: &[("day", DataType::Timestamp), ("carrier", DataType::Text)],
    parts: &[
        ("delay_p50", Part::Quantiles(DataType::Int, 0.5)),
        ("delay_p90", Part::Quantiles(DataType::Int, 0.9)),
        ("delay_p99", Part::Quantiles(DataType::Int, 0.99)),
        ("departures", Part::Count),
    ],
    finish: Finish::Groups(finish),
};

fn finish(group: &MergedGroup) -> Vec<Value> {
    ["day", "carrier", "delay_p50", "delay_p90", "delay_p99", "departures"].map(|name| group.get(name)).to_vec()
}
