//! Topics of a Kafka cluster that other programs write: what they produced is read as rows, offset by offset. Needs the feature `kafka`
//! and a server (see `tests/kafka/server`).
#![cfg(feature = "kafka")]

mod log_common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use log_common::{config, events, ids, wait};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use twopath_base::{Offset, PartitionId, Position};
use twopath_log::{Entry, Kafka, LogError, PartitionReader, RowDecoder, RowDecoders, Start, Topic};

const P0: PartitionId = PartitionId(0);
const P1: PartitionId = PartitionId(1);
const WAIT: Duration = Duration::from_secs(10);

/// A value is the number of an event in decimal.
#[derive(Default)]
struct Numbers(Vec<i64>);

impl RowDecoder for Numbers {
    fn push(&mut self, value: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(value).map_err(|e| e.to_string())?;
        self.0.push(text.parse().map_err(|_| format!("'{text}' is no number"))?);
        Ok(())
    }

    fn take(&mut self) -> RecordBatch {
        let batches: Vec<_> = std::mem::take(&mut self.0).into_iter().map(|id| events(id..id + 1)).collect();
        arrow_select::concat::concat_batches(&events(0..0).schema(), &batches).unwrap()
    }
}

fn numbers() -> RowDecoders {
    Arc::new(|| Box::<Numbers>::default())
}

/// A topic of one test.
struct Others {
    servers: String,
    name: String,
}

impl Others {
    fn new(test: &str, partitions: i32) -> Option<Others> {
        let Ok(servers) = std::env::var("TWOPATH_TEST_KAFKA") else {
            eprintln!("skipped: TWOPATH_TEST_KAFKA names no server; run it through `tests/kafka/server run`");
            return None;
        };
        let others = Others { servers, name: format!("others-{test}-{}", std::process::id()) };
        let new = NewTopic::new(&others.name, partitions, TopicReplication::Fixed(1));
        let made = wait(others.admin().create_topics([&new], &AdminOptions::new().operation_timeout(Some(WAIT)))).unwrap();
        made.into_iter().for_each(|m| drop(m.unwrap()));
        Some(others)
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.servers);
        config
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().unwrap()
    }

    fn open(&self) -> Topic {
        Kafka::connect(&self.servers).unwrap().foreign_topic(config(&self.name, 1), numbers()).unwrap()
    }

    fn produce(&self, partition: i32, values: impl IntoIterator<Item = impl ToString>) {
        let producer: BaseProducer = self.client().create().unwrap();
        send(&producer, &self.name, partition, values);
        producer.flush(WAIT).unwrap();
    }
}

fn send(producer: &BaseProducer, topic: &str, partition: i32, values: impl IntoIterator<Item = impl ToString>) {
    for value in values {
        let text = value.to_string();
        let record: BaseRecord<'_, [u8], str> = BaseRecord::to(topic).partition(partition).key(&b"ignored"[..]).payload(text.as_str());
        producer.send(record).map_err(|(e, _)| e).unwrap();
    }
}

/// Offsets and events from a place up to the end. Frames abut.
fn read(topic: &Topic, partition: PartitionId, start: Start) -> Vec<(u64, i64)> {
    let mut reader = topic.reader(partition, start, None).unwrap();
    let (mut rows, mut next) = (Vec::new(), reader.offset());
    while let Some(entry) = reader.next().unwrap() {
        let Entry::Records(records) = entry else { panic!("others write no barriers") };
        assert_eq!(records.base, next, "no part of the log is passed over");
        next = records.end;
        let found = ids(std::slice::from_ref(&records.batch));
        rows.extend(found.into_iter().enumerate().map(|(row, id)| (records.offset_of(row).0, id)));
    }
    assert_eq!(next, reader.offset());
    assert_eq!(next, topic.end().unwrap().get(partition));
    rows
}

