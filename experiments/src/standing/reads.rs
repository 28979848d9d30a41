//! What a version reads and computes: for each topic the query whose groups are kept, and what is computed of their answers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use twopath_log::Topic;
use twopath_query::{self as query, Plan, Program, Query, QueryError};
use twopath_view::finish;

use super::JobError;
use crate::question::{Compacted, QuestionError, needs_newest_alone, plan_of};

/// The SQL of a version over its topics.
pub struct Reads {
    plan: Plan,
    /// In the order in which the plan first reads them.
    topics: Vec<Topic>,
    /// One for each topic.
    queries: Vec<Arc<Query>>,
    /// Where there are several: what is computed of the answers to these.
    program: Option<Program>,
}

impl Reads {
    /// What `sql` reads of these topics, which are all that it names ([`query::topics_of`]).
    ///
    /// # Errors
    /// The place in the text, what is wrong, and what to write instead.
    pub fn of(sql: &str, topics: Vec<Topic>) -> Result<Reads, QueryError> {
        let plan = plan_of(sql, &topics)?;
        let refused = |e| query::not_lowered(sql, e);
        let read = plan.topics();
        let mut topics: Vec<Topic> = topics.into_iter().filter(|topic| read.contains(&topic.name())).collect();
        topics.sort_by_key(|topic| read.iter().position(|name| *name == topic.name()));
        let (queries, program) = match topics.len() {
            1 => (vec![plan.query().map_err(refused)?], None),
            _ => {
                let program = plan.by_topic().map_err(refused)?;
                (program.inputs.clone(), Some(program))
            }
        };
        Ok(Reads { topics, queries: queries.into_iter().map(Arc::new).collect(), program, plan })
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The names of its topics.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.topics.iter().map(Topic::name)
    }

    /// Each topic with its query.
    pub fn each(&self) -> impl Iterator<Item = (&Topic, &Arc<Query>)> {
        self.topics.iter().zip(&self.queries)
    }

    /// The topic and the query, where it is one and its groups are the answer's.
    pub fn of_groups(&self) -> Option<(&Topic, &Arc<Query>)> {
        match (&self.topics[..], &self.queries[..]) {
            ([topic], [query]) if query.finish.is_none() => Some((topic, query)),
            _ => None,
        }
    }

    /// The answer, of those of the topics.
    ///
    /// # Errors
    /// Of a row.
    pub(super) fn finished(&self, mut answers: Vec<RecordBatch>) -> Result<RecordBatch, JobError> {
        match &self.program {
            None => Ok(answers.swap_remove(0)),
            Some(program) => Ok(finish(program, &answers)?),
        }
    }

    /// Whether what compaction takes of a topic changes nothing of the answer: of the topic it reads the newest row of each key alone.
    pub(super) fn needs_newest_alone(&self, topic: &Topic) -> bool {
        needs_newest_alone(&self.plan, topic.name(), topic)
    }

    /// What compaction has taken of what is counted.
    ///
    /// # Errors
    /// A topic whose manifest cannot be read.
    pub fn compacted(&self) -> Result<Vec<Compacted>, QuestionError> {
        Compacted::of(&self.plan, self.each().map(|(topic, _)| (topic.name(), topic)))
    }
}

/// Where the state of a topic's part is in a version's folder, by the topics that the SQL names: that of the only one in the folder itself.
pub(super) fn place(dir: &Path, sql: &str, topic: &str) -> PathBuf {
    match query::topics_of(sql).unwrap_or_default().len() {
        0 | 1 => dir.to_owned(),
        _ => dir.join("topics").join(topic),
    }
}
