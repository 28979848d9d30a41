//! Functions of floats.

use twopath_query::{EvalError, Function};

use super::invalid;
use crate::differential::datum::Datum;

pub fn call(function: &Function, v: f64, second: Option<&Datum>) -> Result<f64, EvalError> {
    Ok(match (function, second) {
        (Function::Round, None) => v.round_ties_even(),
        (Function::Floor, None) => v.floor(),
        (Function::Ceil, None) => v.ceil(),
        (Function::Trunc, None) => v.trunc(),
        (Function::Sign, None) if v.is_nan() || v == 0.0 => 0.0,
        (Function::Sign, None) => 1f64.copysign(v),
        (Function::Sqrt, None) if v < 0.0 => return Err(invalid("the square root of a negative number")),
        (Function::Sqrt, None) => v.sqrt(),
        (Function::Ln | Function::Log10, None) if v <= 0.0 => return Err(invalid("the logarithm of a number that is not positive")),
        (Function::Ln, None) => v.ln(),
        (Function::Log10, None) => v.log10(),
        (Function::Exp, None) => bounded(v.exp(), v.is_finite())?,
        (Function::Power, Some(Datum::Float(to))) => {
            if v == 0.0 && *to < 0.0 {
                return Err(invalid("zero to a negative power"));
            }
            if v < 0.0 && to.is_finite() && to.round() != *to {
                return Err(invalid("a negative number to a power that is not whole"));
            }
            bounded(v.powf(*to), v.is_finite() && to.is_finite())?
        }
        (Function::RoundDigits, Some(Datum::Int(digits))) => round_digits(v, *digits)?,
        (function, second) => unreachable!("typing lets no {function:?} of {v} and {second:?} through"),
    })
}

fn bounded(v: f64, of_finite: bool) -> Result<f64, EvalError> {
    if v.is_infinite() && of_finite { Err(EvalError::OutOfRange) } else { Ok(v) }
}

/// The shortest decimal that is this float, cut after so many digits and rounded half away from zero.
fn round_digits(v: f64, digits: i64) -> Result<f64, EvalError> {
    if !v.is_finite() || digits > 300 {
        return Ok(v);
    }
    // All digits of a float fit into so many before the point and after it.
    let written = v.abs().to_string();
    let (whole, fraction) = written.split_once('.').unwrap_or((&written, ""));
    if digits >= fraction.len() as i64 {
        return Ok(v + 0.0);
    }
    let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    let kept = whole.len() as i64 + digits;
    let rounds_up = usize::try_from(kept).ok().and_then(|next| all.get(next)).is_some_and(|digit| *digit >= b'5');
    let mut number: Vec<u8> = all[..kept.clamp(0, all.len() as i64) as usize].to_vec();
    if rounds_up {
        let mut at = number.len();
        loop {
            match at.checked_sub(1).map(|i| (i, number[i])) {
                None => {
                    number.insert(0, b'1');
                    break;
                }
                Some((i, b'9')) => {
                    number[i] = b'0';
                    at = i;
                }
                Some((i, digit)) => {
                    number[i] = digit + 1;
                    break;
                }
            }
        }
    }
    let number = String::from_utf8(number).expect("digits");
    let magnitude: f64 = format!("0{number}e{}", -digits).parse().expect("digits and an exponent");
    bounded(if magnitude == 0.0 { 0.0 } else { magnitude.copysign(v) }, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As PostgreSQL rounds the numeric of the same digits.
    #[test]
    fn digits_are_rounded_half_away_from_zero() {
        for (v, digits, expected) in [
            (2.675, 2, 2.68),
            (-2.675, 2, -2.68),
            (9.995, 2, 10.0),
            (0.05, 1, 0.1),
            (0.04, 1, 0.0),
            (-0.04, 1, 0.0),
            (1234.5, -2, 1200.0),
            (950.0, -2, 1000.0),
            (50.0, -2, 100.0),
            (49.0, -2, 0.0),
            (1e-7, 7, 1e-7),
            (1e22, -22, 1e22),
            (5e21, -22, 1e22),
            (1.5, 0, 2.0),
        ] {
            assert_eq!(round_digits(v, digits), Ok(expected), "{v} to {digits}");
        }
        assert!(round_digits(-0.04, 1).is_ok_and(|v| v.is_sign_positive()));
        assert_eq!(round_digits(1.7e308, -308), Err(EvalError::OutOfRange));
    }
}
