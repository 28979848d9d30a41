//! Whether what is found after a fault is what was promised before it.

use std::path::Path;
use std::sync::Arc;

use twopath_base::{Offset, PartitionId, Position};
use twopath_log::{Durability, Log, LogError, ProducerSequence, Topic, TopicWriter};
use twopath_storage::RecordingStores;

use super::model::{Found, Model, PARTITIONS};
use super::world::{GROUP, LOG, PRODUCED_ROWS, PRODUCER, TOPIC, events};

/// Opens what is in `root` and the object store as a reader, then as a writer, and compares it with the model. An error text says what is
/// violated.
pub(super) fn check(root: &Path, objects: &RecordingStores, model: &Model) -> Result<(), String> {
    let log = Log::open(&root.join(LOG)).map_err(|e| format!("the folder cannot be opened: {e}"))?;
    let log = log.with_stores(Arc::new(objects.clone()));
    let topic = match log.topic(TOPIC) {
        Ok(topic) => topic,
        Err(e @ LogError::NoSuchTopic { .. }) if model.made => return Err(format!("the topic is gone: {e}")),
        Err(LogError::NoSuchTopic { .. }) => return Ok(()),
        Err(e) => return may_refuse(model, "the topic cannot be opened", e),
    };
    // A reader, before any writer has mended anything.
    for p in partitions() {
        match Found::read(&topic, p) {
            Ok(found) => model.check(p, &found).map_err(|e| format!("before a writer opened it, {e}"))?,
            Err(e) => {
                may_refuse(model, "it cannot be read", e)?;
                check_moved(&topic, p, model)?;
            }
        }
    }
    let writer = match topic.writer() {
        Ok(writer) => writer,
        Err(e) => return may_refuse(model, "it cannot be written", e),
    };
    let mut all = Vec::new();
    for p in partitions() {
        match Found::read(&topic, p) {
            Ok(found) => {
                model.check(p, &found).map_err(|e| format!("after a writer opened it, {e}"))?;
                all.push(found);
            }
            Err(e) => return may_refuse(model, "it cannot be read once a writer has opened it", e),
        }
    }
    if let Some(other) = all.iter().find(|found| found.barriers != all[0].barriers) {
        return Err(format!("one partition has {} barriers, and another {}", all[0].barriers, other.barriers));
    }
    let ends = Position::new(all.iter().map(|found| Offset(found.end)).collect());
    check_group(&topic, model, &ends)?;
    // It goes on.
    let more = 1_000_000_000..1_000_000_002;
    check_producer(&writer, model, &mut all)?;
    for (p, found) in partitions().zip(&mut all) {
        let went_on = writer.append_to(p, &events(more.clone()), None);
        went_on.map_err(|e| format!("partition {p} takes no append after the fault: {e}"))?;
        found.append(more.clone());
    }
    writer.close().map_err(|e| format!("it cannot be closed after the fault: {e}"))?;
    let report = topic.local().and_then(|topic| topic.verify()).map_err(|e| format!("it cannot be verified: {e}"))?;
    if let Some(problem) = report.problems.first() {
        return may_refuse_text(model, format!("after recovery, {problem}"));
    }
    match objects.count() {
        0 => check_contents(&topic, &all, "after an append"),
        _ => check_recall(&topic, objects, &all),
    }
}

fn check_contents(topic: &Topic, all: &[Found], when: &str) -> Result<(), String> {
    for (p, expected) in partitions().zip(all) {
        match Found::read(topic, p) {
            Ok(found) if found == *expected => {}
            Ok(found) => return Err(format!("partition {p} has {:?} {when}, and should have {:?}", found.rows, expected.rows)),
            Err(e) => return Err(format!("partition {p} cannot be read {when}: {e}")),
        }
    }
    Ok(())
}

