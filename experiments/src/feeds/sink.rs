//! Where a feed appends, and what is there already.

use arrow_array::RecordBatch;
use twopath_base::{Offset, PartitionId};
use twopath_log::{ProducerSequence, Topic, TopicWriter, producer_id};

use super::{Definition, FeedError};

/// The output of a feed. A frame holds what came of one input partition, under a producer of its own.
pub(super) struct Sink<'a> {
    pub feed: &'a Definition,
    pub output: &'a Topic,
    writer: &'a TopicWriter,
    /// By input partition: the producer, and its epoch.
    producers: Vec<(u64, u32)>,
    /// By input partition and output partition: what comes of rows below this input offset is in the output.
    pub reached: Vec<Vec<Offset>>,
}

impl<'a> Sink<'a> {
    /// Begins an epoch of the feed's producers, so that no earlier process can append any more, and then looks how far they came.
    pub fn new(feed: &'a Definition, output: &'a Topic, writer: &'a TopicWriter, input: &Topic) -> Result<Self, FeedError> {
        let mut sink = Sink { feed, output, writer, producers: Vec::new(), reached: Vec::new() };
        for (partition, end) in input.end()?.iter() {
            let producer = producer_id(&format!("feed {} partition {partition}", feed.name));
            sink.producers.push((producer, writer.begin_producer(producer)?));
            let of = |q: u32| Ok(Offset(writer.producer_state(PartitionId(q), producer)?.and_then(|s| s.last()).unwrap_or(0)));
            let reached = (0..output.partitions() as u32).map(of).collect::<Result<Vec<_>, FeedError>>()?;
            // An output that outlived its input would take what is appended to the input now for what it has already.
            if let Some(reached) = reached.iter().max().copied().filter(|reached| *reached > end) {
                return Err(FeedError::Ahead { name: feed.name.clone(), partition, reached, end });
            }
            sink.reached.push(reached);
        }
        Ok(sink)
    }

    /// Appends, to one partition of the output, rows that came of one of the input, whose records up to `end` they hold the last of.
    pub fn append(&mut self, from: PartitionId, to: PartitionId, rows: &RecordBatch, end: Offset) -> Result<(), FeedError> {
        let (producer, epoch) = self.producers[from.index()];
        self.writer.append_to(to, rows, Some(ProducerSequence { producer, epoch, sequence: end.0 }))?;
        self.reached[from.index()][to.index()] = end;
        Ok(())
    }
}
