//! Plans whose rows differential keeps, against the reference, which evaluates the plan anew at each position: random queries of every relational shape over random streams.
//! A failure names its seed; `SEED=n` runs that one alone, and `SEEDS` sets how many are tried.

mod common;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arrow_array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use common::table::{as_table, shown};
use twopath_base::{Offset, Position};
use twopath_log::{Durability, Entry, Log, PartitionBy, Start, Topic, TopicConfig};
use twopath_query::arbitrary::{Random, TOPICS, relational_schema, relational_sql, relational_stream, relational_topics};
use twopath_query::plan::Node;
use twopath_query::{Aggregate, AggregateFunction, EvalError, Expr, NamedExpr, Plan, Query, TopicSchema, Value, logical_plan_over, values};
use twopath_reference::{PlanReference, compare_rows};
use twopath_speed::{
    Backend, Checkpoints, Engine, Feed, FeedQuery, Logic, SpeedError, SpeedOptions, Until, replay, replay_joint, run_feed, start,
};
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

/// What the plan answers to the records below a position of each topic.
fn reference(topics: &[Topic], plan: &Plan, to: &[Position]) -> Result<Vec<Vec<Value>>, EvalError> {
    let mut reference = PlanReference::new(plan.clone());
    for (topic, to) in topics.iter().zip(to) {
        let columns: Vec<usize> = (0..topic.schema().fields().len() + twopath_base::LogColumn::EACH.len()).collect();
        for (partition, end) in to.iter() {
            let mut reader = topic.reader(partition, Start::First, Some(&columns)).unwrap();
            while reader.offset() < end {
                let Some(Entry::Records(records)) = reader.next().unwrap() else { continue };
                let rows = records.batch.num_rows().min((end.0 - records.base.0) as usize);
                reference.push(topic.name(), &records.batch.slice(0, rows)).unwrap();
            }
        }
    }
    reference.answer()
}

/// Somewhere in a topic.
fn somewhere(random: &mut Random, end: &Position) -> Position {
    Position::new(end.offsets().iter().map(|end| Offset(random.below(end.0 as usize + 1) as u64)).collect())
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
        let some = somewhere(&mut random, &end);
        let rows = query.maintained().unwrap().rows;
        for to in [some, end] {
            let workers = 1 + random.below(3);
            let from = (0, Position::zero(topic.partitions()));
            let given = replay(&topic, Arc::clone(&query), Logic::Maintained, Engine::Differential, from, &to, workers);
            let Some(view) = refused.of(given) else { continue };
            assert_eq!(view.position(), &to);
            let expected = reference(std::slice::from_ref(&topic), &plan, std::slice::from_ref(&to));
            check(seed, &format!("to {to} with {workers} workers"), &plan, &expected, &rows_of(&rows, &view));
        }
    }
    refused.check();
}

/// Each row of a plan once, with how often it is there: a table whose rows are told apart, whatever the plan.
fn counted(plan: Plan) -> Plan {
    let key = |(i, (_, t))| NamedExpr { name: format!("k{i}"), expr: Expr::column(i, t) };
    let keys = plan.columns().into_iter().enumerate().map(key).collect();
    let aggregates = vec![Aggregate::new(AggregateFunction::Count, None)];
    Plan::new(Node::Aggregate { input: Box::new(plan), keys, aggregates }, 0..0)
}

