//! Tiering: sealed segments in an object store (here a folder) are read as if they were local, come back, and go with retention.

mod log_common;

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use log_common::*;
use proptest::prelude::*;
use twopath_base::clock::SystemClock;
use twopath_base::{Offset, PartitionId, Position};
use twopath_log::*;
use twopath_storage::{FaultyStorage, FaultyStores};

const P0: PartitionId = PartitionId(0);

/// Frames of 50 events each, a barrier after every tenth, segments of about 8 KiB.
fn fill(topic: &Topic, batches: std::ops::Range<i64>) {
    let writer = topic.writer().unwrap();
    for i in batches {
        writer.append(&events(i * 50..(i + 1) * 50)).unwrap();
        if i % 10 == 5 {
            writer.barrier().unwrap();
        }
    }
    writer.close().unwrap();
}

fn small(partitions: u32) -> TopicConfig {
    TopicConfig { segment_bytes: 8192, ..config("t", partitions) }
}

/// Everything that a reader can be asked for, as text.
fn answers(topic: &Topic) -> Vec<String> {
    let mut answers = vec![format!("{:?} {:?} {:?}", topic.start().unwrap(), topic.end().unwrap(), topic.barriers().unwrap())];
    for p in partition_ids(topic) {
        let (start, end) = (topic.start().unwrap().get(p).0, topic.end().unwrap().get(p).0);
        let mut starts = vec![Start::First, Start::End];
        starts.extend((start..=end).step_by(37).map(|o| Start::Offset(Offset(o))));
        starts.extend(topic.local().unwrap().segments(p).unwrap().into_iter().map(|s| Start::Offset(s.base)));
        starts.extend((0..end as i64).step_by(211).map(|ms| Start::EventTime(ms * 1000)));
        for start in starts {
            let mut reader = topic.reader(p, start, Some(&[0])).unwrap();
            let mut seen = format!("{p} {start:?} generation {}:", reader.generation());
            // The first few entries tell a start from another one; the whole is read below.
            for _ in 0..3 {
                match reader.next().unwrap() {
                    Some(Entry::Records(r)) => seen += &format!(" {:?}", (r.base, r.end, r.arrival_us, ids(&[r.batch]))),
                    Some(Entry::Barrier(b)) => seen += &format!(" {b:?}"),
                    None => seen += " end",
                }
            }
            answers.push(seen);
        }
        answers.push(format!("{:?}", ids(&read_all(topic, p))));
        let middle = Offset(start + (end - start) / 2);
        for (from, to) in [(Offset(start), middle), (middle, Offset(end)), (Offset(start + 3), Offset(end - 3))] {
            let batches: Vec<_> = topic.range(p, from, to, None).unwrap().map(|r| r.unwrap().batch).collect();
            answers.push(format!("{from} to {to}: {:?}", ids(&batches)));
        }
    }
    answers
}

