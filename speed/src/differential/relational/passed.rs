//! Rows that a moment has passed: a condition that says of each that it is before the one row of another side, which moves on all the time (`EMIT ON WINDOW CLOSE`).

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use differential_dataflow::collection::AsCollection;
use differential_dataflow::hashable::Hashable;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::Operator as _;
use timely::dataflow::operators::vec::Broadcast;
use twopath_query::plan::{JoinKind, Node};
use twopath_query::{BinaryOp, DataType, Expr, ExprKind, Plan};

use super::Operator;
use super::collection::{Collection, Errors, Tuple, evaluated};
use super::pending::Pending;
use super::project::Project;
use crate::differential::datum::Datum;
use crate::differential::expr::{Compiled, Row, compile};
use crate::error::SpeedError;

/// As the join, the condition and the projection one after the other, but that the side that moves is not put out: where it moves on, those rows come that lie between, and all
/// others stay as they are.
pub struct Passed {
    /// When a row is passed.
    at: Arc<Compiled>,
    /// Whether it is at that very moment.
    inclusive: bool,
    columns: Project,
    /// Whether rows that were passed are given for good: they are forgotten, what changes them later does not come through, and the moment does not go back.
    once: bool,
}

impl Passed {
    /// The rows, and what passes them, where the plan is such a condition and puts out nothing but the rows.
    pub fn inputs(plan: &Plan) -> Option<[&Plan; 2]> {
        let (columns, [left, right], _) = parts(plan)?;
        let reads_right = columns.iter().any(|column| column.expr.reads(|i| i >= left.columns().len()));
        (is_one_value(right) && !reads_right).then_some([left, right])
    }

    /// # Errors
    /// What of the plan this engine does not know.
    pub fn new(plan: &Plan, once: bool) -> Result<Self, SpeedError> {
        let Some((columns, _, (at, inclusive))) = parts(plan) else { unreachable!("a condition on what is passed") };
        Ok(Passed { at: Arc::new(compile(at)?), inclusive, columns: Project::new(columns)?, once })
    }

    /// When a row of the first side is passed.
    pub fn moment(plan: &Plan) -> Option<&Expr> {
        parts(plan).map(|(_, _, (at, _))| at)
    }
}

type Parts<'p> = (&'p [twopath_query::NamedExpr], [&'p Plan; 2], (&'p Expr, bool));

/// What is put out of two sides, these, and when a row of the first is passed by the second.
fn parts(plan: &Plan) -> Option<Parts<'_>> {
    let Node::Project { input, columns } = &plan.node else { return None };
    let (above, join) = match &input.node {
        Node::Filter { input, condition } => (Some(condition), input),
        _ => (None, input),
    };
    let Node::Join { left, right, kind: JoinKind::Inner, on } = &join.node else { return None };
    let ((Some(condition), None) | (None, Some(condition))) = (above, on.as_ref()) else { return None };
    let ExprKind::Binary { op: op @ (BinaryOp::Less | BinaryOp::LessOrEqual), left: at, right: limit } = &condition.kind else {
        return None;
    };
    let width = left.columns().len();
    let is_moment = at.data_type == DataType::Timestamp && !at.reads(|i| i >= width) && limit.kind == ExprKind::Column(width);
    is_moment.then_some((&columns[..], [&**left, &**right], (&**at, *op == BinaryOp::LessOrEqual)))
}

/// Whether it is one row of one column.
fn is_one_value(plan: &Plan) -> bool {
    fn is_one_row(plan: &Plan) -> bool {
        match &plan.node {
            Node::Project { input, .. } => is_one_row(input),
            Node::Aggregate { keys, .. } => keys.is_empty(),
            _ => false,
        }
    }
    plan.columns().len() == 1 && is_one_row(plan)
}

