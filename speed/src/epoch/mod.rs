//! What travels within an epoch: reads from the source to an engine, parts from an engine to the state, and how far was read, behind both.

mod complete;
mod parcels;
mod part;
mod reached;

use arrow_array::RecordBatch;

pub(crate) use complete::complete;
pub(crate) use parcels::{Parcels, by_address};
pub(crate) use part::EpochPart;
pub(crate) use reached::{Reached, ReadProgress};

/// What the source hands on.
pub(crate) enum Read {
    /// A frame's rows (the columns that the query reads), with the number of barriers before them.
    Records { generation: u64, batch: RecordBatch },
    /// The epoch is over for this worker, which has read this far.
    Closed(Reached),
}
