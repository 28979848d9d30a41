//! A join's condition as keys of both sides, and what is left of it.

use twopath_query::{BinaryOp, Expr, ExprKind};

/// Each of `left` equals the one of `right` beside it, and `rest` is TRUE of the pair.
#[derive(Debug, PartialEq)]
pub struct Condition {
    /// Over the left columns.
    pub left: Vec<Expr>,
    /// Over the right columns.
    pub right: Vec<Expr>,
    /// Over the left columns, then the right ones; all of the condition where it can raise an error, since then its NULLs matter.
    pub rest: Option<Expr>,
    /// Whether a pair can make it raise one.
    pub can_fail: bool,
}

impl Condition {
    /// Where a pair can make the condition raise an error, the order of what stands in it matters: keys are then the equalities at its beginning alone.
    pub fn of(on: Option<&Expr>, width: usize) -> Condition {
        let all: Vec<&Expr> = on.into_iter().flat_map(Expr::conjuncts).collect();
        let (mut left, mut right, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        let ordered = all.iter().any(|c| c.can_fail());
        for condition in all {
            match equality(condition, width).filter(|_| !ordered || rest.is_empty()) {
                Some((a, b)) => {
                    left.push(a.clone());
                    right.push(b.renumbered(|i| i - width));
                }
                None => rest.push(condition),
            }
        }
        let can_fail = rest.iter().any(|c| c.can_fail());
        let rest = if can_fail {
            on.cloned()
        } else {
            rest.into_iter().cloned().reduce(|a, b| Expr::binary(BinaryOp::And, a, b, twopath_query::DataType::Bool))
        };
        Condition { left, right, rest, can_fail }
    }
}

/// Two expressions of one type, the one over left columns and the other over right ones, if it says that they are equal.
fn equality(condition: &Expr, width: usize) -> Option<(&Expr, &Expr)> {
    let ExprKind::Binary { op: BinaryOp::Equal, left, right } = &condition.kind else { return None };
    let is_left = |e: &Expr| reads_only(e, |column| column < width);
    let is_right = |e: &Expr| reads_only(e, |column| column >= width);
    match left.data_type == right.data_type {
        true if is_left(left) && is_right(right) => Some((left, right)),
        true if is_right(left) && is_left(right) => Some((right, left)),
        _ => None,
    }
}

fn reads_only(expr: &Expr, is: impl Fn(usize) -> bool) -> bool {
    let (mut only, mut some) = (true, false);
    expr.visit(&mut |e| {
        if let ExprKind::Column(column) = e.kind {
            (only, some) = (only && is(column), true);
        }
    });
    only && some
}

#[cfg(test)]
mod tests {
    use super::*;
    use twopath_query::DataType::{Bool, Int};

    #[test]
    fn equalities_are_keys_unless_something_before_them_can_fail() {
        let column = |i| Expr::column(i, Int);
        let of = |op, a, b| Expr::binary(op, a, b, Bool);
        let (keys, less) = (of(BinaryOp::Equal, column(2), column(0)), of(BinaryOp::Less, column(1), column(3)));
        let on = of(BinaryOp::And, less.clone(), keys.clone());
        let expected = Condition { left: vec![column(0)], right: vec![column(0)], rest: Some(less), can_fail: false };
        assert_eq!(Condition::of(Some(&on), 2), expected);
        let sum = Expr::binary(BinaryOp::Add, column(1), column(3), Int);
        let on = of(BinaryOp::And, of(BinaryOp::Less, sum, column(0)), keys);
        assert_eq!(Condition::of(Some(&on), 2), Condition { left: vec![], right: vec![], rest: Some(on), can_fail: true });
        assert_eq!(Condition::of(None, 2).rest, None);
    }
}
