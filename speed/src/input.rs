//! What a job reads: a topic, or several as one.
//!
//! The partitions of the second topic are numbered on after those of the first, and so on. A position in them is a **joint position**: where an answer over several topics is
//! exact. Nothing is said of an order between the topics; what needs one (a join as of a moment) takes it from the time at which the log took each record.

use twopath_base::{PartitionId, Position};
use twopath_log::{Hold, LogError, Tail, Topic};

/// The topics of a job.
#[derive(Clone)]
pub(crate) struct Input {
    topics: Vec<Topic>,
}

impl Input {
    pub fn of(topic: &Topic) -> Input {
        Input { topics: vec![topic.clone()] }
    }

    /// At least one.
    pub fn joint(topics: &[Topic]) -> Input {
        assert!(!topics.is_empty(), "a job reads a topic");
        Input { topics: topics.to_vec() }
    }

    pub fn topics(&self) -> &[Topic] {
        &self.topics
    }

    /// The topic of a job that reads one; of several, the first.
    pub fn first(&self) -> &Topic {
        &self.topics[0]
    }

    pub fn partitions(&self) -> usize {
        self.topics.iter().map(Topic::partitions).sum()
    }

    /// Of which topic a partition is, and its number there.
    pub fn locate(&self, joint: PartitionId) -> (usize, PartitionId) {
        let mut number = joint.index();
        for (topic, partitions) in self.topics.iter().map(Topic::partitions).enumerate() {
            if number < partitions {
                return (topic, PartitionId(number as u32));
            }
            number -= partitions;
        }
        panic!("there is no partition {joint} in what a job reads")
    }

    pub fn end(&self) -> Result<Position, LogError> {
        let ends = self.topics.iter().map(Topic::end).collect::<Result<Vec<_>, _>>()?;
        Ok(joint(&ends))
    }

    /// The least joint position from which on the topics can be asked.
    pub fn since(&self) -> Result<Position, LogError> {
        let each = self.topics.iter().map(Topic::since).collect::<Result<Vec<_>, _>>()?;
        Ok(joint(&each))
    }

    /// For as long as it lives, retention leaves in the topics what comes from there on.
    pub fn hold(&self, why: &str, from: &Position) -> Result<Vec<Hold>, LogError> {
        let mut offsets = from.offsets().iter().copied();
        let held = self.topics.iter().map(|topic| {
            let from = Position::new(offsets.by_ref().take(topic.partitions()).collect());
            topic.hold(why, &from)
        });
        Ok(held.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    pub fn tails(&self) -> Result<Tails, LogError> {
        let tails = self.topics.iter().map(Topic::tail).collect::<Result<_, _>>()?;
        Ok(Tails { input: self.clone(), tails })
    }
}

/// One position per topic as one in all of them.
pub(crate) fn joint(positions: &[Position]) -> Position {
    Position::new(positions.iter().flat_map(|position| position.offsets().iter().copied()).collect())
}

/// What wakes followers of the topics.
pub(crate) struct Tails {
    input: Input,
    tails: Vec<Tail>,
}

impl Tails {
    pub fn of(&self, topic: usize) -> &Tail {
        &self.tails[topic]
    }

    /// The committed ends, as far as this process knows.
    pub fn end(&self) -> Position {
        Position::new((0..self.input.partitions() as u32).map(|p| self.end_of(PartitionId(p))).collect())
    }

    pub fn end_of(&self, partition: PartitionId) -> twopath_base::Offset {
        let (topic, partition) = self.input.locate(partition);
        self.tails[topic].end(partition)
    }

    /// Wakes the waiters of all of them.
    pub fn wake(&self) {
        self.tails.iter().for_each(Tail::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{DataType, Field, Schema};
    use twopath_base::Offset;
    use twopath_log::{Log, TopicConfig};

    use super::*;

    #[test]
    fn partitions_of_several_topics_are_numbered_on() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path()).unwrap();
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let topic = |name, partitions| log.create_topic(TopicConfig { partitions, ..TopicConfig::new(name, schema.clone()) }).unwrap();
        let input = Input::joint(&[topic("a", 2), topic("b", 1), topic("c", 3)]);
        assert_eq!(input.partitions(), 6);
        let located: Vec<(usize, u32)> = (0..6).map(|p| input.locate(PartitionId(p))).map(|(topic, p)| (topic, p.0)).collect();
        assert_eq!(located, [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1), (2, 2)]);
        let position = |offsets: &[u64]| Position::new(offsets.iter().map(|&o| Offset(o)).collect());
        assert_eq!(joint(&[position(&[1, 2]), position(&[3]), position(&[4, 5, 6])]), position(&[1, 2, 3, 4, 5, 6]));
    }
}
