//! The one who appends to a partition's active segment.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::Block;
use arrow_ipc::writer::StreamEncoder;

use twopath_base::{Offset, PartitionId};
use twopath_storage::AppendFile;

use crate::config::Durability;
use crate::error::LogError;
use crate::format::frame::{HEADER_BYTES, Header, Identity, Kind, barrier_body, block};
use crate::format::index;
use crate::format::producer::{ProducerState, Producers};
use crate::format::scan::{Found, Trailing};
use crate::format::segment::{self, Head, Notes, Summary};
use crate::partition::state::TopicState;
use crate::partition::tail::Committed;
use crate::records::{Barrier, ProducerSequence};
use twopath_base::checksum::{Crc32c, crc32c};

/// A frame with a body up to this size is copied together before it is written: cheaper than many small pieces.
const GATHER_BYTES_MAX: u64 = 16 << 10;
/// Where each frame is synced, so many bytes are preallocated ahead of the small ones: a sync of bytes that the file has already costs about half
/// of one that makes it longer, because the file's metadata stays as it is.
const PREALLOCATE_BYTES: u64 = 1 << 20;
/// Preallocation for a larger frame would cost as much as it saves.
const SMALL_BYTES_MAX: u64 = 128 << 10;

pub(crate) struct PartitionWriter {
    partition: PartitionId,
    path: PathBuf,
    file: Arc<dyn AppendFile>,
    base: Offset,
    /// Bytes of the segment that are good.
    len: u64,
    identity: Identity,
    summary: Summary,
    blocks: Vec<Block>,
    /// What the seal will hold beside the summary; the producers are as of now.
    notes: Notes,
    arrival_us: i64,
    encoder: StreamEncoder,
    /// Room in which small frames are put together.
    gathered: Vec<u8>,
    /// Bytes of the segment that are known to be on the disk.
    synced_len: u64,
    /// The segments that were sealed without a sync since the last one. (Not their open files: there can be more than a process may have.)
    sealed: Vec<PathBuf>,
    /// Whether the folder's entries are known to be on the disk.
    entries_synced: bool,
    /// Bytes that are preallocated after `len`.
    preallocated: u64,
    /// Up to which length of the segment bytes are preallocated; 0 where frames are not synced one by one.
    preallocate_until: u64,
    pub was_being_sealed: bool,
}

impl PartitionWriter {
    /// Starts the segment `base`.
    pub fn create(
        topic: &TopicState,
        partition: PartitionId,
        summary: Summary,
        producers: Producers,
        arrival_us: i64,
    ) -> Result<PartitionWriter, LogError> {
        let base = summary.end;
        let (path, file, head) = create_segment(topic, partition, base)?;
        let found = Found {
            head: Some(head),
            summary,
            blocks: Vec::new(),
            notes: Notes { index: Vec::new(), producers },
            last_barrier: None,
            frames_end: head.len,
            trailing: Trailing::Nothing,
        };
        let mut writer = PartitionWriter::resume(topic, partition, base, file, head, found, arrival_us)?;
        writer.path = path;
        Ok(writer)
    }

    /// Goes on where `found` ends.
    #[allow(clippy::too_many_arguments)]
    pub fn resume(
        topic: &TopicState,
        partition: PartitionId,
        base: Offset,
        file: Arc<dyn AppendFile>,
        head: Head,
        found: Found,
        arrival_us: i64,
    ) -> Result<PartitionWriter, LogError> {
        Ok(PartitionWriter {
            partition,
            path: topic.partition_dir(partition).join(segment::file_name(base)),
            file,
            base,
            len: found.frames_end.max(head.len),
            identity: topic.identity(partition, head.crc),
            summary: found.summary,
            blocks: found.blocks,
            notes: found.notes,
            arrival_us,
            encoder: encoder(topic)?,
            gathered: Vec::new(),
            synced_len: 0,
            sealed: Vec::new(),
            entries_synced: topic.meta.config.durability != Durability::None,
            preallocated: 0,
            preallocate_until: preallocate_until(topic),
            was_being_sealed: found.trailing == Trailing::TornSeal,
        })
    }

    pub fn committed(&self) -> Committed {
        Committed { end: self.summary.end, base: self.base, bytes: self.len, generation: self.summary.generation }
    }

    pub fn holds_records(&self) -> bool {
        self.summary.end > self.base
    }

    /// What a sync has to do: the file, its path, and how many of its bytes will then be on the disk.
    pub fn unsynced(&self) -> Option<(Arc<dyn AppendFile>, PathBuf, u64)> {
        (self.synced_len < self.len).then(|| (self.file.clone(), self.path.clone(), self.len))
    }

    /// A sync of that file has returned. (It may be an earlier segment's by now.)
    pub fn note_synced(&mut self, path: &Path, len: u64) {
        if path == self.path {
            self.synced_len = self.synced_len.max(len);
        }
    }

