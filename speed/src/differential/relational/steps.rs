//! A plan as operators in the order in which they are built, each of those before it. Parts of a plan that are alike are one.
//!
//! The one place where it is known which operators this engine keeps. It refuses ORDER BY and LIMIT below something else, because which rows they leave is not a matter of
//! the rows that change alone; and joins as of a moment whose condition is more than what [`temporal`](super::temporal) and [`as_of`](super::as_of) say.

use std::collections::BTreeSet;
use std::convert::Infallible;

use twopath_query::plan::{Node, Window};
use twopath_query::{DataType, Plan};

use super::aggregate::Aggregation;
use super::as_of::AsOf;
use super::base::BaseCollection;
use super::distinct::Distinct;
use super::filter::Filter;
use super::join::Join;
use super::latest::{Newest, Present};
use super::over::{First, Over};
use super::passed::Passed;
use super::project::Project;
use super::session::Session;
use super::source::{Leaf, Source};
use super::temporal::Temporal;
use super::union::Union;
use super::unread::without_unread_moments;
use super::values::Values;
use super::window::Windows;
use super::{Operator, name_of, unsupported};
use crate::error::SpeedError;

pub struct Steps {
    /// In the order of their steps.
    pub sources: Vec<Source>,
    /// The last one gives the plan's rows.
    pub steps: Vec<Step>,
    /// Of which collections all others can be computed: one for each source.
    pub base: Vec<BaseCollection>,
}

pub enum Step {
    Source,
    Operator { operator: Box<dyn Operator>, inputs: Vec<usize> },
}

/// Steps in the making.
struct Compiling {
    whole: Plan,
    leaves: Vec<Leaf>,
    steps: Vec<Step>,
    /// What each step computes; a step within an operator of the plan is nobody else's.
    known: Vec<Option<Plan>>,
    /// Steps that give of each source's rows those of which all others above can be computed, by the source's step.
    newest: Vec<(usize, usize)>,
}

impl Steps {
    /// The steps, and the columns that they read, ascending, by topic; the plan reads no others than `topics`.
    ///
    /// # Errors
    /// [`SpeedError::Unsupported`] names what of the plan this engine does not know.
    pub fn new(plan: &Plan, topics: &[&str]) -> Result<(Self, Vec<Vec<usize>>), SpeedError> {
        let whole = without_unread_moments(&without_places(plan));
        let mut compiling =
            Compiling { whole: whole.clone(), leaves: Vec::new(), steps: Vec::new(), known: Vec::new(), newest: Vec::new() };
        compiling.step(&whole)?;
        let read = |topic: &str| {
            let columns: BTreeSet<usize> =
                compiling.leaves.iter().filter(|leaf| leaf.topic == topic).flat_map(Leaf::columns_read).collect();
            columns.into_iter().collect()
        };
        let projections: Vec<Vec<usize>> = topics.iter().map(|topic| read(topic)).collect();
        let compiled = |leaf: &Leaf| {
            let topic = topics.iter().position(|topic| *topic == leaf.topic).expect("a plan reads the topics that it is made for");
            leaf.compiled(topic, &projections[topic])
        };
        let sources = compiling.leaves.iter().map(compiled).collect::<Result<_, _>>()?;
        let base = compiling.base();
        Ok((Steps { sources, steps: compiling.steps, base }, projections))
    }
}

