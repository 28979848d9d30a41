//! The writer dies, the disk fills, a sync fails: what was acknowledged is there afterwards, once.

mod log_common;

use std::sync::Arc;

use log_common::*;
use proptest::prelude::*;
use twopath_base::clock::SystemClock;
use twopath_base::{Offset, PartitionId, Position};
use twopath_log::*;
use twopath_storage::{Change, Disk, Fault, FaultyStorage, RecordingStorage};

const P0: PartitionId = PartitionId(0);

fn faulty_log(dir: &std::path::Path) -> (FaultyStorage, Log) {
    let storage = FaultyStorage::default();
    let log = Log::with(Arc::new(storage.clone()), Arc::new(SystemClock), dir).unwrap();
    (storage, log)
}

#[test]
fn a_barrier_cut_off_at_any_byte_is_complete_or_absent_after_reopening() {
    for budget in 0.. {
        let dir = folder();
        let (storage, log) = faulty_log(dir.path());
        let topic = log.create_topic(TopicConfig { partitions: 3, ..narrow_config("t") }).unwrap();
        let writer = topic.writer().unwrap();
        writer.append(&narrow(0..5)).unwrap();
        writer.append(&narrow(5..9)).unwrap();
        // Every byte of the frames, then big steps through the seals and heads.
        let bytes = if budget < 600 { budget } else { 600 + (budget - 600) * 37 };
        storage.crash_after_bytes(bytes);
        let done = writer.barrier();
        assert_eq!(done.is_ok(), !storage.struck());
        assert!(topic.barriers().unwrap().len() == usize::from(done.is_ok()), "seen before it is whole");
        drop(writer);
        storage.heal();
        let topic = Log::open(dir.path()).unwrap().topic("t").unwrap();
        let writer = topic.writer().unwrap();
        let barriers = topic.barriers().unwrap();
        if let Some(barrier) = barriers.first() {
            assert_eq!(barrier.position, Position::new(vec![Offset(5), Offset(4), Offset(0)]));
        }
        assert!(barriers.len() == 1 || done.is_err());
        let report = topic.local().unwrap().verify().unwrap();
        assert!(report.is_clean(), "{bytes} bytes: {report:?}");
        for (p, rows) in [5, 4, 0].into_iter().enumerate() {
            let p = PartitionId(p as u32);
            let mut reader = topic.reader(p, Start::First, None).unwrap();
            let mut seen = (0, 0);
            while let Some(entry) = reader.next().unwrap() {
                match entry {
                    Entry::Records(r) => seen.0 += r.batch.num_rows(),
                    Entry::Barrier(b) => {
                        assert_eq!(&b, &barriers[0]);
                        seen.1 += 1;
                    }
                }
            }
            assert_eq!(seen, (rows, barriers.len()), "{bytes} bytes");
            // What a barrier ended is sealed.
            let sealed = topic.local().unwrap().segments(p).unwrap().iter().filter(|s| s.sealed).count();
            assert_eq!(sealed, usize::from(rows > 0 && !barriers.is_empty()), "{bytes} bytes");
        }
        assert_eq!(writer.barrier().unwrap().number, barriers.len() as u64 + 1);
        if done.is_ok() {
            return;
        }
    }
}

#[test]
fn a_full_disk_is_one_clear_error_and_loses_nothing() {
    let dir = folder();
    let (storage, log) = faulty_log(dir.path());
    let topic = log.create_topic(config("t", 1)).unwrap();
    let writer = topic.writer().unwrap();
    writer.append(&events(0..10)).unwrap();
    storage.full_after_bytes(300);
    let error = writer.append(&events(10..20)).unwrap_err().to_string();
    assert!(error.starts_with("no space is left for ") && error.contains("00000000000000000000.arrow"), "{error}");
    storage.heal();
    let error = writer.append(&events(10..20)).unwrap_err().to_string();
    assert!(error.contains("takes no more appends after an error (no space is left"), "{error}");
    assert!(writer.barrier().is_err() && writer.sync().is_err());
    assert!(topic.local().unwrap().verify().unwrap().is_clean(), "what was written of it was cut away");
    drop(writer);
    topic.writer().unwrap().append(&events(10..20)).unwrap();
    assert_eq!(ids(&read_all(&topic, P0)), (0..20).collect::<Vec<_>>());
}