#[test]
fn every_answer_is_the_same_from_remote_segments_and_after_recall() {
    let (dir, store) = (folder(), folder());
    let stores = FaultyStores::default();
    let open = || Log::open(dir.path()).unwrap().with_stores(Arc::new(stores.clone())).topic("t").unwrap();
    fill(&Log::open(dir.path()).unwrap().create_topic(small(2)).unwrap(), 0..80);
    let topic = open();
    let (before, bytes) = (answers(&topic), topic.bytes().unwrap());
    let segments: u64 = partition_ids(&topic).map(|p| topic.local().unwrap().segments(p).unwrap().len() as u64).sum();
    let report = topic.local().unwrap().offload(&everything(store.path())).unwrap();
    assert_eq!((report.segments_moved, report.segments_local), (segments - 4, 4), "the active and the newest sealed one of each stay");
    assert_eq!((report.segments_remote, report.bytes_remote), (report.segments_moved, report.bytes_moved));
    assert_eq!(report.bytes_local + report.bytes_remote, bytes);
    assert_eq!(topic.bytes().unwrap(), bytes);
    assert_eq!(files(store.path()), objects(&topic, store.path()));
    assert_eq!(files(store.path()).len() as u64, report.segments_moved);
    // The one that moved them, another process, and one whose tail does not count.
    assert_eq!(answers(&topic), before);
    assert_eq!(answers(&open()), before);
    fs::remove_file(dir.path().join("t/tail")).unwrap();
    assert_eq!(answers(&open()), before);
    let verified = open().local().unwrap().verify().unwrap();
    assert!(verified.is_clean(), "{:?}", verified.problems);
    assert_eq!((verified.segments, verified.segments_remote), (segments, report.segments_moved));
    // Opening, barriers and finding a place fetch nothing.
    fs::remove_dir_all(dir.path().join("t/cache")).unwrap();
    let calls = stores.calls();
    let topic = open();
    let writer = topic.writer().unwrap();
    assert_eq!(topic.barriers().unwrap().len(), 8);
    topic.reader(P0, Start::EventTime(80 * 50 * 1000), None).unwrap();
    topic.reader(P0, Start::End, None).unwrap();
    assert_eq!(stores.calls(), calls);
    writer.append(&events(4000..4050)).unwrap();
    writer.close().unwrap();
    // Moving again moves nothing; coming back leaves nothing.
    assert_eq!(topic.local().unwrap().offload(&everything(store.path())).unwrap().segments_moved, 0);
    let now = answers(&topic);
    let back = topic.local().unwrap().recall().unwrap();
    assert_eq!((back.segments_moved, back.bytes_moved, back.objects_left), (report.segments_moved, report.bytes_moved, 0));
    assert_eq!(answers(&topic), now);
    assert_eq!(answers(&open()), now);
    assert!(files(store.path()).is_empty(), "{:?}", files(store.path()));
    assert!(topic.local().unwrap().verify().unwrap().is_clean());
    assert!(!files(&dir.path().join("t")).iter().any(|f| f.extension().is_some_and(|e| e == "seal")));
}

#[test]
fn age_and_size_choose_the_oldest() {
    let (dir, store) = (folder(), folder());
    let (topic, _writer) = ten_seconds_of_segments(dir.path());
    let options = |older_than, keep_local_bytes| Offload { older_than, keep_local_bytes, ..everything(store.path()) };
    let moved = |o: &Offload| topic.local().unwrap().offload(o).unwrap().segments_moved;
    assert_eq!(moved(&options(Some(Duration::from_secs(100)), None)), 0);
    assert_eq!(moved(&options(Some(Duration::from_millis(7500)), None)), 3);
    let sizes: Vec<u64> = topic.local().unwrap().segments(P0).unwrap().iter().map(|s| s.bytes).collect();
    let local: u64 = sizes[3..].iter().sum();
    assert_eq!(moved(&options(None, Some(local))), 0);
    assert_eq!(moved(&options(None, Some(local - 1))), 1);
    assert_eq!(moved(&options(Some(Duration::from_secs(100)), Some(local - sizes[3] - sizes[4]))), 1);
    assert_eq!(moved(&options(None, None)), 4, "all but the newest sealed one");
    assert_eq!(ids(&read_all(&topic, P0)), (0..100).collect::<Vec<_>>());
}

#[test]
fn the_cache_stays_within_its_size_and_one_process_fetches_for_all() {
    let (dir, store) = (folder(), folder());
    let topic = Log::open(dir.path()).unwrap().create_topic(small(1)).unwrap();
    fill(&topic, 0..80);
    let moved = topic.local().unwrap().offload(&everything(store.path())).unwrap();
    let cached = || files(&dir.path().join("t/cache")).into_iter().map(|f| dir.path().join("t/cache").join(f)).collect::<Vec<_>>();
    let bytes = || cached().iter().map(|f| fs::metadata(f).unwrap().len()).sum::<u64>();
    // Many at once, as processes do that share nothing but the folder.
    let stores = FaultyStores::default();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let topic = Log::open(dir.path()).unwrap().with_stores(Arc::new(stores.clone())).topic("t").unwrap();
                assert_eq!(ids(&read_all(&topic, P0)), (0..4000).collect::<Vec<_>>());
            });
        }
    });
    assert_eq!(stores.calls(), moved.segments_moved, "each object was asked for once");
    assert_eq!((cached().len() as u64, bytes()), (moved.segments_moved, moved.bytes_moved));
    // A smaller one: what was not used longest goes.
    let limit = 40_000;
    topic.local().unwrap().set_cache_bytes(limit).unwrap();
    assert_eq!(topic.local().unwrap().cache_bytes().unwrap(), limit);
    fs::remove_file(&cached()[3]).unwrap();
    let read = || ids(&read_all(&Log::open(dir.path()).unwrap().topic("t").unwrap(), P0));
    assert_eq!(read(), (0..4000).collect::<Vec<_>>());
    assert!(bytes() <= limit && bytes() > limit / 2, "{}", bytes());
    // Smaller than a segment: one stays.
    topic.local().unwrap().set_cache_bytes(1).unwrap();
    assert_eq!(read(), (0..4000).collect::<Vec<_>>());
    assert_eq!(cached().len(), 1);
    // A damaged file in the cache is fetched again.
    topic.local().unwrap().set_cache_bytes(1 << 20).unwrap();
    assert_eq!(read(), (0..4000).collect::<Vec<_>>());
    for (i, file) in cached().into_iter().enumerate() {
        let mut content = fs::read(&file).unwrap();
        if i % 2 == 0 {
            content.truncate(content.len() / 2)
        } else {
            content[1000] ^= 1
        }
        fs::write(&file, content).unwrap();
    }
    assert_eq!(read(), (0..4000).collect::<Vec<_>>());
    assert!(topic.local().unwrap().verify().unwrap().is_clean());
}

