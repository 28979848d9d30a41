//! The columns that the log itself adds to a topic's.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use twopath_base::LogColumn;

use crate::error::LogError;
use crate::records::Records;

/// A topic's schema with the log's own columns ([`LogColumn`]) behind its fields: what projections number.
///
/// ```
/// use arrow_schema::{DataType, Field, Schema};
/// let schema = Schema::new(vec![Field::new("n", DataType::Int64, false)]);
/// assert_eq!(twopath_log::with_log_columns(&schema).fields().len(), 5);
/// ```
pub fn with_log_columns(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().cloned().chain(LogColumn::EACH.map(|c| Arc::new(field(c))));
    Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone())
}

fn field(column: LogColumn) -> Field {
    let data_type = match column {
        LogColumn::Arrival | LogColumn::Watermark => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        LogColumn::Partition | LogColumn::Offset => DataType::Int64,
    };
    Field::new(column.name(), data_type, column == LogColumn::Watermark)
}

/// What a reader hands over: columns of the topic, and behind them some of the log's own.
pub(crate) struct Projection {
    /// Of the topic's schema; all of them where `None`.
    pub columns: Option<Vec<usize>>,
    log: Vec<LogColumn>,
    schema: SchemaRef,
}

impl Projection {
    /// Of a topic's name and its whole schema.
    ///
    /// # Errors
    /// [`LogError::BadProjection`]: columns that there are not, or that do not ascend.
    pub fn new(topic: &str, whole: &SchemaRef, wanted: Option<&[usize]>) -> Result<Projection, LogError> {
        let Some(wanted) = wanted else {
            return Ok(Projection { columns: None, log: Vec::new(), schema: whole.clone() });
        };
        let fields = whole.fields().len();
        let columns = fields + LogColumn::EACH.len();
        let ascending = wanted.windows(2).all(|pair| pair[0] < pair[1]);
        if let Some(&column) = wanted.iter().find(|&&c| c >= columns || !ascending) {
            return Err(LogError::BadProjection { topic: topic.to_owned(), column, columns: fields });
        }
        let arrow = |source| LogError::Arrow { topic: topic.to_owned(), source };
        let log: Vec<LogColumn> = wanted.iter().filter_map(|c| LogColumn::at(*c, fields)).collect();
        let schema = if log.is_empty() { whole } else { &SchemaRef::from(with_log_columns(whole)) };
        let schema = schema.project(wanted).map_err(arrow)?.into();
        Ok(Projection { columns: Some(wanted[..wanted.len() - log.len()].to_vec()), log, schema })
    }

    /// Whether this column is asked for.
    pub fn has(&self, column: LogColumn) -> bool {
        self.log.contains(&column)
    }

    /// Records of the topic's columns, with those of the log that are asked for.
    /// `watermark_us` is the greatest event time before them.
    pub fn complete(&self, records: Records, watermark_us: Option<i64>) -> Records {
        let arrival_us = records.arrival_us;
        self.complete_with(records, watermark_us, |rows| TimestampMicrosecondArray::from_value(arrival_us, rows))
    }

    /// As [`Projection::complete`], where rows of one frame did not arrive at one time.
    pub fn complete_with(
        &self,
        records: Records,
        watermark_us: Option<i64>,
        arrivals: impl Fn(usize) -> TimestampMicrosecondArray,
    ) -> Records {
        if self.log.is_empty() {
            return records;
        }
        let rows = records.batch.num_rows();
        let column = |c: &LogColumn| -> ArrayRef {
            match c {
                LogColumn::Arrival => Arc::new(arrivals(rows).with_timezone("UTC")),
                LogColumn::Watermark => {
                    Arc::new(TimestampMicrosecondArray::from_iter(std::iter::repeat_n(watermark_us, rows)).with_timezone("UTC"))
                }
                LogColumn::Partition => Arc::new(Int64Array::from_value(i64::from(records.partition.0), rows)),
                LogColumn::Offset => Arc::new(Int64Array::from_iter_values((0..rows).map(|row| records.offset_of(row).0 as i64))),
            }
        };
        let columns = records.batch.columns().iter().cloned().chain(self.log.iter().map(column)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options);
        Records { batch: batch.expect("the columns are those of the schema"), ..records }
    }
}