#[test]
fn a_failed_sync_is_not_acknowledged() {
    let dir = folder();
    let (storage, log) = faulty_log(dir.path());
    let topic = log.create_topic(TopicConfig { durability: Durability::Batch, ..config("t", 1) }).unwrap();
    let writer = topic.writer().unwrap();
    writer.append(&events(0..10)).unwrap();
    storage.fail_sync_after(0);
    assert!(writer.append(&events(10..20)).unwrap_err().to_string().contains("could not sync"));
    assert_eq!(topic.end().unwrap(), Position::new(vec![Offset(10)]));
    assert_eq!(ids(&read_all(&topic, P0)), (0..10).collect::<Vec<_>>(), "what is not durable is not visible");
    storage.heal();
    assert!(writer.append(&events(10..20)).is_err(), "a failed sync is never tried again");
}

const DURABILITIES: [Durability; 3] = [Durability::None, Durability::Interval(std::time::Duration::from_secs(3600)), Durability::Batch];

/// A topic of two partitions whose segments two appends fill.
fn recorded(root: &std::path::Path, durability: Durability) -> (RecordingStorage, Topic) {
    let storage = RecordingStorage::new(root);
    let log = Log::with(Arc::new(storage.clone()), Arc::new(SystemClock), &root.join("log")).unwrap();
    let config = TopicConfig { durability, segment_bytes: 2_000, ..config("t", 2) };
    (storage, log.create_topic(config).unwrap())
}

/// Also the segments that were sealed without a sync.
#[test]
fn after_a_sync_or_a_close_all_of_it_survives_the_power() {
    let mut state = 7_u64;
    let mut draw = move |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    for durability in DURABILITIES {
        let root = folder();
        let (storage, topic) = recorded(root.path(), durability);
        let mut sent = [Vec::new(), Vec::new()];
        for round in 0..3 {
            let writer = topic.writer().unwrap();
            for closing in [false, true] {
                let before = storage.len();
                for i in 0..10 {
                    let p = i % 2;
                    let from = 1_000 * round + 500 * i64::from(closing) + 20 * i;
                    writer.append_to(PartitionId(p as u32), &events(from..from + 20), None).unwrap();
                    sent[p as usize].extend(from..from + 20);
                }
                writer.barrier().unwrap();
                let synced = storage.changes()[before..].iter().any(|c| matches!(c, Change::Sync { .. } | Change::SyncDir(_)));
                assert_eq!(synced, durability != Durability::None, "rolling syncs where the topic's durability says so");
                if closing {
                    break;
                } else {
                    writer.sync().unwrap()
                }
                check_images(&storage, &sent, &mut draw, durability);
            }
            writer.close().unwrap();
            check_images(&storage, &sent, &mut draw, durability);
        }
        assert!(topic.local().unwrap().segments(P0).unwrap().len() > 10);
    }
}

/// That all of it is in what a disk may hold now.
fn check_images(storage: &RecordingStorage, sent: &[Vec<i64>], draw: &mut dyn FnMut(u64) -> u64, durability: Durability) {
    let mut disk = Disk::default();
    storage.changes().iter().for_each(|change| disk.apply(change));
    for _ in 0..20 {
        let image = folder();
        disk.image(image.path(), draw).unwrap();
        let topic = Log::open(&image.path().join("log")).unwrap().topic("t").unwrap();
        let check = || {
            for (p, sent) in sent.iter().enumerate() {
                assert_eq!(ids(&read_all(&topic, PartitionId(p as u32))), *sent, "{durability:?}");
            }
        };
        check();
        topic.writer().unwrap().close().unwrap();
        check();
        assert!(topic.local().unwrap().verify().unwrap().is_clean());
    }
}

