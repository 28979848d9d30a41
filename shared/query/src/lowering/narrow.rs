//! Less to read: conditions move down to the rows that they are about, and columns that nobody reads go.
//!
//! The answer stays the same, ties and errors included: what depends on all columns of its input (ties of Sort, Limit, ROW_NUMBER) keeps them all, and a condition
//! that can raise an error stays where it is.

use std::collections::BTreeSet;

use crate::plan::{Frame, JoinKind, Moment, Node, OverCall, OverFunction, Plan, Upserts, Window};
use crate::types::*;

impl Plan {
    /// The same with its conditions as low and its rows as narrow as can be.
    pub(super) fn narrowed(&self) -> Plan {
        let plan = pushed(self.clone(), Vec::new());
        let all = (0..plan.columns().len()).collect();
        prune(&plan, &all).0
    }
}

// Conditions

/// The plan with these conditions, over its columns, on its rows: as far down as they can stand.
fn pushed(plan: Plan, mut conditions: Vec<Expr>) -> Plan {
    let span = plan.span.clone();
    let below = |node| Plan::new(node, span.clone());
    let plan = match plan.node {
        Node::Filter { input, condition } => {
            // What stands below comes first, so that it guards what stands above: only what raises no error may change places.
            if !condition.can_fail() {
                let mut all: Vec<Expr> = condition.conjuncts().into_iter().cloned().collect();
                all.append(&mut conditions);
                return pushed(*input, all);
            }
            below(Node::Filter { input: Box::new(pushed(*input, Vec::new())), condition })
        }
        Node::Join { left, right, kind, on } => {
            let width = left.columns().len();
            // A condition on the joined rows is one of the join, where it is an inner one.
            let mut on = on.iter().flat_map(Expr::conjuncts).cloned().collect::<Vec<_>>();
            let (mut to_left, mut to_right) = (Vec::new(), Vec::new());
            let mut rest = Vec::new();
            for condition in std::mem::take(&mut conditions) {
                match (side(&condition, width), kind) {
                    (Some(Side::Left), JoinKind::Inner | JoinKind::Left) => to_left.push(condition),
                    (Some(Side::Right), JoinKind::Inner | JoinKind::Right) => to_right.push(condition.renumbered(|i| i - width)),
                    (_, JoinKind::Inner) => on.push(condition),
                    _ => rest.push(condition),
                }
            }
            if !on.iter().any(Expr::can_fail) {
                let (mine, others): (Vec<_>, Vec<_>) = on.into_iter().partition(|c| {
                    matches!(
                        (side(c, width), kind),
                        (Some(Side::Left), JoinKind::Inner | JoinKind::Right) | (Some(Side::Right), JoinKind::Inner | JoinKind::Left)
                    )
                });
                for condition in mine {
                    match side(&condition, width) {
                        Some(Side::Left) => to_left.push(condition),
                        _ => to_right.push(condition.renumbered(|i| i - width)),
                    }
                }
                on = others;
            }
            conditions = rest;
            let (left, right) = (Box::new(pushed(*left, to_left)), Box::new(pushed(*right, to_right)));
            below(Node::Join { left, right, kind, on: on.into_iter().reduce(Expr::and) })
        }
        Node::AsOfJoin { left, right, kind, on, op, left_at, right_at } => {
            let width = left.columns().len();
            let (to_left, rest) = conditions.into_iter().partition(|c| matches!(side(c, width), Some(Side::Left)));
            conditions = rest;
            let (left, right) = (Box::new(pushed(*left, to_left)), Box::new(pushed(*right, Vec::new())));
            below(Node::AsOfJoin { left, right, kind, on, op, left_at, right_at })
        }
        Node::TemporalJoin { left, right, kind, on, at, upserts } => {
            let width = left.columns().len();
            let (to_left, rest) = conditions.into_iter().partition(|c| matches!(side(c, width), Some(Side::Left)));
            conditions = rest;
            let (left, right) = (Box::new(pushed(*left, to_left)), Box::new(pushed(*right, Vec::new())));
            below(Node::TemporalJoin { left, right, kind, on, at, upserts })
        }
        Node::Project { input, columns } => {
            // A condition on what is only handed through is one on the input.
            let plain = |c: &Expr| read(c).into_iter().all(|i| matches!(columns[i].expr.kind, ExprKind::Column(_)));
            let may_pass = !columns.iter().any(|c| c.expr.can_fail());
            let (through, rest) = conditions.into_iter().partition(|c| may_pass && plain(c));
            conditions = rest;
            let through: Vec<Expr> = through;
            let through = through.iter().map(|c| {
                c.renumbered(|i| match columns[i].expr.kind {
                    ExprKind::Column(below) => below,
                    _ => unreachable!("only columns that are handed through"),
                })
            });
            let input = Box::new(pushed(*input, through.collect()));
            below(Node::Project { input, columns })
        }
        Node::Union { inputs } => {
            let inputs = inputs.into_iter().map(|input| pushed(input, conditions.clone())).collect();
            conditions = Vec::new();
            below(Node::Union { inputs })
        }
        node => {
            let plan = below(node);
            let Ok(plan) = plan.try_map_inputs(&mut |input| Ok::<_, std::convert::Infallible>(pushed(input.clone(), Vec::new())));
            plan
        }
    };
    match conditions.into_iter().reduce(Expr::and) {
        None => plan,
        Some(condition) => Plan::new(Node::Filter { input: Box::new(plan), condition }, span),
    }
}

