//! Checkpoints: what a job's state was at a position, at rest, so that a restart reads only what came after it.
//!
//! ```text
//! fence-00000002                   who may commit: the owner with the greatest number (its file is locked while it lives)
//! origin                           whose checkpoints these are, and from where on the job answers
//! run-00000001-00000017.arrow      an immutable run, written once, named by as many checkpoints as it is in
//! checkpoint-00000009              a position and its runs: small, written whole or not at all, with a checksum
//! ```
//!
//! The state of the speed layer is immutable runs, and a published view is a list of them that is exact for its position, over all workers. So
//! a checkpoint needs no barrier of its own and stops nobody: it is a view, of which the runs that no earlier checkpoint has are written.
//!
//! A restart takes the newest checkpoint that is whole: each file has its length and its checksum, the topic and the query are the job's own,
//! and the log still has, before the position, the record that was there. What is refused is told by file and reason, and the next older
//! checkpoint is tried. Since runs are tables by key that merge with others, the number of workers may be another one.
//!
//! **Fencing.** Whoever opens a folder to write puts up a fence with the next number; a commit takes the folder's lock, looks for a newer
//! fence and is refused if there is one. So a process that was taken for dead, and was not, can neither commit nor sweep.
//!
//! **What it is not**: a place for state that hand-written final values keep in their own dataflow, which nobody but their code can read.

mod manifest;
mod run;
mod schedule;
mod store;
mod whole;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use twopath_base::Position;
use twopath_base::sync::lock;
use twopath_log::Topic;
use twopath_query::Query;
use twopath_storage::{OsStorage, Storage};
use twopath_view::{Generation, GroupTable};

use crate::error::SpeedError;
use crate::input::Input;
pub use manifest::{GenerationAtRest, Identity, Manifest, RunAtRest};
pub(crate) use manifest::{decode as decode_checked, encode as encode_checked};
pub(crate) use schedule::take_in_turn;
pub use store::CheckpointStats;
pub(crate) use store::CheckpointStore;
pub(crate) use whole::{arrivals_us, misfit};

/// Checkpoints kept where nobody says otherwise.
pub const CHECKPOINTS_KEPT: usize = 3;

/// Where a job's checkpoints are, and how often one is taken.
#[derive(Clone)]
pub struct Checkpoints {
    pub dir: PathBuf,
    pub storage: Arc<dyn Storage>,
    /// How many are kept, at least one.
    pub keep: usize,
    /// From the start of one to the start of the next; `None` for a job that only starts from what is there, and writes nothing.
    pub interval: Option<Duration>,
}

impl Checkpoints {
    /// One every `interval`, into a folder.
    pub fn every(interval: Duration, dir: &Path) -> Self {
        Checkpoints { dir: dir.to_owned(), storage: Arc::new(OsStorage), keep: CHECKPOINTS_KEPT, interval: Some(interval) }
    }

    /// Starts from what is there, beside the job that takes them.
    pub fn read_only(dir: &Path) -> Self {
        Checkpoints { interval: None, ..Checkpoints::every(Duration::MAX, dir) }
    }
}

/// A checkpoint that was passed over, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub file: PathBuf,
    pub reason: String,
}

/// The checkpoint that a job started from.
pub(crate) struct Restored {
    pub manifest: Manifest,
    /// Its state.
    pub generations: Vec<Generation>,
}

impl Restored {
    /// The generation and the position at which reading goes on.
    pub fn reads_from(&self) -> (u64, Position) {
        let last = self.generations.last().expect("a checkpoint has a generation");
        (last.number, last.upper.clone())
    }
}

/// Tables that workers take their shares of, each once.
#[derive(Clone, Default)]
pub(crate) struct Shares(Arc<Mutex<Untaken>>);

#[derive(Default)]
struct Untaken {
    tables: Vec<Option<Arc<GroupTable>>>,
    /// How many workers have taken their groups of all of them.
    taken: usize,
}

impl Shares {
    fn new(tables: Vec<Option<Arc<GroupTable>>>) -> Shares {
        Shares(Arc::new(Mutex::new(Untaken { tables, taken: 0 })))
    }

