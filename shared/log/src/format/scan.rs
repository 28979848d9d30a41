//! What a segment's file really holds.

use std::path::Path;

use arrow_ipc::Block;

use twopath_base::PartitionId;

use crate::config::Durability;
use crate::error::LogError;
use crate::format::frame::{ALIGN_BYTES, HEADER_BYTES, Header, Kind, block, parse_barrier};
use crate::format::index;
use crate::format::meta::TopicMeta;
use crate::format::producer::Producers;
use crate::format::segment::{self, Head, Notes, Summary};
use crate::records::Barrier;

/// What follows a segment's last good frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trailing {
    Nothing,
    /// Zeros: preallocated by a writer for frames to come, and not given back.
    Preallocated,
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
    pub trailing: Trailing,
}

/// Reads a segment from its first byte to the first that is not part of a good frame. Frames that are whole but do not belong here are an error.
pub(crate) fn scan(topic: &TopicMeta, partition: PartitionId, before: &Before, path: &Path, bytes: &[u8]) -> Result<Found, LogError> {
    let mut found = Found {
        head: None,
        summary: before.summary,
        blocks: Vec::new(),
        notes: Notes { index: Vec::new(), producers: before.producers.clone() },
        last_barrier: None,
        frames_end: 0,
        trailing: Trailing::Nothing,
    };
    let expected_head = segment::head(&topic.config.schema);
    // Nothing but a head, or the start of one: of the machine's death it may be anything (its sectors, or zeros), and a writer writes it anew.
    if bytes.len() <= expected_head.len() && bytes != expected_head {
        return Ok(found);
    }
    if head_was_lost(bytes, &expected_head) {
        found.trailing = Trailing::Torn("the segment's head never came to the disk");
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
        if is_preallocated(topic, rest) {
            found.trailing = Trailing::Preallocated;
            return Ok(found);
        }
        if segment::is_seal(rest) {
            let whole = segment::parse_seal(rest).is_ok_and(|seal| seal.summary == found.summary);
            found.trailing = if whole { Trailing::Seal } else { Trailing::TornSeal };
            return Ok(found);
        }
        let header = match Header::decode(rest) {
            Ok(header) if header.frame_len() > rest.len() as u64 => {
                found.trailing = Trailing::Torn("the file ends inside a frame");
                return Ok(found);
            }
            Ok(header) => header,
            Err(what) => {
                found.trailing = Trailing::Torn(what);
                return Ok(found);
            }
        };
        let belongs = header.check(&identity, found.summary.end, found.summary.generation);
        belongs.map_err(|what| LogError::corrupt(path, pos, what))?;
        if let Err(what) = segment::check_body(rest, &header) {
            found.trailing = Trailing::Torn(what);
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
        index::note(&mut found.notes.index, pos, &header, found.summary.event_max_us);
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

/// Whether what follows a segment's last frame is preallocated. Writers preallocate only where frames are synced one by one; elsewhere zeros are what
/// is left of frames that never came to the disk.
pub(crate) fn is_preallocated(topic: &TopicMeta, rest: &[u8]) -> bool {
    topic.config.durability == Durability::Batch && rest.iter().all(|b| *b == 0)
}

/// Where in `bytes`, after `pos`, a good frame header of this topic stands.
pub(crate) fn later_frame(topic: &TopicMeta, bytes: &[u8], pos: u64) -> Option<u64> {
    later_frames(topic, bytes, pos).next().map(|(at, _)| at)
}

fn later_frames(topic: &TopicMeta, bytes: &[u8], pos: u64) -> impl Iterator<Item = (u64, Header)> {
    let first = (pos + 1).next_multiple_of(ALIGN_BYTES);
    (first..bytes.len() as u64).step_by(ALIGN_BYTES as usize).filter_map(move |at| {
        let header = Header::decode(&bytes[at as usize..]).ok()?;
        (header.identity.topic_id == topic.id).then_some((at, header))
    })
}

/// Up to which byte the good frames of a segment, from byte `pos` to `end`, say that it is on the disk.
pub(crate) fn known_synced(bytes: &[u8], mut pos: u64, end: u64) -> u64 {
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
    pub fn refuse_damage(&self, topic: &TopicMeta, path: &Path, bytes: &[u8]) -> Result<(), LogError> {
        let what = match self.trailing {
            Trailing::Nothing | Trailing::Preallocated | Trailing::Seal => return Ok(()),
            Trailing::TornSeal => "the checksum of the segment's seal does not fit it",
            Trailing::Torn(what) => what,
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

/// What is known where a segment starts, from the seal of the one before it.
pub(crate) struct Before {
    /// Of no frames.
    pub summary: Summary,
    pub producers: Producers,
    /// The last arrival time.
    pub arrival_us: i64,
}
