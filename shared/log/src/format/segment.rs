//! A segment's file: its name, its head, and the seal that makes it an Arrow IPC file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use arrow_ipc::convert::IpcSchemaEncoder;
use arrow_ipc::{Block, FooterBuilder, MessageBuilder, MessageHeader, MetadataVersion};
use arrow_schema::Schema;
use flatbuffers::FlatBufferBuilder;

use twopath_base::Offset;

use crate::error::LogError;
use crate::format::frame::{ALIGN_BYTES, HEADER_BYTES, Header, Identity, get, get_u32, put};
use crate::format::index::{self, IndexEntry, NO_EVENT_US};
use crate::format::producer::Producers;
use twopath_base::checksum::crc32c;

const ARROW_MAGIC: &[u8; 6] = b"ARROW1";
/// Arrow's end-of-stream marker; a message of length 0. No frame starts with it.
const END_OF_STREAM: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
const SEAL_MAGIC: [u8; 8] = *b"2PSEAL\0\x02";
/// The end-of-stream marker and the seal's summary.
pub(crate) const SEAL_BYTES: usize = 128;
const SUFFIX: &str = ".arrow";
const STUB_SUFFIX: &str = ".seal";

/// The file name of the segment that starts at `base`.
pub(crate) fn file_name(base: Offset) -> String {
    format!("{:020}{SUFFIX}", base.0)
}

/// The file name of the `number`th rewriting, which starts at `base`.
pub(crate) fn rewritten_name(base: Offset, number: u64) -> String {
    format!("{:020}.{number}{SUFFIX}", base.0)
}

/// The name of the file of what is kept of a segment, given that of its own file.
pub(crate) fn stub_name(file_name: &str) -> String {
    format!("{}{STUB_SUFFIX}", file_name.strip_suffix(SUFFIX).unwrap_or(file_name))
}

/// The base offset in the name of a segment's file as the writer made it, if it is one.
pub(crate) fn parse_file_name(name: &str) -> Option<Offset> {
    let digits = name.strip_suffix(SUFFIX)?;
    (digits.len() == 20).then(|| digits.parse().ok().map(Offset))?
}

/// Whether a file's name is that of a segment, as made or rewritten, or of what is kept of one, also where it is not finished.
pub(crate) fn is_segment_name(name: &str) -> bool {
    let name = name.strip_suffix(".new").unwrap_or(name);
    let stem = name.strip_suffix(SUFFIX).or_else(|| name.strip_suffix(STUB_SUFFIX));
    let base = stem.map(|stem| stem.split_once('.').map_or(stem, |(base, _)| base));
    base.is_some_and(|base| base.len() == 20 && base.bytes().all(|b| b.is_ascii_digit()))
}

/// What stands before the first frame: Arrow's magic and the schema message, padded so that the first frame is aligned.
pub(crate) fn head(schema: &Schema) -> Vec<u8> {
    let mut fbb = FlatBufferBuilder::new();
    let schema = IpcSchemaEncoder::new().schema_to_fb_offset(&mut fbb, schema).as_union_value();
    let mut message = MessageBuilder::new(&mut fbb);
    message.add_version(MetadataVersion::V5);
    message.add_header_type(MessageHeader::Schema);
    message.add_bodyLength(0);
    message.add_header(schema);
    let root = message.finish();
    fbb.finish(root, None);
    let message = fbb.finished_data();
    let len = (16 + message.len()).next_multiple_of(ALIGN_BYTES as usize);
    let mut head = Vec::with_capacity(len);
    head.extend_from_slice(b"ARROW1\0\0\xff\xff\xff\xff");
    head.extend_from_slice(&((len - 16) as u32).to_le_bytes());
    head.extend_from_slice(message);
    head.resize(len, 0);
    head
}

/// Length and checksum of a segment's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub len: u64,
    pub crc: u32,
}

