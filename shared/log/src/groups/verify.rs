//! Checking what a topic's consumer groups say.

use std::sync::Arc;

use crate::error::LogError;
use crate::groups::group::{named, names};
use crate::partition::state::TopicState;
use crate::partition::verify::VerifyReport;

/// The positions of the consumer groups: each must be readable, and none ahead of the log.
pub(crate) fn verify(topic: &Arc<TopicState>, report: &mut VerifyReport) -> Result<(), LogError> {
    for name in names(topic)? {
        let journal = named(topic, &name)?.journal();
        let places = match journal.read() {
            Ok(places) => places,
            Err(LogError::CorruptPositions { path, offset, what }) => {
                report.problem(&path, offset, what);
                continue;
            }
            Err(e) => return Err(e),
        };
        // The log's ends after the places: they only grow. A log that cannot be read is reported with its segments.
        for (p, place, at) in places.each() {
            if let Ok(committed) = topic.committed(p)
                && !place.is_in(&committed)
            {
                let what = format!(
                    "the group has done partition {p} up to offset {} and barrier {}, and the log ends at offset {} and barrier {}; the next writer sets it back",
                    place.offset, place.generation, committed.end, committed.generation
                );
                report.problem(&journal.path, at, what);
            }
        }
    }
    Ok(())
}
