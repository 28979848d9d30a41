//! The log as its users see it: append, read, follow, seek, barriers, reopening.

mod log_common;

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use log_common::*;
use twopath_base::clock::ManualClock;
use twopath_base::{Offset, PartitionId, Position};
use twopath_log::*;
use twopath_storage::OsStorage;

const P0: PartitionId = PartitionId(0);

#[test]
fn what_is_appended_is_read() {
    let dir = folder();
    let log = Log::open(dir.path()).unwrap();
    let topic = log.create_topic(config("t", 1)).unwrap();
    let writer = topic.writer().unwrap();
    assert_eq!(topic.end().unwrap(), Position::zero(1));
    assert_eq!(writer.append(&events(0..100)).unwrap(), Position::new(vec![Offset(100)]));
    assert_eq!(writer.append(&events(100..101)).unwrap(), Position::new(vec![Offset(101)]));
    assert_eq!(writer.append(&events(0..0)).unwrap(), Position::new(vec![Offset(101)]));
    assert_eq!(ids(&read_all(&topic, P0)), (0..101).collect::<Vec<_>>());
    let mut reader = topic.reader(P0, Start::First, None).unwrap();
    let Some(Entry::Records(first)) = reader.next().unwrap() else { panic!("records come first") };
    assert_eq!(first.batch, events(0..100));
    assert_eq!((first.base, reader.offset()), (Offset(0), Offset(100)));
}

#[test]
fn segments_roll_and_are_arrow_files() {
    let dir = folder();
    let log = Log::open(dir.path()).unwrap();
    let topic = log.create_topic(TopicConfig { segment_bytes: 4096, ..config("t", 1) }).unwrap();
    let writer = topic.writer().unwrap();
    for i in 0..50 {
        writer.append(&events(i * 20..i * 20 + 20)).unwrap();
    }
    let segments = topic.local().unwrap().segments(P0).unwrap();
    assert!(segments.len() > 5, "{segments:?}");
    assert_eq!(segments.iter().filter(|s| !s.sealed).count(), 1);
    let mut read = Vec::new();
    for segment in segments.iter().filter(|s| s.sealed) {
        topic.local().unwrap().verify_segment(P0, segment.base).unwrap();
        let file = std::fs::File::open(&segment.path).unwrap();
        let reader = arrow_ipc::reader::FileReader::try_new(file, None).unwrap();
        assert_eq!(&reader.schema(), topic.schema());
        let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
        assert_eq!(batches.iter().map(|b| b.num_rows() as u64).sum::<u64>(), segment.end.0 - segment.base.0);
        read.extend(batches);
    }
    assert_eq!(ids(&read), (0..segments.last().unwrap().base.0 as i64).collect::<Vec<_>>());
    assert_eq!(ids(&read_all(&topic, P0)), (0..1000).collect::<Vec<_>>());
    assert!(topic.local().unwrap().verify().unwrap().is_clean(), "{:?}", topic.local().unwrap().verify().unwrap().problems);
    assert_eq!(topic.local().unwrap().verify().unwrap().records, 1000);
}

#[test]
fn equal_keys_meet_and_keep_their_order() {
    let dir = folder();
    let log = Log::open(dir.path()).unwrap();
    let topic = log.create_topic(TopicConfig { partition_by: PartitionBy::Key("name".into()), ..config("t", 3) }).unwrap();
    let writer = topic.writer().unwrap();
    let position = writer.append(&events(0..1000)).unwrap();
    assert_eq!(position.records(), 1000);
    let mut all = Vec::new();
    let mut seen = std::collections::HashMap::new();
    for p in 0..3 {
        let batches = read_all(&topic, PartitionId(p));
        let here = ids(&batches);
        assert!(here.len() > 100 && here.is_sorted());
        for name in batches.iter().flat_map(names) {
            assert_eq!(*seen.entry(name).or_insert(p), p);
        }
        all.extend(here);
    }
    all.sort_unstable();
    assert_eq!(all, (0..1000).collect::<Vec<_>>());
}

