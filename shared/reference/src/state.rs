//! What the reference keeps per aggregate of a group: as little as gives the exact answer in the plainest way.

use std::cmp::Ordering;

use foldhash::fast::FixedState;
use hashbrown::HashSet;
use num_bigint::BigInt;

use super::decimal::Big;
use super::float_sum::{FloatSum, quotient};
use super::key::{Key, Probe};
use super::order::order;
use super::regression::regression;
use super::variance::variance;
use twopath_query::values::Cell;
use twopath_query::{Aggregate, AggregateFunction, DataType, Directions, EvalError, Value};

#[derive(Debug, Clone)]
pub(super) enum State {
    Count(i64),
    /// A sum of whole numbers or intervals, and of how many.
    Sum(i128, i64),
    /// A sum of floats, and of how many.
    FloatSum(FloatSum, i64),
    /// A sum of decimals, and of how many.
    DecimalSum(Big, i64),
    Least(Option<Value>),
    Greatest(Option<Value>),
    /// COUNT(DISTINCT), and what APPROX_COUNT_DISTINCT estimates.
    Distinct(HashSet<Key, FixedState>),
    /// All values, in the order they came: what variances and exact percentiles are made of.
    Values(Vec<Value>),
    /// BIT_AND, BIT_OR, BIT_XOR of the values so far.
    Bits(AggregateFunction, Option<i64>),
    /// All finite values: what APPROX_QUANTILE estimates.
    All(Vec<f64>),
    /// All values with what they go by: their places in the log, or an order of their own.
    Placed(Vec<(Vec<Value>, Value)>),
    /// All pairs (y, x).
    Pairs(Vec<(f64, f64)>),
}

impl State {
    pub fn new(aggregate: &Aggregate) -> Self {
        let over_floats = aggregate.arg.as_ref().is_some_and(|a| a.data_type == DataType::Float);
        let over_decimals = aggregate.arg.as_ref().is_some_and(|a| a.data_type.decimal_scale().is_some());
        match aggregate.function {
            AggregateFunction::Count => State::Count(0),
            AggregateFunction::Sum | AggregateFunction::Avg if over_floats => State::FloatSum(FloatSum::default(), 0),
            AggregateFunction::Sum | AggregateFunction::Avg if over_decimals => State::DecimalSum(Big::default(), 0),
            AggregateFunction::Sum | AggregateFunction::Avg => State::Sum(0, 0),
            AggregateFunction::Min => State::Least(None),
            AggregateFunction::Max => State::Greatest(None),
            AggregateFunction::CountDistinct | AggregateFunction::ApproxCountDistinct => State::Distinct(HashSet::default()),
            AggregateFunction::SumDistinct | AggregateFunction::AvgDistinct | AggregateFunction::Mode => State::Values(Vec::new()),
            AggregateFunction::ApproxQuantile(_) => State::All(Vec::new()),
            AggregateFunction::VarPop
            | AggregateFunction::VarSamp
            | AggregateFunction::PercentileCont(_)
            | AggregateFunction::PercentileDisc(_) => State::Values(Vec::new()),
            AggregateFunction::BitAnd | AggregateFunction::BitOr | AggregateFunction::BitXor => State::Bits(aggregate.function, None),
            AggregateFunction::FirstValue { .. }
            | AggregateFunction::LastValue { .. }
            | AggregateFunction::FirstBy { .. }
            | AggregateFunction::StringAgg { .. } => State::Placed(Vec::new()),
            AggregateFunction::Regression(_) => State::Pairs(Vec::new()),
        }
    }

