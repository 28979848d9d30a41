//! Checking a whole topic, byte by byte, and naming everything that is wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::FileDecoder;
use arrow_ipc::{Block, Footer, MetadataVersion};
use serde::Serialize;

use twopath_base::{Offset, PartitionId};

use crate::error::LogError;
use crate::format::frame::{HEADER_BYTES, Header, Kind, block, block_in_frame, offsets, parse_barrier};
use crate::format::index::{self, IndexEntry, NO_EVENT_US};
use crate::format::manifest::PartitionManifest;
use crate::format::scan::{is_preallocated, later_frame};
use crate::format::segment::{self, Head, Summary};
use crate::format::stub;
use crate::partition::segment::{RemoteFile, Segment};
use crate::partition::state::{TRIES_MAX, TopicState, retrying};
use crate::partition::tail::Committed;
use crate::partition::walk::Walk;
use crate::rows::event_range::event_range_us;
use twopath_base::checksum::crc32c;

/// What is said of a torn tail.
const TORN: &str = "; nothing of it was acknowledged, and the next writer cuts it away";

/// What [`crate::topic::Topic::verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    pub segments: u64,
    /// Those of them that are objects in a store.
    pub segments_remote: u64,
    pub frames: u64,
    pub records: u64,
    /// In the log: each counts once, though it stands in every partition.
    pub barriers: u64,
    /// Bytes read.
    pub bytes: u64,
    pub problems: Vec<Problem>,
}

/// Something wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub path: PathBuf,
    /// Bytes from the file's start.
    pub offset: u64,
    pub what: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, byte {}: {}", self.path.display(), self.offset, self.what)
    }
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// That a folder cannot be read.
    fn of(dir: &Path, error: LogError) -> VerifyReport {
        let mut report = VerifyReport::default();
        match error {
            LogError::Corrupt { path, offset, what } => report.problem(&path, offset, what),
            e => report.problem(dir, 0, e.to_string()),
        }
        report
    }

    /// Adds what was found in a partition.
    fn add(&mut self, found: VerifyReport) {
        self.segments += found.segments;
        self.segments_remote += found.segments_remote;
        self.frames += found.frames;
        self.records += found.records;
        self.bytes += found.bytes;
        self.problems.extend(found.problems);
    }

    pub(crate) fn problem(&mut self, path: &Path, offset: u64, what: impl Into<String>) {
        self.problems.push(Problem { path: path.to_owned(), offset, what: what.into() });
    }
}

/// Checks the bodies of a sealed segment, through the mapping that readers use, so that they need not do it again.
pub(crate) fn segment(topic: &TopicState, partition: PartitionId, base: Offset) -> Result<(), LogError> {
    topic.check_partition(partition)?;
    let bases = topic.bases(partition)?;
    let mut walk = Walk::sealed(topic, partition, base, topic.generation_at(partition, &bases, base)?)?;
    while let Some((pos, header)) = walk.next_in_segment(topic)? {
        walk.segment.verify_body(&walk.view, pos, &header)?;
    }
    Ok(())
}

/// Checks all partitions of a topic.
pub(crate) fn partitions(topic: &TopicState, report: &mut VerifyReport) -> Result<(), LogError> {
    let written = || (topic.is_being_written(), topic.partition_ids().map(|p| topic.tail.committed(p)).collect::<Vec<_>>());
    let before = written();
    for p in topic.partition_ids() {
        let (found, barriers) = partition(topic, p)?;
        report.add(found);
        match barriers {
            Some(barriers) if p == PartitionId(0) => report.barriers = barriers,
            Some(barriers) if report.barriers != barriers && !before.0 && written() == before => {
                let what = format!("the partition has {barriers} barriers, and partition 0 has {}", report.barriers);
                report.problem(&topic.partition_dir(p), 0, what);
            }
            _ => {}
        }
    }
    Ok(())
}

/// What can change of a partition while it is checked.
struct State {
    manifest: Arc<PartitionManifest>,
    being_written: bool,
    committed: Option<Committed>,
    bases: Vec<Offset>,
}

impl State {
    fn of(topic: &TopicState, p: PartitionId) -> Result<State, LogError> {
        let (manifest, being_written) = (topic.manifest(p)?, topic.is_being_written());
        // Before the files are listed: what is committed then is among them.
        let committed = topic.tail.committed(p);
        Ok(State { manifest, being_written, committed, bases: topic.bases(p)? })
    }

    /// Whether somebody was housekeeping since, or a writer came where there was none.
    fn has_changed(&self, topic: &TopicState, p: PartitionId) -> bool {
        let writer_came = || !self.being_written && (topic.is_being_written() || topic.tail.committed(p) != self.committed);
        !topic.is_current(p, &self.manifest) || writer_came()
    }
}

