//! The logical plan: what a SQL text asks for, as a tree of relational operators, before it is known which engine computes it.
//!
//! [`crate::logical_plan`] makes it of a text. [`Plan::lower`] turns it into the one shape that engines know today, the flat [`Query`]: the operators
//! below the aggregate become one filter, one list of keys and one list of aggregates over the topic's columns (projections are written into
//! what reads them), and those above it become what is done at answering time. A plan of another shape is refused, with its place.
//!
//! ```
//! use arrow_schema::{DataType, Field, Schema};
//! let schema = Schema::new(vec![Field::new("origin", DataType::Utf8, false), Field::new("delay", DataType::Int64, true)]);
//! let sql = "SELECT origin, MAX(d) AS worst FROM (SELECT origin, delay * 60 AS d FROM flights) s GROUP BY origin LIMIT 3";
//! let plan = twopath_query::logical_plan(sql, "flights", &schema).unwrap();
//! assert_eq!(
//!     plan.to_string(),
//!     "\
//! Limit 3
//!   Project origin, MAX(d) AS worst
//!     Aggregate MAX(d) by origin
//!       Project origin, (delay * 60) AS d
//!         Scan flights"
//! );
//! let query = plan.lower().unwrap();
//! assert_eq!(query.to_string(), "SELECT origin AS origin, MAX((delay * 60)) AS worst FROM flights GROUP BY origin LIMIT 3");
//! ```

use std::fmt;
use std::ops::Range;

use twopath_base::LogColumn;

use crate::display::{aggregate_text, identifier};
use crate::types::*;

/// An operator with those below it, and the bytes of the SQL text that it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub node: Node,
    pub span: Range<usize>,
}

/// An operator. Its expressions' columns are those of its input, by index.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// All rows of a topic, with all its columns, and behind them the log's own ([`LogColumn`]).
    Scan { topic: String, fields: Vec<Field> },
    /// The rows for which a condition is TRUE.
    Filter { input: Box<Plan>, condition: Expr },
    /// One row of these columns for each row.
    Project { input: Box<Plan>, columns: Vec<NamedExpr> },
    /// Each row with one column more, `window_start`: the start of the tumbling window that the timestamp in `column` falls in.
    Window { input: Box<Plan>, column: usize, size: WindowSize },
    /// One row per group: the keys, then the aggregates. Without keys one row in all.
    Aggregate { input: Box<Plan>, keys: Vec<NamedExpr>, aggregates: Vec<Aggregate> },
    /// The rows in this order.
    Sort { input: Box<Plan>, by: Vec<Order> },
    /// Of rows that are alike, the first.
    Distinct { input: Box<Plan> },
    /// So many rows, after so many.
    Limit { input: Box<Plan>, limit: Option<u64>, offset: u64 },
}

/// The length of a tumbling window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowSize {
    /// Microseconds; windows are aligned to 1970-01-01 UTC.
    Fixed(i64),
    /// Aligned to the calendar, in UTC.
    Calendar(TimeUnit),
}

impl WindowSize {
    /// The start of the window that the timestamp falls in.
    pub fn start(self, timestamp: Expr) -> Expr {
        let arg = Box::new(timestamp);
        let kind = match self {
            WindowSize::Fixed(size_us) => ExprKind::Tumble { arg, size_us },
            WindowSize::Calendar(unit) => ExprKind::DateTrunc { unit, arg },
        };
        Expr::new(kind, DataType::Timestamp)
    }
}

/// Why a plan cannot be computed yet: what is asked for, what to write instead, and which bytes of the text it is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotLowered {
    pub message: String,
    pub span: Range<usize>,
}

impl Plan {
    pub fn new(node: Node, span: Range<usize>) -> Self {
        Plan { node, span }
    }

    /// The operator's columns: their names and types.
    pub fn columns(&self) -> Vec<(String, DataType)> {
        match &self.node {
            Node::Scan { fields, .. } => {
                let log = LogColumn::ALL.map(|c| (c.name().to_owned(), log_column_type(c)));
                fields.iter().map(|f| (f.name.clone(), f.data_type)).chain(log).collect()
            }
            Node::Project { columns, .. } => columns.iter().map(|c| (c.name.clone(), c.expr.data_type)).collect(),
            Node::Window { input, .. } => {
                let mut columns = input.columns();
                columns.push(("window_start".to_owned(), DataType::Timestamp));
                columns
            }
            Node::Aggregate { input, keys, aggregates } => {
                let names = input.names();
                let keys = keys.iter().map(|k| (k.name.clone(), k.expr.data_type));
                keys.chain(aggregates.iter().map(|a| (aggregate_text(a, &names), a.data_type()))).collect()
            }
            Node::Filter { input, .. } | Node::Sort { input, .. } | Node::Distinct { input } | Node::Limit { input, .. } => input.columns(),
        }
    }

