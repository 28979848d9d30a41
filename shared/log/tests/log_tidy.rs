//! Retention and compaction: what they take, what they must leave, and who is asked before.

mod log_common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use log_common::*;
use proptest::prelude::*;
use twopath_base::clock::ManualClock;
use twopath_base::{Offset, PartitionId, Position};
use twopath_log::*;
use twopath_storage::OsStorage;

const P0: PartitionId = PartitionId(0);

#[test]
fn retention_by_size_takes_the_oldest_and_readers_are_told_the_first_left() {
    let dir = folder();
    let topic = Log::open(dir.path()).unwrap().create_topic(TopicConfig { segment_bytes: 4096, ..config("t", 1) }).unwrap();
    let writer = topic.writer().unwrap();
    for i in 0..40 {
        writer.append(&events(i * 50..(i + 1) * 50)).unwrap();
        if i % 10 == 5 {
            writer.barrier().unwrap();
        }
    }
    let before = topic.local().unwrap().segments(P0).unwrap();
    let mut early = topic.reader(P0, Start::First, None).unwrap();
    early.next().unwrap();
    let report = topic.local().unwrap().retain(&Retention::of_bytes(20_000), false).unwrap();
    let after = topic.local().unwrap().segments(P0).unwrap();
    assert!(report.segments_removed > 0 && after.len() + report.segments_removed as usize == before.len());
    assert!(after.iter().map(|s| s.bytes).sum::<u64>() <= 20_000);
    let first = topic.start().unwrap().get(P0);
    assert_eq!(first, after[0].base);
    let gone = topic.reader(P0, Start::Offset(Offset(first.0 - 1)), None).err().unwrap().to_string();
    let offset = first.0 - 1;
    assert_eq!(
        gone,
        format!("topic 't' partition 0 no longer has offset {offset}: the first one left is {first}; start there, or at `start`")
    );
    // One that was reading what went falls off at the end of the segment that it still has.
    let fell = loop {
        match early.next() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("read what is gone"),
            Err(e) => break e,
        }
    };
    assert!(matches!(fell, LogError::OffsetGone { first: f, .. } if f == first), "{fell}");
    let left: Vec<i64> = (first.0 as i64..2000).collect();
    assert_eq!(ids(&read_all(&topic, P0)), left);
    // The barriers that are left keep their numbers, and appends go on.
    let barriers = topic.barriers().unwrap();
    assert_eq!(barriers.last().unwrap().number, 4);
    writer.append(&events(2000..2050)).unwrap();
    writer.close().unwrap();
    assert!(topic.local().unwrap().verify().unwrap().is_clean(), "{:?}", topic.local().unwrap().verify().unwrap().problems);
    let again = Log::open(dir.path()).unwrap().topic("t").unwrap();
    again.writer().unwrap().append(&events(2050..2060)).unwrap();
    assert_eq!(ids(&read_all(&again, P0)), (first.0 as i64..2060).collect::<Vec<_>>());
    assert_eq!(again.barriers().unwrap(), barriers);
    for t in [first.0 as i64 + 7, 1999] {
        let mut reader = again.reader(P0, Start::EventTime(t * 1000), None).unwrap();
        let Some(Entry::Records(found)) = reader.next().unwrap() else { panic!("no records") };
        assert!(ids(&[found.batch]).contains(&t));
    }
}

#[test]
fn retention_by_age_and_none() {
    let dir = folder();
    let (topic, writer) = ten_seconds_of_segments(dir.path());
    assert_eq!(topic.local().unwrap().retain(&Retention::NONE, true).unwrap().segments_removed, 0);
    assert_eq!(topic.local().unwrap().retain(&Retention::of_age(Duration::from_secs(100)), false).unwrap().segments_removed, 0);
    let report = topic.local().unwrap().retain(&Retention::of_age(Duration::from_millis(5500)), false).unwrap();
    assert_eq!((report.segments_removed, report.after), (5, vec![Offset(50)]));
    assert_eq!(ids(&read_all(&topic, P0)), (50..100).collect::<Vec<_>>());
    drop(writer);
    // The newest sealed segment stays at any age: it knows the producers.
    topic.local().unwrap().retain(&Retention::of_age(Duration::ZERO), true).unwrap();
    assert_eq!(topic.start().unwrap().get(P0), Offset(90));
}