/// Checks a partition, and gives the number of its barriers; `None` where its manifest or folder cannot be read.
fn partition(topic: &TopicState, p: PartitionId) -> Result<(VerifyReport, Option<u64>), LogError> {
    let unreadable = |e| Ok((VerifyReport::of(&topic.partition_dir(p), e), None));
    let mut state = match State::of(topic, p) {
        Ok(state) => state,
        Err(e) => return unreadable(e),
    };
    let mut report = VerifyReport::default();
    if let Some(committed) = state.committed.filter(|c| Some(&c.base) > state.bases.last()) {
        report.problem(&topic.segment(p, committed.base).path, 0, "the partition's last segment is missing");
    }
    let start = state.manifest.start;
    let mut expected = Summary::empty(start.offset, start.generation, start.event_max_us);
    let mut tries = 1..TRIES_MAX;
    let mut i = 0;
    while i < state.bases.len() {
        let mut found = VerifyReport::default();
        let after = one_of(topic, p, &state, i, expected, &mut found)?;
        if found.is_clean() {
            tries = 1..TRIES_MAX;
        } else if state.has_changed(topic, p) && tries.next().is_some() {
            // What was to follow may be in another file now, of which what was checked before is checked again.
            state = match State::of(topic, p) {
                Ok(state) => state,
                Err(e) => return unreadable(e),
            };
            i = state.bases.partition_point(|b| *b <= expected.end).saturating_sub(1);
            expected = topic.before(p, &state.bases, state.bases[i]).map_or(expected, |before| before.summary);
            continue;
        }
        report.add(found);
        expected = after;
        i += 1;
    }
    Ok((report, Some(expected.generation)))
}

/// Checks one of a partition's segments, before which the frames come to `expected`, and gives what they come to after it.
fn one_of(
    topic: &TopicState,
    p: PartitionId,
    state: &State,
    i: usize,
    expected: Summary,
    report: &mut VerifyReport,
) -> Result<Summary, LogError> {
    let (base, last) = (state.bases[i], i + 1 == state.bases.len());
    // Before the file is read: what was committed then is there. Of a segment after the active one, nothing is.
    let committed = topic.tail.committed(p).filter(|c| c.base <= base).map(|c| if c.base == base { c.bytes } else { 0 });
    // What is kept of a segment that is not here says where the next one starts.
    let kept = || topic.summary(p, base).map_or(expected, |summary| summary.next());
    let (segment, bytes) = match read(topic, p, base) {
        Ok(found) => found,
        Err(LogError::ObjectMissing { address }) => {
            report.segments += 1;
            report.segments_remote += 1;
            report.problem(address.as_ref(), 0, "the object is missing");
            return Ok(kept());
        }
        Err(LogError::Corrupt { path, offset, what }) => {
            report.problem(&path, offset, what);
            return Ok(expected);
        }
        Err(e) => return Err(e),
    };
    let path = segment.path.clone();
    if base != expected.end {
        report.problem(&path, 0, format!("a segment for offset {} must follow, and this one is named for {base}", expected.end));
    }
    let file_of = SegmentFile { topic, partition: p, path: &path, last, committed, being_written: state.being_written };
    let after = file(&file_of, &bytes, Summary::empty(base, expected.generation, expected.event_max_us), report);
    if last && let Some(gone) = topic.what_is_gone(p, base, after.end) {
        report.problem(&path, bytes.len() as u64, gone);
    }
    if let Some(remote) = &segment.remote {
        report.segments_remote += 1;
        object(remote, &path, &bytes, report.is_clean(), report);
        if !report.is_clean() {
            // So that this is not reported again for each after it.
            return Ok(kept());
        }
    }
    Ok(after)
}

/// A segment's bytes: of its file, or of its object as it is now.
fn read(topic: &TopicState, p: PartitionId, base: Offset) -> Result<(Arc<Segment>, Vec<u8>), LogError> {
    retrying(topic, p, || {
        let segment = topic.segment(p, base);
        let bytes = match &segment.remote {
            Some(remote) => remote.object.bytes()?,
            None => topic.storage.read(&segment.path).map_err(LogError::io("read", &segment.path))?,
        };
        Ok((segment, bytes))
    })
}

