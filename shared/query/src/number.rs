//! Floating numbers as text.

use super::types::{DataType, EvalError};

/// Reads a 64-bit floating number, with blanks around it.
///
/// # Errors
/// [`EvalError::InvalidText`], and [`EvalError::OutOfRange`] for digits that are too large.
///
/// ```
/// assert_eq!(twopath_query::parse_float(" 1.5 "), Ok(1.5));
/// assert_eq!(twopath_query::parse_float("1e400"), Err(twopath_query::EvalError::OutOfRange));
/// ```
pub fn parse_float(text: &str) -> Result<f64, EvalError> {
    let trimmed = text.trim_ascii();
    let v: f64 = trimmed.parse().map_err(|_| EvalError::InvalidText { text: text.into(), to: DataType::Float })?;
    // Digits that become infinite are too large; the word is infinity itself.
    if v.is_infinite() && trimmed.bytes().any(|b| b.is_ascii_digit()) { Err(EvalError::OutOfRange) } else { Ok(v) }
}
