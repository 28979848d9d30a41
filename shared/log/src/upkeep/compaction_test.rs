//! Compaction of more keys than are known at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};

use twopath_base::PartitionId;

use super::newest::KEYS_IN_MEMORY;
use crate::{Compaction, Durability, Entry, Log, PartitionBy, Start, TopicConfig};

#[test]
fn more_keys_than_are_known_at_once_are_found_in_several_passes() {
    let dir = tempfile::tempdir().unwrap();
    let schema = Schema::new(vec![Field::new("key", DataType::Utf8, true), Field::new("n", DataType::Int64, false)]);
    let topic = Log::open(dir.path())
        .unwrap()
        .create_topic(TopicConfig {
            partition_by: PartitionBy::Key("key".into()),
            durability: Durability::None,
            segment_bytes: 4096,
            ..TopicConfig::new("t", Arc::new(schema))
        })
        .unwrap();
    let writer = topic.writer().unwrap();
    let mut newest: BTreeMap<Option<String>, i64> = BTreeMap::new();
    for n in 0..400_i64 {
        // 60 keys and NULL, some of them once at the very beginning, and keys that are too long for the table.
        let key = match n {
            0..20 => Some(format!("only once {n}")),
            _ => (n % 41 != 0).then(|| format!("{}{}", n * n % 41, if n % 3 == 0 { " and what makes it a long key" } else { "" })),
        };
        let keys = StringArray::from(vec![key.clone()]);
        let batch = RecordBatch::try_new(topic.schema().clone(), vec![Arc::new(keys), Arc::new(Int64Array::from(vec![n]))]).unwrap();
        writer.append(&batch).unwrap();
        newest.insert(key, n);
    }
    assert!(newest.len() > 8 * KEYS_IN_MEMORY);
    let all = Compaction { dirty_ratio_min: 0.0, age_min: Duration::ZERO, tombstone_age: Duration::MAX };
    let report = topic.local().unwrap().compact(&all).unwrap();
    let compacted_to = topic.local().unwrap().compacted_to().unwrap().get(PartitionId(0));
    assert!(report.records_after < report.records_before && compacted_to.0 > 350, "{report:?}");
    let mut reader = topic.reader(PartitionId(0), Start::First, None).unwrap();
    let (mut seen, mut compacted) = (BTreeMap::new(), 0);
    while let Some(entry) = reader.next().unwrap() {
        let Entry::Records(records) = entry else { continue };
        let (keys, numbers) = (records.batch.column(0).as_string::<i32>(), records.batch.column(1).as_primitive::<Int64Type>());
        for (key, n) in keys.iter().zip(numbers.values()) {
            if (*n as u64) < compacted_to.0 {
                compacted += 1;
                assert!(!seen.contains_key(&key.map(str::to_owned)), "{key:?} stands there twice");
            }
            seen.insert(key.map(str::to_owned), *n);
        }
    }
    assert_eq!(seen, newest);
    assert_eq!(report.records_after, compacted);
}
