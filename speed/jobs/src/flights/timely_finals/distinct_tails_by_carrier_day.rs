//! Aircraft in use by day and carrier, both versions: final values, for Kappa, on timely.

use crate::prelude::*;

pub const CODE: HandWritten = HandWritten {
    name: "distinct_tails_by_carrier_day",
    version: 1,
    columns: &[("sched_dep", DataType::Timestamp), ("carrier", DataType::Text), ("tailnum", DataType::Text)],
    flow: Flow::Timely(rows),
};

pub const FINALS: Finals = Finals {
    name: "distinct_tails_by_carrier_day",
    version: 1,
    keys: &[("day", DataType::Timestamp), ("carrier", DataType::Text)],
    values: &[("aircraft", DataType::Int), ("aircraft_approx", DataType::Int), ("flights", DataType::Int)],
};

#[derive(Default)]
struct Aircraft {
    tails: HashSet<String>,
    flights: i64,
}

fn rows<'s>(frames: Stream<'s, u64, Vec<Frame>>) -> Stream<'s, u64, Vec<Row>> {
    finals_per_epoch(frames.flat_map(flights), add, |(day, carrier), group| {
        let aircraft = group.tails.len() as i64;
        Row { generation: 0, items: vec![(*day).into(), carrier.into(), aircraft.into(), aircraft.into(), group.flights.into()] }
    })
}

fn flights(frame: Frame) -> Vec<((i64, String), Option<String>)> {
    let (times, carriers, tails) = (times(&frame, "sched_dep"), texts(&frame, "carrier"), texts(&frame, "tailnum"));
    let flight = |row| {
        let key = (window(times.value(row), DAY_US), carriers.value(row).to_owned());
        (key, text(&tails, row))
    };
    (0..frame.batch.num_rows()).map(flight).collect()
}

fn add(aircraft: &mut Aircraft, tail: Option<String>) {
    aircraft.tails.extend(tail);
    aircraft.flights += 1;
}