/// Whichever of the calls it is that a sync makes, those for sealed segments among them.
#[test]
fn after_a_failed_sync_nothing_is_acknowledged() {
    for calls in 0.. {
        let root = folder();
        let (storage, topic) = recorded(root.path(), Durability::None);
        let writer = topic.writer().unwrap();
        for i in 0..8 {
            writer.append_to(P0, &events(20 * i..20 * i + 20), None).unwrap();
        }
        storage.fail_after(calls, Fault::Io);
        let synced = writer.sync();
        if storage.struck().is_none() {
            synced.unwrap();
            assert!(calls > 8, "each sealed segment is opened and synced");
            return;
        }
        assert!(synced.is_err());
        assert!(writer.append_to(P0, &events(0..1), None).is_err() && writer.sync().is_err() && writer.barrier().is_err());
        drop(writer);
        topic.writer().unwrap().append_to(P0, &events(160..180), None).unwrap();
        assert_eq!(ids(&read_all(&topic, P0)), (0..180).collect::<Vec<_>>(), "no power was lost");
    }
}

#[test]
fn an_interval_syncs_without_being_asked() {
    let dir = folder();
    let (storage, log) = faulty_log(dir.path());
    let every = Durability::Interval(std::time::Duration::from_millis(1));
    let topic = log.create_topic(TopicConfig { durability: every, ..config("t", 1) }).unwrap();
    let writer = topic.writer().unwrap();
    storage.fail_sync_after(0);
    writer.append(&events(0..10)).unwrap();
    // The background thread finds out, and then no append is taken: this loop ends only if it did.
    while writer.append(&events(0..1)).is_ok() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert!(writer.append(&events(0..1)).unwrap_err().to_string().contains("injected sync failure"));
}

#[derive(Debug, Clone)]
enum Op {
    /// Rows, by key.
    Append(u8),
    /// Partition, rows, whether it is sent twice.
    AppendTo(u8, u8, bool),
    Barrier,
    Reopen,
    /// The writer dies after so many more bytes.
    Doom(u16),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        4 => (1u8..40).prop_map(Op::Append),
        4 => (0u8..4, 1u8..40, any::<bool>()).prop_map(|(p, n, twice)| Op::AppendTo(p, n, twice)),
        1 => Just(Op::Barrier),
        1 => Just(Op::Reopen),
        1 => (0u16..9000).prop_map(Op::Doom),
    ];
    proptest::collection::vec(op, 1..40)
}

/// What a partition must hold: ids, and after how many of them each barrier stands.
#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    ids: Vec<i64>,
    barriers: Vec<usize>,
}

