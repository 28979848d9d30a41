//! What travels within an epoch: reads from the source to an engine, parts from an engine to the state, shares of the state to the sink, and how
//! far was read, behind all of them.

mod complete;
mod parcels;
mod part;
mod reached;
mod share;

use twopath_log::Records;

pub(crate) use complete::{complete, take_and_tell, take_complete};
pub(crate) use parcels::{Parcels, by_address};
pub(crate) use part::EpochPart;
pub(crate) use reached::{GenerationRange, Reached, ReadProgress};
pub(crate) use share::Share;

/// What the source hands on.
pub(crate) enum Read {
    /// A frame's records (the columns that the query reads) of one of the topics, with the number of barriers before them.
    Records { topic: usize, generation: u64, records: Records },
    /// The epoch is over for this worker, which has read this far.
    Closed(Reached),
}
