//! Housekeeping beside those who read, follow, check and open the same topic.

mod log_common;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use log_common::*;
use twopath_base::clock::{ManualClock, SystemClock};
use twopath_base::{Offset, PartitionId, Position};
use twopath_log::*;
use twopath_storage::{AppendFile, OsStorage, Storage};

const P0: PartitionId = PartitionId(0);

/// `count` segments of three rows each, of two keys in turn; every third one ends with a barrier.
fn fill(writer: &TopicWriter, count: i64) {
    for i in 0..count {
        let key = Some(if i % 2 == 0 { "a" } else { "b" });
        writer.append(&rows(&[(key, Some(i)), (None, Some(i)), (key, Some(-i))])).unwrap();
        if i % 3 == 2 {
            writer.barrier().unwrap();
        }
    }
}

#[test]
fn a_reader_anywhere_goes_on_in_what_its_next_segments_were_put_together_into() {
    let dir = folder();
    let topic = Log::open(dir.path()).unwrap().create_topic(keyed_config(1, 8000)).unwrap();
    let writer = topic.writer().unwrap();
    fill(&writer, 20);
    let full = records(&topic, P0, Start::First);
    // One reader for each number of entries that it has read before compaction, and one that is at the end.
    let mut readers: Vec<_> = (0..27).map(|read| (topic.reader(P0, Start::First, None).unwrap(), read)).collect();
    let mut seen: Vec<(Vec<Row>, Vec<u64>)> = vec![Default::default(); readers.len()];
    let read_on = |reader: &mut PartitionReader, (seen, barriers): &mut (Vec<Row>, Vec<u64>), entries: usize| {
        for _ in 0..entries {
            match reader.next().unwrap() {
                Some(Entry::Records(r)) => seen.extend(rows_of(&r)),
                Some(Entry::Barrier(b)) => barriers.push(b.number),
                None => return,
            }
        }
    };
    for ((reader, read), seen) in readers.iter_mut().zip(&mut seen) {
        read_on(reader, seen, *read);
    }
    let report = topic.local().unwrap().compact(&COMPACT).unwrap();
    assert!(report.segments_after * 2 < report.segments_before, "{report:?}");
    for ((reader, _), seen) in readers.iter_mut().zip(&mut seen) {
        read_on(reader, seen, 1);
    }
    fill(&writer, 20);
    topic.local().unwrap().compact(&COMPACT).unwrap();
    let full = [full, records(&topic, P0, Start::Offset(Offset(60)))].concat();
    for ((reader, read), seen) in readers.iter_mut().zip(&mut seen) {
        read_on(reader, seen, usize::MAX);
        let (seen, barriers) = seen;
        assert!(seen.windows(2).all(|pair| pair[0].0 < pair[1].0), "after {read} entries: {seen:?}");
        assert_eq!(table(seen), table(&full), "after {read} entries");
        // NULL is a key like any other: everybody ends with its newest record.
        let newest = |records: &[Row]| records.iter().rfind(|r| r.1.is_none()).cloned();
        assert_eq!(newest(seen), newest(&full), "after {read} entries");
        assert_eq!(*barriers, (1..=12).collect::<Vec<_>>(), "after {read} entries");
        assert_eq!((reader.offset(), reader.generation()), (Offset(120), 12));
    }
}

#[test]
fn a_segment_that_nobody_has_said_to_be_there_is_not_looked_at() {
    let dir = folder();
    let topic = Log::open(dir.path()).unwrap().create_topic(config("t", 1)).unwrap();
    let writer = topic.writer().unwrap();
    writer.append(&events(0..10)).unwrap();
    let next = dir.path().join("t/p0/00000000000000000010.arrow");
    let check = |topic: &Topic| {
        for start in [Start::Offset(Offset(10)), Start::End, Start::EventTime(i64::MAX), Start::ArrivalTime(i64::MAX)] {
            let mut reader = topic.reader(P0, start, None).unwrap();
            assert!(reader.next().unwrap().is_none(), "{start:?}");
            assert_eq!(reader.offset(), Offset(10));
        }
        assert_eq!(ids(&read_all(topic, P0)), (0..10).collect::<Vec<_>>());
        assert!(topic.barriers().unwrap().is_empty());
        assert_eq!(topic.local().unwrap().segments(P0).unwrap().len(), 1);
        topic.local().unwrap().times(P0).unwrap();
    };
    // The writer has sealed the segment, begins the next, and has said nothing of it yet.
    let tail = dir.path().join("t/tail");
    let before = fs::read(&tail).unwrap();
    writer.barrier().unwrap();
    fs::File::options().write(true).open(&tail).unwrap().write_all_at(&before, 0).unwrap();
    let head = fs::read(&next).unwrap();
    for written in [0, 20, head.len()] {
        fs::write(&next, &head[..written]).unwrap();
        check(&topic);
        let report = topic.local().unwrap().verify().unwrap();
        assert!(report.is_clean(), "{:?}", report.problems);
    }
    // It died over that.
    fs::write(&next, &head[..20]).unwrap();
    drop(writer);
    check(&topic);
    let report = topic.local().unwrap().verify().unwrap();
    assert_eq!(report.problems.len(), 1);
    assert!(report.problems[0].what.ends_with("nothing of it was acknowledged, and the next writer cuts it away"), "{:?}", report.problems);

    // Or the machine did, and no writer has been there since.
    fs::remove_file(&tail).unwrap();
    let after = Log::open(dir.path()).unwrap().topic("t").unwrap();
    let mut reader = after.reader(P0, Start::Offset(Offset(10)), None).unwrap();
    assert!(matches!(reader.next().unwrap(), Some(Entry::Barrier(b)) if b.number == 1));
    assert!(reader.next().unwrap().is_none());
    after.writer().unwrap().append(&events(10..20)).unwrap();
    let Some(Entry::Records(r)) = reader.next().unwrap() else { panic!("no records") };
    assert_eq!(ids(&[r.batch]), (10..20).collect::<Vec<_>>());
    assert!(after.local().unwrap().verify().unwrap().is_clean());
}

