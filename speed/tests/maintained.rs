//! Plans whose rows differential keeps, against the reference, which evaluates the plan anew at each position: random queries of every relational shape over random streams.
//! A failure names its seed; `SEED=n` runs that one alone, and `SEEDS` sets how many are tried.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use twopath_base::{Offset, Position};
use twopath_log::{Durability, Entry, Log, PartitionBy, Start, Topic, TopicConfig};
use twopath_query::arbitrary::{Random, TOPICS, relational_schema, relational_sql, relational_stream, relational_topics};
use twopath_query::{EvalError, Plan, Query, Value, logical_plan_over, values};
use twopath_reference::{PlanReference, compare_rows};
use twopath_speed::{Engine, Logic, SpeedError, SpeedOptions, replay, start};
use twopath_view::{GroupTable, RealtimeView, Selection, answer};

/// Of a hundred random plans over one topic, so many may be refused: they have LIMIT in a subquery, or a join as of a moment on less than the table's key.
const REFUSED_PERCENT_MAX: u64 = 10;

fn seeds(first: u64, count: u64) -> Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => first..first + number("SEEDS").unwrap_or(count),
    }
}

/// A random plan over one topic of which more is computed than groups, and that topic's events.
fn case(seed: u64) -> Option<(Random, Plan, Arc<Query>, Vec<RecordBatch>)> {
    let mut random = Random::new(seed);
    let schema = relational_schema();
    let sql = relational_sql(&mut random);
    let plan = logical_plan_over(&sql, &relational_topics(&schema)).unwrap_or_else(|e| panic!("seed {seed}: {}", e.report(&sql)));
    let query = plan.query().ok().filter(|query| query.finish.is_some())?;
    let topic = TOPICS.iter().position(|name| *name == query.topic).expect("one of the topics");
    let stream = relational_stream(&mut random, 40);
    let batches = stream.into_iter().filter(|(of, _)| *of == topic).map(|(_, batch)| batch).collect();
    Some((random, plan, Arc::new(query), batches))
}

fn topic(random: &mut Random, name: &str, dir: &std::path::Path) -> Topic {
    let config = TopicConfig {
        partitions: 1 + random.below(3) as u32,
        partition_by: PartitionBy::RoundRobin,
        time_column: Some("at".to_owned()),
        durability: Durability::None,
        ..TopicConfig::new(name, relational_schema())
    };
    Log::open(dir).unwrap().create_topic(config).unwrap()
}

/// What the plan answers to the records below a position.
fn reference(topic: &Topic, plan: &Plan, query: &Query, to: &Position) -> Result<Vec<Vec<Value>>, EvalError> {
    let columns: Vec<usize> = (0..query.fields.len() + twopath_base::LogColumn::EACH.len()).collect();
    let mut reference = PlanReference::new(plan.clone());
    for (partition, end) in to.iter() {
        let mut reader = topic.reader(partition, Start::First, Some(&columns)).unwrap();
        while reader.offset() < end {
            let Some(Entry::Records(records)) = reader.next().unwrap() else { continue };
            let rows = records.batch.num_rows().min((end.0 - records.base.0) as usize);
            reference.push(&query.topic, &records.batch.slice(0, rows)).unwrap();
        }
    }
    reference.answer()
}

fn rows_of(query: &Query, view: &RealtimeView) -> Result<Vec<Vec<Value>>, EvalError> {
    if let Some(error) = &view.error {
        return Err(error.clone());
    }
    let tables: Vec<&GroupTable> = view.generations.iter().flat_map(|g| &g.tables).map(|t| &**t).collect();
    values::rows(&answer(query, &tables, &Selection::default())?)
}

/// How many plans were tried, and how many refused.
#[derive(Default)]
struct Refused {
    tried: u64,
    refused: u64,
}

impl Refused {
    /// What the engine gave; none where it refuses the plan.
    fn of<T>(&mut self, given: Result<T, SpeedError>) -> Option<T> {
        self.tried += 1;
        match given {
            Err(SpeedError::Unsupported { what, .. }) => {
                println!("refused: {what}");
                self.refused += 1;
                None
            }
            given => Some(given.unwrap()),
        }
    }

    fn check(&self) {
        println!("refused {} of {} random plans", self.refused, self.tried);
        assert!(self.refused * 100 <= self.tried * REFUSED_PERCENT_MAX, "refused {} of {}", self.refused, self.tried);
    }
}

