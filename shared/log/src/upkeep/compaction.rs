//! Compaction of keyed topics: the newest record of each key stays, older ones go. Offsets and order do not change.
//!
//! Passes over the sealed segments that are old enough, beside appends and readers. The first finds each key's newest offset (the first ones, where
//! there are too many keys to know at once). The last rewrites runs of neighbouring segments into one file each, without the records that have a newer one. A rewritten file is on
//! the disk before the manifest names it in the place of the old ones, and those are removed after that: a crash at any point leaves
//! one of the two states, and files that the next housekeeping sweeps away.
//!
//! A frame of a rewritten segment goes up to where the next one starts, so that the chain of frames has no holes; the offsets of its
//! records stand in a list behind its message. Barriers stay. What producers sent stands in the seal, as of the segment's end.
//!
//! Remote segments are fetched and rewritten as others are, into local files, and their objects deleted: were they left out, a deletion
//! could be dropped while what it deleted stays in them.

use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_buffer::BooleanBuffer;
use arrow_ipc::writer::StreamEncoder;
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use serde::Serialize;

use twopath_base::{Offset, PartitionId};
use twopath_storage::AppendFile;

use crate::config::{Compaction, PartitionBy};
use crate::error::LogError;
use crate::format::decode::Decoder;
use crate::format::frame::{ALIGN_BYTES, HEADER_BYTES, Header, Kind, block, get_u32, offsets};
use crate::format::index;
use crate::format::manifest::{PartitionManifest, Rewritten};
use crate::format::segment::{self, Notes, Summary};
use crate::partition::locks::upkeep_lock;
use crate::partition::state::{SegmentInfo, TopicState};
use crate::partition::walk::Walk;
use crate::partition::writer::encoder;
use crate::rows::event_range::event_range_us;
use crate::rows::partitioning::for_each_key;
use crate::upkeep::newest::NewestOffsets;
use crate::upkeep::sweep::{delete_unneeded, sweep, write_manifest};
use twopath_base::checksum::{Crc32c, crc32c};

/// Surviving rows are put together into frames of about so many bytes, or rows.
const FRAME_BYTES: usize = 1 << 20;
const FRAME_ROWS: usize = 64 << 10;

/// A frame of rows that were put together arrived when the last of them did, and its tombstones age from then on. So that merging again and
/// again does not keep them young for ever, rows are merged only within a part of the time that tombstones stay.
const TOMBSTONE_STEPS: u32 = 8;
const MERGE_WITHIN_MIN: Duration = Duration::from_secs(1);

/// The disk is set to work whenever so much was written, so that the sync at the end has little left to wait for.
const WRITEBACK_BYTES: u64 = 8 << 20;

/// So many keys are hashed before any is looked up.
const KEYS_AT_ONCE: usize = 256;

/// What compaction did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CompactionReport {
    /// Rewritten, and what they became.
    pub segments_before: u64,
    pub segments_after: u64,
    pub bytes_before: u64,
    pub bytes_after: u64,
    pub records_before: u64,
    pub records_after: u64,
    /// Those of `records_before` that were deletions and were dropped for their age.
    pub tombstones_removed: u64,
    /// Partitions that were left alone, because too little of them is dirty or nothing is old enough.
    pub partitions_skipped: u64,
    /// Objects of rewritten remote segments that could not be deleted now: the next housekeeping tries again.
    pub objects_left: u64,
}

/// Compacts every partition of which enough is dirty.
///
/// # Errors
/// The topic has no key, another process is housekeeping, a segment is damaged, or a file cannot be written.
pub(crate) fn compact(topic: &TopicState, options: &Compaction) -> Result<CompactionReport, LogError> {
    let PartitionBy::Key(key) = &topic.meta.config.partition_by else {
        return Err(LogError::NoKey { topic: topic.meta.config.name.clone() });
    };
    let key = topic.meta.config.schema.index_of(key).expect("a topic's config names columns of its schema");
    let _lock = upkeep_lock(topic)?;
    let mut report = CompactionReport::default();
    for p in topic.partition_ids() {
        sweep(topic, p)?;
        delete_unneeded(topic, p)?;
        compact_partition(topic, p, key, options, &mut report)?;
        report.objects_left += delete_unneeded(topic, p)?;
    }
    Ok(report)
}