/// The removed files of a folder that this process still maps.
fn mapped_though_removed(dir: &Path) -> Vec<String> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains(dir.to_str().unwrap()) && line.ends_with("(deleted)")).map(str::to_owned).collect()
}

#[test]
fn what_was_taken_away_takes_no_room_for_a_process_that_only_reads() {
    let dir = folder();
    let store = folder();
    let topic = Log::open(dir.path()).unwrap().create_topic(keyed_config(1, 2500)).unwrap();
    let writer = topic.writer().unwrap();
    // As another process has it.
    let elsewhere = Log::open(dir.path()).unwrap().topic("t").unwrap();
    let tidy: [(&str, &dyn Fn()); 3] = [
        ("compaction", &|| assert!(topic.local().unwrap().compact(&COMPACT).unwrap().segments_before > 3)),
        ("retention", &|| assert!(topic.local().unwrap().retain(&Retention::of_bytes(6000), false).unwrap().segments_removed > 3)),
        ("offloading", &|| assert!(topic.local().unwrap().offload(&everything(store.path())).unwrap().segments_moved > 3)),
    ];
    for (name, tidy) in tidy {
        fill(&writer, 40);
        let mut follower = elsewhere.reader(P0, Start::First, None).unwrap();
        while follower.next().unwrap().is_some() {}
        tidy();
        // It goes on to the next segment, as followers do.
        fill(&writer, 3);
        while follower.next().unwrap().is_some() {}
        // A thread of its own gives the room back.
        let mut left = mapped_though_removed(dir.path());
        for _ in 0..1000 {
            if left.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
            left = mapped_though_removed(dir.path());
        }
        assert!(left.is_empty(), "after {name}: {left:#?}");
    }
}

#[test]
fn a_seal_may_know_a_later_event_than_compaction_left() {
    let dir = folder();
    let by_name = TopicConfig { partition_by: PartitionBy::Key("name".into()), ..config("t", 1) };
    let log = Log::open(dir.path()).unwrap();
    let topic = log.create_topic(by_name).unwrap();
    let writer = topic.writer().unwrap();
    // Event 4855 has the name of event 5, and is long after all others.
    writer.append(&events(4855..4856)).unwrap();
    writer.append(&events(0..50)).unwrap();
    writer.barrier().unwrap();
    writer.append(&events(50..70)).unwrap();
    writer.barrier().unwrap();
    assert_eq!(topic.local().unwrap().compact(&COMPACT).unwrap().records_after, 61, "60 names, and no name, which ten of the events have");
    writer.append(&events(70..90)).unwrap();
    writer.barrier().unwrap();
    writer.append(&events(90..95)).unwrap();
    let check = |topic: &Topic| {
        let report = topic.local().unwrap().verify().unwrap();
        assert!(report.is_clean(), "{:?}", report.problems);
        for id in [0, 49, 50, 75, 94] {
            let mut reader = topic.reader(P0, Start::EventTime(id * 1000), None).unwrap();
            let found = std::iter::from_fn(|| reader.next().unwrap()).find_map(|entry| match entry {
                Entry::Records(r) => Some(ids(&[r.batch])),
                Entry::Barrier(_) => None,
            });
            assert!(found.unwrap().contains(&id), "event {id}");
        }
    };
    check(&topic);
    // Its last segment is sealed again, and the one before it asked.
    writer.barrier().unwrap();
    writer.close().unwrap();
    let again = log.topic("t").unwrap();
    again.writer().unwrap().append(&events(95..97)).unwrap();
    assert_eq!(again.local().unwrap().compact(&COMPACT).unwrap().records_after, 82, "81 names, and no name");
    check(&again);
}

