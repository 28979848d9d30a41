//! What a segment's file really holds, and how a writer mends a tail that was torn when the one before it died.
//!
//! The rule: what ends early is cut away with a warning, because nobody was told that it was there; what is damaged, with
//! good frames or an acknowledgement after it, is an error, never silently dropped.

use std::io::IoSlice;
use std::path::Path;

use arrow_ipc::Block;

use twopath_base::{Offset, PartitionId};

use super::error::LogError;
use super::frame::{ALIGN_BYTES, HEADER_BYTES, Header, Kind, parse_barrier};
use super::partition_writer::PartitionWriter;
use super::producer::Producers;
use super::reader::retrying;
use super::segment::{self, Ends, Head, Notes, Summary};
use super::topic::Shared;
use super::{Barrier, Durability};
use twopath_base::checksum::crc32c;

/// What follows a segment's last good frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    Nothing,
    /// Zeros: room that a writer made for frames to come, and did not give back.
    Room,
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
    /// What its seal says, or will say, beside the summary.
    pub notes: Notes,
    /// The barrier that the last frame is, if it is one.
    pub last_barrier: Option<Barrier>,
    /// Where the last good frame ends.
    pub frames_end: u64,
    pub rest: Rest,
}

/// The Arrow footer's entry for the frame at `pos`.
pub(crate) fn block(pos: u64, header: &Header) -> Block {
    let body_len = header.body_len - u64::from(header.metadata_len) - header.offsets_len();
    Block::new((pos + HEADER_BYTES) as i64, header.metadata_len as i32, body_len as i64)
}

/// The same, counted from the start of the frame's body.
pub(crate) fn block_in_frame(header: &Header) -> Block {
    Block::new(0, header.metadata_len as i32, (header.body_len - u64::from(header.metadata_len) - header.offsets_len()) as i64)
}

/// Reads a segment from its first byte to the first that is not part of a good frame. Frames that are whole but do not belong here are an error.
pub(crate) fn scan(topic: &Shared, partition: PartitionId, before: &Before, path: &Path, bytes: &[u8]) -> Result<Found, LogError> {
    let mut found = Found {
        head: None,
        summary: before.summary,
        blocks: Vec::new(),
        notes: Notes { index: Vec::new(), producers: before.producers.clone() },
        last_barrier: None,
        frames_end: 0,
        rest: Rest::Nothing,
    };
    let expected_head = segment::head(&topic.config.schema);
    // Nothing but a head, or the start of one: of the machine's death it may be anything (its sectors, or zeros), and a writer writes it anew.
    if bytes.len() <= expected_head.len() && bytes != expected_head {
        return Ok(found);
    }
    if head_was_lost(bytes, &expected_head) {
        found.rest = Rest::Torn("the segment's head never came to the disk");
        return Ok(found);
    }
    let head = Head::read(bytes).map_err(|what| LogError::corrupt(path, 0, what))?;
    found.head = Some(head);
    found.frames_end = head.len;
    let identity = topic.identity(partition, head.crc);
    loop {
        let pos = found.frames_end;
        let rest = &bytes[pos as usize..];
        if rest.is_empty() {
            return Ok(found);
        }
        if is_room(topic, rest) {
            found.rest = Rest::Room;
            return Ok(found);
        }
        if segment::is_seal(rest) {
            let whole = segment::parse_seal(rest).is_ok_and(|seal| seal.summary == found.summary);
            found.rest = if whole { Rest::Seal } else { Rest::TornSeal };
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
            Kind::Fence => None,
        };
        super::index::note(&mut found.notes.index, pos, &header, found.summary.event_max_us);
        found.notes.producers.note(&header);
        found.summary.add(&header);
        found.frames_end = pos + header.frame_len();
    }
}

/// Whether the file starts with what a head is after the machine died before its first sync: some of its sectors, and zeros for the others.
fn head_was_lost(bytes: &[u8], head: &[u8]) -> bool {
    const SECTOR_BYTES: usize = 512;
    let written = bytes[..head.len()].chunks(SECTOR_BYTES).zip(head.chunks(SECTOR_BYTES));
    bytes[..head.len()] != *head && written.into_iter().all(|(is, was)| is == was || is.iter().all(|b| *b == 0))
}

/// Whether what follows a segment's last frame is room for more. Only where frames are synced one by one is room made; elsewhere zeros are what
/// is left of frames that never came to the disk.
pub(crate) fn is_room(topic: &Shared, rest: &[u8]) -> bool {
    topic.config.durability == Durability::Batch && rest.iter().all(|b| *b == 0)
}

