//! What is kept beside the manifest of a segment that was moved to an object store: all but its records. So seeking, opening the topic
//! and listing its barriers need not fetch it.
//!
//! A file named as the segment, with `.seal` for `.arrow`: 64 bytes (what follows and how long it is, the object's length and checksum),
//! then the segment's head, its first frame's header, its barriers' frames, and its seal, all as they stand in the segment.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::LogError;
use crate::format::frame::{HEADER_BYTES, Header, Kind, get, get_u32, put};
use crate::format::manifest::ObjectRef;
use crate::format::segment::{self, Ends, Head};
use twopath_base::checksum::crc32c;

const MAGIC: [u8; 8] = *b"2PKEPT\0\x01";
const FIXED_BYTES: usize = 64;

/// What is kept of one segment; its checksums hold.
pub(crate) struct Stub {
    bytes: Vec<u8>,
    fixed: Fixed,
}

#[derive(Clone, Copy)]
struct Fixed {
    object: (u64, u32),
    /// Where the seal starts in the segment.
    seal_at: u64,
    head_len: u64,
    barriers_len: u64,
    seal_len: u64,
    rest_crc: u32,
}

/// The bytes that are kept of a sealed segment whose checksums hold.
pub(crate) fn encode(file: &[u8], object: &ObjectRef) -> Result<Vec<u8>, &'static str> {
    let head = Head::read(file)?;
    let seal_at = segment::seal_start(file).filter(|at| *at >= head.len).ok_or("the segment is not sealed")?;
    let first = file.get(head.len as usize..(head.len + HEADER_BYTES) as usize).ok_or("the segment has no frames")?;
    let mut barriers = Vec::new();
    let mut pos = head.len;
    while pos < seal_at {
        let header = Header::decode(&file[pos as usize..])?;
        let end = pos + header.frame_len();
        if header.kind == Kind::Barrier {
            barriers.extend_from_slice(file.get(pos as usize..end as usize).ok_or("the file ends inside a frame")?);
        }
        pos = end;
    }
    let rest = [&file[..head.len as usize], first, &barriers, &file[seal_at as usize..]].concat();
    let mut bytes = vec![0; FIXED_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    put(&mut bytes, 8, object.bytes);
    put(&mut bytes, 16, seal_at);
    put(&mut bytes, 24, head.len);
    put(&mut bytes, 32, barriers.len() as u64);
    put(&mut bytes, 40, file.len() as u64 - seal_at);
    bytes[48..52].copy_from_slice(&object.crc.to_le_bytes());
    bytes[52..56].copy_from_slice(&crc32c(&rest).to_le_bytes());
    let crc = crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(&rest);
    Ok(bytes)
}

impl Fixed {
    fn decode(b: &[u8], object: &ObjectRef) -> Result<Fixed, &'static str> {
        if b.len() < FIXED_BYTES || b[..8] != MAGIC || crc32c(&b[..60]) != get_u32(b, 60) {
            return Err("the checksum of what is kept of the segment does not fit it");
        }
        let fixed = Fixed {
            object: (get(b, 8), get_u32(b, 48)),
            seal_at: get(b, 16),
            head_len: get(b, 24),
            barriers_len: get(b, 32),
            seal_len: get(b, 40),
            rest_crc: get_u32(b, 52),
        };
        if [fixed.seal_at, fixed.head_len, fixed.barriers_len, fixed.seal_len].iter().any(|n| *n > object.bytes) {
            return Err("what is kept of the segment is longer than the segment");
        }
        if fixed.object != (object.bytes, object.crc) {
            return Err("what is kept here is of another segment");
        }
        Ok(fixed)
    }

    fn barriers_at(&self) -> u64 {
        FIXED_BYTES as u64 + self.head_len + HEADER_BYTES
    }

    fn seal_place(&self) -> u64 {
        self.barriers_at() + self.barriers_len
    }
}

impl Stub {
    pub fn read(path: &Path, object: &ObjectRef) -> Result<Stub, LogError> {
        let bytes = fs::read(path).map_err(LogError::io("read", path))?;
        let fixed = Fixed::decode(&bytes, object).map_err(|what| LogError::corrupt(path, 0, what))?;
        if bytes.len() as u64 != fixed.seal_place() + fixed.seal_len || crc32c(&bytes[FIXED_BYTES..]) != fixed.rest_crc {
            return Err(LogError::corrupt(path, FIXED_BYTES as u64, "the checksum of what is kept of the segment does not fit it"));
        }
        Ok(Stub { bytes, fixed })
    }

    /// Where the seal starts in the segment.
    pub fn seal_at(&self) -> u64 {
        self.fixed.seal_at
    }

    pub fn seal(&self) -> &[u8] {
        &self.bytes[self.fixed.seal_place() as usize..]
    }

    /// The barriers' frames, one after the other.
    pub fn barriers(&self) -> &[u8] {
        &self.bytes[self.fixed.barriers_at() as usize..self.fixed.seal_place() as usize]
    }
}

/// What stands first and last in the segment, without reading all that is kept of it.
pub(crate) fn ends(path: &Path, object: &ObjectRef) -> Result<Ends, LogError> {
    let corrupt = |what: &str| LogError::corrupt(path, 0, what);
    let file = File::open(path).map_err(LogError::io("open", path))?;
    let read = |at: u64, bytes: usize| -> Result<Vec<u8>, LogError> {
        let mut buffer = vec![0; bytes];
        file.read_exact_at(&mut buffer, at).map_err(LogError::io("read", path))?;
        Ok(buffer)
    };
    let fixed = Fixed::decode(&read(0, FIXED_BYTES)?, object).map_err(corrupt)?;
    if file.metadata().map_err(LogError::io("look at", path))?.len() != fixed.seal_place() + fixed.seal_len {
        return Err(corrupt("what is kept of the segment is not all there"));
    }
    let start = read(FIXED_BYTES as u64, (fixed.head_len + HEADER_BYTES) as usize)?;
    let head = Head::read(&start).map_err(corrupt)?;
    let first = Header::decode(&start[head.len as usize..]).map_err(corrupt)?;
    if head.crc != first.identity.head_crc {
        return Err(corrupt("the checksum of the segment's head does not fit it"));
    }
    let summary = segment::parse_summary_checked(&read(fixed.seal_place(), segment::SEAL_BYTES)?).map_err(corrupt)?;
    Ok(Ends { head, first, summary })
}
