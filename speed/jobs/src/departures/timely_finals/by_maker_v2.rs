//! Delays by the maker of the aircraft, version 2: final values, for Kappa, on timely. Flights and aircraft meet under their tail number; what that adds to makers, and takes from them, goes on to those.

use crate::prelude::*;

pub const CODE: HandWritten = HandWritten {
    name: "by_maker",
    version: 2,
    columns: &[
        ("event_type", DataType::Text),
        ("known", DataType::Timestamp),
        ("tailnum", DataType::Text),
        ("sched_dep_time", DataType::Int),
        ("dep_time", DataType::Int),
        ("plane_manufacturer", DataType::Text),
    ],
    flow: Flow::Timely(rows),
};

pub const FINALS: Finals = Finals {
    name: "by_maker",
    version: 2,
    keys: &[("maker", DataType::Text)],
    values: &[("departures", DataType::Numeric), ("delay_avg", DataType::Float)],
};

#[derive(Clone, serde::Serialize, serde::Deserialize)]
enum Event {
    Flight { delay: i64 },
    Plane { known: i64, maker: Option<String> },
}

/// What is known of a tail number.
#[derive(Default)]
struct Tail {
    flown: Sums,
    /// The newest row of the aircraft, and who made it.
    newest: Option<(i64, Option<String>)>,
    /// What has gone on to a maker.
    given: Option<(Option<String>, Sums)>,
}

/// Departures, and the sum of their delays.
type Sums = [i64; 2];

fn rows<'s>(frames: Stream<'s, u64, Vec<Frame>>) -> Stream<'s, u64, Vec<Row>> {
    let changes = per_epoch(frames.flat_map(events), true, add, |_, tail| changes(tail));
    finals_per_epoch(changes, |sums: &mut Sums, by| (0..2).for_each(|i| sums[i] += by[i]), row)
}

fn events(frame: Frame) -> Vec<(Option<String>, Event)> {
    let (types, tails, known) = (texts(&frame, "event_type"), texts(&frame, "tailnum"), times(&frame, "known"));
    let (scheduled, departed) = (numbers(&frame, "sched_dep_time"), numbers(&frame, "dep_time"));
    let makers = texts(&frame, "plane_manufacturer");
    let mut found = Vec::new();
    for row in 0..frame.batch.num_rows() {
        let event = match (types.value(row), number(&departed, row)) {
            ("flight", Some(departed)) => Event::Flight { delay: delay(scheduled.value(row), departed) },
            ("plane", _) if tails.is_valid(row) => Event::Plane { known: known.value(row), maker: text(&makers, row) },
            _ => continue,
        };
        found.push((text(&tails, row), event));
    }
    found
}

fn add(tail: &mut Tail, event: Event) {
    match event {
        Event::Flight { delay } => tail.flown = [tail.flown[0] + 1, tail.flown[1] + delay],
        Event::Plane { known, maker } => tail.newest = tail.newest.take().max(Some((known, maker))),
    }
}

/// What a tail number comes to under its maker now, less what it came to before.
fn changes(tail: &mut Tail) -> Vec<(Option<String>, Sums)> {
    let maker = tail.newest.as_ref().and_then(|(_, maker)| maker.clone());
    let now = (tail.flown[0] > 0).then_some((maker, tail.flown));
    if now == tail.given {
        return Vec::new();
    }
    let before = std::mem::replace(&mut tail.given, now.clone());
    let taken = before.map(|(maker, sums)| (maker, sums.map(|sum| -sum)));
    now.into_iter().chain(taken).collect()
}

/// Nothing is left of a maker whose aircraft all turned out to be others'.
fn row(maker: &Option<String>, &[departures, delay]: &Sums) -> Row {
    let items = match departures {
        0 => vec![maker.as_deref().into(), Item::Null, Item::Null],
        _ => vec![maker.as_deref().into(), departures.into(), (delay as f64 / departures as f64).into()],
    };
    Row { generation: 0, items }
}

/// Minutes since midnight of a clock time written HHMM.
fn minutes(hhmm: i64) -> i64 {
    hhmm / 100 * 60 + hhmm % 100
}

/// Minutes from the scheduled to the actual departure. Nobody leaves over an hour early: then it is the next day.
fn delay(scheduled: i64, departed: i64) -> i64 {
    let delay = minutes(departed) - minutes(scheduled);
    if delay < -60 { delay + 24 * 60 } else { delay }
}
