//! Group tables at rest.
//!
//! One record batch, sorted by key, with the columns
//! - `k0`, `k1`, ...: the keys in canonical type ([`super::arrow_type`]);
//! - `a0_NAME`, ...: per aggregate its accumulator's columns, of names and types
//!
//! | aggregate | columns |
//! | --- | --- |
//! | COUNT | `count` Int64 |
//! | SUM of Int or Interval | `sum` Decimal128(38, 0), null: no value yet |
//! | SUM of Float | `sum` Float64: the nearest float to the exact sum, null: no value yet; `rest` Float64: the nearest float to the exact sum less `sum`; `exact` Binary: the exact sum where the two do not add up to it (its sign, the power of two of its last limb's unit in 16 bits, limbs of 32 bits, all little-endian), else null |
//! | SUM of Numeric or Decimal | `sum` Decimal256(76, the scale), null: no value yet |
//! | AVG | those of SUM, then `count` |
//! | MIN, MAX | `extreme` Int64: the value, of a float its place in the order of floats; Utf8 for text; Numeric and Decimal in their canonical type |
//! | COUNT(DISTINCT), SUM(DISTINCT), AVG(DISTINCT) | `distinct` List of what MIN has, sorted |
//! | APPROX_COUNT_DISTINCT | `hll` Binary: DataSketches' HLL, null: no value yet |
//! | APPROX_QUANTILE | `ddsketch` Binary: a DDSketch (its least and greatest value, its number of zeros, its negative and its positive bins), null: no value yet |
//! | VAR_POP, VAR_SAMP | `count` Int64; `special` Boolean: there was a NaN or infinity; `sum`, `squares` Binary: exact whole numbers in units of 2^-1074 and its square (of Int: of 1), as a sign byte (1: negative), the number of zero bytes left out (u32) and the bytes after them, all with the least first |
//! | PERCENTILE_CONT, PERCENTILE_DISC, MODE | `values` List of Int64 (as for MIN) or Utf8, sorted, with duplicates |
//! | BIT_AND, BIT_OR, BIT_XOR | `bits` Int64, null: no value yet |
//! | FIRST_VALUE, LAST_VALUE | `arrival`, `partition`, `offset` Int64: the row's place in the log, null: no row yet; `value` |
//! | FIRST_VALUE with an order of its own | `place` Binary: what the row goes by, in Arrow's row format, null: no row yet; `value` |
//! | STRING_AGG | in order, Lists: `places` of Binary; `texts` of Utf8: a separator and a text; `begins` of Int64: where the text begins; `times` of Int64: how often it is there |
//!
//! The schema's metadata has `twopath.view` = [`VERSION`].

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema};

use super::accumulator::{Accumulate, Accumulator, Reader};
use super::canonical::arrow_type;
use super::index::MANY;
use super::table::GroupTable;
use twopath_query::{Aggregate, Query};

/// The layout's version.
pub const VERSION: &str = "2";
const VERSION_KEY: &str = "twopath.view";

/// What is to be done about a batch that does not fit.
const REMEDY: &str = "; this view was made by another query or version: run the batch layer again";

impl GroupTable {
    /// The table at rest: key columns `k0..`, then the accumulator columns, sorted by key. The inverse is [`GroupTable::from_batch`].
    pub fn to_batch(&self) -> RecordBatch {
        let mut groups: Vec<u32> = (0..self.len() as u32).collect();
        groups.sort_unstable_by(|&a, &b| self.compare(a, b));
        self.batch_of(&groups)
    }

    /// [`GroupTable::to_batch`] in the order in which the groups came: for whoever reads all of it again, and has no use for the sorting.
    pub fn to_batch_unsorted(&self) -> RecordBatch {
        self.batch_of(&(0..self.len() as u32).collect::<Vec<_>>())
    }

    fn batch_of(&self, groups: &[u32]) -> RecordBatch {
        let mut columns: Vec<(String, ArrayRef)> = Vec::new();
        for (i, key) in self.keys.iter().enumerate() {
            columns.push((format!("k{i}"), key.take(groups)));
        }
        for (i, accumulator) in self.accumulators.iter().enumerate() {
            columns.extend(accumulator.columns(groups).into_iter().map(|(name, column)| (format!("a{i}_{name}"), column)));
        }
        let fields: Vec<Field> = columns.iter().map(|(name, column)| Field::new(name, column.data_type().clone(), true)).collect();
        let metadata = HashMap::from([(VERSION_KEY.to_string(), VERSION.to_string())]);
        let schema = Arc::new(Schema::new(fields).with_metadata(metadata));
        let options = RecordBatchOptions::new().with_row_count(Some(groups.len()));
        RecordBatch::try_new_with_options(schema, columns.into_iter().map(|(_, c)| c).collect(), &options)
            .expect("all columns have one row per group")
    }

