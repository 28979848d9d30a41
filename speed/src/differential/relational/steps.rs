//! A plan as operators in the order in which they are built, each of those before it. Parts of a plan that are alike are one.
//!
//! The one place where it is known which operators this engine keeps. It refuses ORDER BY and LIMIT below something else, because which rows they leave is not a matter of
//! the rows that change alone; and joins as of a moment whose condition is more than what [`temporal`](super::temporal) and [`as_of`](super::as_of) say.

use std::collections::BTreeSet;
use std::convert::Infallible;

use twopath_query::plan::{JoinKind, Late, Node, Window};
use twopath_query::{Aggregate, AggregateFunction, Expr, ExprKind, Plan};

use super::aggregate::Aggregation;
use super::as_of::AsOf;
use super::base::BaseCollection;
use super::distinct::Distinct;
use super::expire::{Alone, Expire, Greatest, Grown, Least, Pulse, Until, Watermark};
use super::filter::Filter;
use super::finals::Finals;
use super::join::{Found, Gone, Interval, Join, Outer, WithNulls};
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
    Operator {
        operator: Box<dyn Operator>,
        inputs: Vec<usize>,
    },
    /// Rows that are let go, and what moves the watermarks by which they are.
    Expire {
        expire: Expire,
        rows: usize,
        moments: Vec<usize>,
    },
    /// Rows of an outer join that have found no other.
    Alone {
        alone: Alone,
        came: usize,
        found: usize,
        moments: usize,
    },
    /// Rows that a moment passes.
    Passed {
        passed: Passed,
        rows: usize,
        limit: usize,
    },
}

/// Who has rows of the plan for good, so that what they were made of can be let go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Holds {
    Nobody,
    /// Who is given those to which rows are added and none is taken away.
    Grown,
    /// Who is also given those that are final.
    Final,
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
    /// A join whose rows are let go.
    interval: Option<Interval>,
    /// How far topics are in event time, by which such rows are.
    moments: Vec<(Late, usize)>,
    /// Rows that are there no more for good.
    gone: Option<usize>,
    /// Rows that are let go once those that they are of have been passed.
    finals: Option<Finals>,
    topics: Vec<String>,
}

impl Steps {
    /// The steps, and the columns that they read, ascending, by topic; the plan reads no others than `topics`. Where somebody `holds` the plan's rows for good, what nothing comes of any more is
    /// let go, and none of the plan's rows with it.
    ///
    /// # Errors
    /// [`SpeedError::Unsupported`] names what of the plan this engine does not know.
    pub fn new(plan: &Plan, topics: &[&str], holds: Holds) -> Result<(Self, Vec<Vec<usize>>), SpeedError> {
        let whole = without_unread_moments(&without_places(plan));
        let finals = Finals::of(&whole).filter(|_| holds == Holds::Final);
        let mut compiling = Compiling {
            interval: Interval::of(&whole).filter(|_| holds != Holds::Nobody),
            moments: Vec::new(),
            gone: None,
            finals,
            topics: topics.iter().map(|&topic| topic.to_owned()).collect(),
            whole: whole.clone(),
            leaves: Vec::new(),
            steps: Vec::new(),
            known: Vec::new(),
            newest: Vec::new(),
        };
        let is_pulse = compiling.finals.as_ref().is_some_and(|finals| finals.is_over);
        let rows = compiling.step(&whole)?;
        if is_pulse {
            compiling.push(Step::Operator { operator: Box::new(Grown), inputs: vec![rows] }, None);
        }
        if let Some(gone) = compiling.gone {
            let key = whole.row_key().expect("whoever holds rows tells them apart");
            let gone = compiling.push(Step::Operator { operator: Box::new(Gone { key }), inputs: vec![gone] }, None);
            compiling.push(Step::Operator { operator: Box::new(Union), inputs: vec![rows, gone] }, None);
        }
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
        if let Some(interval) = self.interval.take_if(|interval| interval.join == *plan) {
            return self.interval(plan, interval);
        }
        if let Some(finals) = self.finals.take_if(|finals| finals.gates[0] == *plan) {
            return self.finals(plan, finals);
        }
        if let Some([rows, limit]) = Passed::inputs(plan) {
            let (rows, limit) = (self.step(rows)?, self.step(limit)?);
            return Ok(self.push(Step::Passed { passed: Passed::new(plan, false)?, rows, limit }, Some(plan.clone())));
        }
        let step = match Leaf::of(plan) {
            Some(leaf) => {
                self.leaves.push(leaf);
                Step::Source
            }
            None => {
                // Another who reads the same OVER reads all of its rows.
                let first = First::input(plan).filter(|_| plan.inputs().into_iter().all(|over| times(&self.whole, over) == 1));
                let below = first.map_or_else(|| plan.inputs(), |input| vec![input]);
                let mut inputs = below.into_iter().map(|input| self.step(input)).collect::<Result<Vec<_>, _>>()?;
                if let Node::Latest { upserts, .. } = &plan.node {
                    let source = inputs[0];
                    assert!(matches!(self.steps[source], Step::Source), "UPSERT is of a topic, of which conditions stand above it");
                    inputs = vec![self.push(Step::Operator { operator: Box::new(Newest::new(upserts)), inputs }, None)];
                    self.newest.push((source, inputs[0]));
                }
                let operator: Box<dyn Operator> = match first {
                    Some(_) => Box::new(First::new(plan)?),
                    None => operator(plan)?,
                };
                Step::Operator { operator, inputs }
            }
        };
        Ok(self.push(step, Some(plan.clone())))
    }

