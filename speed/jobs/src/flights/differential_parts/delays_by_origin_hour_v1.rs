//! Delays by hour and airport, version 1: parts, for Lambda, on differential.

use crate::prelude::*;

pub const CODE: HandWritten = HandWritten {
    name: "delays_by_origin_hour",
    version: 1,
    columns: &[
        ("sched_dep", DataType::Timestamp),
        ("origin", DataType::Text),
        ("sched_dep_time", DataType::Int),
        ("dep_time", DataType::Int),
    ],
    flow: Flow::Differential(rows),
};

fn rows<'s>(frames: VecCollection<'s, u64, Frame, isize>) -> VecCollection<'s, u64, Row, isize> {
    rows_of_changes(frames.explode(departures).consolidate(), |(generation, hour, origin), (departures, sum, max)| Row {
        generation: *generation,
        items: vec![(*hour).into(), origin.into(), (*sum as i64).into(), max.0.into(), (*departures as i64).into()],
    })
}

fn departures(frame: Frame) -> Vec<((u64, i64, String), (isize, isize, Greatest))> {
    let (times, origins) = (times(&frame, "sched_dep"), texts(&frame, "origin"));
    let (scheduled, departed) = (numbers(&frame, "sched_dep_time"), numbers(&frame, "dep_time"));
    let mut found = Vec::new();
    for row in 0..frame.batch.num_rows() {
        if let Some(departed) = number(&departed, row) {
            let key = (frame.generation, window(times.value(row), HOUR_US), origins.value(row).to_owned());
            let delay = delay(scheduled.value(row), departed);
            found.push((key, (1, delay as isize, Greatest(delay))));
        }
    }
    found
}

/// Minutes from the scheduled to the actual departure, both clock times written HHMM.
fn delay(scheduled: i64, departed: i64) -> i64 {
    departed - scheduled
}
