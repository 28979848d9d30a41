//! How a delay carries over to what the same aircraft flies within twelve hours, version 1: final values, for Kappa, on differential. Flights that are twelve hours apart at the most are in one
//! span of twelve hours, or in two that follow on each other.

use crate::prelude::*;

pub const CODE: HandWritten = HandWritten {
    name: "carry_over",
    version: 1,
    columns: &[
        ("event_type", DataType::Text),
        ("at", DataType::Timestamp),
        ("tailnum", DataType::Text),
        ("sched_dep_time", DataType::Int),
        ("dep_time", DataType::Int),
    ],
    flow: Flow::Differential(rows),
};

pub const FINALS: Finals = Finals {
    name: "carry_over",
    version: 1,
    keys: &[("late", DataType::Int)],
    values: &[("flights", DataType::Int), ("next_delay_avg", DataType::Float)],
};

fn rows<'s>(frames: VecCollection<'s, u64, Frame, isize>) -> VecCollection<'s, u64, Row, isize> {
    let later = frames.flat_map(flights);
    let earlier = later.clone().flat_map(|((tail, span), flight)| [((tail.clone(), span), flight), ((tail, span + 1), flight)]);
    let pairs = earlier.join_map(later, |_, &(at, late), &(next, next_late)| {
        (next > at && next <= at + 12 * HOUR_US).then_some((lateness(late), next_late))
    });
    let sums = pairs.explode(|pair| pair.map(|(late, next)| (late, (1_isize, next as isize))));
    sums.count_total().map(|(late, (flights, delay))| Row {
        generation: 0,
        items: vec![late.into(), (flights as i64).into(), (delay as f64 / flights as f64).into()],
    })
}

/// By tail number and span: when it was to leave, and how late it did.
fn flights(frame: Frame) -> Vec<((String, i64), (i64, i64))> {
    let (types, tails, at) = (texts(&frame, "event_type"), texts(&frame, "tailnum"), times(&frame, "at"));
    let (scheduled, departed) = (numbers(&frame, "sched_dep_time"), numbers(&frame, "dep_time"));
    let mut found = Vec::new();
    for row in 0..frame.batch.num_rows() {
        if let ("flight", Some(tail), Some(departed)) = (types.value(row), text(&tails, row), number(&departed, row)) {
            let at = at.value(row);
            found.push(((tail, at.div_euclid(12 * HOUR_US)), (at, delay(scheduled.value(row), departed))));
        }
    }
    found
}

/// How late a flight left, in steps of half an hour: on time or early is 0, four hours and more are one.
fn lateness(late: i64) -> i64 {
    late.clamp(0, 240) / 30 * 30
}

/// Minutes from the scheduled to the actual departure.
fn delay(scheduled: i64, departed: i64) -> i64 {
    departed - scheduled
}
