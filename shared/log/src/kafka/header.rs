//! The header of a Kafka record of ours, byte by byte: see the table in the [module's documentation](super).

use crate::format::frame::{get, get_u32, put};
use crate::records::{Barrier, ProducerSequence};
use twopath_base::{Offset, Position};

/// The name of the Kafka record header.
pub(super) const NAME: &str = "twopath";
pub(super) const HEADER_BYTES: usize = 120;
const VERSION: u8 = 1;
const HAS_PRODUCER: u8 = 1;
const HAS_EVENT_TIMES: u8 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Records = 1,
    Barrier = 2,
    Writer = 3,
    Topic = 4,
    Fence = 5,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub kind: Kind,
    pub count: u32,
    pub base: Offset,
    /// The Kafka offset at which the record must stand to count.
    pub at: i64,
    pub generation: u64,
    pub arrival_us: i64,
    pub event_us: Option<(i64, i64)>,
    /// `i64::MIN` where there was none.
    pub event_max_so_far_us: i64,
    pub producer: Option<ProducerSequence>,
    pub writer_at: i64,
    pub barrier_at: i64,
    pub topic_id: u64,
    pub fingerprint: u64,
}

impl Header {
    pub fn end(&self) -> Offset {
        Offset(self.base.0 + u64::from(self.count))
    }

    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = VERSION;
        bytes[1] = self.kind as u8;
        bytes[2] = if self.producer.is_some() { HAS_PRODUCER } else { 0 } | if self.event_us.is_some() { HAS_EVENT_TIMES } else { 0 };
        let (event_min, event_max) = self.event_us.unwrap_or((0, 0));
        let producer = self.producer.unwrap_or(ProducerSequence { producer: 0, epoch: 0, sequence: 0 });
        bytes[4..8].copy_from_slice(&self.count.to_le_bytes());
        let words = [
            self.base.0,
            self.at as u64,
            self.generation,
            self.arrival_us as u64,
            event_min as u64,
            event_max as u64,
            self.event_max_so_far_us as u64,
            producer.producer,
            producer.sequence,
            self.writer_at as u64,
            self.barrier_at as u64,
            self.topic_id,
            self.fingerprint,
            u64::from(producer.epoch),
        ];
        for (i, word) in words.into_iter().enumerate() {
            put(&mut bytes, 8 + 8 * i, word);
        }
        bytes
    }

    /// `None` if these are not the bytes of a header.
    pub fn parse(bytes: &[u8]) -> Option<Header> {
        if bytes.len() != HEADER_BYTES || bytes[0] != VERSION {
            return None;
        }
        let kind = match bytes[1] {
            1 => Kind::Records,
            2 => Kind::Barrier,
            3 => Kind::Writer,
            4 => Kind::Topic,
            5 => Kind::Fence,
            _ => return None,
        };
        let word = |i: usize| get(bytes, 8 + 8 * i);
        Some(Header {
            kind,
            count: get_u32(bytes, 4),
            base: Offset(word(0)),
            at: word(1) as i64,
            generation: word(2),
            arrival_us: word(3) as i64,
            event_us: (bytes[2] & HAS_EVENT_TIMES != 0).then(|| (word(4) as i64, word(5) as i64)),
            event_max_so_far_us: word(6) as i64,
            producer: (bytes[2] & HAS_PRODUCER != 0).then(|| ProducerSequence {
                producer: word(7),
                epoch: word(13) as u32,
                sequence: word(8),
            }),
            writer_at: word(9) as i64,
            barrier_at: word(10) as i64,
            topic_id: word(11),
            fingerprint: word(12),
        })
    }
}

pub(super) fn barrier_value(barrier: &Barrier) -> Vec<u8> {
    let offsets = barrier.position.offsets();
    let words = [barrier.number, offsets.len() as u64].into_iter().chain(offsets.iter().map(|o| o.0));
    words.flat_map(u64::to_le_bytes).collect()
}

/// `None` if this is not a barrier over so many partitions.
pub(super) fn parse_barrier(value: &[u8], partitions: usize) -> Option<Barrier> {
    let words = words(value)?;
    let (head, offsets) = words.split_at_checked(2)?;
    if head[1] != partitions as u64 || offsets.len() != partitions {
        return None;
    }
    Some(Barrier { number: head[0], position: Position::new(offsets.iter().map(|o| Offset(*o)).collect()) })
}

fn words(value: &[u8]) -> Option<Vec<u64>> {
    value.len().is_multiple_of(8).then(|| value.chunks_exact(8).map(|w| get(w, 0)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back() {
        let header = Header {
            kind: Kind::Records,
            count: 7,
            base: Offset(1 << 40),
            at: 12,
            generation: 3,
            arrival_us: 5,
            event_us: Some((-9, 8)),
            event_max_so_far_us: 11,
            producer: Some(ProducerSequence { producer: 1, epoch: 3, sequence: 2 }),
            writer_at: 10,
            barrier_at: -1,
            topic_id: u64::MAX,
            fingerprint: 4,
        };
        assert_eq!(Header::parse(&header.encode()), Some(header));
        let bare = Header { event_us: None, producer: None, kind: Kind::Writer, event_max_so_far_us: i64::MIN, ..header };
        assert_eq!(Header::parse(&bare.encode()), Some(bare));
        let mut newer = header.encode();
        newer[0] = 2;
        assert_eq!(Header::parse(&newer), None, "of a version that this program does not know");
        assert_eq!(Header::parse(&header.encode()[1..]), None);
    }

    #[test]
    fn barriers_come_back() {
        let barrier = Barrier { number: 4, position: Position::new(vec![Offset(1), Offset(2)]) };
        assert_eq!(parse_barrier(&barrier_value(&barrier), 2), Some(barrier.clone()));
        assert_eq!(parse_barrier(&barrier_value(&barrier), 3), None);
        assert_eq!(parse_barrier(&barrier_value(&barrier)[1..], 2), None);
    }
}
