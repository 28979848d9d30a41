//! A speed layer that leaves out what comes late, where the rest of the architecture does not.

use twopath_base::{LogColumn, Position};
use twopath_query::{BinaryOp, DataType, Expr, Late, Query, Value};

/// The query without the records that are late, of those at or after `upto`. What lies before is history, which is replayed whole. What is late is decided by the
/// log's own columns alone, and so by nobody's speed.
pub(super) fn without_late(query: &Query, late: &Late, upto: &Position) -> Query {
    let of_log = |column: LogColumn| Expr::column(column.index(query.fields.len()), DataType::Int);
    let compared = |op, left, right| Expr::binary(op, left, right, DataType::Bool);
    let number = |n: u64| Expr::literal(Value::Int(n as i64), DataType::Int);
    let mut kept = late.in_time();
    for (partition, end) in upto.iter().filter(|(_, end)| end.0 > 0) {
        let there = compared(BinaryOp::Equal, of_log(LogColumn::Partition), number(partition.0.into()));
        let before = compared(BinaryOp::Less, of_log(LogColumn::Offset), number(end.0));
        kept = compared(BinaryOp::Or, kept, compared(BinaryOp::And, there, before));
    }
    let filter = match query.filter.clone() {
        Some(filter) => compared(BinaryOp::And, kept, filter),
        None => kept,
    };
    Query { filter: Some(filter), whole: None, ..query.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use arrow_array::{Int64Array, RecordBatch, TimestampMicrosecondArray};
    use arrow_schema::{DataType as Arrow, Field, Schema, TimeUnit};
    use twopath_base::Offset;
    use twopath_log::{Log, TopicConfig};
    use twopath_view::{Selection, answer};

    /// Times 100, 40, 95, 89 and 200, 150, each a frame: what is more than 10 late is left out, but for what lies before the position.
    #[test]
    fn late_is_what_the_log_says() {
        let dir = tempfile::tempdir().unwrap();
        let time = Field::new("at", Arrow::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true);
        let schema = Arc::new(Schema::new(vec![time, Field::new("n", Arrow::Int64, false)]));
        let config = TopicConfig { time_column: Some("at".into()), ..TopicConfig::new("t", schema.clone()) };
        let topic = Log::open(dir.path()).unwrap().create_topic(config).unwrap();
        let writer = topic.writer().unwrap();
        for (n, at) in [100, 40, 95, 89, 200, 150].into_iter().enumerate() {
            let times = TimestampMicrosecondArray::from(vec![at]).with_timezone("UTC");
            let columns: Vec<arrow_array::ArrayRef> = vec![Arc::new(times), Arc::new(Int64Array::from(vec![n as i64]))];
            writer.append(&RecordBatch::try_new(schema.clone(), columns).unwrap()).unwrap();
        }
        let query = twopath_query::parse("SELECT n FROM t WHERE n <> 4 ORDER BY n", "t", &schema).unwrap();
        let kept = |upto: u64| {
            let late = Late { topic: "t".into(), fields: query.fields.clone(), time: 0, delay_us: 10, idle_us: None };
            let query = without_late(&query, &late, &Position::new(vec![Offset(upto)]));
            let end = topic.end().unwrap();
            let table = twopath_batch::compute(&topic, &query, &twopath_batch::Logic::Sql, twopath_batch::Engine::Rayon, &end).unwrap();
            twopath_query::values::rows(&answer(&query, &[&table], &Selection::default()).unwrap()).unwrap().concat()
        };
        let numbers = |n: &[i64]| n.iter().map(|n| Value::Int(*n)).collect::<Vec<_>>();
        assert_eq!(kept(0), numbers(&[0, 2]));
        assert_eq!(kept(2), numbers(&[0, 1, 2]));
        assert_eq!(kept(6), numbers(&[0, 1, 2, 3, 5]));
    }
}
