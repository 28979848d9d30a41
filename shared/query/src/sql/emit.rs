//! Watermarks: which records are late, and when a window's result is final.
//!
//! The watermark of a partition at a record is the greatest event time before it, less the delay. A topic's watermark is the least of those at the ends of its partitions; one
//! that has no record yet does not count. A window's result is final once the topic's watermark has reached its end: what comes later is late in its own partition.

use std::ops::Range;

use sqlparser::tokenizer::Span;

use super::QueryError;
use super::grouping::Groups;
use super::scope::Scope;
use super::select::Item;
use super::source::Source;
use crate::plan::{Apart, Distance, Frame, JoinKind, Late, Near, Node, OverCall, OverFunction, Plan, later};
use crate::types::*;

/// The rows of a topic that are not late.
pub(super) fn on_time(topic: Plan, late: &Late, span: Range<usize>) -> Plan {
    Plan::new(Node::Filter { input: Box::new(topic), condition: late.in_time() }, span)
}

/// When a row of what stands in FROM is final, and how the watermark is to compare with that: by the end of its window, or without one by its event time. Of several that are joined it is that of
/// the first which every row has; where each may be missing, of the first that is there. A row of an outer join that has found no other waits until it can find none.
///
/// # Errors
/// Where it may find one at any time; `place` is that of EMIT.
pub(super) fn moment(
    source: &Source<'_>,
    (from, scope): (&Plan, &Scope),
    is_grouped: bool,
    place: Span,
) -> Result<Option<(Expr, BinaryOp)>, QueryError> {
    let Some((moment, op)) = first_moment(from, scope) else { return Ok(None) };
    let alone = if scope.windows.is_empty() { alone(from, scope) } else { Vec::new() };
    let mut branches = Vec::new();
    for Alone { time, without, at_most_us } in alone {
        let Some(later_us) = at_most_us else {
            let message = "EMIT ON WINDOW CLOSE puts out what nothing changes any more, and a row of an outer join that has found no other may find one at any time: say in ON how far apart the event \
                           times are, as in ON a.k = b.k AND b.at BETWEEN a.at AND a.at + INTERVAL '1' HOUR";
            return Err(source.error(place, message));
        };
        let settled = later(time.clone(), later_us);
        if is_grouped && time == moment {
            return Ok(Some((later(time, later_us.max(0)), op)));
        }
        branches.push((Expr::new(ExprKind::IsNull { arg: Box::new(without), negated: false }, DataType::Bool), settled));
    }
    if branches.is_empty() {
        return Ok(Some((moment, op)));
    }
    Ok(Some((Expr::new(ExprKind::Case { branches, otherwise: Some(Box::new(moment)) }, DataType::Timestamp), op)))
}

/// A side of an outer join of two streams, of which rows are there without another, too.
struct Alone {
    /// Its event time, and that of the other side.
    time: Expr,
    without: Expr,
    /// How much later than its own the event time of another that it finds is, at most, in microseconds.
    at_most_us: Option<i64>,
}

fn alone(from: &Plan, scope: &Scope) -> Vec<Alone> {
    let (Node::Join { left, kind, on, .. }, [a, b]) = (&from.node, &scope.watermarks[..]) else { return Vec::new() };
    let width = left.columns().len();
    let (Some((left_time, 0)), Some((right_time, 0))) = (a.time.moved(), b.time.moved()) else { return Vec::new() };
    let Some(right_column) = right_time.checked_sub(width).filter(|_| left_time < width) else { return Vec::new() };
    let near = (&[Near::is(left_time)][..], &[Near::is(right_column)][..]);
    let apart = Apart::of(on.iter().flat_map(Expr::conjuncts), near, width);
    let of_left = Alone { time: a.time.clone(), without: b.time.clone(), at_most_us: apart.most_us };
    let at_most_us = apart.least_us.and_then(i64::checked_neg);
    let of_right = Alone { time: b.time.clone(), without: a.time.clone(), at_most_us };
    match kind {
        JoinKind::Inner => Vec::new(),
        JoinKind::Left => vec![of_left],
        JoinKind::Right => vec![of_right],
        JoinKind::Full => vec![of_left, of_right],
    }
}

