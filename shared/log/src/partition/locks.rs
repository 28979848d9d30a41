//! Two locks of a topic: for the one who does its upkeep, and for whoever says, or asks, who needs what of it.

use crate::error::LogError;
use crate::lock::Held;
use crate::partition::state::TopicState;

/// The name of the lock that retention and compaction hold.
const HOUSEKEEPING: &str = "housekeeping";
/// The name of the lock that retention holds from asking who needs what until the log's new start is written down.
const CLAIMS: &str = "claims";

/// One housekeeper at a time; it and the writer do not disturb each other.
pub(crate) fn upkeep_lock(topic: &TopicState) -> Result<Held, LogError> {
    Held::for_this_process(&topic.dir.join(HOUSEKEEPING), &topic.meta.config.name).map_err(|e| match e {
        LogError::Locked { topic, holder } => LogError::Housekeeping { topic, holder },
        other => other,
    })
}

/// Held by whoever comes to need records from a place on, while it looks whether they are there and says so: retention has decided before, or
/// knows of it.
pub(crate) fn holds_lock(topic: &TopicState) -> Result<Held, LogError> {
    Held::take(&topic.dir.join(CLAIMS))
}
