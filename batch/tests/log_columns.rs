//! The log's own columns, against what the log's reader says of each record: whatever the segments are, and at any horizon.

mod common;

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use common::{rows, topic};
use twopath_base::{Offset, PartitionId, Position};
use twopath_batch::{Engine, Logic, compute};
use twopath_log::Start;
use twopath_query::{Value, parse};

#[test]
fn they_are_what_the_log_says() {
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    for segment_bytes in [1, 4 << 10, 1 << 20] {
        let t = topic("numbers", schema.clone(), 2, None, segment_bytes);
        for i in 0..30 {
            let n = Arc::new(Int64Array::from_iter_values((0..1 + i % 4).map(|j| 100 * i + j)));
            t.writer.append(&RecordBatch::try_new(schema.clone(), vec![n]).unwrap()).unwrap();
        }
        let (p0, p1) = (PartitionId(0), PartitionId(1));
        let end = t.topic.end().unwrap();
        for horizon in [end.clone(), Position::new(vec![Offset(7), Offset(end.get(p1).0 - 2)])] {
            let mut expected = Vec::new();
            for (partition, to) in horizon.iter() {
                for records in t.topic.range(partition, Offset(0), to, None).unwrap() {
                    let records = records.unwrap();
                    let n = records.batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
                    for row in 0..records.batch.num_rows() {
                        let (partition, offset) = (i64::from(partition.0), records.offset_of(row).0 as i64);
                        expected.push(vec![
                            Value::Timestamp(records.arrival_us),
                            Value::Int(partition),
                            Value::Int(offset),
                            Value::Int(n.value(row)),
                        ]);
                    }
                }
            }
            expected.sort_by_key(|row| match &row[..3] {
                [Value::Timestamp(arrival), Value::Int(partition), Value::Int(offset)] => (*arrival, *partition, *offset),
                other => panic!("{other:?}"),
            });
            for engine in Engine::ALL {
                let answer = |sql: &str| {
                    let query = parse(sql, "numbers", &schema).unwrap();
                    rows(&query, &compute(&t.topic, &query, &Logic::Sql, engine, &horizon).unwrap()).unwrap()
                };
                let got = answer("SELECT _arrival, _partition, _offset, n FROM numbers ORDER BY 1, 2, 3");
                assert_eq!(got, expected, "{engine}, segments of {segment_bytes} bytes");
                let only = answer("SELECT COUNT(*) FROM numbers WHERE _partition = 0 AND _offset >= 3");
                assert_eq!(only, [[Value::Int(horizon.get(p0).0 as i64 - 3)]], "{engine}");
            }
        }
        assert!(t.topic.reader(p0, Start::First, Some(&[0, 2])).is_ok());
    }
}