    /// What the producer's last number came to, if this is it again.
    pub fn repeated(&self, producer: Option<ProducerSequence>) -> Result<Option<Offset>, LogError> {
        producer.map_or(Ok(None), |append| self.notes.producers.check(append))
    }

    /// What is known of a producer.
    pub fn producer(&self, id: u64) -> Option<&ProducerState> {
        self.notes.producers.get(id)
    }

    /// Says in the log that a producer has begun its `epoch`.
    pub fn append_fence(&mut self, topic: &TopicState, producer: ProducerSequence) -> Result<(), LogError> {
        let header = Header { producer: Some(producer), ..self.header(topic, Kind::Fence, 0) };
        self.write(header, &[])?;
        Ok(())
    }

    /// Appends one frame of records, and returns the offset of the first.
    pub fn append_records(
        &mut self,
        topic: &TopicState,
        batch: &RecordBatch,
        event_us: Option<(i64, i64)>,
        producer: Option<ProducerSequence>,
    ) -> Result<Offset, LogError> {
        let arrow = |source| LogError::Arrow { topic: topic.meta.config.name.clone(), source };
        let message = self.encoder.encode(batch).map_err(arrow)?;
        // The message starts with Arrow's continuation marker and the length of its padded metadata.
        let metadata_len = 8 + crate::format::frame::get_u32(&message[0], 4);
        let base = self.summary.end;
        let header = Header { event_us, producer, metadata_len, ..self.header(topic, Kind::Records, batch.num_rows() as u32) };
        let pos = self.write(header, &message)?;
        self.blocks.push(block(pos.0, &pos.1));
        self.preallocate(pos.1.frame_len());
        Ok(base)
    }

    /// Preallocates for more frames as long as the one that was just appended, if that one found too little.
    fn preallocate(&mut self, frame_len: u64) {
        let wanted = PREALLOCATE_BYTES.min(self.preallocate_until.saturating_sub(self.len));
        if self.preallocated > 0 || frame_len > SMALL_BYTES_MAX || wanted < frame_len {
            return;
        }
        self.preallocated = wanted;
        if let Err(e) = self.file.preallocate(wanted) {
            // The frame stands, and those to come do without. A disk that is nearly full gets back what there is of it.
            tracing::debug!(file = %self.path.display(), offset = self.len, "nothing could be preallocated: {e}");
            self.preallocate_until = 0;
            let _ = self.cut_preallocated();
        }
    }

    /// Gives back what is preallocated and was not used.
    pub fn cut_preallocated(&mut self) -> Result<(), LogError> {
        if self.preallocated > 0 {
            self.file.truncate(self.len).map_err(LogError::io("cut the room of", &self.path))?;
            self.preallocated = 0;
        }
        Ok(())
    }

    pub fn append_barrier(&mut self, topic: &TopicState, barrier: &Barrier) -> Result<(), LogError> {
        assert_eq!(barrier.position.get(self.partition), self.summary.end, "a barrier cuts where the partition ends");
        assert_eq!(barrier.number, self.summary.generation + 1, "barriers come in order");
        let header = self.header(topic, Kind::Barrier, 0);
        self.write(header, &[Buffer::from(barrier_body(barrier))])?;
        Ok(())
    }

    fn header(&mut self, topic: &TopicState, kind: Kind, count: u32) -> Header {
        // Arrival times never go back, even where the clock does, so that one can seek by them.
        self.arrival_us = self.arrival_us.max(topic.clock.now_us());
        Header {
            kind,
            identity: self.identity,
            base: self.summary.end,
            count,
            gap: 0,
            event_us: None,
            arrival_us: self.arrival_us,
            producer: None,
            generation: self.summary.generation,
            unsynced: u32::try_from((self.len - self.synced_len.min(self.len)) / crate::format::frame::ALIGN_BYTES).unwrap_or(u32::MAX),
            body_len: 0,
            metadata_len: 0,
            body_crc: 0,
        }
    }

    /// Writes a frame, and returns its place and header. On error nothing of it counts, and what there is of it is cut away if possible.
    /// It is on the disk once the segment is synced or rolled.
    fn write(&mut self, mut header: Header, body: &[Buffer]) -> Result<(u64, Header), LogError> {
        header.body_len = body.iter().map(|b| b.len() as u64).sum();
        assert!(header.body_len.is_multiple_of(crate::format::frame::ALIGN_BYTES), "the encoder pads to the alignment");
        if header.body_len <= GATHER_BYTES_MAX {
            let mut frame = std::mem::take(&mut self.gathered);
            frame.resize(HEADER_BYTES as usize, 0);
            body.iter().for_each(|b| frame.extend_from_slice(b));
            header.body_crc = crc32c(&frame[HEADER_BYTES as usize..]);
            frame[..HEADER_BYTES as usize].copy_from_slice(&header.encode());
            let appended = self.append(&[IoSlice::new(&frame)]);
            frame.clear();
            self.gathered = frame;
            appended?;
        } else {
            let mut crc = Crc32c::new();
            body.iter().for_each(|b| crc.update(b));
            header.body_crc = crc.value();
            let header_bytes = header.encode();
            let mut parts = Vec::with_capacity(body.len() + 1);
            parts.push(IoSlice::new(&header_bytes));
            parts.extend(body.iter().map(|b| IoSlice::new(b)));
            self.append(&parts)?;
        }
        let pos = self.len;
        index::note(&mut self.notes.index, pos, &header, self.summary.event_max_us);
        self.notes.producers.note(&header);
        self.len += header.frame_len();
        self.preallocated = self.preallocated.saturating_sub(header.frame_len());
        self.summary.add(&header);
        Ok((pos, header))
    }

