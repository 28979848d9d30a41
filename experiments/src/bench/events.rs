//! The events that the benches use, the query over them, and the baseline: a hand-written loop.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use twopath_log::{Durability, Log, LogError, PartitionBy, Topic, TopicConfig};
use twopath_query::{Query, Value, parse};

use twopath_events::workloads;

/// The column's index in the topic.
pub const TIME: usize = 0;
pub const URL: usize = 1;
pub const DURATION_MS: usize = 3;

const MINUTE_US: i64 = 60_000_000;

/// Segments are sealed at this size.
const SEGMENT_BYTES: u64 = 32 << 20;

/// Generated pageviews in memory.
pub struct Pageviews {
    pub batches: Vec<RecordBatch>,
}

/// Columns of a wide event, of 8 bytes each: an event of a couple of hundred bytes.
pub const WIDE_COLUMNS: usize = 26;

const WIDE_ROWS: usize = 16_384;

pub fn wide_schema() -> SchemaRef {
    let fields: Vec<Field> = (0..WIDE_COLUMNS).map(|c| Field::new(format!("c{c}"), DataType::Int64, false)).collect();
    Arc::new(Schema::new(fields))
}

/// Wide events, batch by batch, given the value of a row and a column.
pub fn wide_events(rows: usize, value: impl Fn(usize, usize) -> i64) -> impl Iterator<Item = RecordBatch> {
    let schema = wide_schema();
    (0..rows).step_by(WIDE_ROWS).map(move |from| {
        let column = |c| -> ArrayRef { Arc::new((from..rows.min(from + WIDE_ROWS)).map(|row| value(row, c)).collect::<Int64Array>()) };
        RecordBatch::try_new(schema.clone(), (0..WIDE_COLUMNS).map(column).collect()).expect("columns of one length")
    })
}

/// The three columns that the query reads.
pub struct Columns {
    pub time: Vec<i64>,
    pub url: Vec<i64>,
    pub duration_ms: Vec<i64>,
}

/// An answer boiled down to figures that any slip would change.
#[derive(Debug, PartialEq, Eq)]
pub struct Totals {
    pub groups: usize,
    pub count: i64,
    pub sum: i128,
}

impl Pageviews {
    /// `events` events, in batches of `rows`.
    pub fn generate(events: u64, seed: u64, rows: usize) -> Self {
        Pageviews { batches: Self::stream(events, seed, rows).collect() }
    }

    /// The same, one batch at a time.
    pub fn stream(events: u64, seed: u64, rows: usize) -> impl Iterator<Item = RecordBatch> {
        let made = workloads::Pageviews { seed, ..Default::default() };
        (0..events).step_by(rows).map(move |from| made.batch(from, rows.min((events - from) as usize)))
    }

    /// A topic for them; round robin, so that a batch goes to one partition as it is.
    pub fn topic(name: &str, partitions: u32, durability: Durability) -> TopicConfig {
        let config = workloads::Pageviews::default().workload().topic_config(partitions, durability);
        TopicConfig { name: name.to_owned(), partition_by: PartitionBy::RoundRobin, segment_bytes: SEGMENT_BYTES, ..config }
    }

    /// A sealed log of them.
    pub fn log(&self, log: &Log, name: &str, partitions: u32, durability: Durability) -> Result<Topic, LogError> {
        let topic = log.create_topic(Self::topic(name, partitions, durability))?;
        let writer = topic.writer()?;
        for batch in &self.batches {
            writer.append(batch)?;
        }
        // A barrier rolls the segments, so that all of them are sealed.
        writer.barrier()?;
        writer.close()?;
        Ok(topic)
    }

    /// Count and sum by minute and url.
    pub fn query(topic: &Topic) -> Query {
        let name = &topic.config().name;
        let sql = format!(
            "SELECT window_start, url, COUNT(*) AS views, SUM(duration_ms) AS duration_ms \
             FROM TUMBLE(TABLE {name}, DESCRIPTOR(time), INTERVAL '1' MINUTE) GROUP BY window_start, url"
        );
        parse(&sql, name, topic.schema()).expect("the bench's own query is valid")
    }

