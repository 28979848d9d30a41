//! Stays by page, for the serving layer: which parts both layers give, how they merge, and how an answer is finished.

use twopath_query::{DataType, Value};
use twopath_view::{Finish, MergedGroup, Merging, Part};

pub const MERGING: Merging = Merging {
    name: "stays_by_url",
    version: 1,
    keys: &[("url", DataType::Text)],
    parts: &[
        ("clicks", Part::Count),
        ("stay_sum", Part::Sum(DataType::Int)),
        ("stays", Part::Count),
        ("longest", Part::Max(DataType::Int)),
    ],
    finish: Finish::Groups(finish),
};

/// From the merged parts of a page to its row in the answer.
fn finish(page: &MergedGroup) -> Vec<Value> {
    let stays = page.number("stays").filter(|stays| *stays > 0.0);
    let mean = page.number("stay_sum").zip(stays).map_or(Value::Null, |(sum, stays)| Value::Float(sum / stays));
    vec![page.get("url"), page.get("clicks"), mean, page.get("longest")]
}
