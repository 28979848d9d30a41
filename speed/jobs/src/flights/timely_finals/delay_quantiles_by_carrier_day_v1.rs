//! Median and tail delays by day and carrier, version 1: final values, for Kappa, on timely.

use crate::prelude::*;

pub const CODE: HandWritten = HandWritten {
    name: "delay_quantiles_by_carrier_day",
    version: 1,
    columns: &[
        ("sched_dep", DataType::Timestamp),
        ("carrier", DataType::Text),
        ("sched_dep_time", DataType::Int),
        ("dep_time", DataType::Int),
    ],
    flow: Flow::Timely(rows),
};

pub const FINALS: Finals = Finals {
    name: "delay_quantiles_by_carrier_day",
    version: 1,
    keys: &[("day", DataType::Timestamp), ("carrier", DataType::Text)],
    values: &[
        ("delay_p50", DataType::Float),
        ("delay_p90", DataType::Float),
        ("delay_p99", DataType::Float),
        ("departures", DataType::Int),
    ],
};

#[derive(Default)]
struct Delays(Vec<i64>);

fn rows<'s>(frames: Stream<'s, u64, Vec<Frame>>) -> Stream<'s, u64, Vec<Row>> {
    finals_per_epoch(frames.flat_map(departures), add, |(day, carrier), group| {
        let mut delays = group.0.clone();
        delays.sort_unstable();
        let quantile = |q: f64| delays[(q * (delays.len() - 1) as f64) as usize] as f64;
        Row {
            generation: 0,
            items: vec![
                (*day).into(),
                carrier.into(),
                quantile(0.5).into(),
                quantile(0.9).into(),
                quantile(0.99).into(),
                (delays.len() as i64).into(),
            ],
        }
    })
}

fn departures(frame: Frame) -> Vec<((i64, String), i64)> {
    let (times, carriers) = (times(&frame, "sched_dep"), texts(&frame, "carrier"));
    let (scheduled, departed) = (numbers(&frame, "sched_dep_time"), numbers(&frame, "dep_time"));
    let mut found = Vec::new();
    for row in 0..frame.batch.num_rows() {
        if let Some(departed) = number(&departed, row) {
            let key = (window(times.value(row), DAY_US), carriers.value(row).to_owned());
            let delay = delay(scheduled.value(row), departed);
            found.push((key, delay));
        }
    }
    found
}

fn add(delays: &mut Delays, delay: i64) {
    delays.0.push(delay);
}

/// Minutes from the scheduled to the actual departure, both clock times written HHMM.
fn delay(scheduled: i64, departed: i64) -> i64 {
    departed - scheduled
}
