//! Whether a checkpoint can be started from.

use twopath_base::{Offset, PartitionId, Position};
use twopath_log::{LogError, Topic};

use super::manifest::{Identity, Manifest};
use crate::input::Input;

/// When the log took the record before the position, by partition. Kept only of a log in a folder: there a machine that dies can take records
/// that a checkpoint has seen.
pub(crate) fn arrivals_us(input: &Input, position: &Position) -> Result<Vec<Option<i64>>, LogError> {
    position.iter().map(|(partition, offset)| arrival_us(input, partition, offset)).collect()
}

/// `None` also where the record is gone, or may have been put together with others since.
fn arrival_us(input: &Input, joint: PartitionId, offset: Offset) -> Result<Option<i64>, LogError> {
    let (topic, partition) = input.locate(joint);
    let topic = &input.topics()[topic];
    let is_as_it_was = topic.local().is_ok() && offset.0 > since(topic, partition);
    if is_as_it_was { topic.arrival_before(partition, offset) } else { Ok(None) }
}

/// Below it records were removed or put together.
fn since(topic: &Topic, partition: PartitionId) -> u64 {
    topic.since().map_or(u64::MAX, |since| since.get(partition).0)
}

/// What of the checkpoint does not fit the job or its log.
pub(crate) fn misfit(manifest: &Manifest, identity: &Identity, input: &Input) -> Result<Option<String>, LogError> {
    let of = &manifest.identity;
    if of.topic_id != identity.topic_id {
        return Ok(Some(format!("it is of another topic ('{}', id {})", of.topic, of.topic_id)));
    }
    if of.query != identity.query {
        return Ok(Some(format!("it is of another query or code ({}, and this is {})", of.query, identity.query)));
    }
    let position = manifest.position();
    if position.partitions() != input.partitions() {
        return Ok(Some(format!("it is of {} partitions, and the topic has {}", position.partitions(), input.partitions())));
    }
    let end = input.end()?;
    if !end.covers(position) {
        return Ok(Some(format!("it stands at {position}, and the log lost its end and is at {end}")));
    }
    for (kept, (partition, offset)) in manifest.arrivals_us.iter().zip(position.iter()) {
        let there = arrival_us(input, partition, offset)?;
        if let (Some(kept), Some(there)) = (kept, there)
            && *kept != there
        {
            return Ok(Some(format!("the log lost records of partition {partition} that are in it, and has others at their offsets")));
        }
    }
    Ok(None)
}