fn first_moment(from: &Plan, scope: &Scope) -> Option<(Expr, BinaryOp)> {
    let of_windows = scope.windows.iter().map(|(window, first)| (window.end(*first), *first));
    let of_times = scope.watermarks.iter().filter_map(|watermark| Some((watermark.time.clone(), watermark.time.moved()?.0)));
    let (op, moments): (_, Vec<(Expr, usize)>) = match scope.windows[..] {
        [] => (BinaryOp::Less, of_times.collect()),
        _ => (BinaryOp::LessOrEqual, of_windows.collect()),
    };
    let there = moments.iter().find(|(_, column)| !may_be_missing(from, *column)).map(|(moment, _)| moment.clone());
    let first_there = moments.into_iter().map(|(moment, _)| moment).rev().reduce(|otherwise, moment| {
        let is_there = Expr::new(ExprKind::IsNull { arg: Box::new(moment.clone()), negated: true }, DataType::Bool);
        let branches = vec![(is_there, moment)];
        Expr::new(ExprKind::Case { branches, otherwise: Some(Box::new(otherwise)) }, DataType::Timestamp)
    });
    there.or(first_there).map(|moment| (moment, op))
}

/// Whether the column is of a side that an outer join may leave out.
fn may_be_missing(plan: &Plan, column: usize) -> bool {
    match &plan.node {
        Node::Filter { input, .. } | Node::Window { input, .. } | Node::Over { input, .. } if column < input.columns().len() => {
            may_be_missing(input, column)
        }
        Node::Join { left, right, kind, .. } | Node::AsOfJoin { left, right, kind, .. } | Node::TemporalJoin { left, right, kind, .. } => {
            match column.checked_sub(left.columns().len()) {
                None => matches!(kind, JoinKind::Right | JoinKind::Full) || may_be_missing(left, column),
                Some(column) => matches!(kind, JoinKind::Left | JoinKind::Full) || may_be_missing(right, column),
            }
        }
        _ => false,
    }
}