    /// The columns' names as expressions write them.
    fn names(&self) -> Vec<String> {
        match &self.node {
            Node::Aggregate { input, keys, aggregates } => {
                let names = input.names();
                let keys = keys.iter().map(|k| k.expr.named(&names).to_string());
                keys.chain(aggregates.iter().map(|a| aggregate_text(a, &names))).collect()
            }
            Node::Window { input, .. } => input.names().into_iter().chain(["window_start".to_owned()]).collect(),
            Node::Filter { input, .. } | Node::Sort { input, .. } | Node::Distinct { input } | Node::Limit { input, .. } => input.names(),
            Node::Scan { .. } | Node::Project { .. } => self.columns().iter().map(|(name, _)| identifier(name)).collect(),
        }
    }

    fn input(&self) -> Option<&Plan> {
        match &self.node {
            Node::Scan { .. } => None,
            Node::Filter { input, .. }
            | Node::Project { input, .. }
            | Node::Window { input, .. }
            | Node::Aggregate { input, .. }
            | Node::Sort { input, .. }
            | Node::Distinct { input }
            | Node::Limit { input, .. } => Some(input),
        }
    }

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
            return Err(plan.refused("a query puts out columns: write SELECT and their names"));
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
                let Groups { rows, keys, aggregates } = *groups;
                Query { keys, aggregates, output, having: below.filter, order_by: by, distinct, offset, limit, ..rows.query(false) }
            }
            // Rows that are grouped by all that is put out are distinct already.
            None => Query { offset, limit, ..below.of_rows(output, by, distinct) },
        })
    }

    fn refused(&self, message: impl Into<String>) -> NotLowered {
        NotLowered { message: message.into(), span: self.span.clone() }
    }
}

/// A chain of filters and projections, over a topic's rows or over groups: one condition, and each column as an expression over what lies below.
struct Below {
    topic: String,
    fields: Vec<Field>,
    filter: Option<Expr>,
    columns: Vec<Expr>,
    groups: Option<Box<Groups>>,
}

struct Groups {
    rows: Below,
    keys: Vec<NamedExpr>,
    aggregates: Vec<Aggregate>,
}

/// How many nodes the expressions of one operator may have once those below are written into them.
const SIZE_MAX: usize = 10_000;
/// serde_json reads 128 levels; some of them are above the expression.
const NESTING_MAX: usize = 110;

