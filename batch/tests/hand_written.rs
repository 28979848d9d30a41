//! Logic written by hand gives the parts that its merging names, or is refused by what does not fit.

mod common;

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType as ArrowType, Field, Schema, SchemaRef, TimeUnit};
use common::{TestTopic, reference, topic};
use polars::prelude::{IntoLazy, LazyFrame, col, len, lit};
use twopath_base::{Offset, Position};
use twopath_batch::jobs::flights::hand_written;
use twopath_batch::{BatchError, Engine, HandWritten, Logic, compute, run_batch};
use twopath_query::{DataType, Query, Value, parse, values};
use twopath_reference::compare;
use twopath_view::store::ViewStore;
use twopath_view::{Finish, MergedGroup, Merging, Part, Selection, answer};

/// What the totals by route read of the flights.
fn schema() -> SchemaRef {
    let time = ArrowType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let columns = [
        ("origin", ArrowType::Utf8),
        ("dest", ArrowType::Utf8),
        ("dep_time", ArrowType::Int64),
        ("distance", ArrowType::Int64),
        ("air_time", ArrowType::Int64),
        ("known", time),
    ];
    Arc::new(Schema::new(columns.map(|(name, t)| Field::new(name, t, true)).to_vec()))
}

/// Few routes; some without any time in the air.
fn flights(rows: i64) -> RecordBatch {
    let text = |of: &dyn Fn(i64) -> &'static str| Arc::new(StringArray::from_iter_values((0..rows).map(of))) as ArrayRef;
    let number = |of: &dyn Fn(i64) -> Option<i64>| Arc::new(Int64Array::from_iter((0..rows).map(of))) as ArrayRef;
    let known = TimestampMicrosecondArray::from_iter_values((0..rows).map(|i| 1_356_998_400_000_000 + i * 37_000_003)).with_timezone("UTC");
    let columns = vec![
        text(&|i| ["EWR", "JFK", "LGA"][(i % 3) as usize]),
        text(&|i| ["SFO", "LAX", "a destination of more than twelve bytes", "ORD"][(i / 5 % 4) as usize]),
        number(&|i| (i % 11 != 0).then_some(i % 2400)),
        number(&|i| Some(200 + i % 900)),
        number(&|i| (i % 3 != 1 && i % 7 != 0).then_some(i % 300)),
        Arc::new(known),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn filled(rows: i64) -> TestTopic {
    let t = topic("flights", schema(), 2, None, 8 << 10);
    for from in (0..rows).step_by(90) {
        t.writer.append(&flights(rows).slice(from as usize, 90.min(rows - from) as usize)).unwrap();
    }
    t
}

fn routes() -> Query {
    parse(
        "SELECT origin, dest, COUNT(*) AS flights, COUNT(dep_time) AS departures, SUM(distance) AS miles, SUM(air_time) AS air_minutes,
                MAX(known) AS known_last FROM flights GROUP BY origin, dest",
        "flights",
        &schema(),
    )
    .unwrap()
}

const ROUTES: Merging = Merging {
    name: "totals_by_route",
    version: 1,
    keys: &[("origin", DataType::Text), ("dest", DataType::Text)],
    parts: &[
        ("flights", Part::Count),
        ("departures", Part::Count),
        ("miles", Part::Sum(DataType::Int)),
        ("air_minutes", Part::Sum(DataType::Int)),
        ("known_last", Part::Max(DataType::Timestamp)),
    ],
    finish: Finish::Groups(|group: &MergedGroup| {
        ["origin", "dest", "flights", "departures", "miles", "air_minutes", "known_last"].map(|name| group.get(name)).to_vec()
    }),
};

#[test]
fn the_same_as_the_query_at_any_horizon() {
    let t = filled(2_000);
    let (query, logic) = (routes(), Logic::Hand(hand_written("totals_by_route", 1).unwrap(), ROUTES));
    let end = t.topic.end().unwrap();
    for share in [0.0, 0.01, 0.3, 0.77, 1.0] {
        let horizon = Position::new(end.offsets().iter().map(|o| Offset((o.0 as f64 * share) as u64)).collect());
        let table = compute(&t.topic, &query, &logic, Engine::Polars, &horizon).unwrap();
        let merged = answer(&ROUTES.parts_query(&query).unwrap(), &[&table], &Selection::default()).unwrap();
        let rows = values::rows(&ROUTES.finished(&query, &merged).unwrap());
        let expected = reference(&t.topic, &query, &horizon).answer();
        compare(&query, &expected, &rows).unwrap_or_else(|d| panic!("{horizon}: {d}"));
        assert!(share == 0.0 || expected.unwrap().iter().any(|row| row[5] == Value::Null), "a route without time in the air");
    }
}

#[test]
fn a_view_by_hand_is_published_for_its_parts() {
    let t = filled(300);
    let (query, logic) = (routes(), Logic::Hand(hand_written("totals_by_route", 2).unwrap(), ROUTES));
    let store = ViewStore::open(&t.dir.path().join("views"), 2).unwrap();
    let end = t.topic.end().unwrap();
    let view = run_batch(&t.topic, &query, &logic, Engine::Polars, 0, &end, &store).unwrap();
    let loaded = store.latest(&ROUTES.parts_query(&query).unwrap()).unwrap().unwrap();
    assert_eq!((loaded.table.len(), loaded.table.to_batch()), (12, view.table.to_batch()));
    assert_eq!(store.manifest(1).unwrap().logic, "totals_by_route version 2");
}

#[test]
fn what_does_not_fit_is_refused() {
    let t = filled(10);
    let end = t.topic.end().unwrap();
    let right = hand_written("totals_by_route", 1).unwrap();
    let refused = |query: &Query, hand: HandWritten, merging: Merging| match compute(
        &t.topic,
        query,
        &Logic::Hand(hand, merging),
        Engine::Polars,
        &end,
    ) {
        Err(e @ BatchError::HandShape { .. }) => e.to_string(),
        other => panic!("{other:?}"),
    };
    let ordered = parse("SELECT origin, dest, COUNT(*) FROM flights GROUP BY origin, dest LIMIT 3", "flights", &schema()).unwrap();
    let keys: &[_] = &[("origin", DataType::Text), ("destination", DataType::Text)];
    let twice = |f: LazyFrame| {
        let groups = (hand_written("totals_by_route", 1).unwrap().plan)(f);
        polars::prelude::concat([groups.clone(), groups], Default::default()).unwrap()
    };
    let cases = [
        (refused(&ordered, right, ROUTES), "it has HAVING, ORDER BY or LIMIT"),
        (refused(&routes(), right, Merging { keys: &keys[..1], ..ROUTES }), "its keys are of the types"),
        (refused(&routes(), right, Merging { keys, ..ROUTES }), "the key 'destination' is missing; it gives origin, dest, flights"),
        (refused(&routes(), right, Merging { parts: &[("departed", Part::Count)], ..ROUTES }), "the part 'departed' is missing"),
        (
            refused(&routes(), right, Merging { parts: &[("miles", Part::Quantiles(DataType::Int, 0.5))], ..ROUTES }),
            "its part 'miles' is i64, and Quantiles(Int, 0.5) is list[i64] in polars",
        ),
        (
            refused(&routes(), right, Merging { parts: &[("known_last", Part::Max(DataType::Int))], ..ROUTES }),
            "its part 'known_last' is datetime[μs], and Max(Int) is i64 in polars",
        ),
        (
            refused(&routes(), HandWritten { plan: |f| f.select([col("no_such_column")]), ..right }, ROUTES),
            "polars refuses it over this topic",
        ),
        (refused(&routes(), HandWritten { plan: twice, ..right }, ROUTES), "has the key of an earlier row"),
    ];
    for (message, part) in cases {
        assert!(message.contains(part), "{message}");
        assert!(message.starts_with("hand-written logic totals_by_route version 1 does not fit the query"), "{message}");
    }
}

#[test]
fn rayon_runs_nothing_that_was_written_for_polars() {
    let t = filled(10);
    let logic = Logic::Hand(hand_written("totals_by_route", 1).unwrap(), ROUTES);
    let error = compute(&t.topic, &routes(), &logic, Engine::Rayon, &t.topic.end().unwrap()).unwrap_err().to_string();
    assert_eq!(
        error,
        "the batch engine rayon cannot do logic that was written by hand for polars (totals_by_route version 1); choose another batch \
         engine, or write the query without it"
    );
}

/// Every kind of part, a key that is no column, and columns that have to be brought to their SQL types.
#[test]
fn every_kind_of_part() {
    let fields = vec![
        Field::new("at", ArrowType::Timestamp(TimeUnit::Millisecond, None), true),
        Field::new("n", ArrowType::Int16, true),
        Field::new("x", ArrowType::Float64, true),
    ];
    let schema = Arc::new(Schema::new(fields));
    let t = topic("t", schema.clone(), 1, None, 1 << 20);
    let times: arrow_array::TimestampMillisecondArray = (0..200).map(|i| (i % 9 != 0).then_some(i * 1_000_000 - 5_000_000)).collect();
    let n: arrow_array::Int16Array = (0..200).map(|i| (i % 5 != 0).then_some(i % 17)).collect();
    let x: arrow_array::Float64Array = (0..200).map(|i| (i % 4 != 0).then_some(f64::from(i % 23) / 8.0)).collect();
    t.writer.append(&RecordBatch::try_new(schema.clone(), vec![Arc::new(times), Arc::new(n), Arc::new(x)]).unwrap()).unwrap();
    let query = parse(
        "SELECT DATE_TRUNC('hour', at) AS hour, COUNT(*) AS c, SUM(x) AS s, MIN(at) AS a, COUNT(DISTINCT n) AS d,
                APPROX_COUNT_DISTINCT(n) AS e, APPROX_QUANTILE(x, 0.9) AS q FROM t GROUP BY DATE_TRUNC('hour', at)",
        "t",
        &schema,
    )
    .unwrap();
    let merging = Merging {
        name: "kinds",
        version: 1,
        keys: &[("hour", DataType::Timestamp)],
        parts: &[
            ("c", Part::Count),
            ("s", Part::Sum(DataType::Float)),
            ("a", Part::Min(DataType::Timestamp)),
            ("d", Part::Distinct(DataType::Int)),
            ("e", Part::DistinctSketch(DataType::Int)),
            ("q", Part::Quantiles(DataType::Float, 0.9)),
        ],
        finish: Finish::Groups(|group| ["hour", "c", "s", "a", "d", "e", "q"].map(|name| group.get(name)).to_vec()),
    };
    let plan = |rows: LazyFrame| {
        rows.group_by([col("at").dt().truncate(lit("1h")).alias("hour")]).agg([
            len().alias("c"),
            col("x").alias("s"),
            col("at").min().alias("a"),
            col("n").unique().alias("d"),
            col("n").alias("e"),
            col("x").alias("q"),
        ])
    };
    let logic = Logic::Hand(HandWritten { name: "kinds", version: 1, plan, source: "" }, merging);
    let end = t.topic.end().unwrap();
    let table = compute(&t.topic, &query, &logic, Engine::Polars, &end).unwrap();
    let merged = answer(&merging.parts_query(&query).unwrap(), &[&table], &Selection::default()).unwrap();
    let rows = values::rows(&merging.finished(&query, &merged).unwrap());
    compare(&query, &reference(&t.topic, &query, &end).answer(), &rows).unwrap();
    assert!(rows.unwrap().len() > 30);
    // What people write runs over any frame of polars, too.
    let frame = polars::df!["at" => [0i64], "n" => [1i64], "x" => [0.5]].unwrap().lazy();
    assert!(
        plan(frame.with_column(col("at").cast(polars::prelude::DataType::Datetime(polars::prelude::TimeUnit::Microseconds, None))))
            .collect()
            .is_ok()
    );
}
