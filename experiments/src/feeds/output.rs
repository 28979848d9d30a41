//! The topic that a feed appends to.

use arrow_schema::{DataType, Schema};
use twopath_log::{Compaction, Durability, Log, Offload, PartitionBy, Retention, Topic, TopicConfig};
use twopath_speed::FeedQuery;

use super::{Definition, FeedError, FeedKind};

/// How the output topic is to be made, where there is none: what is `None` is as in the input (of several, the first), or as the feed's query wants it.
#[derive(Debug, Clone, Default)]
pub struct OutputOptions {
    pub partitions: Option<u32>,
    pub key: Option<String>,
    pub time_column: Option<String>,
    pub durability: Option<Durability>,
    pub segment_bytes: Option<u64>,
    pub retention: Retention,
    pub compaction: Option<Compaction>,
    pub offload: Option<Offload>,
}

/// The output topic, made where there is none.
///
/// # Errors
/// [`FeedError::Output`] for a topic that has other columns, or whose records do not go where the feed wants them.
pub(super) fn output_topic(
    log: &Log,
    feed: &Definition,
    input: &Topic,
    query: &FeedQuery,
    made_as: &OutputOptions,
) -> Result<Topic, FeedError> {
    let cannot = |what| FeedError::Output { name: feed.name.clone(), topic: feed.output.clone(), what };
    if log.topics()?.contains(&feed.output) {
        let output = log.topic(&feed.output)?;
        let columns = |schema: &Schema| schema.fields().iter().map(|f| format!("{} {}", f.name(), f.data_type())).collect::<Vec<_>>();
        let (has, gives) = (columns(output.schema()), columns(query.schema()));
        if has != gives {
            return Err(cannot(format!("it has the columns {}, and the feed gives {}", has.join(", "), gives.join(", "))));
        }
        query.check_output(output.config()).map_err(cannot)?;
        let replaces = |kind| matches!(kind, FeedKind::Changelog | FeedKind::Table);
        let a_changelog = |d: &Definition| replaces(query.kind()) || d.kind(log).is_some_and(replaces);
        let also = |d: &&Definition| d.output == feed.output && d.name != feed.name && a_changelog(d);
        if let Some(other) = Definition::all(log.dir())?.iter().find(also) {
            let what = format!("feed '{}' appends to it, and the newest row of a group would be of either", other.name);
            return Err(cannot(what));
        }
        return Ok(output);
    }
    let config = planned(feed, input, query, made_as);
    query.check_output(&config).map_err(cannot)?;
    Ok(log.create_topic(config)?)
}

fn planned(feed: &Definition, input: &Topic, query: &FeedQuery, made_as: &OutputOptions) -> TopicConfig {
    let config = input.config();
    // What the input is keyed by and ordered by, as far as the feed passes it on.
    let passed_on = |column: &&String| query.schema().field_with_name(column).is_ok();
    let is_time = |column: &&String| matches!(query.schema().field_with_name(column).map(|f| f.data_type()), Ok(DataType::Timestamp(..)));
    let key = match (&made_as.key, query.kind(), &config.partition_by) {
        (Some(key), ..) => Some(key.as_str()),
        (None, FeedKind::Changelog | FeedKind::Windows | FeedKind::Table, _) => query.key(),
        (None, FeedKind::Rows, PartitionBy::Key(key)) => Some(key).filter(passed_on).map(String::as_str),
        (None, FeedKind::Rows, PartitionBy::RoundRobin) => None,
    };
    let partitions = match query.kind() {
        FeedKind::Changelog | FeedKind::Windows | FeedKind::Table if key.is_none() => 1,
        _ => config.partitions,
    };
    let time = made_as.time_column.as_ref().or(config.time_column.as_ref().filter(is_time));
    TopicConfig {
        partitions: made_as.partitions.unwrap_or(partitions),
        partition_by: key.map_or(PartitionBy::RoundRobin, |key| PartitionBy::Key(key.to_owned())),
        time_column: time.cloned(),
        durability: made_as.durability.unwrap_or(config.durability),
        segment_bytes: made_as.segment_bytes.unwrap_or(config.segment_bytes),
        retention: made_as.retention,
        compaction: made_as.compaction,
        offload: made_as.offload.clone(),
        ..TopicConfig::new(&feed.output, query.schema().clone())
    }
}
