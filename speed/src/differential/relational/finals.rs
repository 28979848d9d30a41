//! How long the rows of a topic are needed by rows that are put out once, when a moment passes them (`EMIT ON WINDOW CLOSE`).
//!
//! Of each operator it is told which of its columns are not later than so much after the event time of any row that has to do with theirs: the end of a window is not later than its length after
//! each of its rows, and rows that are joined by their windows have to do with both sides'. Where that can be told of the moment by which rows are passed, a row of a topic can be let go once
//! that much after its event time is passed: all that it has to do with has been put out.
//!
//! What was computed of rows that are let go one after the other is computed of fewer of them for a while, and nobody is given that. But it could raise an error that all of them do not: so
//! nothing is let go where an expression that can reads what is computed of several rows.

use std::collections::{BTreeMap, BTreeSet};

use twopath_query::plan::{JoinKind, Late, Node, OverCall, WindowSize, longest_us, met};
use twopath_query::{Aggregate, DataType, Expr, ExprKind, NamedExpr, Plan, TimeUnit};

use super::passed::Passed;
use super::source::Leaf;

/// Rows that are put out when they are passed, and what they are made of.
pub struct Finals {
    /// The operators that pass them, one for each watermark, from the last one down.
    pub gates: Vec<Plan>,
    /// What is read of topics.
    pub leaves: Vec<Needed>,
    /// Whether OVER stands above. It looks at rows beside one another that are passed at one moment, so that it needs them no longer than that.
    pub is_over: bool,
}

/// Rows of a topic, as they are read.
pub struct Needed {
    pub rows: Plan,
    /// Their column of event times.
    pub time: usize,
    /// They are needed until what passes each gate is so much after their event times, in microseconds.
    pub after_us: Vec<i64>,
}

/// A column, and how much later than the event time of a row of each leaf that has to do with its own row it can be.
#[derive(Debug, Clone, PartialEq)]
struct Bound {
    column: usize,
    after_us: BTreeMap<usize, i64>,
}

impl Bound {
    fn later(&self, column: usize, us: i64) -> Option<Bound> {
        let later = |(&leaf, &after)| Some((leaf, i64::checked_add(after, us)?));
        Some(Bound { column, after_us: self.after_us.iter().map(later).collect::<Option<_>>()? })
    }

    /// Of rows that have to do with the rows of both.
    fn with(&self, other: &Bound) -> Bound {
        let mut after_us = self.after_us.clone();
        for (&leaf, &after) in &other.after_us {
            let mine = after_us.entry(leaf).or_insert(after);
            *mine = after.max(*mine);
        }
        Bound { column: self.column, after_us }
    }
}

/// Rows of an operator.
struct Rows {
    bounds: Vec<Bound>,
    /// Columns whose values change as rows below go: they are computed of several, or of none where an outer join found none.
    computed: BTreeSet<usize>,
}

impl Rows {
    /// Whether none of these raises an error of what is computed.
    fn bear<'e>(&self, mut exprs: impl Iterator<Item = &'e Expr>) -> bool {
        !exprs.any(|expr| expr.can_fail() && self.are_computed(expr))
    }

    fn are_computed(&self, expr: &Expr) -> bool {
        expr.reads(|column| self.computed.contains(&column))
    }
}

