//! One question, answered by the engine of one's choice, over one topic or several: what `twopath query` asks.
//!
//! The text becomes a plan; the plan is cut into flat queries, each over one topic, and what is computed of their answers
//! ([`twopath_query::Program`]). The engine answers the flat queries; the rest is the same for all engines but two: the reference evaluates the plan as it was written, and
//! differential keeps the rows of a whole plan, over one topic or several, where it can.
//! Every answer is exact for one joint position: an offset for each partition of each topic.

mod compacted;
mod engines;
mod error;
mod late;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use twopath_base::{Coverage, Position};
use twopath_log::{PartitionBy, Topic};
use twopath_query::{Late, Plan, Program, QueryError, TopicSchema, Value, time};

use crate::systems::{BatchEngine, SpeedEngine};
pub use compacted::Compacted;
pub(crate) use compacted::needs_newest_alone;
pub(crate) use engines::check_within;
pub use error::QuestionError;
pub use late::LateRecords;

/// Who computes an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Row by row in the most obvious way, on one thread.
    Reference,
    /// The batch layer: everything in full.
    Batch(BatchEngine),
    /// The speed layer: replayed from the log's start.
    Speed(SpeedEngine),
    /// A batch view up to the horizon, merged with the speed layer's view of the rest.
    Merged,
    /// The single path: the speed layer's replay in a serving table of its own.
    Kappa,
}

/// A text with the topics that it reads.
pub struct Question {
    /// In the order in which the text names them.
    pub topics: Vec<Topic>,
    /// What the text calls each of them.
    names: Vec<String>,
    pub plan: Plan,
    pub program: Program,
}

/// Where an answer is to be exact, and how it is computed.
#[derive(Debug, Clone)]
pub struct Asked {
    /// One position per topic.
    pub at: Vec<Position>,
    /// For [`Engine::Merged`] over one topic: where the batch view ends. Without one, at the last barrier at or before the position, else halfway.
    pub horizon: Option<Position>,
    /// Worker threads of the speed layer.
    pub workers: usize,
    /// For [`Engine::Batch`]: where the last such question left its views, from which this one goes on, and leaves its own.
    pub incremental: Option<PathBuf>,
}

/// An answer: its rows, and what each topic's part of it covers.
pub struct Answered {
    /// Of the columns.
    pub names: Vec<String>,
    pub rows: Rows,
    pub coverage: Vec<(String, Coverage)>,
    /// What each `WATERMARK` left out.
    pub late: Vec<LateRecords>,
}

/// The rows of an answer, as who computed them has them.
pub enum Rows {
    /// In the types of [`twopath_view::answer_schema`].
    Columns(RecordBatch),
    Values(Vec<Vec<Value>>),
}

impl Question {
    /// What `sql` asks of these topics, which must be all that it names ([`twopath_query::topics_of`]), up to these positions: how late records come is looked up there.
    ///
    /// # Errors
    /// The place in the text, what is wrong, and what to write instead.
    pub fn new(sql: &str, topics: Vec<Topic>, at: &[Position]) -> Result<Self, QueryError> {
        Question::calling(sql, topics.into_iter().map(|topic| (topic.name().to_owned(), topic)).collect(), at)
    }

    /// As [`Question::new`], where the text calls the topics by other names than their own.
    ///
    /// # Errors
    /// As [`Question::new`].
    pub fn calling(sql: &str, topics: Vec<(String, Topic)>, at: &[Position]) -> Result<Self, QueryError> {
        assert_eq!(at.len(), topics.len(), "a position for each topic");
        let schemas: Vec<TopicSchema> = topics.iter().map(|(name, topic)| schema_of(name, topic)).collect();
        let lateness = |name: &str, column: &str, share: f64| {
            let known = topics.iter().zip(at).find(|((known, _), _)| known == name);
            let ((_, topic), at) = known.expect("a plan reads the topics that it is made for");
            late::percentile(topic, column, share, at).map_err(|e| e.to_string())
        };
        let plan = twopath_query::logical_plan_knowing(sql, &schemas, &lateness)?;
        let program = plan.program().map_err(|e| twopath_query::not_lowered(sql, e))?;
        let (names, topics) = topics.into_iter().unzip();
        Ok(Question { topics, names, plan, program })
    }

