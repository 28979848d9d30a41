//! Delays by hour and airport: a mean does not merge, so that both layers give its sum and its count.

use twopath_query::{DataType, Value};
use twopath_view::{Finish, MergedGroup, Merging, Part};

pub const MERGING: Merging = Merging {
    name: "delays_by_origin_hour",
    version: 1,
    keys: &[("hour", DataType::Timestamp), ("origin", DataType::Text)],
    parts: &[("delay_sum", Part::Sum(DataType::Int)), ("delay_max", Part::Max(DataType::Int)), ("departures", Part::Count)],
    finish: Finish::Groups(finish),
};

fn finish(group: &MergedGroup) -> Vec<Value> {
    let departures = group.number("departures").unwrap_or(f64::NAN);
    let delay_avg = group.number("delay_sum").map_or(Value::Null, |sum| Value::Float(sum / departures));
    vec![group.get("hour"), group.get("origin"), delay_avg, group.get("delay_max"), group.get("departures")]
}