fn compact_partition(
    topic: &TopicState,
    p: PartitionId,
    key: usize,
    options: &Compaction,
    report: &mut CompactionReport,
) -> Result<(), LogError> {
    let shared = topic;
    let now_us = shared.clock.now_us();
    let ago = |age: Duration| now_us.saturating_sub(age.as_micros().try_into().unwrap_or(i64::MAX));
    let mut segments = Vec::new();
    for s in topic.segments(p)?.into_iter().filter(|s| s.sealed) {
        if shared.summary(p, s.base)?.arrival_us.1 > ago(options.age_min) {
            break;
        }
        segments.push(s);
    }
    let mut manifest = PartitionManifest::clone(&*shared.manifest(p)?);
    let all: u64 = segments.iter().map(|s| s.bytes).sum();
    let dirty: u64 = segments.iter().filter(|s| s.base >= manifest.compacted_to).map(|s| s.bytes).sum();
    // Tombstones age also where nothing new is appended.
    let tombstones_until_us = ago(options.tombstone_age);
    let compactable = segments.last().map_or(Offset(0), |s| s.end);
    let old = |r: &Rewritten| r.end <= compactable && r.tombstone_us.is_some_and(|at_us| at_us < tombstones_until_us);
    let tombstones_are_old = manifest.rewritten.iter().any(old);
    if !tombstones_are_old && (dirty == 0 || (dirty as f64) < options.dirty_ratio_min * all as f64) {
        report.partitions_skipped += 1;
        return Ok(());
    }
    let newest = Newest::of(shared, p, key, &segments)?;
    let survivors =
        Survivors { topic: shared, partition: p, key, newest: &newest, tombstones_until_us, tombstone_age: options.tombstone_age };
    for run in runs(&segments, &newest, shared.meta.config.segment_bytes) {
        let run = &segments[run];
        manifest.number += 1;
        let (base, end) = (run[0].base, run[run.len() - 1].end);
        let (written, tombstone_us) = survivors.rewrite(run, manifest.number, report)?;
        manifest.rewritten.retain(|r| r.base < base || r.base >= end);
        manifest.forget_remote(|r| base <= r.base && r.base < end);
        manifest.rewritten.push(Rewritten { base, end, number: manifest.number, tombstone_us });
        manifest.rewritten.sort_by_key(|r| r.base);
        manifest.compacted_to = manifest.compacted_to.max(end);
        write_manifest(shared, p, &manifest)?;
        sweep(shared, p)?;
        report.segments_before += run.len() as u64;
        report.segments_after += 1;
        report.bytes_before += run.iter().map(|s| s.bytes).sum::<u64>();
        report.bytes_after += written;
    }
    Ok(())
}

/// Neighbouring segments that become one: as many as their surviving records fill one with, by their share of the records.
fn runs(segments: &[SegmentInfo], newest: &Newest, segment_bytes: u64) -> Vec<Range<usize>> {
    let left = |i: usize| {
        let (records, surviving) = newest.counts[i];
        segments[i].bytes as u128 * u128::from(surviving) / u128::from(records.max(1))
    };
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for i in 0..segments.len() {
        match runs.last_mut() {
            Some(run) if bytes + left(i) <= u128::from(segment_bytes) => run.end = i + 1,
            _ => {
                runs.push(i..i + 1);
                bytes = 0;
            }
        }
        bytes += left(i);
    }
    runs
}

/// Which records have a newer one of their key.
struct Newest {
    /// The offset of bit 0.
    base: Offset,
    /// A bit for each offset: set where there is a newer record.
    superseded: Vec<u64>,
    /// By segment: its records, and how many of them stay.
    counts: Vec<(u64, u64)>,
}

impl Newest {
    fn of(topic: &TopicState, p: PartitionId, key: usize, segments: &[SegmentInfo]) -> Result<Newest, LogError> {
        let (base, end) = (segments[0].base, segments[segments.len() - 1].end);
        let bits = vec![0; (end.0 - base.0).div_ceil(64) as usize];
        let mut newest = Newest { base, superseded: bits, counts: vec![(0, 0); segments.len()] };
        let mut known = NewestOffsets::default();
        while !newest.find(topic, p, key, segments, &mut known)? {}
        Ok(newest)
    }

