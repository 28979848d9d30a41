//! Delays by the wind that was reported last, version 1: parts, for Lambda, on differential. An airport's flights stand under their hour, and so does the wind that is reported of it.

use crate::jobs::prelude::*;

pub const CODE: HandWritten = HandWritten {
    name: "by_last_wind",
    version: 1,
    columns: &[
        ("event_type", DataType::Text),
        ("at", DataType::Timestamp),
        ("origin", DataType::Text),
        ("sched_dep_time", DataType::Int),
        ("dep_time", DataType::Int),
        ("wind_speed", DataType::Float),
    ],
    flow: Flow::Differential(rows),
};

fn rows<'s>(frames: VecCollection<'s, u64, Frame, isize>) -> VecCollection<'s, u64, Row, isize> {
    let flown = rows_of_changes(frames.clone().explode(flights).consolidate(), |(generation, origin, hour), (departures, delay)| Row {
        generation: *generation,
        items: vec![origin.as_deref().into(), (*hour).into(), (*departures as i64).into(), (*delay as i64).into(), Item::Null],
    });
    let reported = rows_of_changes(frames.explode(reports).consolidate(), |(generation, origin, hour), wind| Row {
        generation: *generation,
        items: vec![origin.as_deref().into(), (*hour).into(), 0_i64.into(), Item::Null, wind.0.into()],
    });
    flown.concat(reported)
}

/// By airport and hour: a departure, and its delay.
fn flights(frame: Frame) -> Vec<((u64, Option<String>, i64), (isize, isize))> {
    let (types, origins, at) = (texts(&frame, "event_type"), texts(&frame, "origin"), times(&frame, "at"));
    let (scheduled, departed) = (numbers(&frame, "sched_dep_time"), numbers(&frame, "dep_time"));
    let mut found = Vec::new();
    for row in 0..frame.batch.num_rows() {
        if let ("flight", Some(departed)) = (types.value(row), number(&departed, row)) {
            let delay = delay(scheduled.value(row), departed);
            found.push(((frame.generation, text(&origins, row), window(at.value(row), HOUR_US)), (1, delay as isize)));
        }
    }
    found
}

/// By airport and hour: the wind.
fn reports(frame: Frame) -> Vec<((u64, Option<String>, i64), Greatest)> {
    let (types, origins, at) = (texts(&frame, "event_type"), texts(&frame, "origin"), times(&frame, "at"));
    let winds = floats(&frame, "wind_speed");
    let rows = (0..frame.batch.num_rows()).filter(|&row| types.value(row) == "weather" && winds.is_valid(row));
    let key = |row| (frame.generation, text(&origins, row), window(at.value(row), HOUR_US));
    rows.map(|row| (key(row), Greatest(wind(winds.value(row))))).collect()
}

/// In steps of five miles per hour.
fn wind(speed: f64) -> i64 {
    (speed / 5.0).floor() as i64 * 5
}

/// Minutes from the scheduled to the actual departure.
fn delay(scheduled: i64, departed: i64) -> i64 {
    departed - scheduled
}
