//! Delays by the wind that was reported last: both layers give what each airport's hours have flown, and the wind that is reported of them, which may be known only later; for each hour the last
//! report that is good for it is found once they are merged.

use std::collections::{BTreeMap, HashMap};

use twopath_query::{DataType, Value};
use twopath_view::{Finish, MergedGroup, Merging, Part};

pub const MERGING: Merging = Merging {
    name: "by_last_wind",
    version: 1,
    keys: &[("origin", DataType::Text), ("hour", DataType::Timestamp)],
    parts: &[("departures", Part::Count), ("delay_sum", Part::Sum(DataType::Int)), ("wind", Part::Max(DataType::Int))],
    finish: Finish::Answer(finish),
};

/// A report is good for its hour and as many after it.
const GOOD_FOR: i64 = 6;
const HOUR_US: i64 = 3_600_000_000;

fn finish(groups: &[MergedGroup]) -> Vec<Vec<Value>> {
    let hour = |group: &MergedGroup| match (group.get("origin"), group.get("hour")) {
        (Value::Text(origin), Value::Timestamp(hour)) => Some((origin, hour)),
        _ => None,
    };
    let mut reported = HashMap::new();
    for group in groups {
        if let (Some(hour), Value::Int(wind)) = (hour(group), group.get("wind")) {
            reported.insert(hour, wind);
        }
    }
    let mut by_wind: BTreeMap<(bool, i64), (i128, f64)> = BTreeMap::new();
    for group in groups {
        let Some(departures) = group.number("departures").filter(|&departures| departures > 0.0) else { continue };
        let last = hour(group).and_then(|(origin, hour)| {
            (0..=GOOD_FOR).find_map(|earlier| reported.get(&(origin.clone(), hour - earlier * HOUR_US)).copied())
        });
        // Of an hour for which there is no report the flights stand under NULL, which comes last.
        let sums = by_wind.entry(last.map_or((true, 0), |wind| (false, wind))).or_default();
        *sums = (sums.0 + departures as i128, sums.1 + group.number("delay_sum").unwrap_or(0.0));
    }
    let row = |((is_null, wind), (departures, delay)): ((bool, i64), (i128, f64))| {
        let wind = if is_null { Value::Null } else { Value::Int(wind) };
        vec![wind, Value::Numeric(departures), Value::Float(delay / departures as f64)]
    };
    by_wind.into_iter().map(row).collect()
}