impl Compiling {
    /// The number of the step that computes this plan.
    fn step(&mut self, plan: &Plan) -> Result<usize, SpeedError> {
        if let Some(known) = self.known.iter().position(|known| known.as_ref() == Some(plan)) {
            return Ok(known);
        }
        let step = match Leaf::of(plan) {
            Some(leaf) => {
                self.leaves.push(leaf);
                Step::Source
            }
            None => {
                // Another who reads the same OVER reads all of its rows.
                let first = First::input(plan).filter(|_| plan.inputs().into_iter().all(|over| times(&self.whole, over) == 1));
                let passed = Passed::inputs(plan);
                let below = first.map(|input| vec![input]).or_else(|| passed.map(Vec::from)).unwrap_or_else(|| plan.inputs());
                let mut inputs = below.into_iter().map(|input| self.step(input)).collect::<Result<Vec<_>, _>>()?;
                if let Node::Latest { upserts, .. } = &plan.node {
                    let source = inputs[0];
                    assert!(matches!(self.steps[source], Step::Source), "UPSERT is of a topic, of which conditions stand above it");
                    self.steps.push(Step::Operator { operator: Box::new(Newest::new(upserts)), inputs });
                    self.known.push(None);
                    inputs = vec![self.steps.len() - 1];
                    self.newest.push((source, inputs[0]));
                }
                let operator: Box<dyn Operator> = match (first, passed) {
                    (Some(_), _) => Box::new(First::new(plan)?),
                    (_, Some(_)) => Box::new(Passed::new(plan)?),
                    _ => operator(plan)?,
                };
                Step::Operator { operator, inputs }
            }
        };
        self.steps.push(step);
        self.known.push(Some(plan.clone()));
        Ok(self.steps.len() - 1)
    }

    /// Each source's own rows, or those that [`Newest`] leaves of them where nobody else reads them.
    fn base(&self) -> Vec<BaseCollection> {
        let sources = self.steps.iter().enumerate().filter(|(_, step)| matches!(step, Step::Source));
        let collection = |(source, _): (usize, &Step)| {
            let readers =
                self.steps.iter().filter(|step| matches!(step, Step::Operator { inputs, .. } if inputs.contains(&source))).count();
            let newest = self.newest.iter().find(|(of, _)| *of == source && readers == 1);
            let plan = self.known[source].as_ref().expect("a source is a part of the plan");
            let types: Vec<DataType> = plan.columns().into_iter().map(|(_, t)| t).collect();
            BaseCollection { step: newest.map_or(source, |(_, newest)| *newest), types }
        };
        sources.map(collection).collect()
    }
}

fn operator(plan: &Plan) -> Result<Box<dyn Operator>, SpeedError> {
    Ok(match &plan.node {
        Node::Filter { condition, .. } => Box::new(Filter::new(condition)?),
        Node::Project { columns, .. } => Box::new(Project::new(columns)?),
        Node::Window { column, window: Window::Session { gap_us, by }, .. } => Box::new(Session::new(*column, *gap_us, by)),
        Node::Window { column, window, .. } => Box::new(Windows::new(*column, window)?),
        Node::Aggregate { keys, aggregates, .. } => Box::new(Aggregation::new(keys, aggregates)?),
        Node::Distinct { .. } => Box::new(Distinct),
        Node::Union { .. } => Box::new(Union),
        Node::Join { left, right, kind, on } => Box::new(Join::new(width(left), width(right), *kind, on.as_ref())?),
        Node::AsOfJoin { left, right, kind, on, op, left_at, right_at } => {
            Box::new(AsOf::new((width(left), width(right)), *kind, on.as_ref(), *op, (left_at, right_at))?)
        }
        Node::TemporalJoin { left, right, kind, on, at, upserts } => {
            Box::new(Temporal::new((width(left), width(right)), *kind, on.as_ref(), at, upserts)?)
        }
        Node::Over { input, calls } => Box::new(Over::new(width(input), calls)?),
        // Of the newest rows, which are a step of their own.
        Node::Latest { upserts, .. } => Box::new(Present::new(upserts)),
        Node::Values { rows, .. } => Box::new(Values::new(rows)?),
        Node::Limit { .. } => return Err(unsupported("LIMIT in a subquery, where rows are kept".to_owned())),
        Node::Sort { .. } => return Err(unsupported("ORDER BY in a subquery, where rows are kept".to_owned())),
        other => return Err(unsupported(format!("the operator {}, where rows are kept", name_of(other)))),
    })
}

/// How often a part stands in a plan.
fn times(plan: &Plan, part: &Plan) -> usize {
    usize::from(plan == part) + plan.inputs().into_iter().map(|input| times(input, part)).sum::<usize>()
}

fn width(plan: &Plan) -> usize {
    plan.columns().len()
}

/// The plan without the places in the text that it comes from, so that parts that are alike are equal.
fn without_places(plan: &Plan) -> Plan {
    let Ok(plan) = plan.try_map_inputs(&mut |input| Ok::<_, Infallible>(without_places(input)));
    Plan::new(plan.node, 0..0)
}
