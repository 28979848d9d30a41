//! The first lowering: a plan of one topic as the flat query that every engine computes.

use super::panes::{Grouped, Paned, WINDOW, reads_window};
use crate::plan::{Node, NotLowered, Plan, Window};
use crate::query::{Panes, Query};
use crate::types::*;

impl Plan {
    /// The flat query that computes this plan.
    ///
    /// # Errors
    /// Where the plan has a shape that engines do not compute yet, and where writing projections into what reads them makes expressions too large.
    pub fn lower(&self) -> Result<Query, NotLowered> {
        let (mut limit, mut offset, mut distinct) = (None, 0, false);
        let mut plan = self;
        if let Node::Limit { input, limit: rows, offset: left_out } = &plan.node {
            (limit, offset, plan) = (*rows, *left_out, input);
        }
        if let Node::Distinct { input } = &plan.node {
            (distinct, plan) = (true, input);
        }
        let Node::Project { input, columns: output } = &plan.node else {
            let refused = || plan.refused("a query puts out columns: write SELECT and their names");
            return Err(below(plan).err().unwrap_or_else(refused));
        };
        let (input, by) = match &input.node {
            Node::Sort { input, by } => (&**input, &by[..]),
            _ => (&**input, &[][..]),
        };
        let below = below(input)?;
        let output = below.named(output, plan)?;
        let by: Vec<Order> = by.iter().map(|o| Ok(Order { expr: below.inlined(&o.expr, plan)?, ..*o })).collect::<Result<_, _>>()?;
        Ok(match below.groups {
            Some(groups) => {
                let Groups { rows, keys, aggregates, panes } = *groups;
                Query { keys, aggregates, panes, output, having: below.filter, order_by: by, distinct, offset, limit, ..rows.query(false) }
            }
            // Rows that are grouped by all that is put out are distinct already, unless that is computed of their windows.
            None => Query { offset, limit, ..below.of_rows(output, by, distinct, plan)? },
        })
    }
}

/// A chain of filters and projections, over a topic's rows or over groups: one condition, and each column as an expression over what lies below.
struct Below {
    topic: String,
    fields: Vec<Field>,
    filter: Option<Expr>,
    columns: Vec<Expr>,
    /// The windows that rows are in, where these overlap or end where the rows do.
    paned: Option<Paned>,
    groups: Option<Box<Groups>>,
}

struct Groups {
    rows: Below,
    keys: Vec<NamedExpr>,
    aggregates: Vec<Aggregate>,
    panes: Option<Panes>,
}

/// How many nodes the expressions of one operator may have once those below are written into them.
const SIZE_MAX: usize = 10_000;
/// serde_json reads 128 levels; some of them are above the expression.
const NESTING_MAX: usize = 110;

