//! Share of flights cancelled by day, both versions: final values, for Kappa, on differential.

use crate::prelude::*;

pub const CODE: HandWritten = HandWritten {
    name: "cancelled_share_by_day",
    version: 1,
    columns: &[("sched_dep", DataType::Timestamp), ("dep_time", DataType::Int)],
    flow: Flow::Differential(rows),
};

pub const FINALS: Finals = Finals {
    name: "cancelled_share_by_day",
    version: 1,
    keys: &[("day", DataType::Timestamp)],
    values: &[("cancelled_share", DataType::Float), ("cancelled", DataType::Numeric), ("flights", DataType::Int)],
};

fn rows<'s>(frames: VecCollection<'s, u64, Frame, isize>) -> VecCollection<'s, u64, Row, isize> {
    frames.explode(flights).count_total().map(|(day, (flights, cancelled))| Row {
        generation: 0,
        items: vec![day.into(), (cancelled as f64 / flights as f64).into(), (cancelled as i64).into(), (flights as i64).into()],
    })
}

fn flights(frame: Frame) -> Vec<(i64, (isize, isize))> {
    let (times, departed) = (times(&frame, "sched_dep"), numbers(&frame, "dep_time"));
    let flight = |row| {
        let key = window(times.value(row), DAY_US);
        (key, (1, isize::from(departed.is_null(row))))
    };
    (0..frame.batch.num_rows()).map(flight).collect()
}
