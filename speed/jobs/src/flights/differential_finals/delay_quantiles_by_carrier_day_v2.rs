//! Median and tail delays by day and carrier, version 2: final values, for Kappa, on differential.

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
    flow: Flow::Differential(rows),
};

pub const FINALS: Finals = Finals {
    name: "delay_quantiles_by_carrier_day",
    version: 2,
    keys: &[("day", DataType::Timestamp), ("carrier", DataType::Text)],
    values: &[
        ("delay_p50", DataType::Float),
        ("delay_p90", DataType::Float),
        ("delay_p99", DataType::Float),
        ("departures", DataType::Int),
    ],
};

fn rows<'s>(frames: VecCollection<'s, u64, Frame, isize>) -> VecCollection<'s, u64, Row, isize> {
    let quantiles = frames.flat_map(departures).reduce(|_, delays, quantiles| {
        // Delays come in ascending order, each with the number of its departures.
        let departures: isize = delays.iter().map(|(_, n)| n).sum();
        let quantile = |q: f64| {
            let mut rank = (q * (departures - 1) as f64) as isize;
            let at_rank = |(_, n): &&(&i64, isize)| {
                rank -= n;
                rank < 0
            };
            delays.iter().find(at_rank).map_or(0, |(delay, _)| **delay)
        };
        quantiles.push(((quantile(0.5), quantile(0.9), quantile(0.99), departures as i64), 1));
    });
    quantiles.map(|((day, carrier), (p50, p90, p99, departures)): ((i64, String), (i64, i64, i64, i64))| {
        let quantile = |delay: i64| Item::from(delay as f64);
        Row { generation: 0, items: vec![day.into(), (&carrier).into(), quantile(p50), quantile(p90), quantile(p99), departures.into()] }
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

/// Minutes since midnight of a clock time written HHMM.
fn minutes(hhmm: i64) -> i64 {
    hhmm / 100 * 60 + hhmm % 100
}

/// Minutes from the scheduled to the actual departure. Nobody leaves over an hour early: then it is the next day.
fn delay(scheduled: i64, departed: i64) -> i64 {
    let delay = minutes(departed) - minutes(scheduled);
    if delay < -60 { delay + 24 * 60 } else { delay }
}
