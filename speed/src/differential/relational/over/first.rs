//! The first rows of each partition: OVER, and a condition above it that bounds a rank (`WHERE place <= 3`).

use twopath_query::plan::{Node, OverCall, OverFunction};
use twopath_query::{BinaryOp, Expr, ExprKind, Plan, Value};

use super::{Bound, Over};
use crate::differential::relational::Operator;
use crate::differential::relational::collection::{Collection, Errors};
use crate::differential::relational::filter::Filter;
use crate::error::SpeedError;

/// As OVER and the condition one after the other, but that rows beyond the bound are not put out: of a partition of many rows a few are kept once more, and not all.
pub struct First {
    over: Over,
    condition: Filter,
}

impl First {
    /// What is below, where the plan is such a condition over OVER.
    pub fn input(plan: &Plan) -> Option<&Plan> {
        let Node::Filter { input, condition } = &plan.node else { return None };
        let Node::Over { input, calls } = &input.node else { return None };
        bound(condition, input.columns().len(), calls).map(|_| &**input)
    }

    /// # Errors
    /// What of the plan this engine does not know.
    pub fn new(plan: &Plan) -> Result<Self, SpeedError> {
        let (Node::Filter { input, condition }, Some(below)) = (&plan.node, First::input(plan)) else {
            unreachable!("a condition over OVER that bounds a rank");
        };
        let Node::Over { calls, .. } = &input.node else { unreachable!("a condition over OVER") };
        let width = below.columns().len();
        let over = Over { first: bound(condition, width, calls), ..Over::new(width, calls)? };
        Ok(First { over, condition: Filter::new(condition)? })
    }
}

impl Operator for First {
    fn over<'s>(&self, inputs: Vec<Collection<'s>>, errors: &mut Errors<'s>) -> Collection<'s> {
        let rows = self.over.over(inputs, errors);
        self.condition.over(vec![rows], errors)
    }
}

/// Which rank the condition bounds, where all calls are over the same partitions and nothing of the condition can raise an error in a row that is left out.
fn bound(condition: &Expr, width: usize, calls: &[OverCall]) -> Option<Bound> {
    if condition.can_fail() || calls.iter().any(|call| call.partition_by != calls[0].partition_by) {
        return None;
    }
    condition.conjuncts().into_iter().find_map(|condition| {
        let ExprKind::Binary { op, left, right } = &condition.kind else { return None };
        let (ExprKind::Column(column), ExprKind::Literal(Value::Int(n))) = (&left.kind, &right.kind) else { return None };
        let call = column.checked_sub(width)?;
        let is_rank = matches!(calls[call].function, OverFunction::RowNumber | OverFunction::Rank | OverFunction::DenseRank);
        match op {
            BinaryOp::Equal | BinaryOp::LessOrEqual if is_rank => Some(Bound { call, most: *n }),
            BinaryOp::Less if is_rank => Some(Bound { call, most: n.checked_sub(1)? }),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, Field, Schema};

    use super::*;

    #[test]
    fn a_rank_is_bounded_where_nothing_else_may_be_seen() {
        let schema = Schema::new(vec![Field::new("k", DataType::Int64, false), Field::new("n", DataType::Int64, false)]);
        let most = |condition: &str| {
            let sql = format!(
                "SELECT k FROM (SELECT k, n, ROW_NUMBER() OVER (PARTITION BY k ORDER BY n) AS place, SUM(n) OVER (PARTITION BY k) AS s FROM t) r WHERE {condition}"
            );
            let plan = twopath_query::logical_plan(&sql, "t", &schema).unwrap();
            let found = std::cell::RefCell::new(Vec::new());
            fn visit(plan: &Plan, found: &mut Vec<i64>) {
                if let (Some(below), Node::Filter { input, condition }) = (First::input(plan), &plan.node)
                    && let Node::Over { calls, .. } = &input.node
                {
                    found.extend(bound(condition, below.columns().len(), calls).map(|bound| bound.most));
                }
                plan.inputs().into_iter().for_each(|input| visit(input, found));
            }
            visit(&lowered(plan), &mut found.borrow_mut());
            found.into_inner()
        };
        assert_eq!(most("place <= 3"), [3]);
        assert_eq!(most("s > 7 AND place < 3"), [2]);
        assert_eq!(most("place = 1"), [1]);
        assert_eq!(most("place >= 1"), [0; 0]);
        assert_eq!(most("s <= 3"), [0; 0]);
        assert_eq!(most("place <= 3 AND 10 / s > 1"), [0; 0]);
    }

    /// As this engine is given it.
    fn lowered(plan: Plan) -> Plan {
        plan.query().unwrap().maintained().unwrap().plan
    }
}