#[test]
fn a_full_disk_makes_the_cache_smaller_and_then_is_one_clear_error() {
    let (dir, store) = (folder(), folder());
    let topic = Log::open(dir.path()).unwrap().create_topic(small(1)).unwrap();
    fill(&topic, 0..40);
    topic.local().unwrap().offload(&everything(store.path())).unwrap();
    let storage = FaultyStorage::default();
    let topic = Log::with(Arc::new(storage.clone()), Arc::new(SystemClock), dir.path()).unwrap().topic("t").unwrap();
    storage.full_after_bytes(20_000);
    let mut reader = topic.reader(P0, Start::First, None).unwrap();
    let error = loop {
        match reader.next() {
            Ok(entry) => assert!(entry.is_some(), "the disk is full"),
            Err(e) => break e.to_string(),
        }
    };
    let message = format!("no space is left in {} for file://", dir.path().join("t/cache").display());
    assert!(error.starts_with(&message) && error.contains("/p0/") && error.ends_with("sets how much is kept there"), "{error}");
    storage.heal();
    assert_eq!(ids(&read_all(&topic, P0)), (0..2000).collect::<Vec<_>>());
}

#[test]
fn damage_in_a_store_is_named_with_object_and_byte() {
    let (dir, store) = (folder(), folder());
    let topic = Log::open(dir.path()).unwrap().create_topic(small(1)).unwrap();
    fill(&topic, 0..40);
    topic.local().unwrap().offload(&everything(store.path())).unwrap();
    let segments: Vec<_> = topic.local().unwrap().segments(P0).unwrap().into_iter().filter(|s| s.object.is_some()).collect();
    let path = |i: usize| PathBuf::from(segments[i].object.as_ref().unwrap().strip_prefix("file://").unwrap());
    let whole: Vec<Vec<u8>> = (0..segments.len()).map(|i| fs::read(path(i)).unwrap()).collect();
    let address = segments[1].object.clone().unwrap();
    let check = |what: &str, problem: (RangeInclusive<u64>, &str), reading: Option<&str>| {
        let _ = fs::remove_dir_all(dir.path().join("t/cache"));
        let again = Log::open(dir.path()).unwrap().topic("t").unwrap();
        let report = again.local().unwrap().verify().unwrap();
        assert!(!report.problems.is_empty(), "{what}: nothing is wrong");
        assert!(report.problems.iter().all(|p| p.path == Path::new(&address)), "{what}: {:?}", report.problems);
        let found = report.problems.iter().any(|p| problem.0.contains(&p.offset) && p.what.contains(problem.1));
        assert!(found, "{what}: {:?}", report.problems);
        let Some(reading) = reading else {
            assert_eq!(ids(&read_all(&again, P0)), (0..2000).collect::<Vec<_>>(), "{what}");
            return;
        };
        let mut reader = again.reader(P0, Start::First, None).unwrap();
        let error = loop {
            match reader.next() {
                Ok(Some(Entry::Records(r))) => assert!(r.end <= segments[1].base, "{what}: read what is damaged"),
                Ok(Some(_)) => {}
                Ok(None) => panic!("{what}: read all"),
                Err(e) => break e.to_string(),
            }
        };
        assert!(error.starts_with(&address) && error.contains(reading), "{what}: {error}");
        assert!(error.contains("twopath log verify"), "{what}: {error}");
    };
    fs::remove_file(path(1)).unwrap();
    check("gone", (0..=0, "the object is missing"), Some("the object is missing"));
    let len = whole[1].len();
    fs::write(path(1), &whole[1][..len - 100]).unwrap();
    check("short", (len as u64 - 100..=len as u64 - 100, "bytes, though it was made with"), Some("the object ends here"));
    fs::write(path(1), [&whole[1][..], b"more"].concat()).unwrap();
    check("long", (len as u64..=len as u64, "bytes, though it was made with"), None);
    // Another segment's object, as long as this one where need be.
    let mut other = whole[2].clone();
    other.resize(len, 0);
    fs::write(path(1), other).unwrap();
    check("swapped", (first_frame(&whole[1])..=first_frame(&whole[1]), "offset"), Some("checksum"));
    // Any byte: in a frame, in the seal, in the footer, between.
    for at in (0..len).step_by(997).chain(len - 300..len) {
        let mut bytes = whole[1].clone();
        bytes[at] ^= 0x10;
        fs::write(path(1), bytes).unwrap();
        check(&format!("byte {at}"), (0..=at as u64, ""), Some("checksum"));
    }
    fs::write(path(1), &whole[1]).unwrap();
    assert!(topic.local().unwrap().verify().unwrap().is_clean());
}

