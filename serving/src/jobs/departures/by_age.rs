//! Delays by the age of the aircraft: both layers give what each tail number has flown by year, and the newest row of its aircraft, which may be known only later; they are
//! joined once they are merged.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use twopath_query::{DataType, Value};
use twopath_view::{Finish, MergedGroup, Merging, Part};

pub const MERGING: Merging = Merging {
    name: "by_age",
    version: 1,
    keys: &[("tailnum", DataType::Text), ("year", DataType::Int)],
    parts: &[("departures", Part::Count), ("delay_sum", Part::Sum(DataType::Int)), ("newest", Part::Max(DataType::Int))],
    finish: Finish::Answer(finish),
};

fn finish(groups: &[MergedGroup]) -> Vec<Vec<Value>> {
    let mut built: HashMap<Arc<str>, i64> = HashMap::new();
    for group in groups {
        if let (Value::Text(tail), Value::Int(newest)) = (group.get("tailnum"), group.get("newest")) {
            built.insert(tail, newest % 10_000);
        }
    }
    let mut by_age: BTreeMap<(bool, i64), (i64, i128, f64)> = BTreeMap::new();
    for group in groups {
        let (Value::Int(year), Some(departures)) = (group.get("year"), group.number("departures")) else { continue };
        let built = if let Value::Text(tail) = group.get("tailnum") { built.get(&tail).copied() } else { None };
        // An aircraft that is not known, or whose year is not: its flights stand under NULL, which comes last.
        let age = built.filter(|&built| built > 0).map_or((true, 0), |built| (false, year - built));
        let sums = by_age.entry(age).or_default();
        *sums = (sums.0 + 1, sums.1 + departures as i128, sums.2 + group.number("delay_sum").unwrap_or(0.0));
    }
    let row = |((is_null, age), (aircraft, departures, delay)): ((bool, i64), (i64, i128, f64))| {
        let age = if is_null { Value::Null } else { Value::Int(age) };
        vec![age, Value::Int(aircraft), Value::Numeric(departures), Value::Float(delay / departures as f64)]
    };
    by_age.into_iter().map(row).collect()
}