    /// The answer by `engine`, exact for the positions asked for.
    ///
    /// # Errors
    /// A position that cannot be answered for; what the engine cannot do; damage in the log; and the error of one of the rows that raise one.
    pub fn answer(&self, engine: Engine, asked: &Asked) -> Result<Answered, QuestionError> {
        assert_eq!(asked.at.len(), self.topics.len(), "a position for each topic");
        let mut starts = Vec::new();
        for ((topic, name), at) in self.topics.iter().zip(&self.names).zip(&asked.at) {
            // One rule for all engines.
            let start = topic.start()?;
            topic.check_readable(&start, at)?;
            check_past(&self.plan, name, topic)?;
            starts.push(start);
        }
        if engine == Engine::Reference {
            return engines::by_reference(self, &starts, &asked.at);
        }
        if let Engine::Speed(speed) = engine
            && let [topic] = &self.topics[..]
            && let Some(query) = engines::kept_whole(&self.plan, speed)
        {
            let (rows, covered) = engines::answer(topic, &Arc::new(query), engine, (&starts[0], &asked.at[0]), asked)?;
            let coverage = vec![(self.names[0].clone(), covered)];
            return Ok(Answered { names: self.columns(), rows: Rows::Columns(rows), coverage, late: self.late(asked)? });
        }
        if engine == Engine::Speed(SpeedEngine::Differential)
            && self.topics.len() > 1
            && let Some(answered) = engines::kept_jointly(self, &starts, asked)?
        {
            return Ok(answered);
        }
        let mut answers = Vec::new();
        let mut coverage: Vec<(String, Coverage)> = Vec::new();
        for query in &self.program.inputs {
            let (number, topic) = self.topic(&query.topic);
            let range = (&starts[number], &asked.at[number]);
            let (rows, covered) = engines::answer(topic, &Arc::new(query.clone()), engine, range, asked)?;
            answers.push(rows);
            if coverage.iter().all(|(name, _)| *name != query.topic) {
                coverage.push((query.topic.clone(), covered));
            }
        }
        let rows = match self.program.flat() {
            Some(_) => answers.swap_remove(0),
            None => twopath_view::finish(&self.program, &answers)?,
        };
        Ok(Answered { names: self.columns(), rows: Rows::Columns(rows), coverage, late: self.late(asked)? })
    }

    /// What compaction has taken of what is counted.
    ///
    /// # Errors
    /// A topic whose manifest cannot be read.
    pub fn compacted(&self) -> Result<Vec<Compacted>, QuestionError> {
        let topics = self.names.iter().map(String::as_str).zip(&self.topics);
        Compacted::of(&self.plan, topics)
    }

    /// What each `WATERMARK` leaves out.
    fn late(&self, asked: &Asked) -> Result<Vec<LateRecords>, QuestionError> {
        let count = |of: Late| {
            let (number, topic) = self.topic(&of.topic);
            let kept = asked.incremental.as_ref().map(|dir| dir.join(topic.name()));
            LateRecords::count(topic, &of, &asked.at[number], kept.as_deref())
        };
        self.plan.late().into_iter().map(count).collect()
    }

    /// The answer's columns.
    fn columns(&self) -> Vec<String> {
        self.plan.columns().into_iter().map(|(name, _)| name).collect()
    }

    fn topic(&self, name: &str) -> (usize, &Topic) {
        let number = self.names.iter().position(|known| known == name).expect("a plan reads the topics that it was made for");
        (number, &self.topics[number])
    }
}

/// That compaction has not taken what a plan asks of a topic's past.
///
/// # Errors
/// [`QuestionError::PastGone`].
pub(crate) fn check_past(plan: &Plan, name: &str, topic: &Topic) -> Result<(), QuestionError> {
    let (start, since) = (topic.start()?, topic.since()?);
    if !start.covers(&since) && plan.looks_back_at(name) {
        return Err(QuestionError::PastGone { topic: topic.name().to_owned(), since });
    }
    Ok(())
}

/// Below a folder of topics: where incremental questions keep what they have come to, by topic.
pub fn batch_views(topics: &Path) -> PathBuf {
    topics.join(".serving").join("batch")
}

/// The plan of a text over topics that are all that it names, whose keys and event times it may go by: of one that stays, whose delays stay too.
///
/// # Errors
/// The place in the text, what is wrong, and what to write instead.
pub(crate) fn plan_of(sql: &str, topics: &[Topic]) -> Result<Plan, QueryError> {
    let lateness = |name: &str, column: &str, share: f64| {
        let topic = topics.iter().find(|topic| topic.name() == name).expect("a plan reads the topics that it is made for");
        let known = topic.end().map_err(QuestionError::from).and_then(|end| late::percentile(topic, column, share, &end));
        let known = known.map_err(|e| e.to_string())?;
        let delay = time::format_interval(known);
        Err(format!(
            "the delay of what stays does not change: write INTERVAL '{delay}', which is what this is of the records that the topic has now"
        ))
    };
    let schemas: Vec<TopicSchema> = topics.iter().map(|topic| schema_of(topic.name(), topic)).collect();
    twopath_query::logical_plan_knowing(sql, &schemas, &lateness)
}

/// A topic as a text may name it.
fn schema_of<'a>(name: &'a str, topic: &'a Topic) -> TopicSchema<'a> {
    let config = topic.config();
    let key = match &config.partition_by {
        PartitionBy::Key(key) => Some(key.as_str()),
        PartitionBy::RoundRobin => None,
    };
    TopicSchema { name, schema: topic.schema(), key, time: config.time_column.as_deref() }
}