    /// Takes one value, and what the aggregate looks at beside it. `Cell::Null` changes nothing, unless NULL is a value like any other.
    pub fn push(&mut self, cell: Cell<'_>, beside: &[Cell<'_>]) {
        if let State::Placed(values) = self {
            // A row that is left out has not the last of them.
            if beside.last() != Some(&Cell::Null) {
                let place = beside.iter().map(|cell| cell.clone().into_value()).collect();
                values.push((place, cell.into_value()));
            }
            return;
        }
        if cell == Cell::Null {
            return;
        }
        match (self, cell) {
            (State::Count(n), _) => *n += 1,
            (State::Sum(sum, n), Cell::Int(i) | Cell::Interval(i)) => {
                *sum += i128::from(i);
                *n += 1;
            }
            (State::DecimalSum(sum, n), cell @ (Cell::Numeric(_) | Cell::Decimal(_))) => {
                let value = Big::of(&cell).expect("it is a number");
                // All values of one expression have one scale.
                sum.scale = value.scale;
                sum.whole += value.whole;
                *n += 1;
            }
            (State::FloatSum(sum, n), Cell::Float(f)) => {
                sum.push(f);
                *n += 1;
            }
            (State::Least(least), cell) => {
                if least.as_ref().is_none_or(|l| order(&cell, &Cell::from(l)).is_lt()) {
                    *least = Some(cell.into_value());
                }
            }
            (State::Greatest(greatest), cell) => {
                if greatest.as_ref().is_none_or(|g| order(&cell, &Cell::from(g)).is_gt()) {
                    *greatest = Some(cell.into_value());
                }
            }
            (State::Distinct(set), cell) => {
                let cells = [cell];
                let probe = Probe(&cells);
                if !set.contains(&probe) {
                    set.insert(Key::from(&probe));
                }
            }
            (State::Values(values), cell) => values.push(cell.into_value()),
            (State::Pairs(pairs), Cell::Float(y)) => {
                if let [Cell::Float(x)] = beside {
                    pairs.push((y, *x));
                }
            }
            (State::Bits(function, bits), Cell::Int(i)) => {
                *bits = Some(match (function, *bits) {
                    (_, None) => i,
                    (AggregateFunction::BitAnd, Some(bits)) => bits & i,
                    (AggregateFunction::BitOr, Some(bits)) => bits | i,
                    (_, Some(bits)) => bits ^ i,
                });
            }
            (State::All(values), Cell::Int(i)) => values.push(i as f64),
            (State::All(values), Cell::Float(f)) => {
                if f.is_finite() {
                    values.push(f);
                }
            }
            (state, cell) => unreachable!("typing lets no {cell:?} into {state:?}"),
        }
    }

    /// The aggregate's value.
    pub fn value(&self, aggregate: &Aggregate) -> Result<Value, EvalError> {
        Ok(match (self, aggregate.function, aggregate.data_type()) {
            (State::Count(n), ..) => Value::Int(*n),
            (State::Sum(_, 0) | State::FloatSum(_, 0) | State::DecimalSum(_, 0), ..) => Value::Null,
            (State::DecimalSum(sum, _), AggregateFunction::Sum, t) => sum.cell(t)?.into_value(),
            (State::DecimalSum(sum, n), _, t) => sum.mean(*n, t.decimal_scale().unwrap_or(0).into()).cell(t)?.into_value(),
            (State::Sum(sum, _), AggregateFunction::Sum, DataType::Interval) => {
                Value::Interval(i64::try_from(*sum).map_err(|_| EvalError::OutOfRange)?)
            }
            (State::Sum(sum, _), AggregateFunction::Sum, _) => Value::Numeric(*sum),
            (State::Sum(sum, n), _, DataType::Interval) => Value::Interval((sum / i128::from(*n)) as i64),
            (State::Sum(sum, n), ..) => Value::Float(quotient(&BigInt::from(*sum), 0, *n)),
            (State::FloatSum(sum, _), AggregateFunction::Sum, _) => Value::Float(sum.divided_by(1)),
            (State::FloatSum(sum, n), ..) => Value::Float(sum.divided_by(*n)),
            (State::Least(value) | State::Greatest(value), ..) => value.clone().unwrap_or(Value::Null),
            (State::Distinct(set), ..) => Value::Int(set.len() as i64),
            (State::All(values), AggregateFunction::ApproxQuantile(q), _) => exact_quantile(values, q),
            (State::Bits(_, bits), ..) => bits.map_or(Value::Null, Value::Int),
            (State::Values(values), AggregateFunction::VarPop, _) => variance(values, values.len())?,
            (State::Values(values), AggregateFunction::VarSamp, _) => variance(values, values.len().saturating_sub(1))?,
            (State::Values(values), AggregateFunction::PercentileCont(q), _) => between(values, q),
            (State::Values(values), AggregateFunction::PercentileDisc(q), _) => {
                // The first of which the share up to it is large enough.
                let sorted = sorted(values);
                let count = sorted.len() as f64;
                let found = (1..=sorted.len()).find(|&n| n as f64 >= q * count);
                found.map_or(Value::Null, |n| sorted[n - 1].clone())
            }
            (State::Placed(values), AggregateFunction::FirstValue { ignore_nulls }, _) => {
                in_log_order(values, ignore_nulls).next().unwrap_or(Value::Null)
            }
            (State::Placed(values), AggregateFunction::LastValue { ignore_nulls }, _) => {
                in_log_order(values, ignore_nulls).last().unwrap_or(Value::Null)
            }
            (State::Placed(values), AggregateFunction::FirstBy { ignore_nulls, order }, _) => {
                let counts = |row: &&(Vec<Value>, Value)| !ignore_nulls || row.1 != Value::Null;
                let first = values.iter().filter(counts).min_by(|a, b| by_own_order(a, b, order, 0));
                first.map_or(Value::Null, |(_, value)| value.clone())
            }
            (State::Placed(values), AggregateFunction::StringAgg { distinct, order }, _) => joined(values, order, distinct),
            (State::Values(values), function @ (AggregateFunction::SumDistinct | AggregateFunction::AvgDistinct), _) => {
                let mut distinct = sorted(values);
                distinct.dedup_by(|a, b| order(&Cell::from(&*a), &Cell::from(&*b)).is_eq());
                let function = if function == AggregateFunction::SumDistinct { AggregateFunction::Sum } else { AggregateFunction::Avg };
                let aggregate = Aggregate { function, ..aggregate.clone() };
                let mut state = State::new(&aggregate);
                distinct.iter().for_each(|value| state.push(Cell::from(value), &[]));
                state.value(&aggregate)?
            }
            (State::Values(values), AggregateFunction::Mode, _) => most_frequent(&sorted(values)),
            (State::Pairs(pairs), AggregateFunction::Regression(function), _) => regression(pairs, function)?,
            (State::Values(_) | State::All(_) | State::Placed(_) | State::Pairs(_), function, _) => {
                unreachable!("{function:?} keeps no values")
            }
        })
    }
}