enum Side {
    Left,
    Right,
}

/// The side of a join whose columns are all that a condition reads.
fn side(condition: &Expr, width: usize) -> Option<Side> {
    let columns = read(condition);
    match (columns.iter().all(|i| *i < width), columns.iter().all(|i| *i >= width)) {
        _ if columns.is_empty() || condition.can_fail() => None,
        (true, _) => Some(Side::Left),
        (_, true) => Some(Side::Right),
        _ => None,
    }
}

// Columns

/// The plan with at least the needed ones of its columns, and which of its columns those are, ascending.
fn prune(plan: &Plan, needed: &BTreeSet<usize>) -> (Plan, Vec<usize>) {
    let span = plan.span.clone();
    let of = |node| Plan::new(node, span.clone());
    let all = |plan: &Plan| (0..plan.columns().len()).collect::<BTreeSet<usize>>();
    match &plan.node {
        Node::Scan { .. } => {
            let columns = plan.columns();
            let kept = some(needed);
            let named = kept.iter().map(|&i| NamedExpr { name: columns[i].0.clone(), expr: Expr::column(i, columns[i].1) }).collect();
            (of(Node::Project { input: Box::new(plan.clone()), columns: named }), kept)
        }
        Node::Input { .. } => (plan.clone(), all(plan).into_iter().collect()),
        Node::Values { columns, rows } => {
            // As of a projection, below.
            let can_fail = rows.iter().flatten().any(Expr::can_fail);
            let kept: Vec<usize> = if can_fail { all(plan).into_iter().collect() } else { some(needed) };
            let columns = kept.iter().map(|&i| columns[i].clone()).collect();
            let rows = rows.iter().map(|row| kept.iter().map(|&i| row[i].clone()).collect()).collect();
            (of(Node::Values { columns, rows }), kept)
        }
        Node::Filter { input, condition } => {
            let (input, kept) = prune(input, &with(needed, [condition]));
            let condition = condition.over(&kept);
            (of(Node::Filter { input: Box::new(input), condition }), kept)
        }
        Node::Project { input, columns } => {
            // A column that nobody reads may still raise an error, which is the answer's.
            let can_fail = columns.iter().any(|c| c.expr.can_fail());
            let kept: Vec<usize> = if can_fail { all(plan).into_iter().collect() } else { some(needed) };
            let (input, below) = prune(input, &with(&BTreeSet::new(), kept.iter().map(|&i| &columns[i].expr)));
            let columns = kept.iter().map(|&i| NamedExpr { name: columns[i].name.clone(), expr: columns[i].expr.over(&below) }).collect();
            (of(Node::Project { input: Box::new(input), columns }), kept)
        }
        Node::Window { input, column, window } => {
            let width = input.columns().len();
            let by = match window {
                Window::Session { by, .. } => by.clone(),
                _ => Vec::new(),
            };
            let wanted = needed.iter().copied().filter(|i| *i < width).chain([*column]).chain(by).collect();
            let (input, mut kept) = prune(input, &wanted);
            let place = |i: &usize| kept.binary_search(i).expect("a column that was asked for");
            let window = match window {
                Window::Session { gap_us, by } => Window::Session { gap_us: *gap_us, by: by.iter().map(place).collect() },
                other => other.clone(),
            };
            let column = place(column);
            kept.extend((0..window.columns().len()).map(|i| width + i));
            (of(Node::Window { input: Box::new(input), column, window }), kept)
        }
        Node::Aggregate { input, keys, aggregates } => {
            let exprs = keys.iter().map(|k| &k.expr).chain(aggregates.iter().flat_map(Aggregate::args));
            let (input, kept) = prune(input, &with(&BTreeSet::new(), exprs));
            let keys = keys.iter().map(|k| NamedExpr { name: k.name.clone(), expr: k.expr.over(&kept) }).collect();
            let aggregates = aggregates.iter().map(|a| a.over(&kept)).collect();
            (of(Node::Aggregate { input: Box::new(input), keys, aggregates }), all(plan).into_iter().collect())
        }
        Node::Join { left, right, kind, on } => {
            let (left, right, kept, place) = prune_sides(left, right, &with(needed, on), &BTreeSet::new());
            let on = on.as_ref().map(|on| on.renumbered(&place));
            (of(Node::Join { left: Box::new(left), right: Box::new(right), kind: *kind, on }), kept)
        }
        Node::AsOfJoin { left, right, kind, on, op, left_at, right_at } => {
            // Of several nearest rows the greatest in all columns is meant.
            let (left, right, kept, place) = prune_sides(left, right, &with(needed, on.iter().chain([left_at])), &all(right));
            let on = on.as_ref().map(|on| on.renumbered(&place));
            let left_at = left_at.renumbered(&place);
            let (left, right, right_at) = (Box::new(left), Box::new(right), right_at.clone());
            (of(Node::AsOfJoin { left, right, kind: *kind, on, op: *op, left_at, right_at }), kept)
        }
        Node::TemporalJoin { left, right, kind, on, at, upserts } => {
            let wanted = with(&upserts.columns(), [&at.right_at]);
            let width = left.columns().len();
            let (left, right, kept, place) = prune_sides(left, right, &with(needed, on.iter().chain([&at.left_at])), &wanted);
            let on = on.as_ref().map(|on| on.renumbered(&place));
            let first_right = kept.partition_point(|i| *i < width);
            let of_right = |i: usize| place(i + width) - first_right;
            let at = Moment { left_at: at.left_at.renumbered(&place), right_at: at.right_at.renumbered(of_right), inclusive: at.inclusive };
            let upserts = upserts.renumbered(of_right);
            (of(Node::TemporalJoin { left: Box::new(left), right: Box::new(right), kind: *kind, on, at, upserts }), kept)
        }
        Node::Latest { input, upserts } => {
            let wanted = needed.union(&upserts.columns()).copied().collect();
            let (input, kept) = prune(input, &wanted);
            let upserts = upserts.renumbered(|i| kept.binary_search(&i).expect("a column that was asked for"));
            (of(Node::Latest { input: Box::new(input), upserts }), kept)
        }
        Node::Over { input, calls } => {
            let width = input.columns().len();
            let wanted = if calls.iter().any(OverCall::goes_by_rows) {
                all(input)
            } else {
                with(&needed.iter().copied().filter(|i| *i < width).collect(), calls.iter().flat_map(OverCall::exprs))
            };
            let (input, mut kept) = prune(input, &wanted);
            let calls: Vec<OverCall> = calls.iter().map(|c| c.over(&kept)).collect();
            kept.extend((0..calls.len()).map(|i| width + i));
            (of(Node::Over { input: Box::new(input), calls }), kept)
        }
        Node::Union { inputs } => {
            // All alike: so each puts out just what is needed.
            let kept = some(needed);
            let needed = kept.iter().copied().collect();
            let inputs = inputs.iter().map(|input| narrowed_to(input, &needed)).collect();
            (of(Node::Union { inputs }), kept)
        }
        // These look at all columns.
        Node::Sort { .. } | Node::Distinct { .. } | Node::Limit { .. } => {
            let Ok(plan) = plan.try_map_inputs(&mut |input| Ok::<_, std::convert::Infallible>(narrowed_to(input, &all(input))));
            let kept = all(&plan).into_iter().collect();
            (plan, kept)
        }
    }
}

