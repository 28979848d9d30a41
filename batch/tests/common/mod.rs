//! Topics to test with, and answers to compare.
#![allow(dead_code)]

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use tempfile::TempDir;
use twopath_base::{PartitionId, Position};
use twopath_batch::{BatchError, Engine, Logic, compute};
use twopath_log::{Entry, Log, Start, Topic, TopicConfig, TopicWriter};
use twopath_query::arbitrary::{Profile, Random, schema, schema_with_decimals, sql_of};
use twopath_query::{EvalError, Query, Value, parse, values};
use twopath_reference::{Reference, compare};
use twopath_view::{GroupTable, Selection, answer};

/// A topic in a folder of its own, removed in the end.
pub struct TestTopic {
    pub dir: TempDir,
    pub topic: Topic,
    pub writer: TopicWriter,
}

pub fn topic(name: &str, schema: SchemaRef, partitions: u32, time_column: Option<&str>, segment_bytes: u64) -> TestTopic {
    let dir = TempDir::new().unwrap();
    let config = TopicConfig { partitions, time_column: time_column.map(str::to_owned), segment_bytes, ..TopicConfig::new(name, schema) };
    let topic = Log::open(dir.path()).unwrap().create_topic(config).unwrap();
    let writer = topic.writer().unwrap();
    TestTopic { dir, topic, writer }
}

/// A topic of random columns, partitions and segments.
pub fn random_topic(seed: u64, random: &mut Random) -> (TestTopic, SchemaRef) {
    let schema = if seed.is_multiple_of(3) { schema_with_decimals(random) } else { schema(random) };
    let partitions = 1 + random.below(4) as u32;
    let segment_bytes = [1, 4 << 10, 1 << 20][random.below(3)];
    (topic("events", schema.clone(), partitions, None, segment_bytes), schema)
}

/// A random query over it, and its text.
pub fn random_query(seed: u64, random: &mut Random, schema: &SchemaRef) -> (String, Query) {
    let profile = [Profile::BASIC, Profile::BASIC.over_a_log(), Profile::ALL, Profile::ALL.over_a_log()][random.below(4)];
    let text = sql_of(random, "events", schema, profile);
    let query = parse(&text, "events", schema).unwrap_or_else(|e| panic!("seed {seed}: {e}\n{text}"));
    (text, query)
}

/// The reference interpreter over everything below `horizon`.
pub fn reference(topic: &Topic, query: &Query, horizon: &Position) -> Reference {
    let mut reference = Reference::new(query.clone());
    for (partition, end) in horizon.iter() {
        let mut reader = topic.reader(partition, Start::First, Some(&query.whole_rows())).unwrap();
        while reader.offset() < end {
            if let Some(Entry::Records(records)) = reader.next().unwrap() {
                let rows = (records.batch.num_rows() as u64).min(end.0 - records.base.0);
                reference.push(&records.batch.slice(0, rows as usize));
            }
        }
    }
    reference
}

/// All records of a partition, in order.
pub fn records(topic: &Topic, partition: PartitionId) -> Vec<RecordBatch> {
    let mut reader = topic.reader(partition, Start::First, None).unwrap();
    let mut batches = Vec::new();
    while let Some(entry) = reader.next().unwrap() {
        if let Entry::Records(records) = entry {
            batches.push(records.batch);
        }
    }
    batches
}

/// An answer's rows, in key order or the query's order.
pub fn rows(query: &Query, table: &GroupTable) -> Result<Vec<Vec<Value>>, EvalError> {
    values::rows(&answer(query, &[table], &Selection::default())?)
}

/// Whether an aggregate looks at more than one value of a row, which polars refuses by name.
fn looks_beside(query: &Query) -> bool {
    query.aggregates.iter().any(|a| !a.beside.is_empty())
}

/// Checks that both engines and the reference agree: on the rows, or on there being an error. The number of rows, if it is not one.
pub fn assert_agrees(topic: &Topic, query: &Query, horizon: &Position) -> Option<usize> {
    let expected = reference(topic, query, horizon).answer();
    for engine in Engine::ALL {
        let got = match compute(topic, query, &Logic::Sql, engine, horizon) {
            Ok(table) => rows(query, &table),
            Err(BatchError::Eval(e)) => Err(e),
            Err(BatchError::Unsupported { engine: Engine::Polars, .. }) if looks_beside(query) => continue,
            Err(other) => panic!("{engine}: {other}\n{query:?}"),
        };
        if let Err(difference) = compare(query, &expected, &got) {
            panic!("{engine}: {difference}\nat {horizon}\n{query:?}");
        }
        let at_once = match twopath_batch::answer(topic, query, engine, horizon) {
            Ok(answer) => values::rows(&answer),
            Err(BatchError::Eval(e)) => Err(e),
            Err(other) => panic!("{engine}: {other}\n{query:?}"),
        };
        if let Err(difference) = compare(query, &expected, &at_once) {
            panic!("{engine}, an answer without a table: {difference}\nat {horizon}\n{query:?}");
        }
    }
    expected.ok().map(|rows| rows.len())
}
