//! Groups as bytes: a key, and the accumulators under it.
//!
//! Both are rows of Arrow's row format, over the columns that a [`GroupTable`] has at rest. Before the accumulators stands a CRC-32C over generation, key
//! and accumulators, so that a value that was changed, cut, or put under another key is seen before it is decoded.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_row::{RowConverter, SortField};
use arrow_schema::SchemaRef;
use twopath_base::checksum::crc32c;
use twopath_query::{Query, Value};
use twopath_view::{GroupTable, key_columns};

use super::slices::Slices;
use super::store::Put;

const CHECKSUM_BYTES: usize = 4;

/// Reads and writes the groups of one query.
pub(super) struct Codec {
    layout: Arc<Query>,
    schema: SchemaRef,
    keys: usize,
    key_rows: RowConverter,
    value_rows: RowConverter,
}

impl Codec {
    /// # Errors
    /// A column whose type has no rows.
    pub fn new(layout: &Arc<Query>) -> Result<Codec, String> {
        let schema = GroupTable::new(layout).to_batch_unsorted().schema();
        let keys = layout.keys.len();
        let rows = |from: usize, to: usize| {
            let fields = schema.fields()[from..to].iter().map(|f| SortField::new(f.data_type().clone())).collect();
            RowConverter::new(fields).map_err(|e| e.to_string())
        };
        let (key_rows, value_rows) = (rows(0, keys)?, rows(keys, schema.fields().len())?);
        Ok(Codec { layout: Arc::clone(layout), schema, keys, key_rows, value_rows })
    }

    pub fn layout(&self) -> &Arc<Query> {
        &self.layout
    }

    /// Of groups at rest.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Groups at rest, to be put, whose keys are known by row.
    pub fn encode(&self, generation: u64, batch: RecordBatch, keys: Arc<Slices>) -> Put {
        assert_eq!(batch.schema_ref(), &self.schema, "groups of another query");
        assert_eq!(batch.num_rows(), keys.len(), "a key for each row");
        let rows = encode(&self.value_rows, &batch.columns()[self.keys..], batch.num_rows());
        let mut values = Slices::with_room(rows.len(), rows.iter().map(|row| CHECKSUM_BYTES + row.len()).sum());
        let mut covered = Vec::new();
        for (key, row) in keys.iter().zip(rows.iter()) {
            values.push(&[&checksum(&mut covered, generation, key, row).to_le_bytes(), row]);
        }
        Put { generation, batch, keys, values }
    }

    /// The keys of groups at rest, by row.
    pub fn keys_of(&self, batch: &RecordBatch) -> Arc<Slices> {
        Arc::new(encode(&self.key_rows, &batch.columns()[..self.keys], batch.num_rows()))
    }

    /// A key's bytes; `None` where no group can have it.
    pub fn key_of(&self, key: &[Value]) -> Option<Vec<u8>> {
        Some(encode(&self.key_rows, &key_columns(&self.layout, key)?, 1)[0].to_vec())
    }

    /// The table of groups of a generation.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn decode<'a>(&self, generation: u64, groups: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone) -> Result<GroupTable, String> {
        let mut rows = 0;
        for (key, value) in groups.clone() {
            check(generation, key, value)?;
            rows += 1;
        }
        let mut columns = decode(&self.key_rows, groups.clone().map(|(key, _)| key), self.keys)?;
        let values = groups.map(|(_, value)| &value[CHECKSUM_BYTES..]);
        columns.extend(decode(&self.value_rows, values, self.schema.fields().len() - self.keys)?);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(|e| e.to_string())?;
        if rows == 0 && !self.layout.is_global() {
            return Ok(GroupTable::new(&self.layout));
        }
        GroupTable::from_batch(&self.layout, &batch)
    }
}

/// That the value under a key is the one that was put there.
pub(super) fn check(generation: u64, key: &[u8], value: &[u8]) -> Result<(), String> {
    let (crc, row) = value.split_first_chunk::<CHECKSUM_BYTES>().ok_or("a value is cut")?;
    let found = checksum(&mut Vec::new(), generation, key, row);
    if found == u32::from_le_bytes(*crc) { Ok(()) } else { Err("a value is not the one that was written: its checksum differs".into()) }
}

/// What is covered is put together in a buffer.
fn checksum(covered: &mut Vec<u8>, generation: u64, key: &[u8], row: &[u8]) -> u32 {
    covered.clear();
    [&generation.to_be_bytes()[..], key, row].iter().for_each(|part| covered.extend_from_slice(part));
    crc32c(covered)
}

/// Rows. Without columns, Arrow's do not know how many there are.
fn encode(rows: &RowConverter, columns: &[ArrayRef], count: usize) -> Slices {
    let mut slices = Slices::with_room(count, 0);
    if columns.is_empty() {
        (0..count).for_each(|_| slices.push(&[]));
        return slices;
    }
    let rows = rows.convert_columns(columns).expect("columns of the schema's types");
    rows.iter().for_each(|row| slices.push(&[row.data()]));
    slices
}

fn decode<'a>(rows: &RowConverter, bytes: impl Iterator<Item = &'a [u8]>, columns: usize) -> Result<Vec<ArrayRef>, String> {
    if columns == 0 {
        return Ok(Vec::new());
    }
    let parser = rows.parser();
    rows.convert_rows(bytes.map(|row| parser.parse(row))).map_err(|e| e.to_string())
}
