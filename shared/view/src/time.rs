//! EXTRACT, DATE_TRUNC and TUMBLE.

use std::sync::Arc;

use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int64Array};

use super::canonical::{as_i64, from_i64};
use twopath_query::time::{US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND, civil_from_days, days_from_civil, days_in_month};
use twopath_query::{DataType, EvalError, TimeField, TimeUnit};

/// 1970-01-05, a Monday, where weeks are aligned.
const MONDAY_US: i64 = 4 * US_PER_DAY;

/// `EXTRACT(field FROM array)`. An interval is read as PostgreSQL reads the difference of two timestamps: whole days, then hours and
/// so on, each with the interval's sign.
pub fn extract(field: TimeField, array: &dyn Array, data_type: DataType) -> ArrayRef {
    let us = as_i64(array);
    if field == TimeField::Epoch {
        return Arc::new(us.unary::<_, Float64Type>(|v| v as f64 / US_PER_SECOND as f64));
    }
    let of: fn(TimeField, i64) -> i64 = if data_type == DataType::Interval { interval_field } else { timestamp_field };
    Arc::new(us.unary::<_, Int64Type>(|v| of(field, v)))
}

fn timestamp_field(field: TimeField, us: i64) -> i64 {
    let days = us.div_euclid(US_PER_DAY);
    let of_day = us.rem_euclid(US_PER_DAY);
    let (year, month, day) = civil_from_days(days);
    match field {
        TimeField::Year => year,
        TimeField::Quarter => i64::from(month - 1) / 3 + 1,
        TimeField::Month => i64::from(month),
        TimeField::Week => iso_week(days),
        TimeField::Day => i64::from(day),
        // 1970 began on a Thursday.
        TimeField::Dow => (days + 4).rem_euclid(7),
        TimeField::Doy => days - days_from_civil(year, 1, 1) + 1,
        TimeField::Hour => of_day / US_PER_HOUR,
        TimeField::Minute => of_day % US_PER_HOUR / US_PER_MINUTE,
        TimeField::Second => of_day % US_PER_MINUTE / US_PER_SECOND,
        TimeField::Microsecond => of_day % US_PER_MINUTE,
        TimeField::Epoch => unreachable!("EPOCH is a float"),
    }
}

/// The ISO week: that of the year in which the week's Thursday lies.
fn iso_week(days: i64) -> i64 {
    let thursday = days + 3 - (days + 3).rem_euclid(7);
    let (year, ..) = civil_from_days(thursday);
    (thursday - days_from_civil(year, 1, 1)) / 7 + 1
}

fn interval_field(field: TimeField, us: i64) -> i64 {
    match field {
        TimeField::Day => us / US_PER_DAY,
        TimeField::Hour => us % US_PER_DAY / US_PER_HOUR,
        TimeField::Minute => us % US_PER_HOUR / US_PER_MINUTE,
        TimeField::Second => us % US_PER_MINUTE / US_PER_SECOND,
        TimeField::Microsecond => us % US_PER_MINUTE,
        _ => panic!("the parser takes no {field:?} of an interval"),
    }
}

/// `DATE_TRUNC(unit, array)` of timestamps.
pub fn truncate(unit: TimeUnit, array: &dyn Array) -> Result<ArrayRef, EvalError> {
    let size_us = match unit {
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Second => US_PER_SECOND,
        TimeUnit::Minute => US_PER_MINUTE,
        TimeUnit::Hour => US_PER_HOUR,
        TimeUnit::Day => US_PER_DAY,
        TimeUnit::Week => return floor_to(array, 7 * US_PER_DAY, MONDAY_US),
        TimeUnit::Month => return truncate_date(array, |month| month),
        TimeUnit::Quarter => return truncate_date(array, |month| (month - 1) / 3 * 3 + 1),
        TimeUnit::Year => return truncate_date(array, |_| 1),
    };
    floor_to(array, size_us, 0)
}

/// To the first day of the month that `first` gives for a month.
fn truncate_date(array: &dyn Array, first: impl Fn(u32) -> u32) -> Result<ArrayRef, EvalError> {
    let start = |us: i64| {
        let (year, month, _) = civil_from_days(us.div_euclid(US_PER_DAY));
        days_from_civil(year, first(month), 1).checked_mul(US_PER_DAY).ok_or(EvalError::OutOfRange)
    };
    Ok(from_i64(as_i64(array).try_unary(start)?, DataType::Timestamp))
}

/// What clocks of a zone show.
pub fn at_time_zone(array: &dyn Array, zone: &str) -> Result<ArrayRef, EvalError> {
    let zone = twopath_query::time::zone(zone).expect("the parser takes known zones only");
    let local = |us: i64| twopath_query::time::local_time(us, zone).ok_or(EvalError::OutOfRange);
    Ok(from_i64(as_i64(array).try_unary(local)?, DataType::Timestamp))
}

/// So many months later, at the month's last day where it has no such day.
pub fn add_months(us: i64, months: i64) -> Result<i64, EvalError> {
    let (days, of_day) = (us.div_euclid(US_PER_DAY), us.rem_euclid(US_PER_DAY));
    let (year, month, day) = civil_from_days(days);
    // From the year 0, so that a year is a whole number of twelves.
    let total = (year * 12 + i64::from(month) - 1).checked_add(months).filter(|t| t.abs() < 12_000_000).ok_or(EvalError::OutOfRange)?;
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) as u32 + 1);
    let days = days_from_civil(year, month, day.min(days_in_month(year, month)));
    days.checked_mul(US_PER_DAY).and_then(|us| us.checked_add(of_day)).ok_or(EvalError::OutOfRange)
}

/// Timestamps brought down to the start of their window of `size_us` microseconds, windows being aligned to `origin_us`.
///
/// Events of a log are nearly in time order, so that most fall into the window of the one before, which costs no division.
pub fn floor_to(array: &dyn Array, size_us: i64, origin_us: i64) -> Result<ArrayRef, EvalError> {
    assert!(size_us > 0, "a window has a length");
    let times = as_i64(array);
    let mut starts = Vec::with_capacity(times.len());
    // Within [start, start + size): as unsigned distances, so that no sum overflows.
    let mut start = 0i64;
    let mut known = false;
    for (row, &t) in times.values().iter().enumerate() {
        if !known || (t.wrapping_sub(start) as u64) >= size_us as u64 {
            match t.checked_sub((i128::from(t) - i128::from(origin_us)).rem_euclid(i128::from(size_us)) as i64) {
                Some(s) => (start, known) = (s, true),
                // What lies under a NULL may be anything.
                None if times.is_null(row) => {}
                None => return Err(EvalError::OutOfRange),
            }
        }
        starts.push(start);
    }
    Ok(from_i64(Int64Array::new(starts.into(), times.nulls().cloned()), DataType::Timestamp))
}
