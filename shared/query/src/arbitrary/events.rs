//! Random topics and events.

use std::sync::Arc;

use arrow_array::types::*;
use arrow_array::{ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType as Arrow, Field, Schema, SchemaRef, TimeUnit};
use arrow_select::take::take_record_batch;

use super::{Random, TEXTS};

/// 2013-01-01 00:00:00 UTC, around which events happen.
const BASE_US: i64 = 1_356_998_400_000_000;
const DAY_US: i64 = 86_400_000_000;
/// The years 1 and 9999.
const EXTREME_US: [i64; 2] = [-62_135_596_800_000_000, 253_402_300_799_999_999];

/// A topic's schema: always the time `at` and the text `key`, which are never NULL, and some of `n`, `m`, `x`, `y`, `flag`, `note`, `seen`,
/// of several types.
pub fn schema(random: &mut Random) -> SchemaRef {
    let time = || Arrow::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let mut fields = vec![Field::new("at", time(), false), Field::new("key", Arrow::Utf8, false)];
    let some = [
        ("n", random.pick(&[&Arrow::Int64, &Arrow::Int32, &Arrow::Int16, &Arrow::UInt32]).clone()),
        ("m", random.pick(&[&Arrow::Int64, &Arrow::Int8, &Arrow::UInt8]).clone()),
        ("x", Arrow::Float64),
        ("y", random.pick(&[&Arrow::Float64, &Arrow::Float32]).clone()),
        ("flag", Arrow::Boolean),
        ("note", Arrow::Utf8),
        ("seen", time()),
    ];
    for (name, data_type) in some {
        if random.chance(75) {
            fields.push(Field::new(name, data_type, random.chance(80)));
        }
    }
    Arc::new(Schema::new(fields))
}

/// What is the same for all events of one stream.
struct Shape {
    nulls_percent: u64,
    /// How many values a column draws from; few make duplicates and ties.
    distinct: i64,
    /// Whether there are extreme whole numbers and times.
    extremes: bool,
    /// Whether there are NaN, infinities and -0.0.
    specials: bool,
    /// Whether there are floats of very different sizes that cancel one another.
    cancelling: bool,
    /// How far events lie apart and behind, in microseconds.
    spread_us: i64,
}

impl Shape {
    fn new(random: &mut Random) -> Self {
        Shape {
            nulls_percent: [0, 0, 5, 5, 20, 20, 60, 100][random.below(8)],
            distinct: [1, 3, 10, 100, 100_000][random.below(5)],
            extremes: random.chance(25),
            specials: random.chance(25),
            cancelling: random.chance(30),
            spread_us: [1_000_000, 3_600_000_000, 3 * DAY_US, 400 * DAY_US][random.below(4)],
        }
    }
}

/// A stream of at most `rows_max` events in record batches of 1 row or more; often small, sometimes empty (no batch at all).
///
/// Events come roughly in the order of the schema's timestamps, but some late by up to the whole spread; some twice.
///
/// # Panics
/// For a column type that [`schema`] does not make.
pub fn batches(random: &mut Random, schema: &SchemaRef, rows_max: usize) -> Vec<RecordBatch> {
    let rows = match random.below(10) {
        0 => 0,
        1..=4 => random.below(rows_max.min(20) + 1),
        _ => random.below(rows_max + 1),
    };
    if rows == 0 {
        return Vec::new();
    }
    let shape = Shape::new(random);
    let columns = schema.fields().iter().map(|f| column(random, &shape, f, rows)).collect();
    let events = RecordBatch::try_new(schema.clone(), columns).expect("columns are made by the schema");
    let sources = (0..rows).map(|row| if random.chance(5) { random.below(row + 1) as u32 } else { row as u32 });
    let sources = UInt32Array::from_iter_values(sources);
    let events = take_record_batch(&events, &sources).expect("sources are rows");
    let mut batches = Vec::new();
    let mut start = 0;
    while start < rows {
        let largest = rows.div_ceil(1 + random.below(8));
        let count = (1 + random.below(largest)).min(rows - start);
        batches.push(events.slice(start, count));
        start += count;
    }
    batches
}