impl Passed {
    /// `restored` says that the first epoch has what was kept before, of which what was passed by then has been given.
    pub fn over<'s>(&self, rows: Collection<'s>, limits: Collection<'s>, restored: bool, errors: &mut Errors<'s>) -> Collection<'s> {
        let at = Arc::clone(&self.at);
        let rows = evaluated(rows, "Moments", errors, move |row: Tuple| {
            let at = at.eval(Row::Values(&row))?;
            Ok((!at.is_null()).then_some((at, row)))
        });
        // Every worker knows what passes, and a row comes to the same one each time.
        let by_row = Exchange::new(|((_, row), _, _): &((Datum, Tuple), u64, isize)| row.hashed());
        let limits = limits.inner.broadcast();
        let (inclusive, once) = (self.inclusive, self.once);
        let mut standing = Standing { inclusive, rows: BTreeMap::new(), limits: BTreeMap::new() };
        let mut pending: Pending<Changes> = Pending::new();
        type Builder = CapacityContainerBuilder<Vec<(Tuple, u64, isize)>>;
        let passed = rows.inner.binary_frontier::<_, Builder, _, _, _, _>(limits, by_row, Pipeline, "Passed", move |_, _| {
            move |(rows, of_rows), (limits, of_limits), output| {
                rows.for_each(|capability, data| {
                    for (row, epoch, n) in data.drain(..) {
                        pending.of(epoch, &capability, epoch).rows.push((row, n));
                    }
                });
                limits.for_each(|capability, data| {
                    for (limit, epoch, n) in data.drain(..) {
                        pending.of(epoch, &capability, epoch).limits.push((limit[0].clone(), n));
                    }
                });
                while let Some((epoch, capability, changes)) = pending.complete([of_rows, of_limits]) {
                    let mut session = output.session(&capability);
                    let give = |row, n| session.give((row, epoch, n));
                    match once {
                        true => standing.take_once(changes, restored && epoch == 0, give),
                        false => standing.take(changes, give),
                    }
                }
            }
        });
        self.columns.over(vec![passed.as_collection()], errors)
    }
}

/// Of one epoch.
#[derive(Default)]
struct Changes {
    rows: Vec<((Datum, Tuple), isize)>,
    limits: Vec<(Datum, isize)>,
}

/// All rows by their moments, and what passes them: one value, once an epoch is complete.
struct Standing {
    inclusive: bool,
    rows: BTreeMap<Datum, HashMap<Tuple, isize>>,
    limits: BTreeMap<Datum, isize>,
}

impl Standing {
    /// Gives what an epoch changes of the rows that are passed.
    fn take(&mut self, changes: Changes, mut give: impl FnMut(Tuple, isize)) {
        let mut moved: BTreeMap<Datum, isize> = BTreeMap::new();
        for (limit, n) in changes.limits.into_iter().filter(|(limit, _)| !limit.is_null()) {
            *moved.entry(limit).or_default() += n;
        }
        moved.retain(|_, n| *n != 0);
        if let (Some(first), Some(last)) = (moved.keys().next(), moved.keys().next_back()) {
            // Where one has taken the place of another, rows before both stay as they are.
            let is_replaced = moved.values().sum::<isize>() == 0;
            let from = if is_replaced { Bound::Included(first) } else { Bound::Unbounded };
            for (at, rows) in self.rows.range::<Datum, _>((from, Bound::Included(last))) {
                let times = passed(&moved, at, self.inclusive);
                rows.iter().filter(|_| times != 0).for_each(|(row, n)| give(row.clone(), n * times));
            }
        }
        for (limit, n) in moved {
            *self.limits.entry(limit).or_default() += n;
        }
        self.limits.retain(|_, n| *n != 0);
        for ((at, row), n) in changes.rows {
            let times = passed(&self.limits, &at, self.inclusive);
            if times != 0 {
                give(row.clone(), n * times);
            }
            let rows = self.rows.entry(at.clone()).or_default();
            let count = rows.entry(row.clone()).or_default();
            *count += n;
            if *count == 0 {
                rows.remove(&row);
            }
            if rows.is_empty() {
                self.rows.remove(&at);
            }
        }
    }
}

impl Standing {
    /// Gives the rows that an epoch passes, but where they `were_given`, and forgets them. The rows of an epoch come before its limit; whatever comes later to what was passed changes nothing.
    fn take_once(&mut self, changes: Changes, were_given: bool, mut give: impl FnMut(Tuple, isize)) {
        for ((at, row), n) in changes.rows {
            if passed(&self.limits, &at, self.inclusive) > 0 {
                continue;
            }
            let rows = self.rows.entry(at).or_default();
            let count = rows.entry(row).or_default();
            *count += n;
            rows.retain(|_, n| *n != 0);
        }
        let limits = changes.limits.into_iter().filter(|(limit, n)| *n > 0 && !limit.is_null()).map(|(limit, _)| limit);
        let Some(limit) = limits.chain(self.limits.keys().next().cloned()).max() else { return };
        self.limits = BTreeMap::from([(limit, 1)]);
        while let Some(first) = self.rows.first_entry().filter(|first| passed(&self.limits, first.key(), self.inclusive) > 0) {
            let rows = first.remove();
            if !were_given {
                rows.into_iter().for_each(|(row, n)| give(row, n));
            }
        }
    }
}

