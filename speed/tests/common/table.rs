//! Tables in topics: of each key the newest row.

use std::collections::BTreeMap;

use twopath_base::PartitionId;
use twopath_log::{Entry, Start, Topic};
use twopath_query::{Value, values};

pub type Table = BTreeMap<String, Vec<Value>>;

/// An answer's rows as a feed shows them, by the first `key` columns: sums as a topic has them, and no row of which nothing but the key is not NULL.
pub fn as_table(rows: Vec<Vec<Value>>, key: usize) -> Table {
    let in_a_topic = |value| if let Value::Numeric(sum) = value { Value::Int(sum.try_into().unwrap()) } else { value };
    let rows = rows.into_iter().map(|row| row.into_iter().map(in_a_topic).collect::<Vec<_>>());
    rows.filter(|row| !is_tombstone(row, key)).map(|row| by_key(row, key)).collect()
}

/// A topic's newest rows by key. Asserts that each differs from the one before, and that no tombstone is the first of its key.
pub fn shown(topic: &Topic, key: usize) -> Table {
    let mut newest = Table::new();
    for q in 0..topic.partitions() as u32 {
        let mut reader = topic.reader(PartitionId(q), Start::First, None).unwrap();
        while let Some(entry) = reader.next().unwrap() {
            let Entry::Records(records) = entry else { continue };
            for row in values::rows(&records.batch).unwrap() {
                let (of, row) = by_key(row, key);
                let gone = is_tombstone(&row, key);
                let before = if gone { newest.remove(&of) } else { newest.insert(of.clone(), row.clone()) };
                assert!(before.as_ref() != Some(&row) && (before.is_some() || !gone), "{of}: {row:?} after {before:?}");
            }
        }
    }
    newest
}

fn by_key(row: Vec<Value>, key: usize) -> (String, Vec<Value>) {
    (format!("{:?}", &row[..key]), row)
}

/// Whether nothing but the key is not NULL.
fn is_tombstone(row: &[Value], key: usize) -> bool {
    row[key..].iter().all(|value| *value == Value::Null)
}
