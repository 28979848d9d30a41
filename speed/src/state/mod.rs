//! Where a worker keeps the groups of its generations.
//!
//! Today there is one backend, [`memory`]: immutable runs. Others (a local store, a remote one) keep the same promise: what is added is in
//! every snapshot that is taken afterwards, and a snapshot never changes.
//!
//! What is deliberately absent: taking back. An epoch's groups are parts that merge with those before them, because the log only grows. An
//! engine whose groups shrink will have to replace a generation's groups; that is another method here, to come with the first such engine.

pub mod memory;

use std::sync::Arc;
use std::sync::mpsc::Sender;

use twopath_view::GroupTable;

use memory::{MergeTask, Runs};

/// One generation's groups in one worker.
pub(crate) trait State {
    /// Adds an epoch's groups; the same key may have been added before.
    fn add(&mut self, groups: GroupTable);

    /// Takes in groups of a checkpoint, as they are.
    fn adopt(&mut self, runs: Vec<Arc<GroupTable>>);

    /// Does a little of what keeps it small and fast; called once per epoch.
    fn tidy(&mut self);

    /// All groups as they are, for ever: the same key may be in several tables, which then are to be merged.
    fn snapshot(&self) -> Vec<Arc<GroupTable>>;

    /// Approximate bytes in memory.
    fn bytes(&self) -> usize;
}

/// Which backend a job has, and what it takes to open it.
#[derive(Clone)]
pub(crate) enum Backend {
    /// Large runs are sent away to be merged.
    Memory { merges: Sender<MergeTask> },
}

impl Backend {
    /// The state of a generation that nothing is known of yet.
    pub fn open(&self) -> Box<dyn State> {
        match self {
            Backend::Memory { merges } => Box::new(Runs::new(merges.clone())),
        }
    }
}
