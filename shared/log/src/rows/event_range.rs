//! Least and greatest event time of a batch.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowTimestampType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};

/// Least and greatest event time of a column: microseconds since 1970, rounded down. `None` where no row has one.
pub(crate) fn event_range_us(column: &ArrayRef) -> Option<(i64, i64)> {
    let (range, to_us): (_, fn(i64) -> i64) = match column.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => (range::<TimestampSecondType>(column), |s| s.saturating_mul(1_000_000)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => (range::<TimestampMillisecondType>(column), |ms| ms.saturating_mul(1000)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => (range::<TimestampMicrosecondType>(column), |us| us),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => (range::<TimestampNanosecondType>(column), |ns| ns.div_euclid(1000)),
        other => unreachable!("a topic's time column has type {other}, which its creation refuses"),
    };
    range.map(|(min, max)| (to_us(min), to_us(max)))
}

fn range<T: ArrowTimestampType>(column: &ArrayRef) -> Option<(i64, i64)> {
    let values = column.as_primitive::<T>();
    let (min, max) = match values.nulls() {
        None => of_values(values.values()),
        Some(_) => values.iter().flatten().fold(NOTHING, |(min, max), v| (min.min(v), max.max(v))),
    };
    (min <= max).then_some((min, max))
}

const NOTHING: (i64, i64) = (i64::MAX, i64::MIN);

fn of_values(values: &[i64]) -> (i64, i64) {
    // Lanes that do not wait for one another.
    const LANES: usize = 16;
    let (mut min, mut max) = ([NOTHING.0; LANES], [NOTHING.1; LANES]);
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for lane in 0..LANES {
            min[lane] = min[lane].min(chunk[lane]);
            max[lane] = max[lane].max(chunk[lane]);
        }
    }
    let all_min = min.iter().chain(rest).fold(NOTHING.0, |a, &b| a.min(b));
    let all_max = max.iter().chain(rest).fold(NOTHING.1, |a, &b| a.max(b));
    (all_min, all_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_give_the_obvious_range() {
        let values: Vec<i64> = (0..100i64).map(|i| (i * 7919 % 101 - 50) * 1_000_000_007).collect();
        for from in 0..40 {
            for to in from..100 {
                let part = &values[from..to];
                let obvious = (part.iter().copied().min().unwrap_or(i64::MAX), part.iter().copied().max().unwrap_or(i64::MIN));
                assert_eq!(of_values(part), obvious);
            }
        }
    }
}
