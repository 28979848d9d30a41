//! A SELECT without aggregates, evaluated batch by batch.

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_buffer::BooleanBuffer;
use arrow_schema::SchemaRef;
use arrow_select::filter::filter_record_batch;
use twopath_base::{Offset, PartitionId};
use twopath_log::{PartitionBy, Records};
use twopath_query::{EvalError, Query};
use twopath_view::{FilterMap, answer_schema, eval};

use super::query::{Change, Made, check_unordered, failed};
use crate::error::SpeedError;
use crate::sink::topic::TopicSink;

/// A query each of whose rows comes from one row of its topic, in the same order.
#[derive(Debug, Clone)]
pub struct RowQuery {
    query: Query,
    schema: SchemaRef,
    /// The keys, over which the select list is, as it is where rows are grouped.
    keys: FilterMap,
}

impl RowQuery {
    /// # Errors
    /// [`SpeedError::NoFeed`] for a query with aggregates, ORDER BY or LIMIT.
    pub fn new(query: Query) -> Result<RowQuery, SpeedError> {
        if !query.rows {
            return Err(SpeedError::NoFeed { what: "its rows are groups, not those of its topic".into() });
        }
        check_unordered(&query)?;
        let schema = answer_schema(&query);
        let keys = FilterMap::new(&query, query.keys.iter().map(|key| &key.expr));
        Ok(RowQuery { query, schema, keys })
    }

    /// Of what it gives: the select list in canonical types, all nullable.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The columns of the input that it reads, ascending.
    pub fn projection(&self) -> &[usize] {
        self.keys.projection()
    }

    /// The rows that pass the WHERE clause, and which rows of `batch` those are (`None` is all). The batch's columns are those of
    /// [`RowQuery::projection`].
    ///
    /// # Errors
    /// The [`EvalError`] of one of the rows that raise one.
    pub fn apply(&self, batch: &RecordBatch) -> Result<(RecordBatch, Option<BooleanBuffer>), EvalError> {
        let (passed, which) = self.keys.apply(batch.columns().to_vec(), batch.num_rows())?;
        let keys: Vec<ArrayRef> = (0..self.query.keys.len()).map(|key| passed.values[self.keys.number(key)].clone()).collect();
        let output = self.query.output.iter().map(|o| eval(&o.expr, &keys, passed.rows)).collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(passed.rows));
        let made = RecordBatch::try_new_with_options(self.schema.clone(), output, &options);
        Ok((made.expect("the columns are in the canonical types that the schema is made of"), which))
    }

    pub(super) fn query(&self) -> &Query {
        &self.query
    }

    /// What comes of the input's records, without the rows that are there already, whose number is returned.
    pub(super) fn changes(&self, records: &Records, sink: &TopicSink, changes: &mut Vec<Change>) -> Result<u64, SpeedError> {
        let (from, base, end) = (records.partition, records.base, records.end);
        let (rows, which) = self.apply(&records.batch).map_err(|e| failed(sink, from, (base, end), "a row", e))?;
        if rows.num_rows() == 0 {
            return Ok(0);
        }
        let offsets: Vec<Offset> = match &which {
            Some(which) => which.set_indices().map(|row| records.offset_of(row)).collect(),
            None => (0..rows.num_rows()).map(|row| records.offset_of(row)).collect(),
        };
        let mut made = parts(sink, from, &rows, &offsets)?;
        made.retain(|(_, part)| part.num_rows() > 0);
        let new: usize = made.iter().map(|(_, part)| part.num_rows()).sum();
        if new > 0 {
            changes.push(Change { from, base, end, made: Made::Rows(made) });
        }
        Ok((rows.num_rows() - new) as u64)
    }
}

/// What goes to each output partition, without the rows that are there already.
fn parts(
    sink: &TopicSink,
    partition: PartitionId,
    rows: &RecordBatch,
    offsets: &[Offset],
) -> Result<Vec<(PartitionId, RecordBatch)>, SpeedError> {
    let reached = sink.reached(partition);
    let split = |rows: &RecordBatch| match sink.output.config().partition_by {
        PartitionBy::Key(_) => sink.output.split(rows),
        // Not in turn: after a restart a row must find the partition that it went to before.
        PartitionBy::RoundRobin => Ok(vec![(PartitionId(partition.0 % sink.output.partitions() as u32), rows.clone())]),
    };
    if reached.iter().all(|r| offsets.first() >= Some(r)) {
        return Ok(split(rows)?);
    }
    let mut parts = Vec::new();
    for (q, reached) in reached.iter().enumerate() {
        let new = offsets.iter().map(|offset| Some(offset >= reached)).collect();
        let new = filter_record_batch(rows, &new).expect("one offset per row");
        parts.extend(split(&new)?.into_iter().filter(|(p, _)| p.index() == q));
    }
    Ok(parts)
}