/// Where the first frame of a segment starts.
fn first_frame(bytes: &[u8]) -> u64 {
    bytes.chunks(64).position(|c| c.starts_with(b"2PFR")).unwrap() as u64 * 64
}

#[test]
fn what_is_kept_of_remote_segments_can_be_lost_and_is_written_anew() {
    let (dir, store) = (folder(), folder());
    let topic = Log::open(dir.path()).unwrap().create_topic(small(1)).unwrap();
    fill(&topic, 0..40);
    let before = answers(&topic);
    topic.local().unwrap().offload(&everything(store.path())).unwrap();
    let p0 = dir.path().join("t/p0");
    let kept: Vec<PathBuf> = files(&p0).into_iter().filter(|f| f.extension().is_some_and(|e| e == "seal")).map(|f| p0.join(f)).collect();
    for (i, file) in kept.iter().enumerate() {
        let mut bytes = fs::read(file).unwrap();
        match i % 3 {
            0 => fs::remove_file(file).unwrap(),
            1 => fs::write(file, &bytes[..bytes.len() / 2]).unwrap(),
            _ => {
                let at = i * 131 % bytes.len();
                bytes[at] ^= 1;
                fs::write(file, bytes).unwrap();
            }
        }
    }
    let again = || Log::open(dir.path()).unwrap().topic("t").unwrap();
    let report = again().local().unwrap().verify().unwrap();
    assert_eq!(report.problems.len(), kept.len(), "{:?}", report.problems);
    assert!(report.problems.iter().zip(&kept).all(|(p, file)| p.path == *file && p.what.ends_with("`twopath log offload` writes it anew")));
    assert_eq!(answers(&again()), before, "all is read without it");
    drop(again().writer().unwrap());
    again().local().unwrap().offload(&everything(store.path())).unwrap();
    assert!(again().local().unwrap().verify().unwrap().is_clean());
}

