//! What a job counts of its stores.

use serde::{Deserialize, Serialize};

/// What keeping state outside the process has cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StoreCosts {
    /// Atomic steps.
    pub steps: u64,
    /// Requests that waited for their answer across a socket.
    pub round_trips: u64,
    /// Of requests and answers.
    pub bytes_sent: u64,
    pub bytes_received: u64,
    /// Of keys and values, as the store was given them.
    pub bytes_written: u64,
}
