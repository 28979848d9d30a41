//! Whole plans, kept row by row: joins, groups of groups, OVER and the rest as collections, of which each epoch's changes alone are computed.
//!
//! ```text
//!           ┌─ source ─┐
//!  frames ──┤          ├─→ operators of the plan, one file each ─→ rows that come and go ─→ counted ─→ merge ─→ publish
//!           └─ source ─┘          └─ errors that come and go ───→ one of those that are there ──────┘
//! ```
//!
//! A **source** is a topic's rows with the conditions and projections right above them; all sources of a topic read a frame together. An [`Operator`] makes one collection of those
//! below it. What leaves is each row with how many more of it there are, which the view merges as it merges everything; so reading joins nothing.
//!
//! **Errors** are a collection of their own. A row that is derived can be taken back, and then the error that it raised goes too: an answer is an error where the reference,
//! which evaluates everything anew, would raise one, and nowhere else.
//!
//! **What is refused** is refused by its name when the plan is compiled: see [`steps`].
//!
//! **What is kept at rest**, where somebody keeps it, is the [`base`] of all of these collections, and not what is computed of it.

mod aggregate;
mod as_of;
mod base;
mod collection;
mod distinct;
mod expire;
mod filter;
mod finals;
mod join;
mod key;
mod latest;
mod output;
mod over;
mod passed;
mod pending;
mod project;
mod session;
mod source;
mod span;
mod steps;
mod temporal;
mod union;
mod unread;
mod values;
mod window;

use std::sync::Arc;

use timely::dataflow::Stream;
use timely::dataflow::operators::Concat;
use twopath_query::{Plan, Query};
use twopath_view::GroupTable;

use super::expr::{name_of, unsupported};
use crate::control::Control;
use crate::epoch::{EpochPart, Parcels, Read};
use crate::error::SpeedError;
use base::Base;
use collection::{Collection, Errors};
use steps::{Holds, Step, Steps};

/// What makes a collection of those below it.
trait Operator: Send + Sync {
    fn over<'s>(&self, inputs: Vec<Collection<'s>>, errors: &mut Errors<'s>) -> Collection<'s>;
}

/// A plan over the columns that it reads and no others, and what its rows are published as.
pub struct Maintained {
    /// The columns to read, ascending, by topic.
    pub projections: Vec<Vec<usize>>,
    /// The query that readers answer with.
    pub layout: Arc<Query>,
    steps: Arc<Steps>,
    base: Arc<Base>,
    /// What it was made of.
    plan: Plan,
    /// Under which generation the rows stand.
    generation: u64,
}

impl Maintained {
    /// # Errors
    /// [`SpeedError::Unsupported`] names what of the query this engine does not know.
    pub fn new(query: &Query, generation: u64) -> Result<Self, SpeedError> {
        let Some(kept) = query.maintained() else {
            return Err(unsupported("a query whose groups are its answer as one whose rows are kept".to_owned()));
        };
        Self::of(&kept, &[&query.topic], generation)
    }

    /// Over several topics, which are read in this order.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of(kept: &twopath_query::Maintained, topics: &[&str], generation: u64) -> Result<Self, SpeedError> {
        Self::held(Holds::Nobody, kept, topics, generation)
    }

    /// As [`Self::of`], for whoever is given each row once and has it for good: what no other row comes of any more is let go, where that can be told.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn once(kept: &twopath_query::Maintained, topics: &[&str], generation: u64) -> Result<Self, SpeedError> {
        let holds = if kept.is_final { Holds::Final } else { Holds::Grown };
        Self::held(holds, kept, topics, generation)
    }

    fn held(holds: Holds, kept: &twopath_query::Maintained, topics: &[&str], generation: u64) -> Result<Self, SpeedError> {
        let (mut steps, projections) = Steps::new(&kept.plan, topics, holds)?;
        let base = Arc::new(Base::new(&kept.rows.topic, std::mem::take(&mut steps.base)));
        let (layout, plan) = (Arc::new(kept.rows.clone()), kept.plan.clone());
        Ok(Maintained { projections, layout, steps: Arc::new(steps), base, plan, generation })
    }

    /// What the tables of its base are laid out for ([`maintained`]).
    pub fn base_layout(&self) -> &Arc<Query> {
        &self.base.layout
    }

    /// Whether rows of its topics are let go. Then none of its own goes with them, and one that has been there may not come again after a start from its base. A row that goes for good is told, beside its
    /// going, by one that has its key and NULL in all other columns: at a start from a base it may come and go in one epoch, and its key is where others have seen it.
    pub fn lets_go(&self) -> bool {
        self.steps.steps.iter().any(|step| matches!(step, Step::Expire { .. }))
    }

    /// What tells its base from that of other plans.
    pub fn code(&self) -> String {
        format!("rows of {}", serde_json::to_string(&self.plan).expect("a plan is JSON"))
    }
}

/// What a plan's dataflow stands in.
pub struct Around {
    /// How many each of the topics has.
    pub partitions: Vec<usize>,
    /// Whether the first epoch has what was kept before, and nothing else.
    pub restored: bool,
}

/// What the rows of the plan become in each epoch, on the worker that keeps them. Of a plan whose base is kept, `restored` is this worker's share of what was kept before, which is not read again;
/// the changes of the base itself then come beside the rows, with what was kept before as the first.
pub fn maintained<'s>(
    reads: Stream<'s, u64, Vec<Read>>,
    plan: &Maintained,
    restored: Option<&[Arc<GroupTable>]>,
    around: &Around,
    control: &Arc<Control>,
) -> (Stream<'s, u64, Parcels<EpochPart>>, Stream<'s, u64, Parcels<EpochPart>>) {
    let mut errors = Errors::default();
    let before = restored.map(|tables| plan.base.rows(tables)).unwrap_or_default();
    let generation = restored.map(|_| plan.generation);
    let mut sources = source::read(reads, &plan.steps, (before, generation), &mut errors);
    let mut collections: Vec<Collection<'s>> = Vec::new();
    for step in &plan.steps.steps {
        let collection = match step {
            Step::Source => sources.rows.pop_front().expect("as many collections as sources"),
            Step::Operator { operator, inputs } => {
                operator.over(inputs.iter().map(|&input| collections[input].clone()).collect(), &mut errors)
            }
            Step::Expire { expire, rows, moments } => {
                let moments = moments.iter().map(|&moments| collections[moments].clone()).collect();
                expire.over(collections[*rows].clone(), moments, &around.partitions)
            }
            &Step::Alone { ref alone, came, found, moments } => {
                let rows = (collections[came].clone(), collections[found].clone());
                alone.over(rows, collections[moments].clone(), &around.partitions, around.restored)
            }
            &Step::Passed { ref passed, rows, limit } => {
                passed.over(collections[rows].clone(), collections[limit].clone(), around.restored, &mut errors)
            }
        };
        collections.push(collection);
    }
    let base = match generation {
        Some(generation) => sources.read_of_base.concat(plan.base.changes(&collections, generation, control)),
        None => sources.read_of_base,
    };
    let rows = collections.pop().expect("a plan has an operator");
    let rows = sources.read.concat(output::rows(rows, &plan.layout, plan.generation, control)).concat(output::errors(errors, control));
    (rows, base)
}
