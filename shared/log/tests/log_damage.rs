//! What a torn, flipped, swapped or missing file comes to: found again, or named; never passed over.

mod log_common;

use std::fs;
use std::path::{Path, PathBuf};

use log_common::*;
use twopath_base::{Offset, PartitionId};
use twopath_log::*;

const P0: PartitionId = PartitionId(0);

/// Two sealed segments, then an active one with three frames: 90 records in all.
fn small_topic(dir: &Path) {
    let topic = Log::open(dir).unwrap().create_topic(narrow_config("t")).unwrap();
    let writer = topic.writer().unwrap();
    writer.append(&narrow(0..20)).unwrap();
    writer.append(&narrow(20..40)).unwrap();
    writer.barrier().unwrap();
    writer.append(&narrow(40..60)).unwrap();
    writer.barrier().unwrap();
    writer.append(&narrow(60..70)).unwrap();
    writer.append(&narrow(70..80)).unwrap();
    writer.append(&narrow(80..90)).unwrap();
}

fn open(dir: &Path) -> Topic {
    Log::open(dir).unwrap().topic("t").unwrap()
}

fn segment_paths(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir.join("t/p0")).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths
}

/// A copy, in which the tail counts for nothing: as after a reboot.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("t/p0")).unwrap();
    for name in ["topic.json", "tail", "lock"] {
        fs::copy(from.join("t").join(name), to.join("t").join(name)).unwrap();
    }
    for path in segment_paths(from) {
        fs::copy(&path, to.join("t/p0").join(path.file_name().unwrap())).unwrap();
    }
}

fn try_read(topic: &Topic) -> Result<Vec<i64>, LogError> {
    let mut reader = topic.reader(P0, Start::First, None)?;
    let mut read = Vec::new();
    while let Some(entry) = reader.next()? {
        if let Entry::Records(records) = entry {
            read.extend(ids(&[records.batch]));
        }
    }
    Ok(read)
}

/// Where the frames of a file start: known from the magic, which these events do not contain.
fn frame_starts(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len()).step_by(64).filter(|&at| bytes[at..].starts_with(b"2PFR")).collect()
}

#[test]
fn a_copy_reads_as_its_original() {
    let (dir, other) = (folder(), folder());
    small_topic(dir.path());
    copy(dir.path(), other.path());
    let topic = open(other.path());
    assert_eq!(try_read(&topic).unwrap(), (0..90).collect::<Vec<_>>());
    assert_eq!(topic.tail().unwrap().end(P0), Offset(90));
    assert_eq!(topic.barriers().unwrap().len(), 2);
    let end = topic.reader(P0, Start::End, None).unwrap();
    assert_eq!((end.offset(), end.generation()), (Offset(90), 2));
    assert!(topic.local().unwrap().verify().unwrap().is_clean());
    topic.writer().unwrap().append(&narrow(90..95)).unwrap();
    assert_eq!(try_read(&topic).unwrap(), (0..95).collect::<Vec<_>>());
}

#[test]
fn a_tail_torn_at_any_byte_of_the_last_frame_is_cut_away() {
    let dir = folder();
    small_topic(dir.path());
    let active = segment_paths(dir.path()).pop().unwrap();
    let whole = fs::read(&active).unwrap();
    let last = *frame_starts(&whole).last().unwrap();
    for cut in last..whole.len() {
        // As after a crash of the machine: readers go by the frames.
        let other = folder();
        copy(dir.path(), other.path());
        let active = segment_paths(other.path()).pop().unwrap();
        fs::OpenOptions::new().write(true).open(&active).unwrap().set_len(cut as u64).unwrap();
        let topic = open(other.path());
        assert_eq!(try_read(&topic).unwrap(), (0..80).collect::<Vec<_>>(), "cut at {cut}");
        // Also where it is cut at the frame's start: the tail that was copied with it knows of more.
        assert!(!topic.local().unwrap().verify().unwrap().is_clean(), "cut at {cut}");
        let writer = topic.writer().unwrap();
        writer.append(&narrow(80..85)).unwrap();
        assert_eq!(try_read(&topic).unwrap(), (0..85).collect::<Vec<_>>(), "cut at {cut}");
        assert!(topic.local().unwrap().verify().unwrap().is_clean(), "cut at {cut}");
    }
    for cut in (last..whole.len()).step_by(13) {
        // Where the tail says that more was acknowledged, reading is refused until a writer has mended it.
        fs::write(&active, &whole[..cut]).unwrap();
        let topic = open(dir.path());
        assert!(try_read(&topic).unwrap_err().to_string().contains("were committed"), "cut at {cut}");
        assert!(!topic.local().unwrap().verify().unwrap().is_clean(), "cut at {cut}");
        drop(topic.writer().unwrap());
        assert_eq!(try_read(&topic).unwrap(), (0..80).collect::<Vec<_>>(), "cut at {cut}");
        topic.writer().unwrap().append(&narrow(80..90)).unwrap();
    }
}