/// A feed of a random plan, whose rows are kept at rest: it goes on from what was kept, with another number of workers, reads nothing of it again, and leaves the table that the plan
/// says; or stops, where the plan says that a row raises an error.
#[test]
fn a_feed_goes_on_from_what_is_kept_at_rest() {
    let (mut left, mut raised) = (0, 0);
    for seed in seeds(20_000, 300) {
        let Some((mut random, plan, query, batches)) = case(seed) else { continue };
        let plan = counted(plan);
        let Ok(made) = FeedQuery::kept(plan.maintained()) else { continue };
        let (dir, key) = (tempfile::tempdir().unwrap(), plan.columns().len() - 1);
        let topic = topic(&mut random, &query.topic, dir.path());
        let config = TopicConfig { durability: Durability::None, ..TopicConfig::new("out", made.schema().clone()) };
        let out = Log::open(dir.path()).unwrap().create_topic(config).unwrap();
        let writer = topic.writer().unwrap();
        for some in batches.chunks(batches.len().div_ceil(4).max(1)) {
            some.iter().for_each(|batch| drop(writer.append(batch).unwrap()));
            let expected = reference(std::slice::from_ref(&topic), &plan, &[topic.end().unwrap()]);
            let group = topic.local().unwrap().group_or_new("feed.f").unwrap();
            let feed = Feed {
                name: "f".into(),
                producer: "f".into(),
                inputs: vec![(topic.clone(), group)],
                query: FeedQuery::kept(plan.maintained()).unwrap(),
                output: out.clone(),
                writer: out.writer().unwrap(),
                backend: Backend::Checkpoints(Checkpoints::every(Duration::from_millis(1), &dir.path().join("kept"))),
                every: None,
                dir: dir.path().join("f"),
            };
            let workers = 1 + random.below(3);
            match (expected, run_feed(feed, &Until::End, workers, &AtomicBool::new(false))) {
                (Ok(rows), Ok(report)) => {
                    assert_eq!(report.rows_read_again, 0, "seed {seed}");
                    assert_eq!(shown(&out, key), as_table(rows, key), "seed {seed}, {workers} workers: {plan}");
                    left += 1;
                }
                (Err(_), Err(SpeedError::FeedTable { .. })) => raised += 1,
                (expected, given) => panic!("seed {seed}: expected {expected:?}, given {given:?}\n{plan}"),
            }
        }
    }
    println!("{left} tables, {raised} errors");
    assert!(left > 100 && raised > 0, "{left} tables, {raised} errors");
}

/// Over several topics, which are read as one: at a joint position.
#[test]
fn a_replay_to_any_joint_position_is_what_the_plan_says() {
    let mut refused = Refused::default();
    for seed in seeds(20_000, 1_500) {
        let mut random = Random::new(seed);
        let schema = relational_schema();
        let sql = relational_sql(&mut random);
        let plan = logical_plan_over(&sql, &relational_topics(&schema)).unwrap_or_else(|e| panic!("seed {seed}: {}", e.report(&sql)));
        let names = plan.topics();
        if names.len() < 2 {
            continue;
        }
        let dir = tempfile::tempdir().unwrap();
        let stream = relational_stream(&mut random, 40);
        let topics: Vec<Topic> = names.iter().map(|name| topic(&mut random, name, dir.path())).collect();
        let writers: Vec<_> = topics.iter().map(|topic| topic.writer().unwrap()).collect();
        for (of, batch) in &stream {
            if let Some(number) = names.iter().position(|name| *name == TOPICS[*of]) {
                writers[number].append(batch).unwrap();
            }
        }
        writers.into_iter().for_each(|writer| writer.close().unwrap());
        let ends: Vec<Position> = topics.iter().map(|topic| topic.end().unwrap()).collect();
        let some: Vec<Position> = ends.iter().map(|end| somewhere(&mut random, end)).collect();
        let kept = plan.maintained();
        for to in [some, ends] {
            let workers = 1 + random.below(3);
            let Some(view) = refused.of(replay_joint(&topics, &names, &kept, &to, workers)) else { continue };
            let expected = reference(&topics, &plan, &to);
            check(seed, &format!("to {to:?} with {workers} workers"), &plan, &expected, &rows_of(&kept.rows, &view));
        }
    }
    refused.check();
}

