//! Times: EXTRACT, DATE_TRUNC and tumbling windows, of values that are not NULL.

use twopath_query::time::{US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND, civil_from_days, days_from_civil};
use twopath_query::{EvalError, TimeField, TimeUnit};

use super::datum::Datum;
use super::expr::Evaluated;

pub fn extract(field: TimeField, value: Datum) -> Datum {
    match value {
        Datum::Timestamp(us) if field == TimeField::Epoch => Datum::Float(us as f64 / 1e6),
        Datum::Interval(us) if field == TimeField::Epoch => Datum::Float(us as f64 / 1e6),
        Datum::Timestamp(us) => Datum::Int(of_timestamp(field, us)),
        Datum::Interval(us) => Datum::Int(of_interval(field, us)),
        other => unreachable!("typing lets no EXTRACT from {other:?} through"),
    }
}

fn of_timestamp(field: TimeField, us: i64) -> i64 {
    let (days, time) = (us.div_euclid(US_PER_DAY), us.rem_euclid(US_PER_DAY));
    let (year, month, day) = civil_from_days(days);
    match field {
        TimeField::Year => year,
        TimeField::Quarter => i64::from((month - 1) / 3 + 1),
        TimeField::Month => i64::from(month),
        TimeField::Week => iso_week(days),
        TimeField::Day => i64::from(day),
        // 1970-01-01 was a Thursday.
        TimeField::Dow => (days + 4).rem_euclid(7),
        TimeField::Doy => days - days_from_civil(year, 1, 1) + 1,
        TimeField::Hour => time / US_PER_HOUR,
        TimeField::Minute => time % US_PER_HOUR / US_PER_MINUTE,
        TimeField::Second => time % US_PER_MINUTE / US_PER_SECOND,
        TimeField::Microsecond => time % US_PER_MINUTE,
        TimeField::Epoch => unreachable!("a Float, and taken before"),
    }
}

/// The ISO week: the number of the week's Thursday among the Thursdays of its year.
fn iso_week(days: i64) -> i64 {
    let thursday = monday(days) + 3;
    let (year, ..) = civil_from_days(thursday);
    (thursday - days_from_civil(year, 1, 1)).div_euclid(7) + 1
}

/// The Monday on or before a day.
fn monday(days: i64) -> i64 {
    days - (days + 3).rem_euclid(7)
}

fn of_interval(field: TimeField, us: i64) -> i64 {
    match field {
        TimeField::Day => us / US_PER_DAY,
        TimeField::Hour => us % US_PER_DAY / US_PER_HOUR,
        TimeField::Minute => us % US_PER_HOUR / US_PER_MINUTE,
        TimeField::Second => us % US_PER_MINUTE / US_PER_SECOND,
        TimeField::Microsecond => us % US_PER_MINUTE,
        other => unreachable!("typing lets no {other:?} of an interval through"),
    }
}

pub fn date_trunc(unit: TimeUnit, value: Datum) -> Evaluated {
    let us = timestamp(value);
    let days = us.div_euclid(US_PER_DAY);
    let (year, month, _) = civil_from_days(days);
    let first_day = match unit {
        TimeUnit::Millisecond => return floor(us, 1_000),
        TimeUnit::Second => return floor(us, US_PER_SECOND),
        TimeUnit::Minute => return floor(us, US_PER_MINUTE),
        TimeUnit::Hour => return floor(us, US_PER_HOUR),
        TimeUnit::Day => days,
        TimeUnit::Week => monday(days),
        TimeUnit::Month => days_from_civil(year, month, 1),
        TimeUnit::Quarter => days_from_civil(year, month - (month - 1) % 3, 1),
        TimeUnit::Year => days_from_civil(year, 1, 1),
    };
    first_day.checked_mul(US_PER_DAY).map(Datum::Timestamp).ok_or(EvalError::OutOfRange)
}

/// The start of the window of `size_us` microseconds that a timestamp falls in.
pub fn tumble(size_us: i64, value: Datum) -> Evaluated {
    floor(timestamp(value), size_us)
}

fn floor(us: i64, step_us: i64) -> Evaluated {
    us.checked_sub(us.rem_euclid(step_us)).map(Datum::Timestamp).ok_or(EvalError::OutOfRange)
}

fn timestamp(value: Datum) -> i64 {
    match value {
        Datum::Timestamp(us) => us,
        other => unreachable!("typing lets no {other:?} stand for a timestamp"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twopath_query::time::parse_timestamp;

    fn at(text: &str) -> Datum {
        Datum::Timestamp(parse_timestamp(text).unwrap())
    }

    /// Expected values from PostgreSQL's documentation and the calendar on the wall.
    #[test]
    fn fields_and_starts() {
        let of = |field, text| extract(field, at(text));
        assert_eq!(of(TimeField::Week, "2006-01-01"), Datum::Int(52));
        assert_eq!(of(TimeField::Week, "2012-12-31"), Datum::Int(1));
        assert_eq!(of(TimeField::Dow, "2001-02-16 20:38:40"), Datum::Int(5));
        assert_eq!(of(TimeField::Doy, "2001-02-16 20:38:40"), Datum::Int(47));
        assert_eq!(of(TimeField::Quarter, "2001-02-16"), Datum::Int(1));
        assert_eq!(of(TimeField::Minute, "1969-12-31 23:38:40"), Datum::Int(38));
        assert_eq!(date_trunc(TimeUnit::Week, at("1969-12-31 10:00")), Ok(at("1969-12-29")));
        assert_eq!(date_trunc(TimeUnit::Quarter, at("2013-12-31 10:00")), Ok(at("2013-10-01")));
        assert_eq!(tumble(3_600_000_000, at("1969-12-31 23:59")), Ok(at("1969-12-31 23:00")));
        assert_eq!(tumble(60_000_000, Datum::Timestamp(i64::MIN)), Err(EvalError::OutOfRange));
        assert_eq!(extract(TimeField::Hour, Datum::Interval(-90_000_000_000)), Datum::Int(-1));
    }
}
