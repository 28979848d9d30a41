//! The flights that left New York in 2013, in the order in which their departure was known.
//!
//! The sample is part of the program; `data/flights/README.md` says where it comes from.

use std::sync::{Arc, OnceLock};

use arrow_array::{ArrayRef, RecordBatch, RecordBatchReader};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow_select::concat::concat_batches;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{Events, Workload, WorkloadQuery};

static PARQUET: &[u8] = include_bytes!("../../data/flights/flights.parquet");

/// The sample as a Parquet file's bytes.
pub fn flights_parquet() -> &'static [u8] {
    PARQUET
}

/// The workload: 336,776 events. Event time is `sched_dep`, the scheduled departure; arrival order is `known`.
pub fn flights() -> Workload {
    let query = WorkloadQuery::new;
    let events = events();
    Workload {
        name: "flights".into(),
        about: "336,776 flights that left New York in 2013, in the order in which their departures were known".into(),
        schema: events.schema(),
        key: Some("tailnum".into()),
        time_column: Some("sched_dep".into()),
        queries: vec![
            query(
                "delays_by_origin_hour",
                "delays by hour and airport",
                sql!("delays_by_origin_hour.v1"),
                sql!("delays_by_origin_hour.v2"),
            ),
            query(
                "delay_quantiles_by_carrier_day",
                "median and tail delays by day and carrier",
                sql!("delay_quantiles_by_carrier_day.v1"),
                sql!("delay_quantiles_by_carrier_day.v2"),
            ),
            query(
                "distinct_tails_by_carrier_day",
                "aircraft in use by day and carrier",
                sql!("distinct_tails_by_carrier_day"),
                sql!("distinct_tails_by_carrier_day"),
            ),
            query("totals_by_route", "running totals by route", sql!("totals_by_route"), sql!("totals_by_route")),
            query(
                "cancelled_share_by_day",
                "share of flights cancelled by day",
                sql!("cancelled_share_by_day"),
                sql!("cancelled_share_by_day"),
            ),
        ],
        events: Events::Table(events),
    }
}

/// A query's text, kept in a file of its own.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!("flights/", $name, ".sql"))
    };
}
use sql;

/// The topic's schema: the Parquet file stores numbers in 16 bits and the topic in 64.
fn schema() -> SchemaRef {
    let time = |name| Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false);
    let number = |name, nullable| Field::new(name, DataType::Int64, nullable);
    let text = |name, nullable| Field::new(name, DataType::Utf8, nullable);
    Arc::new(Schema::new(vec![
        time("sched_dep"),
        time("known"),
        text("carrier", false),
        number("flight", false),
        text("tailnum", true),
        text("origin", false),
        text("dest", false),
        number("sched_dep_time", false),
        number("dep_time", true),
        number("dep_delay", true),
        number("sched_arr_time", false),
        number("arr_time", true),
        number("arr_delay", true),
        number("air_time", true),
        number("distance", false),
    ]))
}

/// All events, decoded once per process.
pub(super) fn events() -> RecordBatch {
    static EVENTS: OnceLock<RecordBatch> = OnceLock::new();
    EVENTS.get_or_init(|| decode().expect("the bundled sample was read when this program was tested")).clone()
}

fn decode() -> Result<RecordBatch, parquet::errors::ParquetError> {
    Ok(RecordBatch::try_new(schema(), decoded(PARQUET)?.columns().to_vec())?)
}

/// A file of the sample, its numbers in 64 bits.
pub(super) fn decoded(parquet: &'static [u8]) -> Result<RecordBatch, parquet::errors::ParquetError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from_static(parquet))?.with_batch_size(1 << 16).build()?;
    let stored = reader.schema();
    let all = concat_batches(&stored, &reader.collect::<Result<Vec<_>, _>>()?)?;
    let wide = |(field, column): (&Arc<Field>, &ArrayRef)| {
        let data_type = if *field.data_type() == DataType::Int16 { DataType::Int64 } else { field.data_type().clone() };
        Ok((Field::new(field.name(), data_type.clone(), field.is_nullable()), cast(column, &data_type)?))
    };
    let columns = stored.fields().iter().zip(all.columns()).map(wide).collect::<Result<Vec<_>, ArrowError>>()?;
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Int64Type, TimestampMicrosecondType};
    use arrow_array::{Array, Int64Array};

    fn number<'a>(batch: &'a RecordBatch, name: &str) -> &'a Int64Array {
        batch.column_by_name(name).unwrap().as_primitive::<Int64Type>()
    }

    #[test]
    fn the_sample_is_what_its_readme_says() {
        let flights = flights();
        assert_eq!(flights.events(), Some(336_776));
        let all = flights.batch(0, usize::MAX);
        assert_eq!(all.schema(), schema());
        assert_eq!(number(&all, "dep_time").null_count(), 8_255);
        let known = all.column_by_name("known").unwrap().as_primitive::<TimestampMicrosecondType>();
        assert!(known.values().is_sorted(), "arrival order");
        let sched_dep = all.column_by_name("sched_dep").unwrap().as_primitive::<TimestampMicrosecondType>();
        let delay = number(&all, "dep_delay");
        let late_us = |i: usize| if delay.is_null(i) { 0 } else { delay.value(i) * 60_000_000 };
        assert!((0..all.num_rows()).all(|i| known.value(i) == sched_dep.value(i) + late_us(i)));
        assert_eq!(delay.iter().flatten().max(), Some(1_301));
        assert_eq!(delay.iter().flatten().min(), Some(-43));
    }

    /// What versions 1 and 2 of the queries compute, row by row against the recorded delay.
    #[test]
    fn the_fix_is_right_everywhere_and_the_bug_is_not() {
        let all = flights().batch(0, usize::MAX);
        let (dep, sched, delay) = (number(&all, "dep_time"), number(&all, "sched_dep_time"), number(&all, "dep_delay"));
        let minutes = |hhmm: i64| hhmm / 100 * 60 + hhmm % 100;
        let mut version1_wrong = 0;
        for i in (0..all.num_rows()).filter(|&i| dep.is_valid(i)) {
            let difference = minutes(dep.value(i)) - minutes(sched.value(i));
            assert_eq!(difference + if difference < -60 { 1_440 } else { 0 }, delay.value(i), "row {i}");
            version1_wrong += u32::from(dep.value(i) - sched.value(i) != delay.value(i));
        }
        assert_eq!(version1_wrong, 99_777);
    }

    #[test]
    fn any_part_is_the_same_part() {
        let flights = flights();
        assert_eq!(flights.batch(1_000, 10), flights.batch(990, 30).slice(10, 10));
        assert_eq!(flights.batch(336_770, 100).num_rows(), 6);
        assert_eq!(flights.batch(u64::MAX, 100).num_rows(), 0);
    }
}
