//! Delays by hour and airport, version 1: final values, for Kappa, on timely.

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
    flow: Flow::Timely(rows),
};

pub const FINALS: Finals = Finals {
    name: "delays_by_origin_hour",
    version: 1,
    keys: &[("hour", DataType::Timestamp), ("origin", DataType::Text)],
    values: &[("delay_avg", DataType::Float), ("delay_max", DataType::Int), ("departures", DataType::Int)],
};

#[derive(Default)]
struct Delays {
    sum: i64,
    max: Option<i64>,
    departures: i64,
}

fn rows<'s>(frames: Stream<'s, u64, Vec<Frame>>) -> Stream<'s, u64, Vec<Row>> {
    finals_per_epoch(frames.flat_map(departures), add, |(hour, origin), group| Row {
        generation: 0,
        items: vec![
            (*hour).into(),
            origin.into(),
            (group.sum as f64 / group.departures as f64).into(),
            group.max.into(),
            group.departures.into(),
        ],
    })
}

fn departures(frame: Frame) -> Vec<((i64, String), i64)> {
    let (times, origins) = (times(&frame, "sched_dep"), texts(&frame, "origin"));
    let (scheduled, departed) = (numbers(&frame, "sched_dep_time"), numbers(&frame, "dep_time"));
    let mut found = Vec::new();
    for row in 0..frame.batch.num_rows() {
        if let Some(departed) = number(&departed, row) {
            let key = (window(times.value(row), HOUR_US), origins.value(row).to_owned());
            let delay = delay(scheduled.value(row), departed);
            found.push((key, delay));
        }
    }
    found
}

fn add(delays: &mut Delays, delay: i64) {
    delays.sum += delay;
    delays.max = delays.max.max(Some(delay));
    delays.departures += 1;
}

/// Minutes from the scheduled to the actual departure, both clock times written HHMM.
fn delay(scheduled: i64, departed: i64) -> i64 {
    departed - scheduled
}
