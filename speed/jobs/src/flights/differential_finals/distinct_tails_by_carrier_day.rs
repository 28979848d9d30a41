//! Aircraft in use by day and carrier, both versions: final values, for Kappa, on differential.

use crate::prelude::*;

pub const CODE: HandWritten = HandWritten {
    name: "distinct_tails_by_carrier_day",
    version: 1,
    columns: &[("sched_dep", DataType::Timestamp), ("carrier", DataType::Text), ("tailnum", DataType::Text)],
    flow: Flow::Differential(rows),
};

pub const FINALS: Finals = Finals {
    name: "distinct_tails_by_carrier_day",
    version: 1,
    keys: &[("day", DataType::Timestamp), ("carrier", DataType::Text)],
    values: &[("aircraft", DataType::Int), ("aircraft_approx", DataType::Int), ("flights", DataType::Int)],
};

fn rows<'s>(frames: VecCollection<'s, u64, Frame, isize>) -> VecCollection<'s, u64, Row, isize> {
    let aircraft = frames.flat_map(flights).reduce(|_, tails, aircraft| {
        let known = tails.iter().filter(|(tail, _)| tail.is_some()).count();
        let flights: isize = tails.iter().map(|(_, n)| n).sum();
        aircraft.push(((known as i64, flights as i64), 1));
    });
    aircraft.map(|((day, carrier), (aircraft, flights)): ((i64, String), (i64, i64))| Row {
        generation: 0,
        items: vec![day.into(), (&carrier).into(), aircraft.into(), aircraft.into(), flights.into()],
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
