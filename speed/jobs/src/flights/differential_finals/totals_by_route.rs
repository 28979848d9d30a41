//! Running totals by route, both versions: final values, for Kappa, on differential.

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
    flow: Flow::Differential(rows),
};

pub const FINALS: Finals = Finals {
    name: "totals_by_route",
    version: 1,
    keys: &[("origin", DataType::Text), ("dest", DataType::Text)],
    values: &[
        ("flights", DataType::Int),
        ("departures", DataType::Int),
        ("miles", DataType::Numeric),
        ("air_minutes", DataType::Numeric),
        ("known_last", DataType::Timestamp),
    ],
};

fn rows<'s>(frames: VecCollection<'s, u64, Frame, isize>) -> VecCollection<'s, u64, Row, isize> {
    frames.explode(flights).count_total().map(|((origin, dest), ((flights, departures), (miles, air_minutes, in_the_air), known_last))| {
        let air_minutes = (in_the_air > 0).then_some(air_minutes as i64);
        Row {
            generation: 0,
            items: vec![
                (&origin).into(),
                (&dest).into(),
                (flights as i64).into(),
                (departures as i64).into(),
                (miles as i64).into(),
                air_minutes.into(),
                known_last.0.into(),
            ],
        }
    })
}

fn flights(frame: Frame) -> Vec<((String, String), ((isize, isize), (isize, isize, isize), Greatest))> {
    let (origins, dests) = (texts(&frame, "origin"), texts(&frame, "dest"));
    let (departed, distances, air_times) = (numbers(&frame, "dep_time"), numbers(&frame, "distance"), numbers(&frame, "air_time"));
    let known = times(&frame, "known");
    let flight = |row| {
        let key = (origins.value(row).to_owned(), dests.value(row).to_owned());
        let air_time = number(&air_times, row);
        let counts = (1, isize::from(departed.is_valid(row)));
        let sums = (distances.value(row) as isize, air_time.unwrap_or(0) as isize, isize::from(air_time.is_some()));
        (key, (counts, sums, Greatest(known.value(row))))
    };
    (0..frame.batch.num_rows()).map(flight).collect()
}
