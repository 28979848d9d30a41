//! What a partition knows of its producers: their epochs and last numbers, so that a repeated append is acknowledged and not made again.
//!
//! The state is the frames' own: each names its producer, and the seal of a segment holds what all frames up to there come to, so that
//! a writer finds it again from the last seal and the frames after it.

use std::collections::HashMap;

use twopath_base::Offset;

use crate::error::LogError;
use crate::format::frame::{Header, Kind, get, get_u32};
use crate::hash::xxh64;
use crate::records::ProducerSequence;

/// How many of a producer's last appends are remembered with their offsets.
const RECENT: usize = 5;
/// How many producers a partition remembers: those that appended last.
const PRODUCERS_MAX: usize = 1024;
/// Bytes of a producer in a seal.
const PRODUCER_BYTES: usize = 32 + RECENT * 16;

/// What a partition knows of a producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerState {
    pub epoch: u32,
    /// Its last appends, oldest first: number, and offset of the first record. Empty if it only began.
    pub recent: Vec<(u64, Offset)>,
    /// When it was last heard of: microseconds since 1970.
    pub at_us: i64,
}

impl ProducerState {
    /// Its last number.
    pub fn last(&self) -> Option<u64> {
        self.recent.last().map(|r| r.0)
    }
}

/// The producer that a name stands for: the same in every process, on every machine, in every version of this program.
pub fn producer_id(name: &str) -> u64 {
    xxh64(name.as_bytes())
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Producers(HashMap<u64, ProducerState>);

impl Producers {
    pub fn get(&self, producer: u64) -> Option<&ProducerState> {
        self.0.get(&producer)
    }

    /// The offset that an append got which comes again; `None` for one to be made.
    pub fn check(&self, append: ProducerSequence) -> Result<Option<Offset>, LogError> {
        let ProducerSequence { producer, epoch, sequence } = append;
        let Some(state) = self.0.get(&producer) else {
            return Ok(None);
        };
        if epoch < state.epoch {
            return Err(LogError::Fenced { producer, epoch, current: state.epoch });
        }
        if let Some((_, offset)) = state.recent.iter().find(|r| r.0 == sequence) {
            return Ok(Some(*offset));
        }
        match state.last() {
            Some(last) if sequence <= last => Err(LogError::StaleSequence { producer, sequence, last }),
            _ => Ok(None),
        }
    }

    /// Takes in what a frame says of its producer.
    pub fn note(&mut self, header: &Header) {
        if let Some(p) = header.producer {
            self.note_append(p, (header.kind == Kind::Records).then_some(header.base), header.arrival_us);
        }
    }

    /// Takes in an append of a producer's, or, without an offset, the beginning of its epoch.
    pub fn note_append(&mut self, p: ProducerSequence, base: Option<Offset>, arrival_us: i64) {
        let state = self.0.entry(p.producer).or_insert_with(|| ProducerState { epoch: p.epoch, recent: Vec::new(), at_us: 0 });
        state.epoch = state.epoch.max(p.epoch);
        state.at_us = arrival_us;
        if let Some(base) = base {
            if state.recent.len() == RECENT {
                state.recent.remove(0);
            }
            state.recent.push((p.sequence, base));
        }
    }

    /// Forgets the producers that were heard of longest ago, where there are too many.
    pub fn trim(&mut self) {
        if self.0.len() > PRODUCERS_MAX {
            let mut heard: Vec<(i64, u64)> = self.0.iter().map(|(id, s)| (s.at_us, *id)).collect();
            heard.sort_unstable();
            for (_, id) in &heard[..heard.len() - PRODUCERS_MAX] {
                self.0.remove(id);
            }
        }
    }

    /// As it stands in a seal, by producer.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        let mut ids: Vec<_> = self.0.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let state = &self.0[&id];
            let start = bytes.len();
            bytes.extend_from_slice(&id.to_le_bytes());
            bytes.extend_from_slice(&state.epoch.to_le_bytes());
            bytes.extend_from_slice(&(state.recent.len() as u32).to_le_bytes());
            bytes.extend_from_slice(&state.at_us.to_le_bytes());
            bytes.extend_from_slice(&[0; 8]);
            for (sequence, offset) in &state.recent {
                bytes.extend_from_slice(&sequence.to_le_bytes());
                bytes.extend_from_slice(&offset.0.to_le_bytes());
            }
            bytes.resize(start + PRODUCER_BYTES, 0);
        }
    }

    pub fn encoded_len(count: usize) -> usize {
        count * PRODUCER_BYTES
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What [`Self::encode`] wrote; `None` if it is not that.
    pub fn decode(bytes: &[u8]) -> Option<Producers> {
        let producers = Self::parse(bytes)?;
        // One that stands there twice, or what should be zero and is not: no writer wrote that.
        let mut again = Vec::with_capacity(bytes.len());
        producers.encode(&mut again);
        (again == bytes).then_some(producers)
    }

    fn parse(bytes: &[u8]) -> Option<Producers> {
        let one = |b: &[u8]| {
            let count = get_u32(b, 12) as usize;
            let recent = (0..count).map(|i| (get(b, 32 + i * 16), Offset(get(b, 40 + i * 16))));
            let state = || ProducerState { epoch: get_u32(b, 8), recent: recent.collect(), at_us: get(b, 16) as i64 };
            (count <= RECENT).then(|| (get(b, 0), state()))
        };
        bytes.chunks(PRODUCER_BYTES).map(|b| (b.len() == PRODUCER_BYTES).then(|| one(b))?).collect::<Option<_>>().map(Producers)
    }
}
