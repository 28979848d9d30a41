//! Functions of one row's values, each by its definition.

use std::borrow::Cow;

use super::order::order;
use twopath_query::time::{US_PER_DAY, civil_from_days, days_from_civil, days_in_month, local_time, zone};
use twopath_query::values::Cell;
use twopath_query::{EvalError, Function, Side};

fn invalid(what: &str) -> EvalError {
    EvalError::InvalidArgument { what: what.to_owned() }
}

pub(super) fn call<'a>(function: &Function, args: Vec<Cell<'a>>) -> Result<Cell<'a>, EvalError> {
    if matches!(function, Function::Greatest | Function::Least) {
        return Ok(most(*function == Function::Greatest, args));
    }
    if args.contains(&Cell::Null) {
        return Ok(Cell::Null);
    }
    match args.first() {
        Some(Cell::Text(_)) => of_text(function, &args),
        Some(Cell::Float(x)) => of_float(function, *x, args.get(1)),
        Some(Cell::Int(i)) => match function {
            Function::Sign => Ok(Cell::Int(i.signum())),
            Function::FromMicroseconds => Ok(Cell::Timestamp(*i)),
            function if function.is_of_bits() => Ok(Cell::Int(of_bits(function, *i, args.get(1)))),
            function => unreachable!("{function:?} of {i}"),
        },
        Some(Cell::Timestamp(us)) => match (function, args.get(1)) {
            (Function::AtTimeZone { zone: name }, None) => {
                let zone = zone(name).expect("the parser takes known zones only");
                local_time(*us, zone).map(Cell::Timestamp).ok_or(EvalError::OutOfRange)
            }
            (Function::AddMonths, Some(Cell::Int(months))) => add_months(*us, *months).map(Cell::Timestamp),
            (function, other) => unreachable!("{function:?} of {us} and {other:?}"),
        },
        other => unreachable!("{function:?} of {other:?}"),
    }
}

/// Bit after bit, the lowest first.
fn of_bits(function: &Function, left: i64, right: Option<&Cell<'_>>) -> i64 {
    let Some(Cell::Int(right)) = right else { unreachable!("{function:?} of {left} and {right:?}") };
    let bit = |of: i64, place: i64| place >= 0 && of >> place.min(63) & 1 == 1;
    let by = right.rem_euclid(64);
    let one = |place: i64| match function {
        Function::BitAnd => bit(left, place) && bit(*right, place),
        Function::BitOr => bit(left, place) || bit(*right, place),
        Function::BitXor => bit(left, place) != bit(*right, place),
        Function::ShiftLeft => bit(left, place - by),
        _ => bit(left, place + by),
    };
    (0..64).map(|place| i64::from(one(place)) << place).fold(0, i64::wrapping_add)
}

fn most<'a>(greatest: bool, args: Vec<Cell<'a>>) -> Cell<'a> {
    let mut best = Cell::Null;
    for arg in args.into_iter().filter(|a| *a != Cell::Null) {
        let order = order(&arg, &best);
        if best == Cell::Null || (greatest && order.is_gt()) || (!greatest && order.is_lt()) {
            best = arg;
        }
    }
    best
}

