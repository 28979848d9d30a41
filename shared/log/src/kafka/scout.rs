//! Single records of a topic, here and there: its end, what stands at a Kafka offset.

use std::sync::Mutex;
use std::time::Instant;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use crate::error::LogError;
use twopath_base::PartitionId;
use twopath_base::sync::lock;

use super::client::{ANSWER_WAIT, Address, Fetch, Quiet};
use super::header::{Header, NAME};
use super::p32;

/// A consumer that reads one record at a time, and asks for ends. It never waits at the server for more, as a reader does: a server
/// answers the requests of a connection one after another, so that a question behind such a wait would take as long.
pub(super) struct Scout {
    consumer: BaseConsumer<Quiet>,
    /// Only one reads at a time.
    reading: Mutex<()>,
}

/// A record as it stands in Kafka.
pub(super) struct Found {
    pub at: i64,
    /// `None` where the record is not ours.
    pub header: Option<Header>,
    pub value: Vec<u8>,
}

impl Scout {
    pub fn new(address: &Address) -> Result<Scout, LogError> {
        Ok(Scout { consumer: address.consumer(Fetch::One)?, reading: Mutex::default() })
    }

    /// The consumer, for questions that are no reading.
    pub fn asker(&self) -> &BaseConsumer<Quiet> {
        &self.consumer
    }

    /// The first Kafka offset that is left of a partition, and the one after its last record.
    pub fn ends(&self, address: &Address, topic: &str, partition: PartitionId) -> Result<(i64, i64), LogError> {
        self.consumer.fetch_watermarks(topic, p32(partition), ANSWER_WAIT).map_err(address.failed("ask for the end of a partition"))
    }

    /// The first record at or after a Kafka offset below the end.
    pub fn read(&self, address: &Address, topic: &str, partition: PartitionId, at: i64) -> Result<Found, LogError> {
        let _reading = lock(&self.reading);
        assign(&self.consumer, address, topic, partition, at)?;
        let message = next(&self.consumer, address, at)?;
        let found = Found { at: message.offset(), header: header(&message), value: message.payload().unwrap_or_default().to_vec() };
        drop(message);
        self.consumer.unassign().map_err(address.failed("stop reading"))?;
        Ok(found)
    }
}

pub(super) fn assign(
    consumer: &BaseConsumer<Quiet>,
    address: &Address,
    topic: &str,
    partition: PartitionId,
    at: i64,
) -> Result<(), LogError> {
    let mut place = TopicPartitionList::with_capacity(1);
    place.add_partition_offset(topic, p32(partition), KafkaOffset::Offset(at)).map_err(address.failed("read"))?;
    consumer.assign(&place).map_err(address.failed("read"))
}

/// The next record at or after `at`, which is known to exist.
pub(super) fn next<'a>(consumer: &'a BaseConsumer<Quiet>, address: &Address, at: i64) -> Result<BorrowedMessage<'a>, LogError> {
    let until = Instant::now() + ANSWER_WAIT;
    let mut last = None;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(last.map_or_else(|| address.silent("read"), |e| address.failed("read")(e)));
        }
        match consumer.poll(left) {
            Some(Ok(message)) if message.offset() >= at => return Ok(message),
            Some(Ok(_)) | None => {}
            // A lost connection is made again; what lasts is told once the time is over.
            Some(Err(e)) => last = Some(e),
        }
    }
}

/// Our header of a record, if it has one.
pub(super) fn header(message: &BorrowedMessage<'_>) -> Option<Header> {
    let headers = message.headers()?;
    headers.iter().find(|h| h.key == NAME).and_then(|h| Header::parse(h.value?))
}
