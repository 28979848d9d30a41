//! Exact decimal numbers: their value, their text, and the types of what is computed from them.
//!
//! The rules are the SQL standard's with PostgreSQL's rounding: sums and differences have the larger scale, products the sum of the scales,
//! quotients (and AVG) [`QUOTIENT_SCALE`] digits after the point, or more where an operand has more; what has too many digits is rounded
//! half away from zero; more than 38 digits are an error. PostgreSQL's own numbers have no limit of digits, and choose a quotient's scale
//! by its value.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::types::DataType;

/// The most digits that a decimal has, as Arrow's Decimal128.
pub const DIGITS_MAX: u8 = 38;
/// How many digits a quotient or a mean has after the point, at least.
pub const QUOTIENT_SCALE: u8 = 16;

/// The number `unscaled` / 10^`scale`. Two of one scale are equal where they are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Decimal {
    pub unscaled: i128,
    /// Digits after the point, at most 38.
    pub scale: u8,
}

impl Decimal {
    /// Reads digits with a sign, a point and an exponent, each of which may be missing: `12.30` has the scale 2, `1.5e3` the scale 0.
    /// `None` where the text is no number, or needs more than 38 digits.
    ///
    /// ```
    /// use twopath_query::Decimal;
    /// assert_eq!(Decimal::parse("-12.30"), Some(Decimal { unscaled: -1230, scale: 2 }));
    /// assert_eq!(Decimal::parse("1.5e3"), Some(Decimal { unscaled: 1500, scale: 0 }));
    /// assert_eq!(Decimal::parse("1.2.3"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            None => (text, 0),
            Some((number, exponent)) => (number, exponent.parse::<i32>().ok().filter(|e| e.abs() < 1_000)?),
        };
        let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return None;
        }
        let mut unscaled: i128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            unscaled = unscaled.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
        }
        let mut scale = i32::try_from(fraction.len()).ok()? - exponent;
        if scale < 0 {
            unscaled = if unscaled == 0 { 0 } else { unscaled.checked_mul(10i128.checked_pow(scale.unsigned_abs())?)? };
            scale = 0;
        }
        let scale = u8::try_from(scale).ok().filter(|s| *s <= DIGITS_MAX)?;
        let unscaled = if number.starts_with('-') { -unscaled } else { unscaled };
        (unscaled.unsigned_abs() < 10u128.pow(38)).then_some(Decimal { unscaled, scale })
    }

    /// How many digits a type must have to hold it, at least 1 and its scale.
    pub fn precision(self) -> u8 {
        let digits = self.unscaled.unsigned_abs().checked_ilog10().map_or(1, |log| log as u8 + 1);
        digits.max(self.scale)
    }
}

/// All digits: `-0.05`, `12.30`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = usize::from(self.scale);
        let digits = format!("{:0>width$}", self.unscaled.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let sign = if self.unscaled < 0 { "-" } else { "" };
        let point = if scale > 0 { "." } else { "" };
        // One piece, so that a column's width applies to it.
        f.pad(&format!("{sign}{whole}{point}{fraction}"))
    }
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
    fn texts_are_read_as_written() {
        for text in ["0", "-1", "0.00", "-0.05", "12.30", "0.00000000000000000000000000000000000001"] {
            assert_eq!(Decimal::parse(text).unwrap().to_string(), text);
        }
        let most = "9".repeat(38);
        assert_eq!(Decimal::parse(&most).unwrap().to_string(), most);
        for (text, written) in [("+.5", "0.5"), ("5.", "5"), ("1.25E1", "12.5"), ("0e99", "0"), ("1e-3", "0.001"), ("007", "7")] {
            assert_eq!(Decimal::parse(text).unwrap().to_string(), written, "{text}");
        }
        let many = "1".repeat(39);
        for not in ["", ".", "-", "1x", "1e", "e5", "1_000", "1,5", " 1", "nan", "inf", "1e39", "1e-39", &many] {
            assert_eq!(Decimal::parse(not), None, "{not}");
        }
        assert_eq!(format!("[{:>8}]", Decimal { unscaled: -150, scale: 2 }), "[   -1.50]");
    }

    #[test]
    fn common_types_hold_both() {
        let decimal = |precision, scale| DataType::Decimal { precision, scale };
        assert_eq!(common(decimal(5, 2), decimal(7, 4)), decimal(7, 4));
        assert_eq!(common(decimal(5, 2), decimal(7, 1)), decimal(8, 2));
        assert_eq!(common(DataType::Int, decimal(5, 2)), decimal(21, 2));
        assert_eq!(common(DataType::Numeric, decimal(5, 2)), decimal(38, 2));
        assert_eq!(common(DataType::Numeric, decimal(5, 0)), DataType::Numeric);
        assert_eq!(Decimal { unscaled: 5, scale: 3 }.precision(), 3);
        assert_eq!(Decimal { unscaled: 0, scale: 0 }.precision(), 1);
    }
}