#[test]
fn what_a_group_or_a_pin_needs_stays_unless_forced() {
    let dir = folder();
    let topic = Log::open(dir.path()).unwrap().create_topic(TopicConfig { segment_bytes: 1, ..config("t", 1) }).unwrap();
    let writer = topic.writer().unwrap();
    for i in 0..10 {
        writer.append(&events(i * 10..(i + 1) * 10)).unwrap();
    }
    topic.local().unwrap().group_or_new("slow").unwrap().seek_to(&Position::new(vec![Offset(35)])).unwrap();
    let all = Retention::of_bytes(1);
    let report = topic.local().unwrap().retain(&all, false).unwrap();
    assert_eq!(report.after, vec![Offset(30)]);
    assert_eq!(report.kept_for, vec![HeldRange { who: "group 'slow'".into(), partition: P0, from: Offset(35), to: Offset(90) }]);
    topic.local().unwrap().group("slow").unwrap().seek_to(&Position::new(vec![Offset(100)])).unwrap();
    let pin = topic.hold("a replay", &Position::new(vec![Offset(52)])).unwrap();
    let report = topic.local().unwrap().retain(&all, false).unwrap();
    assert_eq!((report.after, report.kept_for.len()), (vec![Offset(50)], 1));
    let report = topic.local().unwrap().retain(&all, true).unwrap();
    assert_eq!(report.after, vec![Offset(90)]);
    assert!(report.lost[0].who.starts_with("a replay, process "), "{:?}", report.lost);
    assert_eq!((report.lost[0].from, report.lost[0].to), (Offset(52), Offset(90)));
    drop(pin);
    assert!(topic.local().unwrap().retain(&all, false).unwrap().kept_for.is_empty());
}

/// As of a process in another container, which has the number of this one, and the same folder.
#[test]
fn a_pin_whose_name_another_process_holds_gets_another_name() {
    let dir = folder();
    let topic = Log::open(dir.path()).unwrap().create_topic(config("t", 1)).unwrap();
    let zero = Position::new(vec![Offset(0)]);
    let pins = topic.local().unwrap().dir().join("pins");
    drop(topic.hold("a replay", &zero).unwrap());
    let taken = |number| {
        let file = std::fs::File::create(pins.join(format!("{}-{number}", std::process::id()))).unwrap();
        file.lock().unwrap();
        file
    };
    // More than the tests of this process have used, and the next one among them.
    let held: Vec<_> = (0..20).map(taken).collect();
    let (sent, received) = std::sync::mpsc::channel();
    let holding = topic.clone();
    std::thread::spawn(move || sent.send(holding.hold("a replay", &zero).map(|hold| hold.is_some())));
    assert!(received.recv_timeout(Duration::from_secs(60)).expect("it ends").unwrap());
    drop(held);
}

#[test]
fn the_writer_tidies_by_itself() {
    let dir = folder();
    let retention = Retention::of_bytes(30_000);
    let topic = Log::open(dir.path()).unwrap().create_topic(TopicConfig { segment_bytes: 4096, retention, ..config("t", 1) }).unwrap();
    let writer = topic.writer().unwrap();
    for i in 0..200 {
        writer.append(&events(i * 50..(i + 1) * 50)).unwrap();
    }
    writer.close().unwrap();
    assert!(topic.start().unwrap().get(P0) > Offset(0));
    assert!(topic.local().unwrap().verify().unwrap().is_clean());
    assert_eq!(Log::open(dir.path()).unwrap().topic("t").unwrap().config().retention, retention);
}

