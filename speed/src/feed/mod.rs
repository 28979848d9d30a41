//! Feeds: jobs whose sink is a topic, so that jobs chain into a graph through logs.
//!
//! ```text
//!  frames ─→ changes: what comes of each frame, by output partition ─→ (to the output partition's worker) ─→ append ─→ (to worker 0) ─→ reached
//!            rows that pass (`rows.rs`), or the frame's groups                a changelog's groups,           what may be committed
//!                                                                             the sink's frames
//! ```
//!
//! A SELECT without aggregates passes rows on one by one. One with groups makes a **changelog** (`changelog.rs`): for each frame of its
//! input, the rows of the groups that the frame changed, so that a group's newest row is its answer. Compaction by the group's column
//! leaves those rows (and, as ever, what is not sealed yet).
//!
//! With `EMIT ON WINDOW CLOSE` it appends **windows** (`closing.rs`), each when it is final, and keeps those that are open; beside that, if it is asked to, what those have so far (`firing.rs`).
//!
//! One of any other shape over its topic (a join, groups of groups, OVER, UPSERT) is kept as a **table** by the engine differential (`table.rs`), and each change of a row is appended.
//!
//! Of rows and changelogs, which the diagram shows:
//!
//! **A frame counts for itself.** A view says what all of an epoch came to; here every frame of the input leaves its own rows, under the
//! offset at which it ends (see [`crate::sink::topic`]). Epochs say which of them are complete: when one is, all that came of the records
//! that it announces is in the output, and only then may the input's position be committed.
//!
//! **In order.** The rows of one input partition keep their order in each output partition, because they go from one worker to one worker.
//! Of a changelog, each group's rows are in the order of its changes, because a group's output partition is one worker's.
//!
//! **A frame that raises an error** leaves nothing in the output partitions of the worker that finds it, and nothing after it comes there.

mod changelog;
mod closing;
mod firing;
mod flow;
mod mark;
mod query;
mod rows;
mod table;
mod when;

pub use closing::SpokeLate;
pub(crate) use closing::{Closer, ClosingFlow, close};
pub(crate) use firing::Firer;
pub use firing::Firings;
pub(crate) use flow::{FeedFlow, FeedState, GENERATION, Purpose, append, tell};
pub(crate) use mark::{Mark, mark_path};
pub use query::{FeedKind, FeedQuery};
pub use rows::RowQuery;
pub(crate) use table::{Shower, TableFlow, show};
pub(crate) use when::When;
