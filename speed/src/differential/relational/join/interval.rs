//! Interval joins: how long a row of each side can still find another, where what comes too late is left out (`WATERMARK`).
//!
//! A condition such as `b.at BETWEEN a.at AND a.at + INTERVAL '1' HOUR` says how far apart the event times of a pair may be. What is still to come of a side has event times that its topic's
//! watermark has not passed; so a row has found all others once the other side's watermark is farther away than that. Rows of inner joins are then of no use to anybody who has been given
//! their pairs. That both are in one window says how far apart they are, too.

use twopath_query::plan::{JoinKind, Late, Node, Window, WindowSize, longest_us};
use twopath_query::{BinaryOp, Expr, ExprKind, Plan};

use crate::differential::relational::source::Leaf;

/// An inner join within an interval, of rows that only come.
pub struct Interval {
    /// The join.
    pub join: Plan,
    /// What is read of a topic, each once: both sides, or the one that is joined with itself.
    pub sides: Vec<Side>,
}

/// Rows that are read of a topic and joined.
pub struct Side {
    pub rows: Plan,
    /// Their column of event times.
    pub time: usize,
    /// What they are joined with has found them once its own watermark is this much after their event time, in microseconds; `None` where it may at any time.
    pub after_us: Option<i64>,
    /// The watermark that counts.
    pub late: Late,
}

impl Interval {
    /// The join of a plan that does nothing above it but to filter and to project, if it is one within an interval.
    pub fn of(plan: &Plan) -> Option<Interval> {
        let (mut join, mut above) = (plan, Vec::new());
        loop {
            match &join.node {
                // Over other columns.
                Node::Project { input, .. } => (join, above) = (input, Vec::new()),
                Node::Filter { input, condition } => {
                    above.push(condition);
                    join = input;
                }
                _ => break,
            }
        }
        let Node::Join { left, right, kind: JoinKind::Inner, on } = &join.node else { return None };
        let (width, left, right) = (left.columns().len(), Read::of(left)?, Read::of(right)?);
        let conditions = above.into_iter().chain(on.as_ref()).flat_map(Expr::conjuncts);
        let apart = Apart::of(conditions, (&left.near, &right.near), width);
        let side =
            |rows: &Read, after_us, other: &Read| Side { rows: rows.leaf.clone(), time: rows.time, after_us, late: other.late.clone() };
        let of_left = side(&left, apart.most_us, &right);
        let of_right = side(&right, apart.least_us.and_then(i64::checked_neg), &left);
        if of_left.rows == of_right.rows {
            let after_us = of_left.after_us.zip(of_right.after_us).map(|(a, b)| a.max(b));
            return after_us.is_some().then(|| Interval { join: join.clone(), sides: vec![Side { after_us, ..of_left }] });
        }
        let is_any = of_left.after_us.is_some() || of_right.after_us.is_some();
        is_any.then(|| Interval { join: join.clone(), sides: vec![of_left, of_right] })
    }
}

/// One side of a join: what is read of a topic, and the windows that its rows are in.
struct Read {
    leaf: Plan,
    /// The leaf's column of event times.
    time: usize,
    late: Late,
    near: Vec<Near>,
}

/// A column whose values are near the event time of their row.
#[derive(Clone, Copy)]
struct Near {
    column: usize,
    /// How much earlier and how much later they can be, in microseconds.
    before: i64,
    behind: i64,
}

impl Near {
    /// As an expression gives it, if it goes by one of these.
    fn through(of: &[Near], expr: &Expr, column: usize) -> Option<Near> {
        let (read, before, behind) = expr.around()?;
        let near = of.iter().find(|near| near.column == read)?;
        Some(Near { column, before: near.before.checked_add(before)?, behind: near.behind.checked_add(behind)? })
    }
}

impl Read {
    fn of(plan: &Plan) -> Option<Read> {
        if let Some(leaf) = Leaf::of(plan) {
            let (time, late) = leaf.times()?;
            let near = leaf.near_event_time().map(|(column, before, behind)| Near { column, before, behind }).collect();
            return Some(Read { leaf: plan.clone(), time, late, near });
        }
        match &plan.node {
            Node::Filter { input, .. } => Read::of(input),
            Node::Project { input, columns } => {
                let below = Read::of(input)?;
                let each = columns.iter().enumerate();
                let near = each.filter_map(|(column, named)| Near::through(&below.near, &named.expr, column)).collect();
                Some(Read { near, ..below })
            }
            Node::Window { input, column, window } => {
                let mut read = Read::of(input)?;
                let (before, behind) = match window {
                    Window::Tumble { size: WindowSize::Fixed(size_us), .. } | Window::Hop { size_us, .. } => (size_us - 1, 0),
                    Window::Tumble { size: WindowSize::Calendar(unit), .. } => (longest_us(*unit) - 1, 0),
                    Window::Cumulate { size_us, .. } => (0, *size_us),
                    Window::Session { .. } => return None,
                };
                let width = input.columns().len();
                let time = read.near.iter().find(|near| near.column == *column).copied();
                let bound = time.and_then(|time| {
                    let (before, behind) = (time.before.checked_add(before)?, time.behind.checked_add(behind)?);
                    Some(Near { column: width, before, behind })
                });
                read.near.extend(bound);
                Some(read)
            }
            _ => None,
        }
    }
}

