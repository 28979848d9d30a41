//! Each left row with the one right row of its key that is nearest to it on one side.

use std::sync::Arc;

use twopath_query::plan::JoinKind;
use twopath_query::{BinaryOp, EvalError, Expr};

use super::collection::{Collection, Errors, Tuple, evaluated, reduced};
use super::join::Condition;
use super::key::Key;
use super::span::{Holds, Span, joined};
use super::{Operator, unsupported};
use crate::differential::datum::Datum;
use crate::differential::expr::{Compiled, Row, compile};
use crate::error::SpeedError;

/// Kept where the condition is nothing but equalities: then a right row is nearest for a span between its neighbours.
pub struct AsOf {
    kind: JoinKind,
    op: BinaryOp,
    left_key: Arc<[Compiled]>,
    right_key: Arc<[Compiled]>,
    left_at: Arc<Compiled>,
    right_at: Arc<Compiled>,
    right_width: usize,
}

impl AsOf {
    pub fn new(
        (left, right): (usize, usize),
        kind: JoinKind,
        on: Option<&Expr>,
        op: BinaryOp,
        (left_at, right_at): (&Expr, &Expr),
    ) -> Result<Self, SpeedError> {
        let condition = Condition::of(on, left);
        if condition.rest.is_some() {
            return Err(unsupported("an ASOF JOIN on more than equalities, where rows are kept".to_owned()));
        }
        if left_at.data_type != right_at.data_type {
            return Err(unsupported("an ASOF JOIN of two types, where rows are kept".to_owned()));
        }
        let all = |exprs: &[Expr]| exprs.iter().map(compile).collect::<Result<_, _>>();
        Ok(AsOf {
            kind,
            op,
            left_key: all(&condition.left)?,
            right_key: all(&condition.right)?,
            left_at: Arc::new(compile(left_at)?),
            right_at: Arc::new(compile(right_at)?),
            right_width: right,
        })
    }
}

/// Rows by key, with where they stand; those without a key or a place meet nothing.
fn placed<'s>(rows: Collection<'s>, key: &Arc<[Compiled]>, at: &Arc<Compiled>, errors: &mut Errors<'s>) -> super::span::Placed<'s> {
    let (key, at) = (Arc::clone(key), Arc::clone(at));
    evaluated(rows, "Places", errors, move |row: Tuple| {
        let at = at.eval(Row::Values(&row))?;
        let key = key.iter().map(|k| k.eval(Row::Values(&row))).collect::<Result<Key, EvalError>>()?;
        let has_all = !at.is_null() && !key.iter().any(Datum::is_null);
        Ok(has_all.then_some((key, (at, row))))
    })
}

impl Operator for AsOf {
    fn over<'s>(&self, mut inputs: Vec<Collection<'s>>, errors: &mut Errors<'s>) -> Collection<'s> {
        let (right, left) = (inputs.remove(1), inputs.remove(0));
        let right = placed(right, &self.right_key, &self.right_at, errors);
        let placed = placed(left.clone(), &self.left_key, &self.left_at, errors);
        let op = self.op;
        let spans =
            reduced(right.arrange_by_key(), "Nearest", move |_, rows: &[(&(Datum, Tuple), isize)], output: &mut Vec<(Span, isize)>| {
                spans(op, rows, output);
            });
        let holds = if matches!(op, BinaryOp::GreaterOrEqual | BinaryOp::Less) { Holds::Lower } else { Holds::Upper };
        joined(left, placed, spans, (holds, self.kind, self.right_width), None)
    }
}

/// Rows come in the order of their places; of one place the last row, which is the greatest, stands for it.
fn spans(op: BinaryOp, rows: &[(&(Datum, Tuple), isize)], output: &mut Vec<(Span, isize)>) {
    let standing: Vec<&(Datum, Tuple)> = rows.chunk_by(|(a, _), (b, _)| a.0 == b.0).map(|run| run[run.len() - 1].0).collect();
    let looks_back = matches!(op, BinaryOp::GreaterOrEqual | BinaryOp::Greater);
    for (i, (at, row)) in standing.iter().enumerate() {
        let at_place = |place: Option<usize>| place.and_then(|place| standing.get(place)).map(|(at, _)| at.clone());
        let (lower, upper) = match looks_back {
            true => (Some(at.clone()), at_place(Some(i + 1))),
            false => (at_place(i.checked_sub(1)), Some(at.clone())),
        };
        output.push((Span { row: row.clone(), lower, upper }, 1));
    }
}
