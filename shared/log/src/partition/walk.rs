//! From frame header to frame header.

use std::sync::Arc;

use twopath_base::{Offset, PartitionId};

use crate::error::LogError;
use crate::format::frame::{Header, Kind};
use crate::format::segment::{Step, step};
use crate::partition::segment::{Segment, View};
use crate::partition::state::{TopicState, retrying};

/// A walk from frame header to frame header over the committed frames of a partition.
pub(crate) struct Walk {
    pub partition: PartitionId,
    pub segment: Arc<Segment>,
    /// The committed bytes of the segment; of a sealed one, all of them.
    pub view: View,
    pub pos: u64,
    /// Of the next record.
    pub offset: Offset,
    /// The number of barriers passed.
    pub generation: u64,
    head_crc: u32,
    /// Whether `view` goes to the file's end.
    sealed: bool,
}

impl Walk {
    /// A walk that goes on in the segment `base` at byte `pos` (0 for its first frame), where `offset` must follow.
    pub fn resume(
        topic: &TopicState,
        partition: PartitionId,
        base: Offset,
        pos: u64,
        offset: Offset,
        generation: u64,
    ) -> Result<Walk, LogError> {
        let segment = topic.segment(partition, base);
        let committed = topic.committed(partition)?;
        let sealed = base < committed.base;
        let view = segment.view(if sealed { segment.file_len()? } else { committed.bytes })?;
        let head = segment.head(&view)?;
        let offset = if pos == 0 { base } else { offset };
        Ok(Walk { partition, segment, view, pos: pos.max(head.len), offset, generation, head_crc: head.crc, sealed })
    }

    /// A walk on from `offset`, after so many barriers. Its next frame is the one that holds the record with this offset, in its midst where
    /// compaction has put together what was in several frames, or a barrier that comes first.
    pub fn at(topic: &TopicState, partition: PartitionId, offset: Offset, generation: u64) -> Result<Walk, LogError> {
        retrying(topic, partition, || Walk::try_at(topic, partition, offset, generation))
    }

    fn try_at(topic: &TopicState, partition: PartitionId, offset: Offset, generation: u64) -> Result<Walk, LogError> {
        let bases = topic.committed_bases(partition, &topic.committed(partition)?)?;
        let first = bases[0];
        let gone = || LogError::OffsetGone { topic: topic.meta.config.name.clone(), partition, offset, first };
        let mut at = bases.partition_point(|b| *b <= offset).checked_sub(1).ok_or_else(gone)?;
        // Barriers right before a segment's first record end the one before it.
        if bases[at] == offset && topic.generation_at(partition, &bases, offset)? > generation {
            let barrier_gone = || LogError::BarrierGone { topic: topic.meta.config.name.clone(), partition, number: generation + 1, first };
            at = at.checked_sub(1).ok_or_else(barrier_gone)?;
        }
        let base = bases[at];
        let mut walk = Walk::resume(topic, partition, base, 0, base, topic.generation_at(partition, &bases, base)?)?;
        let passed = |h: &Header| h.end() <= offset && (h.kind != Kind::Barrier || h.generation_after() <= generation);
        while walk.sealed || walk.pos < walk.view.limit() {
            match walk.next_in_segment(topic)? {
                Some((_, header)) if passed(&header) => {}
                Some((pos, header)) => {
                    walk.back_to(pos, &header);
                    return Ok(walk);
                }
                None => {
                    let missing = topic.segment(partition, offset);
                    return Err(LogError::corrupt(&missing.path, 0, "the segment that must follow is missing"));
                }
            }
        }
        if walk.offset < offset {
            return Err(walk.ends_early(offset));
        }
        Ok(walk)
    }

    /// Makes a frame that was just passed the next one again.
    pub fn back_to(&mut self, pos: u64, header: &Header) {
        (self.pos, self.offset, self.generation) = (pos, header.base, header.generation);
    }