fn of_text<'a>(function: &Function, args: &[Cell<'a>]) -> Result<Cell<'a>, EvalError> {
    let text = |i: usize| match &args[i] {
        Cell::Text(t) => t.as_ref(),
        other => unreachable!("{function:?} of {other:?}"),
    };
    let chars = |i: usize| text(i).chars().collect::<Vec<char>>();
    let int = |i: usize| match &args[i] {
        Cell::Int(n) => i128::from(*n),
        other => unreachable!("{function:?} of {other:?}"),
    };
    let made = |text: String| Ok(Cell::Text(Cow::Owned(text)));
    // Characters `from..to`, counted from 0, as far as there are any.
    let part = |from: i128, to: i128| {
        let within = |(i, c): (usize, char)| (from <= i as i128 && (i as i128) < to).then_some(c);
        made(text(0).chars().enumerate().filter_map(within).collect())
    };
    let count = || text(0).chars().count() as i128;
    match function {
        Function::Like { ignore_case, escape } => {
            let mut value = chars(0);
            let mut pattern = Vec::new();
            let mut rest = text(1).chars();
            while let Some(c) = rest.next() {
                if Some(c) == *escape {
                    let c = rest.next().ok_or_else(|| invalid("a pattern that ends with its escape character"))?;
                    pattern.push((c, false));
                } else {
                    pattern.push((c, c == '%' || c == '_'));
                }
            }
            if *ignore_case {
                value.iter_mut().for_each(|c| *c = other_case(*c, c.to_lowercase()));
                pattern.iter_mut().for_each(|(c, _)| *c = other_case(*c, c.to_lowercase()));
            }
            Ok(Cell::Bool(like(&value, &pattern)))
        }
        Function::RegexLike(pattern) => Ok(Cell::Bool(pattern.regex().find(text(0)).is_some())),
        Function::RegexSubstr(pattern) => {
            let found = pattern.regex().find(text(0)).map(|m| m.range());
            found.map_or(Ok(Cell::Null), |range| made(text(0)[range].to_owned()))
        }
        Function::RegexReplace { pattern, all } => {
            let pattern = pattern.regex();
            let (mut out, mut end, mut from) = (String::new(), 0, 0);
            // An empty part is looked for behind each character, and the next one behind that.
            while let Some(captures) = text(0).get(from..).and_then(|_| pattern.captures_at(text(0), from)) {
                let whole = captures.get(0).expect("what was found");
                out += &text(0)[end..whole.start()];
                end = whole.end();
                let mut escaped = false;
                for c in text(1).chars() {
                    match (escaped, c) {
                        (false, '\\') => {}
                        (false, c) => out.push(c),
                        (true, '\\') => out.push('\\'),
                        (true, '&') => out += whole.as_str(),
                        (true, c) => match c.to_digit(10).filter(|d| *d > 0) {
                            Some(group) => out += captures.get(group as usize).map_or("", |g| g.as_str()),
                            None => out.extend(['\\', c]),
                        },
                    }
                    escaped = !escaped && c == '\\';
                }
                if escaped {
                    out.push('\\');
                }
                if !all {
                    break;
                }
                from = end;
                if whole.is_empty() {
                    from += 1;
                    while from < text(0).len() && !text(0).is_char_boundary(from) {
                        from += 1;
                    }
                }
            }
            made(out + &text(0)[end..])
        }
        Function::Concat => made((0..args.len()).map(text).collect()),
        Function::Upper => made(text(0).chars().map(|c| other_case(c, c.to_uppercase())).collect()),
        Function::Lower => made(text(0).chars().map(|c| other_case(c, c.to_lowercase())).collect()),
        Function::Initcap => {
            let all = chars(0);
            let is_behind = |i: usize| i > 0 && all[i - 1].is_alphanumeric();
            let cased =
                |(i, c): (usize, &char)| if is_behind(i) { other_case(*c, c.to_lowercase()) } else { other_case(*c, c.to_uppercase()) };
            made(all.iter().enumerate().map(cased).collect())
        }
        Function::Reverse => {
            let mut all = chars(0);
            all.reverse();
            made(all.into_iter().collect())
        }
        Function::Trim(side) => {
            let (all, cut) = (chars(0), chars(1));
            let mut from = 0;
            let mut to = all.len();
            while *side != Side::Trailing && from < to && cut.contains(&all[from]) {
                from += 1;
            }
            while *side != Side::Leading && from < to && cut.contains(&all[to - 1]) {
                to -= 1;
            }
            part(from as i128, to as i128)
        }
        Function::Length => Ok(Cell::Int(count() as i64)),
        Function::Substring => {
            let from = int(1) - 1;
            let length = if args.len() > 2 { int(2) } else { i128::MAX / 2 };
            if length < 0 { Err(invalid("a negative length")) } else { part(from, from + length) }
        }
        Function::Position => {
            let (all, wanted) = (chars(0), chars(1));
            let found = (0..=all.len()).find(|&i| all[i..].starts_with(&wanted));
            Ok(Cell::Int(found.map_or(0, |i| i as i64 + 1)))
        }
        Function::Replace => {
            let (all, from) = (chars(0), chars(1));
            let mut result = String::new();
            let mut i = 0;
            while i < all.len() {
                if !from.is_empty() && all[i..].starts_with(&from) {
                    result.push_str(text(2));
                    i += from.len();
                } else {
                    result.push(all[i]);
                    i += 1;
                }
            }
            made(result)
        }
        Function::Left => part(0, if int(1) < 0 { count() + int(1) } else { int(1) }),
        Function::Right => part(if int(1) < 0 { -int(1) } else { count() - int(1) }, i128::MAX),
        Function::SplitPart => {
            let (all, at, n) = (chars(0), chars(1), int(2));
            let mut parts = vec![String::new()];
            let mut i = 0;
            while i < all.len() {
                if !at.is_empty() && all[i..].starts_with(&at) {
                    parts.push(String::new());
                    i += at.len();
                } else {
                    parts.last_mut().expect("one part at least").push(all[i]);
                    i += 1;
                }
            }
            let index = if n < 0 { parts.len() as i128 + n } else { n - 1 };
            if n == 0 {
                return Err(invalid("part 0"));
            }
            made(usize::try_from(index).ok().and_then(|i| parts.get(i).cloned()).unwrap_or_default())
        }
        Function::StartsWith => Ok(Cell::Bool(chars(0).starts_with(&chars(1)))),
        Function::Repeat => {
            let times = int(1).max(0);
            if times * count() > 1_000_000 {
                return Err(invalid("a text that is too long"));
            }
            made((0..times).map(|_| if text(0).is_empty() { "" } else { text(0) }).take(1_000_001).collect())
        }
        function => unreachable!("{function:?} of text"),
    }
}