    /// One pass: over the keys of as many hashes, from the first that is not done, as can be known at once. Returns whether all are done.
    fn find(
        &mut self,
        topic: &TopicState,
        p: PartitionId,
        key: usize,
        segments: &[SegmentInfo],
        known: &mut NewestOffsets,
    ) -> Result<bool, LogError> {
        let is_first = known.is_first_pass();
        for (i, s) in segments.iter().enumerate() {
            each_frame(topic, p, s.base, Some(&[key]), |frame| {
                let Some((list, batch)) = &frame.records else {
                    return Ok(());
                };
                for start in (0..batch.num_rows()).step_by(KEYS_AT_ONCE) {
                    let keys = batch.column(0).slice(start, KEYS_AT_ONCE.min(batch.num_rows() - start));
                    let mut hashes = [0; KEYS_AT_ONCE];
                    let mut hash = hashes.iter_mut();
                    for_each_key(&keys, |key| *hash.next().expect("as many as keys") = known.hash(key.unwrap_or_default()));
                    let mut row = start;
                    for_each_key(&keys, |key| {
                        let (offset, hash) = (offset_of(&frame.header, list.as_deref(), row), hashes[row - start]);
                        row += 1;
                        self.counts[i].0 += u64::from(is_first);
                        self.counts[i].1 += u64::from(is_first);
                        if let Some(older) = known.replace(hash, key, offset) {
                            self.supersede(older, segments);
                        }
                    });
                }
                Ok(())
            })?;
        }
        Ok(known.go_on())
    }

    /// Again and again for the same one, where a pass left its key to a later one.
    fn supersede(&mut self, offset: Offset, segments: &[SegmentInfo]) {
        let bit = offset.0 - self.base.0;
        let (word, mask) = (&mut self.superseded[(bit / 64) as usize], 1 << (bit % 64));
        if *word & mask == 0 {
            *word |= mask;
            self.counts[segments.partition_point(|s| s.base <= offset) - 1].1 -= 1;
        }
    }

    fn stays(&self, offset: Offset) -> bool {
        let bit = offset.0 - self.base.0;
        self.superseded[(bit / 64) as usize] >> (bit % 64) & 1 == 0
    }
}

fn offset_of(header: &Header, list: Option<&[Offset]>, row: usize) -> Offset {
    list.map_or(Offset(header.base.0 + row as u64), |list| list[row])
}

/// A frame of a sealed segment.
struct Frame<'a> {
    header: Header,
    /// Header and body.
    bytes: &'a [u8],
    /// Of a frame of records: them, and their offsets where there are gaps.
    records: Option<(Option<Arc<[Offset]>>, RecordBatch)>,
}

fn each_frame(
    topic: &TopicState,
    p: PartitionId,
    base: Offset,
    projection: Option<&[usize]>,
    mut f: impl FnMut(Frame<'_>) -> Result<(), LogError>,
) -> Result<(), LogError> {
    let decoder = Decoder::new(&topic.meta.config, projection)?;
    let bases = topic.bases(p)?;
    let mut walk = Walk::sealed(topic, p, base, topic.generation_at(p, &bases, base)?)?;
    while let Some((pos, header)) = walk.next_in_segment(topic)? {
        walk.segment.verify_body(&walk.view, pos, &header)?;
        let corrupt = |what: String| LogError::corrupt(&walk.segment.path, pos, what);
        let range = pos..pos + header.frame_len();
        let records = if header.kind == Kind::Records {
            let body = walk.view.buffer(pos + HEADER_BYTES..range.end);
            let list = offsets(&header, &body).map_err(|what| corrupt(what.into()))?;
            Some((list, decoder.decode(&header, &body).map_err(corrupt)?))
        } else {
            None
        };
        f(Frame { header, bytes: walk.view.bytes(range), records })?;
    }
    Ok(())
}

/// What stays of some segments.
struct Survivors<'a> {
    topic: &'a TopicState,
    partition: PartitionId,
    key: usize,
    newest: &'a Newest,
    /// Tombstones that arrived before this go.
    tombstones_until_us: i64,
    tombstone_age: Duration,
}

