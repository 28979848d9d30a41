//! What a job computes, and by which engine.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use twopath_query::Query;
use twopath_view::{Finals, Fold, Merging};

use crate::checkpoint::Shares;
use crate::differential;
use crate::error::SpeedError;
use crate::feed::{ClosingFlow, FeedFlow, TableFlow};
use crate::hand::{Form, HandWritten, Prepared};

/// The two engines of this layer. They share how the log is read and how views are published, and nothing between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Engine {
    /// timely dataflow: tables of groups, or rows where groups are many, exchanged by key and merged.
    #[default]
    Timely,
    /// differential dataflow: collections of rows, whose changes are followed.
    Differential,
}

impl Engine {
    /// All engines.
    pub const ALL: [Engine; 2] = [Engine::Timely, Engine::Differential];
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Engine::Timely => "timely",
            Engine::Differential => "differential",
        })
    }
}

/// ```
/// use twopath_speed::Engine;
/// assert_eq!("differential".parse(), Ok(Engine::Differential));
/// assert_eq!("flink".parse::<Engine>().unwrap_err(), "there is no speed engine 'flink'; take timely or differential");
/// ```
impl FromStr for Engine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Engine::ALL.into_iter().find(|engine| engine.to_string() == text);
        found.ok_or_else(|| format!("there is no speed engine '{text}'; take timely or differential"))
    }
}

/// What people write for the speed layer.
#[derive(Debug, Clone, Copy)]
pub enum Logic {
    /// The query's own SQL, compiled.
    Sql,
    /// The query with all that is computed of its groups ([`Query::finish`]), whose rows the engine differential keeps: for a layer that answers alone. Readers answer with
    /// [`Query::maintained`]'s rows.
    Maintained,
    /// Code that gives parts, and how they merge with those of other parts of the log: for an answer that two layers share.
    Parts(HandWritten, Merging),
    /// Code that gives final values over all that it reads: for a layer that answers alone.
    Finals(HandWritten, Finals),
}

impl Logic {
    /// What messages call it.
    pub fn name(&self) -> String {
        match self {
            Logic::Sql => "sql".to_owned(),
            Logic::Maintained => "sql, all of whose rows are kept,".to_owned(),
            Logic::Parts(hand, _) | Logic::Finals(hand, _) => format!("{} version {}", hand.name, hand.version),
        }
    }
}

/// Whether an engine can fold a query's SQL into groups: [`Logic::Sql`].
///
/// # Errors
/// [`SpeedError::Unsupported`] names what of the query it does not know.
pub fn folds(query: &Query, engine: Engine) -> Result<(), SpeedError> {
    match engine {
        Engine::Timely => Ok(()),
        Engine::Differential => differential::Plan::new(query).map(drop),
    }
}

/// Whether an engine keeps the rows of a query: [`Logic::Maintained`].
///
/// # Errors
/// [`SpeedError::Unsupported`] names what of the query it does not keep.
pub fn maintains(query: &Query, engine: Engine) -> Result<(), SpeedError> {
    maintained(query, engine, 0).map(drop)
}

fn maintained(query: &Query, engine: Engine, generation: u64) -> Result<differential::Maintained, SpeedError> {
    if engine != Engine::Differential {
        return Err(SpeedError::Unsupported { engine, what: "rows that are taken back".to_owned() });
    }
    differential::Maintained::new(query, generation)
}

/// Logic made ready for one topic and engine: what stands between the source and the state.
#[derive(Clone)]
pub(crate) enum Middle {
    Timely(Fold),
    Differential(Arc<differential::Plan>),
    /// Where the base of the rows is kept: what was kept of it before.
    Maintained(Arc<differential::Maintained>, Option<Shares>),
    Hand(Prepared),
    /// Not a view but a topic comes of it.
    Feed(FeedFlow),
    /// Windows that close go to a topic.
    Windows(ClosingFlow),
    /// The changes of a table go to a topic.
    Table(Box<TableFlow>),
}

