//! How far apart in event time a condition lets the two rows of a pair be.

use crate::types::*;

/// A column whose values are near the event time of their row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Near {
    pub column: usize,
    /// How much earlier and how much later they can be, in microseconds.
    pub before: i64,
    pub behind: i64,
}

impl Near {
    /// The event time itself.
    pub fn is(column: usize) -> Near {
        Near { column, before: 0, behind: 0 }
    }

    /// As an expression gives it, if it goes by one of these.
    pub fn through(of: &[Near], expr: &Expr, column: usize) -> Option<Near> {
        let (read, before, behind) = expr.around()?;
        let near = of.iter().find(|near| near.column == read)?;
        Some(Near { column, before: near.before.checked_add(before)?, behind: near.behind.checked_add(behind)? })
    }
}

/// Of a condition that says that a column of each side of a join is equal, each moved by so much: the left one, the right one among its own side's, and how much later the
/// right one's value is, in microseconds. The right row's columns come after so many left ones.
pub fn met(condition: &Expr, width: usize) -> Option<(usize, usize, i64)> {
    let ExprKind::Binary { op: BinaryOp::Equal, left: a, right: b } = &condition.kind else { return None };
    let ((a, a_us), (b, b_us)) = a.moved().zip(b.moved())?;
    let ((left, left_us), (right, right_us)) = if a < width { ((a, a_us), (b, b_us)) } else { ((b, b_us), (a, a_us)) };
    let right = right.checked_sub(width).filter(|_| left < width)?;
    Some((left, right, left_us.checked_sub(right_us)?))
}

/// How much later than the left row's the right row's event time may be, in microseconds; `None` where nothing says so.
///
/// ```
/// use twopath_query::plan::{Apart, Near};
/// use twopath_query::{BinaryOp, DataType, Expr};
/// // The right row's time is the left one's, or later.
/// let time = |column| Expr::column(column, DataType::Timestamp);
/// let condition = Expr::binary(BinaryOp::LessOrEqual, time(0), time(1), DataType::Bool);
/// let apart = Apart::of([&condition].into_iter(), (&[Near::is(0)], &[Near::is(0)]), 1);
/// assert_eq!(apart, Apart { least_us: Some(0), most_us: None });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Apart {
    pub least_us: Option<i64>,
    pub most_us: Option<i64>,
}

impl Apart {
    /// Of conditions that all hold over pairs; the right row's columns come after so many left ones.
    pub fn of<'e>(conditions: impl Iterator<Item = &'e Expr>, (left, right): (&[Near], &[Near]), width: usize) -> Apart {
        let right: Vec<Near> = right.iter().map(|near| Near { column: near.column + width, ..*near }).collect();
        let mut apart = Apart::default();
        for condition in conditions {
            let ExprKind::Binary { op, left: a, right: b } = &condition.kind else { continue };
            let sides = |a: &Expr, b: &Expr| Near::through(left, a, 0).zip(Near::through(&right, b, 0));
            let (op, a, b) = match (sides(a, b), sides(b, a)) {
                (Some((a, b)), _) => (*op, a, b),
                (None, Some((a, b))) => (turned(*op), a, b),
                (None, None) => continue,
            };
            if matches!(op, BinaryOp::Less | BinaryOp::LessOrEqual | BinaryOp::Equal) {
                let least = a.before.checked_add(b.behind).and_then(i64::checked_neg);
                apart.least_us = apart.least_us.max(least);
            }
            if matches!(op, BinaryOp::Greater | BinaryOp::GreaterOrEqual | BinaryOp::Equal) {
                let most = a.behind.checked_add(b.before);
                apart.most_us = apart.most_us.into_iter().chain(most).min();
            }
        }
        apart
    }
}

/// The comparison with its sides changed.
fn turned(op: BinaryOp) -> BinaryOp {
    match op {
        BinaryOp::Less => BinaryOp::Greater,
        BinaryOp::LessOrEqual => BinaryOp::GreaterOrEqual,
        BinaryOp::Greater => BinaryOp::Less,
        BinaryOp::GreaterOrEqual => BinaryOp::LessOrEqual,
        other => other,
    }
}
