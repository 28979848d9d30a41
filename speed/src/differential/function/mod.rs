//! Functions of values that are not NULL.

mod number;
mod text;

use std::cmp::Ordering;

use twopath_query::time::{US_PER_DAY, civil_from_days, days_from_civil, days_in_month, local_time, zone};
use twopath_query::{EvalError, Expr, Function};

use super::datum::Datum::{self, Float, Int, Text, Timestamp};
use super::expr::{Compiled, Evaluated, compile};
use crate::error::SpeedError;

/// A function of its arguments' values.
type Of = Box<dyn Fn(&[Datum]) -> Evaluated + Send + Sync>;

/// Compiles a call. All arguments are evaluated, so that an error of a later one happens beside a NULL.
pub fn compiled(function: &Function, args: &[Expr]) -> Result<Compiled, SpeedError> {
    let args = args.iter().map(compile).collect::<Result<Vec<_>, _>>()?;
    let function = function.clone();
    if let Function::Greatest | Function::Least = function {
        let better = if function == Function::Greatest { Ordering::Greater } else { Ordering::Less };
        return Ok(Compiled::new(move |row| {
            let mut best = Datum::Null;
            for arg in &args {
                let value = arg.eval(row)?;
                if !value.is_null() && (best.is_null() || value.cmp(&best) == better) {
                    best = value;
                }
            }
            Ok(best)
        }));
    }
    // Patterns and zones are looked up once.
    let one: Of = match function {
        Function::RegexLike(pattern) => {
            let regex = pattern.regex();
            Box::new(move |args| Ok(Datum::Bool(regex.is_match(text_of(&args[0])))))
        }
        Function::RegexSubstr(pattern) => {
            let regex = pattern.regex();
            Box::new(move |args| Ok(regex.find(text_of(&args[0])).map_or(Datum::Null, |found| Text(found.as_str().into()))))
        }
        Function::RegexReplace { pattern, all } => {
            let regex = pattern.regex();
            Box::new(move |args| Ok(Text(text::regex_replace(&regex, all, text_of(&args[0]), text_of(&args[1])).into())))
        }
        Function::AtTimeZone { zone: name } => {
            let zone = zone(&name).expect("the parser takes known zones only");
            Box::new(move |args| match args[0] {
                Timestamp(us) => local_time(us, zone).map(Timestamp).ok_or(EvalError::OutOfRange),
                ref other => unreachable!("the time zone of {other:?}"),
            })
        }
        function => Box::new(move |args| call(&function, args)),
    };
    Ok(Compiled::new(move |row| {
        let values = args.iter().map(|arg| arg.eval(row)).collect::<Result<Vec<_>, _>>()?;
        if values.iter().any(Datum::is_null) { Ok(Datum::Null) } else { one(&values) }
    }))
}

fn text_of(value: &Datum) -> &str {
    match value {
        Text(text) => text,
        other => unreachable!("typing lets no {other:?} into a function of text"),
    }
}

fn call(function: &Function, args: &[Datum]) -> Evaluated {
    match (function, args) {
        (Function::AddMonths, [Timestamp(us), Int(months)]) => add_months(*us, *months).map(Timestamp),
        (Function::FromMicroseconds, [Int(us)]) => Ok(Timestamp(*us)),
        (Function::Sign, [Int(v)]) => Ok(Int(v.signum())),
        (Function::BitAnd, [Int(a), Int(b)]) => Ok(Int(a & b)),
        (Function::BitOr, [Int(a), Int(b)]) => Ok(Int(a | b)),
        (Function::BitXor, [Int(a), Int(b)]) => Ok(Int(a ^ b)),
        (Function::ShiftLeft, [Int(v), Int(n)]) => Ok(Int(v << (n & 63))),
        (Function::ShiftRight, [Int(v), Int(n)]) => Ok(Int(v >> (n & 63))),
        (function, [Float(v), ..]) => number::call(function, *v, args.get(1)).map(Float),
        (function, args) => text::call(function, args),
    }
}

/// The same day and time of another month, or its last day.
fn add_months(us: i64, months: i64) -> Result<i64, EvalError> {
    /// No timestamp is more than 300,000 years away.
    const MONTHS_MAX: i64 = 12 * 600_000;
    if months.abs() > MONTHS_MAX {
        return Err(EvalError::OutOfRange);
    }
    let (days, time) = (us.div_euclid(US_PER_DAY), us.rem_euclid(US_PER_DAY));
    let (year, month, day) = civil_from_days(days);
    let month = 12 * year + i64::from(month) - 1 + months;
    let (year, month) = (month.div_euclid(12), month.rem_euclid(12) as u32 + 1);
    let days = days_from_civil(year, month, day.min(days_in_month(year, month)));
    days.checked_mul(US_PER_DAY).and_then(|us| us.checked_add(time)).ok_or(EvalError::OutOfRange)
}

fn invalid(what: &str) -> EvalError {
    EvalError::InvalidArgument { what: what.to_owned() }
}