#[test]
fn barriers_cut_every_partition_and_roll() {
    let dir = folder();
    let log = Log::open(dir.path()).unwrap();
    let topic = log.create_topic(config("t", 2)).unwrap();
    let writer = topic.writer().unwrap();
    writer.append(&events(0..10)).unwrap();
    let first = writer.barrier().unwrap();
    let second = writer.barrier().unwrap();
    writer.append(&events(10..20)).unwrap();
    writer.append(&events(20..25)).unwrap();
    let third = writer.barrier().unwrap();
    assert_eq!(first, Barrier { number: 1, position: Position::new(vec![Offset(10), Offset(0)]) });
    assert_eq!(second, Barrier { number: 2, position: first.position.clone() });
    assert_eq!(third, Barrier { number: 3, position: Position::new(vec![Offset(15), Offset(10)]) });
    assert_eq!(topic.barriers().unwrap(), [first.clone(), second.clone(), third.clone()]);
    drop(writer);
    let topic = Log::open(dir.path()).unwrap().topic("t").unwrap();
    assert_eq!(topic.barriers().unwrap(), [first.clone(), second.clone(), third.clone()]);
    let mut reader = topic.reader(P0, Start::First, None).unwrap();
    let shapes: Vec<_> = std::iter::from_fn(|| {
        let generation = reader.generation();
        reader.next().unwrap().map(|entry| match entry {
            Entry::Records(r) => (generation, Ok((r.base.0, r.batch.num_rows()))),
            Entry::Barrier(b) => (generation, Err(b.number)),
        })
    })
    .collect();
    assert_eq!(shapes, [(0, Ok((0, 10))), (0, Err(1)), (1, Err(2)), (2, Ok((10, 5))), (2, Err(3))]);
    assert_eq!(reader.generation(), 3);
    let at_ten = topic.reader(P0, Start::Offset(Offset(10)), None).unwrap();
    assert_eq!((at_ten.generation(), at_ten.offset()), (0, Offset(10)));
    assert_eq!(topic.local().unwrap().segments(P0).unwrap().iter().filter(|s| s.sealed).map(|s| s.end.0).collect::<Vec<_>>(), [10, 15]);
    assert_eq!(topic.local().unwrap().verify().unwrap().barriers, 3);
    assert!(topic.local().unwrap().verify().unwrap().is_clean());
}

#[test]
fn starts() {
    let dir = folder();
    let clock = ManualClock::at(1_000);
    let log = Log::with(Arc::new(OsStorage), Arc::new(clock.clone()), dir.path()).unwrap();
    let topic = log.create_topic(TopicConfig { segment_bytes: 4096, ..config("t", 1) }).unwrap();
    let writer = topic.writer().unwrap();
    for i in 0..50 {
        clock.set(1_000 + i * 100);
        writer.append(&events(i * 20..i * 20 + 20)).unwrap();
    }
    let start = |s| {
        let mut reader = topic.reader(P0, s, None).unwrap();
        let offset = reader.offset();
        match reader.next().unwrap() {
            Some(Entry::Records(r)) => {
                assert_eq!(r.base, offset);
                Some((r.base.0, ids(&[r.batch])[0]))
            }
            None => None,
            other => panic!("{other:?}"),
        }
    };
    for offset in 0..1000 {
        assert_eq!(start(Start::Offset(Offset(offset))), Some((offset, offset as i64)));
    }
    assert_eq!(start(Start::Offset(Offset(1000))), None);
    assert_eq!(start(Start::End), None);
    let beyond = topic.reader(P0, Start::Offset(Offset(1001)), None).err().unwrap();
    assert_eq!(beyond.to_string(), "topic 't' partition 0 has no offset 1001: it ends at 1000");
    // Event times are the id in milliseconds.
    assert_eq!(start(Start::EventTime(777_000)), Some((760, 760)));
    assert_eq!(start(Start::EventTime(i64::MIN)), Some((0, 0)));
    assert_eq!(start(Start::EventTime(1_000_000)), None);
    assert_eq!(start(Start::ArrivalTime(1_000 + 30 * 100)), Some((600, 600)));
    assert_eq!(start(Start::ArrivalTime(1_001 + 30 * 100)), Some((620, 620)));
    let range: Vec<_> = topic.range(P0, Offset(33), Offset(777), None).unwrap().map(|r| r.unwrap()).collect();
    assert_eq!(range[0].base, Offset(33));
    assert_eq!(ids(&range.into_iter().map(|r| r.batch).collect::<Vec<_>>()), (33..777).collect::<Vec<_>>());
}

