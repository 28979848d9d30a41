//! What is above the flat queries of a [`Program`]: joins, groups of groups, windows over groups, OVER, sorts, over whole columns.
//!
//! Each operator takes the rows of those below it and gives its own; nothing is kept from one answer to the next.
//!
//! **What it is not**: incremental. Engines keep the inputs; what is here costs as much as its inputs have rows, each time that it is asked for.

mod aggregate;
mod as_of;
mod filter;
mod join;
mod keys;
mod latest;
mod limit;
mod newest;
mod on;
mod over;
mod pairs;
mod rows;
mod sort;
mod temporal;
mod union;
mod values;
mod window;

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema};

use super::canonical::arrow_type;
use rows::Rows;
use twopath_query::plan::{Node, Plan};
use twopath_query::{EvalError, Program};

/// The answer to a query of any shape, of the answers to its inputs: those that [`answer`](crate::answer) gives to [`Program::inputs`], in their order. Rows come in the
/// order that [`twopath_query::plan`] tells of.
///
/// # Errors
/// The [`EvalError`] of one of the rows that raise one.
///
/// # Panics
/// Where an input is missing, or has other columns than its query puts out.
///
/// ```
/// use std::sync::Arc;
/// use arrow_array::{Int64Array, RecordBatch};
/// use arrow_schema::{DataType, Field, Schema};
/// use twopath_query::plan::{Node, Plan};
/// use twopath_query::{DataType as Type, Expr, Order, Program};
///
/// let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
/// let numbers = RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(vec![2, 3, 1]))])?;
/// let input = Plan::new(Node::Input { number: 0, columns: vec![("n".into(), Type::Int)] }, 0..0);
/// let by = vec![Order { expr: Expr::column(0, Type::Int), descending: true, nulls_first: false }];
/// let finish = Plan::new(Node::Sort { input: Box::new(input), by }, 0..0);
/// let answer = twopath_view::finish(&Program { inputs: Vec::new(), finish }, &[numbers])?;
/// assert_eq!(answer.column(0).as_ref(), &Int64Array::from(vec![3, 2, 1]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn finish(program: &Program, inputs: &[RecordBatch]) -> Result<RecordBatch, EvalError> {
    finish_plan(&program.finish, inputs)
}

/// As [`finish`], of the plan alone.
pub(crate) fn finish_plan(plan: &Plan, inputs: &[RecordBatch]) -> Result<RecordBatch, EvalError> {
    let rows = execute(plan, inputs, usize::MAX)?;
    // A query that is flat as a whole was ordered by the one who answered it.
    let rows = if rows.ordered || matches!(plan.node, Node::Input { .. }) { rows } else { sort::by_all(rows, usize::MAX) };
    let fields = plan.columns().into_iter().map(|(name, t)| Field::new(name, arrow_type(t), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let options = RecordBatchOptions::new().with_row_count(Some(rows.count));
    Ok(RecordBatch::try_new_with_options(schema, rows.columns, &options).expect("an operator's columns have the plan's types"))
}

/// The operator's rows. Where they are ordered, those after the first `wanted` may be left out.
fn execute(plan: &Plan, inputs: &[RecordBatch], wanted: usize) -> Result<Rows, EvalError> {
    let all = |plan: &Plan| execute(plan, inputs, usize::MAX);
    match &plan.node {
        Node::Input { number, columns } => Ok(Rows::of(&inputs[*number], columns)),
        Node::Scan { topic, .. } => panic!("engines read topic {topic}: a program's finish reads what they answer"),
        Node::Filter { input, condition } => filter::filter(all(input)?, condition),
        // What fails would fail in rows that are left out, too.
        Node::Project { input, columns } => {
            let wanted = if columns.iter().any(|c| c.expr.can_fail()) { usize::MAX } else { wanted };
            filter::project(execute(input, inputs, wanted)?, columns)
        }
        Node::Window { input, column, window } => window::window(&all(input)?, *column, window),
        Node::Aggregate { input, keys, aggregates } => aggregate::aggregate(&all(input)?, keys, aggregates),
        Node::Sort { input, by } => sort::sort(all(input)?, by, wanted),
        Node::Distinct { input } => Ok(filter::distinct(all(input)?)),
        Node::Limit { input, limit: most, offset } => {
            let (most, offset) = (limit::count(*most), limit::count(Some(*offset)));
            let input = execute(input, inputs, most.saturating_add(offset))?;
            Ok(limit::limit(input, most, offset))
        }
        Node::Join { left, right, kind, on } => join::join(&all(left)?, &all(right)?, *kind, on.as_ref()),
        Node::AsOfJoin { left, right, kind, on, op, left_at, right_at } => {
            as_of::as_of(&all(left)?, &all(right)?, *kind, on.as_ref(), *op, left_at, right_at)
        }
        Node::TemporalJoin { left, right, kind, on, at, upserts } => {
            temporal::temporal(&all(left)?, &all(right)?, *kind, on.as_ref(), at, upserts)
        }
        Node::Union { inputs } => union::union(inputs.iter().map(all).collect::<Result<_, _>>()?),
        Node::Over { input, calls } => over::over(all(input)?, calls),
        Node::Latest { input, upserts } => Ok(latest::latest(&all(input)?, upserts)),
        Node::Values { columns, rows } => values::values(columns, rows),
    }
}
