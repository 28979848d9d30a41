//! Delays by the wind that was reported last, version 1: parts, for Lambda, on differential. An airport's flights stand under their hour, and so does the wind that is reported of it.

use crate::prelude::*;

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
    let hours = frames.explode(events).consolidate();
    rows_of_changes(hours, |(generation, origin, hour), (departures, delay, wind)| {
        let delay = (*departures > 0).then_some(*delay as i64);
        let wind = (*wind > NO_WIND).then_some(wind.0);
        let items = vec![origin.as_deref().into(), (*hour).into(), (*departures as i64).into(), delay.into(), wind.into()];
        Row { generation: *generation, items }
    })
}

/// What an event tells of its airport's hour: a departure, its delay, the wind.
type Told = (isize, isize, Greatest);

/// Of what is no report.
const NO_WIND: Greatest = Greatest(i64::MIN);

fn events(frame: Frame) -> Vec<((u64, Option<String>, i64), Told)> {
    let (types, origins, at) = (texts(&frame, "event_type"), texts(&frame, "origin"), times(&frame, "at"));
    let (scheduled, departed) = (numbers(&frame, "sched_dep_time"), numbers(&frame, "dep_time"));
    let winds = floats(&frame, "wind_speed");
    let mut found = Vec::new();
    for row in 0..frame.batch.num_rows() {
        let told = match (types.value(row), number(&departed, row)) {
            ("flight", Some(departed)) => (1, delay(scheduled.value(row), departed) as isize, NO_WIND),
            ("weather", _) if winds.is_valid(row) => (0, 0, Greatest(wind(winds.value(row)))),
            _ => continue,
        };
        found.push(((frame.generation, text(&origins, row), window(at.value(row), HOUR_US)), told));
    }
    found
}

/// In steps of five miles per hour.
fn wind(speed: f64) -> i64 {
    (speed / 5.0).floor() as i64 * 5
}

/// Minutes from the scheduled to the actual departure.
fn delay(scheduled: i64, departed: i64) -> i64 {
    departed - scheduled
}
