//! What makes rows of the records of a topic that other programs write.

use std::sync::Arc;

use arrow_array::RecordBatch;

/// Makes rows of values: one value, one row.
pub trait RowDecoder: Send {
    /// Takes a value. The error says what is wrong with it.
    fn push(&mut self, value: &[u8]) -> Result<(), String>;

    /// The rows of the values taken since the last call, in the topic's columns.
    fn take(&mut self) -> RecordBatch;
}

/// Each reader gets a decoder of its own.
pub type RowDecoders = Arc<dyn Fn() -> Box<dyn RowDecoder> + Send + Sync>;
