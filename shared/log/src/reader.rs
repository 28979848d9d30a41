//! Reading a partition: from anywhere, to the end, and on.

use std::io::ErrorKind;
use std::sync::Arc;

use twopath_base::{Offset, PartitionId};

use super::decode::Decoder;
use super::error::LogError;
use super::frame::{HEADER_BYTES, Header, Kind, get_u32, parse_barrier};
use super::index::Entry as IndexEntry;
use super::segment::{Segment, Step, Summary, View, step};
use super::topic::Shared;
use super::{Barrier, Entry, Records};

/// How often a walk looks again for a segment that was taken away or rewritten while it looked.
pub(crate) const TRIES_MAX: u32 = 8;

/// Looks at a partition again where a segment was taken away, rewritten or moved since its name was read: then a file is gone, or two that
/// were looked at do not follow one another.
pub(crate) fn retrying<T>(topic: &Shared, partition: PartitionId, mut look: impl FnMut() -> Result<T, LogError>) -> Result<T, LogError> {
    let mut tries = 1..=TRIES_MAX;
    loop {
        let manifest = topic.manifest(partition)?;
        match look() {
            Err(e) if (e.is_gone() || e.is_corrupt() && !topic.is_current(partition, &manifest)) && tries.next().is_some() => {}
            other => return other.map_err(missing),
        }
    }
}

/// Where a reader starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the first record that is left.
    First,
    End,
    /// At this record; the barriers that stand right before it come first.
    Offset(Offset),
    /// The first frame that holds a record with this event time (microseconds since 1970) or later.
    EventTime(i64),
    /// The first frame that arrived at this time (microseconds since 1970) or later.
    ArrivalTime(i64),
}

