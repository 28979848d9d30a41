//! Aircraft in use by day and carrier, both versions: parts, for Lambda, on differential.

use crate::prelude::*;

pub const CODE: HandWritten = HandWritten {
    name: "distinct_tails_by_carrier_day",
    version: 1,
    columns: &[("sched_dep", DataType::Timestamp), ("carrier", DataType::Text), ("tailnum", DataType::Text)],
    flow: Flow::Differential(rows),
};

fn rows<'s>(frames: VecCollection<'s, u64, Frame, isize>) -> VecCollection<'s, u64, Row, isize> {
    rows_of_changes(frames.explode(flights).consolidate(), |(generation, day, carrier), (flights, tails)| {
        let tails = || Item::list(&tails.0);
        Row { generation: *generation, items: vec![(*day).into(), carrier.into(), tails(), tails(), (*flights as i64).into()] }
    })
}

fn flights(frame: Frame) -> Vec<((u64, i64, String), (isize, Values<String>))> {
    let (times, carriers, tails) = (times(&frame, "sched_dep"), texts(&frame, "carrier"), texts(&frame, "tailnum"));
    let flight = |row| {
        let key = (frame.generation, window(times.value(row), DAY_US), carriers.value(row).to_owned());
        (key, (1, Values(text(&tails, row).into_iter().collect())))
    };
    (0..frame.batch.num_rows()).map(flight).collect()
}
