//! How a writer mends a tail that was torn when the one before it died.
//!
//! The rule: what ends early is cut away with a warning, because nobody was told that it was there; what is damaged, with
//! good frames or an acknowledgement after it, is an error, never silently dropped.

use std::io::IoSlice;
use std::path::Path;

use twopath_base::{Offset, PartitionId};

use crate::config::Durability;
use crate::error::LogError;
use crate::format::scan::{Found, Trailing, known_synced, scan};
use crate::format::segment::{self, Ends, Head};
use crate::partition::state::{TopicState, retrying};
use crate::partition::writer::PartitionWriter;
use crate::records::Barrier;
use twopath_base::checksum::crc32c;

/// Opens a partition for appending: checks the sequence of its segments, mends the last one, and gathers what producers sent.
/// With it comes the barrier that its last frame is, if it is one.
pub(crate) fn recover(topic: &TopicState, partition: PartitionId) -> Result<(PartitionWriter, Option<Barrier>), LogError> {
    // Housekeeping may go on meanwhile. It leaves the last segment alone.
    let (last, before) = retrying(topic, partition, || {
        let bases = topic.bases(partition)?;
        let last = *bases.last().expect("`bases` gives at least one");
        if topic.segment(partition, last).remote.is_some() {
            return Err(LogError::corrupt(&topic.partition_dir(partition), 0, "the partition's last segment is missing"));
        }
        check_chain(topic, partition, &bases)?;
        Ok((last, topic.before(partition, &bases, last)?))
    })?;
    let path = topic.segment(partition, last).path.clone();
    let bytes = topic.storage.read(&path).map_err(LogError::io("read", &path))?;
    let found = scan(&topic.meta, partition, &before, &path, &bytes)?;
    found.refuse_damage(&topic.meta, &path, &bytes)?;
    refuse_lost_acknowledgement(topic, partition, last, &found, &path, bytes.len() as u64)?;

    let arrival_us = if found.summary.frames > 0 { found.summary.arrival_us.1 } else { before.arrival_us };
    let sealed = found.trailing == Trailing::Seal;
    if sealed {
        // The writer died between sealing a segment and making the next, and perhaps before the seal was on the disk.
        if topic.meta.config.durability != Durability::None {
            let head_len = found.head.map_or(0, |h| h.len);
            let synced = known_synced(&bytes, head_len, found.frames_end);
            let file = topic.storage.open_append(&path).map_err(LogError::io("open", &path))?;
            topic.storage.write_again(&path, synced, bytes.len() as u64).map_err(LogError::io("write again", &path))?;
            file.sync_data().map_err(LogError::io("sync", &path))?;
        }
        let writer = PartitionWriter::create(topic, partition, found.summary.next(), found.notes.producers, arrival_us)?;
        return Ok((writer, found.last_barrier));
    }
    let file = topic.storage.open_append(&path).map_err(LogError::io("open", &path))?;
    if found.frames_end < bytes.len() as u64 {
        let lost_bytes = bytes.len() as u64 - found.frames_end;
        let warn = |what| tracing::warn!(file = %path.display(), offset = found.frames_end, lost_bytes, "cut a torn tail away: {what}");
        match found.trailing {
            Trailing::Preallocated => {}
            Trailing::Torn(what) => warn(what),
            _ => warn("the segment's seal or head is incomplete"),
        }
        file.truncate(found.frames_end).map_err(LogError::io("cut the torn tail of", &path))?;
    }
    let head = match found.head {
        Some(head) => head,
        None => {
            let head = segment::head(&topic.meta.config.schema);
            file.append(&[IoSlice::new(&head)]).map_err(LogError::io("write", &path))?;
            Head { len: head.len() as u64, crc: crc32c(&head) }
        }
    };
    if topic.meta.config.durability != Durability::None {
        let end = found.frames_end.max(head.len);
        let synced = known_synced(&bytes, head.len, found.frames_end);
        topic.storage.write_again(&path, synced, end).map_err(LogError::io("write again", &path))?;
        file.sync_data().map_err(LogError::io("sync", &path))?;
        let dir = topic.partition_dir(partition);
        topic.storage.sync_dir(&dir).map_err(LogError::io("sync", &dir))?;
    }
    let barrier = found.last_barrier.clone();
    let mut writer = PartitionWriter::resume(topic, partition, last, file, head, found, arrival_us)?;
    // A crash before a finished sealing: the segment was to be sealed, and now is.
    if writer.was_being_sealed {
        writer.roll(topic)?;
    }
    Ok((writer, barrier))
}

/// Looks at the first frame and the seal of every segment before the last one: they must be this partition's, and follow one another.
/// What stands between is checked by those who read it.
fn check_chain(topic: &TopicState, partition: PartitionId, bases: &[Offset]) -> Result<(), LogError> {
    let mut generation = topic.generation_at(partition, bases, bases[0])?;
    for pair in bases.windows(2) {
        let segment = topic.segment(partition, pair[0]);
        let Ends { head, first, summary } = segment.ends()?;
        let path = &segment.path;
        let identity = topic.identity(partition, head.crc);
        first.check(&identity, pair[0], generation).map_err(|what| LogError::corrupt(path, head.len, what))?;
        if summary.end != pair[1] {
            let what = format!("the segment ends at offset {}, and the next one starts at {}", summary.end, pair[1]);
            return Err(LogError::corrupt(path, 0, what));
        }
        generation = summary.generation;
    }
    Ok(())
}

/// Whole bytes that were acknowledged in this boot, and no longer are a good frame, were damaged later. (A file that is too short for
/// them was cut, and is treated as any torn tail, with a warning.)
fn refuse_lost_acknowledgement(
    topic: &TopicState,
    partition: PartitionId,
    base: Offset,
    found: &Found,
    path: &Path,
    file_len: u64,
) -> Result<(), LogError> {
    topic.tell_what_is_gone(partition, base, found.summary.end, path);
    let committed = topic.tail.committed(partition);
    if let Some(committed) = committed.filter(|c| c.base > base) {
        let missing = topic.segment(partition, committed.base);
        return Err(LogError::corrupt(&missing.path, 0, "the partition's last segment is missing"));
    }
    let Some(committed) = committed.filter(|c| c.base == base && c.bytes > found.frames_end) else {
        return Ok(());
    };
    let damage = match found.trailing {
        Trailing::Torn(what) => Some(what),
        Trailing::Preallocated => Some("the frame is nothing but zeros"),
        Trailing::Nothing | Trailing::Seal | Trailing::TornSeal => None,
    };
    if let (Some(what), true) = (damage, file_len >= committed.bytes) {
        return Err(LogError::corrupt(path, found.frames_end, format!("{what}, though it was acknowledged")));
    }
    let lost = committed.end.0 - found.summary.end.0;
    tracing::warn!(file = %path.display(), offset = found.frames_end, lost, "the file is shorter than it was: acknowledged records are gone");
    Ok(())
}