impl Finals {
    /// Of a plan that does nothing to what was passed but to filter, to project, and to look at those that are passed at one moment.
    pub fn of(plan: &Plan) -> Option<Finals> {
        // From the top down to the first gate that rows come through.
        let (mut chain, mut gates, mut is_over, mut next) = (Vec::new(), Vec::new(), false, plan);
        loop {
            chain.push(next);
            match (Passed::inputs(next), &next.node) {
                (Some([rows, _]), _) => {
                    gates.push(next);
                    next = rows;
                }
                (None, Node::Project { input, .. } | Node::Filter { input, .. }) => next = input,
                (None, Node::Over { input, .. }) if gates.is_empty() => {
                    is_over = true;
                    next = input;
                }
                _ => break,
            }
        }
        let first = chain.iter().rposition(|plan| Passed::inputs(plan).is_some())?;
        if is_over && !are_at_one_moment(chain[..=first].iter().rev().copied()) {
            return None;
        }
        let mut leaves: Vec<(Plan, usize, Late)> = Vec::new();
        let mut moments = Vec::new();
        for gate in &gates {
            let rows = rows_of(Passed::inputs(gate)?[0], &mut leaves)?;
            let at = Passed::moment(gate)?;
            moments.push(through(&rows.bounds, at, 0).next().filter(|_| rows.bear([at].into_iter()))?);
        }
        let needed = |(number, (rows, time, _)): (usize, (Plan, usize, Late))| {
            let after_us = moments.iter().map(|moment| moment.after_us.get(&number).copied()).collect::<Option<_>>()?;
            Some(Needed { rows, time, after_us })
        };
        let leaves = leaves.into_iter().enumerate().map(needed).collect::<Option<_>>()?;
        Some(Finals { gates: gates.into_iter().cloned().collect(), leaves, is_over })
    }
}

/// Whether OVER, where it stands above rows that are passed, looks at such alone as are passed at one moment. The plans go up from the first that passes them.
fn are_at_one_moment<'p>(up: impl Iterator<Item = &'p Plan>) -> bool {
    // Columns that say the moment, as they are or moved.
    let says = |by: &BTreeSet<usize>, columns: &[NamedExpr]| -> BTreeSet<usize> {
        let is_by = |(_, named): &(usize, &NamedExpr)| named.expr.moved().is_some_and(|(column, _)| by.contains(&column));
        columns.iter().enumerate().filter(is_by).map(|(column, _)| column).collect()
    };
    let mut by: Option<BTreeSet<usize>> = None;
    for plan in up {
        if let Some(at) = Passed::moment(plan).filter(|_| Passed::inputs(plan).is_some()) {
            let mut read = BTreeSet::new();
            at.visit(&mut |e| {
                if let ExprKind::Column(column) = e.kind {
                    read.insert(column);
                }
            });
            if read.len() != 1 || by.as_ref().is_some_and(|by| !read.is_subset(by)) {
                return false;
            }
            by = by.or(Some(read));
        }
        let Some(by) = &mut by else { return false };
        match &plan.node {
            Node::Project { columns, .. } => *by = says(by, columns),
            Node::Over { calls, .. } => {
                let is_by = |expr: &Expr| expr.moved().is_some_and(|(column, _)| by.contains(&column));
                if !calls.iter().all(|call| call.partition_by.iter().any(is_by)) {
                    return false;
                }
            }
            _ => {}
        }
    }
    true
}