/// How much later than the left row's the right row's event time may be, in microseconds.
#[derive(Debug, PartialEq, Default)]
struct Apart {
    least_us: Option<i64>,
    most_us: Option<i64>,
}

impl Apart {
    /// Of conditions that all hold over pairs, whose columns these are; the right ones come after so many left ones.
    fn of<'e>(conditions: impl Iterator<Item = &'e Expr>, (left, right): (&[Near], &[Near]), width: usize) -> Apart {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{DataType as Arrow, Field, Schema, TimeUnit};
    use twopath_query::TopicSchema;

    use super::*;

    const MINUTE: i64 = 60_000_000;

    /// How long the rows of each side are needed, in minutes.
    fn needed(on: &str) -> Option<Vec<Option<i64>>> {
        let time = |name: &str| Field::new(name, Arrow::Timestamp(TimeUnit::Microsecond, None), true);
        let schema = Arc::new(Schema::new(vec![time("at"), Field::new("k", Arrow::Int64, true), time("other")]));
        let of = |topic: &str| format!("WATERMARK(TABLE {topic}, DESCRIPTOR(at), INTERVAL '5' SECOND)");
        let sql = format!("SELECT x.k, y.other FROM {} x JOIN {} y ON x.k = y.k WHERE {on}", of("a"), of("b"));
        let topic = |name| TopicSchema { name, schema: &schema, key: None, time: Some("at") };
        let plan = twopath_query::logical_plan_over(&sql, &[topic("a"), topic("b")]).unwrap().maintained().plan;
        let minutes = |side: &Side| side.after_us.map(|us| us / MINUTE);
        Interval::of(&plan).map(|interval| interval.sides.iter().map(minutes).collect())
    }

    #[test]
    fn rows_are_needed_as_long_as_the_condition_reaches() {
        let both = |a, b| Some(vec![Some(a), Some(b)]);
        assert_eq!(needed("y.at BETWEEN x.at AND x.at + INTERVAL '60' MINUTE"), both(60, 0));
        assert_eq!(needed("y.at BETWEEN x.at - INTERVAL '5' MINUTE AND x.at + INTERVAL '60' MINUTE"), both(60, 5));
        assert_eq!(needed("x.at >= y.at - INTERVAL '3' MINUTE AND x.at + INTERVAL '2' MINUTE < y.at"), both(3, -2));
        assert_eq!(needed("x.at = y.at"), both(0, 0));
        assert_eq!(needed("y.at > x.at"), Some(vec![None, Some(0)]));
        assert_eq!(needed("y.other BETWEEN x.at AND x.at + INTERVAL '60' MINUTE"), None, "no event time");
        assert_eq!(needed("x.k > 1"), None);
        assert_eq!(needed("DATE_TRUNC('hour', x.at) = DATE_TRUNC('hour', y.at)"), both(59, 59));
    }

    #[test]
    fn one_window_is_an_interval() {
        let time = |name: &str| Field::new(name, Arrow::Timestamp(TimeUnit::Microsecond, None), true);
        let schema = Arc::new(Schema::new(vec![time("at"), Field::new("k", Arrow::Int64, true)]));
        let of = |topic: &str, window: &str| {
            let (function, lengths) = window.split_once(' ').unwrap();
            format!("{function}(TABLE WATERMARK(TABLE {topic}, DESCRIPTOR(at), INTERVAL '5' SECOND), DESCRIPTOR(at), {lengths})")
        };
        let needed = |window: &str| {
            let sql = format!(
                "SELECT x.k FROM {} x JOIN {} y ON x.k = y.k AND x.window_start = y.window_start",
                of("a", window),
                of("b", window)
            );
            let topic = |name| TopicSchema { name, schema: &schema, key: None, time: Some("at") };
            let plan = twopath_query::logical_plan_over(&sql, &[topic("a"), topic("b")]).unwrap().maintained().plan;
            Interval::of(&plan).map(|interval| interval.sides.iter().map(|side| side.after_us).collect::<Vec<_>>())
        };
        let both = Some(vec![Some(10 * MINUTE - 1); 2]);
        assert_eq!(needed("TUMBLE INTERVAL '10' MINUTE"), both);
        assert_eq!(needed("HOP INTERVAL '1' MINUTE, INTERVAL '10' MINUTE"), both);
        assert_eq!(needed("SESSION INTERVAL '10' MINUTE"), None);
    }
}
