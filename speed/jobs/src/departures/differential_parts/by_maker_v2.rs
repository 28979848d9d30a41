//! Delays by the maker of the aircraft, version 2: parts, for Lambda, on differential. A tail number's flights stand under no maker, its aircraft under theirs.

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
    flow: Flow::Differential(rows),
};

fn rows<'s>(frames: VecCollection<'s, u64, Frame, isize>) -> VecCollection<'s, u64, Row, isize> {
    let flown = rows_of_changes(frames.clone().explode(flights).consolidate(), |(generation, tail), (departures, delay)| Row {
        generation: *generation,
        items: vec![tail.as_deref().into(), Item::Null, (*departures as i64).into(), (*delay as i64).into(), Item::Null],
    });
    let built = rows_of_changes(frames.explode(planes).consolidate(), |(generation, tail, maker), second| Row {
        generation: *generation,
        items: vec![Some(&**tail).into(), Some(&**maker).into(), 0_i64.into(), Item::Null, second.0.into()],
    });
    flown.concat(built)
}

/// By tail number: a departure, and its delay.
fn flights(frame: Frame) -> Vec<((u64, Option<String>), (isize, isize))> {
    let (types, tails) = (texts(&frame, "event_type"), texts(&frame, "tailnum"));
    let (scheduled, departed) = (numbers(&frame, "sched_dep_time"), numbers(&frame, "dep_time"));
    let mut found = Vec::new();
    for row in 0..frame.batch.num_rows() {
        if let ("flight", Some(departed)) = (types.value(row), number(&departed, row)) {
            let delay = delay(scheduled.value(row), departed);
            found.push(((frame.generation, text(&tails, row)), (1, delay as isize)));
        }
    }
    found
}

/// By tail number and maker: the second in which that was known, of which the greatest is the newest.
fn planes(frame: Frame) -> Vec<((u64, String, String), Greatest)> {
    let (types, tails) = (texts(&frame, "event_type"), texts(&frame, "tailnum"));
    let (known, makers) = (times(&frame, "known"), texts(&frame, "plane_manufacturer"));
    let mut found = Vec::new();
    for row in 0..frame.batch.num_rows() {
        if let ("plane", Some(tail)) = (types.value(row), text(&tails, row)) {
            let maker = text(&makers, row).unwrap_or_default();
            found.push(((frame.generation, tail, maker), Greatest(known.value(row) / 1_000_000)));
        }
    }
    found
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