#[test]
fn a_writer_never_drops_what_was_acknowledged() {
    let dir = folder();
    small_topic(dir.path());
    let path = segment_paths(dir.path()).pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, &bytes).unwrap();
        let error = open(dir.path()).writer().err().unwrap_or_else(|| panic!("a writer passes over byte {at} of {}", path.display()));
        assert!(error.to_string().contains(&path.display().to_string()), "byte {at}: {error}");
        bytes[at] ^= 1 << (at % 8);
    }
    fs::write(&path, &bytes).unwrap();
    assert_eq!(try_read(&open(dir.path())).unwrap(), (0..90).collect::<Vec<_>>());
}

#[test]
fn without_a_tail_a_flipped_byte_is_never_passed_over_as_data() {
    let dir = folder();
    small_topic(dir.path());
    let whole = folder();
    copy(dir.path(), whole.path());
    let path = segment_paths(whole.path()).pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let last = *frame_starts(&bytes).last().unwrap();
    for at in 0..bytes.len() {
        bytes[at] ^= 4;
        fs::write(&path, &bytes).unwrap();
        let topic = open(whole.path());
        match try_read(&topic) {
            // Damage in the last frame cannot be told from a torn write: then it counts as one.
            Ok(read) => assert!(at >= last && read == (0..80).collect::<Vec<_>>(), "byte {at}"),
            Err(e) => assert!(at < last, "byte {at}: {e}"),
        }
        assert!(!topic.local().unwrap().verify().unwrap().is_clean(), "byte {at}");
        bytes[at] ^= 4;
    }
}

#[test]
fn a_damaged_frame_in_the_middle_is_an_error_for_the_writer_too() {
    let dir = folder();
    small_topic(dir.path());
    let other = folder();
    copy(dir.path(), other.path());
    let active = segment_paths(other.path()).pop().unwrap();
    let mut bytes = fs::read(&active).unwrap();
    let first = frame_starts(&bytes)[0];
    bytes[first + 200] ^= 1;
    fs::write(&active, &bytes).unwrap();
    let error = open(other.path()).writer().err().unwrap().to_string();
    assert!(error.contains(&format!("byte {first}: the checksum of a frame's body does not fit it, and good frames follow")), "{error}");
    assert!(error.contains(&active.display().to_string()), "{error}");
    assert_eq!(fs::read(&active).unwrap(), bytes, "nothing was cut away");
}

#[test]
fn swapped_foreign_duplicated_and_missing_segments_are_detected() {
    let dir = folder();
    small_topic(dir.path());
    let paths = segment_paths(dir.path());
    let contents: Vec<_> = paths.iter().map(|p| fs::read(p).unwrap()).collect();
    let foreign = folder();
    small_topic(foreign.path());
    let foreign = fs::read(&segment_paths(foreign.path())[0]).unwrap();

    let check = |what: &str, words: &str| {
        let topic = open(dir.path());
        let error = try_read(&topic).unwrap_err().to_string();
        assert!(error.contains(words), "{what}: {error}");
        assert!(!topic.local().unwrap().verify().unwrap().is_clean(), "{what}");
        assert!(topic.writer().is_err(), "{what}");
        for (path, bytes) in paths.iter().zip(&contents) {
            fs::write(path, bytes).unwrap();
        }
    };
    fs::write(&paths[0], &contents[1]).unwrap();
    fs::write(&paths[1], &contents[0]).unwrap();
    check("swapped", "a frame for offset 0 must follow");
    fs::write(&paths[0], &foreign).unwrap();
    check("foreign", "another topic");
    fs::write(&paths[1], &contents[0]).unwrap();
    check("duplicated", "a frame for offset 40 must follow");
    fs::write(&paths[0], &contents[0][..contents[0].len() - 40]).unwrap();
    check("cut short", "footer");
    fs::remove_file(&paths[1]).unwrap();
    check("missing", "00000000000000000040.arrow");
    fs::remove_file(&paths[2]).unwrap();
    check("last missing", "00000000000000000060.arrow");
    fs::remove_file(&paths[0]).unwrap();
    check("first missing", "the partition's first segment is missing");
    assert!(open(dir.path()).local().unwrap().verify().unwrap().is_clean());
}
