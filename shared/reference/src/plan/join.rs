//! Joins: each left row is held against each right row, but for those that an equality rules out.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::{Row, Side, beside, holds, value};
use crate::key::Key;
use crate::order::{by_all_columns, order};
use twopath_query::plan::JoinKind;
use twopath_query::values::Cell;
use twopath_query::{BinaryOp, EvalError, Expr, ExprKind, Value};

pub(super) fn joined(left: &Side, right: &Side, kind: JoinKind, on: Option<&Expr>) -> Result<Vec<Row>, EvalError> {
    let condition = Condition::new(on, left, right)?;
    let mut found = vec![false; right.rows.len()];
    let mut out = Vec::new();
    for row in &left.rows {
        let partners = condition.partners(row)?;
        if partners.is_empty() && matches!(kind, JoinKind::Left | JoinKind::Full) {
            out.push(beside(row, &right.nulls()));
        }
        for partner in partners {
            found[partner] = true;
            out.push(beside(row, &right.rows[partner]));
        }
    }
    if matches!(kind, JoinKind::Right | JoinKind::Full) {
        let alone = right.rows.iter().zip(found).filter(|(_, found)| !found);
        out.extend(alone.map(|(row, _)| beside(&left.nulls(), row)));
    }
    Ok(out)
}

/// Each left row with the nearest of the right rows that it may meet.
pub(super) fn nearest(
    left: &Side,
    right: &Side,
    kind: JoinKind,
    on: Option<&Expr>,
    op: BinaryOp,
    (left_at, right_at): (&Expr, &Expr),
) -> Result<Vec<Row>, EvalError> {
    let condition = Condition::new(on, left, right)?;
    let right_ats = right.rows.iter().map(|row| value(right_at, row)).collect::<Result<Row, _>>()?;
    let mut out = Vec::new();
    for row in &left.rows {
        let at = value(left_at, row)?;
        let mut best: Option<usize> = None;
        for partner in condition.partners(row)? {
            if is_on_the_side(&at, op, &right_ats[partner])
                && best.is_none_or(|best| {
                    let distance = order(&Cell::from(&right_ats[partner]), &Cell::from(&right_ats[best]));
                    let nearer = if matches!(op, BinaryOp::Less | BinaryOp::LessOrEqual) { distance.reverse() } else { distance };
                    nearer.then_with(|| by_all_columns(&right.rows[partner], &right.rows[best])).is_gt()
                })
            {
                best = Some(partner);
            }
        }
        match best {
            Some(best) => out.push(beside(row, &right.rows[best])),
            None if kind == JoinKind::Left => out.push(beside(row, &right.nulls())),
            None => {}
        }
    }
    Ok(out)
}

/// Whether `left op right` is TRUE.
fn is_on_the_side(left: &Value, op: BinaryOp, right: &Value) -> bool {
    if *left == Value::Null || *right == Value::Null {
        return false;
    }
    let order = order(&Cell::from(left), &Cell::from(right));
    match op {
        BinaryOp::Less => order.is_lt(),
        BinaryOp::LessOrEqual => order.is_le(),
        BinaryOp::Greater => order.is_gt(),
        BinaryOp::GreaterOrEqual => order.is_ge(),
        op => unreachable!("an as-of join has a direction, and {op:?} has none"),
    }
}

/// The condition of a join over the rows of its right side. The equalities at its beginning that have one side each of left and right columns are looked up.
struct Condition<'a> {
    on: Option<&'a Expr>,
    right: &'a Side,
    lefts: Vec<&'a Expr>,
    /// The right rows by the values of the equalities' right sides; none where there is no equality.
    index: Option<HashMap<Key, Vec<usize>, FixedState>>,
}

impl<'a> Condition<'a> {
    fn new(on: Option<&'a Expr>, left: &Side, right: &'a Side) -> Result<Self, EvalError> {
        let mut equalities = Vec::new();
        if let Some(on) = on {
            leading_equalities(on, left.width, &mut equalities);
        }
        let (lefts, rights): (Vec<_>, Vec<_>) = equalities.into_iter().unzip();
        let mut index: HashMap<Key, Vec<usize>, FixedState> = HashMap::default();
        for (i, row) in right.rows.iter().enumerate().filter(|_| !rights.is_empty()) {
            let row = beside(&left.nulls(), row);
            let key: Row = rights.iter().map(|e| value(e, &row)).collect::<Result<_, _>>()?;
            index.entry(Key(key.into())).or_default().push(i);
        }
        Ok(Condition { on, right, index: (!rights.is_empty()).then_some(index), lefts })
    }

    /// The right rows, by number, with which it is TRUE for a left row.
    fn partners(&self, left: &[Value]) -> Result<Vec<usize>, EvalError> {
        let candidates = match &self.index {
            None => (0..self.right.rows.len()).collect(),
            Some(index) => {
                let key: Row = self.lefts.iter().map(|e| value(e, left)).collect::<Result<_, _>>()?;
                index.get(&Key(key.into())).cloned().unwrap_or_default()
            }
        };
        let Some(on) = self.on else { return Ok(candidates) };
        let mut partners = Vec::new();
        for candidate in candidates {
            if holds(on, &beside(left, &self.right.rows[candidate]))? {
                partners.push(candidate);
            }
        }
        Ok(partners)
    }
}

/// Of `a AND b AND ...` the first that are equalities of a left and a right expression of one type, as such pairs. Whether there are more to come.
fn leading_equalities<'a>(on: &'a Expr, width: usize, found: &mut Vec<(&'a Expr, &'a Expr)>) -> bool {
    match &on.kind {
        ExprKind::Binary { op: BinaryOp::And, left, right } => {
            leading_equalities(left, width, found) && leading_equalities(right, width, found)
        }
        ExprKind::Binary { op: BinaryOp::Equal, left, right } if left.data_type == right.data_type => {
            let is_left = |e: &Expr| reads_only(e, &|column| column < width);
            let is_right = |e: &Expr| reads_only(e, &|column| column >= width);
            if is_left(left) && is_right(right) {
                found.push((left, right));
            } else if is_right(left) && is_left(right) {
                found.push((right, left));
            } else {
                return false;
            }
            true
        }
        _ => false,
    }
}

fn reads_only(expr: &Expr, is: &dyn Fn(usize) -> bool) -> bool {
    let (mut only, mut some) = (true, false);
    expr.visit(&mut |e| {
        if let ExprKind::Column(column) = e.kind {
            (only, some) = (only && is(column), true);
        }
    });
    only && some
}