    /// A join whose sides are read, let go, joined, and of whose pairs none goes with them.
    fn interval(&mut self, plan: &Plan, interval: Interval) -> Result<usize, SpeedError> {
        for side in interval.sides.into_iter().filter(|side| !side.until.is_empty()) {
            let rows = self.step(&side.rows)?;
            let (until, moments) = side.until.iter().map(|until| self.until(&until.late, until.after_us)).unzip();
            self.expire(rows, Expire { time: side.time, until }, moments);
        }
        let Node::Join { left, right, on, .. } = &plan.node else { unreachable!("an interval join") };
        let inputs = [self.step(left)?, self.step(right)?];
        let join = Join::new(width(left), width(right), JoinKind::Inner, on.as_ref())?;
        let pairs = self.push(Step::Operator { operator: Box::new(join), inputs: inputs.to_vec() }, None);
        let grown = |pairs| Step::Operator { operator: Box::new(Grown), inputs: vec![pairs] };
        if interval.outer.is_empty() {
            return Ok(self.push(grown(pairs), Some(plan.clone())));
        }
        let (mut rows, mut gone) = (vec![self.push(grown(pairs), None)], Vec::new());
        for Outer { is_left, near, settled } in interval.outer {
            let came = self.push(grown(inputs[usize::from(!is_left)]), None);
            let found = Found { is_left, left: width(left) };
            let found = self.push(Step::Operator { operator: Box::new(found), inputs: vec![pairs] }, None);
            let found = self.push(grown(found), None);
            let (settled, moments) = self.until(&settled.late, settled.after_us);
            let alone = self.push(Step::Alone { alone: Alone { near, settled }, came, found, moments }, None);
            let mut with_nulls = |side: usize| {
                let operator = WithNulls { is_left, others: if is_left { width(right) } else { width(left) } };
                self.push(Step::Operator { operator: Box::new(operator), inputs: vec![side] }, None)
            };
            rows.push(with_nulls(alone));
            gone.push(with_nulls(found));
        }
        let mut gone = self.push(Step::Operator { operator: Box::new(Union), inputs: gone }, None);
        for above in &interval.above {
            gone = self.push(Step::Operator { operator: operator(above)?, inputs: vec![gone] }, None);
        }
        self.gone = Some(gone);
        Ok(self.push(Step::Operator { operator: Box::new(Union), inputs: rows }, Some(plan.clone())))
    }

    /// Until a topic's watermark is so much after a row's event time, and the step that tells how far the topic is.
    fn until(&mut self, late: &Late, after_us: i64) -> (Until, usize) {
        let topic = self.topics.iter().position(|topic| *topic == late.topic).expect("a plan reads the topics that it is made for");
        let until = Until { by: Watermark::OfTopic { topic, delay_us: late.delay_us }, after_us };
        if let Some((_, known)) = self.moments.iter().find(|(of, _)| of == late) {
            return (until, *known);
        }
        self.leaves.push(Leaf::furthest(late));
        let read = self.push(Step::Source, None);
        let moments = self.greatest(read, vec![0]);
        self.moments.push((late.clone(), moments));
        (until, moments)
    }

