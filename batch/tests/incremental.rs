//! A run that goes on from the last one's view gives the view that computing everything gives, bit for bit; and where the log below that view is not
//! as it was, it computes everything.

mod common;

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use common::{TestTopic, random_query, random_topic, rows, topic};
use twopath_base::{Offset, Position};
use twopath_batch::{BatchError, Engine, Logic, compute, run_incremental};
use twopath_log::{Compaction, Retention};
use twopath_query::arbitrary::{Random, batches};
use twopath_query::{Query, parse};
use twopath_view::store::ViewStore;

/// What the runs were, so that a test over too little is seen.
#[derive(Debug, Default)]
struct Seen {
    runs: usize,
    reused: u64,
    errors: usize,
    groups: usize,
}

/// A seed's stream, in pieces: after each, random queries over it are run incrementally and in full.
fn check(seed: u64, seen: &mut Seen) {
    let random = &mut Random::new(seed);
    let (t, schema) = random_topic(seed, random);
    let queries: Vec<(String, Query, ViewStore)> = (0..4)
        .map(|number| {
            let (text, query) = random_query(seed, random, &schema);
            (text, query, ViewStore::open(&t.dir.path().join(format!("views-{number}")), 2).unwrap())
        })
        .collect();
    for batch in batches(random, &schema, 300) {
        t.writer.append(&batch).unwrap();
        if random.chance(60) {
            continue;
        }
        let (barrier, horizon) = match random.below(3) {
            0 => t.writer.barrier().map(|b| (b.number, b.position)).unwrap(),
            1 => (0, t.topic.end().unwrap()),
            // Also before the last one's: that run reads everything.
            _ => {
                (0, Position::new(t.topic.end().unwrap().offsets().iter().map(|o| Offset(random.below(o.0 as usize + 1) as u64)).collect()))
            }
        };
        for (text, query, store) in &queries {
            let full = compute(&t.topic, query, &Logic::Sql, Engine::Rayon, &horizon);
            let incremental = run_incremental(&t.topic, query, Engine::Rayon, barrier, &horizon, store);
            seen.runs += 1;
            match (full, incremental) {
                (Ok(full), Ok(run)) => {
                    let (reused, view) = (run.reused(), run.view);
                    assert_eq!((view.barrier, &view.upper), (barrier, &horizon), "seed {seed}: {text}");
                    let (left, right) = (rows(query, &view.table), rows(query, &full));
                    assert_eq!(format!("{left:?}"), format!("{right:?}"), "seed {seed}, {reused} reused: {text}");
                    if query.limit.is_none() {
                        assert_eq!(view.table.to_batch(), full.to_batch(), "seed {seed}, {reused} reused: {text}");
                    }
                    seen.reused += reused;
                    seen.groups += full.len();
                }
                (Err(BatchError::Eval(_)), Err(BatchError::Eval(_))) => seen.errors += 1,
                (full, incremental) => panic!("seed {seed}: {text}\n{full:?}\n{incremental:?}"),
            }
        }
    }
}

#[test]
fn equal_to_the_full_run_over_random_streams() {
    let mut seen = Seen::default();
    (0..110).for_each(|seed| check(seed, &mut seen));
    assert!(seen.reused > 5_000 && seen.groups > 4_000 && seen.errors > 15, "too little was tested: {seen:?}");
    println!("{seen:?}");
}

fn numbers_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]))
}

fn numbers(n: std::ops::Range<i64>) -> RecordBatch {
    RecordBatch::try_new(numbers_schema(), vec![Arc::new(n.collect::<Int64Array>()) as ArrayRef]).unwrap()
}

/// A topic with some sealed segments, a query over it and the store of its views.
fn with_views() -> (TestTopic, Query, ViewStore) {
    let t = topic("numbers", numbers_schema(), 1, None, 1 << 10);
    (0..10).for_each(|i| drop(t.writer.append(&numbers(i * 100..(i + 1) * 100)).unwrap()));
    t.writer.seal().unwrap();
    let query = parse("SELECT n % 7 AS k, COUNT(*) AS c, SUM(n) AS s FROM numbers GROUP BY n % 7", "numbers", &numbers_schema()).unwrap();
    let store = ViewStore::open(&t.dir.path().join("views"), 2).unwrap();
    (t, query, store)
}

