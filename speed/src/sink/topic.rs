//! A topic as sink: frames of output, each of which says up to which offset of its input it goes.
//!
//! **Once, whatever dies when.** A frame of output is appended under the producer "feed NAME, input partition *p*" ([`Feed::producer`](crate::Feed)) with the input offset
//! up to which it goes as its sequence number. So output and input position are committed in one frame, atomically in each output
//! partition: the last sequence number there says from which input offset on rows still have to be appended. Each job begins a new epoch of
//! its producers first, which fences an earlier job of the same name that still lives.

use arrow_array::RecordBatch;
use twopath_base::{Offset, PartitionId};
use twopath_log::{LogError, ProducerSequence, Topic, TopicWriter, producer_id};

use crate::error::SpeedError;

/// The topic that a job appends to, and what was there when the job started.
pub(crate) struct TopicSink {
    /// The job's.
    pub name: String,
    pub output: Topic,
    writer: TopicWriter,
    /// By input partition: the producer, and its epoch.
    producers: Vec<(u64, u32)>,
    /// By input partition and output partition: what comes of rows below this input offset was in the output at the start.
    reached: Vec<Vec<Offset>>,
}

impl TopicSink {
    /// Begins an epoch of the job's producers, which are `called` so, so that no earlier process can append any more, and then looks how far they came.
    ///
    /// # Errors
    /// [`SpeedError::FeedAhead`]: the output has more than what the input could give.
    pub fn open(name: String, called: &str, input: &Topic, output: Topic, writer: TopicWriter) -> Result<Self, SpeedError> {
        let (mut producers, mut reached) = (Vec::new(), Vec::new());
        for (partition, end) in input.end()?.iter() {
            let producer = producer_id(&format!("feed {called} partition {partition}"));
            producers.push((producer, writer.begin_producer(producer)?));
            let of = |q: u32| Ok(Offset(writer.producer_state(PartitionId(q), producer)?.and_then(|s| s.last()).unwrap_or(0)));
            let of_partition = (0..output.partitions() as u32).map(of).collect::<Result<Vec<_>, LogError>>()?;
            // An output that outlived its input would take what is appended to the input now for what it has already.
            if let Some(reached) = of_partition.iter().max().copied().filter(|reached| *reached > end) {
                return Err(SpeedError::FeedAhead { name, partition, reached, end });
            }
            reached.push(of_partition);
        }
        Ok(TopicSink { name, output, writer, producers, reached })
    }

    /// By output partition: what comes of this input partition's rows below the offset was in the output at the start.
    pub fn reached(&self, input: PartitionId) -> &[Offset] {
        &self.reached[input.index()]
    }

    /// The least and the greatest of what [`Self::reached`] gives.
    pub fn reached_by_all_and_by_any(&self, input: PartitionId) -> (Offset, Offset) {
        let reached = self.reached(input).iter();
        (*reached.clone().min().expect("a topic has a partition"), *reached.max().expect("a topic has a partition"))
    }

    /// Appends, to one partition of the output, rows that came of one of the input, whose records up to `end` they hold the last of.
    pub fn append(&self, from: PartitionId, to: PartitionId, rows: &RecordBatch, end: Offset) -> Result<(), SpeedError> {
        let (producer, epoch) = self.producers[from.index()];
        self.writer.append_to(to, rows, Some(ProducerSequence { producer, epoch, sequence: end.0 }))?;
        Ok(())
    }

    /// Makes what was appended durable.
    pub fn sync(&self) -> Result<(), LogError> {
        self.writer.sync()
    }
}
