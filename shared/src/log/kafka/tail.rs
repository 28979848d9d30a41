//! Who waits for more of a topic that Kafka keeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use crate::log::contract;
use crate::log::error::LogError;
use crate::position::{Offset, PartitionId};

use super::client::{Fetch, Quiet};
use super::p32;
use super::scout::header;
use super::topic::{Known, Shared};

pub(super) struct KafkaTail {
    pub topic: Arc<Shared>,
    pub _follower: Arc<Follower>,
}

impl contract::Tail for KafkaTail {
    fn sequence(&self) -> u32 {
        self.topic.news.sequence()
    }

    fn wait(&self, seen: u32, timeout: Duration) {
        self.topic.news.wait(seen, timeout);
    }

    fn wake(&self) {
        self.topic.news.wake();
    }

    fn end(&self, partition: PartitionId) -> Offset {
        self.topic.known(partition).last.end()
    }
}

/// A thread that reads the records of all partitions as they come, for what their headers say: it learns of what other processes append
/// as soon as Kafka shows it. One for all tails of an open topic; it ends with the last of them.
pub(super) struct Follower {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    pub fn start(topic: &Arc<Shared>) -> Result<Arc<Follower>, LogError> {
        let consumer = topic.address.consumer(Fetch::Stream)?;
        let mut places = TopicPartitionList::new();
        let failed = || topic.address.failed("follow a topic");
        for p in topic.partition_ids() {
            let at = KafkaOffset::Offset(topic.refresh(p)?.next_at);
            places.add_partition_offset(&topic.config.name, p32(p), at).map_err(failed())?;
        }
        consumer.assign(&places).map_err(failed())?;
        let stop = Arc::new(AtomicBool::new(false));
        let (topic, stopped) = (topic.clone(), stop.clone());
        let follow = move || follow(&topic, &consumer, &stopped);
        let thread = std::thread::Builder::new().name("kafka-tail".into()).spawn(follow);
        let place = std::path::Path::new("a topic that Kafka keeps");
        Ok(Arc::new(Follower { stop, thread: Some(thread.map_err(LogError::io("start a thread that follows", place))?) }))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How soon it sees that it is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

fn follow(topic: &Shared, consumer: &BaseConsumer<Quiet>, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        match consumer.poll(LOOK_EVERY) {
            Some(Ok(message)) => {
                let (partition, at) = (PartitionId(message.partition() as u32), message.offset());
                // What does not count, or is not ours, is the readers' to skip or to refuse.
                let last = header(&message).filter(|h| h.at == at).unwrap_or_else(|| topic.known(partition).last);
                topic.learn(partition, Known { next_at: at + 1, last });
            }
            Some(Err(e)) => tracing::debug!("following topic '{}': {e}", topic.config.name),
            None => {}
        }
    }
}
