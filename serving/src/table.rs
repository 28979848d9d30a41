//! One version of a job, as readers see it.

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use twopath_base::sync::lock;
use twopath_base::{Coverage, CoveragePart, Position};
use twopath_query::{EvalError, Query};
use twopath_view::{self as view, Answer, BatchView, Finals, Finish, Generation, GroupTable, Merging, RealtimeView, Selection};

use crate::ServingError;

/// A batch view and the generations after its horizon, answered as one.
///
/// Readers load one immutable state and answer from it; writers take turns, and replace it. So a publication is seen whole or not
/// at all, and readers and writers never wait for one another.
pub struct Table {
    query: Arc<Query>,
    /// What the published groups are of: the query, or what hand-written code gives in its place.
    layout: Arc<Query>,
    /// How hand-written parts are finished once they are merged.
    merging: Option<Merging>,
    partitions: usize,
    /// The log's start: what is before it is gone, and nobody answers for it.
    lower: Position,
    /// Whether the realtime view leaves records out, on purpose, or what they say of the batch view's.
    is_approximate: bool,
    state: ArcSwap<State>,
    /// Publications come from two layers; each builds on the state that the other left.
    writers: Mutex<()>,
    observer: Option<Observer>,
}

/// How the source of a generation ends, in an answer's coverage, that leaves records out.
const APPROXIMATE: &str = ", approximate";

type Observer = Box<dyn Fn(&Position) + Send + Sync>;

/// Bytes in memory, by where they came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TableBytes {
    pub batch: u64,
    pub realtime: u64,
}

#[derive(Default)]
struct State {
    batch: Option<Arc<BatchView>>,
    /// Those that the batch view does not answer for, oldest first.
    generations: Vec<Generation>,
    error: Option<EvalError>,
    /// What an answer from this state covers; none while there is a hole at the log's start.
    coverage: Option<Coverage>,
}

impl Table {
    /// An empty table for `query` over a topic of `partitions` partitions.
    pub fn new(query: Arc<Query>, partitions: usize) -> Self {
        assert!(partitions > 0, "a topic has a partition");
        let layout = Arc::clone(&query);
        let lower = Position::zero(partitions);
        let (state, writers) = (ArcSwap::default(), Mutex::default());
        Table { query, layout, merging: None, partitions, lower, is_approximate: false, state, writers, observer: None }
    }

    /// The table of a hand-written view: what is published into it are the parts that `merging` names, laid out for
    /// [`Merging::parts_query`]; answers are merged of them, and finished. Coverage says of each generation that it is approximate where the merging is
    /// ([`Finish::Approximate`]).
    ///
    /// # Errors
    /// [`ServingError::HandWritten`] where the parts cannot stand for the table's query.
    pub fn with_merging(self, merging: Merging) -> Result<Self, ServingError> {
        let layout = merging.parts_query(&self.query).map_err(|reason| refused(merging.name, merging.version, reason))?;
        let is_approximate = self.is_approximate || matches!(merging.finish, Finish::Approximate(_));
        Ok(Table { layout: Arc::new(layout), merging: Some(merging), is_approximate, ..self })
    }

    /// The table of a hand-written view of final values: of each group, the newest row is the answer's. There is no batch view beside it.
    ///
    /// # Errors
    /// [`ServingError::HandWritten`] where the values cannot stand for the table's query.
    pub fn with_finals(self, finals: Finals) -> Result<Self, ServingError> {
        let layout = finals.values_query(&self.query).map_err(|reason| refused(finals.name, finals.version, reason))?;
        Ok(Table { layout: Arc::new(layout), merging: None, ..self })
    }

    /// As [`Table::new`]; `observer` is called after each publication, in their order, with the position that answers have from then
    /// on: first readers can see it, then it is called.
    pub fn observed(query: Arc<Query>, partitions: usize, observer: impl Fn(&Position) + Send + Sync + 'static) -> Self {
        Table { observer: Some(Box::new(observer)), ..Table::new(query, partitions) }
    }

    /// The same table over a log whose start is `lower`, because retention took what was before.
    #[must_use]
    pub fn starting_at(self, lower: Position) -> Self {
        assert_eq!(lower.partitions(), self.partitions, "the start of another topic");
        Table { lower, ..self }
    }

    /// The same table, where what the speed layer publishes leaves records out on purpose: coverage says so of each generation, as in
    /// `generation 3, approximate`.
    #[must_use]
    pub fn approximate(self) -> Self {
        Table { is_approximate: true, ..self }
    }

    pub fn query(&self) -> &Arc<Query> {
        &self.query
    }

    /// What published tables must be laid out for: the query itself, or what hand-written code gives in its place.
    pub fn layout(&self) -> &Arc<Query> {
        &self.layout
    }

    /// Readers move to `view` and the generations that it answers for are dropped, in one step. Where the realtime view has not yet
    /// read up to the view's horizon, answers are the batch view's alone until it has.
    ///
    /// # Panics
    /// If `view` is cut at an earlier barrier than the one it replaces, or does not abut the generations after it.
    pub fn publish_batch(&self, view: BatchView) {
        assert_eq!(view.upper.partitions(), self.partitions, "a batch view of another topic");
        self.replace(|old| {
            if let Some(before) = &old.batch {
                assert!(view.barrier >= before.barrier, "batch view at barrier {} after one at {}", view.barrier, before.barrier);
                assert!(view.upper.covers(&before.upper), "batch view to {} after one to {}", view.upper, before.upper);
            }
            let generations = after(view.barrier, &old.generations);
            State::new(Some(Arc::new(view)), generations, old.error.clone(), self)
        });
    }

