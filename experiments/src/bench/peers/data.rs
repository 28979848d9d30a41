//! The rows of both sides, made from a seed, as files that both sides read.

use std::fmt::Display;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::BenchError;
use twopath_events::workloads::{Pageviews, built_in};

const SEED: u64 = 1;
/// Rows made at a time, and of one row group: DuckDB's own, and few enough that this process stays small.
const ROWS: usize = 122_880;
const SECOND_US: i64 = 1_000_000;
/// 2024-01-01T00:00:00Z
const START_US: i64 = 1_704_067_200 * SECOND_US;

/// So many that an answer by minute and url has about a twelfth as many rows as there are views.
const URLS: u64 = 65_000;

fn views(rows: u64) -> impl Iterator<Item = RecordBatch> {
    let made = Pageviews { seed: SEED, urls: URLS, ..Default::default() };
    (0..rows).step_by(ROWS).map(move |from| made.batch(from, ROWS.min((rows - from) as usize)))
}

/// Writes pageviews as Parquet.
pub fn pageviews(path: &Path, rows: u64) -> Result<(), BenchError> {
    parquet(path, views(rows))
}

/// Writes NEXMark's events as Parquet.
pub fn nexmark(path: &Path, events: u64) -> Result<(), BenchError> {
    let workload = built_in("nexmark", SEED).expect("a built-in workload");
    parquet(path, (0..events).step_by(ROWS).map(|from| workload.batch(from, ROWS.min((events - from) as usize))))
}

/// Writes pageviews as CSV.
pub fn pageviews_csv(path: &Path, rows: u64) -> Result<(), BenchError> {
    lines(path, "time,url,user,duration_ms\n", rows, twopath_events::files::iso)
}

/// Writes pageviews as numbers alone, the time in microseconds since 1970, without a header.
pub fn pageviews_numbers(path: &Path, rows: u64) -> Result<(), BenchError> {
    lines(path, "", rows, |time| time)
}

/// Pageviews with commas between, behind a header, with their times so written.
fn lines<T: Display>(path: &Path, header: &str, rows: u64, written: impl Fn(i64) -> T) -> Result<(), BenchError> {
    let mut out = BufWriter::new(File::create(path)?);
    out.write_all(header.as_bytes())?;
    for batch in views(rows) {
        let times = batch.column(0).as_primitive::<TimestampMicrosecondType>().values();
        let others: Vec<_> = batch.columns()[1..].iter().map(|c| c.as_primitive::<Int64Type>().values()).collect();
        for (row, time) in times.iter().enumerate() {
            writeln!(out, "{},{},{},{}", written(*time), others[0][row], others[1][row], others[2][row])?;
        }
    }
    Ok(out.flush()?)
}

/// Writes rows for the queries that are not about time, as Parquet: `t` counts seconds, `k` is of a quarter as many values as there are rows, `s` (text) of a
/// thousandth and `g` of 20, `h` of a thousandth and `u` of a twentieth, `v` of 1,000, and `x` is a multiple of 1/1024 below 1, so that sums of it are exact in any order.
pub fn wide(path: &Path, rows: u64) -> Result<(), BenchError> {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let of = |rows: u64, divisor: u64| (rows / divisor).max(1) as i64;
    parquet(
        path,
        (0..rows).step_by(ROWS).map(move |from| {
            let count = ROWS.min((rows - from) as usize);
            let mut ints = |values: i64| -> Vec<i64> { (0..count).map(|_| random.random_range(0..values)).collect() };
            let column = |values: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
            let (k, g, h, u, v) = (ints(of(rows, 4)), ints(20), ints(of(rows, 1_000)), ints(of(rows, 20)), ints(1_000));
            let s: StringArray = ints(of(rows, 1_000)).into_iter().map(|s| Some(format!("page-{s:07}"))).collect();
            let x: Float64Array = ints(1_024).into_iter().map(|x| Some(x as f64 / 1_024.0)).collect();
            let t = TimestampMicrosecondArray::from_iter_values((from..from + count as u64).map(|i| START_US + i as i64 * SECOND_US));
            let columns: [(&str, ArrayRef); 8] = [
                ("t", Arc::new(t.with_timezone("UTC"))),
                ("k", column(k)),
                ("s", Arc::new(s)),
                ("g", column(g)),
                ("h", column(h)),
                ("u", column(u)),
                ("v", column(v)),
                ("x", Arc::new(x)),
            ];
            RecordBatch::try_from_iter(columns).expect("columns of one length")
        }),
    )
}

fn parquet(path: &Path, batches: impl Iterator<Item = RecordBatch>) -> Result<(), BenchError> {
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).set_max_row_group_row_count(Some(ROWS)).build();
    let mut batches = batches.peekable();
    let schema = batches.peek().map(RecordBatch::schema).expect("at least one row");
    let mut writer = ArrowWriter::try_new(File::create(path)?, schema, Some(properties)).map_err(std::io::Error::other)?;
    for batch in batches {
        writer.write(&batch).map_err(std::io::Error::other)?;
    }
    writer.close().map_err(std::io::Error::other)?;
    Ok(())
}
