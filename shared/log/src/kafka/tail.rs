//! Who waits for more of a topic that Kafka keeps.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use crate::contract;
use crate::error::LogError;
use twopath_base::sync::lock;
use twopath_base::{Offset, PartitionId};

use super::client::{Address, Quiet};
use super::p32;

/// A number that goes up with everything new, for those who wait.
#[derive(Default)]
pub(super) struct News {
    sequence: AtomicU32,
    lock: Mutex<()>,
    changed: Condvar,
}

impl News {
    pub fn sequence(&self) -> u32 {
        self.sequence.load(Ordering::Acquire)
    }

    pub fn wake(&self) {
        let _guard = lock(&self.lock);
        self.sequence.fetch_add(1, Ordering::Release);
        self.changed.notify_all();
    }

    pub fn wait(&self, seen: u32, timeout: Duration) {
        let until = Instant::now().checked_add(timeout);
        let mut guard = lock(&self.lock);
        while self.sequence() == seen {
            // An end of time that cannot be named is not waited for in one go.
            let left = until.map_or(Duration::from_secs(3600), |u| u.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return;
            }
            guard = self.changed.wait_timeout(guard, left).map_or_else(|e| e.into_inner().0, |(guard, _)| guard);
        }
    }
}

/// A topic whose records somebody listens for.
pub(super) trait Followed: Send + Sync + 'static {
    fn news(&self) -> &News;
    /// The end of a partition, as far as it is known.
    fn end(&self, partition: PartitionId) -> Offset;
    /// There is a new record.
    fn heard(&self, message: &BorrowedMessage<'_>);
}

pub(super) struct KafkaTail<T> {
    pub topic: Arc<T>,
    pub _follower: Arc<Follower>,
}

impl<T: Followed> contract::Tail for KafkaTail<T> {
    fn sequence(&self) -> u32 {
        self.topic.news().sequence()
    }

    fn wait(&self, seen: u32, timeout: Duration) {
        self.topic.news().wait(seen, timeout);
    }

    fn wake(&self) {
        self.topic.news().wake();
    }

    fn end(&self, partition: PartitionId) -> Offset {
        self.topic.end(partition)
    }
}

/// A thread that reads the records of all partitions as they come: it learns of what other processes append
/// as soon as Kafka shows it. One for all tails of an open topic; it ends with the last of them.
pub(super) struct Follower {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Listens with a consumer of its own for what comes at or after these Kafka offsets.
    pub fn start<T: Followed>(
        address: &Address,
        name: &str,
        consumer: BaseConsumer<Quiet>,
        ends: &[(PartitionId, i64)],
        topic: Arc<T>,
    ) -> Result<Arc<Follower>, LogError> {
        let mut places = TopicPartitionList::new();
        let failed = || address.failed("follow a topic");
        for (partition, end) in ends {
            places.add_partition_offset(name, p32(*partition), KafkaOffset::Offset(*end)).map_err(failed())?;
        }
        consumer.assign(&places).map_err(failed())?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let follow = move || follow(&*topic, &consumer, &stopped);
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

fn follow(topic: &impl Followed, consumer: &BaseConsumer<Quiet>, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        match consumer.poll(LOOK_EVERY) {
            Some(Ok(message)) => topic.heard(&message),
            Some(Err(KafkaError::PartitionEOF(_))) | None => {}
            Some(Err(e)) => tracing::debug!("following a topic: {e}"),
        }
    }
}