/// What is known of a plan's rows; `None` where something is read of which nothing is known.
fn rows_of(plan: &Plan, leaves: &mut Vec<(Plan, usize, Late)>) -> Option<Rows> {
    if let Some(leaf) = Leaf::of(plan) {
        let (time, late) = leaf.times()?;
        let number = leaves.iter().position(|(known, ..)| known == plan).unwrap_or_else(|| {
            leaves.push((plan.clone(), time, late));
            leaves.len() - 1
        });
        let bounds = leaf.near_event_time().map(|(column, _, us)| Bound { column, after_us: [(number, us)].into() }).collect();
        return Some(Rows { bounds, computed: BTreeSet::new() });
    }
    // What passes rows leaves them as they are.
    if let (Some([rows, _]), Node::Project { columns, .. }) = (Passed::inputs(plan), &plan.node) {
        let exprs = columns.iter().map(|column| &column.expr).chain(Passed::moment(plan));
        return Some(rows_of(rows, leaves).filter(|rows| rows.bear(exprs))?.projected(columns));
    }
    match &plan.node {
        Node::Distinct { input } => rows_of(input, leaves),
        Node::Filter { input, condition } => rows_of(input, leaves).filter(|rows| rows.bear([condition].into_iter())),
        Node::Project { input, columns } => {
            let below = rows_of(input, leaves).filter(|rows| rows.bear(columns.iter().map(|column| &column.expr)))?;
            Some(below.projected(columns))
        }
        Node::Aggregate { input, keys, aggregates } => {
            let exprs = keys.iter().map(|key| &key.expr).chain(aggregates.iter().flat_map(Aggregate::args));
            let below = rows_of(input, leaves).filter(|rows| rows.bear(exprs))?;
            let mut groups = below.projected(keys);
            groups.computed.extend(keys.len()..keys.len() + aggregates.len());
            Some(groups)
        }
        Node::Window { input, column, window } => {
            let mut rows = rows_of(input, leaves)?;
            let width = input.columns().len();
            // A start is not later than the row; of a session the end has no bound.
            let later = window.near_us().map_or(0, |(_, behind)| behind);
            let of_time = rows.bounds.iter().filter(|bound| bound.column == *column);
            let more = of_time.map(|bound| bound.later(width, later)).collect::<Option<Vec<_>>>()?;
            rows.bounds.extend(more);
            Some(rows)
        }
        Node::Over { input, calls } => {
            let mut rows = rows_of(input, leaves)?;
            let width = input.columns().len();
            if !rows.bear(calls.iter().flat_map(OverCall::exprs)) {
                return None;
            }
            // A row has to do with those of its partition.
            let is_by = |bound: &Bound| {
                calls.iter().all(|call| call.partition_by.iter().any(|by| by.moved().is_some_and(|(column, _)| column == bound.column)))
            };
            rows.bounds.retain(is_by);
            rows.computed.extend(width..width + calls.len());
            Some(rows)
        }
        Node::Join { left, right, kind, on: Some(on) } => {
            let (of_left, of_right) = (rows_of(left, leaves)?, rows_of(right, leaves)?);
            let (width, right_width) = (left.columns().len(), right.columns().len());
            let mut computed: BTreeSet<usize> =
                of_left.computed.iter().copied().chain(of_right.computed.iter().map(|c| c + width)).collect();
            if matches!(kind, JoinKind::Right | JoinKind::Full) {
                computed.extend(0..width);
            }
            if matches!(kind, JoinKind::Left | JoinKind::Full) {
                computed.extend(width..width + right_width);
            }
            let sides = (&of_left.bounds[..], &of_right.bounds[..]);
            let bounds = on.conjuncts().into_iter().flat_map(|condition| joined(sides, width, condition)).collect();
            let pairs = Rows { bounds, computed };
            pairs.bear([on].into_iter()).then_some(pairs)
        }
        Node::Union { inputs } => {
            let mut inputs = inputs.iter().map(|input| rows_of(input, leaves)).collect::<Option<Vec<_>>>()?.into_iter();
            let first = inputs.next()?;
            Some(inputs.fold(first, |all, more| {
                let both = |bound: &Bound| more.bounds.iter().find(|other| other.column == bound.column).map(|other| bound.with(other));
                let bounds = all.bounds.iter().filter_map(both).collect();
                Rows { bounds, computed: all.computed.union(&more.computed).copied().collect() }
            }))
        }
        _ => None,
    }
}

impl Rows {
    fn projected(&self, columns: &[NamedExpr]) -> Rows {
        let each = columns.iter().enumerate();
        let bounds = each.clone().flat_map(|(column, named)| through(&self.bounds, &named.expr, column).collect::<Vec<_>>()).collect();
        let computed = each.filter(|(_, named)| self.are_computed(&named.expr)).map(|(column, _)| column).collect();
        Rows { bounds, computed }
    }
}

/// What bounds an expression gives as this column.
fn through(below: &[Bound], expr: &Expr, column: usize) -> impl Iterator<Item = Bound> {
    let end = |unit| WindowSize::Calendar(unit).end(Expr::column(0, DataType::Timestamp));
    let calendar = [TimeUnit::Month, TimeUnit::Quarter, TimeUnit::Year].into_iter().find_map(|unit| {
        let of = below.iter().find(|bound| expr.renumbered(|_| 0) == end(unit) && expr.reads(|i| i == bound.column))?;
        of.later(column, longest_us(unit))
    });
    let around = expr.around().and_then(|(of, _, behind)| below.iter().find(|bound| bound.column == of)?.later(column, behind));
    around.or(calendar).into_iter()
}

