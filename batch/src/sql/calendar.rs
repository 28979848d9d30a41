//! EXTRACT, DATE_TRUNC and TUMBLE in polars' own calendar.
//!
//! polars' calendar ends before 64 bits of microseconds do. The Gregorian calendar repeats every 400 years, which are whole weeks: so a
//! field is asked of the same moment between 1970 and 2370, and years are added again. Every 64-bit moment has its exact answer.

use polars::prelude::{DataType as PolarsType, Expr as Plan, TimeUnit as PolarsUnit, lit};
use twopath_query::{BinaryOp, DataType, TimeField, TimeUnit};

use super::checked::Raised;

const SECOND_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60 * SECOND_US;
const HOUR_US: i64 = 60 * MINUTE_US;
const DAY_US: i64 = 24 * HOUR_US;
const WEEK_US: i64 = 7 * DAY_US;
/// From Thursday, on which 1970 began, to the next Monday, on which weeks begin.
const MONDAY_US: i64 = 4 * DAY_US;
/// 400 years.
const CYCLE_US: i64 = 146_097 * DAY_US;
const CYCLE_YEARS: i64 = 400;

/// `EXTRACT(field FROM us)` of a timestamp or an interval of so many microseconds.
pub fn extract(field: TimeField, us: Plan, of: DataType, raised: &Raised) -> Plan {
    if field == TimeField::Epoch {
        // polars would multiply by the reciprocal of a constant, which is another float.
        return raised.arithmetic(BinaryOp::Divide, us.cast(PolarsType::Float64), lit(SECOND_US as f64), true);
    }
    if of == DataType::Interval { interval_field(field, us, raised) } else { timestamp_field(field, us, raised) }
}

fn timestamp_field(field: TimeField, us: Plan, raised: &Raised) -> Plan {
    let date = in_cycle(us.clone());
    let number = |field: Plan| field.cast(PolarsType::Int64);
    match field {
        TimeField::Year => number(date.dt().year()) + raised.floor_divide(us, CYCLE_US) * lit(CYCLE_YEARS),
        TimeField::Quarter => number(date.dt().quarter()),
        TimeField::Month => number(date.dt().month()),
        TimeField::Week => number(date.dt().week()),
        TimeField::Day => number(date.dt().day()),
        // polars' week ends with Sunday as 7.
        TimeField::Dow => number(date.dt().weekday()) % lit(7i64),
        TimeField::Doy => number(date.dt().ordinal_day()),
        TimeField::Hour => number(date.dt().hour()),
        TimeField::Minute => number(date.dt().minute()),
        TimeField::Second => number(date.dt().second()),
        TimeField::Microsecond => (us % lit(MINUTE_US) + lit(MINUTE_US)) % lit(MINUTE_US),
        TimeField::Epoch => unreachable!("EPOCH is a float"),
    }
}

/// Each part of an interval has the interval's sign. polars' own integer division rounds down, and its remainder is never negative.
fn interval_field(field: TimeField, us: Plan, raised: &Raised) -> Plan {
    // Of constants polars takes the least type that holds them.
    let long = |plan: Plan| plan.cast(PolarsType::Int64);
    let by = |op: BinaryOp, value: Plan, size: i64| raised.arithmetic(op, long(value), long(lit(size)), false);
    let (size, whole) = match field {
        TimeField::Day => return by(BinaryOp::Divide, us, DAY_US),
        TimeField::Hour => (HOUR_US, DAY_US),
        TimeField::Minute => (MINUTE_US, HOUR_US),
        TimeField::Second => (SECOND_US, MINUTE_US),
        TimeField::Microsecond => return by(BinaryOp::Modulo, us, MINUTE_US),
        _ => unreachable!("the parser takes no {field:?} of an interval"),
    };
    by(BinaryOp::Divide, by(BinaryOp::Modulo, us, whole), size)
}

/// `DATE_TRUNC(unit, us)` of a timestamp. A start before the first 64-bit microsecond is raised.
pub fn truncate(unit: TimeUnit, us: Plan, raised: &Raised) -> Plan {
    let every = match unit {
        TimeUnit::Millisecond => return tumble(us, SECOND_US / 1_000, raised),
        TimeUnit::Second => return tumble(us, SECOND_US, raised),
        TimeUnit::Minute => return tumble(us, MINUTE_US, raised),
        TimeUnit::Hour => return tumble(us, HOUR_US, raised),
        TimeUnit::Day => return tumble(us, DAY_US, raised),
        TimeUnit::Week => {
            let since_monday = (us.clone() % lit(WEEK_US) + lit(WEEK_US - MONDAY_US)) % lit(WEEK_US);
            return raised.arithmetic(BinaryOp::Subtract, us, since_monday, false);
        }
        TimeUnit::Month => "1mo",
        TimeUnit::Quarter => "1q",
        TimeUnit::Year => "1y",
    };
    let date = in_cycle(us.clone());
    let start = date.clone().dt().truncate(lit(every));
    let since = date.cast(PolarsType::Int64) - start.cast(PolarsType::Int64);
    raised.arithmetic(BinaryOp::Subtract, us, since, false)
}

/// The start of the window of `size_us` that a timestamp falls in. A start before the first 64-bit microsecond is raised.
pub fn tumble(us: Plan, size_us: i64, raised: &Raised) -> Plan {
    // polars' `%` is never negative here, so that windows before 1970 start before it, too.
    let within = us.clone() % lit(size_us);
    raised.arithmetic(BinaryOp::Subtract, us, within, false)
}

/// The same moment of the calendar's first 400 years after 1970.
fn in_cycle(us: Plan) -> Plan {
    (us % lit(CYCLE_US)).cast(PolarsType::Datetime(PolarsUnit::Microseconds, None))
}
