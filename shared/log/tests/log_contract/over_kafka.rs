//! The contract over a Kafka server, and what only Kafka has to keep.

use std::net::TcpListener;

use super::log_common::wait;
use arrow_array::{RecordBatch, StringArray};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use twopath_log::{Address, Durability, Kafka};

use super::*;

/// Topics of one test, in names of its own.
pub struct Server {
    kafka: Kafka,
    prefix: String,
}

impl Server {
    fn name(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    /// Leaves of a topic what a process does that is killed while it makes one: only these partitions have their first record.
    fn cut_short(&self, config: &TopicConfig, there: &[i32]) {
        let whole = self.kafka.create_topic(config.clone());
        assert!(matches!(whole, Ok(_) | Err(LogError::TopicExists { .. })));
        let consumer: BaseConsumer = client().set("group.id", "raw").create().unwrap();
        let mut first = TopicPartitionList::new();
        first.add_partition_offset(&config.name, 0, KafkaOffset::Offset(0)).unwrap();
        consumer.assign(&first).unwrap();
        let record = std::iter::from_fn(|| consumer.poll(Duration::from_secs(10))).find_map(Result::ok).unwrap().detach();
        self.kafka.delete_topic(&config.name).unwrap();
        let max = (64 << 20).to_string();
        let settings = [
            ("cleanup.policy", "delete"),
            ("retention.ms", "-1"),
            ("retention.bytes", "-1"),
            ("message.timestamp.type", "CreateTime"),
            ("max.message.bytes", &max),
            ("flush.messages", "1"),
        ];
        self.make_raw(&config.name, config.partitions as i32, &settings);
        let producer: BaseProducer = client().create().unwrap();
        for p in there {
            let (value, headers) = (record.payload().unwrap(), record.headers().unwrap().clone());
            let record = BaseRecord::<[u8], [u8]>::to(&config.name).partition(*p).payload(value).headers(headers);
            producer.send(record).map_err(|(e, _)| e).unwrap();
        }
        producer.flush(Duration::from_secs(10)).unwrap();
    }

    /// Makes a topic as another program would.
    fn make_raw(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = client().create().unwrap();
        let new = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let new = settings.iter().fold(new, |new, (setting, value)| new.set(setting, value));
        // One of that name that was just deleted may still be on its way out.
        for _ in 0..100 {
            let made = wait(admin.create_topics([&new], &AdminOptions::new().operation_timeout(Some(Duration::from_secs(10)))));
            if made.unwrap()[0].is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{name} was not made");
    }
}

impl Make for Server {
    fn create(&self, config: TopicConfig) -> Topic {
        self.kafka.create_topic(TopicConfig { name: self.name(&config.name), ..config }).unwrap()
    }

    fn open(&self, name: &str) -> Topic {
        self.kafka.topic(&self.name(name)).unwrap()
    }

    fn missing(&self) -> LogError {
        self.kafka.topic(&self.name("nowhere")).unwrap_err()
    }
}

fn client() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", std::env::var("TWOPATH_TEST_KAFKA").unwrap());
    config
}

pub fn server(test: &str) -> Option<Server> {
    let Ok(servers) = std::env::var("TWOPATH_TEST_KAFKA") else {
        eprintln!("skipped: TWOPATH_TEST_KAFKA names no server; run it through `tests/kafka/server run`");
        return None;
    };
    Some(Server { kafka: Kafka::connect(&servers).unwrap(), prefix: format!("{test}-{}", std::process::id()) })
}

/// What a group committed is Kafka's own, in rows for us.
#[test]
fn groups_commit_positions() {
    let Some(server) = server("groups") else { return };
    let topic = server.create(config("t", 2));
    let writer = topic.writer().unwrap();
    for i in 0..6 {
        writer.append_to(PartitionId(i % 2), &events(0..10), None).unwrap();
    }
    let name = server.name("t");
    assert_eq!(server.kafka.committed(&name, "g").unwrap(), Position::zero(2));
    for position in [vec![Offset(25), Offset(10)], vec![Offset(30), Offset(0)], vec![Offset(1), Offset(29)]] {
        let position = Position::new(position);
        server.kafka.commit(&name, "g", &position).unwrap();
        assert_eq!(server.kafka.committed(&name, "g").unwrap(), position);
        assert_eq!(server.kafka.committed(&name, "other").unwrap(), Position::zero(2));
    }
    let beyond = server.kafka.commit(&name, "g", &Position::new(vec![Offset(31), Offset(0)]));
    assert!(matches!(beyond, Err(LogError::OffsetOutOfRange { .. })));
}

#[test]
fn a_topic_is_made_once() {
    let Some(server) = server("once") else { return };
    server.create(config("t", 1));
    let again = server.kafka.create_topic(config(&server.name("t"), 1));
    assert!(matches!(again, Err(LogError::TopicExists { .. })));
    assert!(server.kafka.topics().unwrap().contains(&server.name("t")));
    let topic = server.open("t");
    assert!(topic.address().starts_with("kafka://"));
    let refused = topic.local().err().expect("a cluster is no folder").to_string();
    assert!(refused.contains("kafka://"), "what only a folder has is a clear error: {refused}");
}

/// Whoever makes a topic can be killed before all of its partitions say what it is; then it is made again, and only by the same config.
#[test]
fn a_topic_whose_making_was_cut_short_is_completed() {
    let Some(server) = server("cut") else { return };
    let name = server.name("t");
    let place: Address = format!("kafka://{}", std::env::var("TWOPATH_TEST_KAFKA").unwrap()).parse().unwrap();
    let ours = TopicConfig { durability: Durability::Batch, ..config(&name, 3) };
    let other = TopicConfig { time_column: None, ..ours.clone() };
    for there in [&[][..], &[2], &[0, 1]] {
        server.cut_short(&ours, there);
        let error = server.kafka.topic(&name).unwrap_err();
        assert!(matches!(error, LogError::TopicUnfinished { .. }), "{there:?}: {error}");
        assert!(place.find(&name).unwrap().is_none());
        if !there.is_empty() {
            assert!(matches!(server.kafka.create_topic(other.clone()), Err(LogError::TopicExists { .. })), "{there:?}");
        }
        let slower = TopicConfig { durability: Durability::Interval(Duration::from_secs(1)), ..ours.clone() };
        assert!(matches!(server.kafka.create_topic(slower), Err(LogError::TopicExists { .. })), "{there:?}");
        let topic = server.kafka.create_topic(ours.clone()).unwrap();
        topic.writer().unwrap().barrier().unwrap();
        topic.writer().unwrap().append_to(PartitionId(1), &events(0..3), None).unwrap();
        assert_eq!(ids(&read_all(&place.topic(&name).unwrap(), PartitionId(1))), [0, 1, 2], "{there:?}");
        assert!(matches!(server.kafka.create_topic(ours.clone()), Err(LogError::TopicExists { .. })));
    }
    // What others made without our settings is left alone.
    server.kafka.delete_topic(&name).unwrap();
    server.make_raw(&name, 3, &[]);
    assert!(matches!(server.kafka.create_topic(ours), Err(LogError::TopicExists { .. })));
}

/// Of several who make one topic at the same time one is told that it did, and it is whole.
#[test]
fn a_topic_that_two_make_at_once_is_whole() {
    let Some(server) = server("at-once") else { return };
    for round in 0..3 {
        let name = server.name(&format!("t{round}"));
        let made = std::thread::scope(|scope| {
            let make = || server.kafka.create_topic(config(&name, 4));
            [(); 3].map(|()| scope.spawn(make)).map(|t| t.join().unwrap())
        });
        for error in made.iter().filter_map(|m| m.as_ref().err()) {
            assert!(matches!(error, LogError::TopicExists { .. }), "{error}");
        }
        assert_eq!(made.iter().filter(|m| m.is_ok()).count(), 1);
        server.kafka.topic(&name).unwrap().writer().unwrap().barrier().unwrap();
    }
}

/// A batch of which one partition's part is too large appends nothing, and does no harm; one that just fits is taken.
#[test]
fn a_batch_that_is_too_large_is_refused_whole() {
    let Some(server) = server("large") else { return };
    let topic = server.create(TopicConfig { partition_by: PartitionBy::Key("id".into()), ..config("t", 4) });
    let writer = topic.writer().unwrap();
    let parts = topic.split(&events(0..50)).unwrap();
    // The last partition's first row is the fat one.
    let fat = |bytes: usize| {
        let last = ids(std::slice::from_ref(&parts.last().unwrap().1))[0];
        let batch = events(0..50);
        let names = (0..50).map(|i| Some(if i == last { "x".repeat(bytes) } else { "y".into() })).collect::<StringArray>();
        let columns = [batch.column(0).clone(), batch.column(1).clone(), Arc::new(names), batch.column(3).clone()];
        RecordBatch::try_new(batch.schema(), columns.to_vec()).unwrap()
    };
    // Within a few KiB below what Kafka takes with all that stands around it.
    for bytes in [65 << 20, (64 << 20) - (3 << 10)] {
        let refused = writer.append(&fat(bytes)).unwrap_err();
        assert!(matches!(refused, LogError::BatchTooLarge { .. }), "{refused}");
        assert_eq!(topic.end().unwrap().records(), 0);
    }
    assert_eq!(writer.append(&events(0..50)).unwrap().records(), 50);
    assert_eq!(writer.append(&fat((64 << 20) - (6 << 10))).unwrap().records(), 100);
    server.kafka.delete_topic(&server.name("t")).unwrap();
}

/// Nobody answers at a port that nobody listens on, and that is said soon.
#[test]
fn a_missing_server_is_one_clear_error() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = Kafka::connect(&format!("127.0.0.1:{port}")).unwrap_err().to_string();
    assert!(error.contains(&format!("127.0.0.1:{port}")) && error.contains("reached"), "{error}");
    assert!(matches!(Kafka::connect("nowhere"), Err(LogError::BadAddress { .. })));
}