#[test]
fn deletions_go_in_time_however_often_a_topic_is_compacted() {
    let dir = folder();
    let clock = Arc::new(ManualClock::at(0));
    let log = Log::with(Arc::new(OsStorage), clock.clone(), dir.path()).unwrap();
    let topic = log.create_topic(keyed_config(1, 3000)).unwrap();
    let writer = topic.writer().unwrap();
    let options = Compaction { dirty_ratio_min: 0.0, age_min: Duration::ZERO, tombstone_age: Duration::from_secs(100) };
    writer.append(&rows(&[(Some("gone"), Some(1))])).unwrap();
    writer.append(&rows(&[(Some("gone"), None)])).unwrap();
    for second in (5..=120).step_by(5) {
        clock.set(second * 1_000_000);
        // A segment of which hardly anything stays.
        let key = format!("k{second}");
        writer.append(&rows(&[vec![(Some("x"), Some(second)); 200], vec![(Some(&key), Some(1))]].concat())).unwrap();
        topic.local().unwrap().compact(&options).unwrap();
        let left = records(&topic, P0, Start::First);
        assert!(second > 100 || left.iter().any(|r| r.1.as_deref() == Some("gone")), "deleted {second} s ago, and forgotten");
    }
    let left = records(&topic, P0, Start::First);
    assert!(left.iter().all(|r| r.1.as_deref() != Some("gone")), "{left:?}");
    assert_eq!(left.len(), 25);
    // Rows of about the same time are still put together: those of an eighth of 100 s.
    let mut reader = topic.reader(P0, Start::First, None).unwrap();
    let frames = std::iter::from_fn(|| reader.next().unwrap()).count();
    assert!((8..16).contains(&frames), "{frames}");
    assert!(topic.local().unwrap().verify().unwrap().is_clean());
}

/// Calls somebody right before a manifest is replaced.
struct BeforeManifest {
    storage: OsStorage,
    call: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Storage for BeforeManifest {
    fn create(&self, path: &Path) -> std::io::Result<Arc<dyn AppendFile>> {
        self.storage.create(path)
    }
    fn open_append(&self, path: &Path) -> std::io::Result<Arc<dyn AppendFile>> {
        self.storage.open_append(path)
    }
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        self.storage.read(path)
    }
    fn create_dir(&self, path: &Path) -> std::io::Result<()> {
        self.storage.create_dir(path)
    }
    fn write_again(&self, path: &Path, from: u64, to: u64) -> std::io::Result<()> {
        self.storage.write_again(path, from, to)
    }
    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        if let (true, Some(call)) = (to.ends_with("manifest"), self.call.get()) {
            call();
        }
        self.storage.rename(from, to)
    }
    fn remove(&self, path: &Path) -> std::io::Result<()> {
        self.storage.remove(path)
    }
    fn list(&self, dir: &Path) -> std::io::Result<Vec<String>> {
        self.storage.list(dir)
    }
    fn sync_dir(&self, dir: &Path) -> std::io::Result<()> {
        self.storage.sync_dir(dir)
    }
}

/// Comes to need a topic from its start on, and tells where that was.
type Come = fn(&Topic) -> Offset;