fn below(plan: &Plan) -> Result<Below, NotLowered> {
    match &plan.node {
        Node::Scan { topic, fields } => {
            let columns = plan.columns().into_iter().enumerate().map(|(i, (_, t))| Expr::column(i, t)).collect();
            Ok(Below { topic: topic.clone(), fields: fields.clone(), filter: None, columns, groups: None })
        }
        Node::Filter { input, condition } => {
            let mut below = below(input)?;
            let condition = below.inlined(condition, plan)?;
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
        Node::Window { input, column, size } => {
            let mut below = below(input)?;
            if below.groups.is_some() {
                return Err(plan.refused("a window over groups is not supported yet: group by a window of the topic, or make the inner query a feed and query that"));
            }
            below.columns.push(size.start(below.columns[*column].clone()));
            Ok(below)
        }
        Node::Aggregate { input, keys, aggregates } => {
            let below = below(input)?;
            if below.groups.is_some() {
                return Err(plan.refused("groups of groups are not supported yet: compute the outer aggregates over the inner answer, or make the inner query a feed and query that"));
            }
            let keys = below.named(keys, plan)?;
            let aggregates: Vec<Aggregate> = aggregates
                .iter()
                .map(|a| {
                    let arg = a.arg.as_ref().map(|e| below.inlined(e, plan)).transpose()?;
                    Ok(Aggregate { function: a.function, arg })
                })
                .collect::<Result<_, _>>()?;
            let types = keys.iter().map(|k| k.expr.data_type).chain(aggregates.iter().map(Aggregate::data_type));
            let columns = types.enumerate().map(|(i, t)| Expr::column(i, t)).collect();
            let (topic, fields) = (below.topic.clone(), below.fields.clone());
            Ok(Below { topic, fields, filter: None, columns, groups: Some(Box::new(Groups { rows: below, keys, aggregates })) })
        }
        Node::Sort { .. } => Err(plan.refused("ORDER BY in a subquery has no effect: put it at the end of the whole query")),
        Node::Distinct { .. } => Err(plan.refused("SELECT DISTINCT in a subquery is not supported yet: GROUP BY the same columns")),
        Node::Limit { .. } => {
            Err(plan.refused("LIMIT and OFFSET in a subquery are not supported yet: put them at the end of the whole query"))
        }
    }
}

impl Below {
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
        Query {
            topic: self.topic,
            fields: self.fields,
            filter: self.filter,
            keys: Vec::new(),
            aggregates: Vec::new(),
            rows,
            output: Vec::new(),
            having: None,
            order_by: Vec::new(),
            distinct: false,
            offset: 0,
            limit: None,
        }
    }

    /// The query that puts rows out: grouped by all columns and by what they are ordered by, each group as often as it was seen; distinct rows once.
    fn of_rows(self, output: Vec<NamedExpr>, by: Vec<Order>, distinct: bool) -> Query {
        let mut keys: Vec<NamedExpr> = Vec::new();
        let key = |keys: &mut Vec<NamedExpr>, name: &str, expr: Expr| {
            let data_type = expr.data_type;
            let index = keys.iter().position(|k| k.expr == expr).unwrap_or_else(|| {
                keys.push(NamedExpr { name: name.to_owned(), expr });
                keys.len() - 1
            });
            Expr::column(index, data_type)
        };
        let output = output.into_iter().map(|o| NamedExpr { expr: key(&mut keys, &o.name, o.expr), name: o.name }).collect();
        let order_by =
            by.into_iter().map(|o| Order { expr: over_keys(&o.expr, &keys).unwrap_or_else(|()| key(&mut keys, "order", o.expr)), ..o });
        let order_by = order_by.collect();
        let aggregates = if distinct { Vec::new() } else { vec![Aggregate { function: AggregateFunction::Count, arg: None }] };
        Query { keys, aggregates, output, order_by, ..self.query(!distinct) }
    }
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

/// An indented tree, each operator above its input.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut plan = Some(self);
        let mut level = 0;
        while let Some(p) = plan {
            if level > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{:1$}", "", 2 * level)?;
            p.line(f)?;
            plan = p.input();
            level += 1;
        }
        Ok(())
    }
}

impl Plan {
    fn line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.input().map(Plan::names).unwrap_or_default();
        let listed = |columns: &[NamedExpr]| {
            let column = |c: &NamedExpr| {
                let (text, name) = (c.expr.named(&names).to_string(), identifier(&c.name));
                if text == name { text } else { format!("{text} AS {name}") }
            };
            columns.iter().map(column).collect::<Vec<_>>().join(", ")
        };
        match &self.node {
            Node::Scan { topic, .. } => write!(f, "Scan {}", identifier(topic)),
            Node::Filter { condition, .. } => write!(f, "Filter {}", condition.named(&names)),
            Node::Project { columns, .. } => write!(f, "Project {}", listed(columns)),
            Node::Window { column, size, .. } => {
                let column = Expr::column(*column, DataType::Timestamp);
                write!(f, "Window {}", size.start(column).named(&names))
            }
            Node::Aggregate { keys, aggregates, .. } => {
                let aggregates: Vec<String> = aggregates.iter().map(|a| aggregate_text(a, &names)).collect();
                write!(f, "Aggregate {}", aggregates.join(", "))?;
                let keys: Vec<String> = keys.iter().map(|k| k.expr.named(&names).to_string()).collect();
                if keys.is_empty() { Ok(()) } else { write!(f, "{}by {}", if aggregates.is_empty() { "" } else { " " }, keys.join(", ")) }
            }
            Node::Sort { by, .. } => {
                let by = by.iter().map(|o| format!("{} {}", o.expr.named(&names), o.direction()));
                write!(f, "Sort {}", by.collect::<Vec<_>>().join(", "))
            }
            Node::Distinct { .. } => f.write_str("Distinct"),
            Node::Limit { limit, offset, .. } => {
                f.write_str("Limit")?;
                limit.map_or(Ok(()), |rows| write!(f, " {rows}"))?;
                if *offset > 0 { write!(f, " after {offset}") } else { Ok(()) }
            }
        }
    }
}
