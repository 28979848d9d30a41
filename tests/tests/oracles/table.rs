//! A table of a case as a topic.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use twopath_log::{Log, PartitionBy, Topic, TopicConfig, TopicWriter};
use twopath_query::Value;

use crate::case::{Change, Column, Op, TableOf};
use crate::rows::Row;

/// Names the instances of the rows of a table that has no key of its own, and from which rows are deleted.
const INSTANCE: &str = "instance";

pub struct Table {
    pub topic: Topic,
    pub schema: SchemaRef,
    pub key: Option<String>,
    columns: Vec<Column>,
    changes: Vec<Change>,
    writer: TopicWriter,
    /// The rows that are there, with their instances, and the next instance.
    instances: (Vec<(i64, Row)>, i64),
}

impl Table {
    /// The topic of a table to which these changes will be made.
    pub fn create(log: &Log, table: &TableOf, changes: Vec<Change>) -> Self {
        let mut columns = table.columns.clone();
        let mut key = table.primary_key.clone();
        if key.is_none() && changes.iter().any(|c| c.op != Op::Insert) {
            columns.push((INSTANCE.to_owned(), "int".to_owned()));
            key = Some(INSTANCE.to_owned());
        }
        let field = |(name, kind): &Column| Field::new(name, arrow_type(kind), true);
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        let partition_by = key.clone().map_or(PartitionBy::RoundRobin, PartitionBy::Key);
        let topic = log.create_topic(TopicConfig { partitions: 2, partition_by, ..TopicConfig::new(&table.name, schema.clone()) }).unwrap();
        let writer = topic.writer().unwrap();
        Table { topic, schema, key, columns, changes, writer, instances: (Vec::new(), 0) }
    }

    /// Appends what changes in a step, all at once.
    pub fn append(&mut self, step: i64) {
        let changes: Vec<Change> = self.changes.iter().filter(|c| c.step == step).cloned().collect();
        let rows: Vec<Row> = changes.into_iter().map(|change| self.row(change)).collect();
        if rows.is_empty() {
            return;
        }
        let columns = self.columns.iter().enumerate().map(|(i, (_, kind))| array(kind, rows.iter().map(|row| &row[i])));
        self.writer.append(&RecordBatch::try_new(self.schema.clone(), columns.collect()).unwrap()).unwrap();
    }

    /// A change as a row of the topic: a deletion is a row that has nothing but its key.
    fn row(&mut self, change: Change) -> Row {
        let Change { op, mut row, .. } = change;
        if self.key.as_deref() == Some(INSTANCE) {
            let (there, next) = &mut self.instances;
            let instance = if op == Op::Delete {
                let place = there.iter().position(|(_, r)| *r == row).expect("what is deleted is there");
                there.remove(place).0
            } else {
                assert!(op == Op::Insert, "an update names its row by a key");
                *next += 1;
                there.push((*next, row.clone()));
                *next
            };
            row.push(Value::Int(instance));
        }
        if op == Op::Delete {
            let key = self.key.as_deref().expect("rows are deleted by their key");
            for (value, (name, _)) in row.iter_mut().zip(&self.columns) {
                if name != key {
                    *value = Value::Null;
                }
            }
        }
        row
    }
}

fn arrow_type(kind: &str) -> DataType {
    match kind {
        "int" => DataType::Int64,
        "double" => DataType::Float64,
        "text" => DataType::Utf8,
        "bool" => DataType::Boolean,
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        other => panic!("no table has a column of type {other}"),
    }
}

fn array<'a>(kind: &str, values: impl Iterator<Item = &'a Value>) -> ArrayRef {
    macro_rules! of {
        ($array:ty, $kind:path, $value:expr) => {
            Arc::new(values.map(|v| if let $kind(v) = v { Some($value(v)) } else { None }).collect::<$array>()) as ArrayRef
        };
    }
    match kind {
        "int" => of!(Int64Array, Value::Int, |v: &i64| *v),
        "double" => of!(Float64Array, Value::Float, |v: &f64| *v),
        "text" => of!(StringArray, Value::Text, |v: &Arc<str>| v.to_string()),
        "bool" => of!(BooleanArray, Value::Bool, |v: &bool| *v),
        _ => {
            let times = values.map(|v| if let Value::Timestamp(us) = v { Some(*us) } else { None });
            Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        }
    }
}
