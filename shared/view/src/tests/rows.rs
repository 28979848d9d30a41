//! Random rows of a topic with a column of every type, and a query with every aggregate over each of them.

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_select::concat::concat;
use proptest::prelude::*;

use super::query;
use crate::canonical::{arrow_type, one_row};
use twopath_query::values::rows;
use twopath_query::{DataType, Query, Value};

pub const COLUMNS: [(&str, DataType); 8] = [
    ("k", DataType::Int),
    ("name", DataType::Text),
    ("b", DataType::Bool),
    ("i", DataType::Int),
    ("f", DataType::Float),
    ("s", DataType::Text),
    ("ts", DataType::Timestamp),
    ("d", DataType::Interval),
];

pub type Row = Vec<Value>;

fn or_null(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    prop_oneof![1 => Just(Value::Null), 4 => value].boxed()
}

fn int() -> impl Strategy<Value = Value> {
    prop_oneof![4 => -5..5i64, 1 => Just(i64::MAX), 1 => Just(i64::MIN), 1 => any::<i64>()].prop_map(Value::Int)
}

/// Small and of many digits, so that groups stay plain or become pairs; cancelling, huge and tiny, so that they become wide; and special.
fn float() -> impl Strategy<Value = Value> {
    let special = prop::sample::select(vec![0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
    let large = prop::sample::select(vec![1e308, -1e308, 1e16, -1e16, 1e-300, -1e-300, 5e-324, f64::MAX, f64::MIN]);
    prop_oneof![
        4 => (-40..40i64).prop_map(|v| v as f64 / 4.0),
        4 => (-40..40i64).prop_map(|v| v as f64 / 10.0),
        2 => large,
        1 => any::<f64>(),
        1 => special,
    ]
    .prop_map(Value::Float)
}

fn text() -> impl Strategy<Value = Value> {
    prop::sample::select(vec!["", "a", "ab", "b", "ä", "a\0", "JFK", "longer than eight bytes", "longer than eight byteS"])
        .prop_map(|s| Value::Text(s.into()))
}

pub fn row() -> impl Strategy<Value = Row> {
    (
        or_null((0..4i64).prop_map(Value::Int)),
        or_null(text()),
        or_null(any::<bool>().prop_map(Value::Bool)),
        or_null(int()),
        or_null(float()),
        or_null(text()),
        or_null((-200..200i64).prop_map(|v| Value::Timestamp(v * 61_000_000))),
        or_null((-9..9i64).prop_map(Value::Interval)),
    )
        .prop_map(|(k, name, b, i, f, s, ts, d)| vec![k, name, b, i, f, s, ts, d])
}

pub fn column(values: impl Iterator<Item = Value>, t: DataType) -> ArrayRef {
    let rows: Vec<ArrayRef> = values.map(|v| one_row(&v, t)).collect();
    let rows: Vec<&dyn Array> = rows.iter().map(AsRef::as_ref).collect();
    if rows.is_empty() { arrow_array::new_empty_array(&arrow_type(t)) } else { concat(&rows).unwrap() }
}

pub fn batch(rows: &[Row]) -> RecordBatch {
    let columns = COLUMNS.iter().enumerate().map(|(i, (name, t))| (*name, column(rows.iter().map(|r| r[i].clone()), *t), true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// All aggregates over all columns that they take, grouped by `keys`.
pub fn every_aggregate(keys: &str) -> Query {
    let mut select = vec!["COUNT(*) AS n".to_string()];
    let mut add = |call: &str, columns: &[&str]| {
        columns.iter().for_each(|c| select.push(format!("{} AS c{}", call.replace('?', c), select.len())));
    };
    let all = ["b", "i", "f", "s", "ts", "d"];
    add("COUNT(?)", &all);
    add("SUM(?)", &["i", "f", "d"]);
    add("MIN(?)", &["i", "f", "s", "ts", "d"]);
    add("MAX(?)", &["i", "f", "s", "ts", "d"]);
    add("AVG(?)", &["i", "f", "d"]);
    add("COUNT(DISTINCT ?)", &all);
    add("APPROX_COUNT_DISTINCT(?)", &all);
    add("APPROX_QUANTILE(?, 0.5)", &["i", "f"]);
    add("APPROX_QUANTILE(?, 1.0)", &["i", "f"]);
    let (columns, group_by) =
        if keys.is_empty() { (String::new(), String::new()) } else { (format!("{keys}, "), format!(" GROUP BY {keys}")) };
    query(&format!("SELECT {columns}{} FROM t{group_by}", select.join(", ")), &COLUMNS)
}

/// As text, in which NaN equals itself.
pub fn shown(batch: &RecordBatch) -> Vec<String> {
    rows(batch).unwrap().iter().map(|row| format!("{row:?}")).collect()
}
