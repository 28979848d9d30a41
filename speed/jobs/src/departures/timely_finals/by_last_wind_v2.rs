//! Delays by the wind that was reported last, version 2: final values, for Kappa, on timely. Flights and reports meet under the airport and each hour that a report is good for; what that adds to a
//! wind, and takes from it, goes on to that.

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

pub const FINALS: Finals = Finals {
    name: "by_last_wind",
    version: 2,
    keys: &[("wind", DataType::Int)],
    values: &[("departures", DataType::Numeric), ("delay_avg", DataType::Float)],
};

/// A report is good for its hour and as many after it.
const GOOD_FOR: i64 = 6;

#[derive(Clone, serde::Serialize, serde::Deserialize)]
enum Event {
    Flight { delay: i64 },
    Report { hour: i64, wind: i64 },
}

/// What is known of an airport's hour.
#[derive(Default)]
struct Hour {
    flown: Sums,
    /// The last report that is good for it: of which hour it is, and its wind.
    last: Option<(i64, i64)>,
    /// What has gone on to a wind.
    given: Option<(Option<i64>, Sums)>,
}

/// Departures, and the sum of their delays.
type Sums = [i64; 2];

fn rows<'s>(frames: Stream<'s, u64, Vec<Frame>>) -> Stream<'s, u64, Vec<Row>> {
    let changes = per_epoch(frames.flat_map(events), true, add, |_, hour| changes(hour));
    finals_per_epoch(changes, |sums: &mut Sums, by| (0..2).for_each(|i| sums[i] += by[i]), row)
}

fn events(frame: Frame) -> Vec<((Option<String>, i64), Event)> {
    let (types, origins, at) = (texts(&frame, "event_type"), texts(&frame, "origin"), times(&frame, "at"));
    let (scheduled, departed) = (numbers(&frame, "sched_dep_time"), numbers(&frame, "dep_time"));
    let winds = floats(&frame, "wind_speed");
    let mut found = Vec::new();
    for row in 0..frame.batch.num_rows() {
        let (origin, hour) = (text(&origins, row), window(at.value(row), HOUR_US));
        match (types.value(row), number(&departed, row)) {
            ("flight", Some(departed)) => found.push(((origin, hour), Event::Flight { delay: delay(scheduled.value(row), departed) })),
            ("weather", _) if origins.is_valid(row) && winds.is_valid(row) => {
                let wind = wind(winds.value(row));
                let hours = (0..=GOOD_FOR).map(|later| hour + later * HOUR_US);
                found.extend(hours.map(|of| ((origin.clone(), of), Event::Report { hour, wind })));
            }
            _ => {}
        }
    }
    found
}

fn add(hour: &mut Hour, event: Event) {
    match event {
        Event::Flight { delay } => hour.flown = [hour.flown[0] + 1, hour.flown[1] + delay],
        Event::Report { hour: of, wind } => hour.last = hour.last.max(Some((of, wind))),
    }
}

/// What an hour comes to under its wind now, less what it came to before.
fn changes(hour: &mut Hour) -> Vec<(Option<i64>, Sums)> {
    let wind = hour.last.map(|(_, wind)| wind);
    let now = (hour.flown[0] > 0).then_some((wind, hour.flown));
    if now == hour.given {
        return Vec::new();
    }
    let before = std::mem::replace(&mut hour.given, now);
    let taken = before.map(|(wind, sums)| (wind, sums.map(|sum| -sum)));
    now.into_iter().chain(taken).collect()
}

/// Nothing is left of a wind whose hours all turned out to have another.
fn row(wind: &Option<i64>, &[departures, delay]: &Sums) -> Row {
    let items = match departures {
        0 => vec![(*wind).into(), Item::Null, Item::Null],
        _ => vec![(*wind).into(), departures.into(), (delay as f64 / departures as f64).into()],
    };
    Row { generation: 0, items }
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
