//! Whether what is found after a fault is what was promised before it.

use std::path::Path;

use twopath_shared::log::{Durability, Log, LogError, Topic};
use twopath_shared::{PartitionId, Position};

use super::world::{GROUP, LOG, Model, PARTITIONS, TOPIC, contents, events};

/// Opens what is in `root` as a reader, then as a writer, and compares it with the model. An error text says what is violated.
pub(super) fn check(root: &Path, model: &Model) -> Result<(), String> {
    let log = Log::open(&root.join(LOG)).map_err(|e| format!("the folder cannot be opened: {e}"))?;
    let topic = match log.topic(TOPIC) {
        Ok(topic) => topic,
        Err(e @ LogError::NoSuchTopic { .. }) if model.made => return Err(format!("the topic is gone: {e}")),
        Err(LogError::NoSuchTopic { .. }) => return Ok(()),
        Err(e) => return may_refuse(model, "the topic cannot be opened", e),
    };
    // A reader, before any writer has mended anything.
    for p in partitions() {
        match contents(&topic, p) {
            Ok(found) => check_contents(model, p, &found, "before a writer opened it")?,
            Err(e) => may_refuse(model, "it cannot be read", e)?,
        }
    }
    let writer = match topic.writer() {
        Ok(writer) => writer,
        Err(e) => return may_refuse(model, "it cannot be written", e),
    };
    let mut ends = Vec::new();
    let mut barriers = Vec::new();
    for p in partitions() {
        let found = match contents(&topic, p) {
            Ok(found) => found,
            Err(e) => return may_refuse(model, "it cannot be read once a writer has opened it", e),
        };
        check_contents(model, p, &found, "after a writer opened it")?;
        ends.push(found.0);
        barriers.push(found.1);
    }
    if barriers.iter().any(|b| *b != barriers[0]) {
        return Err(format!("the partitions do not have the same barriers: {barriers:?}"));
    }
    check_group(&topic, model)?;
    // It goes on.
    let more = 1_000_000_000;
    for (p, ids) in partitions().zip(&mut ends) {
        let went_on = writer.append_to(p, &events(more..more + 2), None);
        went_on.map_err(|e| format!("partition {p} takes no append after the fault: {e}"))?;
        ids.extend(more..more + 2);
    }
    writer.close().map_err(|e| format!("it cannot be closed after the fault: {e}"))?;
    let report = topic.verify().map_err(|e| format!("it cannot be verified: {e}"))?;
    if let Some(problem) = report.problems.first() {
        return may_refuse_text(model, format!("after recovery, {problem}"));
    }
    for (p, ids) in partitions().zip(&ends) {
        match contents(&topic, p) {
            Ok((found, _)) if found == *ids => {}
            Ok((found, _)) => return Err(format!("partition {p} has {} records after an append, not {}", found.len(), ids.len())),
            Err(e) => return Err(format!("partition {p} cannot be read after an append: {e}")),
        }
    }
    Ok(())
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

fn check_contents(model: &Model, p: PartitionId, (ids, barriers): &(Vec<i64>, usize), when: &str) -> Result<(), String> {
    let (sent, durable) = (&model.sent[p.index()], model.durable[p.index()]);
    if !sent.starts_with(ids) {
        return Err(format!("{when}, partition {p} holds {ids:?}, and {sent:?} was sent"));
    }
    if ids.len() < durable {
        return Err(format!("{when}, partition {p} holds {} records, and {durable} were promised", ids.len()));
    }
    let (least, most) = model.barriers;
    // Before a writer opened it, a barrier may not have reached every partition.
    if *barriers > most || *barriers < least {
        return Err(format!("{when}, partition {p} has {barriers} barriers, of {least} promised and {most} tried"));
    }
    Ok(())
}

fn check_group(topic: &Topic, model: &Model) -> Result<(), String> {
    let (tried, durable) = &model.committed;
    let groups = topic.committed_groups();
    let committed = match groups {
        Ok(groups) => groups.into_iter().find(|(name, _)| name == GROUP).map(|(_, position)| position),
        Err(e) => return may_refuse(model, "the group's positions cannot be read", e),
    };
    let zero = Position::new(vec![Default::default(); PARTITIONS as usize]);
    let committed = committed.unwrap_or(zero);
    let least = durable.checked_sub(1).map(|i| &tried[i]);
    for p in partitions() {
        let found = committed.get(p);
        if least.is_some_and(|least| found < least.get(p)) {
            return Err(format!("the group is at {committed}, and had committed {}", least.map(ToString::to_string).unwrap_or_default()));
        }
        if found.0 > 0 && !tried.iter().any(|t| t.get(p) == found) {
            return Err(format!("the group is at {committed}, which it never committed"));
        }
    }
    Ok(())
}