/// Of pairs for which a condition says that two columns are equal, each moved by so much. A row that found no other has to do with those that it would have found.
fn joined((left, right): (&[Bound], &[Bound]), width: usize, condition: &Expr) -> Vec<Bound> {
    let Some((l, r, later_us)) = met(condition, width) else { return Vec::new() };
    let of_left = left.iter().find(|bound| bound.column == l);
    let of_right = right.iter().find(|bound| bound.column == r);
    let (Some(of_left), Some(of_right)) = (of_left, of_right) else { return Vec::new() };
    let as_left = later_us.checked_neg().and_then(|us| of_right.later(l, us));
    let as_right = of_left.later(r + width, later_us);
    let of_pairs =
        [as_left.map(|other| of_left.with(&other)), as_right.map(|other| Bound { column: r + width, ..of_right.clone() }.with(&other))];
    of_pairs.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType as Arrow, Field, Schema, TimeUnit as ArrowUnit};

    use super::*;

    /// How long after its event time what is read is needed, in seconds, by what is asked of windows W.
    fn needed(window: &str, sql: &str) -> Option<Vec<i64>> {
        let at = Field::new("at", Arrow::Timestamp(ArrowUnit::Microsecond, None), true);
        let schema = Schema::new(vec![at, Field::new("k", Arrow::Int64, true), Field::new("n", Arrow::Int64, true)]);
        let (function, size) = window.split_once(' ').unwrap();
        let windows = format!("{function}(TABLE WATERMARK(TABLE t, DESCRIPTOR(at), INTERVAL '5' SECOND), DESCRIPTOR(at), {size})");
        let sql = format!("{sql} EMIT ON WINDOW CLOSE").replace(" W ", &format!(" {windows} "));
        let plan = twopath_query::logical_plan(&sql, "t", &schema).unwrap_or_else(|e| panic!("{}", e.report(&sql))).maintained();
        let plan = super::super::unread::without_unread_moments(&plan.plan);
        let finals = Finals::of(&plan)?;
        let mut seconds: Vec<i64> = finals.leaves.iter().flat_map(|leaf| &leaf.after_us).map(|us| us / 1_000_000).collect();
        seconds.dedup();
        Some(seconds)
    }

    #[test]
    fn rows_are_needed_for_their_windows() {
        let pairs = "SELECT a.window_end, COUNT(*) AS c FROM W a JOIN W b ON a.window_start = b.window_start AND a.k = b.k GROUP BY a.window_start, a.window_end";
        assert_eq!(needed("TUMBLE INTERVAL '7' SECOND", pairs), Some(vec![7]));
        assert_eq!(needed("HOP INTERVAL '3' SECOND, INTERVAL '9' SECOND", pairs), Some(vec![9]));
        let most = "SELECT window_start, k, COUNT(*) AS c FROM W t WHERE (window_start, n) IN (SELECT window_start, MAX(n) FROM W GROUP BY window_start) GROUP BY window_start, window_end, k";
        assert_eq!(needed("TUMBLE INTERVAL '7' SECOND", most), Some(vec![7]));
        let first =
            "SELECT window_start, k, n, ROW_NUMBER() OVER (PARTITION BY window_start ORDER BY n) AS place FROM W QUALIFY place <= 2";
        assert_eq!(needed("TUMBLE INTERVAL '7' SECOND", first), Some(vec![7]));
        assert_eq!(needed("TUMBLE INTERVAL '1' MONTH", first), Some(vec![31 * 86_400]));
        let all = first.replace("PARTITION BY window_start", "PARTITION BY k").replace("ORDER BY n", "ORDER BY window_start, n");
        assert_eq!(needed("TUMBLE INTERVAL '7' SECOND", &all), None, "it looks at windows of before");
        let rows = "SELECT _partition AS p, _offset AS o, window_start FROM W";
        assert_eq!(needed("CUMULATE INTERVAL '2' SECOND, INTERVAL '8' SECOND", rows), Some(vec![8]));
        assert_eq!(needed("TUMBLE INTERVAL '1' MONTH", rows), Some(vec![31 * 86_400]));
    }
}
