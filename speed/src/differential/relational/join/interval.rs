//! Interval joins: how long a row of each side can still find another, where what comes too late is left out (`WATERMARK`).
//!
//! A condition such as `b.at BETWEEN a.at AND a.at + INTERVAL '1' HOUR` says how far apart the event times of a pair may be. What is still to come of a side has event times that its topic's
//! watermark has not passed; so a row has found all others once the other side's watermark is farther away than that: it is settled, and its pairs are of no use to anybody who has been given
//! them. That both are in one window says how far apart they are, too.
//!
//! Of an outer join a row that is not settled has to know whether it has found another. So what it has found stays at least until it is settled itself, which both sides' watermarks tell.

use twopath_query::plan::{Apart, JoinKind, Late, Near, Node};
use twopath_query::{Expr, Plan};

use crate::differential::relational::source::Leaf;

/// A join within an interval, of rows that only come.
pub struct Interval {
    /// The join.
    pub join: Plan,
    /// What is read of a topic, each once: both sides, or the one that is joined with itself.
    pub sides: Vec<Side>,
    /// Of an outer join, the sides of which rows that have found no other are there, too.
    pub outer: Vec<Outer>,
    /// What stands above an outer join, from there on: it filters and projects, and raises nothing.
    pub above: Vec<Plan>,
}

/// Rows that are read of a topic and joined.
#[derive(Debug)]
pub struct Side {
    pub rows: Plan,
    /// Their column of event times.
    pub time: usize,
    /// They are let go once all of this has come; without any they stay.
    pub until: Vec<Until>,
}

/// A topic's watermark that is this much after a row's event time.
#[derive(Debug, Clone, PartialEq)]
pub struct Until {
    pub late: Late,
    pub after_us: i64,
}

/// A side of a join whose rows are there without another, too.
#[derive(Debug)]
pub struct Outer {
    pub is_left: bool,
    /// A column of the side that is near the event time: a row is settled by it, a little later than it might be.
    pub near: usize,
    pub settled: Until,
}

impl Interval {
    /// The join of a plan that does nothing above it but to filter and to project, if it is one within an interval.
    pub fn of(plan: &Plan) -> Option<Interval> {
        let (mut join, mut above, mut conditions) = (plan, Vec::new(), Vec::new());
        loop {
            let below = match &join.node {
                // Over other columns.
                Node::Project { input, .. } => {
                    conditions.clear();
                    input
                }
                Node::Filter { input, condition } => {
                    conditions.push(condition);
                    input
                }
                _ => break,
            };
            above.insert(0, join);
            join = below;
        }
        let Node::Join { left, right, kind, on } = &join.node else { return None };
        let (width, left, right) = (left.columns().len(), Read::of(left)?, Read::of(right)?);
        let keeps = [matches!(kind, JoinKind::Left | JoinKind::Full), matches!(kind, JoinKind::Right | JoinKind::Full)];
        if keeps != [false; 2] {
            // A row that has found no other is not asked for more than that it has not; and what stands above comes to see it even where it was never there.
            conditions.clear();
            if above.iter().any(|plan| can_fail(plan)) {
                return None;
            }
        }
        let apart = Apart::of(conditions.into_iter().chain(on.as_ref()).flat_map(Expr::conjuncts), (&left.near, &right.near), width);
        let after_us = [apart.most_us, apart.least_us.and_then(i64::checked_neg)];
        let sides = [&left, &right];
        let mut outer = Vec::new();
        for side in [0, 1].into_iter().filter(|&side| keeps[side]) {
            let near = sides[side].near.iter().min_by_key(|near| i128::from(near.before) + i128::from(near.behind))?;
            let settled = Until { late: sides[1 - side].late.clone(), after_us: after_us[side]?.checked_add(near.before)? };
            outer.push((side, *near, settled));
        }
        // By the watermark of the other side it has found all others; and by that of its own all of those are settled, each of which is so much later than itself at most.
        let until = |side: usize| {
            let mut until = vec![Until { late: sides[1 - side].late.clone(), after_us: after_us[side]? }];
            if let Some((_, near, settled)) = outer.iter().find(|(other, ..)| *other == 1 - side) {
                let after_us = after_us[side]?.checked_add(near.behind)?.checked_add(settled.after_us)?;
                until.push(Until { late: settled.late.clone(), after_us });
            }
            Some(until)
        };
        let side = |side: usize, until| Side { rows: sides[side].leaf.clone(), time: sides[side].time, until };
        let both = match (until(0), until(1)) {
            (None, None) => return None,
            (Some(of_left), Some(of_right)) if left.leaf == right.leaf => vec![side(0, of_left.into_iter().chain(of_right).collect())],
            _ if left.leaf == right.leaf => return None,
            (of_left, of_right) => vec![side(0, of_left.unwrap_or_default()), side(1, of_right.unwrap_or_default())],
        };
        let outer = outer.into_iter().map(|(side, near, settled)| Outer { is_left: side == 0, near: near.column, settled }).collect();
        let above = if keeps == [false; 2] { Vec::new() } else { above.into_iter().cloned().collect() };
        Some(Interval { join: join.clone(), sides: both, outer, above })
    }
}

