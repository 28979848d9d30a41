//! Running totals by route, both versions: parts, for Lambda, on timely.

use crate::prelude::*;

pub const CODE: HandWritten = HandWritten {
    name: "totals_by_route",
    version: 1,
    columns: &[
        ("origin", DataType::Text),
        ("dest", DataType::Text),
        ("dep_time", DataType::Int),
        ("distance", DataType::Int),
        ("air_time", DataType::Int),
        ("known", DataType::Timestamp),
    ],
    flow: Flow::Timely(rows),
};

#[derive(Default)]
struct Totals {
    flights: i64,
    departures: i64,
    miles: i64,
    air_minutes: Option<i64>,
    known_last: Option<i64>,
}

fn rows<'s>(frames: Stream<'s, u64, Vec<Frame>>) -> Stream<'s, u64, Vec<Row>> {
    parts_per_epoch(frames.flat_map(flights), add, |(generation, origin, dest), group| Row {
        generation: *generation,
        items: vec![
            origin.into(),
            dest.into(),
            group.flights.into(),
            group.departures.into(),
            group.miles.into(),
            group.air_minutes.into(),
            group.known_last.into(),
        ],
    })
}

fn flights(frame: Frame) -> Vec<((u64, String, String), (bool, i64, Option<i64>, i64))> {
    let (origins, dests) = (texts(&frame, "origin"), texts(&frame, "dest"));
    let (departed, distances, air_times) = (numbers(&frame, "dep_time"), numbers(&frame, "distance"), numbers(&frame, "air_time"));
    let known = times(&frame, "known");
    let flight = |row| {
        let key = (frame.generation, origins.value(row).to_owned(), dests.value(row).to_owned());
        (key, (departed.is_valid(row), distances.value(row), number(&air_times, row), known.value(row)))
    };
    (0..frame.batch.num_rows()).map(flight).collect()
}

fn add(totals: &mut Totals, (departed, distance, air_time, known): (bool, i64, Option<i64>, i64)) {
    totals.flights += 1;
    totals.departures += i64::from(departed);
    totals.miles += distance;
    if let Some(air_time) = air_time {
        *totals.air_minutes.get_or_insert(0) += air_time;
    }
    totals.known_last = totals.known_last.max(Some(known));
}
