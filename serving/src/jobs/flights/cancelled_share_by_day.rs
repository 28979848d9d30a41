//! Share of flights cancelled by day: a share does not merge, so that both layers give what it is a share of.

use twopath_query::{DataType, Value};
use twopath_view::{Finish, MergedGroup, Merging, Part};

pub const MERGING: Merging = Merging {
    name: "cancelled_share_by_day",
    version: 1,
    keys: &[("day", DataType::Timestamp)],
    parts: &[("cancelled", Part::Sum(DataType::Int)), ("flights", Part::Count)],
    finish: Finish::Groups(finish),
};

fn finish(group: &MergedGroup) -> Vec<Value> {
    let flights = group.number("flights").unwrap_or(f64::NAN);
    let share = group.number("cancelled").map_or(Value::Null, |cancelled| Value::Float(cancelled / flights));
    vec![group.get("day"), share, group.get("cancelled"), group.get("flights")]
}