/// These columns, or the first, where rows are only counted.
fn some(needed: &BTreeSet<usize>) -> Vec<usize> {
    if needed.is_empty() { vec![0] } else { needed.iter().copied().collect() }
}

/// The plan with exactly these columns, in their order.
fn narrowed_to(plan: &Plan, needed: &BTreeSet<usize>) -> Plan {
    let (plan, kept) = prune(plan, needed);
    if kept.iter().eq(needed) {
        return plan;
    }
    let columns = plan.columns();
    let column = |i: &usize| {
        let at = kept.binary_search(i).expect("a column that was asked for");
        NamedExpr { name: columns[at].0.clone(), expr: Expr::column(at, columns[at].1) }
    };
    let named = needed.iter().map(column).collect();
    let span = plan.span.clone();
    Plan::new(Node::Project { input: Box::new(plan), columns: named }, span)
}

/// Both sides of a join, the columns of it that are kept, and where each of them is now.
fn prune_sides(
    left: &Plan,
    right: &Plan,
    needed: &BTreeSet<usize>,
    of_right: &BTreeSet<usize>,
) -> (Plan, Plan, Vec<usize>, impl Fn(usize) -> usize + use<>) {
    let width = left.columns().len();
    let (left, mut kept) = prune(left, &needed.iter().copied().filter(|i| *i < width).collect());
    let wanted = needed.iter().filter(|i| **i >= width).map(|i| i - width).chain(of_right.iter().copied()).collect();
    let (right, kept_right) = prune(right, &wanted);
    kept.extend(kept_right.into_iter().map(|i| i + width));
    let places = kept.clone();
    (left, right, kept, move |i| places.binary_search(&i).expect("a column that was asked for"))
}

