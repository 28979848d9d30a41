//! What the reference keeps per aggregate of a group: as little as gives the exact answer in the plainest way.

use foldhash::fast::FixedState;
use hashbrown::HashSet;
use num_bigint::BigInt;

use super::decimal::Big;
use super::eval::order;
use super::float_sum::{FloatSum, quotient};
use super::key::{Key, Probe};
use twopath_query::values::Cell;
use twopath_query::{Aggregate, AggregateFunction, DataType, EvalError, Value};

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
    /// All finite values: what APPROX_QUANTILE estimates.
    All(Vec<f64>),
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
            AggregateFunction::ApproxQuantile(_) => State::All(Vec::new()),
        }
    }

    /// Takes one value; `Cell::Null` changes nothing.
    pub fn push(&mut self, cell: Cell<'_>) {
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
            (State::All(_), function, _) => unreachable!("{function:?} keeps no values"),
        })
    }
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
