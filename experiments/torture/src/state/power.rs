//! The power goes while checkpoints are taken: of those that were acknowledged the newest is there, whole, or a newer one.

use std::sync::Arc;
use std::time::Duration;

use twopath_base::Position;
use twopath_log::{Durability, Log, Topic, TopicConfig};
use twopath_query::{Query, parse};
use twopath_speed::checkpoint::newest_checkpoint;
use twopath_speed::{Backend, Checkpoints, Engine, Logic, SpeedJob, SpeedOptions, start};
use twopath_storage::{Disk, RecordingStorage};

use super::oracle::{Oracle, rows_of};
use crate::Item;
use crate::dice::Dice;
use crate::tally::Tally;
use crate::world::{TOPIC, config, events};

const SQL: &str = "SELECT name, COUNT(*), SUM(id), MIN(id) FROM t GROUP BY name";
const CHECKPOINTS: usize = 6;

pub fn run(item: &Item<'_>, tally: &Tally) {
    let mut dice = Dice::new(item.seed, item.number);
    let (topic, query, kept) = prepare(item);
    let storage = RecordingStorage::new(&kept);
    // What had been acknowledged after so many changes.
    let mut acknowledged = vec![(0, Position::zero(topic.partitions()))];
    let writer = topic.writer().expect("no fault was asked for");
    let mut id = 0;
    for _ in 0..2 {
        let checkpoints = Checkpoints { storage: Arc::new(storage.clone()), ..Checkpoints::every(Duration::MAX, &kept.join("state")) };
        let job = begin(&topic, &query, checkpoints, 1 + dice.below(2) as usize);
        for _ in 0..CHECKPOINTS / 2 {
            let more = 1 + dice.below(40) as i64;
            writer.append(&events((id..id + more).collect::<Vec<_>>().into_iter())).expect("no fault was asked for");
            id += more;
            wait_for_end(&job, &topic);
            job.take_checkpoint().expect("no fault was asked for");
            acknowledged.push((storage.len(), topic.end().expect("no fault was asked for")));
        }
    }
    let changes = storage.changes();
    let mut disk = Disk::default();
    for cut in 0..=changes.len() {
        for image in 0..if item.long { 5 } else { 1 } {
            let mut dice = Dice::new(item.seed, (item.number + 1) << 24 | (cut as u64) << 8 | image);
            let place = || format!("power lost after {cut} of {} changes, image {image}", changes.len());
            let promised = &acknowledged.iter().rev().find(|(at, _)| *at <= cut).expect("nothing was promised at first").1;
            tally.check(item.number, place, || check(item, &disk, &mut dice, &topic, &query, promised));
        }
        changes.get(cut).into_iter().for_each(|change| disk.apply(change));
    }
}

fn prepare(item: &Item<'_>) -> (Topic, Arc<Query>, std::path::PathBuf) {
    let kept = item.scratch.join("kept");
    std::fs::create_dir(&kept).expect("the scratch folder is ours");
    let log = Log::open(&item.scratch.join("log")).expect("the scratch folder is ours");
    let topic = log.create_topic(TopicConfig { ..config(2, Durability::None) }).expect("no fault was asked for");
    let query = parse(SQL, TOPIC, topic.schema()).expect("the query is ours");
    (topic, Arc::new(query), kept)
}

fn begin(topic: &Topic, query: &Arc<Query>, checkpoints: Checkpoints, workers: usize) -> SpeedJob {
    let options = SpeedOptions { workers, backend: Backend::Checkpoints(checkpoints), ..SpeedOptions::default() };
    let from = (0, Position::zero(topic.partitions()));
    start(topic, Arc::clone(query), Logic::Sql, Engine::Timely, from, options, Arc::new(|_| {})).expect("no fault was asked for")
}

fn wait_for_end(job: &SpeedJob, topic: &Topic) {
    let end = topic.end().expect("no fault was asked for");
    while job.view().position() != &end {
        assert!(job.progress().failure.is_none(), "{:?}", job.progress().failure);
        std::thread::sleep(Duration::from_micros(100));
    }
}

fn check(item: &Item<'_>, disk: &Disk, dice: &mut Dice, topic: &Topic, query: &Arc<Query>, promised: &Position) -> Result<(), String> {
    let image = item.scratch.join("image");
    std::fs::create_dir(&image).map_err(|e| e.to_string())?;
    disk.image(&image, &mut |n| dice.below(n)).map_err(|e| e.to_string())?;
    let dir = image.join("state");
    let newest = newest_checkpoint(&dir, topic, query).map_err(|e| e.to_string())?;
    let there = newest.manifest.as_ref().map_or_else(|| Position::zero(topic.partitions()), |m| m.position().clone());
    if !there.covers(promised) {
        return Err(format!(
            "a checkpoint at {promised} was acknowledged, and the newest is at {there}; passed over: {:?}",
            newest.refused
        ));
    }
    // It goes on from there, and what it commits can be started from.
    let job = begin(topic, query, Checkpoints::every(Duration::MAX, &dir), 1 + dice.below(3) as usize);
    wait_for_end(&job, topic);
    Oracle::new(topic, query).check(job.view().position(), &rows_of(query, &job.view()))?;
    job.take_checkpoint().map_err(|e| e.to_string())?;
    let newest = newest_checkpoint(&dir, topic, query).map_err(|e| e.to_string())?;
    let end = topic.end().map_err(|e| e.to_string())?;
    let stands = newest.manifest.is_some_and(|m| *m.position() == end);
    drop(job);
    std::fs::remove_dir_all(&image).map_err(|e| e.to_string())?;
    if stands { Ok(()) } else { Err(format!("no whole checkpoint is at {end} after the start; passed over: {:?}", newest.refused)) }
}