fn contents(topic: &Topic, p: PartitionId) -> Model {
    let mut reader = topic.reader(p, Start::First, Some(&[0])).unwrap();
    let mut found = Model::default();
    while let Some(entry) = reader.next().unwrap() {
        match entry {
            Entry::Records(r) => {
                assert_eq!(r.base.0 as usize, found.ids.len());
                found.ids.extend(ids(&[r.batch]));
            }
            Entry::Barrier(b) => {
                found.barriers.push(found.ids.len());
                assert_eq!(b.number as usize, found.barriers.len());
                assert_eq!(b.position.get(p).0 as usize, found.ids.len());
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_log_is_what_was_acknowledged(ops in ops(), partitions in 1u32..4, segment_bytes in 1u64..6000) {
        let dir = folder();
        let (storage, log) = faulty_log(dir.path());
        let by_key = PartitionBy::Key("name".into());
        let topic = log.create_topic(TopicConfig { segment_bytes, partition_by: by_key, ..config("t", partitions) }).unwrap();
        let mut writer = Some(topic.writer().unwrap());
        let mut model = vec![Model::default(); partitions as usize];
        let mut followers: Vec<_> =
            partition_ids(&topic).map(|p| (topic.reader(p, Start::First, Some(&[0])).unwrap(), Model::default())).collect();
        let mut next_id = 0;
        let mut sequence = 0;
        for op in ops {
            let open = writer.as_ref().unwrap();
            let first = next_id;
            // What the operation may add to each partition if it fails half-way.
            let failed = match op {
                Op::Append(rows) => {
                    next_id += i64::from(rows);
                    open.append(&events(first..next_id)).is_err()
                }
                Op::AppendTo(p, rows, twice) => {
                    next_id += i64::from(rows);
                    sequence += 1;
                    let p = PartitionId(u32::from(p) % partitions);
                    let producer = Some(ProducerSequence { producer: 1 + u64::from(p.0), epoch: 0, sequence });
                    let sent = open.append_to(p, &events(first..next_id), producer);
                    if let (Ok(offset), true) = (&sent, twice) {
                        prop_assert_eq!(open.append_to(p, &events(first..next_id), producer).unwrap(), *offset);
                    }
                    sent.is_err()
                }
                Op::Barrier => open.barrier().is_err(),
                Op::Reopen => true,
                Op::Doom(bytes) => {
                    storage.crash_after_bytes(u64::from(bytes));
                    false
                }
            };
            let done: Vec<Model> = partition_ids(&topic).map(|p| contents(&topic, p)).collect();
            if failed {
                drop(writer.take());
                storage.heal();
                writer = Some(topic.writer().unwrap());
            }
            let now: Vec<Model> = partition_ids(&topic).map(|p| contents(&topic, p)).collect();
            let barriers: std::collections::HashSet<_> = now.iter().map(|m| m.barriers.len()).collect();
            prop_assert_eq!(barriers.len(), 1, "a barrier is in every partition or in none");
            let mut added = 0;
            for ((before, done), now) in model.iter().zip(&done).zip(&now) {
                // What was seen stays; what came is whole.
                prop_assert!(done.ids.starts_with(&before.ids) && now.ids.starts_with(&done.ids));
                prop_assert!(now.barriers.starts_with(&done.barriers) && done.barriers.starts_with(&before.barriers));
                let new = &now.ids[before.ids.len()..];
                prop_assert!(new.is_sorted() && new.iter().all(|id| (first..next_id).contains(id)));
                added += new.len();
            }
            if !failed {
                prop_assert_eq!(&done, &now);
                prop_assert_eq!(added as i64, next_id - first, "an acknowledged append is there, once");
            }
            for (p, (reader, seen)) in followers.iter_mut().enumerate() {
                while let Some(entry) = reader.next().unwrap() {
                    match entry {
                        Entry::Records(r) => seen.ids.extend(ids(&[r.batch])),
                        Entry::Barrier(_) => seen.barriers.push(seen.ids.len()),
                    }
                }
                prop_assert_eq!(&*seen, &now[p], "a follower sees what a new reader sees");
            }
            model = now;
        }
        drop(writer);
        storage.heal();
        drop(topic.writer().unwrap());
        let report = topic.local().unwrap().verify().unwrap();
        prop_assert!(report.is_clean(), "{report:?}");
        let fresh = Log::open(dir.path()).unwrap().topic("t").unwrap();
        for (p, model) in partition_ids(&fresh).zip(&model) {
            prop_assert!(contents(&fresh, p).ids.starts_with(&model.ids));
            for at in [0, model.ids.len() / 3, model.ids.len()] {
                let range = fresh.range(p, Offset(at as u64), Offset(model.ids.len() as u64), Some(&[0])).unwrap();
                let read: Vec<_> = range.map(|r| r.unwrap().batch).collect();
                prop_assert_eq!(ids(&read), &model.ids[at..]);
            }
        }
    }
}
