//! What a store of state has to do, whoever keeps it.

use std::sync::Arc;

use arrow_array::RecordBatch;
use twopath_view::KeptGroups;

use super::slices::Slices;
use crate::costs::StoreCosts;

/// Bytes by key, in generations, with one head that says what they are: all of it moves in one atomic step.
///
/// A store has one writer at a time. [`Store::read`] begins a step and [`Store::write`] ends it: where somebody else wrote in between, nothing is
/// written.
pub(crate) trait Store: Send {
    /// What messages call it.
    fn place(&self) -> String;

    /// All that is kept, of one moment, each byte of it looked at; `None` where there is nothing.
    fn load(&mut self) -> Result<Option<Loaded>, StoreError>;

    /// The head, and what is kept under keys of some generations, in their order.
    fn read(&mut self, wanted: &[Wanted<'_>]) -> Result<Read, StoreError>;

    /// Puts the groups in the place of those of the same keys, removes generations, and replaces the head: all of it or nothing.
    ///
    /// `false`: nothing was written, because somebody else has written since [`Store::read`].
    fn write(&mut self, step: &Step<'_>) -> Result<bool, StoreError>;

    /// The groups of a generation as they are now, `groups` of them, where readers are served from the store; `None` where it lies under groups in memory.
    fn kept(&self, _generation: u64, _groups: u64) -> Option<Arc<dyn KeptGroups>> {
        None
    }

    /// What it has cost so far.
    fn costs(&self) -> StoreCosts;
}

/// Keys of a generation.
pub(crate) struct Wanted<'a> {
    pub generation: u64,
    pub keys: &'a Slices,
}

/// What there is under a generation's keys.
pub(crate) struct Found {
    /// By key; an empty one where there is none.
    pub values: Slices,
    /// How many groups the generation has, where the store can lose some without knowing.
    pub groups: Option<u64>,
}

pub(crate) struct Read {
    pub head: Option<Vec<u8>>,
    pub found: Vec<Found>,
}

/// A key, and the value under it.
pub(crate) type Group = (Vec<u8>, Vec<u8>);

/// All that a store keeps.
pub(crate) struct Loaded {
    pub head: Vec<u8>,
    pub groups: Groups,
}

/// The groups of a store that was loaded.
pub(crate) enum Groups {
    /// By the number of their generation.
    InMemory(Vec<(u64, Vec<Group>)>),
    /// They stay where they are ([`Store::kept`]).
    Kept,
}

/// What a step makes of the groups of a generation that it changed.
pub(crate) struct Put {
    pub generation: u64,
    /// One row per group, as it is at rest.
    pub batch: RecordBatch,
    /// By row.
    pub keys: Arc<Slices>,
    pub values: Slices,
}

/// One atomic step.
pub(crate) struct Step<'a> {
    pub puts: &'a [Put],
    pub gone: &'a [u64],
    /// Counts up by one.
    pub number: u64,
    pub head: &'a [u8],
}

/// Why a store did not do what it was asked.
#[derive(Debug)]
pub(crate) enum StoreError {
    /// It may do it later.
    Unreachable(String),
    /// Another process has it.
    Taken(String),
    /// What it has is not what was written.
    Damaged(String),
    /// It will not.
    Failed(String),
}

impl StoreError {
    pub fn reason(self) -> String {
        match self {
            StoreError::Unreachable(reason) | StoreError::Taken(reason) | StoreError::Damaged(reason) | StoreError::Failed(reason) => {
                reason
            }
        }
    }
}
