//! A partition's manifest: what the names of its files do not say. Absent as long as they say all.
//!
//! A line `2PMANIFEST 1 ` and the CRC-32C of the rest in hexadecimal, then JSON. It is replaced as a whole (a file beside it, synced and
//! renamed), and only by the holder of the topic's housekeeping lock.

use std::path::Path;

use serde::{Deserialize, Serialize};

use twopath_base::{Offset, PartitionId};

use crate::error::LogError;
use crate::format::index::NO_EVENT_US;
use crate::format::segment;
use twopath_base::checksum::crc32c;

pub(crate) const FILE: &str = "manifest";
pub(crate) const MAGIC: &str = "2PMANIFEST 1 ";

/// Where the first segment that is left starts, and what is known there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogStart {
    pub offset: Offset,
    /// The number of barriers before it.
    pub generation: u64,
    /// The greatest event time before it: microseconds since 1970.
    pub event_max_us: i64,
}

/// A file that compaction put in the place of one or more segments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rewritten {
    pub base: Offset,
    /// Exclusive.
    pub end: Offset,
    /// Which rewriting of the partition made it: a part of its name.
    pub number: u64,
    /// When the oldest of the tombstones in it arrived: microseconds since 1970. `None` where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tombstone_us: Option<i64>,
}

/// A segment whose file is an object in a store, and no longer stands in the partition's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Remote {
    pub base: Offset,
    /// Exclusive.
    pub end: Offset,
    pub object: ObjectRef,
}

/// An object: where it is, and what it must hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObjectRef {
    /// Which of the manifest's stores.
    pub store: usize,
    /// The first offset of the segment that it is, by which it is named.
    pub base: Offset,
    pub bytes: u64,
    /// CRC-32C of all of it; part of its name, so that no object is ever replaced by another one.
    pub crc: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartitionManifest {
    /// 16 hexadecimal digits.
    pub topic_id: String,
    pub partition: PartitionId,
    pub start: LogStart,
    /// Ascending; they do not overlap.
    pub rewritten: Vec<Rewritten>,
    /// Up to here compaction has left each key once.
    pub compacted_to: Offset,
    /// Of the last rewriting.
    pub number: u64,
    /// Addresses of object stores. One keeps its place for ever.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stores: Vec<String>,
    /// Ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remote: Vec<Remote>,
    /// Objects that nothing needs, and that may be in their stores: about to be made, or to be deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unneeded: Vec<ObjectRef>,
}

impl PartitionManifest {
    /// Of a partition that nothing was ever taken from.
    pub fn new(topic_id: u64, partition: PartitionId) -> PartitionManifest {
        PartitionManifest {
            topic_id: format!("{topic_id:016x}"),
            partition,
            start: LogStart { offset: Offset(0), generation: 0, event_max_us: NO_EVENT_US },
            rewritten: Vec::new(),
            compacted_to: Offset(0),
            number: 0,
            stores: Vec::new(),
            remote: Vec::new(),
            unneeded: Vec::new(),
        }
    }

    /// Where the segment that starts at `base` is, if it is an object.
    pub fn remote(&self, base: Offset) -> Option<&Remote> {
        self.remote.binary_search_by_key(&base, |r| r.base).ok().map(|i| &self.remote[i])
    }

    /// The rewriting in which an offset is, if it is in one.
    pub fn rewriting(&self, offset: Offset) -> Option<&Rewritten> {
        let after = self.rewritten.partition_point(|r| r.base <= offset);
        self.rewritten[..after].last().filter(|r| offset < r.end)
    }

    /// The place of a store among this manifest's.
    pub fn store(&mut self, address: &str) -> usize {
        self.stores.iter().position(|s| s == address).unwrap_or_else(|| {
            self.stores.push(address.to_owned());
            self.stores.len() - 1
        })
    }

    /// Takes out the remote segments that are chosen: nothing needs their objects any more.
    pub fn forget_remote(&mut self, gone: impl Fn(&Remote) -> bool) {
        for remote in self.remote.extract_if(.., |r| gone(r)) {
            self.unneeded.push(remote.object);
        }
    }

    /// The name of the file of the segment that starts at `base`.
    pub fn file_name(&self, base: Offset) -> String {
        match self.rewriting(base).filter(|r| r.base == base) {
            Some(r) => segment::rewritten_name(base, r.number),
            None => segment::file_name(base),
        }
    }

    /// The segments' bases, given the names in the partition's folder; ascending.
    pub fn bases(&self, names: &[String]) -> Vec<Offset> {
        let stands = |base: &Offset| *base >= self.start.offset && self.rewriting(*base).is_none();
        let written = names.iter().filter_map(|n| segment::parse_file_name(n)).filter(stands);
        let named = self.rewritten.iter().map(|r| r.base).chain(self.remote.iter().map(|r| r.base));
        let mut bases: Vec<Offset> = written.chain(named).collect();
        bases.sort_unstable();
        // One that was moved away may have left its file for a moment.
        bases.dedup();
        bases
    }

    pub fn encode(&self) -> Vec<u8> {
        let json = serde_json::to_string(self).expect("plain data always becomes JSON");
        format!("{MAGIC}{:08x}\n{json}\n", crc32c(format!("{json}\n").as_bytes())).into_bytes()
    }

    /// The manifest of this partition in `bytes`.
    pub fn decode(bytes: &[u8], path: &Path, topic_id: u64, partition: PartitionId) -> Result<PartitionManifest, LogError> {
        let corrupt = |what: &str| LogError::corrupt(path, 0, what);
        let text = std::str::from_utf8(bytes).map_err(|e| LogError::corrupt(path, e.valid_up_to() as u64, "the manifest is not text"))?;
        let (line, json) = text.split_once('\n').ok_or_else(|| corrupt("the manifest ends in its first line"))?;
        let crc = line.strip_prefix(MAGIC).ok_or_else(|| corrupt("the file does not start as a manifest does"))?;
        if crc != format!("{:08x}", crc32c(json.as_bytes())) {
            return Err(corrupt("the checksum of the manifest does not fit it"));
        }
        let manifest: PartitionManifest = serde_json::from_str(json).map_err(|e| corrupt(&format!("not a manifest: {e}")))?;
        if manifest.topic_id != format!("{topic_id:016x}") || manifest.partition != partition {
            return Err(corrupt("the manifest belongs to another topic or partition"));
        }
        let objects = manifest.remote.iter().map(|r| &r.object).chain(&manifest.unneeded);
        let needed = |object: &ObjectRef| manifest.remote.iter().any(|r| r.object == *object);
        let ascending = !manifest.unneeded.iter().any(needed) && manifest.remote.windows(2).all(|pair| pair[0].base < pair[1].base);
        if !ascending || objects.into_iter().any(|o| o.store >= manifest.stores.len()) {
            return Err(corrupt("the manifest's list of objects is not one"));
        }
        if !manifest.is_in_order() {
            return Err(corrupt("the manifest names segments that overlap, or stand before the log's start"));
        }
        Ok(manifest)
    }

    fn is_in_order(&self) -> bool {
        let known = |r: &Rewritten| self.start.offset <= r.base && r.base < r.end && (1..=self.number).contains(&r.number);
        self.rewritten.iter().all(known) && self.rewritten.windows(2).all(|pair| pair[0].end <= pair[1].base)
    }
}