fn other_case(c: char, mapped: impl Iterator<Item = char>) -> char {
    match mapped.collect::<Vec<_>>()[..] {
        [one] => one,
        _ => c,
    }
}

/// `pattern` holds characters, and whether each is one of the two that stand for others. Row by row of the table of which beginnings match.
fn like(value: &[char], pattern: &[(char, bool)]) -> bool {
    let mut matches = vec![false; value.len() + 1];
    matches[0] = true;
    for &(c, special) in pattern {
        let before = matches.clone();
        for i in 0..=value.len() {
            matches[i] = match (c, special) {
                ('%', true) => before[..=i].contains(&true),
                ('_', true) => i > 0 && before[i - 1],
                _ => i > 0 && before[i - 1] && value[i - 1] == c,
            };
        }
    }
    matches[value.len()]
}

fn of_float<'a>(function: &Function, x: f64, second: Option<&Cell<'a>>) -> Result<Cell<'a>, EvalError> {
    let finite = |y: f64, operands_finite: bool| {
        if y.is_infinite() && operands_finite { Err(EvalError::OutOfRange) } else { Ok(y) }
    };
    let result = match (function, second) {
        (Function::Round, None) => {
            let (down, up) = (x.floor(), x.ceil());
            // At the same distance from both the even one.
            match (x - down).partial_cmp(&(up - x)) {
                Some(std::cmp::Ordering::Less) => down,
                Some(std::cmp::Ordering::Greater) => up,
                Some(std::cmp::Ordering::Equal) if down % 2.0 == 0.0 => down,
                Some(std::cmp::Ordering::Equal) => up,
                None => x,
            }
        }
        (Function::Floor, None) => x.floor(),
        (Function::Ceil, None) => x.ceil(),
        (Function::Trunc, None) => {
            if x < 0.0 {
                x.ceil()
            } else {
                x.floor()
            }
        }
        (Function::Sign, None) if x > 0.0 => 1.0,
        (Function::Sign, None) if x < 0.0 => -1.0,
        (Function::Sign, None) => 0.0,
        (Function::Sqrt, None) if x < 0.0 => return Err(invalid("the square root of a negative number")),
        (Function::Sqrt, None) => x.sqrt(),
        (Function::Ln | Function::Log10, None) if x <= 0.0 => return Err(invalid("the logarithm of zero or less")),
        (Function::Ln, None) => x.ln(),
        (Function::Log10, None) => x.log10(),
        (Function::Exp, None) => finite(x.exp(), x.is_finite())?,
        (Function::Power, Some(Cell::Float(y))) => {
            if x == 0.0 && *y < 0.0 || x < 0.0 && y.is_finite() && y.trunc() != *y {
                return Err(invalid("this power"));
            }
            finite(x.powf(*y), x.is_finite() && y.is_finite())?
        }
        (Function::RoundDigits, Some(Cell::Int(digits))) => round_digits(x, *digits)?,
        (function, second) => unreachable!("{function:?} of {x} and {second:?}"),
    };
    Ok(Cell::Float(result))
}

/// In whole numbers: the digits that print `x`, with those beyond the place cut off and the rest rounded half away from zero.
fn round_digits(x: f64, digits: i64) -> Result<f64, EvalError> {
    if !x.is_finite() || digits > 300 {
        return Ok(x);
    }
    let text = format!("{:e}", x.abs());
    let (mantissa, exponent) = text.split_once('e').expect("the form has an exponent");
    let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len() as i64);
    let whole: u128 = mantissa.replace('.', "").parse().expect("at most 17 digits");
    // x is whole * 10^exponent.
    let exponent = exponent.parse::<i64>().expect("a whole number") - fraction;
    let cut = -digits - exponent;
    if cut <= 0 {
        return Ok(x + 0.0);
    }
    let rounded = if cut > 20 { 0 } else { (whole + 10u128.pow(cut as u32) / 2) / 10u128.pow(cut as u32) };
    let result: f64 = format!("{rounded}e{}", -digits).parse().expect("digits and an exponent");
    if result.is_infinite() {
        return Err(EvalError::OutOfRange);
    }
    Ok(if x < 0.0 && result != 0.0 { -result } else { result })
}

fn add_months(us: i64, months: i64) -> Result<i64, EvalError> {
    let day = us.div_euclid(US_PER_DAY);
    let (year, month, of_month) = civil_from_days(day);
    let month = i128::from(month) - 1 + i128::from(months);
    let year = i128::from(year) + month.div_euclid(12);
    if year.abs() > 900_000 {
        return Err(EvalError::OutOfRange);
    }
    let (year, month) = (year as i64, month.rem_euclid(12) as u32 + 1);
    let day = days_from_civil(year, month, of_month.min(days_in_month(year, month)));
    let us = i128::from(day) * i128::from(US_PER_DAY) + i128::from(us.rem_euclid(US_PER_DAY));
    i64::try_from(us).map_err(|_| EvalError::OutOfRange)
}
