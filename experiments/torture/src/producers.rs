//! Producers whose appends come twice, late and out of order, and whose older instances live on: each append lands once or is refused.

use std::collections::HashMap;

use twopath_base::PartitionId;
use twopath_log::{Durability, Log, LogError, ProducerSequence, Topic, TopicWriter};

use super::Item;
use super::dice::Dice;
use super::model::PARTITIONS;
use super::tally::Tally;
use super::world::{config, contents, events};

/// Of one item, on one topic.
const SCHEDULES: u64 = 100;
const PRODUCERS: u64 = 3;

pub(super) fn items(long: bool) -> u64 {
    if long { 1000 } else { 100 }
}

pub(super) fn run(item: &Item<'_>, tally: &Tally) {
    let log = Log::open(item.scratch).expect("the scratch folder is ours");
    let topic = log.create_topic(config(PARTITIONS, Durability::None)).expect("no fault was asked for");
    let mut writer = Some(topic.writer().expect("no fault was asked for"));
    let mut model = Model::default();
    for schedule in 0..SCHEDULES {
        let mut dice = Dice::new(item.seed, item.number * SCHEDULES + schedule);
        let place = || format!("schedule {schedule}");
        tally.check(item.number, place, || run_schedule(&topic, &mut writer, &mut model, &mut dice, schedule));
    }
    let place = || "after all schedules".to_owned();
    tally.check(item.number, place, || model.compare(&topic));
}

/// What landed: by partition, the ids; by (partition, producer), the number and offset of each append.
#[derive(Default)]
struct Model {
    ids: [Vec<i64>; PARTITIONS as usize],
    landed: HashMap<(u32, u64), Vec<(u64, u64)>>,
    /// By producer: the epoch of its newest instance.
    epochs: HashMap<u64, u32>,
}

/// A producer's append: what is sent again is the same.
#[derive(Clone, Copy)]
struct Append {
    partition: u32,
    producer: u64,
    /// Of the instance that sends it.
    epoch: u32,
    sequence: u64,
}

impl Append {
    fn ids(&self) -> std::ops::Range<i64> {
        let first = (self.producer as i64) << 20 | (self.sequence as i64) << 4;
        first..first + 1 + (self.sequence % 3) as i64
    }
}

/// Three new producers send a dozen appends each; the network holds some back, delivers some twice, now and then the writer is opened anew, and
/// now and then a producer begins anew while what it sent before is still under way.
fn run_schedule(topic: &Topic, writer: &mut Option<TopicWriter>, model: &mut Model, dice: &mut Dice, schedule: u64) -> Result<(), String> {
    let mut under_way: Vec<Append> = Vec::new();
    let mut next = [0; PRODUCERS as usize];
    for _ in 0..30 {
        let i = dice.below(PRODUCERS) as usize;
        next[i] += 1 + dice.below(8) / 7;
        let producer = 1 + schedule * PRODUCERS + i as u64;
        if dice.one_in(12) {
            begin(writer.as_ref().ok_or("no writer")?, model, producer)?;
        }
        let epoch = model.epochs.get(&producer).copied().unwrap_or(0);
        under_way.push(Append { partition: dice.below(u64::from(PARTITIONS)) as u32, producer, epoch, sequence: next[i] });
        if dice.one_in(40) {
            *writer = None;
            *writer = Some(topic.writer().map_err(|e| e.to_string())?);
        }
        // In order mostly; what was delivered may stay in the network, and come again.
        while under_way.len() > 4 || (!under_way.is_empty() && dice.one_in(2)) {
            let late = if dice.one_in(4) { dice.below(under_way.len() as u64) as usize } else { 0 };
            let append = under_way[late];
            if !dice.one_in(4) {
                under_way.remove(late);
            }
            let writer = writer.as_ref().ok_or("no writer")?;
            deliver(writer, model, append)?;
        }
    }
    Ok(())
}

fn begin(writer: &TopicWriter, model: &mut Model, producer: u64) -> Result<(), String> {
    let before = model.epochs.get(&producer).copied().unwrap_or(0);
    let epoch = writer.begin_producer(producer).map_err(|e| format!("producer {producer} cannot begin anew: {e}"))?;
    model.epochs.insert(producer, epoch);
    if epoch == before + 1 { Ok(()) } else { Err(format!("producer {producer} begins epoch {epoch} after epoch {before}")) }
}

fn deliver(writer: &TopicWriter, model: &mut Model, append: Append) -> Result<(), String> {
    let Append { partition, producer, epoch, sequence } = append;
    let sent = writer.append_to(PartitionId(partition), &events(append.ids()), Some(ProducerSequence { producer, epoch, sequence }));
    let newest = model.epochs.get(&producer).copied().unwrap_or(0);
    if epoch < newest {
        // Also what landed before: the one that asks is not to go on.
        return match sent {
            Err(LogError::Fenced { current, .. }) if current == newest => Ok(()),
            other => Err(format!("producer {producer}, number {sequence} of epoch {epoch}, and epoch {newest} has begun: {other:?}")),
        };
    }
    let landed = model.landed.entry((partition, producer)).or_default();
    let last = landed.last().copied();
    let before = landed.iter().find(|(s, _)| *s == sequence).map(|(_, offset)| *offset);
    let what = format!("producer {producer}, number {sequence} after {last:?} in partition {partition}");
    match (sent, last) {
        (Ok(offset), Some((last, _))) if sequence <= last => match before {
            Some(before) if before == offset.0 => Ok(()),
            _ => Err(format!("{what}: acknowledged at {offset}, and it was at {before:?}")),
        },
        (Ok(offset), _) => {
            let ids = &mut model.ids[partition as usize];
            if offset.0 != ids.len() as u64 {
                return Err(format!("{what}: it landed at {offset}, and the partition ended at {}", ids.len()));
            }
            ids.extend(append.ids());
            landed.push((sequence, offset.0));
            Ok(())
        }
        // The last one must always be known; of those before it, an old one may be refused.
        (Err(LogError::StaleSequence { .. }), Some((last, _))) if sequence < last => Ok(()),
        (Err(e), _) => Err(format!("{what}: refused: {e}")),
    }
}

impl Model {
    fn compare(&self, topic: &Topic) -> Result<(), String> {
        for (p, ids) in (0..PARTITIONS).map(PartitionId).zip(&self.ids) {
            let found = contents(topic, p).map_err(|e| e.to_string())?.0;
            if found != *ids {
                let at = found.iter().zip(ids).position(|(a, b)| a != b);
                return Err(format!("partition {p} has {} records of {}, and differs at {at:?}", found.len(), ids.len()));
            }
        }
        Ok(())
    }
}