/// Whether an expression of a filter or a projection raises something.
fn can_fail(plan: &Plan) -> bool {
    match &plan.node {
        Node::Filter { condition, .. } => condition.can_fail(),
        Node::Project { columns, .. } => columns.iter().any(|column| column.expr.can_fail()),
        _ => true,
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
                let (before, behind) = window.near_us()?;
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{DataType as Arrow, Field, Schema, TimeUnit};
    use twopath_query::TopicSchema;

    use super::*;

    const MINUTE: i64 = 60_000_000;

    /// How long the rows of each side are needed, in minutes.
    fn needed(on: &str) -> Option<Vec<Option<i64>>> {
        let interval = interval("JOIN", &format!("WHERE {on}"))?;
        let minutes = |side: &Side| match &side.until[..] {
            [] => None,
            [until] => Some(until.after_us / MINUTE),
            more => panic!("{more:?}"),
        };
        Some(interval.sides.iter().map(minutes).collect())
    }

    fn interval(join: &str, on: &str) -> Option<Interval> {
        let time = |name: &str| Field::new(name, Arrow::Timestamp(TimeUnit::Microsecond, None), true);
        let schema = Arc::new(Schema::new(vec![time("at"), Field::new("k", Arrow::Int64, true), time("other")]));
        let of = |topic: &str| format!("WATERMARK(TABLE {topic}, DESCRIPTOR(at), INTERVAL '5' SECOND)");
        let sql = format!("SELECT x.k, y.other FROM {} x {join} {} y ON x.k = y.k {on}", of("a"), of("b"));
        let topic = |name| TopicSchema { name, schema: &schema, key: None, time: Some("at") };
        let plan = twopath_query::logical_plan_over(&sql, &[topic("a"), topic("b")]).unwrap().maintained().plan;
        Interval::of(&plan)
    }

    #[test]
    fn what_outer_rows_have_found_stays_until_they_are_settled() {
        /// By which topic's watermark the rows of each side are let go, so many minutes after their event times; and those without another are settled.
        type Needed = (Vec<Vec<(String, i64)>>, Vec<(bool, i64)>);
        fn needed(join: &str, on: &str) -> Option<Needed> {
            let interval = interval(join, on)?;
            let until = |until: &Until| (until.late.topic.clone(), until.after_us / MINUTE);
            let sides = interval.sides.iter().map(|side| side.until.iter().map(until).collect()).collect();
            Some((sides, interval.outer.iter().map(|outer| (outer.is_left, outer.settled.after_us / MINUTE)).collect()))
        }
        let by = |topic: &str, minutes| (topic.to_owned(), minutes);
        let hour = "AND y.at BETWEEN x.at - INTERVAL '5' MINUTE AND x.at + INTERVAL '60' MINUTE";
        let left = (vec![vec![by("b", 60)], vec![by("a", 5), by("b", 65)]], vec![(true, 60)]);
        assert_eq!(needed("LEFT JOIN", hour), Some(left));
        let right = (vec![vec![by("b", 60), by("a", 65)], vec![by("a", 5)]], vec![(false, 5)]);
        assert_eq!(needed("RIGHT JOIN", hour), Some(right));
        let full = (vec![vec![by("b", 60), by("a", 65)], vec![by("a", 5), by("b", 65)]], vec![(true, 60), (false, 5)]);
        assert_eq!(needed("FULL JOIN", hour), Some(full));
        let before = (vec![vec![by("b", 0)], vec![]], vec![(true, 0)]);
        assert_eq!(needed("LEFT JOIN", "AND y.at <= x.at"), Some(before), "y may always find another");
        assert_eq!(needed("RIGHT JOIN", "AND y.at <= x.at"), None, "y is never settled");
        assert_eq!(
            needed("LEFT JOIN", &format!("WHERE {}", &hour[4..])).map(|(_, outer)| outer),
            None,
            "WHERE says nothing of rows without another"
        );
        let fails = format!("{hour} WHERE 10 / x.k > 1");
        assert_eq!(needed("LEFT JOIN", &fails).map(|_| ()), None, "it would be asked of rows that are not there");
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
            Interval::of(&plan).map(|interval| interval.sides.iter().map(|side| Some(side.until[0].after_us)).collect::<Vec<_>>())
        };
        let both = Some(vec![Some(10 * MINUTE - 1); 2]);
        assert_eq!(needed("TUMBLE INTERVAL '10' MINUTE"), both);
        assert_eq!(needed("HOP INTERVAL '1' MINUTE, INTERVAL '10' MINUTE"), both);
        assert_eq!(needed("SESSION INTERVAL '10' MINUTE"), None);
    }
}