    /// Reads what [`GroupTable::to_batch`] or [`GroupTable::to_batch_unsorted`] wrote.
    ///
    /// # Errors
    /// What in the batch does not fit the query, and what to do about it.
    pub fn from_batch(query: &Query, batch: &RecordBatch) -> Result<Self, String> {
        Self::load(query, batch, Accumulator::new)
    }

    /// The same, into the accumulators that `empty` gives for the query's aggregates.
    pub(crate) fn load(query: &Query, batch: &RecordBatch, empty: impl Fn(&Aggregate) -> Accumulator) -> Result<Self, String> {
        let schema = batch.schema_ref();
        match schema.metadata().get(VERSION_KEY).map(String::as_str) {
            Some(VERSION) => {}
            Some(other) => return Err(format!("the layout has version {other}, not {VERSION}{REMEDY}")),
            None => return Err(format!("it has no '{VERSION_KEY}' in its metadata, so that it is no view{REMEDY}")),
        }
        let rows = batch.num_rows();
        if query.is_global() && rows != 1 {
            return Err(format!("{rows} rows, where a query without keys has one{REMEDY}"));
        }
        let (mut keys, mut at) = (Vec::new(), 0);
        for (i, key) in query.keys.iter().enumerate() {
            let wanted = arrow_type(key.expr.data_type);
            match (schema.fields().get(at), batch.columns().get(at)) {
                (Some(field), Some(column)) if *field.name() == format!("k{i}") && *column.data_type() == wanted => {
                    keys.push(column.clone());
                }
                (Some(field), _) => {
                    let (name, found) = (field.name(), field.data_type());
                    return Err(format!("the column '{name}' is {found} where the key 'k{i}' of {wanted} belongs{REMEDY}"));
                }
                (None, _) => return Err(format!("the key 'k{i}' is missing{REMEDY}")),
            }
            at += 1;
        }
        let load = || Self::load_accumulators(query, batch, keys.len(), empty);
        let found = |row| format!("row {row} has the key of an earlier row{REMEDY}");
        let of_keys = || GroupTable::of_distinct(query, &keys, rows).map_err(found);
        let (table, accumulators) = if rows < MANY {
            (of_keys(), load())
        } else {
            std::thread::scope(|scope| {
                let table = scope.spawn(of_keys);
                let accumulators = load();
                (table.join().expect("a table of keys is made without a panic"), accumulators)
            })
        };
        // What does not fit the query is told before what is wrong with the rows.
        let (accumulators, mut table) = (accumulators?, table?);
        table.accumulators = accumulators;
        Ok(table)
    }

    /// The accumulators of a batch, whose first columns are keys.
    fn load_accumulators(
        query: &Query,
        batch: &RecordBatch,
        keys: usize,
        empty: impl Fn(&Aggregate) -> Accumulator,
    ) -> Result<Vec<Accumulator>, String> {
        let (schema, mut at) = (batch.schema_ref(), keys);
        let mut accumulators = Vec::new();
        for (i, aggregate) in query.aggregates.iter().enumerate() {
            let prefix = format!("a{i}_");
            let mine = schema.fields()[at..].iter().take_while(|f| f.name().starts_with(&prefix));
            let names: Vec<String> = mine.map(|f| f.name()[prefix.len()..].to_string()).collect();
            let columns = &batch.columns()[at..at + names.len()];
            at += names.len();
            let mut accumulator = empty(aggregate);
            let mut reader = Reader { columns: columns.iter(), names };
            accumulator.load(&mut reader).map_err(|e| format!("aggregate {i} (columns '{prefix}...'): {e}{REMEDY}"))?;
            if let Some(name) = reader.names.first() {
                return Err(format!("the column '{prefix}{name}' belongs to no aggregate{REMEDY}"));
            }
            accumulators.push(accumulator);
        }
        if let Some(field) = schema.fields().get(at) {
            return Err(format!("the column '{}' belongs to no key and no aggregate{REMEDY}", field.name()));
        }
        Ok(accumulators)
    }
}
