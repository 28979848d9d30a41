//! How much of a topic is late, and so left out of an answer.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use twopath_base::Position;
use twopath_log::Topic;
use twopath_query::{Late, Value, time, values};
use twopath_view::Selection;

use super::QuestionError;
use crate::systems::BatchEngine;
use crate::systems::twopath::wiring::{self, VersionLogic};

/// What one `WATERMARK` left out of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LateRecords {
    pub topic: String,
    /// How much later than newer ones a record may come, in microseconds.
    pub delay_us: i64,
    pub records: u64,
}

impl LateRecords {
    /// Of the topic's records below a position, as far as the log has them. The log alone decides what is late; so one engine counts for all. With `kept`, a folder, a count goes
    /// on from the last one.
    ///
    /// # Errors
    /// Damage in the log, and a row whose watermark, less the delay, is beyond the ends of time.
    pub fn count(topic: &Topic, late: &Late, at: &Position, kept: Option<&Path>) -> Result<LateRecords, QuestionError> {
        let logic = VersionLogic::sql(Arc::new(late.count()));
        let rows = match kept {
            None => wiring::answer(topic, &logic, BatchEngine::Rayon, at)?,
            Some(dir) => {
                let (view, _) = wiring::compute_incrementally(topic, &logic, BatchEngine::Rayon, dir, at)?;
                twopath_view::answer(&logic.query, &[&view.table], &Selection::default())?
            }
        };
        let rows = values::rows(&rows).expect("a count is of a type that queries know");
        LateRecords::of(late, &rows).map_or_else(|| unreachable!("a count is one whole number"), Ok)
    }

    /// What the count's answer says.
    pub(super) fn of(late: &Late, rows: &[Vec<Value>]) -> Option<LateRecords> {
        let Some([Value::Int(records)]) = rows.first().map(|row| &row[..]) else { return None };
        Some(LateRecords { topic: late.topic.clone(), delay_us: late.delay_us, records: u64::try_from(*records).ok()? })
    }

    /// For people.
    pub fn told(&self) -> String {
        let (delay, topic) = (time::format_interval(self.delay_us), &self.topic);
        let records = if self.records == 1 { "1 record".into() } else { format!("{} records", self.records) };
        format!("{records} of {topic} came too late, more than {delay} behind newer ones of the same partition, and left out")
    }
}
