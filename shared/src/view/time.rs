//! EXTRACT, DATE_TRUNC and TUMBLE.

use std::sync::Arc;

use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int64Array};

use super::calendar::{DAY_US, Date, HOUR_US, MINUTE_US, SECOND_US, iso_week, weekday};
use super::canonical::{as_i64, from_i64};
use crate::query::{DataType, EvalError, TimeField, TimeUnit};

/// 1970-01-05, a Monday, where weeks are aligned.
const MONDAY_US: i64 = 4 * DAY_US;

/// `EXTRACT(field FROM array)`. An interval is read as PostgreSQL reads the difference of two timestamps: whole days, then hours and
/// so on, each with the interval's sign.
pub fn extract(field: TimeField, array: &dyn Array, data_type: DataType) -> ArrayRef {
    let us = as_i64(array);
    if field == TimeField::Epoch {
        return Arc::new(us.unary::<_, Float64Type>(|v| v as f64 / SECOND_US as f64));
    }
    let of: fn(TimeField, i64) -> i64 = if data_type == DataType::Interval { interval_field } else { timestamp_field };
    Arc::new(us.unary::<_, Int64Type>(|v| of(field, v)))
}

fn timestamp_field(field: TimeField, us: i64) -> i64 {
    let days = us.div_euclid(DAY_US);
    let of_day = us.rem_euclid(DAY_US);
    match field {
        TimeField::Year => Date::from_days(days).year,
        TimeField::Quarter => (Date::from_days(days).month - 1) / 3 + 1,
        TimeField::Month => Date::from_days(days).month,
        TimeField::Week => iso_week(days),
        TimeField::Day => Date::from_days(days).day,
        TimeField::Dow => weekday(days),
        TimeField::Doy => Date::from_days(days).day_of_year(),
        TimeField::Hour => of_day / HOUR_US,
        TimeField::Minute => of_day % HOUR_US / MINUTE_US,
        TimeField::Second => of_day % MINUTE_US / SECOND_US,
        TimeField::Epoch => unreachable!("EPOCH is a float"),
    }
}

fn interval_field(field: TimeField, us: i64) -> i64 {
    match field {
        TimeField::Day => us / DAY_US,
        TimeField::Hour => us % DAY_US / HOUR_US,
        TimeField::Minute => us % HOUR_US / MINUTE_US,
        TimeField::Second => us % MINUTE_US / SECOND_US,
        _ => panic!("the parser takes no {field:?} of an interval"),
    }
}

/// `DATE_TRUNC(unit, array)` of timestamps.
pub fn truncate(unit: TimeUnit, array: &dyn Array) -> Result<ArrayRef, EvalError> {
    let size_us = match unit {
        TimeUnit::Second => SECOND_US,
        TimeUnit::Minute => MINUTE_US,
        TimeUnit::Hour => HOUR_US,
        TimeUnit::Day => DAY_US,
        TimeUnit::Week => return floor_to(array, 7 * DAY_US, MONDAY_US),
        TimeUnit::Month => return truncate_date(array, |d| Date { day: 1, ..d }),
        TimeUnit::Quarter => return truncate_date(array, |d| Date { month: (d.month - 1) / 3 * 3 + 1, day: 1, ..d }),
        TimeUnit::Year => return truncate_date(array, |d| Date { month: 1, day: 1, ..d }),
    };
    floor_to(array, size_us, 0)
}

fn truncate_date(array: &dyn Array, first: impl Fn(Date) -> Date) -> Result<ArrayRef, EvalError> {
    let start = |us: i64| first(Date::from_days(us.div_euclid(DAY_US))).days().checked_mul(DAY_US).ok_or(EvalError::OutOfRange);
    Ok(from_i64(as_i64(array).try_unary(start)?, DataType::Timestamp))
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
