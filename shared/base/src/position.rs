//! Offsets, positions and coverage: how Twopath says *which part of the log* something is about.
//!
//! One vocabulary, as Materialize's persist has it. A range is from its **lower** (inclusive) to its **upper** (exclusive): of an answer's
//! [`Coverage`] and its parts, of a batch view (whose upper is called its horizon), of a generation, of a part that a batch run reads. Of a
//! topic, retention moves the start up, which is the lower of all that can still be read; **since** is where on from it can be asked for every
//! position, since compaction merged what is below; the end is its upper. A **hold** keeps retention from what somebody still reads: a batch
//! run, a replay, a job that follows, a consumer group's committed position.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A record's number in its partition, from 0, without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offset(pub u64);

/// A partition's number in its topic, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartitionId(pub u32);

impl PartitionId {
    /// The partition's index into per-partition vectors.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One exclusive upper bound per partition: everything below it is meant.
///
/// Positions are partially ordered, component by component; [`Position::covers`] is that order.
/// The textual form is the offsets separated by commas, partition 0 first: `120,98`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(Vec<Offset>);

impl Position {
    /// The position before the first record of each of `partitions` partitions.
    pub fn zero(partitions: usize) -> Self {
        Position(vec![Offset(0); partitions])
    }

    /// A position from its offsets, partition 0 first.
    pub fn new(offsets: Vec<Offset>) -> Self {
        Position(offsets)
    }

    /// How many partitions it speaks of.
    pub fn partitions(&self) -> usize {
        self.0.len()
    }

    /// The exclusive upper bound in `partition`.
    pub fn get(&self, partition: PartitionId) -> Offset {
        self.0[partition.index()]
    }

    /// Sets the exclusive upper bound in `partition`.
    pub fn set(&mut self, partition: PartitionId, offset: Offset) {
        self.0[partition.index()] = offset;
    }

    /// The offsets, partition 0 first.
    pub fn offsets(&self) -> &[Offset] {
        &self.0
    }

    /// The bounds with their partitions.
    pub fn iter(&self) -> impl Iterator<Item = (PartitionId, Offset)> + '_ {
        self.0.iter().enumerate().map(|(p, &o)| (PartitionId(p as u32), o))
    }

    /// Whether every record below `other` is also below `self`.
    pub fn covers(&self, other: &Position) -> bool {
        assert_eq!(self.partitions(), other.partitions(), "positions of different topics");
        self.0.iter().zip(&other.0).all(|(a, b)| a >= b)
    }

    /// The least position that covers both.
    pub fn join(&self, other: &Position) -> Position {
        assert_eq!(self.partitions(), other.partitions(), "positions of different topics");
        Position(self.0.iter().zip(&other.0).map(|(a, b)| *a.max(b)).collect())
    }

    /// The greatest position that both cover.
    pub fn meet(&self, other: &Position) -> Position {
        assert_eq!(self.partitions(), other.partitions(), "positions of different topics");
        Position(self.0.iter().zip(&other.0).map(|(a, b)| *a.min(b)).collect())
    }

    /// How many records lie below `self` and not below `earlier`.
    pub fn records_since(&self, earlier: &Position) -> u64 {
        self.0.iter().zip(&earlier.0).map(|(a, b)| a.0.saturating_sub(b.0)).sum()
    }

    /// How many records lie below it.
    pub fn records(&self) -> u64 {
        self.0.iter().map(|o| o.0).sum()
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, o) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            o.fmt(f)?;
        }
        Ok(())
    }
}

/// Why a text is not a position.
#[derive(Debug, thiserror::Error)]
#[error("'{text}' is not a position: write one offset per partition, separated by commas, such as 120,98")]
pub struct ParsePositionError {
    text: String,
}

impl FromStr for Position {
    type Err = ParsePositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',')
            .map(|part| part.trim().parse().map(Offset))
            .collect::<Result<Vec<_>, _>>()
            .map(Position)
            .map_err(|_| ParsePositionError { text: text.to_owned() })
    }
}

/// One part of an answer: whose it is, and the offsets that it answers for (`lower` inclusive, `upper` exclusive; as JSON `from` and `to`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoveragePart {
    /// `batch view 3`, `generation 4`, `reference`: whose part this is.
    pub source: String,
    #[serde(rename = "from")]
    pub lower: Position,
    #[serde(rename = "to")]
    pub upper: Position,
}

/// The offset ranges that an answer answers for, part by part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    pub parts: Vec<CoveragePart>,
}

impl Coverage {
    /// Puts parts together. The first says from where on the answer is: the log's start, which is not 0 once retention took its beginning.
    ///
    /// # Panics
    /// If the parts do not abut: an answer with a hole or an overlap is a bug, never a result.
    ///
    /// ```
    /// use twopath_base::{Coverage, CoveragePart, Offset, Position};
    ///
    /// let at = |offset| Position::new(vec![Offset(offset)]);
    /// let part = |source: &str, lower, upper| CoveragePart { source: source.into(), lower: at(lower), upper: at(upper) };
    /// let coverage = Coverage::of(vec![part("batch view 1", 4, 10), part("generation 1", 10, 12)]);
    /// assert_eq!((coverage.lower(), coverage.position()), (Some(&at(4)), Some(&at(12))));
    /// ```
    pub fn of(parts: Vec<CoveragePart>) -> Self {
        for pair in parts.windows(2) {
            assert_eq!(pair[0].upper, pair[1].lower, "coverage has a hole or an overlap: {pair:?}");
        }
        Coverage { parts }
    }

    /// From where on the answer is; `None` for an answer over nothing.
    pub fn lower(&self) -> Option<&Position> {
        self.parts.first().map(|p| &p.lower)
    }

    /// The position that the answer is exact for; `None` for an answer over nothing.
    pub fn position(&self) -> Option<&Position> {
        self.parts.last().map(|p| &p.upper)
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, p) in self.parts.iter().enumerate() {
            if i > 0 {
                f.write_str(" + ")?;
            }
            write!(f, "{} [{}) to [{})", p.source, p.lower, p.upper)?;
        }
        Ok(())
    }
}