#[test]
fn projection_reads_only_those_columns() {
    let dir = folder();
    let topic = Log::open(dir.path()).unwrap().create_topic(config("t", 1)).unwrap();
    topic.writer().unwrap().append(&events(0..10)).unwrap();
    let mut reader = topic.reader(P0, Start::First, Some(&[0, 2])).unwrap();
    let Some(Entry::Records(records)) = reader.next().unwrap() else { panic!() };
    assert_eq!(records.batch, events(0..10).project(&[0, 2]).unwrap());
    assert!(topic.reader(P0, Start::First, Some(&[2, 0])).is_err());
    assert!(topic.reader(P0, Start::First, Some(&[99])).is_err());
    assert!(topic.reader(PartitionId(1), Start::First, None).is_err());
}

#[test]
fn a_reader_follows_a_writer() {
    let dir = folder();
    let topic = Log::open(dir.path()).unwrap().create_topic(TopicConfig { segment_bytes: 10_000, ..config("t", 1) }).unwrap();
    // Opened on its own: another mapping, as in another process.
    let other = Log::open(dir.path()).unwrap().topic("t").unwrap();
    let follow = |topic: Topic| {
        std::thread::spawn(move || {
            let tail = topic.tail().unwrap();
            let mut reader = topic.reader(P0, Start::First, None).unwrap();
            let mut seen = Vec::new();
            while seen.len() < 5000 {
                let sequence = tail.sequence();
                match reader.next().unwrap() {
                    Some(Entry::Records(r)) => seen.extend(ids(&[r.batch])),
                    Some(Entry::Barrier(_)) => {}
                    None => tail.wait(sequence, Duration::from_secs(10)),
                }
            }
            assert_eq!(tail.end(P0), Offset(5000));
            seen
        })
    };
    let followers = [follow(topic.clone()), follow(topic.clone()), follow(other)];
    let writer = topic.writer().unwrap();
    for i in 0..500 {
        writer.append(&events(i * 10..i * 10 + 10)).unwrap();
        if i % 100 == 50 {
            writer.barrier().unwrap();
        }
    }
    for follower in followers {
        assert_eq!(follower.join().unwrap(), (0..5000).collect::<Vec<_>>());
    }
}

#[test]
fn one_writer_at_a_time() {
    let dir = folder();
    let topic = Log::open(dir.path()).unwrap().create_topic(config("t", 1)).unwrap();
    let writer = topic.writer().unwrap();
    let second = topic.writer().err().unwrap().to_string();
    assert!(second.contains(&format!("is being written by process {}", std::process::id())), "{second}");
    writer.close().unwrap();
    topic.writer().unwrap();
}

