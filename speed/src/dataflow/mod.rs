//! The dataflow, to be read like the diagram that it is:
//!
//! ```text
//!  log ─→ frames ─→ partial ─→ (to all workers) ─→ merge ─→ (to worker 0) ─→ publish
//!        a worker's  a small     each takes the      runs per   snapshots       one view per
//!        partitions  table per   groups whose keys   generation                 completed epoch
//!                    generation  are its own
//! ```
//!
//! Timely's timestamp is an **epoch** of the log's progress. Each worker closes an epoch by announcing how far it has read its
//! partitions ([`reached::Reached`]); the announcement travels behind the data that it speaks of. When the frontier passes an
//! epoch, every effect of what all workers announced up to it is in the state, and only then is it published, under the position
//! that the announcements make together.
//!
//! What is deliberately absent: differential's arrangements. The accumulators only ever grow (no retractions), their merge is
//! commutative, and they are kept by column; a sorted trace of `(key, value, time, difference)` records would cost an allocation
//! and a comparison per record to give back what a hash table over a frame already has.

mod frames;
mod merge;
mod parcels;
mod partial;
mod publish;
mod reached;
mod runs;

use std::sync::Arc;
use std::sync::mpsc::Sender;

use timely::dataflow::ProbeHandle;
use timely::dataflow::operators::Probe;
use timely::worker::Worker;
use twopath_base::Position;
use twopath_log::{Barrier, Topic};
use twopath_query::Query;

pub(crate) use frames::Partition;
pub(crate) use runs::{MergeTask, merge_runs_off_thread};

use crate::control::Control;
use crate::error::SpeedError;
use crate::logic::Fold;
use frames::frames;
use merge::Merge;
use partial::Partial;
use publish::{Publish, Publisher};

/// What one job's dataflow is built from, the same in every worker.
pub(crate) struct Wiring {
    pub topic: Topic,
    pub query: Arc<Query>,
    pub fold: Fold,
    pub from: (u64, Position),
    /// Where a bounded replay ends; `None` to follow the tail.
    pub to: Option<Position>,
    /// All barriers known when the job started.
    pub barriers: Vec<Barrier>,
    pub control: Arc<Control>,
    /// Where runs go that are too large to be merged in line.
    pub merges: Sender<MergeTask>,
}

impl Wiring {
    /// Builds this worker's part. The probe passes an epoch once it has been published.
    pub fn build(&self, worker: &mut Worker) -> Result<ProbeHandle<u64>, SpeedError> {
        let partitions = Partition::open(self, worker.index(), worker.peers())?;
        let publisher = Publisher::new(self, worker.peers());
        Ok(worker.dataflow_named("speed", |scope| {
            frames(scope, partitions, self).partial(&self.query, self.fold.clone()).merge(self).publish(publisher).probe().0
        }))
    }
}
