//! A plan in which the moment that rows are passed by ([`Passed`]) is put out no further than it is read: each time that it moves on, all rows beside it would be other ones.

use twopath_query::plan::{Node, OverCall, OverFunction, Window};
use twopath_query::{Aggregate, DataType, Expr, NamedExpr, Plan, Value};

use super::passed::Passed;

/// The same rows: what nobody reads, which is one value in all of them, is NULL.
pub fn without_unread_moments(plan: &Plan) -> Plan {
    rewritten(plan, &|_| true)
}

/// Where `is_read` says which of the plan's columns something above it reads.
fn rewritten(plan: &Plan, is_read: &dyn Fn(usize) -> bool) -> Plan {
    let width = |input: &Plan| input.columns().len();
    let of = |input: &Plan, reads: &dyn Fn(usize) -> bool| Box::new(rewritten(input, reads));
    let node = match &plan.node {
        Node::Project { input, columns } => {
            let input = of(input, &|i| columns.iter().any(|column| reads(&column.expr, i)));
            Node::Project { input, columns: columns.clone() }
        }
        Node::Filter { input, condition } => {
            let input = of(input, &|i| is_read(i) || reads(condition, i));
            Node::Filter { input, condition: condition.clone() }
        }
        Node::Distinct { input } => Node::Distinct { input: of(input, is_read) },
        Node::Union { inputs } => Node::Union { inputs: inputs.iter().map(|input| rewritten(input, is_read)).collect() },
        Node::Window { input, column, window } => {
            let is_by = |i: &usize| matches!(window, Window::Session { by, .. } if by.contains(i));
            let input = of(input, &|i| is_read(i) || i == *column || is_by(&i));
            Node::Window { input, column: *column, window: window.clone() }
        }
        Node::Aggregate { input, keys, aggregates } => {
            let exprs = || keys.iter().map(|key| &key.expr).chain(aggregates.iter().flat_map(Aggregate::args));
            let input = of(input, &|i| exprs().any(|e| reads(e, i)));
            Node::Aggregate { input, keys: keys.clone(), aggregates: aggregates.clone() }
        }
        Node::Over { input, calls } => {
            let input = of(input, &|i| is_read(i) || calls.iter().any(|call| reads_in(call, i)));
            Node::Over { input, calls: calls.clone() }
        }
        Node::Join { left, right, kind, on } => {
            let is_met = |i| on.as_ref().is_some_and(|on| reads(on, i));
            let first = width(left);
            let (left, right) = (of(left, &|i| is_read(i) || is_met(i)), of(right, &|i| is_read(i + first) || is_met(i + first)));
            Node::Join { left, right, kind: *kind, on: on.clone() }
        }
        // They look at all columns.
        _ => return plan.clone(),
    };
    shortened(Plan::new(node, plan.span.clone()), is_read)
}

/// With NULL for its last column, where that is the moment and nobody reads it.
fn shortened(plan: Plan, is_read: &dyn Fn(usize) -> bool) -> Plan {
    if !matches!(plan.node, Node::Filter { .. } | Node::Join { .. }) {
        return plan;
    }
    let all = plan.columns();
    let last = all.len() - 1;
    if is_read(last) {
        return plan;
    }
    let column = |(i, (name, t)): (usize, &(String, DataType))| {
        let expr = if i == last { Expr::literal(Value::Null, *t) } else { Expr::column(i, *t) };
        NamedExpr { name: name.clone(), expr }
    };
    let columns = all.iter().enumerate().map(column).collect();
    let shown = Plan::new(Node::Project { input: Box::new(plan.clone()), columns }, plan.span.clone());
    if Passed::inputs(&shown).is_some() { shown } else { plan }
}

fn reads(expr: &Expr, column: usize) -> bool {
    expr.reads(|i| i == column)
}

fn reads_in(call: &OverCall, column: usize) -> bool {
    let of_function = match &call.function {
        OverFunction::RowNumber | OverFunction::Rank | OverFunction::DenseRank => false,
        OverFunction::Aggregate(aggregate) => aggregate.args().any(|arg| reads(arg, column)),
        OverFunction::Lag { arg, default, .. } => reads(arg, column) || default.as_ref().is_some_and(|default| reads(default, column)),
        OverFunction::First(arg) | OverFunction::Last(arg) | OverFunction::Nth { arg, .. } | OverFunction::Known { arg, .. } => {
            reads(arg, column)
        }
    };
    of_function || call.partition_by.iter().any(|by| reads(by, column)) || call.order_by.iter().any(|by| reads(&by.expr, column))
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType as Arrow, Field, Schema, TimeUnit};

    use super::*;

    /// How often rows are passed so that nothing else changes.
    fn passed(sql: &str) -> usize {
        fn count(plan: &Plan) -> usize {
            usize::from(Passed::inputs(plan).is_some()) + plan.inputs().into_iter().map(count).sum::<usize>()
        }
        let time = Field::new("at", Arrow::Timestamp(TimeUnit::Microsecond, None), true);
        let schema = Schema::new(vec![time, Field::new("n", Arrow::Int64, true)]);
        let of = "TUMBLE(TABLE WATERMARK(TABLE t, DESCRIPTOR(at), INTERVAL '5' SECOND), DESCRIPTOR(at), INTERVAL '1' HOUR)";
        let plan = twopath_query::logical_plan(&sql.replace(" W ", &format!(" {of} ")), "t", &schema).unwrap();
        count(&without_unread_moments(&plan.maintained().plan))
    }

    #[test]
    fn a_moment_goes_no_further_than_it_is_read() {
        let ranked =
            "SELECT window_start, n, ROW_NUMBER() OVER (PARTITION BY window_start ORDER BY n) AS place FROM W EMIT ON WINDOW CLOSE";
        assert_eq!(passed(ranked), 1);
        assert_eq!(passed("SELECT DISTINCT window_start, n FROM W EMIT ON WINDOW CLOSE"), 1);
        let joined = "SELECT a.window_start, COUNT(*) AS c FROM W a JOIN W b ON a.window_start = b.window_start GROUP BY a.window_start EMIT ON WINDOW CLOSE";
        assert_eq!(passed(joined), 2);
        let below = "SELECT x.n FROM t x JOIN (SELECT MAX(at) AS newest FROM t) m ON x.at < m.newest";
        assert_eq!((passed(below), passed(&below.replace("x.n", "x.n, m.newest"))), (1, 0));
        assert_eq!(passed(&below.replace("MAX(at) AS newest FROM t", "MAX(at) AS newest FROM t GROUP BY n")), 0);
    }
}
