//! How much is late.

use crate::plan::Late;
use crate::query::Query;
use crate::types::*;

impl Late {
    /// How many records are late: one row with one whole number.
    pub fn count(&self) -> Query {
        let late = Expr::new(ExprKind::Unary { op: UnaryOp::Not, arg: Box::new(self.in_time()) }, DataType::Bool);
        Query {
            filter: Some(late),
            aggregates: vec![Aggregate::new(AggregateFunction::Count, None)],
            output: vec![NamedExpr { name: "late".into(), expr: Expr::column(0, DataType::Int) }],
            ..Query::over(self.topic.clone(), self.fields.clone())
        }
    }
}
