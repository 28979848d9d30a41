//! The dataflow, to be read like the diagram that it is:
//!
//! ```text
//!  log ─→ frames ─┬─→ an engine, which exchanges by key ─→ merge ─→ (to worker 0) ─→ publish
//!        a worker's │                                   state per    snapshots       one view per
//!        partitions │                                   generation                   completed epoch
//!                   └─→ a feed: see [`crate::feed`] ──→ append ─→ merge and publish, where its state is kept
//!
//!  where rows are kept, their base beside them: merge ─→ publish, to be put at rest
//!
//!  compiled for timely:       partial (a small table per generation) ─→ (each worker takes the groups whose keys are its own)
//!                             (of an epoch with many groups its rows) ─→ (each worker gets those whose groups are its own)
//!  compiled for differential: see [`crate::differential`]
//!  by hand, for either:       see [`crate::hand`]
//! ```
//!
//! Timely's timestamp is an **epoch** of the log's progress. Each worker closes an epoch by announcing how far it has read its
//! partitions ([`Reached`](crate::epoch::Reached)); the announcement travels behind the data that it speaks of. When the frontier passes an
//! epoch, every effect of what all workers announced up to it is in the state, and only then is it published, under the position
//! that the announcements make together.
//!
//! The engines differ in the middle and nowhere else: there is one source, one state, and one way of publishing. Where the sink is a topic
//! ([`crate::sink::topic`]), each frame counts for itself, and its own operators stand behind the same source.
//!
//! What is deliberately absent in the path that is compiled for timely: arrangements. There, accumulators only ever grow, their merge is
//! commutative, and they are kept by column; a sorted trace of `(key, value, time, difference)` records would cost an allocation and a
//! comparison per record to give back what a hash table over a frame already has. What that costs is measured by the other engine.

mod frames;
mod merge;
mod pace;
mod partial;

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

use timely::dataflow::ProbeHandle;
use timely::dataflow::operators::Probe;
use timely::worker::Worker;
use twopath_base::Position;
use twopath_base::sync::lock;
use twopath_log::{Barrier, Topic};
use twopath_query::Query;
use twopath_view::Generation;

use crate::checkpoint::Shares;
use crate::control::Control;
use crate::differential::{Around, Maintained};
use crate::epoch::{GenerationRange, ReadProgress};
use crate::error::SpeedError;
use crate::input::Input;
use crate::logic::Middle;
use crate::sink::view::{FeedEnd, Publish, Publisher};
use crate::state::memory::MergeTask;
use crate::state::{Changes, Writes};
use crate::{differential, feed, hand};
use frames::{Partition, frames};
use merge::Merge;
use partial::Partial;

/// What one job's dataflow is built from, the same in every worker.
pub(crate) struct Wiring {
    pub input: Input,
    pub query: Arc<Query>,
    pub middle: Middle,
    pub from: (u64, Position),
    /// Where a bounded replay ends; `None` to follow the tail.
    pub to: Option<Position>,
    /// What the job starts with, where it does not start with nothing.
    pub generations: Option<Vec<Generation>>,
    /// All barriers known when the job started, of a job that reads one topic.
    pub barriers: Vec<Barrier>,
    pub control: Arc<Control>,
    /// Where large runs of groups are merged.
    pub merges: Sender<MergeTask>,
    pub keeping: Keeping,
    /// Who takes it to its store, and what of the generations he has not heard of: the first worker takes it.
    pub writes: Mutex<Option<(Writes, Changes)>>,
    /// All workers together read no faster.
    pub max_records_per_s: Option<f64>,
}

/// Where the state is kept beside the workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// Nowhere.
    No,
    /// In a store too, which hears of each epoch's changes.
    Also,
    /// In a store from which readers are served, with what is not in it yet; an epoch has so many records at most.
    InStead { records_at_once: u64 },
}

impl Keeping {
    /// Whether workers have the groups in memory.
    pub fn has_groups_in_memory(self) -> bool {
        !matches!(self, Keeping::InStead { .. })
    }
}

impl Wiring {
    /// Builds this worker's part. The probe passes an epoch once it has been published.
    pub fn build(&self, worker: &mut Worker) -> Result<ProbeHandle<u64>, SpeedError> {
        let partitions = Partition::open(self, worker.index(), worker.peers())?;
        let peers = worker.peers();
        Ok(worker.dataflow_named("speed", |scope| {
            let reads = frames(scope, partitions, self);
            let probe = ProbeHandle::new();
            let index = scope.index();
            let partitions = self.input.topics().iter().map(Topic::partitions).collect();
            let around = Around { partitions, restored: self.restores_base() };
            // The rows of a plan. Where they are kept, their base goes to rest.
            let maintained = |reads, rows: &Maintained, restored: Option<&Shares>| {
                let restored = restored.map(|shares| match rows.lets_go() {
                    true => shares.take_by_key(rows.base_layout(), index, peers),
                    false => shares.take(index, peers),
                });
                let (rows, base) = differential::maintained(reads, rows, restored.as_deref(), &around, &self.control);
                if restored.is_some() {
                    base.merge(self, true).publish(Publisher { is_base: true, ..self.publisher(peers, None) }).probe_with(&probe);
                }
                rows
            };
            let parts = match &self.middle {
                Middle::Feed(flow) => {
                    let appended = feed::append(reads, flow, &self.control);
                    if !flow.keeps {
                        return feed::tell(appended, flow.reached.clone()).probe().0;
                    }
                    appended
                }
                Middle::Windows(flow) => return feed::close(reads, flow, &self.control).probe().0,
                Middle::Table(flow) => {
                    let rows = maintained(reads, &flow.table.rows, flow.restored.as_ref());
                    feed::show(rows, flow, &self.control).probe_with(&probe);
                    return probe;
                }
                Middle::Timely(plan) => reads.partial(&self.query, plan.clone()),
                Middle::Maintained(rows, restored) => maintained(reads, rows, restored.as_ref()),
                Middle::Differential(plan) => differential::parts(reads, plan, &self.query, &self.control),
                Middle::Hand(prepared) => hand::parts(reads, prepared, &self.control),
            };
            let writes = if index == 0 { lock(&self.writes).take() } else { None };
            parts.merge(self, false).publish(self.publisher(peers, writes)).probe_with(&probe);
            probe
        }))
    }

    /// Whether a table that lets go starts from the base of its rows, which has the first epoch for itself.
    fn restores_base(&self) -> bool {
        matches!(&self.middle, Middle::Table(flow) if flow.restored.is_some() && flow.table.rows.lets_go()) && self.generations.is_some()
    }

    fn publisher(&self, peers: usize, writes: Option<(Writes, Changes)>) -> Publisher {
        let (writes, changes) = writes.unzip();
        Publisher {
            progress: match &self.generations {
                Some(generations) => ReadProgress::going_on(generations.iter().map(GenerationRange::of).collect(), &self.barriers),
                None => ReadProgress::new(self.from.clone(), &self.barriers),
            },
            whole_barriers: self.to.is_none(),
            is_one: self.middle.is_one_generation(),
            is_base: false,
            shares: vec![Vec::new(); peers],
            error: None,
            changes: changes.unwrap_or_default(),
            writes,
            feed: match &self.middle {
                Middle::Feed(flow) => {
                    let state = Arc::clone(&flow.state);
                    Some(FeedEnd { sync: Box::new(move || state.sink.sync()), told: flow.reached.clone(), reached: Vec::new() })
                }
                _ => None,
            },
            topic: self.input.first().clone(),
            raised: vec![None; peers],
            control: Arc::clone(&self.control),
        }
    }
}
