//! Batch, speed, merged, replayed and reference give the same answer to every query at every position that any of them publishes:
//! over random streams (late, repeated, NULL, empty, one key, many keys), random queries, 1 to 4 partitions, 1 and 2 workers, with
//! barriers in between. A failure names its seed; `SEED=n` runs that one alone.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use twopath_base::{Offset, PartitionId, Position};
use twopath_log::{Durability, Log, PartitionBy, Topic, TopicConfig};
use twopath_query::arbitrary::{Profile, Random, batches, schema, sql_of};
use twopath_query::{EvalError, Query, Value, parse, values};
use twopath_reference::{Reference, compare};
use twopath_serving::{ServingError, Table};
use twopath_speed::SpeedOptions;
use twopath_view::{BatchView, GroupTable, RealtimeView, Selection, answer};

type Rows = Result<Vec<Vec<Value>>, EvalError>;

/// Seeds are dealt out to as many tests, which the test runner runs side by side.
const SEEDS_PER_TEST: u64 = 1_500;

#[test]
fn random_streams_and_queries_a() {
    run(0..SEEDS_PER_TEST);
}

#[test]
fn random_streams_and_queries_b() {
    run(10_000..10_000 + SEEDS_PER_TEST);
}

#[test]
fn random_streams_and_queries_c() {
    run(20_000..20_000 + SEEDS_PER_TEST);
}

