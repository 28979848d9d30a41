//! Delays by the age of the aircraft, version 2: final values, for Kappa, on differential.

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

pub const FINALS: Finals = Finals {
    name: "by_age",
    version: 2,
    keys: &[("age", DataType::Int)],
    values: &[("aircraft", DataType::Int), ("departures", DataType::Numeric), ("delay_avg", DataType::Float)],
};

fn rows<'s>(frames: VecCollection<'s, u64, Frame, isize>) -> VecCollection<'s, u64, Row, isize> {
    let flown = frames.clone().explode(flights).count_total().map(|((tail, year), sums)| (tail, (year, sums)));
    let built = frames.flat_map(planes).reduce(|_, rows, newest| {
        let (_, built) = rows.iter().map(|(row, _)| **row).max().unwrap_or_default();
        newest.push((built, 1_isize));
    });
    let of_known = flown.clone().join_map(built.clone(), |_, (year, sums), built| (built.map(|built| year - built), *sums));
    let of_others = flown.antijoin(built.map(|(tail, _)| tail)).map(|(_, (_, sums))| (None, sums));
    let by_age = of_known.concat(of_others).explode(|(age, (departures, delay))| Some((age, (1_isize, departures, delay))));
    by_age.count_total().map(|(age, (aircraft, departures, delay))| Row {
        generation: 0,
        items: vec![age.into(), (aircraft as i64).into(), (departures as i64).into(), (delay as f64 / departures as f64).into()],
    })
}

/// By tail number and year: a departure, and its delay.
fn flights(frame: Frame) -> Vec<((Option<String>, i64), (isize, isize))> {
    let (types, tails, at) = (texts(&frame, "event_type"), texts(&frame, "tailnum"), times(&frame, "at"));
    let (scheduled, departed) = (numbers(&frame, "sched_dep_time"), numbers(&frame, "dep_time"));
    let mut found = Vec::new();
    for row in 0..frame.batch.num_rows() {
        if let ("flight", Some(departed)) = (types.value(row), number(&departed, row)) {
            let delay = delay(scheduled.value(row), departed);
            found.push(((text(&tails, row), year(at.value(row))), (1, delay as isize)));
        }
    }
    found
}

/// By tail number: when it was known in which year the aircraft was built, and that.
fn planes(frame: Frame) -> Vec<(Option<String>, (i64, Option<i64>))> {
    let (types, tails) = (texts(&frame, "event_type"), texts(&frame, "tailnum"));
    let (known, built) = (times(&frame, "known"), numbers(&frame, "plane_year"));
    let rows = (0..frame.batch.num_rows()).filter(|&row| types.value(row) == "plane" && tails.is_valid(row));
    rows.map(|row| (text(&tails, row), (known.value(row), number(&built, row)))).collect()
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
