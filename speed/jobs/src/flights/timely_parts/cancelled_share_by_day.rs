//! Share of flights cancelled by day, both versions: parts, for Lambda, on timely.

use crate::prelude::*;

pub const CODE: HandWritten = HandWritten {
    name: "cancelled_share_by_day",
    version: 1,
    columns: &[("sched_dep", DataType::Timestamp), ("dep_time", DataType::Int)],
    flow: Flow::Timely(rows),
};

#[derive(Default)]
struct Flights {
    cancelled: i64,
    flights: i64,
}

fn rows<'s>(frames: Stream<'s, u64, Vec<Frame>>) -> Stream<'s, u64, Vec<Row>> {
    parts_per_epoch(frames.flat_map(flights), add, |(generation, day), group| Row {
        generation: *generation,
        items: vec![(*day).into(), group.cancelled.into(), group.flights.into()],
    })
}

fn flights(frame: Frame) -> Vec<((u64, i64), bool)> {
    let (times, departed) = (times(&frame, "sched_dep"), numbers(&frame, "dep_time"));
    let flight = |row| {
        let key = (frame.generation, window(times.value(row), DAY_US));
        (key, departed.is_null(row))
    };
    (0..frame.batch.num_rows()).map(flight).collect()
}

fn add(flights: &mut Flights, cancelled: bool) {
    flights.cancelled += i64::from(cancelled);
    flights.flights += 1;
}