impl Survivors<'_> {
    /// Writes what stays of a run of segments into one file, and returns its length, and when the oldest tombstone in it arrived.
    fn rewrite(&self, run: &[SegmentInfo], number: u64, report: &mut CompactionReport) -> Result<(u64, Option<i64>), LogError> {
        let topic = self.topic;
        let bases = topic.bases(self.partition)?;
        let before = topic.before(self.partition, &bases, run[0].base)?;
        let last = topic.segment(self.partition, run[run.len() - 1].base);
        let (event_max_us, producers) = last.ask_seal(|seal| Ok((seal.summary.event_max_us, seal.producers()?)))?;
        let dir = topic.partition_dir(self.partition);
        let path = dir.join(segment::rewritten_name(run[0].base, number));
        let io = || LogError::io("write", &path);
        let head = segment::head(&topic.meta.config.schema);
        let file = topic.storage.create(&path).map_err(io())?;
        file.append(&[IoSlice::new(&head)]).map_err(io())?;
        let mut out = Rewriting {
            topic,
            identity: topic.identity(self.partition, crc32c(&head)),
            file: &*file,
            len: head.len() as u64,
            writing: 0,
            summary: before.summary,
            blocks: Vec::new(),
            notes: Notes { index: Vec::new(), producers },
            encoder: encoder(topic)?,
            batches: Vec::new(),
            offsets: Vec::new(),
            bytes: 0,
            arrival_us: 0,
            merge_within_us: match self.tombstone_age {
                Duration::ZERO => i64::MAX,
                age => (age / TOMBSTONE_STEPS).max(MERGE_WITHIN_MIN).as_micros().try_into().unwrap_or(i64::MAX),
            },
            has_tombstones: false,
            tombstone_us: None,
            upto: run[0].base,
        };
        for s in run {
            each_frame(topic, self.partition, s.base, None, |frame| {
                match &frame.records {
                    Some((list, batch)) => {
                        report.records_before += batch.num_rows() as u64;
                        let keep = self.keep(&frame.header, list.as_deref(), batch);
                        report.tombstones_removed += keep.tombstones_removed;
                        out.add(&frame.header, list.as_deref(), batch, &keep)
                    }
                    None if frame.header.kind == Kind::Barrier => out.barrier(&frame.header, frame.bytes),
                    // What it says stands in the seal.
                    None => Ok(()),
                }
                .map_err(|e| e.at(&path, topic))
            })?;
        }
        report.records_after += out.finish().map_err(|e| e.at(&path, topic))?;
        // As the segments after it have it, whose seals and indexes stay as they are.
        out.summary.event_max_us = event_max_us;
        let seal = segment::seal(&topic.meta.config.schema, &out.summary, &out.notes, &out.blocks);
        let len = out.len + seal.len() as u64;
        file.append(&[IoSlice::new(&seal)]).map_err(io())?;
        file.sync_data().map_err(io())?;
        topic.storage.sync_dir(&dir).map_err(LogError::io("sync", &dir))?;
        Ok((len, out.tombstone_us))
    }

    /// Which rows of a frame stay.
    fn keep(&self, header: &Header, list: Option<&[Offset]>, batch: &RecordBatch) -> Kept {
        let old = header.arrival_us < self.tombstones_until_us;
        let (mut tombstones, mut tombstones_removed) = (0, 0);
        let keep = BooleanBuffer::collect_bool(batch.num_rows(), |row| {
            let stays = self.newest.stays(offset_of(header, list, row));
            let tombstone = stays && self.is_tombstone(batch, row);
            tombstones += u64::from(tombstone);
            tombstones_removed += u64::from(tombstone && old);
            stays && !(tombstone && old)
        });
        Kept { rows: BooleanArray::from(keep), tombstones: tombstones - tombstones_removed, tombstones_removed }
    }

    fn is_tombstone(&self, batch: &RecordBatch, row: usize) -> bool {
        let time = self.topic.meta.config.time_column.as_deref();
        let fields = self.topic.meta.config.schema.fields().iter();
        let mut values = fields.zip(batch.columns()).enumerate().filter(|(i, (f, _))| *i != self.key && Some(f.name().as_str()) != time);
        let mut any = false;
        let all_null = values.all(|(_, (_, column))| {
            any = true;
            column.is_null(row)
        });
        any && all_null
    }
}

/// Which rows of a frame stay.
struct Kept {
    rows: BooleanArray,
    /// Those of them that are tombstones.
    tombstones: u64,
    /// Tombstones that go, for their age.
    tombstones_removed: u64,
}

/// A file that is being written in the place of others.
struct Rewriting<'a> {
    topic: &'a TopicState,
    identity: crate::format::frame::Identity,
    file: &'a dyn AppendFile,
    len: u64,
    /// Up to where the disk is writing already.
    writing: u64,
    summary: Summary,
    blocks: Vec<arrow_ipc::Block>,
    notes: Notes,
    encoder: StreamEncoder,
    /// Rows for the next frame, and their offsets.
    batches: Vec<RecordBatch>,
    offsets: Vec<Offset>,
    bytes: usize,
    /// When the last of them arrived.
    arrival_us: i64,
    /// Rows of the same multiple of this are merged.
    merge_within_us: i64,
    /// Whether tombstones are among the rows for the next frame.
    has_tombstones: bool,
    /// When the oldest tombstone in the file arrived.
    tombstone_us: Option<i64>,
    /// Up to where the frames read so far go.
    upto: Offset,
}

enum Failed {
    Io(std::io::Error),
    Arrow(arrow_schema::ArrowError),
}

impl Failed {
    fn at(self, path: &std::path::Path, topic: &TopicState) -> LogError {
        match self {
            Failed::Io(e) => LogError::io("write", path)(e),
            Failed::Arrow(source) => LogError::Arrow { topic: topic.meta.config.name.clone(), source },
        }
    }
}