#[test]
fn retention_and_compaction_take_objects_with_them() {
    let (dir, store) = (folder(), folder());
    let topic = Log::open(dir.path()).unwrap().create_topic(small(1)).unwrap();
    fill(&topic, 0..80);
    topic.local().unwrap().offload(&everything(store.path())).unwrap();
    let before = topic.local().unwrap().segments(P0).unwrap();
    // One that is gone already is no error.
    fs::remove_file(before[0].object.as_ref().unwrap().strip_prefix("file://").unwrap()).unwrap();
    let report = topic.local().unwrap().retain(&Retention::of_bytes(topic.bytes().unwrap() / 2), false).unwrap();
    assert!(report.segments_removed > 3 && report.objects_left == 0, "{report:?}");
    assert_eq!(files(store.path()), objects(&topic, store.path()));
    let first = topic.start().unwrap().get(P0).0 as i64;
    assert_eq!(ids(&read_all(&topic, P0)), (first..4000).collect::<Vec<_>>());
    assert!(topic.local().unwrap().verify().unwrap().is_clean());

    // A store that is gone keeps nobody from tidying; what is left there goes when it is back.
    let left = files(store.path());
    let away = store.path().with_extension("away");
    fs::rename(store.path(), &away).unwrap();
    let again = Log::open(dir.path()).unwrap().topic("t").unwrap();
    let report = again.local().unwrap().retain(&Retention::of_bytes(again.bytes().unwrap() / 2), false).unwrap();
    assert!(report.segments_removed > 0 && report.objects_left == report.segments_removed, "{report:?}");
    fs::rename(&away, store.path()).unwrap();
    assert_eq!(files(store.path()), left);
    assert_eq!(again.local().unwrap().retain(&Retention::NONE, false).unwrap().objects_left, 0);
    assert_eq!(files(store.path()), objects(&again, store.path()));

    let store = folder();
    let schema = narrow(0..0).schema();
    let config = TopicConfig { partition_by: PartitionBy::Key("name".into()), segment_bytes: 4096, ..TopicConfig::new("k", schema) };
    let topic = Log::open(dir.path()).unwrap().create_topic(config).unwrap();
    let writer = topic.writer().unwrap();
    (0..60).for_each(|i| drop(writer.append(&narrow(i * 50..(i + 1) * 50)).unwrap()));
    writer.barrier().unwrap();
    let last: BTreeSet<i64> = (3000 - 97 * 7..3000).collect();
    let moved = topic.local().unwrap().offload(&everything(store.path())).unwrap();
    assert!(moved.segments_moved > 5);
    let options = Compaction { dirty_ratio_min: 0.0, age_min: Duration::ZERO, tombstone_age: Duration::from_secs(3600) };
    let report = topic.local().unwrap().compact(&options).unwrap();
    assert!(report.records_after < report.records_before, "{report:?}");
    assert_eq!((report.records_before, report.objects_left), (3000, 0));
    assert!(files(store.path()).is_empty(), "what was rewritten is local again: {:?}", files(store.path()));
    let compacted: BTreeSet<i64> = ids(&read_all(&topic, P0)).into_iter().collect();
    assert!(last.iter().filter(|i| **i % 7 != 3).all(|i| compacted.contains(i) || 3000 - i > 97), "the newest of each key stays");
    // And what was compacted can be moved, and compacted again.
    writer.append(&narrow(3000..3050)).unwrap();
    writer.barrier().unwrap();
    let before = ids(&read_all(&topic, P0));
    assert!(topic.local().unwrap().offload(&everything(store.path())).unwrap().segments_moved > 0);
    assert_eq!(ids(&read_all(&topic, P0)), before);
    assert!(topic.local().unwrap().verify().unwrap().is_clean(), "{:?}", topic.local().unwrap().verify().unwrap().problems);
    topic.local().unwrap().compact(&options).unwrap();
    assert_eq!(files(store.path()), objects(&topic, store.path()));
    assert!(topic.local().unwrap().verify().unwrap().is_clean());
    drop(writer);
    Log::open(dir.path()).unwrap().topic("k").unwrap().writer().unwrap().append(&narrow(3050..3060)).unwrap();
}

#[test]
fn readers_go_on_while_segments_move_to_and_fro() {
    let (dir, store) = (folder(), folder());
    let topic = Log::open(dir.path()).unwrap().create_topic(small(1)).unwrap();
    fill(&topic, 0..40);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // Some have what they know of before, some learn it anew.
                    let found = ids(&read_all(&topic, P0));
                    assert_eq!(found, (0..found.len() as i64).collect::<Vec<_>>());
                    let again = Log::open(dir.path()).unwrap().topic("t").unwrap();
                    let found = ids(&read_all(&again, P0));
                    assert_eq!(found, (0..found.len() as i64).collect::<Vec<_>>());
                    assert!(!again.barriers().unwrap().is_empty());
                    again.bytes().unwrap();
                }
            });
        }
        let writer = topic.writer().unwrap();
        for round in 0..10 {
            writer.append(&events((40 + round) * 50..(41 + round) * 50)).unwrap();
            assert!(topic.local().unwrap().offload(&everything(store.path())).unwrap().segments_moved > 0);
            topic.local().unwrap().recall().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(ids(&read_all(&topic, P0)), (0..2500).collect::<Vec<_>>());
}

