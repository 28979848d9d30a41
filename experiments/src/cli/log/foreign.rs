//! Topics of a Kafka cluster that other programs write, as JSON.

use clap::Args;
use twopath_log::{Address, Durability, PartitionBy, Retention, Topic, TopicConfig};

use crate::cli::Failure;
use twopath_events::files::{JsonRows, TimeUnitOfNumbers};

/// How a topic that others write is to be read.
#[derive(Debug, Args)]
pub(in crate::cli) struct ForeignArgs {
    /// Read a Kafka topic that other programs write, one JSON object a record: its columns, such as 'time:timestamp, n:int', or a file
    /// that holds that
    #[arg(long, value_name = "TEXT_OR_FILE")]
    schema: Option<String>,
    /// With --schema: the event-time column, a timestamp in every record
    #[arg(long, value_name = "COLUMN", requires = "schema")]
    time_column: Option<String>,
    /// With --schema: what numbers in timestamp columns count, since 1970
    #[arg(long, value_enum, value_name = "UNIT", requires = "schema")]
    time_unit: Option<TimeUnitOfNumbers>,
}

impl ForeignArgs {
    /// Opens a topic: one of Twopath's own, or, with a schema, one that others write.
    pub fn open(&self, place: &Address, name: &str) -> Result<Topic, Failure> {
        let Some(schema) = super::schema_text(self.schema.as_deref())? else {
            return Ok(place.topic(name)?);
        };
        if let Some(dir) = place.folder() {
            let message = "only a topic of a Kafka cluster that others write is told its columns: leave out --schema, or give --log";
            return Err(Failure::usage(format!("{}: {message}", dir.display())));
        }
        if schema.rest {
            return Err(Failure::usage("the schema of a topic that others write names its columns; * stands for those of a file"));
        }
        let schema = schema.arrow(self.time_column.as_deref());
        let config = TopicConfig {
            name: name.to_owned(),
            schema: schema.clone(),
            // The cluster's.
            partitions: 1,
            partition_by: PartitionBy::RoundRobin,
            time_column: self.time_column.clone(),
            durability: Durability::None,
            segment_bytes: TopicConfig::SEGMENT_BYTES,
            retention: Retention::NONE,
            compaction: None,
            offload: None,
        };
        Ok(place.foreign_topic(config, JsonRows::decoders(&schema, self.time_unit))?)
    }
}