#[test]
fn compaction_keeps_the_newest_of_each_key_in_place() {
    let dir = folder();
    let clock = Arc::new(ManualClock::at(1_000_000_000));
    let log = Log::with(Arc::new(OsStorage), clock.clone(), dir.path()).unwrap();
    let topic = log.create_topic(keyed_config(1, 1 << 20)).unwrap();
    let writer = topic.writer().unwrap();
    let (a, b, c) = (Some("a"), Some("b"), Some("c"));
    writer.append(&rows(&[(a, Some(1)), (b, Some(2)), (c, Some(3)), (None, Some(9))])).unwrap();
    writer.append(&rows(&[(a, Some(4))])).unwrap();
    writer.barrier().unwrap();
    writer.append(&rows(&[(b, None), (a, Some(5))])).unwrap();
    writer.barrier().unwrap();
    writer.append(&rows(&[(c, Some(6))])).unwrap();
    let full = records(&topic, P0, Start::First);
    let report = topic.local().unwrap().compact(&COMPACT).unwrap();
    // The active segment is not touched: 'c' of offset 2 is the newest below it.
    assert_eq!((report.records_before, report.records_after, report.segments_before, report.segments_after), (7, 4, 2, 1));
    let text = |k: &str| Some(k.to_owned());
    let left = vec![(2, text("c"), Some(3)), (3, None, Some(9)), (5, text("b"), None), (6, text("a"), Some(5)), (7, text("c"), Some(6))];
    assert_eq!(records(&topic, P0, Start::First), left);
    assert_eq!(table(&left), table(&full));
    assert_eq!(topic.barriers().unwrap().len(), 2);
    // From any offset, also one that has no record any more; and any range.
    for from in 0..8u64 {
        assert_eq!(records(&topic, P0, Start::Offset(Offset(from))), left.iter().filter(|r| r.0 >= from).cloned().collect::<Vec<_>>());
        for to in from..=8 {
            let range = topic.range(P0, Offset(from), Offset(to), None).unwrap();
            let count: usize = range.map(|r| r.unwrap().batch.num_rows()).sum();
            assert_eq!(count, left.iter().filter(|r| (from..to).contains(&r.0)).count(), "{from} to {to}");
        }
    }
    let report = topic.local().unwrap().verify().unwrap();
    assert!(report.is_clean(), "{:?}", report.problems);
    // The deletion goes once it is old enough, and there is something new to compact with it.
    assert_eq!(topic.local().unwrap().compact(&COMPACT).unwrap().partitions_skipped, 1);
    writer.barrier().unwrap();
    clock.set(4_700_000_000);
    assert_eq!(topic.local().unwrap().compact(&COMPACT).unwrap().tombstones_removed, 1);
    assert_eq!(records(&topic, P0, Start::First).len(), 3);
    assert_eq!(table(&records(&topic, P0, Start::First)), table(&full));
    drop(writer);
    let writer = log.topic("t").unwrap().writer().unwrap();
    assert_eq!(writer.append(&rows(&[(a, Some(7))])).unwrap(), Position::new(vec![Offset(9)]));
    let unkeyed = log.create_topic(TopicConfig::new("u", keyed())).unwrap();
    assert_eq!(
        unkeyed.local().unwrap().compact(&COMPACT).unwrap_err().to_string(),
        "topic 'u' cannot be compacted: it has no key column to compact by; make it with one (`--key`)"
    );
}