    /// The same, as plain polars is asked.
    pub fn plain_query() -> twopath_batch::plain::CountAndSum<'static> {
        twopath_batch::plain::CountAndSum { time: "time", size_us: MINUTE_US, key: "url", sum: "duration_ms" }
    }

    pub fn columns(&self) -> Columns {
        let rows = self.batches.iter().map(RecordBatch::num_rows).sum();
        let mut columns = Columns { time: Vec::with_capacity(rows), url: Vec::with_capacity(rows), duration_ms: Vec::with_capacity(rows) };
        for batch in &self.batches {
            columns.time.extend_from_slice(batch.column(TIME).as_primitive::<TimestampMicrosecondType>().values());
            columns.url.extend_from_slice(batch.column(URL).as_primitive::<Int64Type>().values());
            columns.duration_ms.extend_from_slice(batch.column(DURATION_MS).as_primitive::<Int64Type>().values());
        }
        columns
    }

    /// Keys of groups, spread evenly over the events.
    pub fn some_keys(batches: &[RecordBatch], count: usize) -> Vec<Vec<Value>> {
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let size = batches[0].num_rows();
        (0..count)
            .map(|i| {
                let row = i * (rows - 1) / count.max(1);
                let batch = &batches[row / size];
                let time = batch.column(TIME).as_primitive::<TimestampMicrosecondType>().value(row % size);
                let url = batch.column(URL).as_primitive::<Int64Type>().value(row % size);
                vec![Value::Timestamp(minute_of(time)), Value::Int(url)]
            })
            .collect()
    }
}

fn minute_of(time_us: i64) -> i64 {
    time_us - time_us.rem_euclid(MINUTE_US)
}

/// Counts and sums by (minute, url).
pub struct Groups(HashMap<(i64, i64), (i64, i64), FixedState>);

impl Groups {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn totals(&self) -> Totals {
        Totals { groups: self.0.len(), count: self.0.values().map(|v| v.0).sum(), sum: self.0.values().map(|v| i128::from(v.1)).sum() }
    }
}

/// The baseline: what a competent programmer writes for this one query, single-threaded, over columns in memory.
pub fn hand_written_loop(columns: &Columns) -> Groups {
    let mut groups: HashMap<(i64, i64), (i64, i64), FixedState> = HashMap::default();
    for ((&time, &url), &duration_ms) in columns.time.iter().zip(&columns.url).zip(&columns.duration_ms) {
        let group = groups.entry((minute_of(time), url)).or_default();
        group.0 += 1;
        group.1 += duration_ms;
    }
    Groups(groups)
}

impl Totals {
    /// Of rows of window, url, count, sum.
    pub fn of_rows(rows: &[[i64; 4]]) -> Self {
        Totals { groups: rows.len(), count: rows.iter().map(|r| r[2]).sum(), sum: rows.iter().map(|r| i128::from(r[3])).sum() }
    }

    /// Of the query's answer: window_start, url, views, duration_ms.
    pub fn of_answer(rows: &RecordBatch) -> Self {
        Totals {
            groups: rows.num_rows(),
            count: rows.column(2).as_primitive::<Int64Type>().values().iter().sum(),
            sum: rows.column(3).as_primitive::<Decimal128Type>().values().iter().sum(),
        }
    }
}

/// The bytes of a fixed-width column without nulls.
pub fn column_bytes(column: &ArrayRef) -> &[u8] {
    let data = column.as_any();
    if let Some(times) = data.downcast_ref::<arrow_array::TimestampMicrosecondArray>() {
        return times.values().inner().as_slice();
    }
    column.as_primitive::<Int64Type>().values().inner().as_slice()
}
