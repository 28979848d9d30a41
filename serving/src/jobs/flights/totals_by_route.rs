//! Running totals by route: all of them merge as they are.

use twopath_query::{DataType, Value};
use twopath_view::{Finish, MergedGroup, Merging, Part};

pub const MERGING: Merging = Merging {
    name: "totals_by_route",
    version: 1,
    keys: &[("origin", DataType::Text), ("dest", DataType::Text)],
    parts: &[
        ("flights", Part::Count),
        ("departures", Part::Count),
        ("miles", Part::Sum(DataType::Int)),
        ("air_minutes", Part::Sum(DataType::Int)),
        ("known_last", Part::Max(DataType::Timestamp)),
    ],
    finish: Finish::Groups(finish),
};

fn finish(group: &MergedGroup) -> Vec<Value> {
    ["origin", "dest", "flights", "departures", "miles", "air_minutes", "known_last"].map(|name| group.get(name)).to_vec()
}