/// Checks what the manifest says of an object, and what is kept of its segment. `clean` says that its frames are as they should be.
fn object(remote: &RemoteFile, path: &Path, bytes: &[u8], clean: bool, report: &mut VerifyReport) {
    let (len, expected) = (bytes.len() as u64, remote.object.bytes);
    let whole = len == expected && crc32c(bytes) == remote.object.crc;
    if len != expected {
        report.problem(path, len.min(expected), format!("the object has {len} bytes, though it was made with {expected}"));
    } else if !whole && clean {
        report.problem(path, 0, "the object's checksum is not that of the segment that was stored in it");
    }
    let again = "; the next `twopath log offload` writes it anew";
    match fs::read(&remote.stub) {
        Err(e) => report.problem(&remote.stub, 0, format!("what is kept of the segment cannot be read: {e}{again}")),
        Ok(kept) if whole && Ok(&kept) != stub::encode(bytes, &remote.reference).as_ref() => {
            let expected = stub::encode(bytes, &remote.reference).unwrap_or_default();
            let at = kept.iter().zip(&expected).position(|(a, b)| a != b).unwrap_or(kept.len().min(expected.len()));
            report.problem(&remote.stub, at as u64, format!("what is kept of the segment is not what stands in it{again}"));
        }
        Ok(_) => {}
    }
}

/// Checks one file as the first and last of a partition of which nothing else is known.
pub(crate) fn one_file(topic: &TopicState, partition: PartitionId, path: &Path, bytes: &[u8]) -> VerifyReport {
    let mut report = VerifyReport::default();
    let file_of = SegmentFile { topic, partition, path, last: true, committed: None, being_written: false };
    file(&file_of, bytes, Summary::empty(Offset(0), 0, NO_EVENT_US), &mut report);
    report
}

/// A segment file, and what is known about it beforehand.
struct SegmentFile<'a> {
    topic: &'a TopicState,
    partition: PartitionId,
    path: &'a Path,
    last: bool,
    /// Bytes that the tail says are committed, none of a segment after the active one; `None` for a sealed segment, or without a tail that
    /// counts.
    committed: Option<u64>,
    being_written: bool,
}

/// Checks one file, and gives what its frames come to.
fn file(file_of: &SegmentFile<'_>, bytes: &[u8], mut summary: Summary, report: &mut VerifyReport) -> Summary {
    let SegmentFile { topic, partition, path, .. } = *file_of;
    report.segments += 1;
    report.bytes += bytes.len() as u64;
    let len = bytes.len() as u64;
    if let Some(committed) = file_of.committed.filter(|c| *c > len) {
        report.problem(path, len, format!("the file ends here, though {committed} bytes of it were committed"));
    }
    let unacknowledged = file_of.last && file_of.committed == Some(0);
    let head = match Head::read(bytes) {
        Ok(head) => head,
        // The writer is making it.
        Err(_) if unacknowledged && file_of.being_written => return summary,
        Err(what) => {
            report.problem(path, 0, if unacknowledged { format!("{what}{TORN}") } else { what.into() });
            return summary;
        }
    };
    let identity = topic.identity(partition, head.crc);
    let decoder = FileDecoder::new(topic.meta.config.schema.clone(), MetadataVersion::V5);
    // One copy, aligned, for the decoder.
    let buffer = Buffer::from(bytes);
    let mut blocks: Vec<Block> = Vec::new();
    let mut index = Vec::new();
    let mut pos = head.len;
    // What a reader would stop at is reported once, and reading goes on at the next good frame.
    let resync = |from: u64, report: &mut VerifyReport, what: String| -> Option<u64> {
        let next = later_frame(&topic.meta, bytes, from);
        let uncommitted = file_of.last && next.is_none() && file_of.committed.is_some_and(|c| from >= c);
        if uncommitted && file_of.being_written {
            return None;
        }
        let torn = if uncommitted { TORN } else { "" };
        report.problem(path, from, format!("{what}{torn}"));
        next
    };
    loop {
        let rest = &bytes[pos as usize..];
        let preallocated = file_of.last && file_of.committed.is_none_or(|c| c <= pos) && is_preallocated(&topic.meta, rest);
        if rest.is_empty() || preallocated {
            if !file_of.last {
                report.problem(path, pos, "the segment is not sealed, though another one follows it");
            } else if summary.frames == 0 && bytes[..pos as usize] != segment::head(&topic.meta.config.schema) {
                report.problem(path, 0, "the file's head is not that of the topic's schema");
            }
            return summary;
        }
        if segment::is_seal(rest) && later_frame(&topic.meta, bytes, pos).is_none() {
            seal(file_of, rest, pos, &mut summary, &index, &blocks, report);
            return summary;
        }
        let header = match Header::decode(rest).and_then(|header| header.fits_itself().map(|()| header)) {
            Ok(header) => header,
            Err(what) => match resync(pos, report, what.into()) {
                Some(next) => {
                    pos = next;
                    adopt(&mut summary, bytes, pos);
                    continue;
                }
                None => return summary,
            },
        };
        if let Err(what) = header.check(&identity, summary.end, summary.generation) {
            report.problem(path, pos, what);
            adopt(&mut summary, bytes, pos);
        }
        if header.frame_len() > rest.len() as u64 {
            match resync(pos, report, "the file ends inside a frame".into()) {
                Some(next) => {
                    pos = next;
                    adopt(&mut summary, bytes, pos);
                    continue;
                }
                None => return summary,
            }
        }
        if header.encode() != rest[..HEADER_BYTES as usize] {
            report.problem(path, pos, "the frame's header has bytes where nothing is to be said");
        }
        if summary.frames > 0 && header.arrival_us < summary.arrival_us.1 {
            report.problem(path, pos, "the frame arrived before the one before it");
        }
        if let Err(what) = segment::check_body(rest, &header) {
            report.problem(path, pos, what);
        } else if let Err(what) = body(topic, &decoder, &buffer, pos, &header) {
            report.problem(path, pos, what);
        }
        report.frames += 1;
        report.records += u64::from(header.count);
        if header.kind == Kind::Records {
            blocks.push(block(pos, &header));
        }
        index::note(&mut index, pos, &header, summary.event_max_us);
        summary.add(&header);
        pos += header.frame_len();
    }
}