#[test]
fn what_others_produced_is_read_from_any_place() {
    let Some(others) = Others::new("places", 2) else { return };
    others.produce(0, 0..3000);
    std::thread::sleep(Duration::from_millis(20));
    let later_us = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64;
    // Kafka's times are whole milliseconds.
    std::thread::sleep(Duration::from_millis(20));
    others.produce(0, 3000..3010);
    others.produce(1, [7]);
    let topic = others.open();
    assert_eq!((topic.partitions(), topic.start().unwrap(), topic.end().unwrap().to_string()), (2, Position::zero(2), "3010,1".into()));
    let all: Vec<_> = (0..3010).map(|i| (i as u64, i)).collect();
    assert_eq!(read(&topic, P0, Start::First), all);
    assert_eq!(read(&topic, P1, Start::First), [(0, 7)]);
    assert_eq!(read(&topic, P0, Start::Offset(Offset(2995))), all[2995..]);
    assert_eq!(read(&topic, P0, Start::End), []);
    assert_eq!(read(&topic, P0, Start::ArrivalTime(later_us)), all[3000..]);
    assert_eq!(read(&topic, P0, Start::ArrivalTime(i64::MAX / 2)), []);
    let late = read(&topic, P0, Start::EventTime(3_005_000));
    assert!(late.iter().any(|(_, id)| *id == 3005) && late.len() <= 3010, "{} rows", late.len());
    let ranged = topic.range(P0, Offset(10), Offset(15), Some(&[0])).unwrap().map(|r| r.unwrap().batch).collect::<Vec<_>>();
    assert_eq!((ids(&ranged), ranged[0].num_columns()), (vec![10, 11, 12, 13, 14], 1));
    assert!(matches!(topic.reader(P0, Start::Offset(Offset(3011)), None), Err(LogError::OffsetOutOfRange { .. })));
    assert!(topic.bytes().unwrap() > 3010, "{}", topic.bytes().unwrap());
    assert!(matches!(topic.writer(), Err(LogError::ReadOnly { .. })));
    assert!(topic.barriers().unwrap().is_empty());
}

