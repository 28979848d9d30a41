//! Whether a checkpoint can be started from.

use twopath_base::{Offset, PartitionId, Position};
use twopath_log::{Entry, LogError, Start, Topic};

use super::manifest::{Identity, Manifest};

/// When the log took the record before the position, by partition. Kept only of a log in a folder: there a machine that dies can take records
/// that a checkpoint has seen.
pub(crate) fn arrivals_us(topic: &Topic, position: &Position) -> Result<Vec<Option<i64>>, LogError> {
    position.iter().map(|(partition, offset)| arrival_us(topic, partition, offset)).collect()
}

/// `None` also where the record is gone, or may have been put together with others since.
fn arrival_us(topic: &Topic, partition: PartitionId, offset: Offset) -> Result<Option<i64>, LogError> {
    let last = offset.0.checked_sub(1);
    let Some(last) = last.filter(|&last| topic.local().is_ok() && offset > Offset(0) && last >= since(topic, partition)) else {
        return Ok(None);
    };
    let mut reader = topic.reader(partition, Start::Offset(Offset(last)), Some(&[]))?;
    loop {
        match reader.next()? {
            Some(Entry::Records(records)) => return Ok(Some(records.arrival_us)),
            Some(Entry::Barrier(_)) => {}
            None => return Ok(None),
        }
    }
}

/// Below it records were removed or put together.
fn since(topic: &Topic, partition: PartitionId) -> u64 {
    topic.since().map_or(u64::MAX, |since| since.get(partition).0)
}

/// What of the checkpoint does not fit the job or its log.
pub(crate) fn misfit(manifest: &Manifest, identity: &Identity, topic: &Topic) -> Result<Option<String>, LogError> {
    let of = &manifest.identity;
    if of.topic_id != identity.topic_id {
        return Ok(Some(format!("it is of another topic ('{}', id {})", of.topic, of.topic_id)));
    }
    if of.query != identity.query {
        return Ok(Some(format!("it is of another query or code ({}, and this is {})", of.query, identity.query)));
    }
    let position = manifest.position();
    if position.partitions() != topic.partitions() {
        return Ok(Some(format!("it is of {} partitions, and the topic has {}", position.partitions(), topic.partitions())));
    }
    let end = topic.end()?;
    if !end.covers(position) {
        return Ok(Some(format!("it stands at {position}, and the log lost its end and is at {end}")));
    }
    for (kept, (partition, offset)) in manifest.arrivals_us.iter().zip(position.iter()) {
        let there = arrival_us(topic, partition, offset)?;
        if let (Some(kept), Some(there)) = (kept, there)
            && *kept != there
        {
            return Ok(Some(format!("the log lost records of partition {partition} that are in it, and has others at their offsets")));
        }
    }
    Ok(None)
}
