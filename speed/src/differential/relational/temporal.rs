//! Each left row with the row that a table had at its moment. The table is a changelog, whose rows are there until the next of their key.

use std::sync::Arc;

use twopath_query::plan::{JoinKind, Moment, Upserts};
use twopath_query::{EvalError, Expr, ExprKind};

use super::collection::{Collection, Errors, Tuple, evaluated, reduced};
use super::join::Condition;
use super::key::Key;
use super::latest::{is_tombstone, place};
use super::span::{Holds, Span, joined};
use super::{Operator, unsupported};
use crate::differential::datum::Datum;
use crate::differential::expr::{Compiled, Row, compile};
use crate::error::SpeedError;

/// Kept where the condition names the table's key, and raises nothing beside: then a left row meets one row at most.
pub struct Temporal {
    kind: JoinKind,
    /// What equals the table's key, column by column.
    left_key: Arc<[Compiled]>,
    left_at: Arc<Compiled>,
    right_at: Arc<Compiled>,
    rest: Option<Arc<Compiled>>,
    holds: Holds,
    upserts: Arc<Upserts>,
    right_width: usize,
}

impl Temporal {
    pub fn new(
        (left, right): (usize, usize),
        kind: JoinKind,
        on: Option<&Expr>,
        at: &Moment,
        upserts: &Upserts,
    ) -> Result<Self, SpeedError> {
        let condition = Condition::of(on, left);
        if condition.can_fail {
            return Err(unsupported("a join as of a moment on a condition that can raise an error, where rows are kept".to_owned()));
        }
        if at.left_at.data_type != at.right_at.data_type {
            return Err(unsupported("a join as of moments of two types, where rows are kept".to_owned()));
        }
        let named = |&key: &usize| condition.right.iter().position(|e| matches!(e.kind, ExprKind::Column(i) if i == key));
        let places = upserts.key.iter().map(named).collect::<Option<Vec<usize>>>();
        let places =
            places.ok_or_else(|| unsupported("a join as of a moment not on the table's whole key, where rows are kept".to_owned()))?;
        let left_key = places.iter().map(|&place| compile(&condition.left[place])).collect::<Result<_, _>>()?;
        // Where the key is not all, all of it is asked for once more of the pair.
        let is_all = condition.rest.is_none() && condition.right.len() == places.len();
        let rest = if is_all { None } else { on.map(compile).transpose()?.map(Arc::new) };
        Ok(Temporal {
            kind,
            left_key,
            left_at: Arc::new(compile(&at.left_at)?),
            right_at: Arc::new(compile(&at.right_at)?),
            rest,
            holds: if at.inclusive { Holds::Lower } else { Holds::Upper },
            upserts: Arc::new(upserts.clone()),
            right_width: right,
        })
    }
}

impl Operator for Temporal {
    fn over<'s>(&self, mut inputs: Vec<Collection<'s>>, errors: &mut Errors<'s>) -> Collection<'s> {
        let (right, left) = (inputs.remove(1), inputs.remove(0));
        let (key, at) = (Arc::clone(&self.left_key), Arc::clone(&self.left_at));
        let placed = evaluated(left.clone(), "Moments", errors, move |row: Tuple| {
            let at = at.eval(Row::Values(&row))?;
            let key = key.iter().map(|k| k.eval(Row::Values(&row))).collect::<Result<Key, EvalError>>()?;
            let has_all = !at.is_null() && !key.iter().any(Datum::is_null);
            Ok(has_all.then_some((key, (at, row))))
        });
        let (upserts, at) = (Arc::clone(&self.upserts), Arc::clone(&self.right_at));
        let changes = evaluated(right, "Changes", errors, move |row: Tuple| {
            let at = at.eval(Row::Values(&row))?;
            let key: Key = upserts.key.iter().map(|&c| row[c].clone()).collect();
            Ok((!at.is_null()).then_some((key, (at, row))))
        });
        let upserts = Arc::clone(&self.upserts);
        let spans = reduced(changes.arrange_by_key(), "Spans", move |_, changes: &[(&(Datum, Tuple), isize)], output| {
            spans(&upserts, changes, output);
        });
        joined(left, placed, spans, (self.holds, self.kind, self.right_width), self.rest.clone())
    }
}

/// From the newest change on: each is there from its moment until the first moment of a newer one, unless one was there before.
fn spans(upserts: &Upserts, changes: &[(&(Datum, Tuple), isize)], output: &mut Vec<(Span, isize)>) {
    let mut changes: Vec<&(Datum, Tuple)> = changes.iter().map(|(change, _)| *change).collect();
    changes.sort_by(|a, b| place(upserts, &b.1).cmp(&place(upserts, &a.1)));
    let mut replaced: Option<&Datum> = None;
    for (begins, row) in changes {
        if replaced.is_none_or(|replaced| begins < replaced) {
            if !is_tombstone(upserts, row) {
                output.push((Span { row: row.clone(), lower: Some(begins.clone()), upper: replaced.cloned() }, 1));
            }
            replaced = Some(begins);
        }
    }
}