/// What was moved to the object store can be read, whatever is lost behind it.
fn check_moved(topic: &Topic, p: PartitionId, model: &Model) -> Result<(), String> {
    match Found::reaches(topic, p) {
        Ok(reached) if reached < model.durable.moved_to[p.index()] => {
            Err(format!("partition {p} can be read up to {reached}, and was moved up to {}", model.durable.moved_to[p.index()]))
        }
        // What follows it is so damaged that nobody can say where the partition ends.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// What is in the object store comes back, and then nothing is left there: whatever is there was known.
fn check_recall(topic: &Topic, objects: &RecordingStores, all: &[Found]) -> Result<(), String> {
    topic.local().and_then(|topic| topic.recall()).map_err(|e| format!("its segments cannot be recalled: {e}"))?;
    match objects.count() {
        0 => check_contents(topic, all, "after its segments were recalled"),
        n => Err(format!("{n} objects are forgotten in the store")),
    }
}

fn partitions() -> impl Iterator<Item = PartitionId> {
    (0..PARTITIONS).map(PartitionId)
}

/// An error is right only where the policy promised nothing, and it names file and byte (or the file that is not there).
fn may_refuse(model: &Model, what: &str, error: LogError) -> Result<(), String> {
    let named =
        matches!(error, LogError::Corrupt { .. } | LogError::CorruptPositions { .. } | LogError::BadTopicFile { .. } | LogError::Io { .. });
    if model.durability == Some(Durability::None) && named { Ok(()) } else { Err(format!("{what}: {error}")) }
}

fn may_refuse_text(model: &Model, what: String) -> Result<(), String> {
    if model.durability == Some(Durability::None) { Ok(()) } else { Err(what) }
}

/// The producer's epoch is remembered, its last append lands once, and an older instance is refused.
fn check_producer(writer: &TopicWriter, model: &Model, all: &mut [Found]) -> Result<(), String> {
    for p in partitions() {
        let state = writer.producer_state(p, PRODUCER).map_err(|e| e.to_string())?;
        let epoch = state.map_or(0, |s| s.epoch);
        if !(model.durable.epoch..=model.tried.epoch).contains(&epoch) {
            let (least, most) = (model.durable.epoch, model.tried.epoch);
            return Err(format!("partition {p} knows epoch {epoch} of the producer, of {least} promised and {most} tried"));
        }
        let append = |epoch, sequence| {
            let append = ProducerSequence { producer: PRODUCER, epoch, sequence };
            writer.append_to(p, &events(0..i64::from(PRODUCED_ROWS)), Some(append))
        };
        if let (Some((sequence, offset)), 0) = (model.durable.produced, p.0) {
            match append(epoch, sequence) {
                Ok(again) if again.0 == offset => {}
                other => {
                    return Err(format!("what the producer sent as number {sequence} stands at {offset}; sent again, it is {other:?}"));
                }
            }
        }
        if let Some(older) = epoch.checked_sub(1) {
            match append(older, u64::MAX) {
                Err(LogError::Fenced { .. }) => {}
                other => return Err(format!("an append of epoch {older} after epoch {epoch} began in partition {p}: {other:?}")),
            }
        }
        // A new one of it appends.
        let base = append(epoch, 1 << 40).map_err(|e| format!("the producer's next append to partition {p}: {e}"))?;
        if base.0 != all[p.index()].end {
            return Err(format!("the producer's next append to partition {p} is at {base}, and the end was {}", all[p.index()].end));
        }
        all[p.index()].append(0..i64::from(PRODUCED_ROWS));
    }
    Ok(())
}

fn check_group(topic: &Topic, model: &Model, ends: &Position) -> Result<(), String> {
    let tried = &model.tried.committed;
    let groups = topic.local().and_then(|topic| topic.committed_groups());
    let committed = match groups {
        Ok(groups) => groups.into_iter().find(|(name, _)| name == GROUP).map(|(_, position)| position),
        Err(e) => return may_refuse(model, "the group's positions cannot be read", e),
    };
    let zero = Position::new(vec![Default::default(); PARTITIONS as usize]);
    let committed = committed.unwrap_or(zero);
    let least = model.committed.checked_sub(1).map(|i| &tried[i]);
    for p in partitions() {
        let (found, end) = (committed.get(p), ends.get(p));
        // A group that stood ahead of the log is set back to its end.
        if least.is_some_and(|least| found < least.get(p).min(end)) {
            return Err(format!("the group is at {committed}, and had committed {}", least.map(ToString::to_string).unwrap_or_default()));
        }
        if found > end {
            return Err(format!("the group is at {committed}, and the log ends at {ends}"));
        }
        if found.0 > 0 && found != end && !tried.iter().any(|t| t.get(p) == found) {
            return Err(format!("the group is at {committed}, which it never committed"));
        }
    }
    Ok(())
}