/// A file that stays away is no race: it is missing.
fn missing(error: LogError) -> LogError {
    match error {
        LogError::Io { path, source, .. } if source.kind() == ErrorKind::NotFound => {
            LogError::corrupt(&path, 0, "the segment's file is missing, though the partition's manifest names it")
        }
        other => other,
    }
}

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
        topic: &Shared,
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
    pub fn at(topic: &Shared, partition: PartitionId, offset: Offset, generation: u64) -> Result<Walk, LogError> {
        retrying(topic, partition, || Walk::try_at(topic, partition, offset, generation))
    }

    fn try_at(topic: &Shared, partition: PartitionId, offset: Offset, generation: u64) -> Result<Walk, LogError> {
        let bases = topic.committed_bases(partition, &topic.committed(partition)?)?;
        let first = bases[0];
        let gone = || LogError::OffsetGone { topic: topic.config.name.clone(), partition, offset, first };
        let mut at = bases.partition_point(|b| *b <= offset).checked_sub(1).ok_or_else(gone)?;
        // Barriers right before a segment's first record end the one before it.
        if bases[at] == offset && topic.generation_at(partition, &bases, offset)? > generation {
            let barrier_gone = || LogError::BarrierGone { topic: topic.config.name.clone(), partition, number: generation + 1, first };
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
    fn back_to(&mut self, pos: u64, header: &Header) {
        (self.pos, self.offset, self.generation) = (pos, header.base, header.generation);
    }

    /// Such as by a head whose damaged length covers all that follows it.
    fn ends_early(&self, end: Offset) -> LogError {
        let what = format!("the frames end at offset {}, though the log goes to {end}", self.offset);
        LogError::corrupt(&self.segment.path, self.pos, what)
    }

    /// A walk over one sealed segment, for [`Self::next_in_segment`].
    pub fn sealed(topic: &Shared, partition: PartitionId, base: Offset, generation: u64) -> Result<Walk, LogError> {
        let segment = topic.segment(partition, base);
        let view = segment.view(segment.file_len()?)?;
        let head = segment.head(&view)?;
        Ok(Walk { partition, segment, view, pos: head.len, offset: base, generation, head_crc: head.crc, sealed: true })
    }

    /// The next frame's place and header, or `None` at the committed end.
    pub fn next(&mut self, topic: &Shared) -> Result<Option<(u64, Header)>, LogError> {
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
    fn past_seal(&self, topic: &Shared) -> Result<Walk, LogError> {
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
    pub fn next_in_segment(&mut self, topic: &Shared) -> Result<Option<(u64, Header)>, LogError> {
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
    fn more(&mut self, topic: &Shared) -> Result<bool, LogError> {
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

/// Reads one partition, entry by entry.
pub struct PartitionReader {
    topic: Arc<Shared>,
    walk: Walk,
    decoder: Decoder,
    /// Records below this offset are left out: the start lies inside a frame, or they were given before compaction put them together with
    /// others.
    from: Offset,
}

impl PartitionReader {
    pub(crate) fn open(
        topic: Arc<Shared>,
        partition: PartitionId,
        start: Start,
        projection: Option<&[usize]>,
    ) -> Result<PartitionReader, LogError> {
        topic.check_partition(partition)?;
        let decoder = Decoder::new(&topic, projection)?;
        let walk = seek(&topic, partition, start)?;
        let from = if let Start::Offset(offset) = start { offset } else { walk.offset };
        Ok(PartitionReader { topic, walk, decoder, from })
    }

    /// The next entry, or `None` at the committed end (then wait with [`super::Tail`] and call again).
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Entry>, LogError> {
        loop {
            let Some((pos, header)) = self.walk.next(&self.topic)? else {
                return Ok(None);
            };
            let (segment, view) = (&self.walk.segment, &self.walk.view);
            segment.verify_body(view, pos, &header)?;
            let corrupt = |what: &str| LogError::corrupt(&segment.path, pos, what);
            let body = pos + HEADER_BYTES..pos + header.frame_len();
            match header.kind {
                Kind::Fence => {}
                Kind::Barrier => {
                    let barrier = parse_barrier(view.bytes(body), self.topic.partitions());
                    return Ok(Some(Entry::Barrier(barrier.ok_or_else(|| corrupt("the frame is not a barrier of this topic"))?)));
                }
                Kind::Records => {
                    let body = view.buffer(body);
                    let batch = self.decoder.decode(&header, &body).map_err(|what| corrupt(&what))?;
                    let records = Records {
                        partition: self.walk.partition,
                        base: header.base,
                        end: header.end(),
                        offsets: offsets(&header, &body).map_err(corrupt)?,
                        arrival_us: header.arrival_us,
                        batch,
                    };
                    let from = std::mem::replace(&mut self.from, header.end());
                    return Ok(Some(Entry::Records(if from > header.base { records.cut(from, header.end()) } else { records })));
                }
            }
        }
    }

    /// The offset of the next record.
    pub fn offset(&self) -> Offset {
        self.walk.offset.max(self.from)
    }

    /// The number of barriers that have been passed: those before the next entry.
    pub fn generation(&self) -> u64 {
        self.walk.generation
    }

    /// Which partition this reads.
    pub fn partition(&self) -> PartitionId {
        self.walk.partition
    }
}

/// The offsets that stand after a frame's message where some of its range have no record.
pub(crate) fn offsets(header: &Header, body: &[u8]) -> Result<Option<Arc<[Offset]>>, &'static str> {
    if header.gap == 0 {
        return Ok(None);
    }
    let from = body.len() - header.offsets_len() as usize;
    let list = body[from..].chunks_exact(4).take(header.count as usize);
    let offsets: Arc<[Offset]> = list.map(|b| Offset(header.base.0 + u64::from(get_u32(b, 0)))).collect();
    let ascending = offsets.windows(2).all(|pair| pair[0] < pair[1]) && offsets.last().is_none_or(|last| *last < header.end());
    if ascending { Ok(Some(offsets)) } else { Err("the frame's list of offsets is not one") }
}

/// A walk whose next frame is the first that the start asks for.
fn seek(topic: &Shared, partition: PartitionId, start: Start) -> Result<Walk, LogError> {
    retrying(topic, partition, || try_seek(topic, partition, start))
}

fn try_seek(topic: &Shared, partition: PartitionId, start: Start) -> Result<Walk, LogError> {
    let committed = topic.committed(partition)?;
    let bases = topic.committed_bases(partition, &committed)?;
    let first = bases[0];
    let sealed = &bases[..bases.partition_point(|b| *b < committed.base)];
    // The first sealed segment that the wanted frame can be in, or the active one.
    let by_seal = |wanted: &dyn Fn(&Summary) -> bool| -> Result<Offset, LogError> {
        Ok(sealed.get(topic.first_sealed(partition, sealed, wanted)?).copied().unwrap_or(committed.base))
    };
    let base = match start {
        Start::End => return Walk::resume(topic, partition, committed.base, committed.bytes, committed.end, committed.generation),
        Start::First => first,
        Start::Offset(offset) if offset > committed.end => {
            return Err(LogError::OffsetOutOfRange { topic: topic.config.name.clone(), partition, offset, end: committed.end });
        }
        Start::Offset(offset) if offset < first => {
            return Err(LogError::OffsetGone { topic: topic.config.name.clone(), partition, offset, first });
        }
        // Not the segment that starts with it: the barriers before it end the segment before, where there are any.
        Start::Offset(offset) => match bases.iter().copied().rfind(|b| *b < offset) {
            Some(before) if bases.binary_search(&offset).is_ok() && !has_barriers(topic, partition, &bases, before)? => offset,
            before => before.unwrap_or(first),
        },
        Start::EventTime(at_us) => by_seal(&|s| s.event_max_us >= at_us)?,
        Start::ArrivalTime(at_us) => by_seal(&|s| s.frames > 0 && s.arrival_us.1 >= at_us)?,
    };
    let generation = topic.generation_at(partition, &bases, base)?;
    let mut walk = Walk::resume(topic, partition, base, 0, base, generation)?;
    if start == Start::First {
        return Ok(walk);
    }
    if base < committed.base {
        // Nothing that is wanted stands before this entry.
        let index = walk.segment.ask_seal(|seal| Ok(seal.index()))?;
        let unwanted = |e: &IndexEntry| match start {
            Start::Offset(offset) => e.base < offset,
            Start::EventTime(at_us) => e.event_max_us < at_us,
            _ => matches!(start, Start::ArrivalTime(at_us) if e.arrival_us < at_us),
        };
        if let Some(e) = index.partition_point(unwanted).checked_sub(1).map(|i| index[i]) {
            (walk.pos, walk.offset, walk.generation) = (e.pos, e.base, e.generation);
        }
    }
    let wanted = |header: &Header| match start {
        Start::Offset(offset) => header.end() > offset || (header.kind == Kind::Barrier && header.base == offset),
        Start::EventTime(at_us) => header.event_us.is_some_and(|(_, max)| max >= at_us),
        _ => matches!(start, Start::ArrivalTime(at_us) if header.kind == Kind::Records && header.arrival_us >= at_us),
    };
    while let Some((pos, header)) = walk.next(topic)? {
        if wanted(&header) {
            walk.back_to(pos, &header);
            break;
        }
    }
    Ok(walk)
}

/// Whether barriers stand in a sealed segment.
pub(crate) fn has_barriers(topic: &Shared, partition: PartitionId, bases: &[Offset], base: Offset) -> Result<bool, LogError> {
    Ok(topic.summary(partition, base)?.generation > topic.generation_at(partition, bases, base)?)
}

/// The records of a part of a partition, with a first and a last offset.
pub struct Range {
    reader: PartitionReader,
    to: Offset,
}

impl Range {
    pub(crate) fn new(reader: PartitionReader, to: Offset) -> Range {
        Range { reader, to }
    }

    fn pull(&mut self) -> Result<Option<Records>, LogError> {
        while self.reader.offset() < self.to {
            // The range was committed when it was made, so that the end cannot come before it.
            match self.reader.next()? {
                Some(Entry::Records(records)) => {
                    let from = records.base;
                    return Ok(Some(records.cut(from, self.to)));
                }
                Some(Entry::Barrier(Barrier { .. })) => {}
                None => return Ok(None),
            }
        }
        Ok(None)
    }
}

impl Iterator for Range {
    type Item = Result<Records, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.pull().transpose()
    }
}
