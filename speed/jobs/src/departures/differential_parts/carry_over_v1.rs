//! How a delay carries over to what the same aircraft flies within twelve hours, version 1: parts, for Lambda, on differential. Pairs are made when parts are merged: a flight may belong
//! to one that the batch layer has read.

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

fn rows<'s>(frames: VecCollection<'s, u64, Frame, isize>) -> VecCollection<'s, u64, Row, isize> {
    rows_of_changes(frames.flat_map(flights).consolidate(), |(generation, tail, at, late), flights| Row {
        generation: *generation,
        items: vec![Some(&**tail).into(), (*at).into(), (*late).into(), (*flights as i64).into(), 0_i64.into(), Item::Null],
    })
}

/// By tail number: when it was to leave, and how late it did.
fn flights(frame: Frame) -> Vec<(u64, String, i64, i64)> {
    let (types, tails, at) = (texts(&frame, "event_type"), texts(&frame, "tailnum"), times(&frame, "at"));
    let (scheduled, departed) = (numbers(&frame, "sched_dep_time"), numbers(&frame, "dep_time"));
    let mut found = Vec::new();
    for row in 0..frame.batch.num_rows() {
        if let ("flight", Some(tail), Some(departed)) = (types.value(row), text(&tails, row), number(&departed, row)) {
            found.push((frame.generation, tail, at.value(row), delay(scheduled.value(row), departed)));
        }
    }
    found
}

/// Minutes from the scheduled to the actual departure.
fn delay(scheduled: i64, departed: i64) -> i64 {
    departed - scheduled
}
