//! Delays by the age of the aircraft, version 1: final values, for Kappa, on timely. Flights and aircraft meet under their tail number; what that adds to ages, and takes from them, goes on to those.

use chrono::{DateTime, Datelike};

use crate::prelude::*;

pub const CODE: HandWritten = HandWritten {
    name: "by_age",
    version: 1,
    columns: &[
        ("event_type", DataType::Text),
        ("at", DataType::Timestamp),
        ("known", DataType::Timestamp),
        ("tailnum", DataType::Text),
        ("sched_dep_time", DataType::Int),
        ("dep_time", DataType::Int),
        ("plane_year", DataType::Int),
    ],
    flow: Flow::Timely(rows),
};

pub const FINALS: Finals = Finals {
    name: "by_age",
    version: 1,
    keys: &[("age", DataType::Int)],
    values: &[("aircraft", DataType::Int), ("departures", DataType::Numeric), ("delay_avg", DataType::Float)],
};

#[derive(Clone, serde::Serialize, serde::Deserialize)]
enum Event {
    Flight { year: i64, delay: i64 },
    Plane { known: i64, built: Option<i64> },
}

/// What is known of a tail number.
#[derive(Default)]
struct Tail {
    /// Departures and the sum of their delays, by year.
    flown: HashMap<i64, (i64, i64)>,
    /// The newest row of the aircraft, and when it was built.
    newest: Option<(i64, Option<i64>)>,
    /// What has gone on to the ages.
    given: HashMap<Option<i64>, Sums>,
}

/// Aircraft, departures, and the sum of their delays.
type Sums = [i64; 3];

fn rows<'s>(frames: Stream<'s, u64, Vec<Frame>>) -> Stream<'s, u64, Vec<Row>> {
    let changes = per_epoch(frames.flat_map(events), true, add, |_, tail| changes(tail));
    finals_per_epoch(changes, |sums: &mut Sums, by| (0..3).for_each(|i| sums[i] += by[i]), row)
}

fn events(frame: Frame) -> Vec<(Option<String>, Event)> {
    let (types, tails) = (texts(&frame, "event_type"), texts(&frame, "tailnum"));
    let (at, known) = (times(&frame, "at"), times(&frame, "known"));
    let (scheduled, departed) = (numbers(&frame, "sched_dep_time"), numbers(&frame, "dep_time"));
    let built = numbers(&frame, "plane_year");
    let mut found = Vec::new();
    for row in 0..frame.batch.num_rows() {
        let event = match (types.value(row), number(&departed, row)) {
            ("flight", Some(departed)) => Event::Flight { year: year(at.value(row)), delay: delay(scheduled.value(row), departed) },
            ("plane", _) if tails.is_valid(row) => Event::Plane { known: known.value(row), built: number(&built, row) },
            _ => continue,
        };
        found.push((text(&tails, row), event));
    }
    found
}

fn add(tail: &mut Tail, event: Event) {
    match event {
        Event::Flight { year, delay } => {
            let (departures, sum) = tail.flown.entry(year).or_default();
            *departures += 1;
            *sum += delay;
        }
        Event::Plane { known, built } => tail.newest = tail.newest.max(Some((known, built))),
    }
}

/// What a tail number comes to by age now, less what it came to before.
fn changes(tail: &mut Tail) -> Vec<(Option<i64>, Sums)> {
    let built = tail.newest.and_then(|(_, built)| built);
    let mut now: HashMap<Option<i64>, Sums> = HashMap::new();
    for (year, (departures, delay)) in &tail.flown {
        let sums = now.entry(built.map(|built| year - built)).or_default();
        *sums = [sums[0] + 1, sums[1] + departures, sums[2] + delay];
    }
    let added = now.iter().filter(|(age, sums)| tail.given.get(*age) != Some(sums)).map(|(age, sums)| (*age, *sums));
    let taken = tail.given.iter().filter(|(age, sums)| now.get(*age) != Some(sums)).map(|(age, sums)| (*age, sums.map(|sum| -sum)));
    let changes = added.chain(taken).collect();
    tail.given = now;
    changes
}

/// Nothing is left of an age that no aircraft has any more.
fn row(age: &Option<i64>, &[aircraft, departures, delay]: &Sums) -> Row {
    let items = match aircraft {
        0 => vec![(*age).into(), Item::Null, Item::Null, Item::Null],
        _ => vec![(*age).into(), aircraft.into(), departures.into(), (delay as f64 / departures as f64).into()],
    };
    Row { generation: 0, items }
}

fn year(time_us: i64) -> i64 {
    DateTime::from_timestamp_micros(time_us).map_or(0, |time| time.year().into())
}

/// Minutes from the scheduled to the actual departure.
fn delay(scheduled: i64, departed: i64) -> i64 {
    departed - scheduled
}