impl Rewriting<'_> {
    fn add(&mut self, header: &Header, list: Option<&[Offset]>, batch: &RecordBatch, keep: &Kept) -> Result<(), Failed> {
        let kept = keep.rows.true_count();
        let period = |us: i64| us.div_euclid(self.merge_within_us);
        let far_apart = kept > 0 && !self.batches.is_empty() && period(self.arrival_us) != period(header.arrival_us);
        // A frame says 32 bits' worth of offsets at most.
        if far_apart || header.end().0 - self.summary.end.0 > u64::from(u32::MAX) {
            self.flush()?;
        }
        self.upto = header.end();
        if kept > 0 || self.batches.is_empty() {
            self.arrival_us = header.arrival_us;
        }
        if kept == 0 {
            return Ok(());
        }
        let rows = if kept == batch.num_rows() { batch.clone() } else { filter_record_batch(batch, &keep.rows).map_err(Failed::Arrow)? };
        self.offsets.extend(keep.rows.values().set_indices().map(|row| offset_of(header, list, row)));
        let share = header.body_len as usize * kept / batch.num_rows();
        self.bytes += share;
        self.has_tombstones |= keep.tombstones > 0;
        self.batches.push(rows);
        if self.bytes >= FRAME_BYTES || self.offsets.len() >= FRAME_ROWS { self.flush() } else { Ok(()) }
    }

    fn barrier(&mut self, header: &Header, bytes: &[u8]) -> Result<(), Failed> {
        self.flush()?;
        // The same bytes: the schema, and with it the head's checksum, is the same, and so is the place in the chain.
        self.put(header, &[bytes])
    }

    /// Writes the frame of the rows gathered: one without rows where none are left.
    fn flush(&mut self) -> Result<(), Failed> {
        let base = self.summary.end;
        if self.upto == base {
            return Ok(());
        }
        let schema = &self.topic.meta.config.schema;
        let batch = concat_batches(schema, &self.batches).map_err(Failed::Arrow)?;
        let message = self.encoder.encode(&batch).map_err(Failed::Arrow)?;
        let time = self.topic.meta.config.time_column.as_ref().and_then(|name| batch.column_by_name(name));
        let mut header = Header {
            kind: Kind::Records,
            identity: self.identity,
            base,
            count: batch.num_rows() as u32,
            gap: self.upto.0 - base.0 - batch.num_rows() as u64,
            event_us: time.and_then(event_range_us),
            arrival_us: self.arrival_us,
            producer: None,
            generation: self.summary.generation,
            // It is sealed and synced before anybody relies on it.
            unsynced: u32::MAX,
            body_len: 0,
            metadata_len: 8 + get_u32(&message[0], 4),
            body_crc: 0,
        };
        let mut list = Vec::new();
        if header.gap > 0 {
            list = self.offsets.iter().flat_map(|o| ((o.0 - base.0) as u32).to_le_bytes()).collect();
            list.resize(list.len().next_multiple_of(ALIGN_BYTES as usize), 0);
        }
        let body: Vec<&[u8]> = message.iter().map(|b| b.as_slice()).chain([list.as_slice()]).collect();
        header.body_len = body.iter().map(|b| b.len() as u64).sum();
        let mut crc = Crc32c::new();
        body.iter().for_each(|b| crc.update(b));
        header.body_crc = crc.value();
        let encoded = header.encode();
        self.blocks.push(block(self.len, &header));
        self.put(&header, &[&[encoded.as_slice()], body.as_slice()].concat())?;
        if std::mem::take(&mut self.has_tombstones) {
            self.tombstone_us = Some(self.tombstone_us.map_or(self.arrival_us, |at_us| at_us.min(self.arrival_us)));
        }
        self.batches.clear();
        self.offsets.clear();
        self.bytes = 0;
        Ok(())
    }

    fn put(&mut self, header: &Header, parts: &[&[u8]]) -> Result<(), Failed> {
        let slices: Vec<IoSlice<'_>> = parts.iter().map(|p| IoSlice::new(p)).collect();
        self.file.append(&slices).map_err(Failed::Io)?;
        index::note(&mut self.notes.index, self.len, header, self.summary.event_max_us);
        self.len += header.frame_len();
        self.summary.add(header);
        if self.len - self.writing >= WRITEBACK_BYTES {
            self.file.start_writing();
            self.writing = self.len;
        }
        Ok(())
    }

    /// How many records there are in all.
    fn finish(&mut self) -> Result<u64, Failed> {
        self.flush()?;
        Ok(self.summary.records)
    }
}
