//! Functions of one float or two.

use twopath_query::{EvalError, Function};

fn refused(what: &str) -> EvalError {
    EvalError::InvalidArgument { what: what.to_owned() }
}

fn no_overflow(result: f64, of: &[f64]) -> Result<f64, EvalError> {
    if result.is_infinite() && of.iter().all(|v| v.is_finite()) { Err(EvalError::OutOfRange) } else { Ok(result) }
}

pub fn of_one(function: &Function, v: f64) -> Result<f64, EvalError> {
    Ok(match function {
        Function::Round => v.round_ties_even(),
        Function::Floor => v.floor(),
        Function::Ceil => v.ceil(),
        Function::Trunc => v.trunc(),
        Function::Sign => [0.0, 1.0, -1.0][usize::from(v > 0.0) + 2 * usize::from(v < 0.0)],
        Function::Sqrt if v < 0.0 => return Err(refused("the square root of a negative number")),
        Function::Sqrt => v.sqrt(),
        Function::Ln | Function::Log10 if v <= 0.0 => return Err(refused("the logarithm of a number that is not positive")),
        Function::Ln => v.ln(),
        Function::Log10 => v.log10(),
        Function::Exp => no_overflow(v.exp(), &[v])?,
        other => unreachable!("{other:?} is not of one float"),
    })
}

pub fn power(v: f64, to: f64) -> Result<f64, EvalError> {
    match v {
        0.0 if to < 0.0 => Err(refused("zero to a negative power")),
        _ if v < 0.0 && to.is_finite() && to % 1.0 != 0.0 => Err(refused("a negative number to a power that is not whole")),
        _ => no_overflow(v.powf(to), &[v, to]),
    }
}

/// In decimal, half away from zero: of the shortest number that is the float.
pub fn round_digits(v: f64, digits: i64) -> Result<f64, EvalError> {
    if !v.is_finite() || digits > 300 {
        return Ok(v);
    }
    // The float is `number` * 10^`exponent`; a float's shortest digits are at most 17.
    let text = format!("{:e}", v.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let number: u64 = format!("{whole}{fraction}").parse().expect("at most 17 digits");
    let exponent = exponent.parse::<i64>().expect("a whole number") - fraction.len() as i64;
    // So many of its last digits go.
    let lost = -(digits.max(-1_000) + exponent);
    if lost <= 0 {
        return Ok(v + 0.0);
    }
    let kept = match u32::try_from(lost).ok().and_then(|lost| 10u64.checked_pow(lost)) {
        Some(unit) => number / unit + u64::from(number % unit >= unit / 2),
        // All are lost, and even the first is not large enough to round up.
        None => 0,
    };
    let size: f64 = format!("{kept}e{}", -digits).parse().expect("a number");
    no_overflow(if size == 0.0 || v > 0.0 { size } else { -size }, &[])
}

/// The fewest digits that mean the float; with an exponent below 1e-4 and from 1e15 on.
pub fn written(v: f64) -> String {
    match v {
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        _ if v.is_nan() => "NaN".into(),
        _ if v != 0.0 && !(1e-4..1e15).contains(&v.abs()) => {
            let text = format!("{v:e}");
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let exponent: i32 = exponent.parse().expect("a whole number");
            format!("{digits}e{exponent:+03}")
        }
        _ => v.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_texts() {
        for (v, digits, expected) in
            [(2.675, 2, 2.68), (-2.5, 0, -3.0), (0.04, 1, 0.0), (1250.0, -2, 1300.0), (49.9, -2, 0.0), (1e22, -22, 1e22)]
        {
            assert_eq!(round_digits(v, digits), Ok(expected), "{v} to {digits}");
        }
        assert_eq!(round_digits(f64::MAX, -308), Err(EvalError::OutOfRange));
        for (v, text) in [(0.1, "0.1"), (1e15, "1e+15"), (-2.5e-7, "-2.5e-07"), (1e-4, "0.0001"), (-0.0, "-0"), (123e200, "1.23e+202")] {
            assert_eq!(written(v), text);
        }
    }
}