impl Middle {
    /// `generation` is the one in which the job starts.
    ///
    /// # Errors
    /// What the engine does not know; hand-written logic that does not fit the query, the topic or the engine.
    pub fn new(query: &Query, logic: Logic, engine: Engine, generation: u64) -> Result<Self, SpeedError> {
        let misfit = |hand: &HandWritten, reason| SpeedError::Rows { logic: hand.name.into(), version: hand.version, reason };
        if let Logic::Parts(hand, _) | Logic::Finals(hand, _) = &logic
            && hand.engine() != engine
        {
            return Err(SpeedError::OtherEngine { logic: logic.name(), written_for: hand.engine(), engine });
        }
        Ok(match logic {
            Logic::Sql if engine == Engine::Timely => Middle::Timely(Fold::new(query)),
            Logic::Sql => Middle::Differential(Arc::new(differential::Plan::new(query)?)),
            Logic::Maintained => Middle::Maintained(Arc::new(maintained(query, engine, generation)?), None),
            Logic::Parts(hand, merging) => {
                let layout = Arc::new(merging.parts_query(query).map_err(|e| misfit(&hand, e))?);
                Middle::Hand(Prepared::new(query, hand, Form::Parts { merging, layout })?)
            }
            Logic::Finals(hand, finals) => {
                let layout = Arc::new(finals.values_query(query).map_err(|e| misfit(&hand, e))?);
                Middle::Hand(Prepared::new(query, hand, Form::Finals { finals, layout, generation })?)
            }
        })
    }

    /// What rows are folded by, of a query that is compiled for timely.
    pub fn fold(&self) -> Option<&Fold> {
        match self {
            Middle::Timely(fold) => Some(fold),
            _ => None,
        }
    }

    /// The columns of a topic that it reads, ascending; all where `None`.
    pub fn columns(&self, topic: usize) -> Option<&[usize]> {
        match self {
            Middle::Timely(plan) => Some(plan.projection()),
            Middle::Differential(plan) => Some(&plan.projection),
            Middle::Maintained(rows, _) => Some(&rows.projections[topic]),
            Middle::Hand(prepared) => Some(&prepared.columns),
            Middle::Feed(flow) => flow.projection(),
            Middle::Windows(flow) => Some(flow.projection()),
            Middle::Table(flow) => Some(&flow.table.rows.projections[topic]),
        }
    }

    /// Whether a view comes of it: groups are kept by generation, and a bounded replay is asked for them at its end only.
    pub fn makes_a_view(&self) -> bool {
        !matches!(self, Middle::Feed(_) | Middle::Windows(_) | Middle::Table(_))
    }

    /// Whether runs of groups add up, epoch by epoch.
    pub fn adds_runs(&self, follows: bool) -> bool {
        match self {
            Middle::Feed(flow) => flow.keeps,
            Middle::Table(_) => self.keeps_base(),
            Middle::Windows(_) => false,
            _ => follows,
        }
    }

    /// Whether rows are kept, and at rest their base.
    pub fn keeps_base(&self) -> bool {
        match self {
            Middle::Maintained(_, restored) => restored.is_some(),
            Middle::Table(flow) => flow.restored.is_some(),
            _ => false,
        }
    }

    /// What the groups are laid out for: the query, or what hand-written code gives in its place.
    pub fn layout(&self, query: &Arc<Query>) -> Arc<Query> {
        match self {
            Middle::Maintained(rows, _) => Arc::clone(&rows.layout),
            Middle::Hand(prepared) => Arc::clone(prepared.layout()),
            Middle::Timely(_) | Middle::Differential(_) | Middle::Feed(_) | Middle::Windows(_) | Middle::Table(_) => Arc::clone(query),
        }
    }

    /// Whether its groups are not told apart by generations: those that are final over all that was read, and a feed's.
    pub fn is_one_generation(&self) -> bool {
        self.gives_finals() || matches!(self, Middle::Feed(_) | Middle::Windows(_) | Middle::Table(_))
    }

    /// Whether the groups are final over all that was read, so that they cannot be told apart by generations.
    pub fn gives_finals(&self) -> bool {
        match self {
            Middle::Maintained(..) => true,
            Middle::Hand(prepared) => prepared.gives_finals(),
            Middle::Timely(_) | Middle::Differential(_) | Middle::Feed(_) | Middle::Windows(_) | Middle::Table(_) => false,
        }
    }
}
