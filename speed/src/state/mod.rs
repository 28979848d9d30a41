//! Where a job's state lives.
//!
//! ```text
//! epoch's groups ─→ runs in memory ([`memory`]) ─→ view            (a view over [`local`] has the store itself, as it was then)
//!        └────────→ keeper: read the changed groups, merge, write them with the position ─→ a store: [`remote`] | [`local`]
//! ```
//!
//! Readers are served from immutable runs in memory, or from the local index ([`kept`]), which then is the only place that has the groups. What differs is what is left of them when the process dies: nothing;
//! checkpoints, which are taken of the view now and then ([`crate::checkpoint`]); or a [`Store`](store::Store) outside the process, which is written through: each
//! epoch's groups are read from it, merged and written back, together with the input's position, in one atomic step, before the view that has
//! them is published. So a start finds the state and the position that belong together, and goes on from there.
//!
//! What is deliberately absent: taking back. An epoch's groups are parts that merge with those before them, because the log only grows. An
//! engine whose groups shrink will have to replace a generation's groups.

mod changelog;
mod codec;
mod head;
mod index;
mod keeper;
mod kept;
pub(crate) mod local;
pub mod memory;
pub(crate) mod remote;
mod standby;
mod store;

use crate::checkpoint::Checkpoints;

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
    /// In an index beside the process, and in a changelog, written with each epoch.
    Local(Local),
}
