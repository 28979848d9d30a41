//! How a delay carries over to what the same aircraft flies within twelve hours, version 2: final values, for Kappa, on timely. Each flight is paired with those that are there when it comes, and
//! stays for those to come.

use std::collections::BTreeMap;

use crate::prelude::*;

pub const CODE: HandWritten = HandWritten {
    name: "carry_over",
    version: 2,
    columns: &[
        ("event_type", DataType::Text),
        ("at", DataType::Timestamp),
        ("tailnum", DataType::Text),
        ("sched_dep_time", DataType::Int),
        ("dep_time", DataType::Int),
    ],
    flow: Flow::Timely(rows),
};

pub const FINALS: Finals = Finals {
    name: "carry_over",
    version: 2,
    keys: &[("late", DataType::Int)],
    values: &[("flights", DataType::Int), ("next_delay_avg", DataType::Float)],
};

/// How long a flight waits for those before and after it that come late.
const KEPT_US: i64 = 3 * DAY_US;

/// What an aircraft flew lately.
#[derive(Default)]
struct Tail {
    /// How late it left, by when it was to leave.
    flights: BTreeMap<i64, Vec<i64>>,
    /// Pairs that have not gone on: how late the first one left, and the second.
    pairs: Vec<(i64, i64)>,
}

/// Flights, and the sum of their delays.
type Sums = [i64; 2];

fn rows<'s>(frames: Stream<'s, u64, Vec<Frame>>) -> Stream<'s, u64, Vec<Row>> {
    let pairs = per_epoch(frames.flat_map(flights), true, pair, |_, tail| std::mem::take(&mut tail.pairs));
    finals_per_epoch(pairs, |sums: &mut Sums, next| *sums = [sums[0] + 1, sums[1] + next], row)
}

/// By tail number: when it was to leave, and how late it did.
fn flights(frame: Frame) -> Vec<(String, (i64, i64))> {
    let (types, tails, at) = (texts(&frame, "event_type"), texts(&frame, "tailnum"), times(&frame, "at"));
    let (scheduled, departed) = (numbers(&frame, "sched_dep_time"), numbers(&frame, "dep_time"));
    let mut found = Vec::new();
    for row in 0..frame.batch.num_rows() {
        if let ("flight", Some(tail), Some(departed)) = (types.value(row), text(&tails, row), number(&departed, row)) {
            found.push((tail, (at.value(row), delay(scheduled.value(row), departed))));
        }
    }
    found
}

fn pair(tail: &mut Tail, (at, late): (i64, i64)) {
    let before = tail.flights.range(at - 12 * HOUR_US..at).flat_map(|(_, flights)| flights);
    tail.pairs.extend(before.map(|earlier| (lateness(*earlier), late)));
    let after = tail.flights.range(at + 1..=at + 12 * HOUR_US).flat_map(|(_, flights)| flights);
    tail.pairs.extend(after.map(|later| (lateness(late), *later)));
    tail.flights.entry(at).or_default().push(late);
    while let Some(oldest) = tail.flights.first_entry().filter(|oldest| *oldest.key() < at - KEPT_US) {
        oldest.remove();
    }
}

fn row(late: &i64, &[flights, delay]: &Sums) -> Row {
    Row { generation: 0, items: vec![(*late).into(), flights.into(), (delay as f64 / flights as f64).into()] }
}

/// How late a flight left, in steps of half an hour: on time or early is 0, four hours and more are one.
fn lateness(late: i64) -> i64 {
    late.clamp(0, 240) / 30 * 30
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
