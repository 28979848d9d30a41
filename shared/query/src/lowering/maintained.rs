//! A query's plan put together again, for an engine that keeps all of its rows and not only the groups below it.

use std::convert::Infallible;

use crate::plan::{Node, Plan, Window};
use crate::query::{PanedWindows, Panes, Query};
use crate::types::*;

/// A query of which an engine keeps the rows themselves, as they come and go.
///
/// ```
/// use arrow_schema::{DataType, Field, Schema};
/// let schema = Schema::new(vec![Field::new("k", DataType::Utf8, false), Field::new("n", DataType::Int64, true)]);
/// let sql = "SELECT a.k, b.n FROM t a JOIN t b ON a.k = b.k ORDER BY b.n LIMIT 3";
/// let maintained = twopath_query::parse(sql, "t", &schema).unwrap().maintained().unwrap();
/// assert!(maintained.plan.to_string().starts_with("Inner join on (k = k)"));
/// // Order and LIMIT wait until an answer is asked for.
/// assert!(maintained.rows.finish.is_some());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Maintained {
    /// What comes and goes: a plan over its topics in which nothing asks for an order, unless that stands below something that gives none.
    pub plan: Plan,
    /// The rows of the plan as a query of rows, each counted, and what is done with them when an answer is asked for: their order and LIMIT. Only the types of its keys
    /// count, which are the plan's columns; its topic is the first that the plan reads.
    pub rows: Query,
    /// Whether each row of the plan is let through when it is final (`EMIT ON WINDOW CLOSE`), so that whoever is given it has it for good.
    pub is_final: bool,
}

impl Query {
    /// The same query as one of whose groups nothing more is computed than themselves, so that it has a [whole plan](Query::maintained). What it says of an order is
    /// left out.
    pub fn with_whole_plan(self) -> Query {
        let columns = self.answer_columns();
        let groups = || Box::new(Plan::new(Node::Input { number: 0, columns }, 0..0));
        Query { finish: Some(self.finish.clone().unwrap_or_else(groups)), ..self }
    }

    /// The whole plan of a query of which more is computed than groups ([`Query::finish`]); `None` where its groups are the answer.
    pub fn maintained(&self) -> Option<Maintained> {
        if let Some(whole) = &self.whole {
            return Some(whole.maintained());
        }
        Some(self.finish.as_ref()?.with_inputs(&[self.flat_plan()]).maintained())
    }

    /// What the flat query answers, as a plan. It has no order: what is above it has.
    pub(super) fn flat_plan(&self) -> Plan {
        let of = |node| Plan::new(node, 0..0);
        let above = |plan: Plan| Box::new(plan);
        let mut rows = of(Node::Scan { topic: self.topic.clone(), fields: self.fields.clone() });
        if let Some(condition) = &self.filter {
            rows = of(Node::Filter { input: above(rows), condition: condition.clone() });
        }
        let (rows, keys, aggregates) = match &self.panes {
            None => (rows, self.keys.clone(), self.aggregates.clone()),
            Some(panes) => self.windowed(rows, panes),
        };
        let groups = if self.rows {
            of(Node::Project { input: above(rows), columns: keys })
        } else {
            of(Node::Aggregate { input: above(rows), keys, aggregates })
        };
        let shown = match &self.having {
            Some(condition) => of(Node::Filter { input: above(groups), condition: condition.clone() }),
            None => groups,
        };
        let output = of(Node::Project { input: above(shown), columns: self.output.clone() });
        if self.distinct { of(Node::Distinct { input: above(output) }) } else { output }
    }

    /// Rows with their windows in the place of panes, and the keys and aggregates over them.
    fn windowed(&self, rows: Plan, panes: &Panes) -> (Plan, Vec<NamedExpr>, Vec<Aggregate>) {
        let mut columns: Vec<NamedExpr> = Vec::new();
        let mut put = |expr: &Expr| {
            columns.push(NamedExpr { name: "column".to_owned(), expr: expr.clone() });
            Expr::column(columns.len() - 1, expr.data_type)
        };
        let mut keys: Vec<NamedExpr> = self.keys.iter().map(|key| NamedExpr { name: key.name.clone(), expr: put(&key.expr) }).collect();
        // A pane's start is not needed, but it raises what a window's would.
        let over = |aggregate: &Aggregate, put: &mut dyn FnMut(&Expr) -> Expr| Aggregate {
            function: aggregate.function,
            arg: aggregate.arg.as_ref().map(&mut *put),
            beside: aggregate.beside.iter().map(&mut *put).collect(),
        };
        let aggregates = self.aggregates.iter().map(|a| over(a, &mut put)).collect();
        let Expr { kind: ExprKind::Column(column), .. } = put(&panes.time) else { unreachable!("a column was put out") };
        let window = match panes.windows {
            PanedWindows::Hop { slide_us, size_us, offset_us } => Window::Hop { slide_us, size_us, offset_us },
            PanedWindows::Cumulate { step_us, size_us, offset_us } => Window::Cumulate { step_us, size_us, offset_us },
            PanedWindows::Session { gap_us, .. } => {
                Window::Session { gap_us, by: (0..self.keys.len()).filter(|&key| key != panes.key).collect() }
            }
        };
        keys[panes.key].expr = Expr::column(columns.len(), DataType::Timestamp);
        let projected = Plan::new(Node::Project { input: Box::new(rows), columns }, 0..0);
        (Plan::new(Node::Window { input: Box::new(projected), column, window }, 0..0), keys, aggregates)
    }
}

