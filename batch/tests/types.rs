//! Columns of every Arrow type that a query can read, also where bringing a value to its SQL type fails.

mod common;

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Date32Array, Float32Array, Int16Array, LargeStringArray, RecordBatch, StringViewArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
};
use common::{assert_agrees, topic};
use twopath_query::parse;

fn batch() -> RecordBatch {
    let too_late = i64::MAX / 1_000;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("u", Arc::new(UInt64Array::from(vec![Some(1), None, Some(u64::MAX), Some(2), Some(1)]))),
        ("s", Arc::new(TimestampSecondArray::from(vec![Some(-1), Some(0), Some(too_late), None, Some(90)]))),
        ("ms", Arc::new(TimestampMillisecondArray::from(vec![Some(-1), Some(1_500), Some(too_late * 999), None, Some(61_001)]))),
        ("ns", Arc::new(TimestampNanosecondArray::from(vec![Some(-1), Some(1_500), Some(i64::MIN), None, Some(999)]))),
        ("d", Arc::new(Date32Array::from(vec![Some(-1), Some(0), Some(20_000), None, Some(1)]))),
        ("i", Arc::new(Int16Array::from(vec![Some(3), None, Some(-4), Some(0), Some(3)]))),
        ("f", Arc::new(Float32Array::from(vec![Some(0.5), Some(f32::NAN), Some(-0.0), None, Some(0.0)]))),
        ("large", Arc::new(LargeStringArray::from(vec![Some("a"), None, Some(""), Some("a text of more than twelve bytes"), Some("a")]))),
        ("view", Arc::new(StringViewArray::from(vec![Some("é"), None, Some(""), Some("a text of more than twelve bytes"), Some("é")]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

#[test]
fn columns_of_every_type() {
    let batch = batch();
    let t = topic("t", batch.schema(), 1, None, 1 << 20);
    t.writer.append(&batch).unwrap();
    t.writer.append(&batch.slice(3, 2)).unwrap();
    let end = t.topic.end().unwrap();
    let answered = |sql: &str| assert_agrees(&t.topic, &parse(sql, "t", &batch.schema()).unwrap(), &end);
    for column in ["ns", "d", "i", "f", "large", "view"] {
        let rows = answered(&format!(
            "SELECT {column}, COUNT(*), COUNT({column}), MIN({column}), COUNT(DISTINCT {column}) FROM t GROUP BY {column}"
        ));
        assert!(rows.is_some_and(|n| n > 2), "{column}");
    }
    for (column, fits) in
        [("u", "i > 0 OR i IS NULL OR i = 0"), ("s", "f > 0 OR f IS NULL OR i = 3"), ("ms", "large <> '' OR large IS NULL")]
    {
        // The value that does not fit: an error, but where no row wants it.
        assert_eq!(answered(&format!("SELECT COUNT(*), MAX({column}) FROM t")), None, "{column}");
        assert_eq!(answered(&format!("SELECT {column}, COUNT(*) FROM t GROUP BY {column}")), None, "{column}");
        assert!(answered(&format!("SELECT {column}, COUNT(*) FROM t WHERE {fits} GROUP BY {column}")).is_some(), "{column}");
        assert!(answered(&format!("SELECT MAX(CASE WHEN {fits} THEN {column} END) FROM t")).is_some(), "{column}");
        assert!(answered(&format!("SELECT COUNT(*) FROM t WHERE ({fits}) AND {column} IS NOT NULL")).is_some(), "{column}");
    }
}
