//! A consumer group's journal of committed positions.

use crate::error::LogError;
use crate::groups::journal::Journal;
use crate::groups::record::{RECORD_BYTES, Record};
use crate::hash::xxh64;
use twopath_base::checksum::crc32c;

use super::Bench;

pub(super) const GROUP: &str = "g";

/// Whether the input is a group's journal, to its end.
pub fn positions(bench: &Bench, data: &[u8]) -> bool {
    let mend = |bytes: &mut Vec<u8>| {
        for record in bytes.as_chunks_mut::<RECORD_BYTES>().0 {
            let crc = crc32c(&record[..RECORD_BYTES - 4]);
            record[RECORD_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
        }
    };
    super::both(data, mend, |bytes| check(bench, bytes))
}

fn check(bench: &Bench, bytes: &[u8]) -> bool {
    let path = bench.dir.join("groups").join(GROUP).join("positions");
    let journal = Journal { topic: bench.topic.0.clone(), path, group_hash: xxh64(GROUP.as_bytes()) };
    let places = match journal.parse(bytes) {
        Ok(places) => places,
        Err(LogError::CorruptPositions { path, offset, .. }) => {
            assert!(path == journal.path && offset < bytes.len() as u64 && offset.is_multiple_of(RECORD_BYTES as u64), "the place");
            return false;
        }
        Err(e) => panic!("an error of another kind: {e}"),
    };
    let good = &bytes[..places.good as usize];
    let records: Vec<Record> = good.as_chunks().0.iter().map(|b| Record::decode(b).expect("a record that was taken")).collect();
    assert_eq!(good.len(), records.len() * RECORD_BYTES);
    assert_eq!(good, records.iter().flat_map(Record::encode).collect::<Vec<u8>>(), "records as they were");
    let again = journal.parse(good).expect("the good part alone");
    assert_eq!((&again.of, again.good), (&places.of, places.good), "the good part says the same alone");
    for (p, place) in places.of.iter().enumerate() {
        let last = records.iter().rfind(|r| r.partition.index() == p).map(|r| r.place);
        assert_eq!(*place, last, "the last record of a partition counts");
    }
    good.len() == bytes.len()
}
