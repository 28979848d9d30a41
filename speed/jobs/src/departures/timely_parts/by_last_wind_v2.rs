//! Delays by the wind that was reported last, version 2: parts, for Lambda, on timely. An airport's flights stand under their hour, and so does the wind that is reported of it.

use crate::prelude::*;

pub const CODE: HandWritten = HandWritten {
    name: "by_last_wind",
    version: 2,
    columns: &[
        ("event_type", DataType::Text),
        ("at", DataType::Timestamp),
        ("origin", DataType::Text),
        ("sched_dep_time", DataType::Int),
        ("dep_time", DataType::Int),
        ("wind_speed", DataType::Float),
    ],
    flow: Flow::Timely(rows),
};

#[derive(Clone, serde::Serialize, serde::Deserialize)]
enum Event {
    Flight { delay: i64 },
    Report { wind: i64 },
}

#[derive(Default)]
struct Hour {
    departures: i64,
    delay: Option<i64>,
    wind: Option<i64>,
}

fn rows<'s>(frames: Stream<'s, u64, Vec<Frame>>) -> Stream<'s, u64, Vec<Row>> {
    parts_per_epoch(frames.flat_map(events), add, |(generation, origin, hour), group| Row {
        generation: *generation,
        items: vec![origin.as_deref().into(), (*hour).into(), group.departures.into(), group.delay.into(), group.wind.into()],
    })
}

fn events(frame: Frame) -> Vec<((u64, Option<String>, i64), Event)> {
    let (types, origins, at) = (texts(&frame, "event_type"), texts(&frame, "origin"), times(&frame, "at"));
    let (scheduled, departed) = (numbers(&frame, "sched_dep_time"), numbers(&frame, "dep_time"));
    let winds = floats(&frame, "wind_speed");
    let mut found = Vec::new();
    for row in 0..frame.batch.num_rows() {
        let event = match (types.value(row), number(&departed, row)) {
            ("flight", Some(departed)) => Event::Flight { delay: delay(scheduled.value(row), departed) },
            ("weather", _) if winds.is_valid(row) => Event::Report { wind: wind(winds.value(row)) },
            _ => continue,
        };
        found.push(((frame.generation, text(&origins, row), window(at.value(row), HOUR_US)), event));
    }
    found
}

fn add(hour: &mut Hour, event: Event) {
    match event {
        Event::Flight { delay } => {
            hour.departures += 1;
            *hour.delay.get_or_insert(0) += delay;
        }
        Event::Report { wind } => hour.wind = hour.wind.max(Some(wind)),
    }
}

/// In steps of five miles per hour.
fn wind(speed: f64) -> i64 {
    (speed / 5.0).floor() as i64 * 5
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
