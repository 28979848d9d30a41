//! A plan of any shape, evaluated operator by operator in the most obvious way over the rows of its topics.
//!
//! It looks at the plan as it was written, before it is cut into what engines keep and what is computed of their answers, and shares no evaluation code with either.

mod aggregate;
mod join;
mod over;
mod upserts;
mod window;

use std::collections::HashMap;

use arrow_array::RecordBatch;
use foldhash::fast::FixedState;
use hashbrown::HashSet;

use super::Reference;
use super::eval::{eval, is_true};
use super::key::Key;
use super::order::{by_all_columns, by_order};
use twopath_query::plan::Node;
use twopath_query::values::{self, Cell};
use twopath_query::{EvalError, Expr, Order, Plan, Value};

type Row = Vec<Value>;

/// What a plan answers to the rows of its topics so far.
///
/// ```
/// use std::sync::Arc;
/// use arrow_array::{Int64Array, RecordBatch};
/// use arrow_schema::{DataType, Field, Schema};
/// use twopath_query::Value;
/// use twopath_reference::PlanReference;
///
/// let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
/// let sql = "SELECT n / 2 AS half, COUNT(*) AS of_it FROM numbers GROUP BY half ORDER BY half DESC";
/// let mut reference = PlanReference::new(twopath_query::logical_plan(sql, "numbers", &schema)?);
/// reference.push("numbers", &RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(vec![4, 5, 6]))])?)?;
/// assert_eq!(reference.answer()?, [[Value::Int(3), Value::Int(1)], [Value::Int(2), Value::Int(2)]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct PlanReference {
    plan: Plan,
    topics: HashMap<String, Vec<Row>>,
    /// What the plan's inputs answer, where it was cut.
    inputs: Vec<Vec<Row>>,
}

/// What is computed of the answer to a flat query.
pub(super) fn finished(plan: &Plan, rows: Vec<Row>) -> Result<Vec<Row>, EvalError> {
    PlanReference { plan: plan.clone(), topics: HashMap::new(), inputs: vec![rows] }.answer_by_operators()
}

/// What an operator gives: rows, and whether their order is one that was asked for.
struct Rows {
    rows: Vec<Row>,
    ordered: bool,
}

