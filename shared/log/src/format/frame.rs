//! A frame: a fixed header and a body. The layout is the table in the [module's documentation](super).

use twopath_base::{Offset, PartitionId, Position};

use crate::records::{Barrier, ProducerSequence};
use std::sync::Arc;

use arrow_ipc::Block;
use twopath_base::checksum::crc32c;

/// Bytes of a frame's header. Headers, messages and bodies are padded so that each starts at a multiple of [`ALIGN_BYTES`].
pub(crate) const HEADER_BYTES: u64 = 128;
pub(crate) const ALIGN_BYTES: u64 = 64;

const MAGIC: [u8; 4] = *b"2PFR";
const VERSION: u16 = 1;
const HAS_PRODUCER: u8 = 1;
const HAS_EVENT_TIME: u8 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Records,
    Barrier,
    /// A producer's new epoch: from here on its older ones are refused. No body.
    Fence,
}

/// What every frame of one partition of one topic says: how a swapped, duplicated or foreign segment shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub topic_id: u64,
    pub schema_fingerprint: u64,
    pub partition: PartitionId,
    /// CRC-32C of what stands before the first frame of a segment file.
    pub head_crc: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub kind: Kind,
    pub identity: Identity,
    /// The offset of the frame's first record; of a barrier, the offset of the record after it.
    pub base: Offset,
    pub count: u32,
    /// How many offsets of the frame's range have no record (any more): 0 except in a compacted segment.
    pub gap: u64,
    /// Least and greatest event time of the records: microseconds since 1970. `None` where no record has one.
    pub event_us: Option<(i64, i64)>,
    pub arrival_us: i64,
    pub producer: Option<ProducerSequence>,
    /// The number of barriers before this frame in its partition.
    pub generation: u64,
    /// How much before this frame was not known to be on the disk when it was written: in units of [`ALIGN_BYTES`].
    pub unsynced: u32,
    /// Bytes after the header.
    pub body_len: u64,
    /// Bytes of the body that are the Arrow message's prefix and metadata; 0 in a barrier.
    pub metadata_len: u32,
    pub body_crc: u32,
}

impl Header {
    pub fn end(&self) -> Offset {
        Offset(self.base.0 + u64::from(self.count) + self.gap)
    }

    /// Bytes of the list of offsets that a frame with gaps has after its message: 4 for each record, padded.
    pub fn offsets_len(&self) -> u64 {
        if self.gap == 0 { 0 } else { (u64::from(self.count) * 4).next_multiple_of(ALIGN_BYTES) }
    }

    pub fn frame_len(&self) -> u64 {
        HEADER_BYTES.saturating_add(self.body_len)
    }

    /// The number of barriers before what follows this frame.
    pub fn generation_after(&self) -> u64 {
        self.generation + u64::from(self.kind == Kind::Barrier)
    }

    /// The byte up to which the segment was known to be on the disk when this frame was written at byte `pos`.
    pub fn synced_before(&self, pos: u64) -> u64 {
        if self.unsynced == u32::MAX { 0 } else { pos.saturating_sub(u64::from(self.unsynced) * ALIGN_BYTES) }
    }

    pub fn encode(&self) -> [u8; HEADER_BYTES as usize] {
        let mut b = [0u8; HEADER_BYTES as usize];
        b[0..4].copy_from_slice(&MAGIC);
        b[4..6].copy_from_slice(&VERSION.to_le_bytes());
        b[6] = match self.kind {
            Kind::Records => 1,
            Kind::Barrier => 2,
            Kind::Fence => 3,
        };
        b[7] = if self.producer.is_some() { HAS_PRODUCER } else { 0 } | if self.event_us.is_some() { HAS_EVENT_TIME } else { 0 };
        put(&mut b, 8, self.identity.topic_id);
        put(&mut b, 16, self.identity.schema_fingerprint);
        b[24..28].copy_from_slice(&self.identity.partition.0.to_le_bytes());
        b[28..32].copy_from_slice(&self.count.to_le_bytes());
        put(&mut b, 32, self.base.0);
        let (min, max) = self.event_us.unwrap_or_default();
        put(&mut b, 40, min as u64);
        put(&mut b, 48, max as u64);
        put(&mut b, 56, self.arrival_us as u64);
        if let Some(p) = self.producer {
            put(&mut b, 64, p.producer);
            put(&mut b, 72, p.sequence);
            b[104..108].copy_from_slice(&p.epoch.to_le_bytes());
        }
        put(&mut b, 80, self.generation);
        put(&mut b, 88, self.body_len);
        b[96..100].copy_from_slice(&self.metadata_len.to_le_bytes());
        b[100..104].copy_from_slice(&self.identity.head_crc.to_le_bytes());
        b[108..112].copy_from_slice(&self.unsynced.to_le_bytes());
        put(&mut b, 112, self.gap);
        b[120..124].copy_from_slice(&self.body_crc.to_le_bytes());
        let crc = crc32c(&b[..124]);
        b[124..128].copy_from_slice(&crc.to_le_bytes());
        b
    }