fn sorted(values: &[Value]) -> Vec<Value> {
    let mut values = values.to_vec();
    values.sort_by(|a, b| order(&Cell::from(a), &Cell::from(b)));
    values
}

/// Values by their places in the log.
fn in_log_order(values: &[(Vec<Value>, Value)], ignore_nulls: bool) -> impl Iterator<Item = Value> {
    let mut values = values.to_vec();
    let by_place = |a: &[Value], b: &[Value]| {
        let pairs = a.iter().zip(b).map(|(a, b)| order(&Cell::from(a), &Cell::from(b)));
        pairs.fold(Ordering::Equal, Ordering::then)
    };
    values.sort_by(|a, b| by_place(&a.0, &b.0));
    values.into_iter().map(|(_, value)| value).filter(move |value| !ignore_nulls || *value != Value::Null)
}

/// Which of two rows comes first by what stands beside its value, the first `skipped` of that left out.
fn by_own_order((a, _): &(Vec<Value>, Value), (b, _): &(Vec<Value>, Value), by: Directions, skipped: usize) -> Ordering {
    let one = |(i, (a, b)): (usize, (&Value, &Value))| {
        let (descending, nulls_first) = by.get(i);
        let nulls = if nulls_first { Ordering::Less } else { Ordering::Greater };
        match (a, b) {
            (Value::Null, Value::Null) => Ordering::Equal,
            (Value::Null, _) => nulls,
            (_, Value::Null) => nulls.reverse(),
            (a, b) if descending => order(&Cell::from(b), &Cell::from(a)),
            (a, b) => order(&Cell::from(a), &Cell::from(b)),
        }
    };
    a[skipped..].iter().zip(&b[skipped..]).enumerate().map(one).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

/// Texts one after the other, each but the first behind its separator.
fn joined(values: &[(Vec<Value>, Value)], by: Directions, distinct: bool) -> Value {
    let mut rows: Vec<_> = values.iter().filter(|(_, value)| *value != Value::Null).collect();
    rows.sort_by(|a, b| by_own_order(a, b, by, 1));
    if distinct {
        // They go by themselves.
        rows.dedup_by(|a, b| a.1 == b.1);
    }
    let mut joined: Option<String> = None;
    for (beside, value) in rows {
        let text = |value: &Value| if let Value::Text(text) = value { text.to_string() } else { String::new() };
        match &mut joined {
            None => joined = Some(text(value)),
            Some(joined) => *joined += &(text(&beside[0]) + &text(value)),
        }
    }
    joined.map_or(Value::Null, |text| Value::Text(text.into()))
}

/// MODE, of sorted values: of the longest runs of one the first.
fn most_frequent(sorted: &[Value]) -> Value {
    let (mut best, mut from): (&[Value], usize) = (&[], 0);
    while from < sorted.len() {
        let rest = &sorted[from..];
        let run = rest.iter().take_while(|other| order(&Cell::from(*other), &Cell::from(&rest[0])).is_eq()).count();
        if run > best.len() {
            best = &rest[..run];
        }
        from += run;
    }
    best.first().cloned().unwrap_or(Value::Null)
}

/// PERCENTILE_CONT.
fn between(values: &[Value], q: f64) -> Value {
    let float = |v: &Value| match v {
        Value::Int(i) => *i as f64,
        Value::Float(f) => *f,
        other => unreachable!("typing lets no {other:?} into PERCENTILE_CONT"),
    };
    let sorted: Vec<f64> = sorted(values).iter().map(float).collect();
    let Some(last) = sorted.len().checked_sub(1) else { return Value::Null };
    let rank = q * last as f64;
    let (below, above) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
    if rank.fract() == 0.0 { Value::Float(below + 0.0) } else { Value::Float(below + rank.fract() * (above - below)) }
}

/// The value of rank floor(q * (n - 1)) in ascending order.
fn exact_quantile(values: &[f64], q: f64) -> Value {
    if values.is_empty() {
        return Value::Null;
    }
    let mut values = values.to_vec();
    let rank = (q * (values.len() as f64 - 1.0)) as usize;
    let (_, value, _) = values.select_nth_unstable_by(rank, f64::total_cmp);
    Value::Float(*value)
}
