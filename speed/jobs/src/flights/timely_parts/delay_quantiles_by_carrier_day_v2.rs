//! Median and tail delays by day and carrier, version 2: parts, for Lambda, on timely.

use crate::prelude::*;

pub const CODE: HandWritten = HandWritten {
    name: "delay_quantiles_by_carrier_day",
    version: 2,
    columns: &[
        ("sched_dep", DataType::Timestamp),
        ("carrier", DataType::Text),
        ("sched_dep_time", DataType::Int),
        ("dep_time", DataType::Int),
    ],
    flow: Flow::Timely(rows),
};

#[derive(Default)]
struct Delays(Vec<i64>);

fn rows<'s>(frames: Stream<'s, u64, Vec<Frame>>) -> Stream<'s, u64, Vec<Row>> {
    parts_per_epoch(frames.flat_map(departures), add, |(generation, day, carrier), group| {
        let delays = || Item::list(group.0.iter().copied());
        Row {
            generation: *generation,
            items: vec![(*day).into(), carrier.into(), delays(), delays(), delays(), (group.0.len() as i64).into()],
        }
    })
}

fn departures(frame: Frame) -> Vec<((u64, i64, String), i64)> {
    let (times, carriers) = (times(&frame, "sched_dep"), texts(&frame, "carrier"));
    let (scheduled, departed) = (numbers(&frame, "sched_dep_time"), numbers(&frame, "dep_time"));
    let mut found = Vec::new();
    for row in 0..frame.batch.num_rows() {
        if let Some(departed) = number(&departed, row) {
            let key = (frame.generation, window(times.value(row), DAY_US), carriers.value(row).to_owned());
            let delay = delay(scheduled.value(row), departed);
            found.push((key, delay));
        }
    }
    found
}

fn add(delays: &mut Delays, delay: i64) {
    delays.0.push(delay);
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