/// The rows, or groups, that no record which is not late can change any more.
pub(super) fn on_close(
    source: &Source<'_>,
    mut plan: Plan,
    (scope, moment): (&Scope, Option<(Expr, BinaryOp)>),
    groups: Option<&Groups<'_>>,
    place: Span,
) -> Result<Plan, QueryError> {
    let Some((moment, op)) = moment.filter(|_| !scope.watermarks.is_empty()) else {
        let message = "EMIT ON WINDOW CLOSE stands at a query that reads a watermark itself, and not in a subquery: write FROM TUMBLE(TABLE WATERMARK(TABLE t, DESCRIPTOR(c), INTERVAL '5' SECOND), DESCRIPTOR(c), INTERVAL '1' HOUR), and what a subquery would do in WHERE, GROUP BY, HAVING or QUALIFY (as in QUALIFY ROW_NUMBER() OVER (PARTITION BY window_start ORDER BY c) = 1)";
        return Err(source.error(place, message));
    };
    let item = Item { name: "the window or the event time".into(), expr: moment, reads: Vec::new(), span: place };
    let message = "EMIT ON WINDOW CLOSE puts a group out when no record can change it any more: GROUP BY window_start or window_end, or by the event time that the watermark is of";
    let moment = groups.map_or_else(|| Ok(item.expr.clone()), |g| g.of_group(&item).map_err(|_| source.error(place, message)))?;
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

/// What OVER computes of rows that come after one is final once those are there: where it looks so many rows ahead in the order of the event time, rows are held back until so many follow them.
/// `moment` is when the rows themselves are, over the input of OVER.
pub(super) fn held_back(source: &Source<'_>, plan: Plan, moment: &Expr, place: Span) -> Result<Plan, QueryError> {
    let Node::Over { input, calls } = &plan.node else { return Ok(plan) };
    if plan.is_let_through_finally() {
        return Ok(plan);
    }
    let mut marks = Vec::new();
    for call in calls {
        let by_time = call.order_by.first().is_some_and(|by| {
            let column = |e: &Expr| e.moved().map(|(column, _)| column);
            !by.descending && column(&by.expr).is_some() && column(&by.expr) == column(moment)
        });
        match ahead(call) {
            Ahead::By(0) => {}
            Ahead::By(rows) if by_time => {
                let function = OverFunction::Lag { arg: Expr::literal(Value::Bool(true), DataType::Bool), rows: -rows, default: None };
                marks.push(OverCall { function, frame: Frame::Partition, ..call.clone() });
            }
            _ => {
                let message = "EMIT ON WINDOW CLOSE puts out rows that nothing changes any more, and OVER looks at rows after them that are still to come: PARTITION BY the window, or look no \
                               further than some rows ahead in the order of the event time (LEAD, ROWS ... FOLLOWING)";
                return Err(source.error(place, message));
            }
        }
    }
    if marks.is_empty() {
        return Ok(plan);
    }
    let first = input.columns().len() + calls.len();
    let follow = (first..first + marks.len()).map(|column| {
        let mark = Box::new(Expr::column(column, DataType::Bool));
        Expr::new(ExprKind::IsNull { arg: mark, negated: true }, DataType::Bool)
    });
    let condition = follow.reduce(|a, b| Expr::binary(BinaryOp::And, a, b, DataType::Bool)).expect("there is a mark");
    let calls = calls.iter().cloned().chain(marks).collect();
    let over = Plan::new(Node::Over { input: input.clone(), calls }, plan.span.clone());
    Ok(Plan::new(Node::Filter { input: Box::new(over), condition }, plan.span))
}

/// How far after a row it is looked.
enum Ahead {
    /// By so many rows.
    By(i64),
    ToAny,
}

fn ahead(call: &OverCall) -> Ahead {
    let rows = |rows: Option<i64>| rows.map_or(Ahead::ToAny, |rows| Ahead::By(rows.max(0)));
    match (&call.function, call.frame) {
        (OverFunction::RowNumber | OverFunction::Rank | OverFunction::DenseRank, _) => Ahead::By(0),
        (OverFunction::Lag { rows: before, .. }, _) => rows(before.checked_neg()),
        (_, Frame::Range { .. }) => Ahead::By(0),
        (_, Frame::Rows { after, .. }) => rows(after.and_then(|after| i64::try_from(after).ok())),
        (_, Frame::RowsBetween { end, .. }) => rows(end),
        (_, Frame::GroupsBetween { end: Some(..=0), .. }) => Ahead::By(0),
        (_, Frame::RangeBetween { end: Some(Distance::Exact(..=0)), .. }) => Ahead::By(0),
        (_, Frame::Partition | Frame::GroupsBetween { .. } | Frame::RangeBetween { .. }) => Ahead::ToAny,
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType as Arrow, Field, Schema, TimeUnit};

    use crate::{TopicSchema, logical_plan_over};

    /// The plan over two streams A and B, or what is wrong with it.
    fn plan(sql: &str) -> Result<String, String> {
        let at = Field::new("at", Arrow::Timestamp(TimeUnit::Microsecond, None), true);
        let schema = Schema::new(vec![at, Field::new("n", Arrow::Int64, true)]);
        let stream = |topic: &str| format!(" WATERMARK(TABLE {topic}, DESCRIPTOR(at), INTERVAL '5' SECOND) ");
        let sql = format!("{sql} EMIT ON WINDOW CLOSE").replace(" A ", &stream("a")).replace(" B ", &stream("b"));
        let topic = |name| TopicSchema { name, schema: &schema, key: None, time: Some("at") };
        logical_plan_over(&sql, &[topic("a"), topic("b")]).map(|plan| plan.to_string()).map_err(|e| e.report(&sql))
    }

    #[test]
    fn a_row_without_another_waits_until_it_can_find_none() {
        let of = |kind: &str, on: &str| plan(&format!("SELECT x.n, y.n AS m FROM A x {kind} JOIN B y ON x.n = y.n {on}"));
        let within = "AND y.at BETWEEN x.at - INTERVAL '3' MINUTE AND x.at + INTERVAL '1' HOUR";
        let waits = |kind: &str| {
            let plan = of(kind, within).unwrap();
            let moment = plan.split("CASE").nth(1).and_then(|case| case.split("END").next()).unwrap_or_default();
            (moment.contains("01:00:00"), moment.contains("00:03:00"))
        };
        assert_eq!(["", "LEFT", "RIGHT", "FULL"].map(waits), [(false, false), (true, false), (false, true), (true, true)]);
        for (kind, on) in [("LEFT", ""), ("LEFT", "AND y.at >= x.at"), ("RIGHT", "AND y.at <= x.at"), ("FULL", "AND y.at <= x.at")] {
            let told = of(kind, on).unwrap_err();
            assert!(told.contains("may find one at any time"), "{kind} {on}: {told}");
        }
        assert!(of("", "").is_ok() && of("LEFT", "AND y.at <= x.at").is_ok());
        let grouped = plan(&format!("SELECT x.at, COUNT(*) AS c FROM A x LEFT JOIN B y ON x.n = y.n {within} GROUP BY x.at")).unwrap();
        assert!(!grouped.contains("CASE") && grouped.contains("INTERVAL '01:00:00'"), "{grouped}");
    }
}
