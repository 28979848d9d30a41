//! The order of values.

use std::cmp::Ordering;

use twopath_query::values::Cell;
use twopath_query::{Order, Value};

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

/// The order of rows by all their columns: from the first, ascending, NULLs last. Keys have this order, too.
pub(super) fn by_all_columns(a: &[Value], b: &[Value]) -> Ordering {
    a.iter().zip(b).map(|(a, b)| order(&Cell::from(a), &Cell::from(b))).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

/// The order of rows by the values that ORDER BY's expressions have in them.
pub(super) fn by_order(a: &[Value], b: &[Value], by: &[Order]) -> Ordering {
    let nulls = |first: bool| if first { Ordering::Less } else { Ordering::Greater };
    let one = |((a, b), by): ((&Value, &Value), &Order)| match (a, b) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => nulls(by.nulls_first),
        (_, Value::Null) => nulls(by.nulls_first).reverse(),
        (a, b) => {
            let order = order(&Cell::from(a), &Cell::from(b));
            if by.descending { order.reverse() } else { order }
        }
    };
    a.iter().zip(b).zip(by).map(one).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}