fn column(random: &mut Random, shape: &Shape, field: &Field, rows: usize) -> ArrayRef {
    let nulls_percent = if field.is_nullable() { shape.nulls_percent } else { 0 };
    match field.data_type() {
        Arrow::Int8 => whole::<Int8Type>(random, shape, nulls_percent, rows),
        Arrow::Int16 => whole::<Int16Type>(random, shape, nulls_percent, rows),
        Arrow::Int32 => whole::<Int32Type>(random, shape, nulls_percent, rows),
        Arrow::Int64 => whole::<Int64Type>(random, shape, nulls_percent, rows),
        Arrow::UInt8 => whole::<UInt8Type>(random, shape, nulls_percent, rows),
        Arrow::UInt32 => whole::<UInt32Type>(random, shape, nulls_percent, rows),
        Arrow::Float32 => {
            let values = values(random, nulls_percent, rows, |random, _| float(random, shape) as f32);
            Arc::new(values.into_iter().collect::<PrimitiveArray<Float32Type>>())
        }
        Arrow::Float64 => {
            let values = values(random, nulls_percent, rows, |random, _| float(random, shape));
            Arc::new(values.into_iter().collect::<PrimitiveArray<Float64Type>>())
        }
        Arrow::Boolean => {
            Arc::new(values(random, nulls_percent, rows, |random, _| random.chance(50)).into_iter().collect::<BooleanArray>())
        }
        Arrow::Utf8 => Arc::new(values(random, nulls_percent, rows, |random, _| text(random, shape)).into_iter().collect::<StringArray>()),
        Arrow::Timestamp(TimeUnit::Microsecond, zone) => {
            let values = values(random, nulls_percent, rows, |random, row| time(random, shape, row, rows));
            let times: PrimitiveArray<TimestampMicrosecondType> = values.into_iter().collect();
            Arc::new(times.with_timezone_opt(zone.clone()))
        }
        Arrow::Decimal128(precision, scale) => super::decimal::column(random, nulls_percent, shape.extremes, (*precision, *scale), rows),
        other => panic!("no random events for columns of type {other}"),
    }
}

fn values<T>(random: &mut Random, nulls_percent: u64, rows: usize, mut value: impl FnMut(&mut Random, usize) -> T) -> Vec<Option<T>> {
    (0..rows).map(|row| if random.chance(nulls_percent) { None } else { Some(value(random, row)) }).collect()
}

fn whole<T: ArrowPrimitiveType>(random: &mut Random, shape: &Shape, nulls_percent: u64, rows: usize) -> ArrayRef
where
    T::Native: TryFrom<i64> + num_limits::Limits,
{
    let values = values(random, nulls_percent, rows, |random, _| {
        if shape.extremes && random.chance(10) {
            return if random.chance(50) { num_limits::Limits::LEAST } else { num_limits::Limits::GREATEST };
        }
        let least = if random.chance(50) { -shape.distinct / 2 } else { 0 };
        let value = random.between(least, least + shape.distinct - 1);
        // What does not fit the column's type is brought near to zero.
        T::Native::try_from(value).or_else(|_| T::Native::try_from(value.rem_euclid(100))).unwrap_or(num_limits::Limits::GREATEST)
    });
    Arc::new(values.into_iter().collect::<PrimitiveArray<T>>())
}

mod num_limits {
    pub trait Limits: Sized {
        const LEAST: Self;
        const GREATEST: Self;
    }
    macro_rules! limits {
        ($($t:ty),*) => { $(impl Limits for $t { const LEAST: $t = <$t>::MIN; const GREATEST: $t = <$t>::MAX; })* };
    }
    limits!(i8, i16, i32, i64, u8, u32);
}

/// Tenths and eighths: sums of the former are rarely floats. Among them, where the stream is such, huge and tiny ones and their negatives.
fn float(random: &mut Random, shape: &Shape) -> f64 {
    if shape.specials && random.chance(10) {
        return [f64::NAN, -0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY][random.below(5)];
    }
    if shape.cancelling && random.chance(40) {
        let size = [1e16, 1e30, 1e-17, 3e-300, 5e-324, f64::MAX][random.below(6)];
        return if random.chance(50) { size } else { -size };
    }
    random.between(-4 * shape.distinct, 4 * shape.distinct) as f64 / if random.chance(50) { 8.0 } else { 10.0 }
}

fn text(random: &mut Random, shape: &Shape) -> String {
    let n = random.below(shape.distinct as usize);
    TEXTS.get(n).map_or_else(|| format!("k{n}"), |t| (*t).to_owned())
}

fn time(random: &mut Random, shape: &Shape, row: usize, rows: usize) -> i64 {
    if shape.extremes && random.chance(5) {
        return [EXTREME_US[0], EXTREME_US[1], -1, 0][random.below(4)];
    }
    let intended = BASE_US + (shape.spread_us / rows as i64) * row as i64;
    let late_us = if random.chance(20) { random.between(0, shape.spread_us) } else { random.between(0, shape.spread_us / 50) };
    intended - late_us
}
