//! The barriers that are left in a topic's log.

use crate::error::LogError;
use crate::format::frame::{HEADER_BYTES, Header, Kind, parse_barrier};
use crate::partition::state::{KnownBarriers, TopicState, retrying};
use crate::partition::walk::Walk;
use crate::records::Barrier;
use twopath_base::sync::lock;
use twopath_base::{Offset, PartitionId};

/// All barriers that are left, in order.
pub(crate) fn barriers(topic: &TopicState) -> Result<Vec<Barrier>, LogError> {
    let mut known = lock(&topic.barriers);
    retrying(topic, PartitionId(0), || find_barriers(topic, &mut known))?;
    let start = topic.manifest(PartitionId(0))?.start;
    Ok(known.found.iter().filter(|b| b.number > start.generation).cloned().collect())
}

/// Reads the barriers of partition 0 that are not known yet, in the segments that hold them.
fn find_barriers(topic: &TopicState, known: &mut KnownBarriers) -> Result<(), LogError> {
    let zero = PartitionId(0);
    let committed = topic.committed(zero)?;
    if committed.generation == known.last() {
        return Ok(());
    }
    let bases = topic.committed_bases(zero, &committed)?;
    let start = topic.manifest(zero)?.start;
    if known.last() < start.generation {
        *known = KnownBarriers { gone: start.generation, found: Vec::new() };
    }
    let sealed = &bases[..bases.partition_point(|b| *b < committed.base)];
    let first = topic.first_sealed(zero, sealed, |s| s.generation > known.last())?;
    for base in &sealed[first..] {
        if topic.summary(zero, *base)?.generation > known.last() {
            note_barriers(topic, *base, &bases, known)?;
        }
    }
    if committed.generation > known.last() { note_barriers(topic, committed.base, &bases, known) } else { Ok(()) }
}

/// Adds the barriers of a segment of partition 0 to those that are known.
fn note_barriers(topic: &TopicState, base: Offset, bases: &[Offset], known: &mut KnownBarriers) -> Result<(), LogError> {
    let segment = topic.segment(PartitionId(0), base);
    let mut note = |pos: u64, header: &Header, body: &[u8]| {
        let corrupt = |what: &str| LogError::corrupt(&segment.path, pos, what);
        if header.kind == Kind::Barrier && header.generation_after() > known.last() {
            let barrier = parse_barrier(body, topic.partitions()).filter(|b| b.number == known.last() + 1);
            known.found.push(barrier.ok_or_else(|| corrupt("the frame is not a barrier of this topic"))?);
        }
        Ok(())
    };
    if let Some(kept) = segment.stub() {
        let mut rest = kept.barriers();
        while !rest.is_empty() {
            let header = Header::decode(rest).map_err(|what| LogError::corrupt(&segment.path, 0, what))?;
            let frame = rest.split_at_checked(header.frame_len() as usize);
            let (frame, after) = frame.ok_or_else(|| LogError::corrupt(&segment.path, 0, "the list of its barriers is not one"))?;
            note(0, &header, &frame[HEADER_BYTES as usize..])?;
            rest = after;
        }
        return Ok(());
    }
    let generation = topic.generation_at(PartitionId(0), bases, base)?;
    let mut walk = Walk::resume(topic, PartitionId(0), base, 0, base, generation)?;
    while walk.pos < walk.view.limit() {
        let Some((pos, header)) = walk.next_in_segment(topic)? else { break };
        if header.kind == Kind::Barrier {
            walk.segment.verify_body(&walk.view, pos, &header)?;
            note(pos, &header, walk.view.bytes(pos + HEADER_BYTES..pos + header.frame_len()))?;
        }
    }
    Ok(())
}