    /// Those of one of so many workers.
    pub fn take(&self, worker: usize, workers: usize) -> Vec<Arc<GroupTable>> {
        lock(&self.0).tables.iter_mut().skip(worker).step_by(workers).filter_map(Option::take).collect()
    }

    /// One of so many workers' groups, merged, of all tables: what one has of a group and what another takes from it come to the same worker.
    pub fn take_by_key(&self, layout: &Query, worker: usize, workers: usize) -> Vec<Arc<GroupTable>> {
        let tables: Vec<Arc<GroupTable>> = lock(&self.0).tables.iter().flatten().cloned().collect();
        let mut merged = GroupTable::new(layout);
        tables.iter().for_each(|table| merged.merge_part(table, worker, workers));
        let mut untaken = lock(&self.0);
        untaken.taken += 1;
        if untaken.taken == workers {
            untaken.tables.clear();
        }
        vec![Arc::new(merged)]
    }
}

/// The base of rows that was kept: its tables, which the dataflow gives as it gives what it reads, and what they are of.
pub(crate) struct RestoredBase {
    pub tables: Shares,
    /// The generations, without tables; `None` where nothing was kept.
    pub generations: Option<Vec<Generation>>,
    /// Where reading goes on.
    pub from: (u64, Position),
}

impl RestoredBase {
    /// Of what was restored; from `start` on where it is not to be used: where it began in another generation, and below `since`, where a compacted topic may have lost what took the
    /// place of rows that were kept.
    pub fn of(restored: Option<Restored>, since: &Position, start: (u64, Position)) -> RestoredBase {
        let fits = |restored: &Restored| {
            let fits = restored.manifest.position().covers(since) && restored.generations[0].number == start.0;
            if !fits {
                tracing::warn!(
                    number = restored.manifest.number,
                    "a checkpoint of rows is passed over: the log has changed below it, or it began elsewhere"
                );
            }
            fits
        };
        let Some(restored) = restored.filter(fits) else {
            return RestoredBase { tables: Shares::default(), generations: None, from: start };
        };
        let (from, mut tables) = (restored.reads_from(), Vec::new());
        let without = |generation: Generation| {
            tables.extend(generation.tables.into_iter().map(Some));
            Generation::of(generation.number, (generation.lower, generation.upper), Vec::new())
        };
        let generations = Some(restored.generations.into_iter().map(without).collect());
        RestoredBase { tables: Shares::new(tables), generations, from }
    }
}

/// What there is to start from: the newest checkpoint that is whole, and those that were passed over.
#[derive(Debug, Clone)]
pub struct Newest {
    pub manifest: Option<Manifest>,
    pub refused: Vec<Refused>,
}

impl Identity {
    /// Of a topic, the query that groups are laid out for, and the name of the code that makes them.
    pub fn of(topic: &Topic, layout: &Query, code: &str) -> Identity {
        Self::of_input(&Input::of(topic), layout, code)
    }

    /// As [`Self::of`], of all topics that are read.
    pub(crate) fn of_input(input: &Input, layout: &Query, code: &str) -> Identity {
        let id = |topic: &Topic| topic.local().map_or_else(|_| topic.address(), |local| local.id());
        let each = |of: &dyn Fn(&Topic) -> String, between: &str| input.topics().iter().map(of).collect::<Vec<_>>().join(between);
        let (topic, topic_id) = (each(&|topic| topic.name().to_owned(), ", "), each(&id, "+"));
        let text = serde_json::to_string(layout).expect("a query is JSON");
        // FNV-1a of 64 bits.
        let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let query = text.bytes().chain([0]).chain(code.bytes()).fold(0xcbf2_9ce4_8422_2325, hash);
        Identity { topic, topic_id, query: format!("{query:016x}") }
    }
}

/// Which checkpoint in a folder a job of compiled SQL over this topic would start from; every byte of it is looked at.
///
/// # Errors
/// The folder, or the topic, cannot be read.
pub fn newest_checkpoint(dir: &Path, topic: &Topic, query: &Query) -> Result<Newest, SpeedError> {
    let store = CheckpointStore::open_to_read(Arc::new(OsStorage), dir, Identity::of(topic, query, "sql"));
    store.newest(&Input::of(topic))
}

/// Whether a living process owns the checkpoints of a folder.
pub fn has_owner(dir: &Path) -> bool {
    store::has_owner(dir)
}