#[test]
fn a_compacted_segment_is_an_arrow_file() {
    let dir = folder();
    let topic = Log::open(dir.path()).unwrap().create_topic(keyed_config(1, 3000)).unwrap();
    let writer = topic.writer().unwrap();
    for i in 0..200i64 {
        writer.append(&rows(&[(Some(&format!("k{}", i % 10)), Some(i)), (Some("x"), Some(i))])).unwrap();
    }
    topic.local().unwrap().compact(&COMPACT).unwrap();
    for segment in topic.local().unwrap().segments(P0).unwrap().into_iter().filter(|s| s.sealed) {
        let file = std::fs::File::open(&segment.path).unwrap();
        let batches: Vec<_> = arrow_ipc::reader::FileReader::try_new(file, None).unwrap().map(Result::unwrap).collect();
        let values: Vec<i64> = batches.iter().flat_map(|b| b.column(1).as_primitive::<Int64Type>().values().to_vec()).collect();
        let range = topic.range(P0, segment.base, segment.end, None).unwrap();
        let read: Vec<i64> = range.flat_map(|r| r.unwrap().batch.column(1).as_primitive::<Int64Type>().values().to_vec()).collect();
        assert_eq!(values, read);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<(Option<u8>, Option<i64>)>),
    Barrier,
    Compact,
    Retain(u64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let row = (prop::option::weighted(0.95, 0u8..12), prop::option::weighted(0.8, 0i64..100));
    prop_oneof![
        6 => prop::collection::vec(row, 1..20).prop_map(Step::Append),
        2 => Just(Step::Barrier),
        2 => Just(Step::Compact),
        1 => (1000u64..20_000).prop_map(Step::Retain),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever happens in between: a reader from the start ends with the table of all appends that retention left, offsets are those
    /// that the records had, and a reader that stood anywhere in between goes on without a gap in what counts.
    #[test]
    fn a_reader_from_the_start_rebuilds_the_table(steps in prop::collection::vec((step(), 0usize..4), 1..40), partitions in 1u32..3) {
        let dir = folder();
        let log = Log::open(dir.path()).unwrap();
        let topic = log.create_topic(keyed_config(partitions, 1500)).unwrap();
        let mut writer = topic.writer().unwrap();
        let mut full: Vec<Vec<Row>> = vec![Vec::new(); partitions as usize];
        let mut followers: Vec<_> = partition_ids(&topic).map(|p| (topic.reader(p, Start::First, None).unwrap(), BTreeMap::new())).collect();
        let mut fell = vec![false; partitions as usize];
        for (step, reads) in steps {
            match step {
                Step::Append(batch) => {
                    let text: Vec<_> = batch.iter().map(|(k, v)| (k.map(|k| format!("k{k}")), *v)).collect();
                    let batch = rows(&text.iter().map(|(k, v)| (k.as_deref(), *v)).collect::<Vec<_>>());
                    for (p, part) in topic.split(&batch).unwrap() {
                        let base = writer.append_to(p, &part, None).unwrap().0;
                        let key = part.column(0).as_string::<i32>();
                        let value = part.column(1).as_primitive::<Int64Type>();
                        for row in 0..part.num_rows() {
                            let k = key.is_valid(row).then(|| key.value(row).to_owned());
                            full[p.index()].push((base + row as u64, k, value.is_valid(row).then(|| value.value(row))));
                        }
                    }
                }
                Step::Barrier => drop(writer.barrier().unwrap()),
                Step::Compact => drop(topic.local().unwrap().compact(&COMPACT).unwrap()),
                Step::Retain(bytes) => drop(topic.local().unwrap().retain(&Retention::of_bytes(bytes), false).unwrap()),
                Step::Reopen => {
                    drop(writer);
                    writer = log.topic("t").unwrap().writer().unwrap();
                }
            }
            // A follower reads some, and falls behind.
            for (p, (reader, table)) in followers.iter_mut().enumerate() {
                for _ in 0..reads {
                    let from = reader.offset();
                    match reader.next() {
                        Ok(Some(Entry::Records(r))) => {
                            prop_assert!((0..r.batch.num_rows()).all(|row| r.offset_of(row) >= from), "nothing comes twice");
                            apply(table, &rows_of(&r));
                        }
                        Ok(_) => {}
                        Err(LogError::OffsetGone { .. }) => fell[p] = true,
                        Err(e) => panic!("{e}"),
                    }
                }
            }
        }
        for p in partition_ids(&topic) {
            let start = topic.start().unwrap().get(p).0;
            let left = records(&topic, p, Start::First);
            prop_assert!(left.windows(2).all(|w| w[0].0 < w[1].0));
            prop_assert!(left.iter().all(|r| full[p.index()].contains(r)), "nothing is invented");
            let kept: Vec<_> = full[p.index()].iter().filter(|r| r.0 >= start).cloned().collect();
            prop_assert_eq!(table(&left), table(&kept));
            if !fell[p.index()] && start == 0 {
                let (reader, follower) = &mut followers[p.index()];
                while let Some(entry) = reader.next().unwrap() {
                    if let Entry::Records(r) = entry {
                        apply(follower, &rows_of(&r));
                    }
                }
                prop_assert_eq!(&*follower, &table(&full[p.index()]));
            }
        }
        drop(writer);
        let report = topic.local().unwrap().verify().unwrap();
        prop_assert!(report.is_clean(), "{:?}", report.problems);
    }
}