impl Head {
    /// The head at the start of a segment file. Its checksum is compared with the one in the first frame.
    pub fn read(bytes: &[u8]) -> Result<Head, &'static str> {
        let start = bytes.get(..16).ok_or("the file ends inside its head")?;
        if &start[..12] != b"ARROW1\0\0\xff\xff\xff\xff" {
            return Err("the file does not start as a segment does");
        }
        let len = 16 + get_u32(start, 12) as usize;
        if !len.is_multiple_of(ALIGN_BYTES as usize) {
            return Err("the length of the file's head is wrong");
        }
        let head = bytes.get(..len).ok_or("the file ends inside its head")?;
        Ok(Head { len: len as u64, crc: crc32c(head) })
    }
}

/// What the frames of a segment come to; written when it is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    pub frames: u64,
    pub end: Offset,
    pub event_us: Option<(i64, i64)>,
    /// First and last arrival time: microseconds since 1970.
    pub arrival_us: (i64, i64),
    /// The number of barriers before what follows the segment.
    pub generation: u64,
    /// Those that have not been taken away.
    pub records: u64,
    /// The greatest event time of all records of the partition up to here, with those that compaction took away: microseconds since 1970.
    pub event_max_us: i64,
}

impl Summary {
    /// Of no frames, after those of the segments before.
    pub fn empty(base: Offset, generation: u64, event_max_us: i64) -> Summary {
        Summary { frames: 0, end: base, event_us: None, arrival_us: (0, 0), generation, records: 0, event_max_us }
    }

    /// Of no frames, after these.
    pub fn next(&self) -> Summary {
        Summary::empty(self.end, self.generation, self.event_max_us)
    }

    pub fn add(&mut self, header: &Header) {
        if self.frames == 0 {
            self.arrival_us.0 = header.arrival_us;
        }
        self.frames += 1;
        self.records += u64::from(header.count);
        self.event_max_us = self.event_max_us.max(header.event_us.map_or(NO_EVENT_US, |e| e.1));
        self.end = header.end();
        self.arrival_us.1 = header.arrival_us;
        self.generation = header.generation_after();
        self.event_us = match (self.event_us, header.event_us) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
    }
}

/// What a seal holds beside the summary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Notes {
    pub index: Vec<IndexEntry>,
    /// As of the segment's end.
    pub producers: Producers,
}

/// Everything that sealing appends: end-of-stream marker, summary, notes, Arrow footer.
pub(crate) fn seal(schema: &Schema, summary: &Summary, notes: &Notes, blocks: &[Block]) -> Vec<u8> {
    let mut fbb = FlatBufferBuilder::new();
    let no_dictionaries = fbb.create_vector::<Block>(&[]);
    let batches = fbb.create_vector(blocks);
    let schema = IpcSchemaEncoder::new().schema_to_fb_offset(&mut fbb, schema);
    let mut footer = FooterBuilder::new(&mut fbb);
    footer.add_version(MetadataVersion::V5);
    footer.add_schema(schema);
    footer.add_dictionaries(no_dictionaries);
    footer.add_recordBatches(batches);
    let root = footer.finish();
    fbb.finish(root, None);
    let mut footer = fbb.finished_data().to_vec();
    let footer_len = footer.len() as u32;
    footer.extend_from_slice(&footer_len.to_le_bytes());
    footer.extend_from_slice(ARROW_MAGIC);

    let mut rest = Vec::new();
    index::encode(&notes.index, &mut rest);
    notes.producers.encode(&mut rest);
    // Its own length comes last, so that one finds the seal's start from the file's end.
    let notes_len = (rest.len() + 8).next_multiple_of(ALIGN_BYTES as usize);
    rest.resize(notes_len - 8, 0);
    rest.extend_from_slice(&(notes_len as u64).to_le_bytes());

    let mut b = vec![0u8; SEAL_BYTES];
    b[..8].copy_from_slice(&END_OF_STREAM);
    b[8..16].copy_from_slice(&SEAL_MAGIC);
    put(&mut b, 16, summary.frames);
    put(&mut b, 24, summary.end.0);
    let (min, max) = summary.event_us.unwrap_or_default();
    put(&mut b, 32, min as u64);
    put(&mut b, 40, max as u64);
    put(&mut b, 48, summary.arrival_us.0 as u64);
    put(&mut b, 56, summary.arrival_us.1 as u64);
    put(&mut b, 64, summary.generation);
    b[72..76].copy_from_slice(&(footer.len() as u32).to_le_bytes());
    b[76..80].copy_from_slice(&crc32c(&footer).to_le_bytes());
    b[80] = u8::from(summary.event_us.is_some());
    b[84..88].copy_from_slice(&(notes.index.len() as u32).to_le_bytes());
    b[88..92].copy_from_slice(&(notes.producers.len() as u32).to_le_bytes());
    b[92..96].copy_from_slice(&crc32c(&rest).to_le_bytes());
    put(&mut b, 96, summary.records);
    put(&mut b, 104, summary.event_max_us as u64);
    put(&mut b, 112, notes_len as u64);
    let crc = crc32c(&b[..124]);
    b[124..128].copy_from_slice(&crc.to_le_bytes());
    b.extend_from_slice(&rest);
    b.extend_from_slice(&footer);
    b
}

