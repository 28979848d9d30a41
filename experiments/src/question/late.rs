//! How much of a topic is late, and so left out of an answer.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use twopath_base::{LogColumn, Position};
use twopath_log::Topic;
use twopath_query::{Late, Value, parse, time, values};
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

/// The delay within which a share of a topic's records comes, of those below a position: nearest rank, exact. A record's lateness is how far it is behind the greatest event time that its
/// partition had before it; one without a time, or with nothing before it, has none.
///
/// # Errors
/// Damage in the log; a column of the topic that hides the log's watermark.
pub(super) fn percentile(topic: &Topic, column: &str, share: f64, at: &Position) -> Result<i64, QuestionError> {
    let watermark = LogColumn::Watermark.name();
    if topic.schema().fields().iter().any(|f| f.name().eq_ignore_ascii_case(watermark)) {
        let what = format!("a column of '{}' has the name {watermark}, and hides the log's own: write an INTERVAL", topic.name());
        return Err(QuestionError::Usage(what));
    }
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let (name, time) = (quoted(topic.name()), quoted(column));
    let sql = format!(
        "SELECT GREATEST({watermark} - {time}, INTERVAL '0 seconds') AS lateness, COUNT(*) AS records FROM {name} \
         WHERE {time} IS NOT NULL AND {watermark} IS NOT NULL GROUP BY 1 ORDER BY 1"
    );
    let query = parse(&sql, topic.name(), topic.schema()).expect("a text of the topic's own columns");
    let rows = wiring::answer(topic, &VersionLogic::sql(Arc::new(query)), BatchEngine::Rayon, at)?;
    let rows = values::rows(&rows).expect("intervals and counts are of types that queries know");
    let counts: Vec<(i64, u64)> = rows
        .iter()
        .map(|row| match row[..] {
            [Value::Interval(lateness), Value::Int(records)] => (lateness, records as u64),
            ref other => unreachable!("an interval and a count, and not {other:?}"),
        })
        .collect();
    let all = counts.iter().map(|(_, records)| records).sum::<u64>() as f64;
    // 0.07 of 100 records is 7, though the product is a little more.
    let wanted = (share * all * (1.0 - 1e-12)).ceil() as u64;
    let mut below = 0;
    let within = counts.into_iter().find(|(_, records)| {
        below += records;
        below >= wanted
    });
    Ok(within.map_or(0, |(lateness, _)| lateness))
}
