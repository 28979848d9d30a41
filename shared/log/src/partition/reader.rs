//! Reading a partition: from anywhere, to the end, and on.

use std::sync::Arc;

use twopath_base::{LogColumn, Offset, PartitionId};

use crate::error::LogError;
use crate::format::decode::Decoder;
use crate::format::frame::{HEADER_BYTES, Header, Kind, offsets, parse_barrier};
use crate::format::index::{IndexEntry, NO_EVENT_US};
use crate::format::segment::Summary;
use crate::partition::state::{TopicState, retrying};
use crate::partition::walk::{Walk, has_barriers};
use crate::records::{Barrier, Entry, Records, Start};
use crate::rows::log_columns::Projection;

/// Reads one partition, entry by entry.
pub(crate) struct LocalReader {
    topic: Arc<TopicState>,
    walk: Walk,
    decoder: Decoder,
    projection: Projection,
    /// The greatest event time of the frames passed, where it is asked for.
    watermark_us: i64,
    /// Records below this offset are left out: the start lies inside a frame, or they were given before compaction put them together with
    /// others.
    from: Offset,
    /// The segment that was read last, and from which byte on its memory was not let go of.
    held: (Offset, u64),
}

impl LocalReader {
    pub(crate) fn open(
        topic: Arc<TopicState>,
        partition: PartitionId,
        start: Start,
        projection: Option<&[usize]>,
    ) -> Result<LocalReader, LogError> {
        topic.check_partition(partition)?;
        let projection = Projection::new(&topic.meta.config.name, &topic.meta.config.schema, projection)?;
        let decoder = Decoder::new(&topic.meta.config, projection.columns.as_deref())?;
        let walk = seek(&topic, partition, start)?;
        let from = if let Start::Offset(offset) = start { offset } else { walk.offset };
        let watermark_us = if projection.has(LogColumn::Watermark) { watermark_before(&topic, &walk)? } else { NO_EVENT_US };
        let held = (walk.segment.base, walk.pos);
        Ok(LocalReader { topic, walk, decoder, projection, watermark_us, from, held })
    }

    /// The next entry, or `None` at the committed end (then wait with [`crate::topic::Tail`] and call again).
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Entry>, LogError> {
        loop {
            let Some((pos, header)) = self.walk.next(&self.topic)? else {
                return Ok(None);
            };
            let (segment, view) = (&self.walk.segment, &self.walk.view);
            if segment.base != self.held.0 {
                self.held = (segment.base, pos);
            }
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
                    let before = Some(self.watermark_us).filter(|us| *us != NO_EVENT_US);
                    let records = self.projection.complete(records, before);
                    self.watermark_us = self.watermark_us.max(header.event_us.map_or(NO_EVENT_US, |e| e.1));
                    let from = std::mem::replace(&mut self.from, header.end());
                    return Ok(Some(Entry::Records(if from > header.base { records.cut(from, header.end()) } else { records })));
                }
            }
        }
    }

    /// Lets go of the memory of what was read of the segment.
    pub fn let_go(&mut self) {
        if self.held.0 == self.walk.segment.base && self.held.1 < self.walk.pos {
            self.walk.view.let_go(self.held.1..self.walk.pos);
            self.held.1 = self.walk.pos;
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

/// The greatest event time of the partition before the walk's next frame: what is known of the segments before, and the headers of this one.
fn watermark_before(topic: &TopicState, walk: &Walk) -> Result<i64, LogError> {
    let (partition, base) = (walk.partition, walk.segment.base);
    retrying(topic, partition, || {
        let bases = topic.committed_bases(partition, &topic.committed(partition)?)?;
        let before = bases.partition_point(|b| *b < base).checked_sub(1);
        let mut watermark_us = match before {
            Some(before) => topic.summary(partition, bases[before])?.event_max_us,
            None => topic.manifest(partition)?.start.event_max_us,
        };
        let mut headers = Walk::resume(topic, partition, base, 0, base, topic.generation_at(partition, &bases, base)?)?;
        while headers.pos < walk.pos {
            match headers.next_in_segment(topic)? {
                Some((_, header)) => watermark_us = watermark_us.max(header.event_us.map_or(NO_EVENT_US, |e| e.1)),
                None => break,
            }
        }
        Ok(watermark_us)
    })
}

/// A walk whose next frame is the first that the start asks for.
fn seek(topic: &TopicState, partition: PartitionId, start: Start) -> Result<Walk, LogError> {
    retrying(topic, partition, || try_seek(topic, partition, start))
}

fn try_seek(topic: &TopicState, partition: PartitionId, start: Start) -> Result<Walk, LogError> {
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
            return Err(LogError::OffsetOutOfRange { topic: topic.meta.config.name.clone(), partition, offset, end: committed.end });
        }
        Start::Offset(offset) if offset < first => {
            return Err(LogError::OffsetGone { topic: topic.meta.config.name.clone(), partition, offset, first });
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

/// The records of a part of a partition, with a first and a last offset.
pub(crate) struct LocalRange {
    reader: LocalReader,
    to: Offset,
}

impl LocalRange {
    pub(crate) fn new(reader: LocalReader, to: Offset) -> LocalRange {
        LocalRange { reader, to }
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

impl Iterator for LocalRange {
    type Item = Result<Records, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.pull().transpose()
    }
}