/// Where the seal starts in a sealed segment's bytes.
pub(crate) fn seal_start(bytes: &[u8]) -> Option<u64> {
    let footer_len = arrow_ipc::reader::read_footer_length(*bytes.last_chunk::<10>()?).ok()?;
    let footer = bytes.len().checked_sub(10 + footer_len)?;
    let notes_len = get(bytes, footer.checked_sub(8)?);
    (footer as u64).checked_sub(notes_len)?.checked_sub(SEAL_BYTES as u64)
}

/// Whether a seal, and not a frame, starts here.
pub(crate) fn is_seal(bytes: &[u8]) -> bool {
    bytes.starts_with(&END_OF_STREAM[..4])
}

/// A seal whose checksums hold.
pub(crate) struct Seal<'a> {
    pub summary: Summary,
    notes: &'a [u8],
    entries: usize,
    producers: usize,
    /// Arrow's footer, without its length and magic.
    pub footer: &'a [u8],
}

impl Seal<'_> {
    pub fn index(&self) -> Vec<IndexEntry> {
        index::decode(&self.notes[..index::encoded_len(self.entries)])
    }

    pub fn producers(&self) -> Result<Producers, &'static str> {
        let from = index::encoded_len(self.entries);
        Producers::decode(&self.notes[from..from + Producers::encoded_len(self.producers)]).ok_or("the seal's list of producers is not one")
    }
}

/// The seal in `bytes`, which go from its start to the file's end.
pub(crate) fn parse_seal(bytes: &[u8]) -> Result<Seal<'_>, &'static str> {
    let Some((b, rest)) = bytes.split_at_checked(SEAL_BYTES) else {
        return Err("the file ends inside its seal");
    };
    let summary = parse_summary_checked(b)?;
    let Some((notes, footer)) = usize::try_from(get(b, 112)).ok().and_then(|len| rest.split_at_checked(len)) else {
        return Err("the file ends inside its seal");
    };
    let (entries, producers) = (get_u32(b, 84) as usize, get_u32(b, 88) as usize);
    let fits = index::encoded_len(entries) + Producers::encoded_len(producers) <= notes.len();
    if crc32c(notes) != get_u32(b, 92) || !fits {
        return Err("the checksum of the segment's index does not fit it");
    }
    // By which the seal's start is found from the file's end.
    if notes.last_chunk() != Some(&(notes.len() as u64).to_le_bytes()) {
        return Err("the segment's index has not the length that is written behind it");
    }
    if get_u32(b, 72) as usize != footer.len() || crc32c(footer) != get_u32(b, 76) {
        return Err("the checksum of the segment's Arrow footer does not fit it");
    }
    // Behind the footer, as the Arrow IPC file format has it: its length, and the magic.
    let Some((footer, [length @ .., b'A', b'R', b'R', b'O', b'W', b'1'])) = footer.split_last_chunk::<10>() else {
        return Err("the segment does not end as an Arrow file does");
    };
    if get_u32(length, 0) as usize != footer.len() {
        return Err("the segment's Arrow footer has not the length that is written behind it");
    }
    Ok(Seal { summary, notes, entries, producers, footer })
}

