//! Where each frame is synced, a segment's file has zeros after its last frame: room for the frames to come.

mod log_common;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log_common::*;
use twopath_base::clock::SystemClock;
use twopath_base::{Offset, PartitionId};
use twopath_log::*;
use twopath_storage::FaultyStorage;

const P0: PartitionId = PartitionId(0);

fn synced(name: &str) -> TopicConfig {
    TopicConfig { durability: Durability::Batch, ..narrow_config(name) }
}

/// A topic with two acknowledged frames of five records whose writer has died, so that it did not give its room back; its active segment, and how many
/// bytes of that were committed after each.
fn died(dir: &Path) -> (Topic, PathBuf, [u64; 2]) {
    let storage = FaultyStorage::default();
    let log = Log::with(Arc::new(storage.clone()), Arc::new(SystemClock), dir).unwrap();
    let topic = log.create_topic(synced("t")).unwrap();
    let writer = topic.writer().unwrap();
    let appended = |ids| {
        writer.append(&narrow(ids)).unwrap();
        topic.local().unwrap().segments(P0).unwrap()[0].bytes
    };
    let ends = [appended(0..5), appended(5..10)];
    storage.crash_after_bytes(0);
    writer.append(&narrow(10..15)).unwrap_err();
    drop(writer);
    let topic = Log::open(dir).unwrap().topic("t").unwrap();
    let segment = topic.local().unwrap().segments(P0).unwrap().swap_remove(0);
    assert_eq!(segment.bytes, ends[1]);
    (topic, segment.path, ends)
}

fn records(topic: &Topic) -> Vec<i64> {
    ids(&read_all(topic, P0))
}

#[test]
fn room_is_neither_read_nor_reported_and_the_next_writer_takes_it() {
    for with_tail in [true, false] {
        let dir = folder();
        let (topic, path, [_, committed]) = died(dir.path());
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.len() as u64 > committed, "there is no room");
        assert!(bytes[committed as usize..].iter().all(|b| *b == 0));
        if !with_tail {
            fs::remove_file(dir.path().join("t").join("tail")).unwrap();
        }
        let fresh = Log::open(dir.path()).unwrap().topic("t").unwrap();
        assert_eq!(fresh.end().unwrap().get(P0), Offset(10));
        assert_eq!(fresh.bytes().unwrap(), committed);
        assert_eq!(records(&fresh), (0..10).collect::<Vec<_>>());
        let report = fresh.local().unwrap().verify().unwrap();
        assert!(report.is_clean(), "{report:?}");
        drop(topic);
        let writer = fresh.writer().unwrap();
        writer.append(&narrow(10..15)).unwrap();
        assert_eq!(records(&fresh), (0..15).collect::<Vec<_>>());
        assert!(fresh.local().unwrap().verify().unwrap().is_clean());
        writer.close().unwrap();
        let segment = fresh.local().unwrap().segments(P0).unwrap().swap_remove(0);
        assert_eq!(fs::metadata(&path).unwrap().len(), segment.bytes, "closing gives the room back");
    }
}

#[test]
fn a_sealed_segment_has_no_room() {
    let dir = folder();
    let topic = Log::open(dir.path()).unwrap().create_topic(synced("t")).unwrap();
    let writer = topic.writer().unwrap();
    writer.append(&narrow(0..5)).unwrap();
    writer.barrier().unwrap();
    let sealed = topic.local().unwrap().segments(P0).unwrap().swap_remove(0);
    assert!(sealed.sealed);
    assert!(fs::read(&sealed.path).unwrap().ends_with(b"ARROW1"));
    assert!(topic.local().unwrap().verify().unwrap().is_clean());
}

#[test]
fn what_is_not_zero_in_the_room_is_reported() {
    let dir = folder();
    let (topic, path, [_, committed]) = died(dir.path());
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[1], committed + 100).unwrap();
    let report = topic.local().unwrap().verify().unwrap();
    assert_eq!(report.problems.len(), 1, "{report:?}");
    assert_eq!((&report.problems[0].path, report.problems[0].offset), (&path, committed));
}

#[test]
fn an_acknowledged_frame_of_zeros_is_damage_and_not_room() {
    let dir = folder();
    let (topic, path, [first, committed]) = died(dir.path());
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&vec![0; (committed - first) as usize], first).unwrap();
    let report = topic.local().unwrap().verify().unwrap();
    assert!(report.problems.iter().any(|p| p.offset == first), "{report:?}");
    let error = topic.writer().err().unwrap().to_string();
    assert!(error.contains("nothing but zeros, though it was acknowledged"), "{error}");
}
