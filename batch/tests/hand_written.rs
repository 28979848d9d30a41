//! Logic written by hand must have the shape of the query that it stands for.

mod common;

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use common::topic;
use twopath_batch::jobs::flights::hand_written;
use twopath_batch::{BatchError, HandWritten, Logic, compute};
use twopath_query::{Query, parse};

/// What the totals by route read of the flights.
fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let columns = [
        ("origin", DataType::Utf8),
        ("dest", DataType::Utf8),
        ("dep_time", DataType::Int64),
        ("distance", DataType::Int64),
        ("air_time", DataType::Int64),
        ("known", time),
    ];
    Arc::new(Schema::new(columns.map(|(name, t)| Field::new(name, t, true)).to_vec()))
}

#[test]
fn logic_that_does_not_fit_its_query_is_refused() {
    let t = topic("flights", schema(), 1, None, 1 << 20);
    let end = t.topic.end().unwrap();
    let right = hand_written("totals_by_route", 1).unwrap();
    let refused = |query: &Query, hand: HandWritten| match compute(&t.topic, query, &Logic::Hand(hand), &end) {
        Err(e @ BatchError::HandShape { .. }) => e.to_string(),
        other => panic!("{other:?}"),
    };
    let query = |sql: &str| parse(sql, "flights", &schema()).unwrap();
    let routes = query(
        "SELECT origin, dest, COUNT(*), COUNT(dep_time), SUM(distance), SUM(air_time), MAX(known) FROM flights GROUP BY origin, dest",
    );
    let fewer = query("SELECT origin, dest, COUNT(*) FROM flights GROUP BY origin, dest");
    let cases = [
        (refused(&fewer, right.clone()), "it names the arguments of 5 aggregates"),
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