/// For a night: `SEEDS=100000 cargo test --release -p twopath-tests --test equality -- --ignored`.
#[test]
#[ignore = "takes as long as one lets it"]
fn many_more() {
    let seeds = std::env::var("SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(10_000);
    run(1_000_000..1_000_000 + seeds);
}

fn run(seeds: std::ops::Range<u64>) {
    let only: Option<u64> = std::env::var("SEED").ok().and_then(|s| s.parse().ok());
    let dir = tempfile::tempdir().unwrap();
    for seed in seeds.filter(|s| only.is_none_or(|o| o == *s)) {
        let home = dir.path().join(seed.to_string());
        one(&home, seed);
        std::fs::remove_dir_all(home).unwrap();
    }
}

struct Case {
    seed: u64,
    sql: String,
    topic: Topic,
    query: Arc<Query>,
    batch: twopath_batch::Engine,
    speed: twopath_speed::Engine,
}

/// One stream, one query, all engines.
fn one(dir: &Path, seed: u64) {
    let mut random = Random::new(seed);
    let schema = schema(&mut random);
    let profile = if seed % 8 < 4 { Profile::ALL } else { Profile::BASIC };
    let profile = if seed.is_multiple_of(3) { profile.over_a_log() } else { profile };
    let sql = sql_of(&mut random, "events", &schema, profile);
    let query = Arc::new(parse(&sql, "events", &schema).unwrap_or_else(|e| panic!("seed {seed}: {}", e.report(&sql))));
    let stream = batches(&mut random, &schema, 150);
    let partitions = 1 + random.below(4) as u32;
    let workers = 1 + random.below(2);
    // Each engine of one layer beside each of the other; what looks at more than one value of a row only the shared kernels know.
    let looks_beside = query.aggregates.iter().any(|a| !a.beside.is_empty());
    let batch = if looks_beside { twopath_batch::Engine::Rayon } else { twopath_batch::Engine::ALL[seed as usize % 2] };
    let both = [twopath_speed::Engine::Timely, twopath_speed::Engine::Differential];
    let speed = if looks_beside { both[0] } else { both[seed as usize / 2 % 2] };
    let config = TopicConfig {
        partitions,
        partition_by: if random.chance(70) { PartitionBy::Key("key".into()) } else { PartitionBy::RoundRobin },
        time_column: Some("at".into()),
        durability: Durability::None,
        segment_bytes: [2_000, 20_000, 1 << 20][random.below(3)],
        ..TopicConfig::new("events", schema)
    };
    let topic = Log::open(dir).unwrap().create_topic(config).unwrap();
    let writer = topic.writer().unwrap();

    // A live job follows from the start and publishes as it likes, while events and barriers are appended.
    let published: Arc<Mutex<Vec<Arc<RealtimeView>>>> = Arc::default();
    let hear = published.clone();
    let options = SpeedOptions { workers, publish_interval: Duration::from_micros(100), ..SpeedOptions::default() };
    let zero = Position::zero(partitions as usize);
    let live = twopath_speed::start(
        &topic,
        query.clone(),
        twopath_speed::Logic::Sql,
        speed,
        (0, zero.clone()),
        options,
        Arc::new(move |view| hear.lock().unwrap().push(view)),
    )
    .unwrap();
    for batch in &stream {
        writer.append(batch).unwrap();
        if random.chance(15) {
            writer.barrier().unwrap();
        }
        if random.chance(20) {
            std::thread::sleep(Duration::from_micros(300));
        }
    }
    let end = topic.end().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while live.progress().position != end {
        let failure = live.progress().failure;
        assert!(failure.is_none(), "seed {seed}: {failure:?}");
        assert!(Instant::now() < deadline, "seed {seed}: the live job stands at {} and not at {end}\n{sql}", live.progress().position);
        std::thread::sleep(Duration::from_micros(200));
    }
    live.stop().unwrap();
    writer.close().unwrap();

    let case = Case { seed, sql, topic, query, batch, speed };
    let published = published.lock().unwrap();
    // What the live job published: the last, and some before it.
    let some: Vec<usize> = (0..3).map(|_| random.below(published.len().max(1))).chain([published.len().saturating_sub(1)]).collect();
    for view in some.into_iter().filter_map(|i| published.get(i)) {
        let expected = case.reference(view.position());
        case.check("live", view.position(), &expected, &case.of_view(view));
    }
    // All engines at the end, at every barrier, and anywhere (also within a frame).
    let anywhere: Vec<Offset> = end.offsets().iter().map(|o| Offset(random.below(o.0 as usize + 1) as u64)).collect();
    let mut positions = vec![end, Position::new(anywhere)];
    positions.extend(case.topic.barriers().unwrap().into_iter().map(|b| b.position).take(2));
    for position in positions {
        case.all_engines(&position, workers, &mut random);
    }
}

impl Case {
    fn all_engines(&self, position: &Position, workers: usize, random: &mut Random) {
        let expected = self.reference(position);
        let zero = Position::zero(self.topic.partitions());

        let batch = twopath_batch::compute(&self.topic, &self.query, &twopath_batch::Logic::Sql, self.batch, position);
        let batch = match batch {
            Ok(table) => self.of_tables(&[&table]),
            Err(twopath_batch::BatchError::Eval(e)) => Err(e),
            Err(e) => panic!("seed {}: {e}\n{}", self.seed, self.sql),
        };
        self.check("batch", position, &expected, &batch);
        let at_once = match twopath_batch::answer(&self.topic, &self.query, self.batch, position) {
            Ok(answer) => values::rows(&answer),
            Err(twopath_batch::BatchError::Eval(e)) => Err(e),
            Err(e) => panic!("seed {}: {e}\n{}", self.seed, self.sql),
        };
        self.check("batch, without a table", position, &expected, &at_once);

        let view = self.replay((0, zero), position, workers);
        self.check("replay", position, &expected, &self.of_view(&view));

        // Merged: a batch view at a barrier not beyond the position, and the stream from there.
        let barriers = self.topic.barriers().unwrap();
        let before: Vec<_> = barriers.into_iter().filter(|b| position.covers(&b.position)).collect();
        if before.is_empty() {
            return;
        }
        let barrier = &before[random.below(before.len())];
        let table = Table::new(self.query.clone(), self.topic.partitions());
        match twopath_batch::compute(&self.topic, &self.query, &twopath_batch::Logic::Sql, self.batch, &barrier.position) {
            Ok(groups) => table.publish_batch(BatchView {
                version: 1,
                barrier: barrier.number,
                lower: twopath_base::Position::zero(barrier.position.partitions()),
                upper: barrier.position.clone(),
                table: Arc::new(groups),
            }),
            // No view, then; an answer would be that error, as the reference's is.
            Err(twopath_batch::BatchError::Eval(_)) => return assert!(expected.is_err(), "seed {}", self.seed),
            Err(e) => panic!("seed {}: {e}", self.seed),
        }
        table.publish_realtime(Arc::new(self.replay((barrier.number, barrier.position.clone()), position, workers)));
        let merged = self.of_table(&table, &Selection::default());
        self.check("merged", position, &expected, &merged);
        if merged.is_ok() && !self.query.rows {
            self.check_keys(&table, position, random);
        }
    }

    /// Point reads: the same as the reference's, for keys that are there.
    fn check_keys(&self, table: &Table, position: &Position, random: &mut Random) {
        let reference = self.rolled_to(position);
        let all = twopath_batch::compute(&self.topic, &self.query, &twopath_batch::Logic::Sql, self.batch, position).unwrap();
        for _ in 0..3.min(all.len()) {
            let key = all.key(random.below(all.len()));
            let ask = Selection { key: Some(key.clone()), ..Selection::default() };
            let expected = reference.answer_key(&key).map(|row| row.into_iter().collect());
            let query = Query { order_by: Vec::new(), distinct: false, offset: 0, limit: None, ..(*self.query).clone() };
            let got = if self.query.limit == Some(0) || self.query.offset > 0 { expected.clone() } else { self.of_table(table, &ask) };
            compare(&query, &expected, &got).unwrap_or_else(|d| panic!("seed {}: key {key:?} at {position}: {d}\n{}", self.seed, self.sql));
        }
    }

    fn check(&self, engine: &str, position: &Position, expected: &Rows, got: &Rows) {
        compare(&self.query, expected, got).unwrap_or_else(|d| {
            panic!(
                "seed {}: {engine} differs from the reference at {position}, {} partitions: {d}\n{}\nreference {expected:?}\n{engine} {got:?}",
                self.seed,
                self.topic.partitions(),
                self.sql
            )
        });
    }

    fn replay(&self, from: (u64, Position), to: &Position, workers: usize) -> RealtimeView {
        twopath_speed::replay(&self.topic, self.query.clone(), twopath_speed::Logic::Sql, self.speed, from, to, workers)
            .unwrap_or_else(|e| panic!("seed {}: {e}\n{}", self.seed, self.sql))
    }

    fn rolled_to(&self, position: &Position) -> Reference {
        let mut reference = Reference::new((*self.query).clone());
        for (p, to) in position.iter() {
            for records in self.topic.range(p, Offset(0), to, Some(&self.query.whole_rows())).unwrap() {
                reference.push(&records.unwrap().batch);
            }
        }
        reference
    }

    fn reference(&self, position: &Position) -> Rows {
        self.rolled_to(position).answer()
    }

    fn of_view(&self, view: &RealtimeView) -> Rows {
        if let Some(error) = &view.error {
            return Err(error.clone());
        }
        for pair in view.generations.windows(2) {
            assert_eq!(pair[0].upper, pair[1].lower, "seed {}: generations abut", self.seed);
        }
        let tables: Vec<&GroupTable> = view.generations.iter().flat_map(|g| &g.tables).map(Arc::as_ref).collect();
        self.of_tables(&tables)
    }

    fn of_tables(&self, tables: &[&GroupTable]) -> Rows {
        values::rows(&answer(&self.query, tables, &Selection::default())?)
    }

    fn of_table(&self, table: &Table, ask: &Selection) -> Rows {
        match table.answer(ask) {
            Ok(answer) => values::rows(&answer.rows),
            Err(ServingError::Eval(e)) => Err(e),
            Err(e) => panic!("seed {}: {e}\n{}", self.seed, self.sql),
        }
    }
}

/// Positions are of all partitions: a guard that the helper above reads what it should.
#[test]
fn the_reference_reads_exactly_the_position() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(5);
    let schema = schema(&mut random);
    let stream: Vec<_> = (5..50).map(|s| batches(&mut Random::new(s), &schema, 100)).find(|b| !b.is_empty()).unwrap();
    let config = TopicConfig {
        partitions: 1,
        partition_by: PartitionBy::RoundRobin,
        time_column: Some("at".into()),
        durability: Durability::None,
        segment_bytes: 2_000,
        ..TopicConfig::new("events", schema.clone())
    };
    let topic = Log::open(dir.path()).unwrap().create_topic(config).unwrap();
    let writer = topic.writer().unwrap();
    stream.iter().for_each(|b| drop(writer.append(b).unwrap()));
    writer.close().unwrap();
    let sql = "SELECT COUNT(*) FROM events".to_owned();
    let query = Arc::new(parse(&sql, "events", &schema).unwrap());
    let end = topic.end().unwrap().get(PartitionId(0)).0;
    assert!(end > 1);
    let case = Case { seed: 5, sql, topic, query, batch: twopath_batch::Engine::Polars, speed: twopath_speed::Engine::Timely };
    for offset in [0, 1, end / 2, end] {
        assert_eq!(case.reference(&Position::new(vec![Offset(offset)])), Ok(vec![vec![Value::Int(offset as i64)]]));
    }
}