    fn append(&mut self, parts: &[IoSlice<'_>]) -> Result<(), LogError> {
        self.file.append(parts).map_err(|e| {
            match self.file.truncate(self.len) {
                Ok(()) => self.preallocated = 0,
                Err(cut) => tracing::warn!(file = %self.path.display(), offset = self.len, "could not cut a failed write away: {cut}"),
            }
            LogError::io("append to", &self.path)(e)
        })
    }

    /// Everything that was appended here is on the disk when this returns.
    pub fn sync(&mut self, topic: &TopicState) -> Result<(), LogError> {
        for path in &self.sealed {
            match topic.storage.open_append(path).and_then(|file| file.sync_data()) {
                // Retention, compaction or tiering took it, and synced what stands in its place.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                synced => synced.map_err(LogError::io("sync", path))?,
            }
        }
        self.sealed.clear();
        if !self.entries_synced {
            let dir = topic.partition_dir(self.partition);
            topic.storage.sync_dir(&dir).map_err(LogError::io("sync", &dir))?;
            self.entries_synced = true;
        }
        if let Some((file, path, len)) = self.unsynced() {
            file.sync_data().map_err(LogError::io("sync", &path))?;
            self.note_synced(&path, len);
        }
        Ok(())
    }

    /// Seals the segment, syncs it (where the topic's durability is none, the next [`Self::sync`] does), and starts the next. One without records
    /// is left as it is.
    pub fn roll(&mut self, topic: &TopicState) -> Result<(), LogError> {
        if !self.holds_records() {
            return Ok(());
        }
        self.cut_preallocated()?;
        self.notes.producers.trim();
        let seal = segment::seal(&topic.meta.config.schema, &self.summary, &self.notes, &self.blocks);
        self.append(&[IoSlice::new(&seal)])?;
        if topic.meta.config.durability == Durability::None {
            self.sealed.push(self.path.clone());
            self.entries_synced = false;
        } else {
            // Before the next segment is there: so only the last segment of a synced topic can have a torn tail.
            self.file.sync_data().map_err(LogError::io("sync", &self.path))?;
        }
        let base = self.summary.end;
        let (path, file, head) = create_segment(topic, self.partition, base)?;
        self.path = path;
        self.file = file;
        self.base = base;
        self.len = head.len;
        self.preallocate_until = preallocate_until(topic);
        self.identity.head_crc = head.crc;
        self.summary = self.summary.next();
        self.blocks.clear();
        self.notes.index.clear();
        self.synced_len = 0;
        Ok(())
    }
}

/// Up to which length a segment of the topic is preallocated: not at all where frames are not synced one by one.
fn preallocate_until(topic: &TopicState) -> u64 {
    if topic.meta.config.durability == Durability::Batch { topic.meta.config.segment_bytes } else { 0 }
}

/// An encoder whose next output is a record batch message (its first one is the schema, which stands in the file's head already).
pub(crate) fn encoder(topic: &TopicState) -> Result<StreamEncoder, LogError> {
    let arrow = |source| LogError::Arrow { topic: topic.meta.config.name.clone(), source };
    let schema = &topic.meta.config.schema;
    let mut encoder = StreamEncoder::try_new(schema).map_err(arrow)?;
    encoder.encode(&RecordBatch::new_empty(schema.clone())).map_err(arrow)?;
    Ok(encoder)
}

/// Makes the file of the segment `base`, with its head. The sync of the first frame brings the head to the disk, too; until then the log
/// ends where the segment before it does.
pub(crate) fn create_segment(
    topic: &TopicState,
    partition: PartitionId,
    base: Offset,
) -> Result<(PathBuf, Arc<dyn AppendFile>, Head), LogError> {
    let dir = topic.partition_dir(partition);
    let path = dir.join(segment::file_name(base));
    let head = segment::head(&topic.meta.config.schema);
    let make = || -> io::Result<Arc<dyn AppendFile>> {
        let file = topic.storage.create(&path)?;
        file.append(&[IoSlice::new(&head)])?;
        if topic.meta.config.durability != Durability::None {
            topic.storage.sync_dir(&dir)?;
        }
        Ok(file)
    };
    let file = make().map_err(LogError::io("create", &path))?;
    Ok((path, file, Head { len: head.len() as u64, crc: crc32c(&head) }))
}