/// How many of these limits pass a moment.
fn passed(limits: &BTreeMap<Datum, isize>, at: &Datum, inclusive: bool) -> isize {
    let from = if inclusive { Bound::Included(at) } else { Bound::Excluded(at) };
    limits.range::<Datum, _>((from, Bound::Unbounded)).map(|(_, n)| n).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(at: i64, id: i64) -> (Datum, Tuple) {
        (Datum::Timestamp(at), Tuple::from([Datum::Int(id)]))
    }

    #[test]
    fn a_limit_that_moves_on_changes_what_lies_between() {
        for inclusive in [false, true] {
            let mut standing = Standing { inclusive, rows: BTreeMap::new(), limits: BTreeMap::new() };
            let mut take = |rows: &[((Datum, Tuple), isize)], limits: &[(i64, isize)]| {
                let limits = limits.iter().map(|&(limit, n)| (Datum::Timestamp(limit), n)).collect();
                let mut given = Vec::new();
                standing.take(Changes { rows: rows.to_vec(), limits }, |row, n| given.push((row[0].clone(), n)));
                given.sort();
                given
            };
            let one = |id: i64, n: isize| (Datum::Int(id), n);
            assert_eq!(take(&[(row(10, 1), 1), (row(20, 2), 2), (row(30, 3), 1)], &[]), []);
            let at_20 = if inclusive { vec![one(1, 1), one(2, 2)] } else { vec![one(1, 1)] };
            assert_eq!(take(&[], &[(20, 1)]), at_20);
            // On, and a row that goes at the same time.
            let on = take(&[(row(10, 1), -1)], &[(20, -1), (25, 1)]);
            assert_eq!(on, if inclusive { vec![one(1, -1)] } else { vec![one(1, -1), one(2, 2)] });
            assert_eq!(take(&[(row(20, 4), 1), (row(26, 5), 1)], &[]), [one(4, 1)]);
            let back = take(&[], &[(25, -1), (19, 1)]);
            assert_eq!(back, [one(2, -2), one(4, -1)]);
            assert_eq!(take(&[], &[(19, -1), (100, 1)]).len(), 4);
            let gone = take(&[(row(20, 2), -2), (row(30, 3), -1), (row(20, 4), -1), (row(26, 5), -1)], &[]);
            assert_eq!(gone.len(), 4);
            assert!(standing.rows.is_empty());
        }
    }

    #[test]
    fn what_is_given_for_good_is_forgotten() {
        let mut standing = Standing { inclusive: true, rows: BTreeMap::new(), limits: BTreeMap::new() };
        let mut take = |rows: &[((Datum, Tuple), isize)], limits: &[(i64, isize)], were_given: bool| {
            let limits = limits.iter().map(|&(limit, n)| (Datum::Timestamp(limit), n)).collect();
            let mut given = Vec::new();
            standing.take_once(Changes { rows: rows.to_vec(), limits }, were_given, |row, n| given.push((row[0].clone(), n)));
            given.sort();
            (given, standing.rows.len())
        };
        let one = |id: i64, n: isize| (Datum::Int(id), n);
        assert_eq!(take(&[(row(5, 0), 1), (row(10, 1), 1), (row(20, 2), 2)], &[(5, 1)], true), (vec![], 2));
        assert_eq!(take(&[(row(10, 1), -1), (row(10, 3), 1)], &[(5, -1), (10, 1)], false), (vec![one(3, 1)], 1));
        assert_eq!(take(&[(row(10, 3), -1), (row(7, 4), 1)], &[(10, -1), (8, 1)], false), (vec![], 1), "late, and a moment that goes back");
        assert_eq!(take(&[(row(9, 5), 1)], &[], false), (vec![], 1));
        assert_eq!(take(&[(row(20, 2), -2)], &[(8, -1), (30, 1)], false), (vec![], 0));
    }
}
