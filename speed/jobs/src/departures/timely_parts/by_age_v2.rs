//! Delays by the age of the aircraft, version 2: parts, for Lambda, on timely. A tail number's flights stand under the year, its aircraft under none.

use chrono::{DateTime, Datelike};

use crate::prelude::*;

pub const CODE: HandWritten = HandWritten {
    name: "by_age",
    version: 2,
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

#[derive(Clone, serde::Serialize, serde::Deserialize)]
enum Event {
    Flight { delay: i64 },
    Plane { newest: i64 },
}

#[derive(Default)]
struct Tail {
    departures: i64,
    delay: Option<i64>,
    newest: Option<i64>,
}

fn rows<'s>(frames: Stream<'s, u64, Vec<Frame>>) -> Stream<'s, u64, Vec<Row>> {
    parts_per_epoch(frames.flat_map(events), add, |(generation, tail, year), group| Row {
        generation: *generation,
        items: vec![tail.as_deref().into(), (*year).into(), group.departures.into(), group.delay.into(), group.newest.into()],
    })
}

fn events(frame: Frame) -> Vec<((u64, Option<String>, Option<i64>), Event)> {
    let (types, tails) = (texts(&frame, "event_type"), texts(&frame, "tailnum"));
    let (at, known) = (times(&frame, "at"), times(&frame, "known"));
    let (scheduled, departed) = (numbers(&frame, "sched_dep_time"), numbers(&frame, "dep_time"));
    let built = numbers(&frame, "plane_year");
    let mut found = Vec::new();
    for row in 0..frame.batch.num_rows() {
        let (year, event) = match (types.value(row), number(&departed, row)) {
            ("flight", Some(departed)) => (Some(year(at.value(row))), Event::Flight { delay: delay(scheduled.value(row), departed) }),
            ("plane", _) => (None, Event::Plane { newest: newest(known.value(row), number(&built, row)) }),
            _ => continue,
        };
        found.push(((frame.generation, text(&tails, row), year), event));
    }
    found
}

fn add(tail: &mut Tail, event: Event) {
    match event {
        Event::Flight { delay } => {
            tail.departures += 1;
            *tail.delay.get_or_insert(0) += delay;
        }
        Event::Plane { newest } => tail.newest = tail.newest.max(Some(newest)),
    }
}

/// The year in which an aircraft was built, behind the second in which that was known: the greatest is the newest.
fn newest(known_us: i64, built: Option<i64>) -> i64 {
    known_us / 1_000_000 * 10_000 + built.unwrap_or(0)
}

fn year(time_us: i64) -> i64 {
    DateTime::from_timestamp_micros(time_us).map_or(0, |time| time.year().into())
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
