//! What can be asked of a log whose beginning is gone, and of one where nothing can be written.

mod log_common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use log_common::*;
use twopath_base::clock::ManualClock;
use twopath_base::{Offset, PartitionId, Position};
use twopath_log::{Compaction, Durability, Log, LogError, Retention, Start, Topic, TopicConfig};
use twopath_storage::OsStorage;

const P0: PartitionId = PartitionId(0);

fn at(offset: u64) -> Position {
    Position::new(vec![Offset(offset)])
}

/// Segments of one record each.
fn keyed_topic(dir: &Path, records: &[(Option<&str>, Option<i64>)]) -> Topic {
    let topic = Log::open(dir).unwrap().create_topic(keyed_config(1, 1)).unwrap();
    let writer = topic.writer().unwrap();
    records.iter().for_each(|record| drop(writer.append(&rows(&[*record])).unwrap()));
    topic
}

#[test]
fn after_retention_the_log_can_be_asked_from_its_start_on() {
    let dir = folder();
    let (topic, writer) = ten_seconds_of_segments(dir.path());
    writer.close().unwrap();
    assert_eq!((topic.start().unwrap(), topic.since().unwrap()), (at(0), at(0)));
    topic.check_readable(&at(0), &at(0)).unwrap();
    topic.check_readable(&at(0), &at(100)).unwrap();
    topic.local().unwrap().retain(&Retention::of_bytes(1), false).unwrap();
    let start = topic.start().unwrap();
    assert!(start.get(P0) > Offset(0));
    assert_eq!(topic.since().unwrap(), start);
    topic.check_readable(&start, &start).unwrap();
    topic.check_readable(&start, &at(100)).unwrap();
    for (lower, upper) in [(at(0), at(100)), (at(0), at(3)), (at(3), at(3))] {
        let e = topic.check_readable(&lower, &upper).unwrap_err();
        assert!(matches!(&e, LogError::PositionGone { position, .. } if *position == lower), "{e}");
        assert!(e.to_string().contains(&format!("ask for {start} or a later one")), "{e}");
    }
    assert!(matches!(topic.check_readable(&start, &at(101)), Err(LogError::PositionBeyondEnd { .. })));
    let two = Position::zero(2);
    assert!(matches!(topic.check_readable(&two, &two), Err(LogError::PositionShape { given: 2, partitions: 1, .. })));
}

#[test]
fn what_compaction_merged_cannot_be_asked_for() {
    let dir = folder();
    let topic = keyed_topic(dir.path(), &[(Some("a"), Some(1)), (Some("b"), Some(2)), (Some("a"), Some(3)), (Some("c"), Some(4))]);
    topic.check_readable(&at(0), &at(2)).unwrap();
    topic.local().unwrap().compact(&COMPACT).unwrap();
    assert_eq!((topic.start().unwrap(), topic.since().unwrap()), (at(0), at(4)));
    // What is left, from the start; and nothing at all.
    topic.check_readable(&at(0), &at(4)).unwrap();
    topic.check_readable(&at(0), &at(0)).unwrap();
    topic.check_readable(&at(4), &at(4)).unwrap();
    for (lower, upper) in [(0, 3), (2, 4), (1, 2)] {
        let e = topic.check_readable(&at(lower), &at(upper)).unwrap_err();
        assert!(matches!(&e, LogError::PositionCompacted { since, .. } if *since == at(4)), "{lower} to {upper}: {e}");
    }
    // Records that come later are whole.
    topic.writer().unwrap().append(&rows(&[(Some("a"), Some(5)), (Some("d"), Some(6))])).unwrap();
    topic.check_readable(&at(4), &at(5)).unwrap();
    topic.check_readable(&at(0), &at(5)).unwrap();
}

#[test]
fn a_compaction_that_took_nothing_leaves_the_log_whole() {
    let dir = folder();
    let topic = keyed_topic(dir.path(), &[(Some("a"), Some(1)), (Some("b"), Some(2)), (Some("c"), Some(3))]);
    topic.local().unwrap().compact(&COMPACT).unwrap();
    assert_eq!(topic.local().unwrap().compacted_to().unwrap(), at(3));
    assert_eq!(topic.since().unwrap(), at(0));
    topic.check_readable(&at(1), &at(2)).unwrap();
}

#[test]
fn null_is_a_key_like_any_other_and_no_empty_text() {
    let dir = folder();
    let all = [(None, Some(1)), (Some(""), Some(2)), (None, Some(3)), (Some(""), Some(4)), (Some("a"), Some(5)), (None, Some(6))];
    let topic = keyed_topic(dir.path(), &all);
    let report = topic.local().unwrap().compact(&COMPACT).unwrap();
    assert_eq!((report.records_before, report.records_after), (6, 3));
    let left = records(&topic, P0, Start::First);
    assert_eq!(left, [(3, Some(String::new()), Some(4)), (4, Some("a".into()), Some(5)), (5, None, Some(6))]);
    assert!(topic.local().unwrap().verify().unwrap().is_clean());
}