/// Takes over where the good frame at `pos` says that it stands, so that one problem is not reported again for each frame after it.
fn adopt(summary: &mut Summary, bytes: &[u8], pos: u64) {
    if let Ok(header) = Header::decode(&bytes[pos as usize..]) {
        summary.end = header.base;
        summary.generation = header.generation;
    }
}

/// Checks what a checksum cannot say: that the body is what its header says it is, and valid Arrow.
fn body(topic: &TopicState, decoder: &FileDecoder, bytes: &Buffer, pos: u64, header: &Header) -> Result<(), String> {
    let body = bytes.slice_with_length((pos + HEADER_BYTES) as usize, header.body_len as usize);
    if header.kind == Kind::Fence {
        return if header.producer.is_some() { Ok(()) } else { Err("the frame fences no producer".into()) };
    }
    if header.kind == Kind::Barrier {
        let barrier = parse_barrier(&body, topic.partitions()).ok_or("the frame is not a barrier of this topic")?;
        let fits = barrier.number == header.generation_after()
            && barrier.position.offsets().get(header.identity.partition.index()) == Some(&header.base);
        return if fits { Ok(()) } else { Err("the barrier does not say what its frame's header says".into()) };
    }
    crate::format::decode::check_message(&topic.meta.config.schema, header, &body)?;
    let block = block_in_frame(header);
    let batch = decoder.read_record_batch(&block, &body).map_err(|e| format!("the frame's records cannot be decoded: {e}"))?;
    let batch =
        batch.filter(|b| b.num_rows() == header.count as usize).ok_or("the frame does not hold as many records as its header says")?;
    offsets(header, &body)?;
    let time = topic.meta.config.time_column.as_ref().and_then(|name| batch.column_by_name(name));
    if time.and_then(event_range_us) != header.event_us {
        return Err("the frame's header does not give the range of its event times".into());
    }
    Ok(())
}

/// Checks a seal against what the frames before it come to.
fn seal(
    file_of: &SegmentFile<'_>,
    rest: &[u8],
    pos: u64,
    summary: &mut Summary,
    index: &[IndexEntry],
    blocks: &[Block],
    report: &mut VerifyReport,
) {
    let seal = match segment::parse_seal(rest) {
        Ok(seal) => seal,
        // A writer is at it.
        Err(_) if file_of.last && file_of.being_written => return,
        Err(what) => return report.problem(file_of.path, pos, what),
    };
    // The record with the greatest event time may be one that compaction took away.
    summary.event_max_us = summary.event_max_us.max(seal.summary.event_max_us);
    if seal.summary != *summary {
        report.problem(file_of.path, pos, "the seal does not say what the frames before it come to");
    } else if seal.index() != index {
        report.problem(file_of.path, pos, "the segment's index does not list its frames");
    }
    if let Err(what) = seal.producers() {
        report.problem(file_of.path, pos, what);
    }
    let footer = arrow_ipc::root_as_footer(seal.footer).ok();
    let listed = footer.and_then(|f| Some(f.recordBatches()?.iter().copied().collect::<Vec<_>>()));
    if listed.as_deref() != Some(blocks) {
        report.problem(file_of.path, pos, "the segment's Arrow footer does not list its frames");
    }
    let of_topic = |f: Footer<'_>| {
        let schema = f.schema().and_then(|s| try_fb_to_schema(s).ok());
        schema.as_ref() == Some(&*file_of.topic.meta.config.schema)
            && f.schema().is_some_and(|s| s.endianness() == arrow_ipc::Endianness::Little)
            && f.version() == MetadataVersion::V5
            && f.dictionaries().is_none_or(|d| d.is_empty())
    };
    if !footer.is_some_and(of_topic) {
        report.problem(file_of.path, pos, "the segment's Arrow footer does not give the topic's schema");
    }
}