    /// Rows that are passed for good by the last gate, of what is let go once they have been.
    fn finals(&mut self, plan: &Plan, finals: Finals) -> Result<usize, SpeedError> {
        let limits = finals.gates.iter().map(|gate| Passed::inputs(gate).expect("rows that are passed")[1]);
        let limits = limits.map(|limit| self.limit(limit)).collect::<Result<Vec<_>, _>>()?;
        for needed in finals.leaves {
            let rows = self.step(&needed.rows)?;
            let until = needed.after_us.into_iter().map(|after_us| Until { by: Watermark::OfPlan, after_us }).collect();
            self.expire(rows, Expire { time: needed.time, until }, limits.clone());
        }
        let [rows, _] = Passed::inputs(plan).expect("rows that are passed");
        let rows = self.step(rows)?;
        // Rows come through the other gates when the slowest has passed them, which the last one has not done before.
        let several = limits.iter().any(|limit| *limit != limits[0]);
        let limit = if several { self.push(Step::Operator { operator: Box::new(Least), inputs: limits }, None) } else { limits[0] };
        let passed = Step::Passed { passed: Passed::new(plan, true)?, rows, limit };
        if !finals.is_over {
            return Ok(self.push(passed, Some(plan.clone())));
        }
        let passed = self.push(passed, None);
        Ok(self.push(Step::Operator { operator: Box::new(Pulse), inputs: vec![passed] }, Some(plan.clone())))
    }

    /// What passes rows, the greatest of something by key: of what is read for it no more is kept than that. It does not go back: what it has passed may have been let go.
    fn limit(&mut self, plan: &Plan) -> Result<usize, SpeedError> {
        if let Some(known) = self.known.iter().position(|known| known.as_ref() == Some(plan)) {
            return Ok(known);
        }
        for part in parts(plan) {
            let Node::Aggregate { input, keys, aggregates } = &part.node else { continue };
            let column = |e: &Expr| if let ExprKind::Column(column) = e.kind { Some(column) } else { None };
            let is_greatest = |a: &Aggregate| a.function == AggregateFunction::Max && a.arg.as_ref().and_then(column).is_some();
            let key: Option<Vec<usize>> = keys.iter().map(|key| column(&key.expr)).collect();
            let (Some(key), true) = (key, Leaf::of(input).is_some() && aggregates.iter().all(is_greatest)) else { continue };
            let read = self.step(input)?;
            if !matches!(self.steps[read], Step::Source) {
                continue;
            }
            let of_input = self.known[read].take();
            let greatest = self.greatest(read, key);
            self.known[greatest] = of_input;
        }
        let limit = self.step(plan)?;
        let known = self.known[limit].take();
        Ok(self.push(Step::Operator { operator: Box::new(Greatest { key: Vec::new() }), inputs: vec![limit] }, known))
    }

    /// The greatest of what a source reads, by key.
    fn greatest(&mut self, read: usize, key: Vec<usize>) -> usize {
        let greatest = self.push(Step::Operator { operator: Box::new(Greatest { key }), inputs: vec![read] }, None);
        self.newest.push((read, greatest));
        greatest
    }

    /// Whoever reads these rows from here on reads them as long as they are there.
    fn expire(&mut self, rows: usize, expire: Expire, moments: Vec<usize>) {
        let plan = self.known[rows].take();
        let let_go = self.push(Step::Expire { expire, rows, moments }, plan);
        self.newest.push((rows, let_go));
    }

    fn push(&mut self, step: Step, plan: Option<Plan>) -> usize {
        self.steps.push(step);
        self.known.push(plan);
        self.steps.len() - 1
    }

    /// Each source's own rows, or those that [`Newest`] leaves of them where nobody else reads them.
    fn base(&self) -> Vec<BaseCollection> {
        let sources = self.steps.iter().enumerate().filter(|(_, step)| matches!(step, Step::Source));
        let collection = |((source, _), leaf): ((usize, &Step), &Leaf)| {
            let reads = |step: &&Step| match step {
                Step::Source | Step::Alone { .. } => false,
                Step::Operator { inputs, .. } => inputs.contains(&source),
                Step::Expire { rows, .. } | Step::Passed { rows, .. } => *rows == source,
            };
            let readers = self.steps.iter().filter(reads).count();
            let newest = self.newest.iter().find(|(of, _)| *of == source && readers == 1);
            BaseCollection { step: newest.map_or(source, |(_, newest)| *newest), types: leaf.types() }
        };
        sources.zip(&self.leaves).map(collection).collect()
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

/// A plan with all that is below it, from the bottom.
fn parts(plan: &Plan) -> Vec<&Plan> {
    plan.inputs().into_iter().flat_map(parts).chain([plan]).collect()
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
