//! Delays by the age of the aircraft, version 2: parts, for Lambda, on differential. A tail number's flights stand under the year, its aircraft under none.

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
    flow: Flow::Differential(rows),
};

fn rows<'s>(frames: VecCollection<'s, u64, Frame, isize>) -> VecCollection<'s, u64, Row, isize> {
    let flown = rows_of_changes(frames.clone().explode(flights).consolidate(), |(generation, tail, year), (departures, delay)| Row {
        generation: *generation,
        items: vec![tail.as_deref().into(), (*year).into(), (*departures as i64).into(), (*delay as i64).into(), Item::Null],
    });
    let built = rows_of_changes(frames.explode(planes).consolidate(), |(generation, tail), newest| Row {
        generation: *generation,
        items: vec![tail.as_deref().into(), Item::Null, 0_i64.into(), Item::Null, newest.0.into()],
    });
    flown.concat(built)
}

/// By tail number and year: a departure, and its delay.
fn flights(frame: Frame) -> Vec<((u64, Option<String>, i64), (isize, isize))> {
    let (types, tails, at) = (texts(&frame, "event_type"), texts(&frame, "tailnum"), times(&frame, "at"));
    let (scheduled, departed) = (numbers(&frame, "sched_dep_time"), numbers(&frame, "dep_time"));
    let mut found = Vec::new();
    for row in 0..frame.batch.num_rows() {
        if let ("flight", Some(departed)) = (types.value(row), number(&departed, row)) {
            let delay = delay(scheduled.value(row), departed);
            found.push(((frame.generation, text(&tails, row), year(at.value(row))), (1, delay as isize)));
        }
    }
    found
}

/// By tail number: the year in which the aircraft was built, behind the second in which that was known. The greatest is the newest.
fn planes(frame: Frame) -> Vec<((u64, Option<String>), Greatest)> {
    let (types, tails) = (texts(&frame, "event_type"), texts(&frame, "tailnum"));
    let (known, built) = (times(&frame, "known"), numbers(&frame, "plane_year"));
    let rows = (0..frame.batch.num_rows()).filter(|&row| types.value(row) == "plane");
    let newest = |row| Greatest(known.value(row) / 1_000_000 * 10_000 + number(&built, row).unwrap_or(0));
    rows.map(|row| ((frame.generation, text(&tails, row)), newest(row))).collect()
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
