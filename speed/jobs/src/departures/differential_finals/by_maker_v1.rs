//! Delays by the maker of the aircraft, version 1: final values, for Kappa, on differential.

use crate::prelude::*;

pub const CODE: HandWritten = HandWritten {
    name: "by_maker",
    version: 1,
    columns: &[
        ("event_type", DataType::Text),
        ("known", DataType::Timestamp),
        ("tailnum", DataType::Text),
        ("sched_dep_time", DataType::Int),
        ("dep_time", DataType::Int),
        ("plane_manufacturer", DataType::Text),
    ],
    flow: Flow::Differential(rows),
};

pub const FINALS: Finals = Finals {
    name: "by_maker",
    version: 1,
    keys: &[("maker", DataType::Text)],
    values: &[("departures", DataType::Numeric), ("delay_avg", DataType::Float)],
};

fn rows<'s>(frames: VecCollection<'s, u64, Frame, isize>) -> VecCollection<'s, u64, Row, isize> {
    let flown = frames.clone().explode(flights).count_total();
    let built = frames.flat_map(planes).reduce(|_, rows, newest| {
        let (_, maker) = rows.iter().map(|(row, _)| (*row).clone()).max().unwrap_or_default();
        newest.push((maker, 1_isize));
    });
    let of_known = flown.clone().join_map(built.clone(), |_, sums, maker| (maker.clone(), *sums));
    let of_others = flown.antijoin(built.map(|(tail, _)| tail)).map(|(_, sums)| (None, sums));
    of_known.concat(of_others).explode(Some).count_total().map(|(maker, (departures, delay)): (Option<String>, (isize, isize))| Row {
        generation: 0,
        items: vec![maker.as_deref().into(), (departures as i64).into(), (delay as f64 / departures as f64).into()],
    })
}

/// By tail number: a departure, and its delay.
fn flights(frame: Frame) -> Vec<(Option<String>, (isize, isize))> {
    let (types, tails) = (texts(&frame, "event_type"), texts(&frame, "tailnum"));
    let (scheduled, departed) = (numbers(&frame, "sched_dep_time"), numbers(&frame, "dep_time"));
    let mut found = Vec::new();
    for row in 0..frame.batch.num_rows() {
        if let ("flight", Some(departed)) = (types.value(row), number(&departed, row)) {
            let delay = delay(scheduled.value(row), departed);
            found.push((text(&tails, row), (1, delay as isize)));
        }
    }
    found
}

/// By tail number: when it was known who made the aircraft, and who did.
fn planes(frame: Frame) -> Vec<(Option<String>, (i64, Option<String>))> {
    let (types, tails) = (texts(&frame, "event_type"), texts(&frame, "tailnum"));
    let (known, makers) = (times(&frame, "known"), texts(&frame, "plane_manufacturer"));
    let rows = (0..frame.batch.num_rows()).filter(|&row| types.value(row) == "plane" && tails.is_valid(row));
    rows.map(|row| (text(&tails, row), (known.value(row), text(&makers, row)))).collect()
}

/// Minutes from the scheduled to the actual departure.
fn delay(scheduled: i64, departed: i64) -> i64 {
    departed - scheduled
}
