//! Delays by the maker of the aircraft: the batch layer has joined what it has read, and gives that by maker; the speed layer gives what each tail number has flown since, which is
//! joined here with the aircraft that both layers know. What becomes known of an aircraft now moves none of its flights of before, until the next batch run does.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use twopath_query::{DataType, Value};
use twopath_view::{Finish, MergedGroup, Merging, Part};

pub const MERGING: Merging = Merging {
    name: "by_maker",
    version: 1,
    keys: &[("tailnum", DataType::Text), ("maker", DataType::Text)],
    parts: &[("departures", Part::Count), ("delay_sum", Part::Sum(DataType::Int)), ("newest", Part::Max(DataType::Int))],
    finish: Finish::Approximate(finish),
};

fn finish(groups: &[MergedGroup]) -> Vec<Vec<Value>> {
    let mut made: HashMap<Arc<str>, (i64, Arc<str>)> = HashMap::new();
    for group in groups {
        if let (Value::Text(tail), Value::Text(maker), Value::Int(known)) = (group.get("tailnum"), group.get("maker"), group.get("newest"))
        {
            let newest = made.entry(tail).or_insert((known, maker.clone()));
            if known > newest.0 {
                *newest = (known, maker);
            }
        }
    }
    let mut by_maker: BTreeMap<(bool, Arc<str>), (i128, f64)> = BTreeMap::new();
    for group in groups {
        let Some(departures) = group.number("departures").filter(|&departures| departures > 0.0) else { continue };
        let maker = match (group.get("tailnum"), group.get("maker")) {
            (Value::Text(tail), _) => made.get(&tail).map(|(_, maker)| maker.clone()),
            (_, Value::Text(maker)) => Some(maker),
            _ => None,
        };
        // An aircraft that is not known, or whose maker is not: its flights stand under NULL, which comes last.
        let maker = maker.filter(|maker| !maker.is_empty()).map_or((true, "".into()), |maker| (false, maker));
        let sums = by_maker.entry(maker).or_default();
        *sums = (sums.0 + departures as i128, sums.1 + group.number("delay_sum").unwrap_or(0.0));
    }
    let row = |((is_null, maker), (departures, delay)): ((bool, Arc<str>), (i128, f64))| {
        let maker = if is_null { Value::Null } else { Value::Text(maker) };
        vec![maker, Value::Numeric(departures), Value::Float(delay / departures as f64)]
    };
    by_maker.into_iter().map(row).collect()
}
