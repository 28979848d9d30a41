//! Tiering over a server that speaks S3's protocol: `tests/s3/server run` starts one.
#![cfg(feature = "s3")]

mod log_common;

use std::fs;
use std::sync::Arc;

use log_common::*;
use twopath_base::{Offset, PartitionId};
use twopath_log::*;
use twopath_storage::{ObjectError, ObjectStores, Objects, RealStores};

const P0: PartitionId = PartitionId(0);

/// A place of this test's own in the server's bucket, if there is one.
fn place(test: &str) -> Option<String> {
    match std::env::var("TWOPATH_TEST_S3") {
        Ok(bucket) => Some(format!("{bucket}/{test}")),
        Err(_) => {
            println!("SKIPPED: there is no S3 server: run this by `tests/s3/server run COMMAND`");
            None
        }
    }
}

fn offload(to: &str) -> Offload {
    Offload { to: to.into(), older_than: None, keep_local_bytes: None }
}

/// The store of an object, and its name in it.
fn object(segment: &SegmentInfo, to: &str) -> (Arc<dyn Objects>, String) {
    let address = segment.object.as_ref().unwrap();
    (RealStores.open(to).unwrap(), address.strip_prefix(&format!("{to}/")).unwrap().into())
}

#[test]
fn segments_go_to_a_bucket_are_read_and_verified_and_come_back() {
    let Some(to) = place("to and fro") else { return };
    let dir = folder();
    let topic = Log::open(dir.path()).unwrap().create_topic(TopicConfig { segment_bytes: 8192, ..config("t", 2) }).unwrap();
    let writer = topic.writer().unwrap();
    for i in 0..60 {
        writer.append(&events(i * 50..(i + 1) * 50)).unwrap();
    }
    let before: Vec<Vec<i64>> = partition_ids(&topic).map(|p| ids(&read_all(&topic, p))).collect();
    let report = topic.local().unwrap().offload(&offload(&to)).unwrap();
    assert!(report.segments_moved > 10, "{report:?}");
    let again = Log::open(dir.path()).unwrap().topic("t").unwrap();
    let found: Vec<Vec<i64>> = partition_ids(&again).map(|p| ids(&read_all(&again, p))).collect();
    assert_eq!(found, before);
    let Some(Entry::Records(records)) = again.reader(P0, Start::Offset(Offset(75)), None).unwrap().next().unwrap() else { panic!() };
    assert_eq!(records.base, Offset(75));
    let verified = again.local().unwrap().verify().unwrap();
    assert!(verified.is_clean() && verified.segments_remote == report.segments_moved, "{:?}", verified.problems);
    let first = topic.local().unwrap().segments(P0).unwrap().remove(0);
    let (objects, name) = object(&first, &to);
    assert_eq!(objects.len(&name).unwrap(), first.bytes);
    let gone = topic.local().unwrap().retain(&Retention::of_bytes(topic.bytes().unwrap() / 2), false).unwrap();
    assert!(gone.segments_removed > 0 && gone.objects_left == 0);
    assert_eq!(objects.len(&name), Err(ObjectError::Missing));
    objects.delete(&name).unwrap();
    let starts = topic.start().unwrap();
    let (left, back) = (topic.bytes().unwrap(), topic.local().unwrap().recall().unwrap());
    assert_eq!((back.segments_moved, back.objects_left), (report.segments_moved - gone.segments_removed, 0));
    assert_eq!(topic.bytes().unwrap(), left);
    for (p, before) in partition_ids(&topic).zip(before) {
        assert_eq!(ids(&read_all(&topic, p)), before[starts.get(p).0 as usize..]);
    }
    assert!(topic.local().unwrap().verify().unwrap().is_clean());
}

#[test]
fn a_large_segment_goes_in_parts() {
    let Some(to) = place("large") else { return };
    let dir = folder();
    let topic = Log::open(dir.path()).unwrap().create_topic(TopicConfig { segment_bytes: 40 << 20, ..config("t", 1) }).unwrap();
    let writer = topic.writer().unwrap();
    let mut rows = 0;
    while topic.local().unwrap().segments(P0).unwrap().len() < 3 {
        writer.append(&events(rows..rows + 50_000)).unwrap();
        rows += 50_000;
    }
    let report = topic.local().unwrap().offload(&offload(&to)).unwrap();
    assert!(report.segments_moved == 1 && report.bytes_moved > 40 << 20, "{report:?}");
    let again = Log::open(dir.path()).unwrap().topic("t").unwrap();
    assert_eq!(ids(&read_all(&again, P0)), (0..rows).collect::<Vec<_>>());
    assert_eq!(topic.local().unwrap().recall().unwrap().objects_left, 0);
}

#[test]
fn damage_in_a_bucket_is_named() {
    let Some(to) = place("damage") else { return };
    let dir = folder();
    let topic = Log::open(dir.path()).unwrap().create_topic(TopicConfig { segment_bytes: 8192, ..config("t", 1) }).unwrap();
    let writer = topic.writer().unwrap();
    for i in 0..20 {
        writer.append(&events(i * 50..(i + 1) * 50)).unwrap();
    }
    topic.local().unwrap().offload(&offload(&to)).unwrap();
    let segment = topic.local().unwrap().segments(P0).unwrap().remove(1);
    let (objects, name) = object(&segment, &to);
    let address = segment.object.clone().unwrap();
    let whole = objects.get(&name, 0..segment.bytes).unwrap();
    let problems = || {
        let _ = fs::remove_dir_all(dir.path().join("t/cache"));
        let again = Log::open(dir.path()).unwrap().topic("t").unwrap();
        let error = again.reader(P0, Start::Offset(segment.base), None).and_then(|mut r| r.next()).err().unwrap().to_string();
        assert!(error.starts_with(&address) && error.contains("twopath log verify"), "{error}");
        let problems = again.local().unwrap().verify().unwrap().problems;
        assert!(!problems.is_empty() && problems.iter().all(|p| p.path.to_str() == Some(&address)), "{problems:?}");
        problems
    };
    let mut changed = whole.clone();
    changed[3000] ^= 1;
    objects.put(&name, changed.into()).unwrap();
    assert!(problems()[0].offset <= 3000);
    objects.put(&name, whole[..4000].to_vec().into()).unwrap();
    assert!(problems().iter().any(|p| p.offset == 4000));
    objects.delete(&name).unwrap();
    assert_eq!(problems()[0].what, "the object is missing");
    objects.put(&name, whole.into()).unwrap();
    assert!(topic.local().unwrap().verify().unwrap().is_clean());
    // What is not there, or not allowed, is said with its address.
    let error = topic.local().unwrap().offload(&offload("s3://no-such-bucket/x"));
    assert!(error.is_ok_and(|report| report.segments_moved == 0), "nothing is left to move");
    writer.append(&events(1000..2000)).unwrap();
    let error = topic.local().unwrap().offload(&offload("s3://no-such-bucket/x")).unwrap_err().to_string();
    assert!(error.starts_with("could not write s3://no-such-bucket/x/t-") && error.contains("bucket"), "{error}");
    assert_eq!(ids(&read_all(&topic, P0)), (0..2000).collect::<Vec<_>>());
}