/// What a reader that comes while retention is at work finds: either it is heeded, or it sees the start that retention leaves.
#[test]
fn who_comes_to_need_what_retention_is_taking_is_told_or_heeded() {
    let come: [(&str, Come); 3] = [
        ("a pin", |topic| {
            let pin = topic.hold("a late reader", &topic.start().unwrap()).unwrap();
            let start = topic.start().unwrap().get(P0);
            // For as long as the process lives.
            std::mem::forget(pin);
            start
        }),
        ("a group's seek", |topic| topic.local().unwrap().group_or_new("late").unwrap().seek(Start::First).unwrap().get(P0)),
        ("a new group", |topic| {
            topic.local().unwrap().group_or_new("new").unwrap();
            topic.start().unwrap().get(P0)
        }),
    ];
    for (name, come) in come {
        let dir = folder();
        let storage = Arc::new(BeforeManifest { storage: OsStorage, call: OnceLock::new() });
        let log = Log::with(storage.clone(), Arc::new(SystemClock), dir.path()).unwrap();
        let topic = log.create_topic(TopicConfig { segment_bytes: 1, ..config("t", 1) }).unwrap();
        let writer = topic.writer().unwrap();
        for i in 0..10 {
            writer.append(&events(i * 10..(i + 1) * 10)).unwrap();
        }
        topic.local().unwrap().group_or_new("late").unwrap().seek(Start::End).unwrap();
        // The one who comes does so as another process would, between retention's decision and its manifest.
        let (path, came) = (dir.path().to_owned(), Arc::new(OnceLock::new()));
        let late = came.clone();
        storage
            .call
            .set(Box::new(move || {
                let (path, late): (PathBuf, _) = (path.clone(), late.clone());
                let there = std::thread::spawn(move || late.set(come(&Log::open(&path).unwrap().topic("t").unwrap())).unwrap());
                // Time enough for it to be there, if nothing keeps it.
                for _ in 0..50 {
                    if there.is_finished() {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
            }))
            .ok()
            .unwrap();
        topic.local().unwrap().retain(&Retention::of_bytes(1), false).unwrap();
        let needed = *came.wait();
        assert_eq!(topic.start().unwrap().get(P0), needed, "{name}");
        assert!(topic.reader(P0, Start::Offset(needed), None).unwrap().next().unwrap().is_some(), "{name}");
    }
}

#[test]
fn a_barrier_that_somebody_has_not_come_to_is_not_taken_from_before_him() {
    let dir = folder();
    let topic = Log::open(dir.path()).unwrap().create_topic(TopicConfig { segment_bytes: 1 << 20, ..config("t", 1) }).unwrap();
    let writer = topic.writer().unwrap();
    writer.append(&events(0..10)).unwrap();
    let mut member = topic.local().unwrap().group_or_new("g").unwrap().join("m", MemberOptions::default()).unwrap();
    assert!(matches!(member.poll(Duration::ZERO).unwrap(), Some(Entry::Records(_))));
    member.commit().unwrap();
    for i in 1..5 {
        writer.barrier().unwrap();
        writer.append(&events(i * 10..(i + 1) * 10)).unwrap();
    }
    let all = Retention::of_bytes(1);
    assert_eq!(topic.local().unwrap().retain(&all, false).unwrap().after, vec![Offset(0)]);
    assert!(matches!(member.poll(Duration::ZERO).unwrap(), Some(Entry::Barrier(b)) if b.number == 1));
    member.commit().unwrap();
    while member.poll(Duration::ZERO).unwrap().is_some() {}
    member.commit().unwrap();
    assert_eq!(topic.local().unwrap().retain(&all, false).unwrap().after, vec![Offset(30)]);
}

#[test]
fn a_barrier_that_is_gone_is_told() {
    let dir = folder();
    let topic = Log::open(dir.path()).unwrap().create_topic(config("t", 1)).unwrap();
    let writer = topic.writer().unwrap();
    writer.append(&events(0..10)).unwrap();
    let mut late = topic.reader(P0, Start::Offset(Offset(10)), None).unwrap();
    assert!(late.next().unwrap().is_none());
    writer.barrier().unwrap();
    writer.append(&events(10..20)).unwrap();
    writer.barrier().unwrap();
    writer.append(&events(20..30)).unwrap();
    assert_eq!(topic.local().unwrap().retain(&Retention::of_bytes(1), true).unwrap().after, vec![Offset(10)]);
    let gone = late.next().unwrap_err().to_string();
    let expected =
        "topic 't' partition 0 no longer has barrier 1, which stood before offset 10, the first one left; start there, or at `start`";
    assert_eq!(gone, expected);
}

#[test]
fn checks_and_opening_writers_are_not_disturbed() {
    let dir = folder();
    let topic = Log::open(dir.path()).unwrap().create_topic(keyed_config(1, 2500)).unwrap();
    fill(&topic.writer().unwrap(), 30);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let tidy = scope.spawn(|| {
            let elsewhere = Log::open(dir.path()).unwrap().topic("t").unwrap();
            while !done.load(Ordering::Relaxed) {
                elsewhere.local().unwrap().compact(&COMPACT).unwrap();
                elsewhere.local().unwrap().retain(&Retention::of_bytes(20_000), false).unwrap();
            }
        });
        let check = scope.spawn(|| {
            let elsewhere = Log::open(dir.path()).unwrap().topic("t").unwrap();
            while !done.load(Ordering::Relaxed) {
                let report = elsewhere.local().unwrap().verify().unwrap();
                assert!(report.is_clean(), "{:?}", report.problems);
            }
        });
        for _ in 0..150 {
            let writer = topic.writer().unwrap();
            fill(&writer, 6);
            if tidy.is_finished() || check.is_finished() {
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    let position = topic.end().unwrap();
    assert_eq!(position, Position::new(vec![Offset(30 * 3 + 150 * 18)]));
    assert!(topic.local().unwrap().verify().unwrap().is_clean());
}
