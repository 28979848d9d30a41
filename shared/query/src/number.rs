//! Floating numbers as text.

use super::types::{DataType, EvalError};

/// Reads a 64-bit floating number, with blanks around it.
///
/// # Errors
/// [`EvalError::InvalidText`], and [`EvalError::OutOfRange`] for digits that are too large, or so small that none of them would be left.
///
/// ```
/// assert_eq!(twopath_query::parse_float(" 1.5 "), Ok(1.5));
/// assert_eq!(twopath_query::parse_float("1e400"), Err(twopath_query::EvalError::OutOfRange));
/// assert_eq!(twopath_query::parse_float("1e-400"), Err(twopath_query::EvalError::OutOfRange));
/// assert_eq!(twopath_query::parse_float("0e-400"), Ok(0.0));
/// ```
pub fn parse_float(text: &str) -> Result<f64, EvalError> {
    let trimmed = text.trim_ascii();
    let v: f64 = trimmed.parse().map_err(|_| EvalError::InvalidText { text: text.into(), to: DataType::Float })?;
    // Digits that become infinite are too large; the word is infinity itself.
    let is_lost = match v {
        _ if v.is_infinite() => trimmed.bytes().any(|b| b.is_ascii_digit()),
        0.0 => trimmed.bytes().take_while(|b| !matches!(b, b'e' | b'E')).any(|b| matches!(b, b'1'..=b'9')),
        _ => false,
    };
    if is_lost { Err(EvalError::OutOfRange) } else { Ok(v) }
}
