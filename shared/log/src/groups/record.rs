//! One committed position in a group's journal: 64 bytes, so that no record lies across two sectors of a disk.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0–3 | magic `2PGP` |
//! | 4–5 | version, 1 |
//! | 6 | kind: 1 commit, 2 seek |
//! | 7 | zero |
//! | 8–15 | topic id |
//! | 16–23 | XXH64 of the group's name |
//! | 24–31 | offset: everything below it is done |
//! | 32–39 | generation: the number of barriers that are done |
//! | 40–47 | sequence: counts up by one from record to record |
//! | 48–55 | when: microseconds since 1970 |
//! | 56–57 | partition |
//! | 58–59 | how many records before it were written together with it |
//! | 60–63 | CRC-32C of bytes 0–59 |

use twopath_base::{Offset, PartitionId};

use crate::format::frame::{get, get_u32, put};
use crate::partition::tail::Committed;
use twopath_base::checksum::crc32c;

pub(crate) const RECORD_BYTES: usize = 64;

const MAGIC: &[u8; 4] = b"2PGP";
const VERSION: u8 = 1;
const CRC_AT: usize = 60;

/// How far a group is in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct GroupPosition {
    /// Everything below it is done.
    pub offset: Offset,
    /// The number of barriers that are done.
    pub generation: u64,
}

impl GroupPosition {
    /// Whether the log goes up to it.
    pub fn is_in(&self, log: &Committed) -> bool {
        self.offset <= log.end && self.generation <= log.generation
    }

    /// The place, or the log's end where the log does not go so far.
    pub fn set_back_to(&self, log: &Committed) -> GroupPosition {
        GroupPosition { offset: self.offset.min(log.end), generation: self.generation.min(log.generation) }
    }
}

/// Why a place was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A member was done up to there; never goes back.
    Commit = 1,
    /// Somebody set it there.
    Seek = 2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub kind: Kind,
    pub topic_id: u64,
    pub group_hash: u64,
    pub partition: PartitionId,
    pub place: GroupPosition,
    pub sequence: u64,
    pub at_us: i64,
    /// How many records before it were written together with it.
    pub index: u16,
}

impl Record {
    pub fn encode(&self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4] = VERSION;
        bytes[6] = self.kind as u8;
        put(&mut bytes, 8, self.topic_id);
        put(&mut bytes, 16, self.group_hash);
        put(&mut bytes, 24, self.place.offset.0);
        put(&mut bytes, 32, self.place.generation);
        put(&mut bytes, 40, self.sequence);
        put(&mut bytes, 48, self.at_us as u64);
        let partition = u16::try_from(self.partition.0).expect("a topic has at most 1024 partitions");
        bytes[56..58].copy_from_slice(&partition.to_le_bytes());
        bytes[58..60].copy_from_slice(&self.index.to_le_bytes());
        let crc = crc32c(&bytes[..CRC_AT]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The record in these bytes, or what is wrong with them.
    pub fn decode(bytes: &[u8; RECORD_BYTES]) -> Result<Record, String> {
        if crc32c(&bytes[..CRC_AT]) != get_u32(bytes, CRC_AT) {
            return Err("the checksum of a committed position does not fit it".into());
        }
        if bytes[..4] != *MAGIC {
            return Err("this is no committed position".into());
        }
        if (bytes[4], bytes[5], bytes[7]) != (VERSION, 0, 0) {
            return Err(format!("written in version {}, and this program knows version {VERSION} only", bytes[4]));
        }
        let kind = match bytes[6] {
            1 => Kind::Commit,
            2 => Kind::Seek,
            other => return Err(format!("a committed position of an unknown kind, {other}")),
        };
        Ok(Record {
            kind,
            topic_id: get(bytes, 8),
            group_hash: get(bytes, 16),
            place: GroupPosition { offset: Offset(get(bytes, 24)), generation: get(bytes, 32) },
            sequence: get(bytes, 40),
            at_us: get(bytes, 48) as i64,
            partition: PartitionId(u32::from(u16::from_le_bytes([bytes[56], bytes[57]]))),
            index: u16::from_le_bytes([bytes[58], bytes[59]]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_changed_byte_is_seen() {
        let record = Record {
            kind: Kind::Seek,
            topic_id: 0x0123_4567_89AB_CDEF,
            group_hash: 77,
            partition: PartitionId(1023),
            place: GroupPosition { offset: Offset(u64::MAX - 1), generation: 9 },
            sequence: 12,
            at_us: -5,
            index: 3,
        };
        let bytes = record.encode();
        assert_eq!(Record::decode(&bytes), Ok(record));
        for i in 0..RECORD_BYTES {
            for change in 1..=255u8 {
                let mut bytes = bytes;
                bytes[i] ^= change;
                assert!(Record::decode(&bytes).is_err(), "byte {i} changed by {change}");
            }
        }
        assert!(Record::decode(&[0; RECORD_BYTES]).is_err());
    }
}
