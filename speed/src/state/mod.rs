//! Where a job's state lives.
//!
//! ```text
//! epoch's groups ─→ runs in memory ([`memory`]) ─→ view
//!        └────────→ keeper: read the changed groups, merge, write them with the position ─→ a store: [`remote`] | [`local`]
//!
//! epoch's groups ─→ newest ([`behind`]) ─┬─→ view, over the store as it was at its last step
//!                                        └─→ keeper ─→ a store that serves readers: [`local`]
//! ```
//!
//! Readers are served from immutable runs in memory, or from the local index ([`kept`]) and what is not in it yet. What differs is what is left of them when
//! the process dies: nothing; checkpoints, which are taken of the view now and then ([`crate::checkpoint`]); or a [`Store`](store::Store) outside the
//! process: groups are read from it, merged and written back, together with the input's position, in one atomic step. A remote one is written with each epoch,
//! before the view that has it is published; a local one at intervals, behind the views. So a start finds the state and the position that belong together,
//! and goes on from there.
//!
//! What is deliberately absent: taking back. An epoch's groups are parts that merge with those before them, because the log only grows. An
//! engine whose groups shrink will have to replace a generation's groups.

mod behind;
mod changelog;
mod codec;
mod head;
mod index;
mod keeper;
mod kept;
pub(crate) mod local;
pub mod memory;
pub(crate) mod remote;
mod slices;
mod standby;
mod store;

use std::sync::Arc;

use crate::checkpoint::Checkpoints;

pub(crate) use behind::Behind;
pub use keeper::kept_state;
pub(crate) use keeper::{Changes, Keeper};
pub use local::{LOCAL_MEMORY, Local};
pub use remote::Remote;
pub use standby::Standby;

/// Where the state of a job lives, and so what is left of it after a crash.
#[derive(Clone, Default)]
pub enum Backend {
    /// In the process alone: the log is read again.
    #[default]
    Memory,
    /// In the process, and now and then at rest.
    Checkpoints(Checkpoints),
    /// On a server, written with each epoch.
    Remote(Remote),
    /// In an index beside the process, and in a changelog, written at intervals.
    Local(Local),
}

/// Who takes a job's state to its store.
pub(crate) enum Writes {
    /// Each epoch, before it is published.
    Through(Box<Keeper>),
    /// At intervals.
    Behind(Arc<Behind>),
}
