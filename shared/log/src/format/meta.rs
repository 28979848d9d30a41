//! What every file of a topic says of the topic: which one it is, and of which columns.

use twopath_base::PartitionId;

use crate::config::{TopicConfig, fingerprint};
use crate::format::frame::Identity;

pub(crate) struct TopicMeta {
    pub config: TopicConfig,
    pub id: u64,
    /// Of the schema.
    pub fingerprint: u64,
}

impl TopicMeta {
    pub fn new(config: TopicConfig, id: u64) -> TopicMeta {
        TopicMeta { fingerprint: fingerprint(&config.schema), config, id }
    }

    pub fn partitions(&self) -> usize {
        self.config.partitions as usize
    }

    /// What every frame of a segment of `partition` says, given the head of its file.
    pub fn identity(&self, partition: PartitionId, head_crc: u32) -> Identity {
        Identity { topic_id: self.id, schema_fingerprint: self.fingerprint, partition, head_crc }
    }
}
