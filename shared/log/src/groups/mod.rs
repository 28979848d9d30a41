//! Consumer groups: named readers of a topic with committed positions, whose members share its partitions.
//!
//! ```text
//! DIR/TOPIC/groups/GROUP/positions     the journal of committed positions (see `journal.rs`, `record.rs`)
//!                        lock          held for the moment of a change of the journal, or of the members
//!                        members/ID    held (flock) by a live member
//!                        p0.owner      held by the member that reads partition 0, whose name it holds
//!                        needs-all     there if the group starts anew from the log's start, wherever it is
//! ```
//!
//! **Who owns a partition is a lock of the operating system**, not a lease: no clock decides, and when a process dies, however it dies,
//! its locks are free at once. The other side of it: a process that hangs without dying keeps its partitions until it is killed.
//!
//! **Nobody coordinates.** The live members, sorted by name, are the same list for everybody: member *i* of *n* is entitled to the
//! partitions *p* with *p* mod *n* = *i*. Each member looks now and then, lets go of what it is no longer entitled to (after committing it),
//! and takes what it is entitled to and is free. Two that see different lists for a moment cannot own the same partition, because the lock
//! is what counts. A member may also name its partitions itself; such members are no part of the sharing.
//!
//! **At least once, and once where nothing dies.** Calling [`Member::poll`] again says that what it gave before is done with, and
//! [`Member::commit`] writes that down. What was given and not committed when a member dies is given again, to whoever takes over.
//!
//! A commit is as durable as the topic: synced, but for durability `none`. Groups share nothing with one another.
//!
//! **A group does not stand ahead of the log.** Where the topic's durability lets the machine's death take records that had been read, a
//! position can outlive them. What is appended then takes their offsets, and must not pass for done: so a writer that opens the topic sets such groups back
//! to the log's end, before it appends, and says in a warning what was lost. A member that finds no writer has done so does it for itself.

pub(crate) mod group;
pub(crate) mod journal;
pub(crate) mod member;
pub(crate) mod record;
pub(crate) mod verify;

pub use group::{Group, PartitionProgress};
pub use member::{Member, MemberOptions};