/// A job whose rows are kept at rest: stopped anywhere and started again, with another number of workers, it publishes nothing before it is where the log was, and then what the plan says.
#[test]
fn a_job_goes_on_from_what_is_kept_at_rest() {
    let mut refused = Refused::default();
    let mut restarts = 0;
    for seed in seeds(60_000, 200) {
        let Some((mut random, plan, query, batches)) = case(seed) else { continue };
        let dir = tempfile::tempdir().unwrap();
        let topic = topic(&mut random, &query.topic, dir.path());
        let writer = topic.writer().unwrap();
        let rows = query.maintained().unwrap().rows;
        for some in batches.chunks(batches.len().div_ceil(4).max(1)) {
            let kept = Backend::Checkpoints(Checkpoints::every(Duration::from_millis(1), &dir.path().join("kept")));
            let workers = 1 + random.below(3);
            let options = SpeedOptions { workers, backend: kept, ..SpeedOptions::default() };
            let from = (0, Position::zero(topic.partitions()));
            let before = topic.end().unwrap();
            let published = Arc::new(std::sync::Mutex::new(Vec::new()));
            let publish = {
                let published = Arc::clone(&published);
                Arc::new(move |view: Arc<RealtimeView>| published.lock().unwrap().push(view.position().clone()))
            };
            let started = start(&topic, Arc::clone(&query), Logic::Maintained, Engine::Differential, from, options, publish);
            let Some(job) = refused.of(started) else { break };
            let restored = job.recovery().checkpoint.is_some();
            restarts += u32::from(restored);
            for batch in some {
                writer.append(batch).unwrap();
                if random.chance(20) {
                    writer.barrier().unwrap();
                }
                let end = topic.end().unwrap();
                while job.view().position() != &end {
                    assert!(job.progress().failure.is_none(), "seed {seed}: {:?}\n{plan}", job.progress().failure);
                    std::thread::sleep(Duration::from_micros(200));
                }
                let expected = reference(std::slice::from_ref(&topic), &plan, std::slice::from_ref(&end));
                check(seed, &format!("at {end} with {workers} workers"), &plan, &expected, &rows_of(&rows, &job.view()));
            }
            if random.chance(50) {
                job.take_checkpoint().unwrap();
            }
            job.stop().unwrap();
            let early = published.lock().unwrap().iter().find(|position| restored && !position.covers(&before)).cloned();
            assert_eq!(early, None, "seed {seed}: before the state was there");
        }
    }
    println!("{restarts} starts from what was kept");
    assert!(restarts > 50, "{restarts}");
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
            let expected = reference(std::slice::from_ref(&topic), &plan, std::slice::from_ref(&end));
            check(seed, &format!("at {end} with {workers} workers"), &plan, &expected, &rows_of(&rows, &job.view()));
        }
        job.stop().unwrap();
    }
    refused.check();
}

