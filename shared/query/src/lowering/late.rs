//! How much is late.

use crate::plan::Late;
use crate::query::Query;
use crate::types::*;

impl Late {
    /// How many records are late: one row with one whole number.
    pub fn count(&self) -> Query {
        let late = Expr::new(ExprKind::Unary { op: UnaryOp::Not, arg: Box::new(self.in_time()) }, DataType::Bool);
        Query {
            topic: self.topic.clone(),
            fields: self.fields.clone(),
            filter: Some(late),
            keys: Vec::new(),
            aggregates: vec![Aggregate::new(AggregateFunction::Count, None)],
            panes: None,
            rows: false,
            output: vec![NamedExpr { name: "late".into(), expr: Expr::column(0, DataType::Int) }],
            having: None,
            order_by: Vec::new(),
            distinct: false,
            offset: 0,
            limit: None,
            finish: None,
        }
    }
}
