//! Watermarks: which records are late, and when a window's result is final.
//!
//! The watermark of a partition at a record is the greatest event time before it, less the delay. A topic's watermark is the least of those at the ends of its partitions; one
//! that has no record yet does not count. A window's result is final once the topic's watermark has reached its end: what comes later is late in its own partition.

use std::ops::Range;

use sqlparser::tokenizer::Span;

use super::QueryError;
use super::grouping::Groups;
use super::scope::{Scope, Watermark};
use super::select::Item;
use super::source::Source;
use crate::plan::{JoinKind, Late, Node, Plan};
use crate::types::*;

/// The rows of a topic that are not late.
pub(super) fn on_time(topic: Plan, late: &Late, span: Range<usize>) -> Plan {
    Plan::new(Node::Filter { input: Box::new(topic), condition: late.in_time() }, span)
}

/// The rows, or groups, that no record which is not late can change any more.
pub(super) fn on_close(
    source: &Source<'_>,
    mut plan: Plan,
    scope: &Scope,
    groups: Option<&Groups<'_>>,
    place: Span,
) -> Result<Plan, QueryError> {
    let Some(Watermark { time, .. }) = scope.watermarks.first() else {
        let message = "EMIT ON WINDOW CLOSE stands at a query that reads a watermark itself, and not in a subquery: write FROM TUMBLE(TABLE WATERMARK(TABLE t, DESCRIPTOR(c), INTERVAL '5' SECOND), DESCRIPTOR(c), INTERVAL '1' HOUR)";
        return Err(source.error(place, message));
    };
    let (moment, op) = match scope.windows.first() {
        Some((window, first)) => (window.end(*first), BinaryOp::LessOrEqual),
        None => (time.clone(), BinaryOp::Less),
    };
    let item = Item { name: "the window or the event time".into(), expr: moment, reads: Vec::new(), span: place };
    let moment = groups.map_or_else(|| Ok(item.expr.clone()), |g| g.of_group(&item))?;
    for watermark in &scope.watermarks {
        let span = plan.span.clone();
        let width = plan.columns().len();
        let at = Expr::column(width, DataType::Timestamp);
        let condition = Expr::binary(op, moment.clone(), at, DataType::Bool);
        let both = Node::Join { left: Box::new(plan), right: Box::new(watermark.plan.clone()), kind: JoinKind::Inner, on: None };
        plan = Plan::new(Node::Filter { input: Box::new(Plan::new(both, span.clone())), condition }, span);
    }
    Ok(plan)
}
