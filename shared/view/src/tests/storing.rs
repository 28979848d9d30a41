//! What [`GroupTable::from_batch`] says of a batch that does not fit.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BinaryArray, Int64Array, RecordBatch};
use arrow_schema::{Field, Schema};

use super::query;
use super::rows::{COLUMNS, batch, every_aggregate};
use crate::{GroupTable, Selection, answer};
use twopath_query::{Query, Value};

fn stored(query: &Query) -> RecordBatch {
    let row = |k: i64| {
        vec![
            Value::Int(k),
            Value::Text("n".into()),
            Value::Null,
            Value::Int(k),
            Value::Float(0.5),
            Value::Null,
            Value::Null,
            Value::Interval(1),
        ]
    };
    let mut table = GroupTable::new(query);
    table.update_from_log(query, &batch(&[row(3), row(1), row(2), row(1)])).unwrap();
    table.to_batch()
}

fn error(query: &Query, batch: &RecordBatch) -> String {
    let message = GroupTable::from_batch(query, batch).expect_err("it does not fit");
    message.strip_suffix("; this view was made by another query or version: run the batch layer again").unwrap_or(&message).to_string()
}

/// The batch with one column changed.
fn with(batch: &RecordBatch, name: &str, change: impl Fn(&ArrayRef) -> ArrayRef) -> RecordBatch {
    let at = batch.schema().index_of(name).unwrap();
    let mut columns = batch.columns().to_vec();
    columns[at] = change(&columns[at]);
    let fields =
        batch.schema().fields().iter().zip(&columns).map(|(f, c)| Field::new(f.name(), c.data_type().clone(), true)).collect::<Vec<_>>();
    RecordBatch::try_new(Arc::new(Schema::new(fields).with_metadata(batch.schema().metadata().clone())), columns).unwrap()
}

#[test]
fn the_layout() {
    let query = query(
        "SELECT k, name, COUNT(*) AS n, SUM(i) AS a, AVG(f) AS b, MAX(s) AS c, COUNT(DISTINCT d) AS e FROM t GROUP BY k, name",
        &COLUMNS,
    );
    let batch = stored(&query);
    let schema = batch.schema();
    let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    assert_eq!(names, ["k0", "k1", "a0_count", "a1_sum", "a2_sum", "a2_rest", "a2_exact", "a2_count", "a3_extreme", "a4_distinct"]);
    let keys: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    assert_eq!(batch.column(0), &keys, "sorted by key");
}

#[test]
fn what_does_not_fit_is_named() {
    let counted = query("SELECT k, COUNT(*) AS n FROM t GROUP BY k", &COLUMNS);
    let good = stored(&counted);
    assert!(GroupTable::from_batch(&counted, &good).is_ok());

    let bare = RecordBatch::try_from_iter([("k0", good.column(0).clone())]).unwrap();
    assert_eq!(error(&counted, &bare), "it has no 'twopath.view' in its metadata, so that it is no view");
    let named = query("SELECT name, COUNT(*) AS n FROM t GROUP BY name", &COLUMNS);
    assert_eq!(error(&named, &good), "the column 'k0' is Int64 where the key 'k0' of Utf8 belongs");
    let longer = query("SELECT k, name, COUNT(*) AS n FROM t GROUP BY k, name", &COLUMNS);
    assert_eq!(error(&longer, &good), "the column 'a0_count' is Int64 where the key 'k1' of Utf8 belongs");
    let summed = query("SELECT k, SUM(i) AS n FROM t GROUP BY k", &COLUMNS);
    assert_eq!(error(&summed, &good), "aggregate 0 (columns 'a0_...'): the column 'count' stands where 'sum' belongs");
    let more = query("SELECT k, COUNT(*) AS n, SUM(i) AS m FROM t GROUP BY k", &COLUMNS);
    assert_eq!(error(&more, &good), "aggregate 1 (columns 'a1_...'): the column 'sum' is missing");
    assert_eq!(error(&counted, &stored(&more)), "the column 'a1_sum' belongs to no key and no aggregate");
    let global = query("SELECT COUNT(*) AS n FROM t", &COLUMNS);
    assert_eq!(error(&global, &good), "3 rows, where a query without keys has one");
    let twice = with(&good, "k0", |_| Arc::new(Int64Array::from(vec![1, 2, 1])));
    assert_eq!(error(&counted, &twice), "row 2 has the key of an earlier row");
    let holed = with(&good, "a0_count", |_| Arc::new(Int64Array::from(vec![Some(1), None, Some(1)])));
    assert_eq!(error(&counted, &holed), "aggregate 0 (columns 'a0_...'): the column 'count' has nulls");
}

#[test]
fn damaged_sketches_are_refused() {
    let query = query("SELECT APPROX_COUNT_DISTINCT(i) AS a, APPROX_QUANTILE(f, 0.5) AS b FROM t", &COLUMNS);
    let good = stored(&query);
    for (name, what) in [("a0_hll", "no sketch"), ("a1_ddsketch", "no sketch")] {
        let cut = with(&good, name, |c| {
            let bytes = arrow_array::cast::AsArray::as_binary::<i32>(c).value(0).to_vec();
            Arc::new(BinaryArray::from(vec![&bytes[..bytes.len() / 2]]))
        });
        assert!(error(&query, &cut).contains(what), "{}", error(&query, &cut));
    }
}

#[test]
fn nothing_is_one_row_without_keys_and_none_with() {
    for (keys, expected) in [("", 1), ("k", 0)] {
        let query = every_aggregate(keys);
        let table = GroupTable::new(&query);
        let loaded = GroupTable::from_batch(&query, &table.to_batch()).unwrap();
        for parts in [vec![], vec![&table], vec![&loaded], vec![&table, &loaded]] {
            assert_eq!(answer(&query, &parts, &Selection::default()).unwrap().num_rows(), expected);
        }
        assert_eq!(answer(&query, &[], &Selection { key: Some(vec![]), ..Selection::default() }).unwrap().num_rows(), expected);
    }
}