fn below(plan: &Plan) -> Result<Below, NotLowered> {
    match &plan.node {
        Node::Scan { topic, fields } => {
            let columns = plan.columns().into_iter().enumerate().map(|(i, (_, t))| Expr::column(i, t)).collect();
            Ok(Below { topic: topic.clone(), fields: fields.clone(), filter: None, columns, paned: None, groups: None })
        }
        Node::Filter { input, condition } => {
            let mut below = below(input)?;
            let condition = below.inlined(condition, plan)?;
            // A condition over windows leaves out rows of a window, and one after sessions leaves rows out that held them together.
            let is_session = below.paned.as_ref().is_some_and(|p| matches!(p.window, Window::Session { .. }));
            if is_session || reads_window(&condition) {
                return Err(plan.not_flat("a condition over windows that overlap"));
            }
            below.filter = Some(match below.filter.take() {
                None => condition,
                // The inner condition comes first, so that it guards the outer one.
                Some(inner) => Expr::binary(BinaryOp::And, inner, condition, DataType::Bool),
            });
            Ok(below)
        }
        Node::Project { input, columns } => {
            let mut below = below(input)?;
            below.columns = below.named(columns, plan)?.into_iter().map(|c| c.expr).collect();
            Ok(below)
        }
        Node::Window { input, column, window } => {
            let mut below = below(input)?;
            if below.groups.is_some() || below.paned.is_some() {
                return Err(plan.not_flat("a window over groups or windows"));
            }
            let time = below.columns[*column].clone();
            match window {
                Window::Tumble { size, offset_us } => below.columns.push(size.start(time, *offset_us)),
                _ => {
                    let by = match window {
                        Window::Session { by, .. } => by.iter().map(|&i| below.columns[i].clone()).collect(),
                        _ => Vec::new(),
                    };
                    let columns = window.columns().iter().enumerate().map(|(i, _)| Expr::column(WINDOW + i, DataType::Timestamp));
                    below.columns.extend(columns);
                    below.paned = Some(Paned { window: window.clone(), time, by });
                }
            }
            Ok(below)
        }
        Node::Aggregate { input, keys, aggregates } => {
            let mut below = below(input)?;
            if below.groups.is_some() {
                return Err(plan.not_flat("a grouping of groups"));
            }
            let keys = below.named(keys, plan)?;
            let aggregates: Vec<Aggregate> = aggregates
                .iter()
                .map(|a| {
                    let arg = a.arg.as_ref().map(|e| below.inlined(e, plan)).transpose()?;
                    let beside = a.beside.iter().map(|e| below.inlined(e, plan)).collect::<Result<_, _>>()?;
                    Ok(Aggregate { function: a.function, arg, beside })
                })
                .collect::<Result<_, _>>()?;
            if let Some(paned) = below.paned.take() {
                let Grouped { keys, aggregates, columns, panes } = paned.grouped(keys, aggregates, plan)?;
                below.also(paned.condition());
                return Ok(below.grouped(columns, keys, aggregates, Some(panes)));
            }
            let types = keys.iter().map(|k| k.expr.data_type).chain(aggregates.iter().map(Aggregate::data_type));
            let columns = types.enumerate().map(|(i, t)| Expr::column(i, t)).collect();
            Ok(below.grouped(columns, keys, aggregates, None))
        }
        Node::Sort { .. } => Err(plan.not_flat("ORDER BY in a subquery")),
        Node::Distinct { .. } => Err(plan.not_flat("SELECT DISTINCT in a subquery")),
        Node::Limit { .. } => Err(plan.not_flat("LIMIT in a subquery")),
        Node::Over { .. } => Err(plan.not_flat("OVER")),
        Node::Union { .. } => Err(plan.not_flat("a UNION")),
        Node::Join { .. } | Node::AsOfJoin { .. } | Node::TemporalJoin { .. } => Err(plan.not_flat("a join")),
        Node::Latest { .. } => Err(plan.not_flat("UPSERT")),
        Node::Input { .. } => Err(plan.not_flat("an input")),
        Node::Values { .. } => Err(plan.not_flat("a table of constants (VALUES, SELECT without FROM)")),
    }
}

impl Below {
    fn also(&mut self, condition: Expr) {
        self.filter = Some(match self.filter.take() {
            None => condition,
            Some(filter) => Expr::binary(BinaryOp::And, filter, condition, DataType::Bool),
        });
    }

    fn grouped(self, columns: Vec<Expr>, keys: Vec<NamedExpr>, aggregates: Vec<Aggregate>, panes: Option<Panes>) -> Below {
        let (topic, fields) = (self.topic.clone(), self.fields.clone());
        let groups = Some(Box::new(Groups { rows: self, keys, aggregates, panes }));
        Below { topic, fields, filter: None, columns, paned: None, groups }
    }

    /// An expression over this chain's columns as one over what lies below it.
    fn inlined(&self, expr: &Expr, plan: &Plan) -> Result<Expr, NotLowered> {
        let mut size = 0;
        expr.visit(&mut |e| {
            size += match e.kind {
                ExprKind::Column(i) => self.columns[i].size(),
                _ => 1,
            }
        });
        if size > SIZE_MAX {
            return Err(plan.refused(
                "the expressions of these nested queries become too large when they are put together: name fewer of them more than once",
            ));
        }
        let inlined: Result<Expr, std::convert::Infallible> = expr.try_columns(&mut |i, _| Ok(self.columns[i].clone()));
        let Ok(inlined) = inlined;
        if nests_too_deeply(&inlined) {
            return Err(plan.refused("the expression nests too deeply: split it into several output columns, or put parentheses so that both sides of its operators are alike in length"));
        }
        Ok(inlined)
    }

