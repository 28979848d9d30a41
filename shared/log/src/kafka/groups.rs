//! Consumer groups, whose positions Kafka keeps.
//!
//! A group is one of the cluster's, for all topics: it is one of a topic once it has committed something there. Kafka keeps the offset of the
//! next Kafka record, and beside it, as the commit's metadata, the row's offset; what other programs commit has none.

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use crate::config::{self, TopicConfig};
use crate::error::LogError;
use crate::groups::PartitionProgress;
use twopath_base::{Offset, PartitionId};

use super::client::{ANSWER_WAIT, Address, Quiet};
use super::p32;

/// What a group committed in one partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Committed {
    /// Kafka's offset.
    pub at: i64,
    /// The row's, where it stands beside it.
    pub rows: Option<Offset>,
}

/// Of each partition of a topic, what a group committed there.
pub(super) fn committed(address: &Address, topic: &TopicConfig, group: &str) -> Result<Vec<Option<Committed>>, LogError> {
    let consumer = consumer(address, group)?;
    let mut places = TopicPartitionList::new();
    for p in topic.partition_ids() {
        places.add_partition(&topic.name, p32(p));
    }
    let found = consumer.committed_offsets(places, ANSWER_WAIT).map_err(address.failed("ask for a group's committed positions"))?;
    let mut committed = vec![None; topic.partitions as usize];
    for element in found.elements() {
        if let KafkaOffset::Offset(at) = element.offset() {
            committed[element.partition() as usize] = Some(Committed { at, rows: element.metadata().parse().ok().map(Offset) });
        }
    }
    Ok(committed)
}

/// Commits, for a group without members, a Kafka offset and the row's in each partition.
pub(super) fn commit(address: &Address, topic: &TopicConfig, group: &str, to: &[(i64, Offset)]) -> Result<(), LogError> {
    config::check_name(group).map_err(|_| LogError::BadGroupName { name: group.to_owned() })?;
    let failed = || address.failed("commit a group's position");
    let mut places = TopicPartitionList::new();
    for (p, (at, rows)) in topic.partition_ids().zip(to) {
        let mut element = places.add_partition(&topic.name, p32(p));
        element.set_offset(KafkaOffset::Offset(*at)).map_err(failed())?;
        element.set_metadata(rows.to_string());
    }
    consumer(address, group)?.commit(&places, CommitMode::Sync).map_err(|e| {
        // Kafka takes an outsider's commit only while nobody is a member.
        let at_work = [RDKafkaErrorCode::UnknownMemberId, RDKafkaErrorCode::IllegalGeneration, RDKafkaErrorCode::RebalanceInProgress];
        match e {
            KafkaError::ConsumerCommit(code) if at_work.contains(&code) => {
                LogError::GroupMembers { topic: topic.name.clone(), group: group.to_owned() }
            }
            e => failed()(e),
        }
    })
}

/// The groups that committed something in a topic, sorted.
pub(super) fn names(address: &Address, topic: &TopicConfig) -> Result<Vec<String>, LogError> {
    let mut names = Vec::new();
    for name in known(address)? {
        if committed(address, topic, &name)?.iter().any(Option::is_some) {
            names.push(name);
        }
    }
    Ok(names)
}

/// How a group stands; `rows` gives the row's offset of what it committed in a partition, and `end` a partition's.
pub(super) fn progress(
    address: &Address,
    topic: &TopicConfig,
    group: &str,
    rows: impl Fn(PartitionId, Committed) -> Result<Offset, LogError>,
    end: impl Fn(PartitionId) -> Result<Offset, LogError>,
) -> Result<Vec<PartitionProgress>, LogError> {
    let committed = committed(address, topic, group)?;
    if committed.iter().all(Option::is_none) {
        let (topic, known) = (topic.name.clone(), names(address, topic)?);
        return Err(LogError::NoSuchGroup { topic, group: group.to_owned(), known });
    }
    let owners = owners(address, topic, group)?;
    let progress = |((partition, committed), owner): ((PartitionId, Option<Committed>), Option<String>)| {
        let committed = committed.map(|c| rows(partition, c)).transpose()?;
        Ok(PartitionProgress { partition, committed, end: end(partition)?, owner })
    };
    topic.partition_ids().zip(committed).zip(owners).map(progress).collect()
}

/// The names of all groups of the cluster, sorted.
fn known(address: &Address) -> Result<Vec<String>, LogError> {
    let groups = asker(address)?.fetch_group_list(None, ANSWER_WAIT).map_err(address.failed("list the consumer groups"))?;
    let mut names: Vec<String> = groups.groups().iter().map(|g| g.name().to_owned()).collect();
    names.sort_unstable();
    Ok(names)
}

/// The member of a group that reads each partition of a topic now. (Members of groups that share by Kafka's newer protocol are not told.)
fn owners(address: &Address, topic: &TopicConfig, group: &str) -> Result<Vec<Option<String>>, LogError> {
    let groups = asker(address)?.fetch_group_list(Some(group), ANSWER_WAIT).map_err(address.failed("ask for a group's members"))?;
    let mut owners = vec![None; topic.partitions as usize];
    for member in groups.groups().iter().flat_map(|g| g.members()) {
        for p in member.assignment().and_then(|bytes| assigned(bytes, &topic.name)).unwrap_or_default() {
            if let Some(owner) = owners.get_mut(p as usize) {
                *owner = Some(member.id().to_owned());
            }
        }
    }
    Ok(owners)
}

/// The partitions of a topic in what a member was assigned, as Kafka's consumers write it: a version, then each topic's name and its
/// partitions, numbers big-endian.
fn assigned(bytes: &[u8], topic: &str) -> Option<Vec<u32>> {
    let mut rest = bytes.get(2..)?;
    let mut partitions = Vec::new();
    for _ in 0..number(&mut rest)? {
        let name_len = u16::from_be_bytes(*rest.split_off(..2)?.first_chunk()?);
        let name = rest.split_off(..usize::from(name_len))?;
        for _ in 0..number(&mut rest)? {
            let partition = number(&mut rest)?;
            if name == topic.as_bytes() {
                partitions.push(partition);
            }
        }
    }
    Some(partitions)
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*rest.split_off(..4)?.first_chunk()?))
}

/// Who acts in the name of a group without being a member.
fn consumer(address: &Address, group: &str) -> Result<BaseConsumer<Quiet>, LogError> {
    let mut config = address.config();
    config.set("group.id", group).set("enable.auto.commit", "false");
    config.create_with_context(Quiet).map_err(address.failed("connect"))
}

fn asker(address: &Address) -> Result<BaseConsumer<Quiet>, LogError> {
    address.consumer(super::client::Fetch::One)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_read_and_what_is_none_is_left_alone() {
        let mut bytes = vec![0, 1, 0, 0, 0, 2];
        for (name, partitions) in [("other", &[0_u32, 7][..]), ("t", &[1, 3])] {
            bytes.extend((name.len() as u16).to_be_bytes());
            bytes.extend(name.as_bytes());
            bytes.extend((partitions.len() as u32).to_be_bytes());
            partitions.iter().for_each(|p| bytes.extend(p.to_be_bytes()));
        }
        let whole = bytes.len();
        bytes.extend(0_u32.to_be_bytes());
        assert_eq!(assigned(&bytes, "t"), Some(vec![1, 3]));
        assert_eq!(assigned(&bytes, "u"), Some(vec![]));
        for cut in 0..whole {
            assert_eq!(assigned(&bytes[..cut], "t"), None, "{cut} bytes");
        }
        assert_eq!(assigned(&[0, 0, 255, 255, 255, 255], "t"), None);
    }
}
