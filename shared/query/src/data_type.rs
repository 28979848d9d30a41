//! The types of SQL values, and the type that holds the values of two of them.

use serde::{Deserialize, Serialize};

use crate::decimal::DIGITS_MAX;

/// The types of SQL values in Twopath, and what they are read from: Arrow's integers of every width as [`DataType::Int`] (an unsigned
/// value above `i64::MAX` is [`EvalError::OutOfRange`](crate::EvalError::OutOfRange)); Float32 and Float64 as [`DataType::Float`]; Utf8, LargeUtf8, Utf8View and
/// dictionaries of Utf8 as [`DataType::Text`]; timestamps of every unit as [`DataType::Timestamp`] (nanoseconds rounded down to
/// microseconds, a value beyond 64 bits of microseconds is [`EvalError::OutOfRange`](crate::EvalError::OutOfRange)), and so Date32 and Date64 (midnight UTC); Duration
/// of every unit as [`DataType::Interval`] (likewise); Decimal128 of a scale from 0 to its precision as [`DataType::Decimal`] or
/// [`DataType::Numeric`]. A topic with any other column cannot be queried: `parse` names the column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataType {
    Bool,
    /// 64-bit signed integer, as PostgreSQL's `bigint`; overflow is an error.
    Int,
    /// 64-bit float, as PostgreSQL's `double precision`.
    Float,
    /// UTF-8 text, compared byte by byte (PostgreSQL's collation "C").
    Text,
    /// Microseconds since 1970-01-01 00:00:00 UTC.
    Timestamp,
    /// A length of time in microseconds (no months).
    Interval,
    /// Whole number of up to 38 digits: what SUM over [`DataType::Int`] gives, as PostgreSQL's `numeric(38,0)`.
    Numeric,
    /// Exact decimal number of up to `precision` digits (1 to 38), `scale` of them after the point, as PostgreSQL's `numeric(p,s)`; not of
    /// 38 digits and scale 0, which is [`DataType::Numeric`]. Made by [`DataType::decimal`].
    Decimal {
        precision: u8,
        scale: u8,
    },
}

impl DataType {
    /// A decimal of up to `precision` digits, `scale` of them after the point. That of 38 digits and scale 0 is [`DataType::Numeric`].
    pub fn decimal(precision: u8, scale: u8) -> Self {
        if precision == DIGITS_MAX && scale == 0 { DataType::Numeric } else { DataType::Decimal { precision, scale } }
    }

    /// The scale of a decimal, [`DataType::Numeric`] included.
    pub fn decimal_scale(self) -> Option<u8> {
        match self {
            DataType::Numeric => Some(0),
            DataType::Decimal { scale, .. } => Some(scale),
            _ => None,
        }
    }

    pub(crate) fn is_decimal(self) -> bool {
        matches!(self, DataType::Decimal { .. })
    }

    /// The type as CAST takes it: `numeric(12,2)`.
    pub fn sql(self) -> String {
        match self {
            DataType::Decimal { precision, scale } => format!("numeric({precision},{scale})"),
            DataType::Numeric => "numeric(38,0)".to_owned(),
            other => other.sql_name().to_owned(),
        }
    }

    /// Digits before and after the point, of a number that is not a float.
    fn digits(self) -> (u8, u8) {
        match self {
            DataType::Numeric => (DIGITS_MAX, 0),
            DataType::Decimal { precision, scale } => (precision - scale, scale),
            _ => (19, 0),
        }
    }
}

/// The narrowest type that holds the values of both, where one is [`DataType::Decimal`] and neither is a float: as many digits as either
/// has before and after the point, 38 at most.
pub(crate) fn common(a: DataType, b: DataType) -> DataType {
    let ((a_whole, a_scale), (b_whole, b_scale)) = (a.digits(), b.digits());
    let scale = a_scale.max(b_scale);
    DataType::decimal(DIGITS_MAX.min(a_whole.max(b_whole) + scale), scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_types_hold_both() {
        let decimal = |precision, scale| DataType::Decimal { precision, scale };
        assert_eq!(common(decimal(5, 2), decimal(7, 4)), decimal(7, 4));
        assert_eq!(common(decimal(5, 2), decimal(7, 1)), decimal(8, 2));
        assert_eq!(common(DataType::Int, decimal(5, 2)), decimal(21, 2));
        assert_eq!(common(DataType::Numeric, decimal(5, 2)), decimal(38, 2));
        assert_eq!(common(DataType::Numeric, decimal(5, 0)), DataType::Numeric);
    }
}