#[test]
fn a_store_that_cannot_be_had_is_one_clear_error() {
    let (dir, store) = (folder(), folder());
    let topic = Log::open(dir.path()).unwrap().create_topic(small(1)).unwrap();
    fill(&topic, 0..40);
    let to = |to: &str| topic.local().unwrap().offload(&Offload { to: to.into(), ..everything(store.path()) }).unwrap_err().to_string();
    assert!(to("ftp://somewhere").starts_with("could not open ftp://somewhere: this kind of store is not known: write a folder"));
    assert!(to("s3://").starts_with("could not open s3://: it names no bucket"));
    fs::write(store.path().join("file"), "").unwrap();
    assert!(to(store.path().join("file").to_str().unwrap()).contains("the folder cannot be made"));
    #[cfg(not(feature = "s3"))]
    assert!(
        to("s3://bucket/x").contains("this program was built without S3: build it with the cargo feature s3"),
        "{}",
        to("s3://bucket/x")
    );
    let report = topic.local().unwrap().offload(&everything(&store.path().join("deep/er"))).unwrap();
    assert!(report.segments_moved > 0);
    fs::remove_dir_all(store.path().join("deep")).unwrap();
    let error = Log::open(dir.path()).unwrap().topic("t").unwrap().reader(P0, Start::First, None).err().unwrap().to_string();
    assert!(error.starts_with("could not read file:///") && error.contains("see that the store is there"), "{error}");
}

#[derive(Debug, Clone)]
enum Step {
    Append(i64),
    Barrier,
    Offload(Option<u64>),
    Recall,
    Retain(u64),
    Reopen,
    Cache(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_i64..120).prop_map(Step::Append),
        1 => Just(Step::Barrier),
        3 => proptest::option::of(0_u64..40_000).prop_map(Step::Offload),
        1 => Just(Step::Recall),
        1 => (5_000_u64..80_000).prop_map(Step::Retain),
        1 => Just(Step::Reopen),
        1 => (0_u64..60_000).prop_map(Step::Cache),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_leaves_every_record_once_and_no_object_forgotten(steps in proptest::collection::vec(step(), 1..40)) {
        let (dir, store) = (folder(), folder());
        let log = || Log::open(dir.path()).unwrap();
        let mut topic = log().create_topic(TopicConfig { segment_bytes: 3000, ..config("t", 1) }).unwrap();
        let mut writer = topic.writer().unwrap();
        let (mut next, mut barriers) = (0_i64, 0);
        for step in steps {
            match step {
                Step::Append(n) => {
                    writer.append(&events(next..next + n)).unwrap();
                    next += n;
                }
                Step::Barrier => {
                    barriers += 1;
                    prop_assert_eq!(writer.barrier().unwrap().number, barriers);
                }
                Step::Offload(keep) => {
                    topic.local().unwrap().offload(&Offload { keep_local_bytes: keep, ..everything(store.path()) }).unwrap();
                }
                Step::Recall => drop(topic.local().unwrap().recall().unwrap()),
                Step::Retain(bytes) => drop(topic.local().unwrap().retain(&Retention::of_bytes(bytes), false).unwrap()),
                Step::Cache(bytes) => topic.local().unwrap().set_cache_bytes(bytes).unwrap(),
                Step::Reopen => {
                    drop(writer);
                    topic = log().topic("t").unwrap();
                    writer = topic.writer().unwrap();
                }
            }
            let first = topic.start().unwrap().get(P0).0 as i64;
            prop_assert_eq!(ids(&read_all(&topic, P0)), (first..next).collect::<Vec<_>>());
            prop_assert_eq!(topic.end().unwrap(), Position::new(vec![Offset(next as u64)]));
            prop_assert_eq!(files(store.path()), objects(&topic, store.path()));
            let known: Vec<u64> = topic.barriers().unwrap().iter().map(|b| b.number).collect();
            prop_assert!(known.last().is_none_or(|last| *last == barriers) && known.windows(2).all(|w| w[1] == w[0] + 1), "{:?}", known);
        }
        let report = log().topic("t").unwrap().local().unwrap().verify().unwrap();
        prop_assert!(report.is_clean(), "{:?}", report.problems);
    }
}