    /// The header at the start of `bytes`, if its checksum holds. Says nothing about whether it belongs here: see [`Self::check`].
    pub fn decode(bytes: &[u8]) -> Result<Header, &'static str> {
        let Some(b) = bytes.first_chunk::<{ HEADER_BYTES as usize }>() else {
            return Err("the file ends inside a frame's header");
        };
        if b[0..4] != MAGIC {
            return Err("no frame starts here");
        }
        if crc32c(&b[..124]) != get_u32(b, 124) {
            return Err("the checksum of a frame's header does not fit it");
        }
        if u16::from_le_bytes([b[4], b[5]]) != VERSION {
            return Err("the frame is of a version that this program does not know");
        }
        let kind = match b[6] {
            1 => Kind::Records,
            2 => Kind::Barrier,
            3 => Kind::Fence,
            _ => return Err("the frame is of a kind that this program does not know"),
        };
        if b[7] & !(HAS_PRODUCER | HAS_EVENT_TIME) != 0 {
            return Err("the frame has a flag that this program does not know");
        }
        Ok(Header {
            kind,
            identity: Identity {
                topic_id: get(b, 8),
                schema_fingerprint: get(b, 16),
                partition: PartitionId(get_u32(b, 24)),
                head_crc: get_u32(b, 100),
            },
            base: Offset(get(b, 32)),
            count: get_u32(b, 28),
            gap: get(b, 112),
            event_us: (b[7] & HAS_EVENT_TIME != 0).then(|| (get(b, 40) as i64, get(b, 48) as i64)),
            arrival_us: get(b, 56) as i64,
            producer: (b[7] & HAS_PRODUCER != 0).then(|| ProducerSequence {
                producer: get(b, 64),
                epoch: get_u32(b, 104),
                sequence: get(b, 72),
            }),
            generation: get(b, 80),
            unsynced: get_u32(b, 108),
            body_len: get(b, 88),
            metadata_len: get_u32(b, 96),
            body_crc: get_u32(b, 120),
        })
    }

    /// Whether this is the frame that must follow: of this partition, at this offset, after so many barriers.
    pub fn check(&self, identity: &Identity, base: Offset, generation: u64) -> Result<(), String> {
        let own = &self.identity;
        if own.topic_id != identity.topic_id {
            return Err("the frame belongs to another topic".into());
        }
        if own.schema_fingerprint != identity.schema_fingerprint {
            return Err("the frame was written with another schema".into());
        }
        if own.partition != identity.partition {
            return Err(format!("the frame belongs to partition {}", own.partition));
        }
        if own.head_crc != identity.head_crc {
            return Err("the checksum of the segment's head does not fit it".into());
        }
        if self.base != base {
            return Err(format!("a frame for offset {base} must follow, and the one for {} does", self.base));
        }
        if self.generation != generation {
            return Err(format!("{generation} barriers stand before this frame, and it counts {}", self.generation));
        }
        self.fits_itself().map_err(String::from)
    }

    /// Whether its lengths and its offsets fit together: nothing may be made of one that they do not.
    pub fn fits_itself(&self) -> Result<(), &'static str> {
        let parts = u64::from(self.metadata_len).checked_add(self.offsets_len());
        if !self.body_len.is_multiple_of(ALIGN_BYTES) || parts.is_none_or(|parts| parts > self.body_len) {
            return Err("the frame's lengths do not fit together");
        }
        let end = self.base.0.checked_add(u64::from(self.count)).and_then(|end| end.checked_add(self.gap));
        if end.is_none() || self.gap > u64::from(u32::MAX) || (self.kind != Kind::Records && self.end() != self.base) {
            return Err("the frame's offsets do not fit together");
        }
        if self.kind == Kind::Barrier && self.generation == u64::MAX {
            return Err("the frame is a barrier with a number that none can have");
        }
        Ok(())
    }
}

/// The Arrow footer's entry for the frame at `pos`.
pub(crate) fn block(pos: u64, header: &Header) -> Block {
    let body_len = header.body_len - u64::from(header.metadata_len) - header.offsets_len();
    Block::new((pos + HEADER_BYTES) as i64, header.metadata_len as i32, body_len as i64)
}

/// The same, counted from the start of the frame's body.
pub(crate) fn block_in_frame(header: &Header) -> Block {
    Block::new(0, header.metadata_len as i32, (header.body_len - u64::from(header.metadata_len) - header.offsets_len()) as i64)
}

/// A barrier frame's body: number, partitions, one offset per partition, padded.
pub(crate) fn barrier_body(barrier: &Barrier) -> Vec<u8> {
    let mut body = Vec::with_capacity(64);
    body.extend_from_slice(&barrier.number.to_le_bytes());
    body.extend_from_slice(&(barrier.position.partitions() as u64).to_le_bytes());
    for offset in barrier.position.offsets() {
        body.extend_from_slice(&offset.0.to_le_bytes());
    }
    body.resize(body.len().next_multiple_of(ALIGN_BYTES as usize), 0);
    body
}

/// What [`barrier_body`] wrote; `None` if it is not one of a topic with so many partitions.
pub(crate) fn parse_barrier(body: &[u8], partitions: usize) -> Option<Barrier> {
    let words: Vec<u64> = body.chunks_exact(8).map(|w| get(w, 0)).collect();
    let offsets = words.get(2..2 + partitions)?;
    (words[1] == partitions as u64)
        .then(|| Barrier { number: words[0], position: Position::new(offsets.iter().map(|&o| Offset(o)).collect()) })
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

pub(crate) fn put(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

pub(crate) fn get(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

pub(crate) fn get_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}