/// Runs at the log's end, and says how much was reused. The view is the full one's, to the byte.
fn run(t: &TestTopic, query: &Query, store: &ViewStore) -> u64 {
    let end = t.topic.end().unwrap();
    let run = run_incremental(&t.topic, query, Engine::Rayon, 0, &end, store).unwrap();
    let full = compute(&t.topic, query, &Logic::Sql, Engine::Rayon, &end).unwrap();
    assert_eq!(run.view.table.to_batch(), full.to_batch());
    run.reused()
}

#[test]
fn only_what_is_new_is_read() {
    let (t, query, store) = with_views();
    assert_eq!(run(&t, &query, &store), 0);
    assert_eq!(run(&t, &query, &store), 1000, "nothing is new");
    assert_eq!(store.versions().unwrap(), [1], "and nothing is published anew");
    t.writer.append(&numbers(5000..5003)).unwrap();
    assert_eq!(run(&t, &query, &store), 1000);
    assert_eq!(run(&t, &query, &store), 1003);
    let polars = run_incremental(&t.topic, &query, Engine::Polars, 0, &t.topic.end().unwrap(), &store).unwrap_err().to_string();
    assert!(polars.contains("the batch engine polars cannot do incremental runs (rayon does them)"), "{polars}");
}

#[test]
fn a_log_that_is_not_as_it_was_is_read_whole() {
    // Retention took its beginning.
    let (t, query, store) = with_views();
    run(&t, &query, &store);
    t.topic.local().unwrap().retain(&Retention::of_bytes(5_000), false).unwrap();
    assert!(t.topic.start().unwrap().records() > 0);
    assert_eq!(run(&t, &query, &store), 0);
    assert_eq!(run(&t, &query, &store), t.topic.end().unwrap().records_since(&t.topic.start().unwrap()));

    // Another log has the same name and as many records, as after the loss of an end; arrivals are microseconds apart.
    let (t, query, store) = with_views();
    run(&t, &query, &store);
    std::thread::sleep(Duration::from_millis(2));
    let (other, ..) = with_views();
    assert_eq!(run(&other, &query, &store), 0);
    assert_eq!(run(&other, &query, &store), 1000);

    // The view is damaged.
    let view = t.dir.path().join("views/v00000002/view.arrow");
    let mut bytes = std::fs::read(&view).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&view, bytes).unwrap();
    assert_eq!(run(&other, &query, &store), 0);
}

/// Compaction takes records away, so that counts shrink: a view from before it is of another log.
#[test]
fn a_log_that_was_compacted_is_read_whole() {
    let schema = numbers_schema();
    let dir = tempfile::TempDir::new().unwrap();
    let mut config = twopath_log::TopicConfig::new("numbers", schema.clone());
    config.partition_by = twopath_log::PartitionBy::Key("n".into());
    config.segment_bytes = 1 << 10;
    let keyed = twopath_log::Log::open(dir.path()).unwrap().create_topic(config).unwrap();
    let t = TestTopic { writer: keyed.writer().unwrap(), topic: keyed, dir };
    (0..10).for_each(|_| drop(t.writer.append(&numbers(0..50)).unwrap()));
    t.writer.seal().unwrap();
    let query = parse("SELECT n % 7 AS k, COUNT(*) AS c FROM numbers GROUP BY n % 7", "numbers", &schema).unwrap();
    let store = ViewStore::open(&t.dir.path().join("views"), 2).unwrap();
    run(&t, &query, &store);
    let report = t.topic.local().unwrap().compact(&Compaction::default()).unwrap();
    assert!(t.topic.since().unwrap().records() > 0, "{report:?}");
    assert_eq!(run(&t, &query, &store), 0);
}