fn check(seed: u64, who: &str, plan: &Plan, expected: &Result<Vec<Vec<Value>>, EvalError>, given: &Result<Vec<Vec<Value>>, EvalError>) {
    let names: Vec<String> = plan.columns().into_iter().map(|(name, _)| name).collect();
    compare_rows(&names, expected, given).unwrap_or_else(|difference| {
        panic!("seed {seed}: {who}: {difference}\n{plan}\nexpected {expected:?}\ngiven {given:?}");
    });
}

#[test]
fn a_replay_to_any_position_is_what_the_plan_says() {
    let mut refused = Refused::default();
    for seed in seeds(0, 1_500) {
        let Some((mut random, plan, query, batches)) = case(seed) else { continue };
        let dir = tempfile::tempdir().unwrap();
        let topic = topic(&mut random, &query.topic, dir.path());
        let writer = topic.writer().unwrap();
        batches.iter().for_each(|batch| drop(writer.append(batch).unwrap()));
        writer.close().unwrap();
        let end = topic.end().unwrap();
        let some = Position::new(end.offsets().iter().map(|end| Offset(random.below(end.0 as usize + 1) as u64)).collect());
        let rows = query.maintained().unwrap().rows;
        for to in [some, end] {
            let workers = 1 + random.below(3);
            let from = (0, Position::zero(topic.partitions()));
            let given = replay(&topic, Arc::clone(&query), Logic::Maintained, Engine::Differential, from, &to, workers);
            let Some(view) = refused.of(given) else { continue };
            assert_eq!(view.position(), &to);
            let expected = reference(&topic, &plan, &query, &to);
            check(seed, &format!("to {to} with {workers} workers"), &plan, &expected, &rows_of(&rows, &view));
        }
    }
    refused.check();
}

/// A job that follows reads in epochs: what each takes back and gives anew comes to what the plan says at its position.
#[test]
fn a_job_that_follows_is_what_the_plan_says_at_every_position() {
    let mut refused = Refused::default();
    for seed in seeds(100_000, 500) {
        let Some((mut random, plan, query, batches)) = case(seed) else { continue };
        let dir = tempfile::tempdir().unwrap();
        let topic = topic(&mut random, &query.topic, dir.path());
        let writer = topic.writer().unwrap();
        let workers = 1 + random.below(3);
        let options = SpeedOptions { workers, ..SpeedOptions::default() };
        let from = (0, Position::zero(topic.partitions()));
        let started = start(&topic, Arc::clone(&query), Logic::Maintained, Engine::Differential, from, options, Arc::new(|_| {}));
        let Some(job) = refused.of(started) else { continue };
        let rows = query.maintained().unwrap().rows;
        for batch in &batches {
            writer.append(batch).unwrap();
            if random.chance(20) {
                writer.barrier().unwrap();
            }
            let end = topic.end().unwrap();
            while job.view().position() != &end {
                assert!(job.progress().failure.is_none(), "seed {seed}: {:?}\n{plan}", job.progress().failure);
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
            let expected = reference(&topic, &plan, &query, &end);
            check(seed, &format!("at {end} with {workers} workers"), &plan, &expected, &rows_of(&rows, &job.view()));
        }
        job.stop().unwrap();
    }
    refused.check();
}

#[test]
fn what_cannot_be_kept_is_refused_by_name() {
    let schema = relational_schema();
    let refusal = |sql: &str, engine| {
        let query = logical_plan_over(sql, &relational_topics(&schema)).unwrap().query().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let topic = topic(&mut Random::new(1), &query.topic, dir.path());
        let from = (0, Position::zero(topic.partitions()));
        let to = topic.end().unwrap();
        replay(&topic, Arc::new(query), Logic::Maintained, engine, from, &to, 1).unwrap_err().to_string()
    };
    let limit = "SELECT a.k FROM clicks a JOIN (SELECT n FROM clicks ORDER BY at LIMIT 3) b ON a.n = b.n";
    let said = refusal(limit, Engine::Differential);
    assert!(said.starts_with("the speed engine differential does not know LIMIT in a subquery, where rows are kept"), "{said}");
    let join = "SELECT a.k FROM clicks a JOIN clicks b ON a.n = b.n";
    let said = refusal(join, Engine::Timely);
    assert!(said.starts_with("the speed engine timely does not know rows that are taken back"), "{said}");
    let flat = "SELECT k, COUNT(*) FROM clicks GROUP BY k";
    let said = refusal(flat, Engine::Differential);
    assert!(said.contains("a query whose groups are its answer"), "{said}");
}
