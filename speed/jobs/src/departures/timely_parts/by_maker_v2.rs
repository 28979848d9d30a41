//! Delays by the maker of the aircraft, version 2: parts, for Lambda, on timely. A tail number's flights stand under no maker, its aircraft under theirs.

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

#[derive(Clone, serde::Serialize, serde::Deserialize)]
enum Event {
    Flight { delay: i64 },
    Plane { second: i64 },
}

#[derive(Default)]
struct Tail {
    departures: i64,
    delay: Option<i64>,
    newest: Option<i64>,
}

fn rows<'s>(frames: Stream<'s, u64, Vec<Frame>>) -> Stream<'s, u64, Vec<Row>> {
    parts_per_epoch(frames.flat_map(events), add, |(generation, tail, maker), group| Row {
        generation: *generation,
        items: vec![tail.as_deref().into(), maker.as_deref().into(), group.departures.into(), group.delay.into(), group.newest.into()],
    })
}

fn events(frame: Frame) -> Vec<((u64, Option<String>, Option<String>), Event)> {
    let (types, tails, known) = (texts(&frame, "event_type"), texts(&frame, "tailnum"), times(&frame, "known"));
    let (scheduled, departed) = (numbers(&frame, "sched_dep_time"), numbers(&frame, "dep_time"));
    let makers = texts(&frame, "plane_manufacturer");
    let mut found = Vec::new();
    for row in 0..frame.batch.num_rows() {
        let (maker, event) = match (types.value(row), number(&departed, row)) {
            ("flight", Some(departed)) => (None, Event::Flight { delay: delay(scheduled.value(row), departed) }),
            ("plane", _) if tails.is_valid(row) => {
                (Some(text(&makers, row).unwrap_or_default()), Event::Plane { second: known.value(row) / 1_000_000 })
            }
            _ => continue,
        };
        found.push(((frame.generation, text(&tails, row), maker), event));
    }
    found
}

fn add(tail: &mut Tail, event: Event) {
    match event {
        Event::Flight { delay } => {
            tail.departures += 1;
            *tail.delay.get_or_insert(0) += delay;
        }
        Event::Plane { second } => tail.newest = tail.newest.max(Some(second)),
    }
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