    fn named(&self, columns: &[NamedExpr], plan: &Plan) -> Result<Vec<NamedExpr>, NotLowered> {
        let named = columns.iter().map(|c| Ok(NamedExpr { name: c.name.clone(), expr: self.inlined(&c.expr, plan)? }));
        let named = named.collect::<Result<Vec<_>, NotLowered>>()?;
        if named.iter().map(|c| c.expr.size()).sum::<usize>() > SIZE_MAX.max(columns.iter().map(|c| c.expr.size()).sum()) {
            return Err(plan.refused(
                "the expressions of these nested queries become too large when they are put together: name fewer of them more than once",
            ));
        }
        Ok(named)
    }

    /// A query over these rows that nothing is said of yet.
    fn query(self, rows: bool) -> Query {
        Query { filter: self.filter, rows, ..Query::over(self.topic, self.fields) }
    }

    /// The query that puts rows out: grouped by all columns and by what they are ordered by, each group as often as it was seen; distinct rows once.
    fn of_rows(mut self, output: Vec<NamedExpr>, by: Vec<Order>, distinct: bool, plan: &Plan) -> Result<Query, NotLowered> {
        let mut keys: Vec<NamedExpr> = Vec::new();
        let output: Vec<NamedExpr> =
            output.into_iter().map(|o| NamedExpr { expr: key(&mut keys, &o.name, o.expr), name: o.name }).collect();
        let order_by =
            by.into_iter().map(|o| Order { expr: over_keys(&o.expr, &keys).unwrap_or_else(|()| key(&mut keys, "order", o.expr)), ..o });
        let order_by = order_by.collect();
        let panes = match self.paned.take() {
            None => None,
            Some(Paned { window: Window::Session { .. }, .. }) => return Err(plan.not_flat("a query for the rows of sessions")),
            Some(paned) => {
                let Some(pane) = keys.iter().position(|k| matches!(k.expr.kind, ExprKind::Column(WINDOW))) else {
                    return Err(plan.not_flat("a query for rows without their window"));
                };
                keys[pane].expr = paned.pane();
                self.also(paned.condition());
                Some(Panes { key: pane, time: paned.time.clone(), windows: paned.windows(&mut Vec::new()) })
            }
        };
        let aggregates = if distinct { Vec::new() } else { vec![Aggregate::new(AggregateFunction::Count, None)] };
        // Of what is computed of a window, several windows may have the same.
        let is_coarser = output.iter().any(|o| !matches!(o.expr.kind, ExprKind::Column(_)));
        Ok(Query { keys, aggregates, panes, output, order_by, distinct: distinct && is_coarser, ..self.query(!distinct) })
    }
}

/// The expression as one over keys, to which it is added. What a window's columns are computed to is computed when an answer is made.
fn key(keys: &mut Vec<NamedExpr>, name: &str, expr: Expr) -> Expr {
    if reads_window(&expr) && !matches!(expr.kind, ExprKind::Column(_)) {
        let over: Result<Expr, std::convert::Infallible> = expr.try_columns(&mut |i, t| Ok(key(keys, name, Expr::column(i, t))));
        let Ok(over) = over;
        return over;
    }
    let data_type = expr.data_type;
    let index = keys.iter().position(|k| k.expr == expr).unwrap_or_else(|| {
        keys.push(NamedExpr { name: name.to_owned(), expr });
        keys.len() - 1
    });
    Expr::column(index, data_type)
}

/// The expression over a group's keys; the error is that it reads something else.
fn over_keys(expr: &Expr, keys: &[NamedExpr]) -> Result<Expr, ()> {
    match keys.iter().position(|k| k.expr == *expr) {
        Some(key) => Ok(Expr::column(key, expr.data_type)),
        None if matches!(expr.kind, ExprKind::Column(_)) => Err(()),
        None => expr.try_map(&mut |e| over_keys(e, keys)),
    }
}

/// Whether the expression's JSON nests deeper than a manifest can be read again. It looks no further than that, and so needs little of the stack.
pub(crate) fn nests_too_deeply(expr: &Expr) -> bool {
    fn beyond(expr: &Expr, levels: usize) -> bool {
        let own = match expr.kind {
            ExprKind::Case { .. } => 5,
            ExprKind::Call { .. } => 4,
            _ => 3,
        };
        let Some(left) = levels.checked_sub(own) else { return true };
        for child in expr.children() {
            if beyond(child, left) {
                return true;
            }
        }
        false
    }
    beyond(expr, NESTING_MAX)
}
