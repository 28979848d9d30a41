//! What compaction took of the events that an answer counts.

use serde::Serialize;
use twopath_base::Position;
use twopath_log::{PartitionBy, Topic};
use twopath_query::Plan;

use super::QuestionError;

/// A topic that is counted, and of which compaction has kept each key's newest event alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compacted {
    pub topic: String,
    /// Below this position.
    #[serde(serialize_with = "as_text")]
    pub to: Position,
}

/// As positions stand in answers.
fn as_text<S: serde::Serializer>(position: &Position, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(position)
}

impl Compacted {
    /// Of the topics of a plan, each with what the plan calls it.
    ///
    /// # Errors
    /// A topic whose manifest cannot be read.
    pub(crate) fn of<'t>(plan: &Plan, topics: impl Iterator<Item = (&'t str, &'t Topic)>) -> Result<Vec<Compacted>, QuestionError> {
        let mut found = Vec::new();
        for (name, topic) in topics {
            let to = topic.since()?;
            if !topic.start()?.covers(&to) && !needs_newest_alone(plan, name, topic) {
                found.push(Compacted { topic: name.to_owned(), to });
            }
        }
        Ok(found)
    }

    /// For people.
    pub fn told(&self) -> String {
        format!("of {} compaction has kept each key's newest event alone below {}: those that it took are not counted", self.topic, self.to)
    }
}

/// Whether what compaction takes of a topic changes nothing of the answer: of the topic, which the plan calls `name`, it reads the newest row of each key alone.
pub(crate) fn needs_newest_alone(plan: &Plan, name: &str, topic: &Topic) -> bool {
    match &topic.config().partition_by {
        PartitionBy::Key(key) => plan.maintained().plan.reads_newest_alone(name, key),
        PartitionBy::RoundRobin => false,
    }
}
