//! Rows for other databases: as a record batch, and as SQL's VALUES.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType as Arrow, Field, Schema, TimeUnit};
use twopath_query::Query;
use twopath_query::arbitrary::Random;
use twopath_view::{GroupTable, Selection, answer};

const ROWS: usize = 60;

pub const TEXTS: [&str; 12] = ["", "a", "ab", "Ab", "banana", "b%a", "a_b", "é", "Été", "日本", "it's", " x "];

/// The topic's columns.
pub fn schema() -> Schema {
    let time = Arrow::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let field = |name, t| Field::new(name, t, true);
    Schema::new(vec![
        field("n", Arrow::Int64),
        field("m", Arrow::Int64),
        field("x", Arrow::Float64),
        field("s", Arrow::Utf8),
        field("t", time),
        field("flag", Arrow::Boolean),
    ])
}

pub struct Events {
    /// The topic's columns, and the log's own behind them.
    pub batch: RecordBatch,
    /// A list of rows: the topic's columns, and the row's number in the log's order.
    pub values: String,
}

impl Events {
    pub fn new(random: &mut Random) -> Self {
        let mut columns = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut rows = Vec::new();
        // Rows do not come in the log's order.
        let mut numbers: Vec<i64> = (0..ROWS as i64).collect();
        (1..ROWS).for_each(|i| numbers.swap(i, random.below(i + 1)));
        for number in &numbers {
            let some = |random: &mut Random| !random.chance(12);
            let n = some(random).then(|| random.between(-20, 20));
            let m = some(random).then(|| random.between(0, 5));
            let x = some(random).then(|| random.between(-400, 400) as f64 / 16.0);
            let s = some(random).then(|| random.pick(&TEXTS).to_owned());
            // Three years, with fractions of seconds, ends of months and changes of clocks.
            let t =
                some(random).then(|| 1_330_000_000_000_000 + random.between(0, 95_000_000) * 1_000_000 + random.between(0, 3) * 250_001);
            let flag = some(random).then(|| random.chance(50));
            let shown = |text: Option<String>| text.unwrap_or("NULL".to_owned());
            rows.push(format!(
                "({}, {}, {}, {}, {}, {}, {number})",
                shown(n.map(|v| v.to_string())),
                shown(m.map(|v| v.to_string())),
                shown(x.map(|v| format!("{v:?}"))),
                shown(s.as_ref().map(|v| format!("'{}'", v.replace('\'', "''")))),
                shown(t.map(|v: i64| format!("'{}'", twopath_query::time::format_timestamp(v)))),
                shown(flag.map(|v| v.to_string())),
            ));
            columns.0.push(n);
            columns.1.push(m);
            columns.2.push(x);
            columns.3.push(s);
            columns.4.push(t);
            columns.5.push(flag);
        }
        let ints = |of: fn(i64) -> i64| Arc::new(numbers.iter().map(|&n| Some(of(n))).collect::<Int64Array>()) as ArrayRef;
        let times = |us: Vec<Option<i64>>| Arc::new(TimestampMicrosecondArray::from(us).with_timezone("UTC")) as ArrayRef;
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("n", Arc::new(Int64Array::from(columns.0)) as ArrayRef, true),
            ("m", Arc::new(Int64Array::from(columns.1)), true),
            ("x", Arc::new(Float64Array::from(columns.2)), true),
            ("s", Arc::new(StringArray::from(columns.3)), true),
            ("t", times(columns.4), true),
            ("flag", Arc::new(BooleanArray::from(columns.5)), true),
            // Arrival decides first, then the partition, then the offset.
            ("_arrival", times(numbers.iter().map(|n| Some(n / 8)).collect()), false),
            ("_partition", ints(|n| n % 8 / 4), false),
            ("_offset", ints(|n| n), false),
            ("_watermark", times(vec![None; ROWS]), true),
        ]);
        Events { batch: batch.expect("columns of one length"), values: rows.join(",\n") }
    }
}

/// What the accumulators of two halves answer; `None` for an error.
pub fn engine(query: &Query, batch: &RecordBatch) -> Option<RecordBatch> {
    let halves = [batch.slice(0, ROWS / 2), batch.slice(ROWS / 2, ROWS - ROWS / 2)];
    let tables = halves.map(|half| {
        let mut table = GroupTable::new(query);
        table.update_from_log(query, &half).map(|_| table)
    });
    let tables = tables.into_iter().collect::<Result<Vec<_>, _>>().ok()?;
    answer(query, &tables.iter().collect::<Vec<_>>(), &Selection::default()).ok()
}
