//! Share of flights cancelled by day, both versions: parts, for Lambda, on differential.

use crate::prelude::*;

pub const CODE: HandWritten = HandWritten {
    name: "cancelled_share_by_day",
    version: 1,
    columns: &[("sched_dep", DataType::Timestamp), ("dep_time", DataType::Int)],
    flow: Flow::Differential(rows),
};

fn rows<'s>(frames: VecCollection<'s, u64, Frame, isize>) -> VecCollection<'s, u64, Row, isize> {
    rows_of_changes(frames.explode(flights).consolidate(), |(generation, day), (flights, cancelled)| Row {
        generation: *generation,
        items: vec![(*day).into(), (*cancelled as i64).into(), (*flights as i64).into()],
    })
}

fn flights(frame: Frame) -> Vec<((u64, i64), (isize, isize))> {
    let (times, departed) = (times(&frame, "sched_dep"), numbers(&frame, "dep_time"));
    let flight = |row| {
        let key = (frame.generation, window(times.value(row), DAY_US));
        (key, (1, isize::from(departed.is_null(row))))
    };
    (0..frame.batch.num_rows()).map(flight).collect()
}