    /// Such as by a head whose damaged length covers all that follows it.
    fn ends_early(&self, end: Offset) -> LogError {
        let what = format!("the frames end at offset {}, though the log goes to {end}", self.offset);
        LogError::corrupt(&self.segment.path, self.pos, what)
    }

    /// A walk over one sealed segment, for [`Self::next_in_segment`].
    pub fn sealed(topic: &TopicState, partition: PartitionId, base: Offset, generation: u64) -> Result<Walk, LogError> {
        let segment = topic.segment(partition, base);
        let view = segment.view(segment.file_len()?)?;
        let head = segment.head(&view)?;
        Ok(Walk { partition, segment, view, pos: head.len, offset: base, generation, head_crc: head.crc, sealed: true })
    }

    /// The next frame's place and header, or `None` at the committed end.
    pub fn next(&mut self, topic: &TopicState) -> Result<Option<(u64, Header)>, LogError> {
        loop {
            if self.pos >= self.view.limit() && !self.more(topic)? {
                return Ok(None);
            }
            if let Some(found) = self.next_in_segment(topic)? {
                return Ok(Some(found));
            }
            *self = self.past_seal(topic)?;
        }
    }

    /// The walk on from the seal that this one came to.
    fn past_seal(&self, topic: &TopicState) -> Result<Walk, LogError> {
        let (partition, offset, generation) = (self.partition, self.offset, self.generation);
        retrying(topic, partition, || {
            let bases = topic.committed_bases(partition, &topic.committed(partition)?)?;
            match bases.binary_search(&offset) {
                // What the seal says holds where the next segment starts.
                Ok(_) => Walk::resume(topic, partition, offset, 0, offset, generation),
                Err(_) => Walk::try_at(topic, partition, offset, generation),
            }
        })
    }

    /// The next frame's place and header, or `None` at the segment's seal.
    pub fn next_in_segment(&mut self, topic: &TopicState) -> Result<Option<(u64, Header)>, LogError> {
        let corrupt = |what: String| LogError::corrupt(&self.segment.path, self.pos, what);
        let identity = topic.identity(self.partition, self.head_crc);
        match step(self.view.from(self.pos), &identity, self.offset, self.generation).map_err(corrupt)? {
            Step::Frame(header) => {
                let pos = self.pos;
                self.pos += header.frame_len();
                self.offset = header.end();
                self.generation = header.generation_after();
                Ok(Some((pos, header)))
            }
            Step::Seal => {
                let summary = self.segment.seal(&self.view, self.pos)?;
                if (summary.end, summary.generation) != (self.offset, self.generation) {
                    return Err(corrupt("the seal does not say what the frames before it come to".into()));
                }
                Ok(None)
            }
        }
    }

    /// Looks for more committed bytes, in this segment or the next.
    fn more(&mut self, topic: &TopicState) -> Result<bool, LogError> {
        if self.sealed {
            return Err(LogError::corrupt(&self.segment.path, self.pos, "the segment is not sealed, though another one follows it"));
        }
        let committed = topic.committed(self.partition)?;
        if committed.base == self.segment.base {
            if committed.bytes <= self.pos {
                if committed.end != self.offset {
                    return Err(self.ends_early(committed.end));
                }
                return Ok(false);
            }
            self.view = self.segment.view(committed.bytes)?;
        } else {
            match self.segment.file_len().and_then(|len| self.segment.view(len)) {
                Ok(view) => self.view = view,
                // All its frames were read, and then retention or compaction took it.
                Err(e) if e.is_gone() => {
                    *self = Walk::at(topic, self.partition, self.offset, self.generation)?;
                    return Ok(self.view.limit() > self.pos);
                }
                Err(e) => return Err(e),
            }
            self.sealed = true;
        }
        Ok(self.view.limit() > self.pos)
    }
}

/// Whether barriers stand in a sealed segment.
pub(crate) fn has_barriers(topic: &TopicState, partition: PartitionId, bases: &[Offset], base: Offset) -> Result<bool, LogError> {
    Ok(topic.summary(partition, base)?.generation > topic.generation_at(partition, bases, base)?)
}
