//! A year's events, laid out over earlier years: for histories that are longer than what was recorded.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, TimeUnit};

/// Times of one year and the next are so far apart: whole days, so that hours of the day stay, and no year reaches into another.
const YEAR_US: i64 = 365 * 24 * 3_600_000_000;

/// The last `events` of a table's events, the newest of them in the recorded year and the others in years before it.
#[derive(Debug, Clone)]
pub struct Tiled {
    pub table: RecordBatch,
    pub events: u64,
}

impl Tiled {
    /// How many years they fill, the first in part.
    pub fn years(&self) -> u32 {
        self.events.div_ceil(self.table.num_rows().max(1) as u64) as u32
    }

    /// `rows` events from number `from` on, or fewer: a batch does not reach from one year into the next.
    pub fn batch(&self, from: u64, rows: usize) -> RecordBatch {
        let each = self.table.num_rows() as u64;
        let years = u64::from(self.years());
        // Counted from the beginning of the first year, of which only the end may be wanted.
        let place = from.min(self.events) + years * each - self.events;
        let (year, at) = (place / each, place % each);
        let rows = (rows as u64).min(self.events.saturating_sub(from)).min(each - at);
        let part = self.table.slice(at as usize, rows as usize);
        let back = (years - 1).saturating_sub(year) as i64;
        let columns = part.columns().iter().map(|column| earlier(column, back * YEAR_US)).collect();
        RecordBatch::try_new(part.schema(), columns).expect("the same columns, of the same types")
    }
}

/// Times so much earlier; other columns as they are.
fn earlier(column: &ArrayRef, by_us: i64) -> ArrayRef {
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, zone) if by_us != 0 => {
            let times = column.as_primitive::<TimestampMicrosecondType>();
            let earlier = times.unary::<_, TimestampMicrosecondType>(|us| us - by_us);
            Arc::new(earlier.with_timezone_opt(zone.clone()))
        }
        _ => column.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::flights;
    use super::*;

    fn times(batch: &RecordBatch) -> Vec<i64> {
        batch.column_by_name("known").unwrap().as_primitive::<TimestampMicrosecondType>().values().to_vec()
    }

    #[test]
    fn years_are_laid_end_to_end() {
        let all = flights();
        let each = all.events().unwrap();
        let recorded = all.batch(0, usize::MAX);
        let tiled = all.last(2 * each + 1_000);
        assert_eq!((tiled.events(), tiled.years()), (Some(2 * each + 1_000), Some(3)));
        // The end of the first year, then two whole ones, the last as it was recorded.
        let first = tiled.batch(0, 5_000);
        assert_eq!(first.num_rows(), 1_000);
        let expected: Vec<i64> = times(&recorded)[each as usize - 1_000..].iter().map(|us| us - 2 * YEAR_US).collect();
        assert_eq!(times(&first), expected);
        assert_eq!(times(&tiled.batch(1_000, 10)), times(&recorded)[..10].iter().map(|us| us - YEAR_US).collect::<Vec<_>>());
        let last = tiled.batch(1_000 + each, usize::MAX);
        assert_eq!(last, recorded);
        assert_eq!(tiled.batch(2 * each + 1_000, 10).num_rows(), 0);
        // Arrival stays in order from year to year but for flights that were known in the next.
        let other = first.column_by_name("carrier").unwrap();
        assert_eq!(**other, *recorded.slice(each as usize - 1_000, 1_000).column_by_name("carrier").unwrap().clone());
    }

    #[test]
    fn a_part_of_the_year_is_its_end() {
        let all = flights();
        let recorded = all.batch(0, usize::MAX);
        let last = all.last(10);
        assert_eq!((last.batch(0, 100), last.years()), (recorded.slice(recorded.num_rows() - 10, 10), None));
    }
}