impl Plan {
    /// The plan as one whose rows an engine keeps, over one topic or several.
    ///
    /// # Panics
    /// For a plan that was cut already, and so reads no topic.
    ///
    /// ```
    /// # use arrow_schema::{DataType, Field, Schema};
    /// # use twopath_query::{TopicSchema, logical_plan_over};
    /// # let schema = Schema::new(vec![Field::new("k", DataType::Int64, false)]);
    /// # let topic = |name| TopicSchema { name, schema: &schema, key: None, time: None };
    /// let plan = logical_plan_over("SELECT a.k FROM a JOIN b ON a.k = b.k LIMIT 3", &[topic("a"), topic("b")])?;
    /// assert!(plan.query().is_err(), "it is of two topics");
    /// assert!(plan.maintained().plan.to_string().contains("Inner join"));
    /// # Ok::<(), twopath_query::QueryError>(())
    /// ```
    pub fn maintained(&self) -> Maintained {
        let whole = composed(composed(self.clone()).narrowed());
        let Some(Node::Scan { topic, fields }) = whole.scan().map(|scan| scan.node.clone()) else { unreachable!("a plan reads a topic") };
        let mut unordered = None;
        let finish = whole.split_order(&mut unordered);
        let plan = unordered.expect("every plan has a part without an order: its scans, if nothing else");
        let keys: Vec<NamedExpr> = plan.as_they_are().collect();
        let finish = (!matches!(finish.node, Node::Input { .. })).then(|| Box::new(finish));
        let count = vec![Aggregate::new(AggregateFunction::Count, None)];
        let rows = Query { output: keys.clone(), keys, aggregates: count, rows: true, finish, ..Query::over(topic, fields) };
        Maintained { plan, rows, is_final: self.is_let_through_finally() }
    }

    /// The plan with these in the place of its inputs, by their numbers.
    pub(super) fn with_inputs(&self, plans: &[Plan]) -> Plan {
        if let Node::Input { number, .. } = self.node {
            return plans[number].clone();
        }
        let Ok(whole) = self.try_map_inputs(&mut |input| Ok::<_, Infallible>(input.with_inputs(plans)));
        whole
    }

    /// What is above the largest part that has no order; that part goes into `below`.
    fn split_order(&self, below: &mut Option<Plan>) -> Plan {
        let keeps_order = matches!(
            self.node,
            Node::Sort { .. } | Node::Limit { .. } | Node::Project { .. } | Node::Filter { .. } | Node::Distinct { .. }
        );
        if keeps_order && self.is_ordered() {
            let Ok(above) = self.try_map_inputs(&mut |input| Ok::<_, Infallible>(input.split_order(below)));
            return above;
        }
        *below = Some(self.clone());
        Plan::new(Node::Input { number: 0, columns: self.columns() }, self.span.clone())
    }
}

/// The plan with projections of columns and literals written into the projections above them.
fn composed(plan: Plan) -> Plan {
    let Ok(plan) = plan.try_map_inputs(&mut |input| Ok::<_, Infallible>(composed(input.clone())));
    let Node::Project { input, columns } = &plan.node else { return plan };
    let Node::Project { input: below, columns: inner } = &input.node else { return plan };
    if !inner.iter().all(|c| matches!(c.expr.kind, ExprKind::Column(_) | ExprKind::Literal(_))) {
        return plan;
    }
    let inlined = |column: &NamedExpr| {
        let Ok(expr) = column.expr.try_columns(&mut |i, _| Ok::<_, Infallible>(inner[i].expr.clone()));
        NamedExpr { name: column.name.clone(), expr }
    };
    let columns = columns.iter().map(inlined).collect();
    Plan::new(Node::Project { input: below.clone(), columns }, plan.span.clone())
}
