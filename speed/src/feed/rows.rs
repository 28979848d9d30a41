//! A SELECT without aggregates, evaluated batch by batch.

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use arrow_select::filter::{filter, filter_record_batch};
use twopath_base::{Offset, PartitionId};
use twopath_log::{PartitionBy, Records};
use twopath_query::{EvalError, Query};
use twopath_view::{answer_schema, eval, eval_condition};

use super::query::{Change, Made, check_unordered, failed};
use crate::error::SpeedError;
use crate::sink::topic::TopicSink;

/// A query each of whose rows comes from one row of its topic, in the same order.
#[derive(Debug, Clone)]
pub struct RowQuery {
    query: Query,
    schema: SchemaRef,
    /// Where it reads columns of the log's own: those, behind all of the topic's.
    projection: Option<Vec<usize>>,
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
        let projection = query.reads_log_columns().then(|| query.whole_rows());
        Ok(RowQuery { query, schema, projection })
    }

    /// Of what it gives: the select list in canonical types, all nullable.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The columns of the input that it reads, ascending; all of the topic's where `None`.
    pub(super) fn projection(&self) -> Option<&[usize]> {
        self.projection.as_deref()
    }

    /// The rows that pass the WHERE clause, and, as a mask over the rows of `batch`, which those are.
    ///
    /// # Errors
    /// The [`EvalError`] of one of the rows that raise one.
    pub fn apply(&self, batch: &RecordBatch) -> Result<(RecordBatch, BooleanArray), EvalError> {
        let rows = batch.num_rows();
        let kept = match &self.query.filter {
            Some(condition) => BooleanArray::new(eval_condition(condition, batch.columns(), rows)?, None),
            None => BooleanArray::from(vec![true; rows]),
        };
        let count = kept.true_count();
        let columns: Vec<ArrayRef> = match count == rows {
            true => batch.columns().to_vec(),
            false => batch.columns().iter().map(|c| filter(c, &kept).expect("columns and mask have the same rows")).collect(),
        };
        // The select list is over the keys, as it is where rows are grouped.
        let keys = self.query.keys.iter().map(|key| eval(&key.expr, &columns, count)).collect::<Result<Vec<_>, _>>()?;
        let output = self.query.output.iter().map(|o| eval(&o.expr, &keys, count)).collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let made = RecordBatch::try_new_with_options(self.schema.clone(), output, &options);
        Ok((made.expect("the columns are in the canonical types that the schema is made of"), kept))
    }

    pub(super) fn query(&self) -> &Query {
        &self.query
    }

    /// What comes of the input's records, without the rows that are there already, whose number is returned.
    pub(super) fn changes(&self, records: &Records, sink: &TopicSink, changes: &mut Vec<Change>) -> Result<u64, SpeedError> {
        let (from, base, end) = (records.partition, records.base, records.end);
        let (rows, kept) = self.apply(&records.batch).map_err(|e| failed(sink, from, (base, end), "a row", e))?;
        if rows.num_rows() == 0 {
            return Ok(0);
        }
        let offsets: Vec<Offset> = kept.values().set_indices().map(|row| records.offset_of(row)).collect();
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
