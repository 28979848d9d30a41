//! What a segment's file really holds, and how a writer mends a tail that was torn when the one before it died.
//!
//! The rule: what ends early is cut away with a warning, because nobody was told that it was there; what is damaged, with
//! good frames or an acknowledgement after it, is an error, never silently dropped.

use std::collections::HashMap;
use std::io::IoSlice;
use std::path::Path;

use arrow_ipc::Block;

use crate::position::{Offset, PartitionId};

use super::checksum::crc32c;
use super::error::LogError;
use super::frame::{ALIGN_BYTES, HEADER_BYTES, Header, Kind, parse_barrier};
use super::partition_writer::PartitionWriter;
use super::reader::Walk;
use super::segment::{self, Head, Summary};
use super::topic::Shared;
use super::{Barrier, Durability};

/// What follows a segment's last good frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    Nothing,
    /// A whole seal.
    Seal,
    /// The start of a seal.
    TornSeal,
    /// Bytes that are no frame, and why.
    Torn(&'static str),
}

pub(crate) struct Found {
    /// `None` if the file ends before the head does, or holds nothing but a head that is not this schema's.
    pub head: Option<Head>,
    pub summary: Summary,
    pub blocks: Vec<Block>,
    /// The last (sequence, offset) of each producer in this segment.
    pub producers: HashMap<u64, (u64, Offset)>,
    /// The barrier that the last frame is, if it is one.
    pub last_barrier: Option<Barrier>,
    /// Where the last good frame ends.
    pub frames_end: u64,
    pub rest: Rest,
}

/// The Arrow footer's entry for the frame at `pos`.
pub(crate) fn block(pos: u64, header: &Header) -> Block {
    let body_len = header.body_len - u64::from(header.metadata_len);
    Block::new((pos + HEADER_BYTES) as i64, header.metadata_len as i32, body_len as i64)
}

/// Reads a segment from its first byte to the first that is not part of a good frame. Frames that are whole but do not belong here are an error.
pub(crate) fn scan(
    topic: &Shared,
    partition: PartitionId,
    base: Offset,
    generation: u64,
    path: &Path,
    bytes: &[u8],
) -> Result<Found, LogError> {
    let mut found = Found {
        head: None,
        summary: Summary::empty(base, generation),
        blocks: Vec::new(),
        producers: HashMap::new(),
        last_barrier: None,
        frames_end: 0,
        rest: Rest::Nothing,
    };
    let expected_head = segment::head(&topic.config.schema);
    if bytes.len() < expected_head.len() && expected_head.starts_with(bytes) {
        return Ok(found);
    }
    let head = Head::read(bytes).map_err(|what| LogError::corrupt(path, 0, what))?;
    if bytes.len() as u64 == head.len && bytes != expected_head {
        return Ok(found);
    }
    found.head = Some(head);
    found.frames_end = head.len;
    let identity = topic.identity(partition, head.crc);
    loop {
        let pos = found.frames_end;
        let rest = &bytes[pos as usize..];
        if rest.is_empty() {
            return Ok(found);
        }
        if segment::is_seal(rest) {
            found.rest = if segment::parse_seal(rest) == Ok(found.summary) { Rest::Seal } else { Rest::TornSeal };
            return Ok(found);
        }
        let header = match Header::decode(rest) {
            Ok(header) if header.frame_len() > rest.len() as u64 => {
                found.rest = Rest::Torn("the file ends inside a frame");
                return Ok(found);
            }
            Ok(header) => header,
            Err(what) => {
                found.rest = Rest::Torn(what);
                return Ok(found);
            }
        };
        let belongs = header.check(&identity, found.summary.end, found.summary.generation);
        belongs.map_err(|what| LogError::corrupt(path, pos, what))?;
        if let Err(what) = segment::check_body(rest, &header) {
            found.rest = Rest::Torn(what);
            return Ok(found);
        }
        found.last_barrier = match header.kind {
            Kind::Records => {
                found.blocks.push(block(pos, &header));
                None
            }
            Kind::Barrier => {
                let barrier = parse_barrier(&rest[HEADER_BYTES as usize..header.frame_len() as usize], topic.partitions());
                Some(barrier.ok_or_else(|| LogError::corrupt(path, pos, "the frame is not a barrier of this topic"))?)
            }
        };
        if let Some((producer, sequence)) = header.producer {
            found.producers.insert(producer, (sequence, header.base));
        }
        found.summary.add(&header);
        found.frames_end = pos + header.frame_len();
    }
}

/// Where in `bytes`, after `pos`, a good frame header of this topic stands.
pub(crate) fn later_frame(topic: &Shared, bytes: &[u8], pos: u64) -> Option<u64> {
    let first = (pos + 1).next_multiple_of(ALIGN_BYTES);
    (first..bytes.len() as u64)
        .step_by(ALIGN_BYTES as usize)
        .find(|&at| Header::decode(&bytes[at as usize..]).is_ok_and(|header| header.identity.topic_id == topic.id))
}

impl Found {
    /// An error if good frames follow the place where the good ones end: then that is damage, and not a torn tail.
    pub fn refuse_damage(&self, topic: &Shared, path: &Path, bytes: &[u8]) -> Result<(), LogError> {
        let what = match self.rest {
            Rest::Nothing | Rest::Seal => return Ok(()),
            Rest::TornSeal => "the checksum of the segment's seal does not fit it",
            Rest::Torn(what) => what,
        };
        match later_frame(topic, bytes, self.frames_end) {
            Some(at) => Err(LogError::corrupt(path, self.frames_end, format!("{what}, and good frames follow at byte {at}"))),
            None => Ok(()),
        }
    }
}

