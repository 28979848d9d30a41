//! A topic as sink of one producer: frames of output, each with a number that says how far its partition is.
//!
//! Frames are appended under the producer that a name stands for, with numbers that go up: rows and number are committed in one frame. Each job begins a new epoch of its producer
//! first, which fences an earlier job of the same name that still lives.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use twopath_base::PartitionId;
use twopath_log::{LogError, PartitionBy, ProducerSequence, Topic, TopicWriter, producer_id};

/// The topic that a job appends to, and how far its partitions are.
pub(crate) struct NumberedSink {
    /// The job's.
    pub name: String,
    pub output: Topic,
    writer: Arc<TopicWriter>,
    producer: u64,
    epoch: u32,
    /// By output partition: the number of its last frame; 0 where there is none.
    reached: Vec<u64>,
}

impl NumberedSink {
    /// Begins an epoch of the producer "feed CALLED WHAT", so that no earlier process can append any more, and then looks how far it came.
    pub fn open(name: String, called: &str, what: &str, output: Topic, writer: Arc<TopicWriter>) -> Result<Self, LogError> {
        let producer = producer_id(&format!("feed {called} {what}"));
        let epoch = writer.begin_producer(producer)?;
        let of = |q: u32| Ok(writer.producer_state(PartitionId(q), producer)?.and_then(|s| s.last()).unwrap_or(0));
        let reached = (0..output.partitions() as u32).map(of).collect::<Result<_, LogError>>()?;
        Ok(NumberedSink { name, output, writer, producer, epoch, reached })
    }

    /// By output partition: the number of its last frame.
    pub fn reached(&self) -> &[u64] {
        &self.reached
    }

    /// Which rows go to each partition: by the output's key, or all of them to the first.
    pub fn by_partition(&self, rows: &RecordBatch) -> Result<Vec<(PartitionId, Vec<u32>)>, LogError> {
        let numbers = 0..rows.num_rows() as u32;
        let PartitionBy::Key(name) = &self.output.config().partition_by else {
            return Ok(vec![(PartitionId(0), numbers.collect())]);
        };
        let key = rows.column_by_name(name).expect("the output has the columns of the rows").clone();
        let columns: [(&str, ArrayRef); 2] = [(name, key), ("", Arc::new(UInt32Array::from_iter_values(numbers)))];
        let keys = RecordBatch::try_from_iter(columns).expect("as many keys as rows");
        let numbers = |part: RecordBatch| part.column(1).as_primitive::<UInt32Type>().values().to_vec();
        Ok(self.output.split(&keys)?.into_iter().map(|(q, part)| (q, numbers(part))).collect())
    }

    /// Appends a frame, whose number is greater than those before it.
    pub fn append(&mut self, q: PartitionId, rows: &RecordBatch, number: u64) -> Result<(), LogError> {
        let sequence = ProducerSequence { producer: self.producer, epoch: self.epoch, sequence: number };
        self.writer.append_to(q, rows, Some(sequence))?;
        self.reached[q.index()] = number;
        Ok(())
    }

    /// Makes what was appended durable.
    pub fn sync(&self) -> Result<(), LogError> {
        self.writer.sync()
    }
}
