//! How a delay carries over to what the same aircraft flies within twelve hours: the batch layer has paired what it has read, and gives its last flights beside that; the speed layer gives the
//! flights that came since. What is paired here are those with each other, and with the batch layer's last.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use twopath_query::{DataType, Value};
use twopath_view::{Finish, MergedGroup, Merging, Part};

pub const MERGING: Merging = Merging {
    name: "carry_over",
    version: 1,
    keys: &[("tailnum", DataType::Text), ("at", DataType::Timestamp), ("late", DataType::Int)],
    parts: &[("flights", Part::Count), ("paired", Part::Count), ("next_delay_sum", Part::Sum(DataType::Int))],
    finish: Finish::Answer(finish),
};

const HOUR_US: i64 = 3_600_000_000;

/// Flights of a tail number at one time, as late as each other.
struct Flights {
    late: i64,
    /// How many.
    all: i64,
    /// How many of them the batch layer has paired with each other.
    paired: i64,
}

fn finish(groups: &[MergedGroup]) -> Vec<Vec<Value>> {
    // Flights, and the sum of their delays, by how late the one before left.
    let mut carried: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    let mut tails: HashMap<Arc<str>, BTreeMap<i64, Vec<Flights>>> = HashMap::new();
    for group in groups {
        let [all, paired, delay] = ["flights", "paired", "next_delay_sum"].map(|part| group.number(part).unwrap_or(0.0) as i64);
        match (group.get("tailnum"), group.get("at"), group.get("late")) {
            (Value::Text(tail), Value::Timestamp(at), Value::Int(late)) => {
                tails.entry(tail).or_default().entry(at).or_default().push(Flights { late, all, paired });
            }
            (_, _, Value::Int(late)) => add(&mut carried, late, (all, delay)),
            _ => {}
        }
    }
    for flights in tails.values() {
        for (at, earlier) in flights.iter().flat_map(|(at, of)| of.iter().map(move |flights| (*at, flights))) {
            for later in flights.range(at + 1..=at + 12 * HOUR_US).flat_map(|(_, of)| of) {
                let pairs = earlier.all * later.all - earlier.paired * later.paired;
                if pairs > 0 {
                    add(&mut carried, lateness(earlier.late), (pairs, pairs * later.late));
                }
            }
        }
    }
    let row = |(late, (flights, delay))| vec![Value::Int(late), Value::Int(flights), Value::Float(delay as f64 / flights as f64)];
    carried.into_iter().map(row).collect()
}

fn add(carried: &mut BTreeMap<i64, (i64, i64)>, late: i64, (flights, delay): (i64, i64)) {
    let sums = carried.entry(late).or_default();
    *sums = (sums.0 + flights, sums.1 + delay);
}

/// How late a flight left, in steps of half an hour: on time or early is 0, four hours and more are one.
fn lateness(late: i64) -> i64 {
    late.clamp(0, 240) / 30 * 30
}
