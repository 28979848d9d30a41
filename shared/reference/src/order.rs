//! The order of values.

use std::cmp::Ordering;

use twopath_query::values::Cell;

use super::decimal::Big;

/// The order of two values of one type. NULL is greatest, FALSE is before TRUE, NaN equals NaN and is above all numbers, -0.0 equals 0.0, and
/// text goes by bytes.
pub(super) fn order(a: &Cell<'_>, b: &Cell<'_>) -> Ordering {
    match (a, b) {
        (Cell::Null, Cell::Null) => Ordering::Equal,
        (Cell::Null, _) => Ordering::Greater,
        (_, Cell::Null) => Ordering::Less,
        (Cell::Bool(a), Cell::Bool(b)) => a.cmp(b),
        (Cell::Int(a), Cell::Int(b)) => a.cmp(b),
        (Cell::Float(a), Cell::Float(b)) => match (a.is_nan(), b.is_nan()) {
            (false, false) if a == b => Ordering::Equal,
            (false, false) if a < b => Ordering::Less,
            (false, false) => Ordering::Greater,
            (a_nan, b_nan) => a_nan.cmp(&b_nan),
        },
        (Cell::Text(a), Cell::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Cell::Timestamp(a), Cell::Timestamp(b)) => a.cmp(b),
        (Cell::Interval(a), Cell::Interval(b)) => a.cmp(b),
        (Cell::Numeric(a), Cell::Numeric(b)) => a.cmp(b),
        (Cell::Decimal(_), Cell::Decimal(_) | Cell::Numeric(_)) | (Cell::Numeric(_), Cell::Decimal(_)) => match (Big::of(a), Big::of(b)) {
            (Some(a), Some(b)) => a.order(&b),
            _ => unreachable!("both are decimals"),
        },
        (a, b) => unreachable!("typing lets no {a:?} meet {b:?}"),
    }
}