/// Rows that are alike, keys that are NULL, floats that do not add up, money; and totals that come to 0 and leave it again.
fn values_that_matter() -> RecordBatch {
    let floats = [0.1, 0.2, -0.0, 0.0, f64::NAN, 1e300, -1e300, 0.3, 0.1, -0.1];
    let rows = 40;
    let of = |i: usize| (i * 7 + i / 10) % 10;
    let numbers = (0..rows).map(|i| (of(i) != 3).then(|| [2, -2, 1, 0, -1, 3, -3, 0, 5, -5][of(i)]));
    let money = (0..rows).map(|i| (i % 6 != 5).then(|| [199, -199, 1, 3_333, 0][i % 5]));
    let columns: [(&str, ArrayRef); 5] = [
        ("k", Arc::new((0..rows).map(|i| ["a", "b", "c"].get(i % 4).copied()).collect::<StringArray>())),
        ("n", Arc::new(numbers.collect::<Int64Array>())),
        ("f", Arc::new((0..rows).map(|i| (i % 11 != 10).then(|| floats[of(i)])).collect::<Float64Array>())),
        ("d", Arc::new(money.collect::<Decimal128Array>().with_precision_and_scale(10, 2).unwrap())),
        // Few moments, so that rows tie; some have none.
        (
            "at",
            Arc::new(
                (0..rows)
                    .map(|i| (i % 9 != 8).then(|| (i as i64 % 5) * 60_000_000))
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

/// Queries over [`values_that_matter`]; some raise errors on the way, which are taken back.
const EXACT: [&str; 19] = [
    "SELECT a.k, v.name, SUM(a.n) FROM t a FULL JOIN (VALUES (1, 'x'), (NULL, 'y'), (2, 'x'), (2, 'x')) AS v (id, name) ON a.n = v.id GROUP BY a.k, v.name",
    "SELECT k, 10 / n FROM (SELECT k, n FROM t WHERE n <> 3 UNION ALL VALUES ('e', 5), (NULL, 1 + 1)) u UNION ALL SELECT 'all', (SELECT 7)",
    "SELECT k, SUM(total), AVG(total), COUNT(DISTINCT total), MIN(total), MAX(total), VAR_POP(total) \
     FROM (SELECT k, n, SUM(f) AS total FROM t GROUP BY k, n) g GROUP BY k",
    "SELECT COUNT(*), SUM(total), AVG(total), MIN(mean), MAX(mean) FROM (SELECT k, SUM(d) AS total, AVG(d) AS mean FROM t GROUP BY k) g",
    "SELECT a.k, 10 / a.total FROM (SELECT k, SUM(n) AS total FROM t GROUP BY k) a JOIN (SELECT DISTINCT k FROM t) b ON a.k = b.k",
    "SELECT COUNT(*), SUM(10 / total) FROM (SELECT k, SUM(n) AS total FROM t GROUP BY k) g",
    "SELECT COUNT(*), SUM(total), MIN(total) FROM (SELECT k, at, SUM(n) AS total FROM t GROUP BY k, at HAVING SUM(n) > 3) g",
    "SELECT total, COUNT(*) FROM (SELECT k, at, SUM(n) AS total FROM t GROUP BY k, at HAVING SUM(n) > 1) g GROUP BY total",
    "SELECT a.k, b.k, a.f, COUNT(*) FROM t a JOIN t b ON a.f = b.f GROUP BY a.k, b.k, a.f",
    "SELECT a.k, b.f, a.d FROM (SELECT DISTINCT k, f, d FROM t) a LEFT JOIN (SELECT DISTINCT f, d FROM t WHERE f = 0) b ON a.d = b.d",
    "SELECT a.k, a.total, b.total FROM (SELECT k, SUM(n) AS total FROM t GROUP BY k) a \
     FULL JOIN (SELECT n, COUNT(*) AS total FROM t GROUP BY n) b ON a.total = b.total",
    "SELECT a.n, b.n FROM (SELECT n, SUM(f) AS s FROM t GROUP BY n) a LEFT JOIN (SELECT k, SUM(n) AS n FROM t GROUP BY k) b ON 6 / b.n > a.n",
    "SELECT k, n, SUM(n) OVER (PARTITION BY k ORDER BY at ROWS UNBOUNDED PRECEDING), ROW_NUMBER() OVER (PARTITION BY n ORDER BY at), \
     LAG(n, 1, 0) OVER (PARTITION BY k ORDER BY at) FROM t",
    "SELECT k, f, AVG(f) OVER (PARTITION BY k ORDER BY f ROWS BETWEEN 2 PRECEDING AND CURRENT ROW), \
     LAST_VALUE(n) OVER (PARTITION BY k ORDER BY f, d), RANK() OVER (PARTITION BY k ORDER BY f DESC NULLS FIRST) FROM t",
    "SELECT k, f, COUNT(*) OVER (PARTITION BY k ORDER BY f RANGE BETWEEN 0.15 PRECEDING AND 0.1 FOLLOWING), \
     SUM(n) OVER (PARTITION BY k ORDER BY d DESC RANGE BETWEEN 1.98 FOLLOWING AND UNBOUNDED FOLLOWING), \
     NTH_VALUE(n, 2) OVER (PARTITION BY k ORDER BY at GROUPS BETWEEN 2 PRECEDING AND 1 PRECEDING) FROM t",
    "SELECT k, at, SUM(d) OVER (ORDER BY at NULLS FIRST RANGE BETWEEN INTERVAL '1' MINUTE FOLLOWING AND INTERVAL '2 minutes' FOLLOWING), \
     LAST_VALUE(f) OVER (PARTITION BY n ORDER BY at ROWS BETWEEN 3 PRECEDING AND 2 PRECEDING), COUNT(f) OVER (ORDER BY n, at GROUPS 1 PRECEDING) FROM t",
    "SELECT k, n, SUM(n) OVER (PARTITION BY k ORDER BY n DESC NULLS LAST RANGE BETWEEN 2 PRECEDING AND 9223372036854775807 FOLLOWING), \
     FIRST_VALUE(n) OVER (PARTITION BY k ORDER BY n ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING) FROM t",
    "SELECT k, last, COUNT(*) FROM (SELECT k, n, LAST_VALUE(d) AS last, FIRST_VALUE(f) AS first FROM t GROUP BY k, n) g GROUP BY k, last",
    "SELECT a.k, a.at, b.d FROM t a LEFT JOIN UPSERT(TABLE t, DESCRIPTOR(k)) b ON a.k = b.k AND a.n < b.n",
];

#[test]
fn values_are_exact_whatever_was_taken_back() {
    let rows = values_that_matter();
    let schemas = [TopicSchema { name: "t", schema: &rows.schema(), key: None, time: Some("at") }];
    for (number, sql) in EXACT.into_iter().enumerate() {
        let plan = logical_plan_over(sql, &schemas).unwrap_or_else(|e| panic!("{}", e.report(sql)));
        let query = Arc::new(plan.query().unwrap());
        let dir = tempfile::tempdir().unwrap();
        let config = TopicConfig { partitions: 2, partition_by: PartitionBy::RoundRobin, ..TopicConfig::new("t", rows.schema()) };
        let topic = Log::open(dir.path()).unwrap().create_topic(TopicConfig { time_column: Some("at".to_owned()), ..config }).unwrap();
        let writer = topic.writer().unwrap();
        let options = SpeedOptions { workers: 1 + number % 2, ..SpeedOptions::default() };
        let from = (0, Position::zero(topic.partitions()));
        let job = start(&topic, Arc::clone(&query), Logic::Maintained, Engine::Differential, from, options, Arc::new(|_| {}))
            .unwrap_or_else(|e| panic!("{e}\n{sql}"));
        let answered_by = query.maintained().unwrap().rows;
        for row in (0..rows.num_rows()).step_by(2) {
            writer.append(&rows.slice(row, 2)).unwrap();
            let end = topic.end().unwrap();
            while job.view().position() != &end {
                assert!(job.progress().failure.is_none(), "{:?}\n{sql}", job.progress().failure);
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
            let expected = reference(std::slice::from_ref(&topic), &plan, std::slice::from_ref(&end));
            check(number as u64, &format!("at {end}: {sql}"), &plan, &expected, &rows_of(&answered_by, &job.view()));
        }
        job.stop().unwrap();
    }
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
    assert!(said.starts_with("the speed engine differential does not know ORDER BY in a subquery, where rows are kept"), "{said}");
    let join = "SELECT a.k FROM clicks a JOIN clicks b ON a.n = b.n";
    let said = refusal(join, Engine::Timely);
    assert!(said.starts_with("the speed engine timely does not know rows that are taken back"), "{said}");
    let flat = "SELECT k, COUNT(*) FROM clicks GROUP BY k";
    let said = refusal(flat, Engine::Differential);
    assert!(said.contains("a query whose groups are its answer"), "{said}");
}