#[test]
fn a_repeated_sequence_is_not_appended_again() {
    let dir = folder();
    let topic = Log::open(dir.path()).unwrap().create_topic(TopicConfig { segment_bytes: 2000, ..config("t", 1) }).unwrap();
    let send = |writer: &TopicWriter, sequence, rows: std::ops::Range<i64>| {
        writer.append_to(P0, &events(rows), Some(ProducerSequence { producer: 7, epoch: 0, sequence }))
    };
    let writer = topic.writer().unwrap();
    assert_eq!(send(&writer, 1, 0..10).unwrap(), Offset(0));
    assert_eq!(send(&writer, 2, 10..20).unwrap(), Offset(10));
    assert_eq!(send(&writer, 2, 10..20).unwrap(), Offset(10));
    writer.append(&events(20..500)).unwrap();
    writer.close().unwrap();
    let writer = topic.writer().unwrap();
    assert_eq!(send(&writer, 2, 10..20).unwrap(), Offset(10));
    assert_eq!(send(&writer, 1, 0..10).unwrap(), Offset(0), "the last five are remembered");
    for n in 0..5 {
        assert_eq!(send(&writer, 4 + n, (500 + n as i64 * 10)..(510 + n as i64 * 10)).unwrap(), Offset(500 + n * 10));
    }
    for late in [1, 2, 3] {
        let error = send(&writer, late, 0..10).unwrap_err().to_string();
        assert_eq!(error, format!("producer 7 sent its number {late} after its number 8: its numbers must go up"));
    }
    assert_eq!(ids(&read_all(&topic, P0)), (0..550).collect::<Vec<_>>());
}

#[test]
fn a_fenced_producer_is_refused_also_after_a_restart_and_a_roll() {
    let dir = folder();
    let topic = Log::open(dir.path()).unwrap().create_topic(TopicConfig { segment_bytes: 2000, ..config("t", 2) }).unwrap();
    let send = |writer: &TopicWriter, epoch, sequence, rows: std::ops::Range<i64>| {
        writer.append_to(P0, &events(rows), Some(ProducerSequence { producer: 7, epoch, sequence }))
    };
    let writer = topic.writer().unwrap();
    assert_eq!(writer.begin_producer(7).unwrap(), 1);
    assert_eq!(send(&writer, 1, 1, 0..10).unwrap(), Offset(0));
    assert_eq!(writer.begin_producer(7).unwrap(), 2);
    let fenced = "producer 7 was fenced: epoch 1 ended when epoch 2 began; only the newest instance may append";
    for _ in 0..2 {
        assert_eq!(send(&writer, 1, 2, 10..20).unwrap_err().to_string(), fenced);
        assert_eq!(send(&writer, 2, 1, 0..10).unwrap(), Offset(0), "numbers go on from one epoch to the next");
        writer.append(&events(100..200)).unwrap();
        writer.append(&events(100..200)).unwrap();
        writer.append(&events(100..200)).unwrap();
        writer.append(&events(100..200)).unwrap();
    }
    writer.close().unwrap();
    let writer = topic.writer().unwrap();
    assert_eq!(send(&writer, 1, 2, 10..20).unwrap_err().to_string(), fenced);
    assert_eq!(writer.producer_state(P0, 7).unwrap().unwrap().epoch, 2);
    assert_eq!(writer.producer_state(PartitionId(1), 7).unwrap().unwrap().last(), None);
    assert_eq!(writer.begin_producer(7).unwrap(), 3);
    drop(writer);
    assert!(topic.local().unwrap().verify().unwrap().is_clean());
}

#[test]
fn clear_errors() {
    let dir = folder();
    let log = Log::open(dir.path()).unwrap();
    assert!(log.topic("t").err().unwrap().to_string().contains("holds no topics"));
    let topic = log.create_topic(config("t", 1)).unwrap();
    assert_eq!(
        log.create_topic(config("t", 1)).err().unwrap().to_string(),
        "topic 't' exists already, or was made just now: choose another name, or append to it"
    );
    assert!(log.topic("u").err().unwrap().to_string().ends_with("it holds t"));
    assert!(log.topic("../t").is_err());
    let time = |c: &str| TopicConfig { time_column: Some(c.into()), ..config("v", 1) };
    assert!(log.create_topic(time("name")).err().unwrap().to_string().contains("cast it to a timestamp"));
    assert!(log.create_topic(time("nope")).err().unwrap().to_string().contains("it has 'id', 'at'"));
    let writer = topic.writer().unwrap();
    let wrong = events(0..3).project(&[0, 1]).unwrap();
    assert_eq!(
        writer.append(&wrong).unwrap_err().to_string(),
        "column 'name' does not fit topic 't': it wants it as column 2, and got 2 columns"
    );
    assert_eq!(log.topics().unwrap(), ["t"]);
}
