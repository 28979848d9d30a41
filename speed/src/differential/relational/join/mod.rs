//! Joins: inner ones by key, and of outer ones the rows that found no other.

mod condition;
mod interval;
mod outer;

use std::sync::Arc;

use differential_dataflow::VecCollection;
use twopath_query::plan::JoinKind;
use twopath_query::{EvalError, Expr};

use super::Operator;
use super::collection::{ByKey, Collection, Errors, Keyed, Tuple, after_nulls, before_nulls, beside, evaluated, set};
use super::key::Key;
use crate::differential::datum::Datum;
use crate::differential::expr::{Compiled, Row, compile};
use crate::error::SpeedError;
pub use condition::Condition;
pub use interval::{Interval, Outer};
pub use outer::{Found, Gone, WithNulls};

pub struct Join {
    kind: JoinKind,
    left: Side,
    right: Side,
    /// What pairs of one key must also be.
    rest: Option<Arc<Compiled>>,
}

/// What a side's rows are put together by.
struct Side {
    keys: Arc<[Compiled]>,
    width: usize,
    /// Whether a row that has a NULL among its keys meets others of such a key: they are no pair, but what the condition raises of them is raised.
    with_nulls: bool,
}

/// A left row and a right one.
type Pairs<'s> = VecCollection<'s, u64, (Tuple, Tuple), isize>;

impl Join {
    pub fn new(left: usize, right: usize, kind: JoinKind, on: Option<&Expr>) -> Result<Self, SpeedError> {
        let condition = Condition::of(on, left);
        let side = |keys: &[Expr], width| {
            let keys = keys.iter().map(compile).collect::<Result<_, _>>()?;
            Ok::<_, SpeedError>(Side { keys, width, with_nulls: condition.can_fail })
        };
        let rest = condition.rest.as_ref().map(compile).transpose()?.map(Arc::new);
        Ok(Join { kind, left: side(&condition.left, left)?, right: side(&condition.right, right)?, rest })
    }
}

impl Side {
    /// Rows by key.
    fn keyed<'s>(&self, rows: Collection<'s>, errors: &mut Errors<'s>) -> Keyed<'s> {
        let (keys, with_nulls) = (Arc::clone(&self.keys), self.with_nulls);
        evaluated(rows, "JoinKeys", errors, move |row: Tuple| {
            let key = keys.iter().map(|k| k.eval(Row::Values(&row))).collect::<Result<Key, EvalError>>()?;
            Ok((with_nulls || !key.iter().any(Datum::is_null)).then_some((key, row)))
        })
    }
}

/// Those of `rows` that are not among `found`.
fn without<'s>(rows: Collection<'s>, found: Collection<'s>) -> Collection<'s> {
    let found = set(found, "Found");
    let with = rows.clone().arrange_by_self().join_core(found, |row: &Tuple, _, _| Some(row.clone()));
    rows.concat(with.negate())
}

/// Those of `rows`, which are keyed as well, whose key none of `others` has.
fn without_key<'s>(rows: Collection<'s>, keyed: ByKey<'s, Tuple>, others: Keyed<'s>) -> Collection<'s> {
    let keys = set(others.map(|(key, _)| key), "KeysFound");
    let with = keyed.join_core(keys, |_: &Key, row: &Tuple, _| Some(row.clone()));
    rows.concat(with.negate())
}

impl Operator for Join {
    fn over<'s>(&self, mut inputs: Vec<Collection<'s>>, errors: &mut Errors<'s>) -> Collection<'s> {
        let (right, left) = (inputs.remove(1), inputs.remove(0));
        let (left_keyed, right_keyed) = (self.left.keyed(left.clone(), errors), self.right.keyed(right.clone(), errors));
        let (by_left, by_right) = (left_keyed.clone().arrange_by_key(), right_keyed.clone().arrange_by_key());
        let keeps_left = matches!(self.kind, JoinKind::Left | JoinKind::Full);
        let keeps_right = matches!(self.kind, JoinKind::Right | JoinKind::Full);
        let (left_width, right_width) = (self.left.width, self.right.width);
        let with_nulls = move |alone: Collection<'s>| alone.map(move |row| before_nulls(&row, right_width));
        let after = move |alone: Collection<'s>| alone.map(move |row| after_nulls(left_width, &row));

        let Some(rest) = &self.rest else {
            let pairs = by_left.clone().join_core(by_right.clone(), |_: &Key, left: &Tuple, right: &Tuple| Some(beside(left, right)));
            let mut rows = pairs;
            if keeps_left {
                rows = rows.concat(with_nulls(without_key(left, by_left, right_keyed)));
            }
            if keeps_right {
                rows = rows.concat(after(without_key(right, by_right, left_keyed)));
            }
            return rows;
        };
        let rest = Arc::clone(rest);
        let met = by_left.join_core(by_right, move |_: &Key, left: &Tuple, right: &Tuple| match rest.is_true(Row::Pair(left, right)) {
            Ok(true) => Some(Ok((left.clone(), right.clone()))),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        });
        let pairs: Pairs<'s> = evaluated(met, "Pairs", errors, |met: Result<(Tuple, Tuple), EvalError>| met.map(Some));
        let mut rows = pairs.clone().map(|(left, right)| beside(&left, &right));
        if keeps_left {
            rows = rows.concat(with_nulls(without(left, pairs.clone().map(|(left, _)| left))));
        }
        if keeps_right {
            rows = rows.concat(after(without(right, pairs.map(|(_, right)| right))));
        }
        rows
    }
}
