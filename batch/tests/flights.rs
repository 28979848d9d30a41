//! The built-in flights queries: by hand, as SQL, and by the reference interpreter, over made-up flights.

mod common;

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use common::{assert_agrees, rows, topic};
use twopath_batch::jobs::flights::hand_written;
use twopath_batch::{BatchError, HandWritten, Logic, compute};
use twopath_shared::query::{Query, parse};

fn schema() -> SchemaRef {
    let time = |name| Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false);
    let number = |name, nullable| Field::new(name, DataType::Int64, nullable);
    let text = |name, nullable| Field::new(name, DataType::Utf8, nullable);
    Arc::new(Schema::new(vec![
        time("sched_dep"),
        time("known"),
        text("carrier", false),
        number("flight", false),
        text("tailnum", true),
        text("origin", false),
        text("dest", false),
        number("sched_dep_time", false),
        number("dep_time", true),
        number("dep_delay", true),
        number("sched_arr_time", false),
        number("arr_time", true),
        number("arr_delay", true),
        number("air_time", true),
        number("distance", false),
    ]))
}

/// Made-up flights: some cancelled, some leaving after midnight, some at exactly 2400.
fn flights(rows: usize, seed: u64) -> RecordBatch {
    let mut state = seed;
    let mut random = |below: i64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as i64) % below
    };
    let clock = |minutes: i64| minutes / 60 * 100 + minutes % 60;
    let mut columns: Vec<Vec<Option<i64>>> = vec![Vec::new(); 11];
    let mut texts: Vec<Vec<Option<String>>> = vec![Vec::new(); 4];
    for _ in 0..rows {
        let sched = random(24 * 60);
        let sched_us = (random(5) * 24 * 60 + sched) * 60_000_000;
        let delay = if random(10) == 0 { random(1_344) - 43 } else { random(63) - 3 };
        let gone = random(20) != 0;
        let dep = match (sched + delay).rem_euclid(24 * 60) {
            0 => 2400,
            minutes => clock(minutes),
        };
        let known = sched_us + if gone { delay * 60_000_000 } else { 0 };
        let some = |v: i64| gone.then_some(v);
        let numbers = [
            Some(sched_us),
            Some(known),
            Some(random(9_000)),
            Some(clock(sched)),
            some(dep),
            some(delay),
            Some(clock((sched + 90) % 1440)),
        ];
        for (column, v) in
            columns.iter_mut().zip(numbers.into_iter().chain([some(1), some(delay), some(60 + random(300)), Some(100 + random(4_900))]))
        {
            column.push(v);
        }
        texts[0].push(Some(["UA", "B6", "AA"][random(3) as usize].to_owned()));
        texts[1].push((random(30) != 0).then(|| format!("N{:05}", random(40))));
        texts[2].push(Some(["EWR", "JFK", "LGA"][random(3) as usize].to_owned()));
        texts[3].push(Some(["IAH", "LAX"][random(2) as usize].to_owned()));
    }
    let number = |i: usize| Arc::new(Int64Array::from(columns[i].clone())) as ArrayRef;
    let time = |i: usize| Arc::new(columns[i].iter().copied().collect::<TimestampMicrosecondArray>().with_timezone("UTC")) as ArrayRef;
    let text = |i: usize| Arc::new(StringArray::from(texts[i].clone())) as ArrayRef;
    let columns = vec![
        time(0),
        time(1),
        text(0),
        number(2),
        text(1),
        text(2),
        text(3),
        number(3),
        number(4),
        number(5),
        number(6),
        number(7),
        number(8),
        number(9),
        number(10),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

const DELAY_V1: &str = "dep_time - sched_dep_time";
const DELAY_V2: &str = "dep_time / 100 * 60 + dep_time % 100 - (sched_dep_time / 100 * 60 + sched_dep_time % 100)
    + CASE WHEN dep_time / 100 * 60 + dep_time % 100 - (sched_dep_time / 100 * 60 + sched_dep_time % 100) < -60 THEN 1440 ELSE 0 END";

fn sql(name: &str, version: u32) -> String {
    let delay = if version == 1 { DELAY_V1 } else { DELAY_V2 };
    match name {
        "delays_by_origin_hour" => format!(
            "SELECT window_start AS hour, origin, AVG({delay}) AS delay_avg, MAX({delay}) AS delay_max, COUNT(*) AS departures
             FROM TUMBLE(TABLE flights, DESCRIPTOR(sched_dep), INTERVAL '1' HOUR) WHERE dep_time IS NOT NULL GROUP BY window_start, origin"
        ),
        "delay_quantiles_by_carrier_day" => format!(
            "SELECT window_start AS day, carrier, APPROX_QUANTILE({delay}, 0.5) AS p50, APPROX_QUANTILE({delay}, 0.9) AS p90,
                    APPROX_QUANTILE({delay}, 0.99) AS p99, COUNT(*) AS departures
             FROM TUMBLE(TABLE flights, DESCRIPTOR(sched_dep), INTERVAL '1' DAY) WHERE dep_time IS NOT NULL GROUP BY window_start, carrier"
        ),
        "distinct_tails_by_carrier_day" => "SELECT window_start AS day, carrier, COUNT(DISTINCT tailnum) AS aircraft,
                    APPROX_COUNT_DISTINCT(tailnum) AS aircraft_approx, COUNT(*) AS flights
             FROM TUMBLE(TABLE flights, DESCRIPTOR(sched_dep), INTERVAL '1' DAY) GROUP BY window_start, carrier"
            .to_owned(),
        "totals_by_route" => "SELECT origin, dest, COUNT(*) AS flights, COUNT(dep_time) AS departures, SUM(distance) AS miles,
                    SUM(air_time) AS air_minutes, MAX(known) AS known_last
             FROM flights GROUP BY origin, dest"
            .to_owned(),
        "cancelled_share_by_day" => "SELECT window_start AS day, AVG(CASE WHEN dep_time IS NULL THEN 1 ELSE 0 END) AS cancelled_share,
                    SUM(CASE WHEN dep_time IS NULL THEN 1 ELSE 0 END) AS cancelled, COUNT(*) AS flights
             FROM TUMBLE(TABLE flights, DESCRIPTOR(sched_dep), INTERVAL '1' DAY) GROUP BY window_start"
            .to_owned(),
        other => panic!("no query {other}"),
    }
}

fn query(name: &str, version: u32) -> Query {
    parse(&sql(name, version), "flights", &schema()).unwrap()
}

const NAMES: [&str; 5] = [
    "delays_by_origin_hour",
    "delay_quantiles_by_carrier_day",
    "distinct_tails_by_carrier_day",
    "totals_by_route",
    "cancelled_share_by_day",
];

#[test]
fn by_hand_as_sql_and_by_reference_they_agree() {
    let t = topic("flights", schema(), 2, Some("sched_dep"), 64 * 1024);
    let all = flights(6_000, 1);
    for start in (0..all.num_rows()).step_by(700) {
        t.writer.append(&all.slice(start, 700.min(all.num_rows() - start))).unwrap();
    }
    let end = t.topic.end().unwrap();
    for name in NAMES {
        for version in [1, 2] {
            let query = query(name, version);
            assert_agrees(&t.topic, &query, &Logic::Sql, &end);
            assert_agrees(&t.topic, &query, &Logic::Hand(hand_written(name, version).unwrap()), &end);
        }
    }
    assert!(hand_written("delays_by_origin_hour", 3).is_none());
    assert!(hand_written("delays", 1).is_none());
}

#[test]
fn the_fix_changes_the_delays() {
    let t = topic("flights", schema(), 1, Some("sched_dep"), 1 << 20);
    t.writer.append(&flights(2_000, 2)).unwrap();
    let end = t.topic.end().unwrap();
    let query = query("delays_by_origin_hour", 2);
    let [v1, v2] = [1, 2].map(|v| {
        let logic = Logic::Hand(hand_written("delays_by_origin_hour", v).unwrap());
        rows(&query, &compute(&t.topic, &query, &logic, &end).unwrap()).unwrap()
    });
    assert_eq!(v1.len(), v2.len());
    assert_ne!(v1, v2);
}

#[test]
fn logic_that_does_not_fit_its_query_is_refused() {
    let t = topic("flights", schema(), 1, Some("sched_dep"), 1 << 20);
    t.writer.append(&flights(10, 3)).unwrap();
    let end = t.topic.end().unwrap();
    let right = hand_written("totals_by_route", 1).unwrap();
    let refused = |query: &Query, hand: HandWritten| match compute(&t.topic, query, &Logic::Hand(hand), &end) {
        Err(e @ BatchError::HandShape { .. }) => e.to_string(),
        other => panic!("{other:?}"),
    };
    let routes = query("totals_by_route", 1);
    let cases = [
        (refused(&query("delays_by_origin_hour", 1), right.clone()), "it names the arguments of 5 aggregates"),
        (refused(&routes, HandWritten { keys: &["origin"], ..right.clone() }), "it names 1 key columns"),
        (refused(&routes, HandWritten { keys: &["origin", "destination"], ..right.clone() }), "to be its column 'destination'"),
        (refused(&routes, HandWritten { keys: &["origin", "distance"], ..right.clone() }), "is i64, and Text is str in polars"),
        (
            refused(&routes, HandWritten { plan: |f| f.select([polars::prelude::col("no_such_column")]), ..right.clone() }),
            "polars refuses it over this topic",
        ),
        (
            refused(
                &routes,
                HandWritten { args: &[Some("distance"), Some("dep_time"), Some("distance"), Some("air_time"), Some("known")], ..right },
            ),
            "which has none",
        ),
    ];
    for (message, part) in cases {
        assert!(message.contains(part), "{message}");
        assert!(message.starts_with("hand-written logic totals_by_route version"), "{message}");
    }
}
