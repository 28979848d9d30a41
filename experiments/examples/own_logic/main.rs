//! One's own logic over one's own events, written by hand for every layer, one file each: `batch.rs` (polars), `speed.rs` (timely) and
//! `serving.rs` (how parts merge and finish). Run as Lambda and as Kappa through the library, and compared with the reference interpreter.
//!
//! ```text
//! cargo run --release --example own_logic
//! ```
//!
//! `experiments/book/own-logic.md` goes through it step by step.

#[path = "batch.rs"]
mod batch;
#[path = "serving.rs"]
mod serving;
#[path = "speed.rs"]
mod speed;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use twopath_base::Position;
use twopath_events::files::ReadOptions;
use twopath_events::workloads::{OwnTable, Workload, own};
use twopath_log::{Durability, Log, Topic};
use twopath_query::{Query, Value, parse, values};
use twopath_reference::{Reference, compare};
use twopath_serving::Table;
use twopath_speed::{SpeedJob, SpeedOptions};
use twopath_view::Selection;
use twopath_view::store::ViewStore;

/// What the hand-written code stands for: its keys, its columns and their types, and what the reference computes.
const SQL: &str = "SELECT url, COUNT(*) AS clicks, AVG(duration_ms) AS mean_ms, MAX(duration_ms) AS longest_ms FROM clicks GROUP BY url";

type Rows = Vec<Vec<Value>>;

#[allow(dead_code, reason = "the test of this example has no main")]
fn main() -> Result<(), Box<dyn Error>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("book/clicks/clicks.csv");
    for row in run(&file)? {
        println!("{}", row.iter().map(ToString::to_string).collect::<Vec<_>>().join("  "));
    }
    Ok(())
}

/// The answer, which both architectures and the reference gave alike.
pub fn run(file: &Path) -> Result<Rows, Box<dyn Error>> {
    let clicks = OwnTable { name: None, path: file.into(), time_column: Some("time".into()) };
    let workload = own(&[clicks], &ReadOptions::default(), SQL, None)?;
    let query = Arc::new(parse(SQL, &workload.name, &workload.schema)?);
    let mut reference = Reference::new((*query).clone());
    reference.push(&workload.batch(0, events(&workload)));
    let expected = reference.answer();
    for architecture in [lambda, kappa] {
        let dir = tempfile::tempdir()?;
        let given = architecture(dir.path(), &workload, &query)?;
        compare(&query, &expected, &Ok(given)).map_err(|difference| difference.to_string())?;
    }
    Ok(expected?)
}

/// How many there are: a file's events end.
fn events(workload: &Workload) -> usize {
    workload.events().map_or(0, |events| events as usize)
}

/// Two layers: the batch layer has what stands before a barrier, the speed layer what comes after it, and the table merges their parts.
fn lambda(dir: &Path, workload: &Workload, query: &Arc<Query>) -> Result<Rows, Box<dyn Error>> {
    let topic = Log::open(dir)?.create_topic(workload.topic_config(2, Durability::None))?;
    let writer = topic.writer()?;
    let (all, half) = (events(workload), events(workload) / 2);
    writer.append(&workload.batch(0, half))?;
    let barrier = writer.barrier()?;
    let table = Arc::new(Table::new(query.clone(), topic.partitions()).with_merging(serving::MERGING)?);

    let logic = twopath_speed::Logic::Parts(speed::PARTS, serving::MERGING);
    let job = follow(&topic, query, logic, (barrier.number, barrier.position.clone()), &table)?;
    let store = ViewStore::open(&dir.join("views"), 1)?;
    let logic = twopath_batch::Logic::Hand(batch::CODE, serving::MERGING);
    let polars = twopath_batch::Engine::Polars;
    table.publish_batch(twopath_batch::run_batch(&topic, query, &logic, polars, barrier.number, &barrier.position, &store)?);

    writer.append(&workload.batch(half as u64, all - half))?;
    answered(&table, job, &topic.end()?)
}

/// One layer: a job that has read the log from its start, and gives what is final.
fn kappa(dir: &Path, workload: &Workload, query: &Arc<Query>) -> Result<Rows, Box<dyn Error>> {
    let topic = Log::open(dir)?.create_topic(workload.topic_config(2, Durability::None))?;
    let writer = topic.writer()?;
    let table = Arc::new(Table::new(query.clone(), topic.partitions()).with_finals(speed::VALUES)?);
    let logic = twopath_speed::Logic::Finals(speed::FINALS, speed::VALUES);
    let job = follow(&topic, query, logic, (0, topic.start()?), &table)?;
    writer.append(&workload.batch(0, events(workload)))?;
    answered(&table, job, &topic.end()?)
}

/// A job that follows the log on two workers and publishes into the table.
fn follow(
    topic: &Topic,
    query: &Arc<Query>,
    logic: twopath_speed::Logic,
    from: (u64, Position),
    table: &Arc<Table>,
) -> Result<SpeedJob, Box<dyn Error>> {
    let options = SpeedOptions { workers: 2, ..SpeedOptions::default() };
    let table = table.clone();
    let publish = Arc::new(move |view| table.publish_realtime(view));
    Ok(twopath_speed::start(topic, query.clone(), logic, twopath_speed::Engine::Timely, from, options, publish)?)
}

/// The answer once it covers everything up to `end`.
fn answered(table: &Table, job: SpeedJob, end: &Position) -> Result<Rows, Box<dyn Error>> {
    let started = Instant::now();
    while table.position().as_ref() != Some(end) {
        if let Some(failure) = job.progress().failure {
            return Err(failure.into());
        }
        if started.elapsed() > Duration::from_secs(60) {
            return Err("the job does not get to the log's end".into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let answer = table.answer(&Selection::default())?;
    job.stop()?;
    Ok(values::rows(&answer.rows)?)
}