    /// Readers move to `view`, less what the batch view answers for.
    ///
    /// # Panics
    /// If `view` lies behind the realtime view that it replaces, or leaves a hole after the batch view.
    pub fn publish_realtime(&self, view: Arc<RealtimeView>) {
        self.replace(|old| {
            let barrier = old.batch.as_ref().map_or(0, |b| b.barrier);
            let generations = after(barrier, &view.generations);
            State::new(old.batch.clone(), generations, view.error.clone(), self)
        });
    }

    fn replace(&self, next: impl FnOnce(&State) -> State) {
        let _turn = lock(&self.writers);
        let old = self.state.load();
        let new = next(&old);
        if let (Some(before), Some(after)) = (old.position(), new.position()) {
            assert!(after.covers(before), "answers would go back from {before} to {after}");
        }
        let new = Arc::new(new);
        self.state.store(new.clone());
        if let (Some(observer), Some(position)) = (&self.observer, new.position()) {
            observer(position);
        }
    }

    /// The answer over everything published, and what it covers.
    pub fn answer(&self, selection: &Selection) -> Result<Answer, ServingError> {
        if !self.query.answers_by_group() && (selection.key.is_some() || selection.first_key != (None, None)) {
            return Err(ServingError::NoGroups);
        }
        if let Some(key) = selection.key.as_ref().filter(|k| k.len() != self.query.keys.len()) {
            let names = self.query.keys.iter().map(|k| k.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(ServingError::KeyLength { given: key.len(), wanted: self.query.keys.len(), names });
        }
        let state = self.state.load();
        if let Some(error) = &state.error {
            return Err(error.clone().into());
        }
        let Some(coverage) = &state.coverage else {
            return Err(match state.generations.first() {
                Some(first) => ServingError::HistoryMissing { lower: first.lower.clone() },
                None => ServingError::NothingPublished,
            });
        };
        let realtime = view::tables_for(&state.generations, &self.layout, selection, state.batch.is_none())?;
        let batch = state.batch.iter().map(|b| &*b.table);
        let parts: Vec<&GroupTable> = batch.chain(realtime.iter().map(|t| &**t)).collect();
        let groups = view::answer(&self.layout, &parts, selection)?;
        let rows = match &self.merging {
            Some(merging) => merging.finished(&self.query, &groups)?,
            None => groups,
        };
        Ok(Answer { rows, coverage: coverage.clone() })
    }

    /// The position that an answer would be exact for now; `None` while there is none.
    pub fn position(&self) -> Option<Position> {
        self.state.load().position().cloned()
    }

    /// What an answer would cover now; `None` while there is none.
    pub fn coverage(&self) -> Option<Coverage> {
        self.state.load().coverage.clone()
    }

    /// The barrier at which the batch view is cut, if there is a batch view.
    pub fn batch_barrier(&self) -> Option<u64> {
        self.state.load().batch.as_ref().map(|b| b.barrier)
    }

    /// Bytes in memory of what readers see now.
    pub fn bytes(&self) -> TableBytes {
        let state = self.state.load();
        TableBytes {
            batch: state.batch.as_ref().map_or(0, |b| b.table.bytes() as u64),
            realtime: state.generations.iter().flat_map(|g| &g.tables).map(|t| t.bytes() as u64).sum(),
        }
    }
}

/// Whether an answer that covers this is approximate: whether a part of it that has records leaves some out on purpose ([`Table::approximate`]), or what they say of the batch
/// view's ([`Finish::Approximate`]).
pub fn is_approximate(coverage: &Coverage) -> bool {
    coverage.parts.iter().any(|part| part.source.ends_with(APPROXIMATE) && part.lower != part.upper)
}

fn refused(logic: &str, version: u32, reason: String) -> ServingError {
    ServingError::HandWritten { logic: logic.into(), version, reason }
}

/// The generations that a batch view cut at `barrier` does not answer for.
fn after(barrier: u64, generations: &[Generation]) -> Vec<Generation> {
    generations.iter().filter(|g| g.number >= barrier).cloned().collect()
}

impl State {
    fn new(batch: Option<Arc<BatchView>>, generations: Vec<Generation>, error: Option<EvalError>, table: &Table) -> Self {
        let from_start = batch.is_some() || generations.first().is_some_and(|g| g.lower == table.lower);
        let how = if table.is_approximate { APPROXIMATE } else { "" };
        let coverage = from_start.then(|| {
            let batch = batch.iter().map(|b| CoveragePart {
                source: format!("batch view {}", b.version),
                lower: b.lower.clone(),
                upper: b.upper.clone(),
            });
            let generations = generations.iter().map(|g| CoveragePart {
                source: format!("generation {}{how}", g.number),
                lower: g.lower.clone(),
                upper: g.upper.clone(),
            });
            Coverage::of(batch.chain(generations).collect())
        });
        State { batch, generations, error, coverage }
    }

    fn position(&self) -> Option<&Position> {
        self.coverage.as_ref().and_then(Coverage::position)
    }
}