/// Opens a partition for appending: checks the sequence of its segments, mends the last one, and gathers what producers sent.
/// With it comes the barrier that its last frame is, if it is one.
pub(crate) fn recover(topic: &Shared, partition: PartitionId) -> Result<(PartitionWriter, Option<Barrier>), LogError> {
    let mut bases = topic.bases(partition)?;
    let mut producers = HashMap::new();
    let mut arrival_us = i64::MIN;
    let mut last = *bases.last().expect("`bases` gives at least one");
    let generation = before(topic, partition, &bases, last, &mut producers, &mut arrival_us)?;
    let path = topic.segment(partition, last).path.clone();
    let bytes = topic.storage.read(&path).map_err(LogError::io("read", &path))?;
    let found = scan(topic, partition, last, generation, &path, &bytes)?;
    found.refuse_damage(topic, &path, &bytes)?;
    refuse_lost_acknowledgement(topic, partition, last, &found, &path, bytes.len() as u64)?;

    producers.extend(found.producers.iter().map(|(k, v)| (*k, *v)));
    if found.summary.frames > 0 {
        arrival_us = found.summary.arrival_us.1;
    }
    let sealed = found.rest == Rest::Seal;
    if sealed {
        // The writer died between sealing a segment and making the next.
        last = found.summary.end;
        bases.push(last);
        let writer = PartitionWriter::create(topic, partition, last, found.summary.generation, producers, arrival_us)?;
        return Ok((writer, found.last_barrier));
    }
    let file = topic.storage.open_append(&path).map_err(LogError::io("open", &path))?;
    if found.frames_end < bytes.len() as u64 {
        let what = match found.rest {
            Rest::Torn(what) => what,
            _ => "the segment's seal or head is incomplete",
        };
        let lost_bytes = bytes.len() as u64 - found.frames_end;
        tracing::warn!(file = %path.display(), offset = found.frames_end, lost_bytes, "cut a torn tail away: {what}");
        file.truncate(found.frames_end).map_err(LogError::io("cut the torn tail of", &path))?;
    }
    let head = match found.head {
        Some(head) => head,
        None => {
            let head = segment::head(&topic.config.schema);
            file.append(&[IoSlice::new(&head)]).map_err(LogError::io("write", &path))?;
            Head { len: head.len() as u64, crc: crc32c(&head) }
        }
    };
    if topic.config.durability != Durability::None {
        file.sync_data().map_err(LogError::io("sync", &path))?;
    }
    let barrier = found.last_barrier.clone();
    let mut writer = PartitionWriter::resume(topic, partition, last, file, head, found, producers, arrival_us)?;
    // A crash before a finished sealing: the segment was to be sealed, and now is.
    if writer.was_being_sealed {
        writer.roll(topic)?;
    }
    Ok((writer, barrier))
}

/// Walks all segments before the last one by their headers: they must be sealed and follow one another.
fn before(
    topic: &Shared,
    partition: PartitionId,
    bases: &[Offset],
    last: Offset,
    producers: &mut HashMap<u64, (u64, Offset)>,
    arrival_us: &mut i64,
) -> Result<u64, LogError> {
    let mut generation = 0;
    for pair in bases.windows(2) {
        let mut walk = Walk::sealed(topic, partition, pair[0], generation)?;
        while let Some((_, header)) = walk.next_in_segment(topic)? {
            if let Some((producer, sequence)) = header.producer {
                producers.insert(producer, (sequence, header.base));
            }
            *arrival_us = header.arrival_us;
        }
        if walk.offset != pair[1] {
            let what = format!("the segment ends at offset {}, and the next one starts at {}", walk.offset, pair[1]);
            return Err(LogError::corrupt(&walk.segment.path, walk.pos, what));
        }
        generation = walk.generation;
    }
    assert!(bases.last() == Some(&last));
    Ok(generation)
}

/// Whole bytes that were acknowledged in this boot, and no longer are a good frame, were damaged later. (A file that is too short for
/// them was cut, and is treated as any torn tail, with a warning.)
fn refuse_lost_acknowledgement(
    topic: &Shared,
    partition: PartitionId,
    base: Offset,
    found: &Found,
    path: &Path,
    file_len: u64,
) -> Result<(), LogError> {
    let committed = topic.tail.committed(partition);
    if let Some(committed) = committed.filter(|c| c.base > base) {
        let missing = topic.segment(partition, committed.base);
        return Err(LogError::corrupt(&missing.path, 0, "the partition's last segment is missing"));
    }
    let Some(committed) = committed.filter(|c| c.base == base && c.bytes > found.frames_end) else {
        return Ok(());
    };
    if let (Rest::Torn(what), true) = (found.rest, file_len >= committed.bytes) {
        return Err(LogError::corrupt(path, found.frames_end, format!("{what}, though it was acknowledged")));
    }
    let lost = committed.end.0 - found.summary.end.0;
    tracing::warn!(file = %path.display(), offset = found.frames_end, lost, "the file is shorter than it was: acknowledged records are gone");
    Ok(())
}