/// The summary that a seal starts with, if its own checksum holds.
pub(crate) fn parse_summary_checked(b: &[u8]) -> Result<Summary, &'static str> {
    if b.len() < SEAL_BYTES || b[..8] != END_OF_STREAM || b[8..16] != SEAL_MAGIC || crc32c(&b[..124]) != get_u32(b, 124) {
        return Err("the checksum of the segment's seal does not fit it");
    }
    Ok(parse_summary(b))
}

fn parse_summary(b: &[u8]) -> Summary {
    Summary {
        frames: get(b, 16),
        end: Offset(get(b, 24)),
        event_us: (b[80] != 0).then(|| (get(b, 32) as i64, get(b, 40) as i64)),
        arrival_us: (get(b, 48) as i64, get(b, 56) as i64),
        generation: get(b, 64),
        records: get(b, 96),
        event_max_us: get(b, 104) as i64,
    }
}

/// Bytes of a file's start in which the head and the first frame's header are looked for at once.
const START_BYTES: usize = 4096;

/// What stands first and last in a sealed segment.
pub(crate) struct Ends {
    pub head: Head,
    pub first: Header,
    pub summary: Summary,
}

/// The ends of a sealed segment's file.
pub(crate) fn ends(path: &Path) -> Result<Ends, LogError> {
    let file = File::open(path).map_err(LogError::io("open", path))?;
    let len = file.metadata().map_err(LogError::io("look at", path))?.len();
    let read = |at: u64, bytes: usize| -> Result<Vec<u8>, LogError> {
        let mut buffer = vec![0; bytes.min(len.saturating_sub(at) as usize)];
        file.read_exact_at(&mut buffer, at).map_err(LogError::io("read", path))?;
        Ok(buffer)
    };
    let corrupt = |at: u64, what: &str| LogError::corrupt(path, at, what);
    let mut start = read(0, START_BYTES)?;
    if start.len() >= 16 {
        let wanted = 16 + get_u32(&start, 12) as usize + HEADER_BYTES as usize;
        if wanted > start.len() {
            start = read(0, wanted)?;
        }
    }
    let head = Head::read(&start).map_err(|what| corrupt(0, what))?;
    let first = Header::decode(&start[head.len as usize..]).map_err(|what| corrupt(head.len, what))?;
    let unsealed = || corrupt(len, "the segment is not sealed, though another one follows it");
    let end = read(len.saturating_sub(10), 10)?;
    let footer_len = end.as_slice().try_into().ok().and_then(|end| arrow_ipc::reader::read_footer_length(end).ok());
    let footer = footer_len.and_then(|footer_len| len.checked_sub(10 + footer_len as u64)).filter(|at| *at >= 8).ok_or_else(unsealed)?;
    let notes_len = get(&read(footer - 8, 8)?, 0);
    let at = footer.checked_sub(notes_len).and_then(|at| at.checked_sub(SEAL_BYTES as u64)).ok_or_else(unsealed)?;
    let b = read(at, SEAL_BYTES)?;
    let summary = parse_summary_checked(&b).map_err(|what| corrupt(at, what))?;
    Ok(Ends { head, first, summary })
}

/// What stands at a place in a segment.
pub(crate) enum Step {
    Frame(Header),
    Seal,
}

/// The next thing in `bytes`, which start where it must start and end where the committed bytes do.
pub(crate) fn step(bytes: &[u8], identity: &Identity, base: Offset, generation: u64) -> Result<Step, String> {
    if is_seal(bytes) {
        return Ok(Step::Seal);
    }
    let header = Header::decode(bytes)?;
    header.check(identity, base, generation)?;
    if header.frame_len() > bytes.len() as u64 {
        return Err("the file ends inside a frame".into());
    }
    Ok(Step::Frame(header))
}

/// The body of the frame that `bytes` start with, if its checksum holds.
pub(crate) fn check_body(bytes: &[u8], header: &Header) -> Result<(), &'static str> {
    let body = &bytes[HEADER_BYTES as usize..header.frame_len() as usize];
    if crc32c(body) == header.body_crc { Ok(()) } else { Err("the checksum of a frame's body does not fit it") }
}