#[test]
fn a_record_that_makes_no_row_is_named_with_its_place() {
    let Some(others) = Others::new("bad", 1) else { return };
    others.produce(0, ["1", "2", "three", "4"]);
    let topic = others.open();
    let mut reader = topic.reader(P0, Start::First, None).unwrap();
    let Some(Entry::Records(before)) = reader.next().unwrap() else { panic!("two are right") };
    assert_eq!(ids(&[before.batch]), [1, 2]);
    for _ in 0..2 {
        let error = reader.next().unwrap_err();
        assert!(matches!(error, LogError::BadKafkaRecord { partition: P0, at: 2, .. }), "{error}");
        assert!(error.to_string().contains("partition 0, Kafka offset 2: 'three' is no number"), "{error}");
    }
    assert_eq!(read(&topic, P0, Start::Offset(Offset(3))), [(3, 4)], "one can go on behind it");
    let producer: BaseProducer = others.client().create().unwrap();
    producer.send(BaseRecord::<'_, [u8], [u8]>::to(&others.name).partition(0).key(b"deleted")).map_err(|(e, _)| e).unwrap();
    producer.flush(WAIT).unwrap();
    let error = topic.reader(P0, Start::Offset(Offset(4)), None).unwrap().next().unwrap_err().to_string();
    assert!(error.contains("offset 4: the record has no value"), "{error}");
}

#[test]
fn holes_and_a_beginning_above_0() {
    let Some(others) = Others::new("holes", 1) else { return };
    let mut transactional = others.client();
    let producer: BaseProducer = transactional.set("transactional.id", &others.name).create().unwrap();
    producer.init_transactions(WAIT).unwrap();
    for (values, commit) in [(0..5, true), (90..93, false), (5..8, true)] {
        producer.begin_transaction().unwrap();
        send(&producer, &others.name, 0, values);
        producer.flush(WAIT).unwrap();
        if commit { producer.commit_transaction(WAIT) } else { producer.abort_transaction(WAIT) }.unwrap();
    }
    let topic = others.open();
    // A mark follows each transaction, the aborted one's records are not seen, and the last mark is a hole before the end.
    let expected = [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (10, 5), (11, 6), (12, 7)];
    assert_eq!(topic.end().unwrap().to_string(), "14");
    assert_eq!(read(&topic, P0, Start::First), expected);
    assert_eq!(read(&topic, P0, Start::Offset(Offset(6))), expected[5..]);
    let ranged = topic.range(P0, Offset(3), Offset(11), None).unwrap().map(|r| r.unwrap().batch).collect::<Vec<_>>();
    assert_eq!(ids(&ranged), [3, 4, 5]);

    let mut before = TopicPartitionList::new();
    before.add_partition_offset(&others.name, 0, KafkaOffset::Offset(3)).unwrap();
    wait(others.admin().delete_records(&before, &AdminOptions::new())).unwrap();
    assert_eq!(topic.start().unwrap().to_string(), "3");
    assert_eq!(read(&topic, P0, Start::First), expected[3..]);
    let gone = topic.reader(P0, Start::Offset(Offset(0)), None).err().unwrap();
    assert!(matches!(gone, LogError::OffsetGone { first: Offset(3), .. }), "{gone}");
}

#[test]
fn a_reader_follows_what_comes() {
    let Some(others) = Others::new("tail", 1) else { return };
    let topic = others.open();
    let tail = topic.tail().unwrap();
    let mut reader = topic.reader(P0, Start::First, None).unwrap();
    assert!(reader.next().unwrap().is_none());
    let producing = std::thread::spawn(move || {
        for i in 0..20 {
            std::thread::sleep(Duration::from_millis(5));
            others.produce(0, [i]);
        }
    });
    let (mut got, until) = (Vec::new(), Instant::now() + 2 * WAIT);
    while got.len() < 20 && Instant::now() < until {
        let seen = tail.sequence();
        match reader.next().unwrap() {
            Some(Entry::Records(records)) => got.extend(ids(&[records.batch])),
            _ => tail.wait(seen, WAIT),
        }
    }
    producing.join().unwrap();
    assert_eq!(got, (0..20).collect::<Vec<_>>());
    assert_eq!(tail.end(P0), Offset(20));
}

/// A broker that has 0 to 9 and tells readers, as one that has just become the leader may, that only the first five are committed.
fn behind(test: &str) -> (MockCluster<'static, rdkafka::producer::DefaultProducerContext>, Others) {
    let mock = MockCluster::new(1).unwrap();
    let others = Others { servers: mock.bootstrap_servers(), name: format!("others-{test}") };
    mock.create_topic(&others.name, 1, 1).unwrap();
    others.produce(0, 0..5);
    others.produce(0, 5..10);
    // From version 4 on, an answer would tell what transactions have left stable, and from 11 on send a reader to the follower.
    mock.apiversion(RDKafkaApiKey::Fetch, Some(0), Some(3)).unwrap();
    mock.partition_follower(&others.name, 0, 1).unwrap();
    mock.follower_watermarks(&others.name, 0, None, Some(5)).unwrap();
    (mock, others)
}

fn next(reader: &mut PartitionReader) -> Result<Vec<i64>, LogError> {
    Ok(match reader.next()? {
        Some(Entry::Records(records)) => ids(&[records.batch]),
        _ => Vec::new(),
    })
}

/// As many of the next rows, however many frames they come in.
fn rows(reader: &mut PartitionReader, count: usize) -> Vec<i64> {
    let (mut rows, until) = (Vec::new(), Instant::now() + WAIT);
    while rows.len() < count && Instant::now() < until {
        rows.extend(next(reader).unwrap());
    }
    rows
}

/// Gives the reader's client time to fetch what there is.
fn settle() {
    std::thread::sleep(Duration::from_secs(1));
}

#[test]
fn an_end_that_a_broker_reports_too_early_hides_nothing() {
    let (mock, others) = behind("early");
    let topic = others.open();
    let mut reader = topic.reader(P0, Start::First, None).unwrap();
    settle();
    assert_eq!(next(&mut reader).unwrap(), [0, 1, 2, 3, 4]);
    mock.follower_watermarks(&others.name, 0, None, None).unwrap();
    assert_eq!(rows(&mut reader, 5), [5, 6, 7, 8, 9]);
}

#[test]
fn rows_before_an_error_are_handed_out_first() {
    let (mock, others) = behind("error");
    let topic = others.open();
    let mut reader = topic.reader(P0, Start::First, None).unwrap();
    settle();
    // The client asks for the first and the last offset.
    mock.request_errors(RDKafkaApiKey::ListOffsets, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED; 2]);
    assert_eq!(next(&mut reader).unwrap(), [0, 1, 2, 3, 4]);
    let error = next(&mut reader).unwrap_err();
    assert!(matches!(error, LogError::Kafka { action: "ask for the end of a partition", .. }), "{error}");
    mock.follower_watermarks(&others.name, 0, None, None).unwrap();
    assert_eq!(rows(&mut reader, 5), [5, 6, 7, 8, 9], "and it goes on once the error is gone");
}

#[test]
fn partitions_that_are_added_are_told() {
    let Some(others) = Others::new("added", 1) else { return };
    others.produce(0, 0..3);
    let topic = others.open();
    let mut reader = topic.reader(P0, Start::First, None).unwrap();
    assert_eq!(next(&mut reader).unwrap(), [0, 1, 2]);
    let two = NewPartitions::new(&others.name, 2);
    wait(others.admin().create_partitions([&two], &AdminOptions::new().operation_timeout(Some(WAIT)))).unwrap()[0].as_ref().unwrap();
    // Whoever follows, and whoever asks for the end.
    let until = Instant::now() + WAIT;
    let error = loop {
        match next(&mut reader) {
            Ok(rows) => assert!(rows.is_empty() && Instant::now() < until, "nothing is said"),
            Err(error) => break error,
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(matches!(error, LogError::PartitionsAdded { had: 1, has: 2, .. }), "{error}");
    assert!(matches!(topic.end(), Err(LogError::PartitionsAdded { .. })));
    assert_eq!(read(&others.open(), P0, Start::First).len(), 3, "one that is opened now has them all");
}
