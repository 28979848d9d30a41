//! Expressions that say a time as another one: moved by a length of time, or rounded.

use crate::types::*;

/// Of an expression that goes by one column of times: that column, how much earlier than it the value may be, and how much later, at most (microseconds).
fn around(expr: &Expr) -> Option<(usize, i64, i64)> {
    let earlier = |arg: &Expr, us: i64| {
        let (column, before, behind) = around(arg)?;
        Some((column, before.checked_add(us)?, behind))
    };
    match &expr.kind {
        ExprKind::Column(column) => Some((*column, 0, 0)),
        ExprKind::Binary { op: op @ (BinaryOp::Add | BinaryOp::Subtract), left, right } => {
            let ExprKind::Literal(Value::Interval(us)) = right.kind else { return None };
            let us = if *op == BinaryOp::Add { us } else { us.checked_neg()? };
            let (column, before, behind) = around(left)?;
            Some((column, before.checked_sub(us)?, behind.checked_add(us)?))
        }
        ExprKind::Tumble { arg, size_us } => earlier(arg, size_us - 1),
        ExprKind::DateTrunc { unit, arg } => earlier(arg, longest_us(*unit) - 1),
        _ => None,
    }
}

/// The column that an expression moves, and by how much.
pub(super) fn moved(expr: &Expr) -> Option<(usize, i64)> {
    around(expr).filter(|(_, before, behind)| before.checked_neg() == Some(*behind)).map(|(column, _, us)| (column, us))
}

fn longest_us(unit: TimeUnit) -> i64 {
    let days = |days: i64| days * crate::time::US_PER_DAY;
    match unit {
        TimeUnit::Year => days(366),
        TimeUnit::Quarter => days(92),
        TimeUnit::Month => days(31),
        TimeUnit::Week => days(7),
        TimeUnit::Day => days(1),
        TimeUnit::Hour => 3_600_000_000,
        TimeUnit::Minute => 60_000_000,
        TimeUnit::Second => 1_000_000,
        TimeUnit::Millisecond => 1_000,
    }
}
