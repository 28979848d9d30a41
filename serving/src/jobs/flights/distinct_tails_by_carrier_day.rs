//! Aircraft in use by day and carrier: numbers of distinct aircraft do not merge, sets and sketches of them do.

use twopath_query::{DataType, Value};
use twopath_view::{Finish, MergedGroup, Merging, Part};

pub const MERGING: Merging = Merging {
    name: "distinct_tails_by_carrier_day",
    version: 1,
    keys: &[("day", DataType::Timestamp), ("carrier", DataType::Text)],
    parts: &[
        ("aircraft", Part::Distinct(DataType::Text)),
        ("aircraft_approx", Part::DistinctSketch(DataType::Text)),
        ("flights", Part::Count),
    ],
    finish: Finish::Groups(finish),
};

fn finish(group: &MergedGroup) -> Vec<Value> {
    ["day", "carrier", "aircraft", "aircraft_approx", "flights"].map(|name| group.get(name)).to_vec()
}
