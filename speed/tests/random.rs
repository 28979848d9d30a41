//! Both engines against the reference, over random queries and random streams.

mod common;

use std::sync::Arc;

use common::rows_of;
use twopath_base::{Offset, Position};
use twopath_log::{Durability, Entry, Log, PartitionBy, Start, Topic, TopicConfig};
use twopath_query::arbitrary::{Profile, Random, batches, schema, schema_with_decimals, sql, sql_of};
use twopath_query::{Query, parse};
use twopath_reference::{Reference, compare};
use twopath_speed::{Engine, Logic, SpeedError, SpeedOptions, replay, start};

/// Of a hundred random queries, so many may be beyond differential: it knows all that they have so far.
const REFUSED_PERCENT_MAX: u64 = 0;

/// `SEEDS` sets how many queries are tried.
fn seeds() -> u64 {
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(300)
}

/// How many of the random queries an engine refused; a test of refusals alone would show nothing.
#[derive(Default)]
struct Refused {
    tried: u64,
    refused: u64,
}

impl Refused {
    /// What the engine gave; none where it does not know the query.
    fn of<T>(&mut self, engine: Engine, given: Result<T, SpeedError>) -> Option<T> {
        self.tried += u64::from(engine == Engine::Differential);
        match given {
            // What an engine does not know it refuses by name.
            Err(SpeedError::Unsupported { .. }) if engine == Engine::Differential => {
                self.refused += 1;
                None
            }
            given => Some(given.unwrap()),
        }
    }

    /// # Panics
    /// If more queries were refused than the generator's share of what differential does not know explains.
    fn check(&self) {
        println!("differential refused {} of {} random queries", self.refused, self.tried);
        assert!(self.refused * 100 <= self.tried * REFUSED_PERCENT_MAX, "refused {} of {}", self.refused, self.tried);
    }
}

/// A topic of random events, with barriers here and there.
fn topic(random: &mut Random, dir: &std::path::Path) -> Topic {
    let schema = if random.chance(30) { schema_with_decimals(random) } else { schema(random) };
    let config = TopicConfig {
        partitions: 1 + random.below(4) as u32,
        partition_by: PartitionBy::RoundRobin,
        time_column: None,
        durability: Durability::None,
        ..TopicConfig::new("events", schema.clone())
    };
    let topic = Log::open(dir).unwrap().create_topic(config).unwrap();
    let writer = topic.writer().unwrap();
    for batch in batches(random, &schema, 150) {
        writer.append(&batch).unwrap();
        if random.chance(20) {
            writer.barrier().unwrap();
        }
    }
    writer.close().unwrap();
    topic
}

fn reference(topic: &Topic, query: &Query, to: &Position) -> Reference {
    let mut reference = Reference::new(query.clone());
    for (partition, end) in to.iter() {
        let mut reader = topic.reader(partition, Start::First, Some(&query.whole_rows())).unwrap();
        while reader.offset() < end {
            let Some(Entry::Records(records)) = reader.next().unwrap() else { continue };
            for row in (0..records.batch.num_rows()).take_while(|row| records.base.0 + (*row as u64) < end.0) {
                reference.push_row(&records.batch, row);
            }
        }
    }
    reference
}

/// The end, or anywhere before, also within a frame.
fn some_position(random: &mut Random, end: &Position) -> Position {
    if random.chance(50) {
        return end.clone();
    }
    Position::new(end.offsets().iter().map(|end| Offset(random.below(end.0 as usize + 1) as u64)).collect())
}

#[test]
fn both_engines_agree_with_the_reference() {
    let mut refused = Refused::default();
    for seed in 0..seeds() {
        let mut random = Random::new(seed);
        let dir = tempfile::tempdir().unwrap();
        let topic = topic(&mut random, dir.path());
        let profile = [Profile::BASIC, Profile::BASIC.over_a_log(), Profile::ALL, Profile::ALL.over_a_log()][seed as usize % 4];
        let text = sql_of(&mut random, "events", topic.schema(), profile);
        let query = parse(&text, "events", topic.schema()).unwrap_or_else(|e| panic!("seed {seed}: {}", e.report(&text)));
        let query = Arc::new(query);
        let to = some_position(&mut random, &topic.end().unwrap());
        let expected = reference(&topic, &query, &to).answer();
        for engine in Engine::ALL {
            let workers = 1 + random.below(3);
            let from = (0, Position::zero(topic.partitions()));
            let given = replay(&topic, Arc::clone(&query), Logic::Sql, engine, from, &to, workers);
            let Some(view) = refused.of(engine, given) else { continue };
            assert_eq!(view.position(), &to);
            compare(&query, &expected, &rows_of(&query, &view))
                .unwrap_or_else(|d| panic!("seed {seed}, {engine} with {workers} workers: {d}\n{text}\n{query}"));
        }
    }
    refused.check();
}

/// A job that follows reads in epochs, so that what differential hands over per epoch must come to the same.
#[test]
fn both_engines_agree_at_the_end_of_a_tail() {
    let mut refused = Refused::default();
    for seed in 10_000..10_000 + seeds() / 6 {
        let mut random = Random::new(seed);
        let dir = tempfile::tempdir().unwrap();
        let schema = schema(&mut random);
        let config = TopicConfig {
            partitions: 1 + random.below(3) as u32,
            partition_by: PartitionBy::RoundRobin,
            time_column: None,
            durability: Durability::None,
            ..TopicConfig::new("events", schema.clone())
        };
        let topic = Log::open(dir.path()).unwrap().create_topic(config).unwrap();
        let writer = topic.writer().unwrap();
        let text = sql(&mut random, "events", &schema);
        let query = Arc::new(parse(&text, "events", &schema).unwrap());
        let stream = batches(&mut random, &schema, 150);
        let jobs = Engine::ALL.into_iter().filter_map(|engine| {
            let options = SpeedOptions { workers: 1 + random.below(3), ..SpeedOptions::default() };
            let from = (0, Position::zero(topic.partitions()));
            let given = start(&topic, Arc::clone(&query), Logic::Sql, engine, from, options, Arc::new(|_| {}));
            refused.of(engine, given).map(|job| (engine, job))
        });
        let jobs: Vec<_> = jobs.collect();
        let mut reference = Reference::new((*query).clone());
        for batch in &stream {
            writer.append(batch).unwrap();
            reference.push(batch);
            if random.chance(30) {
                writer.barrier().unwrap();
            }
            let end = topic.end().unwrap();
            for (engine, job) in &jobs {
                while job.view().position() != &end {
                    assert!(job.progress().failure.is_none(), "seed {seed}: {:?}", job.progress().failure);
                    std::thread::sleep(std::time::Duration::from_micros(200));
                }
                let rows = rows_of(&query, &job.view());
                compare(&query, &reference.answer(), &rows).unwrap_or_else(|d| panic!("seed {seed}, {engine}: {d}\n{text}\n{query}"));
            }
        }
    }
    refused.check();
}