impl PlanReference {
    pub fn new(plan: Plan) -> Self {
        PlanReference { plan, topics: HashMap::new(), inputs: Vec::new() }
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Takes all rows of a record batch of a topic: all its columns, and behind them the log's own where the plan reads one of those. Topics that the plan does not read
    /// may be pushed as well.
    ///
    /// # Errors
    /// A value that has no SQL value.
    pub fn push(&mut self, topic: &str, batch: &RecordBatch) -> Result<(), EvalError> {
        self.topics.entry(topic.to_owned()).or_default().extend(values::rows(batch)?);
        Ok(())
    }

    /// The answer's rows. Without an order of its own an answer is in the order of all columns; ties are as [`twopath_query::plan`] says. A plan that is flat as a whole
    /// has the order of its query ([`Reference::answer`]).
    ///
    /// # Errors
    /// The first that a row raises in any operator.
    ///
    /// # Panics
    /// For a plan that was cut already: it has inputs that are answers.
    pub fn answer(&self) -> Result<Vec<Vec<Value>>, EvalError> {
        match self.plan.lower() {
            Ok(query) => {
                let rows = self.topics.get(&query.topic).map_or(&[][..], Vec::as_slice);
                let mut reference = Reference::new(query);
                rows.iter().for_each(|row| reference.push_values(row));
                reference.answer()
            }
            Err(_) => self.answer_by_operators(),
        }
    }

    /// As [`PlanReference::answer`], but also of a flat plan operator by operator: the same rows, where only the order of ties differs.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// As there.
    pub fn answer_by_operators(&self) -> Result<Vec<Vec<Value>>, EvalError> {
        Ok(self.rows(&self.plan)?.in_order().rows)
    }

    fn rows(&self, plan: &Plan) -> Result<Rows, EvalError> {
        let bag = |rows| Ok(Rows { rows, ordered: false });
        match &plan.node {
            Node::Scan { .. } | Node::Input { .. } | Node::Filter { .. } | Node::Project { .. } => {
                let mut rows = Vec::new();
                let ordered = self.each(plan, &mut |row| rows.push(row))?;
                Ok(Rows { rows, ordered })
            }
            Node::Window { input, column, window } => bag(window::windowed(self.rows(input)?.rows, *column, window)?),
            Node::Aggregate { input, keys, aggregates } => bag(aggregate::grouped(&self.rows(input)?.rows, keys, aggregates)?),
            Node::Sort { input, by } => Ok(Rows { rows: sorted(self.rows(input)?.rows, by)?, ordered: true }),
            Node::Distinct { input } => {
                let Rows { mut rows, ordered } = self.rows(input)?;
                let mut seen: HashSet<Key, FixedState> = HashSet::default();
                rows.retain(|row| seen.insert(Key(row.clone().into())));
                Ok(Rows { rows, ordered })
            }
            Node::Limit { input, limit, offset } => {
                let Rows { rows, ordered } = self.rows(input)?.in_order();
                let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
                let rows = rows.into_iter().skip(count(*offset)).take(limit.map_or(usize::MAX, count)).collect();
                Ok(Rows { rows, ordered })
            }
            Node::Join { left, right, kind, on } => {
                let (left, right) = (self.side(left)?, self.side(right)?);
                bag(join::joined(&left, &right, *kind, on.as_ref())?)
            }
            Node::AsOfJoin { left, right, kind, on, op, left_at, right_at } => {
                let (left, right) = (self.side(left)?, self.side(right)?);
                bag(join::nearest(&left, &right, *kind, on.as_ref(), *op, (left_at, right_at))?)
            }
            Node::TemporalJoin { left, right, kind, on, at, upserts } => {
                let (left, right) = (self.side(left)?, self.side(right)?);
                bag(upserts::joined_as_of(&left, &right, *kind, on.as_ref(), at, upserts)?)
            }
            Node::Union { inputs } => {
                let mut rows = Vec::new();
                for input in inputs {
                    rows.extend(self.rows(input)?.rows);
                }
                bag(rows)
            }
            Node::Over { input, calls } => bag(over::beside(self.rows(input)?.rows, calls)?),
            Node::Latest { input, upserts } => bag(upserts::latest(&self.rows(input)?.rows, upserts)),
            Node::Values { rows, .. } => {
                let row = |exprs: &Vec<Expr>| exprs.iter().map(|expr| value(expr, &[])).collect::<Result<Row, EvalError>>();
                bag(rows.iter().map(row).collect::<Result<Vec<Row>, _>>()?)
            }
        }
    }

    /// Gives each row to `take`, in order, and says whether that is one that was asked for. Rows that are filtered out, and columns that are not put out, are in memory one row at a
    /// time. An error of what is below comes before one of what is above.
    fn each(&self, plan: &Plan, take: &mut dyn FnMut(Row)) -> Result<bool, EvalError> {
        let mut failed = None;
        let ordered = match &plan.node {
            Node::Scan { topic, .. } => {
                let width = plan.columns().len();
                for row in self.topics.get(topic).map_or(&[][..], Vec::as_slice) {
                    // Rows that came without the log's columns have none.
                    take(row.iter().cloned().chain(std::iter::repeat(Value::Null)).take(width).collect());
                }
                false
            }
            Node::Input { number, .. } => {
                let rows = self.inputs.get(*number).expect("an answer for each input: a plan that was not cut has none");
                rows.iter().for_each(|row| take(row.clone()));
                false
            }
            Node::Filter { input, condition } => self.each(input, &mut |row| match holds(condition, &row) {
                _ if failed.is_some() => {}
                Ok(true) => take(row),
                Ok(false) => {}
                Err(error) => failed = Some(error),
            })?,
            Node::Project { input, columns } => {
                self.each(input, &mut |row| match columns.iter().map(|c| value(&c.expr, &row)).collect::<Result<Row, _>>() {
                    _ if failed.is_some() => {}
                    Ok(row) => take(row),
                    Err(error) => failed = Some(error),
                })?
            }
            _ => {
                let Rows { rows, ordered } = self.rows(plan)?;
                rows.into_iter().for_each(take);
                ordered
            }
        };
        failed.map_or(Ok(ordered), Err)
    }

    fn side(&self, plan: &Plan) -> Result<Side, EvalError> {
        Ok(Side { rows: self.rows(plan)?.rows, width: plan.columns().len() })
    }
}

impl Rows {
    /// In the order that was asked for, or in that of all columns.
    fn in_order(mut self) -> Self {
        if !self.ordered {
            self.rows.sort_by(|a, b| by_all_columns(a, b));
        }
        Rows { rows: self.rows, ordered: true }
    }
}

/// One side of a join.
struct Side {
    rows: Vec<Row>,
    /// How many columns it has, also where it has no rows.
    width: usize,
}

impl Side {
    fn nulls(&self) -> Row {
        vec![Value::Null; self.width]
    }
}

/// The left row's columns, then the right row's.
fn beside(left: &[Value], right: &[Value]) -> Row {
    left.iter().chain(right).cloned().collect()
}

fn value(expr: &Expr, row: &[Value]) -> Result<Value, EvalError> {
    eval(expr, &row).map(Cell::into_value)
}

fn holds(condition: &Expr, row: &[Value]) -> Result<bool, EvalError> {
    is_true(condition, &row)
}

fn sorted(rows: Vec<Row>, by: &[Order]) -> Result<Vec<Row>, EvalError> {
    let mut keyed = Vec::new();
    for row in rows {
        let key: Row = by.iter().map(|o| value(&o.expr, &row)).collect::<Result<_, _>>()?;
        keyed.push((key, row));
    }
    keyed.sort_by(|(a_key, a), (b_key, b)| by_order(a_key, b_key, by).then_with(|| by_all_columns(a, b)));
    Ok(keyed.into_iter().map(|(_, row)| row).collect())
}