#[test]
fn deletions_age_where_nothing_is_appended_any_more() {
    const SECOND_US: i64 = 1_000_000;
    let dir = folder();
    let clock = Arc::new(ManualClock::at(0));
    let topic = Log::with(Arc::new(OsStorage), clock.clone(), dir.path()).unwrap().create_topic(keyed_config(1, 1)).unwrap();
    let writer = topic.writer().unwrap();
    for record in [(Some("a"), Some(1)), (Some("b"), Some(2)), (Some("a"), None), (None, Some(3)), (None, None)] {
        writer.append(&rows(&[record])).unwrap();
    }
    writer.close().unwrap();
    let options = Compaction { tombstone_age: Duration::from_secs(60), dirty_ratio_min: 0.5, ..COMPACT };
    let compact = || topic.local().unwrap().compact(&options).unwrap();
    clock.set(SECOND_US);
    compact();
    let b = (1, Some("b".to_owned()), Some(2));
    assert_eq!(records(&topic, P0, Start::First), [b.clone(), (2, Some("a".into()), None), (4, None, None)]);
    // Too young still: nothing is done.
    clock.set(60 * SECOND_US);
    assert_eq!((compact().partitions_skipped, compact().tombstones_removed), (1, 0));
    clock.set(62 * SECOND_US);
    assert_eq!(compact().tombstones_removed, 2);
    assert_eq!(records(&topic, P0, Start::First), [b]);
    assert_eq!(compact().partitions_skipped, 1, "and there is nothing left to do");
    assert!(topic.local().unwrap().verify().unwrap().is_clean());
}

#[test]
fn sealing_makes_every_record_part_of_a_finished_segment() {
    let dir = folder();
    for (i, durability) in [Durability::None, Durability::Batch].into_iter().enumerate() {
        let topic = Log::open(dir.path()).unwrap().create_topic(TopicConfig { durability, ..config(&format!("t{i}"), 2) }).unwrap();
        let writer = topic.writer().unwrap();
        writer.append_to(P0, &events(0..10), None).unwrap();
        writer.seal().unwrap();
        writer.seal().unwrap();
        let segments = topic.local().unwrap().segments(P0).unwrap();
        assert_eq!(segments.iter().map(|s| (s.base.0, s.end.0, s.sealed)).collect::<Vec<_>>(), [(0, 10, true), (10, 10, false)]);
        assert_eq!(topic.local().unwrap().segments(PartitionId(1)).unwrap().len(), 1, "one without records is left as it is");
        writer.append_to(P0, &events(10..15), None).unwrap();
        writer.close().unwrap();
        assert_eq!(ids(&read_all(&topic, P0)), (0..15).collect::<Vec<_>>());
        assert!(topic.local().unwrap().verify().unwrap().is_clean());
    }
}

/// Does something as a user who may write nothing here; the superuser may write everywhere, and so becomes another one for the moment.
fn as_another_user<T>(f: impl FnOnce() -> T) -> T {
    const NOBODY: libc::uid_t = 65_534;
    // SAFETY: changes as which user this thread, and no other, is taken by file systems.
    unsafe { libc::setfsuid(NOBODY) };
    let result = f();
    // SAFETY: as above, back to the user that the process is.
    unsafe { libc::setfsuid(libc::geteuid()) };
    result
}

fn set_modes(dir: &Path, of_dirs: u32, of_files: u32) {
    let mut dirs: Vec<PathBuf> = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { fs::set_permissions(&path, fs::Permissions::from_mode(of_files)).unwrap() }
        }
        fs::set_permissions(&dir, fs::Permissions::from_mode(of_dirs)).unwrap();
    }
}

#[test]
fn a_log_where_nothing_can_be_written_can_be_read() {
    for with_tail in [true, false] {
        let dir = folder();
        let log = dir.path().join("log");
        {
            let topic = Log::open(&log).unwrap().create_topic(config("t", 2)).unwrap();
            let writer = topic.writer().unwrap();
            writer.append_to(P0, &events(0..10), None).unwrap();
            writer.barrier().unwrap();
            writer.append_to(P0, &events(10..15), None).unwrap();
            writer.close().unwrap();
            topic.local().unwrap().group_or_new("g").unwrap().seek(Start::Offset(Offset(4))).unwrap_err();
            topic.local().unwrap().group("g").unwrap().seek(Start::First).unwrap();
        }
        if !with_tail {
            fs::remove_file(log.join("t/tail")).unwrap();
        }
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        set_modes(&log, 0o555, 0o444);
        as_another_user(|| {
            assert!(fs::write(log.join("t/tail"), "x").is_err(), "this user can write here, so that nothing is tested");
            let topic = Log::open(&log).unwrap().topic("t").unwrap();
            assert_eq!(topic.end().unwrap(), Position::new(vec![Offset(15), Offset(0)]));
            topic.check_readable(&topic.start().unwrap(), &topic.end().unwrap()).unwrap();
            assert_eq!(ids(&read_all(&topic, P0)), (0..15).collect::<Vec<_>>());
            assert!(topic.hold("a batch run", &topic.start().unwrap()).unwrap().is_none(), "nothing can be held, and reading goes on");
            assert_eq!(topic.barriers().unwrap().len(), 1);
            assert_eq!(topic.local().unwrap().times(P0).unwrap().event_us, Some((0, 14_000)));
            assert_eq!(topic.group_progress("g").unwrap()[0].lag(), 15);
            let report = topic.local().unwrap().verify().unwrap();
            assert!(report.is_clean(), "{:?}", report.problems);
            // One who cannot say that it waits looks by itself.
            let tail = topic.tail().unwrap();
            tail.wait(tail.sequence(), Duration::from_millis(20));
            tail.wake();
            assert!(topic.writer().is_err(), "and nothing can be appended");
        });
        set_modes(&log, 0o755, 0o644);
        let writer = Log::open(&log).unwrap().topic("t").unwrap().writer().unwrap();
        writer.append_to(P0, &events(15..20), None).unwrap();
    }
}