/// Where in `bytes`, after `pos`, a good frame header of this topic stands.
pub(crate) fn later_frame(topic: &Shared, bytes: &[u8], pos: u64) -> Option<u64> {
    later_frames(topic, bytes, pos).next().map(|(at, _)| at)
}

fn later_frames(topic: &Shared, bytes: &[u8], pos: u64) -> impl Iterator<Item = (u64, Header)> {
    let first = (pos + 1).next_multiple_of(ALIGN_BYTES);
    (first..bytes.len() as u64).step_by(ALIGN_BYTES as usize).filter_map(move |at| {
        let header = Header::decode(&bytes[at as usize..]).ok()?;
        (header.identity.topic_id == topic.id).then_some((at, header))
    })
}

/// Up to which byte the good frames of a segment, from byte `pos` to `end`, say that it is on the disk.
fn known_synced(bytes: &[u8], mut pos: u64, end: u64) -> u64 {
    let mut synced = 0;
    while pos < end {
        let Ok(header) = Header::decode(&bytes[pos as usize..]) else { break };
        synced = synced.max(header.synced_before(pos));
        pos += header.frame_len();
    }
    synced
}

impl Found {
    /// An error if good frames follow the place where the good ones end: then that is damage, and not a torn tail.
    pub fn refuse_damage(&self, topic: &Shared, path: &Path, bytes: &[u8]) -> Result<(), LogError> {
        let what = match self.rest {
            Rest::Nothing | Rest::Room | Rest::Seal => return Ok(()),
            Rest::TornSeal => "the checksum of the segment's seal does not fit it",
            Rest::Torn(what) => what,
        };
        // What was never known to be on the disk can be lost in any order when the machine dies: then a later frame says nothing of the ones
        // before it. With durability `none` nothing is ever known, and what looks like damage is called so.
        let unsynced_may_be_lost = topic.config.durability != Durability::None;
        let proof = |(at, header): &(u64, Header)| !unsynced_may_be_lost || header.synced_before(*at) > self.frames_end;
        match later_frames(topic, bytes, self.frames_end).find(proof).map(|(at, _)| at) {
            Some(at) => Err(LogError::corrupt(path, self.frames_end, format!("{what}, and good frames follow at byte {at}"))),
            None => Ok(()),
        }
    }
}

/// Opens a partition for appending: checks the sequence of its segments, mends the last one, and gathers what producers sent.
/// With it comes the barrier that its last frame is, if it is one.
pub(crate) fn recover(topic: &Shared, partition: PartitionId) -> Result<(PartitionWriter, Option<Barrier>), LogError> {
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
    let found = scan(topic, partition, &before, &path, &bytes)?;
    found.refuse_damage(topic, &path, &bytes)?;
    refuse_lost_acknowledgement(topic, partition, last, &found, &path, bytes.len() as u64)?;

    let arrival_us = if found.summary.frames > 0 { found.summary.arrival_us.1 } else { before.arrival_us };
    let sealed = found.rest == Rest::Seal;
    if sealed {
        // The writer died between sealing a segment and making the next, and perhaps before the seal was on the disk.
        if topic.config.durability != Durability::None {
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
        match found.rest {
            Rest::Room => {}
            Rest::Torn(what) => warn(what),
            _ => warn("the segment's seal or head is incomplete"),
        }
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
fn check_chain(topic: &Shared, partition: PartitionId, bases: &[Offset]) -> Result<(), LogError> {
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

/// What is known where a segment starts, from the seal of the one before it.
pub(crate) struct Before {
    /// Of no frames.
    pub summary: Summary,
    pub producers: Producers,
    /// The last arrival time.
    pub arrival_us: i64,
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
    let damage = match found.rest {
        Rest::Torn(what) => Some(what),
        Rest::Room => Some("the frame is nothing but zeros"),
        Rest::Nothing | Rest::Seal | Rest::TornSeal => None,
    };
    if let (Some(what), true) = (damage, file_len >= committed.bytes) {
        return Err(LogError::corrupt(path, found.frames_end, format!("{what}, though it was acknowledged")));
    }
    let lost = committed.end.0 - found.summary.end.0;
    tracing::warn!(file = %path.display(), offset = found.frames_end, lost, "the file is shorter than it was: acknowledged records are gone");
    Ok(())
}
