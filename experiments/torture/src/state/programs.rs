//! Random queries over random streams: a checkpoint at a random moment, an end at another, and a start with another number of workers, by
//! either engine.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use twopath_base::Position;
use twopath_base::sync::lock;
use twopath_log::{Durability, Log, PartitionBy, Topic, TopicConfig};
use twopath_query::arbitrary::{Random, batches, schema, sql};
use twopath_query::{Query, parse};
use twopath_speed::{Backend, Checkpoints, Engine, Logic, SpeedError, SpeedJob, SpeedOptions, start};
use twopath_view::RealtimeView;

use super::oracle::{Oracle, rows_of};
use crate::Item;
use crate::tally::Tally;

const PROGRAMS: u64 = 20;
/// Views of one life of a job that are held against the reference.
const VIEWS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(60);

pub fn run(item: &Item<'_>, tally: &Tally) {
    for program in 0..PROGRAMS {
        let seed = (item.seed << 40) ^ (item.number * PROGRAMS + program);
        let dir = item.scratch.join(program.to_string());
        tally.check(item.number, || format!("program {program}"), || try_program(&dir, &mut Random::new(seed)));
        // It goes with the item, too; most are small.
        let _ = std::fs::remove_dir_all(&dir);
    }
}

fn try_program(dir: &Path, random: &mut Random) -> Result<(), String> {
    let failed = |e: &dyn std::fmt::Display| e.to_string();
    let schema = schema(random);
    let config = TopicConfig {
        partitions: 1 + random.below(4) as u32,
        partition_by: PartitionBy::RoundRobin,
        time_column: None,
        durability: Durability::None,
        ..TopicConfig::new("events", schema.clone())
    };
    let topic = Log::open(dir).and_then(|log| log.create_topic(config)).map_err(|e| failed(&e))?;
    let writer = topic.writer().map_err(|e| failed(&e))?;
    let text = sql(random, "events", &schema);
    let query = Arc::new(parse(&text, "events", &schema).map_err(|e| e.report(&text))?);
    let mut oracle = Oracle::new(&topic, &query);
    let stream = batches(random, &schema, 120);
    let lives = 2 + random.below(2);
    let checkpoints = dir.join("checkpoints");
    for life in 0..lives {
        let (first, after) = (stream.len() * life / lives, stream.len() * (life + 1) / lives);
        let checkpoint_at = first + random.below(after - first + 1);
        let Some((job, views)) = begin(&topic, &query, &checkpoints, random)? else { return Ok(()) };
        for (i, batch) in stream[first..after].iter().enumerate() {
            if first + i == checkpoint_at {
                job.take_checkpoint().map_err(|e| failed(&e))?;
            }
            writer.append(batch).map_err(|e| failed(&e))?;
            if random.chance(20) {
                writer.barrier().map_err(|e| failed(&e))?;
            }
        }
        // It ends here, or once it has read all.
        if life + 1 == lives || random.chance(50) {
            wait_for(&job, &topic.end().map_err(|e| failed(&e))?)?;
            if random.chance(30) {
                job.take_checkpoint().map_err(|e| failed(&e))?;
            }
        }
        drop(job);
        let views = std::mem::take(&mut *lock(&views));
        let step = views.len().div_ceil(VIEWS).max(1);
        let sample: Vec<_> = views.iter().rev().step_by(step).collect();
        sample.into_iter().rev().try_for_each(|view| oracle.check(view.position(), &rows_of(&query, view)))?;
    }
    Ok(())
}

type Views = Arc<Mutex<Vec<Arc<RealtimeView>>>>;

/// `None` where the engine does not know the query.
fn begin(topic: &Topic, query: &Arc<Query>, dir: &Path, random: &mut Random) -> Result<Option<(SpeedJob, Views)>, String> {
    let views: Views = Arc::default();
    let keep = Arc::clone(&views);
    // Every moment, or when it is asked to.
    let interval = if random.chance(30) { Duration::from_micros(300) } else { Duration::MAX };
    let options = SpeedOptions {
        workers: 1 + random.below(3),
        backend: Backend::Checkpoints(Checkpoints::every(interval, dir)),
        publish_interval: Duration::from_micros(200),
        ..SpeedOptions::default()
    };
    let engine = if random.chance(60) { Engine::Timely } else { Engine::Differential };
    let from = (0, Position::zero(topic.partitions()));
    let publish = Arc::new(move |view| lock(&keep).push(view));
    match start(topic, Arc::clone(query), Logic::Sql, engine, from, options, publish) {
        Ok(job) => Ok(Some((job, views))),
        Err(SpeedError::Unsupported { .. }) => Ok(None),
        Err(e) => Err(e.to_string()),
    }
}

fn wait_for(job: &SpeedJob, end: &Position) -> Result<(), String> {
    let started = Instant::now();
    while job.view().position() != end {
        let progress = job.progress();
        if let Some(failure) = progress.failure {
            return Err(failure.to_string());
        }
        if started.elapsed() > PATIENCE {
            return Err(format!("it stands at {} and not at {end}", progress.position));
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    Ok(())
}