/// The columns with those that these expressions read.
fn with<'e>(columns: &BTreeSet<usize>, exprs: impl IntoIterator<Item = &'e Expr>) -> BTreeSet<usize> {
    let mut all = columns.clone();
    exprs.into_iter().for_each(|e| all.extend(read(e)));
    all
}

fn read(expr: &Expr) -> BTreeSet<usize> {
    let mut columns = BTreeSet::new();
    expr.visit(&mut |e| {
        if let ExprKind::Column(i) = e.kind {
            columns.insert(i);
        }
    });
    columns
}

impl Upserts {
    fn columns(&self) -> BTreeSet<usize> {
        self.key.iter().chain(&self.order).chain(&self.payload).copied().collect()
    }

    fn renumbered(&self, place: impl Fn(usize) -> usize) -> Upserts {
        let moved = |columns: &[usize]| columns.iter().map(|&i| place(i)).collect();
        Upserts { key: moved(&self.key), order: moved(&self.order), payload: moved(&self.payload) }
    }
}

impl OverCall {
    /// All that it evaluates in a row.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let of_function: Vec<&Expr> = match &self.function {
            OverFunction::RowNumber | OverFunction::Rank | OverFunction::DenseRank => Vec::new(),
            OverFunction::Aggregate(aggregate) => aggregate.args().collect(),
            OverFunction::Lag { arg, default, .. } => [arg].into_iter().chain(default).collect(),
            OverFunction::First(arg) | OverFunction::Last(arg) | OverFunction::Nth { arg, .. } | OverFunction::Known { arg, .. } => {
                vec![arg]
            }
        };
        of_function.into_iter().chain(&self.partition_by).chain(self.order_by.iter().map(|o| &o.expr))
    }

    pub(crate) fn exprs_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let of_function: Vec<&mut Expr> = match &mut self.function {
            OverFunction::RowNumber | OverFunction::Rank | OverFunction::DenseRank => Vec::new(),
            OverFunction::Aggregate(aggregate) => aggregate.arg.iter_mut().chain(&mut aggregate.beside).collect(),
            OverFunction::Lag { arg, default, .. } => [arg].into_iter().chain(default).collect(),
            OverFunction::First(arg) | OverFunction::Last(arg) | OverFunction::Nth { arg, .. } | OverFunction::Known { arg, .. } => {
                vec![arg]
            }
        };
        of_function.into_iter().chain(&mut self.partition_by).chain(self.order_by.iter_mut().map(|o| &mut o.expr))
    }

    /// Whether it depends on which of several rows that tie comes first.
    fn goes_by_rows(&self) -> bool {
        match self.function {
            OverFunction::Rank | OverFunction::DenseRank => false,
            OverFunction::RowNumber | OverFunction::Lag { .. } => true,
            OverFunction::First(_) | OverFunction::Last(_) | OverFunction::Nth { .. } | OverFunction::Known { .. } => true,
            OverFunction::Aggregate(_) => matches!(self.frame, Frame::Rows { .. } | Frame::RowsBetween { .. }),
        }
    }

    fn over(&self, kept: &[usize]) -> OverCall {
        let of = |e: &Expr| e.over(kept);
        let function = match &self.function {
            OverFunction::Aggregate(aggregate) => OverFunction::Aggregate(aggregate.over(kept)),
            OverFunction::Lag { arg, rows, default } => OverFunction::Lag { arg: of(arg), rows: *rows, default: default.as_ref().map(of) },
            OverFunction::First(arg) => OverFunction::First(of(arg)),
            OverFunction::Last(arg) => OverFunction::Last(of(arg)),
            OverFunction::Nth { arg, row } => OverFunction::Nth { arg: of(arg), row: *row },
            OverFunction::Known { arg, last } => OverFunction::Known { arg: of(arg), last: *last },
            ranked @ (OverFunction::RowNumber | OverFunction::Rank | OverFunction::DenseRank) => ranked.clone(),
        };
        let order_by = self.order_by.iter().map(|o| Order { expr: of(&o.expr), ..*o }).collect();
        OverCall { function, partition_by: self.partition_by.iter().map(of).collect(), order_by, frame: self.frame }
    }
}
