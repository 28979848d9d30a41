//! Delays by the wind that was reported last, version 1: final values, for Kappa, on differential.

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

pub const FINALS: Finals = Finals {
    name: "by_last_wind",
    version: 1,
    keys: &[("wind", DataType::Int)],
    values: &[("departures", DataType::Numeric), ("delay_avg", DataType::Float)],
};

/// A report is good for its hour and as many after it.
const GOOD_FOR: i64 = 6;

fn rows<'s>(frames: VecCollection<'s, u64, Frame, isize>) -> VecCollection<'s, u64, Row, isize> {
    let flown = frames.clone().explode(flights).count_total();
    let last = frames.flat_map(reports).reduce(|_, reports, last| {
        let newest = reports.iter().map(|(report, _)| **report).max();
        last.extend(newest.map(|(_, wind)| (wind, 1_isize)));
    });
    let of_known = flown.clone().join_map(last.clone(), |_, sums, wind| (Some(*wind), *sums));
    let of_others = flown.antijoin(last.map(|(hour, _)| hour)).map(|(_, sums)| (None, sums));
    of_known.concat(of_others).explode(Some).count_total().map(|(wind, (departures, delay)): (Option<i64>, (isize, isize))| Row {
        generation: 0,
        items: vec![wind.into(), (departures as i64).into(), (delay as f64 / departures as f64).into()],
    })
}

/// By airport and hour: a departure, and its delay.
fn flights(frame: Frame) -> Vec<((Option<String>, i64), (isize, isize))> {
    let (types, origins, at) = (texts(&frame, "event_type"), texts(&frame, "origin"), times(&frame, "at"));
    let (scheduled, departed) = (numbers(&frame, "sched_dep_time"), numbers(&frame, "dep_time"));
    let mut found = Vec::new();
    for row in 0..frame.batch.num_rows() {
        if let ("flight", Some(departed)) = (types.value(row), number(&departed, row)) {
            let delay = delay(scheduled.value(row), departed);
            found.push(((text(&origins, row), window(at.value(row), HOUR_US)), (1, delay as isize)));
        }
    }
    found
}

/// By airport and each hour that a report is good for: of which hour it is, and its wind.
fn reports(frame: Frame) -> Vec<((Option<String>, i64), (i64, i64))> {
    let (types, origins, at) = (texts(&frame, "event_type"), texts(&frame, "origin"), times(&frame, "at"));
    let winds = floats(&frame, "wind_speed");
    let mut found = Vec::new();
    let is_report = |row: &usize| types.value(*row) == "weather" && origins.is_valid(*row) && winds.is_valid(*row);
    for row in (0..frame.batch.num_rows()).filter(is_report) {
        let (hour, wind) = (window(at.value(row), HOUR_US), wind(winds.value(row)));
        let hours = (0..=GOOD_FOR).map(|later| hour + later * HOUR_US);
        found.extend(hours.map(|of| ((text(&origins, row), of), (hour, wind))));
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
