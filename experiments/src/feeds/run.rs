//! Running a feed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_select::filter::filter_record_batch;
use serde::Serialize;
use twopath_shared::log::{
    Entry, Log, Member, MemberOptions, PartitionBy, ProducerSequence, Records, Topic, TopicConfig, TopicWriter, producer_id,
};
use twopath_shared::query::parse;
use twopath_shared::{Offset, PartitionId};

use super::{Definition, FeedError, RowQuery};

/// The input's position is committed this often, and whenever there is a pause.
const COMMIT_EVERY: Duration = Duration::from_millis(100);

/// What a feed did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct FeedReport {
    /// Rows of the input, those that did not pass the WHERE clause among them.
    pub rows_read: u64,
    pub rows_appended: u64,
    /// Rows that an earlier run of the feed had appended already.
    pub rows_left_out: u64,
}

/// How the output topic is to be made, where there is none: what is `None` is as in the input.
#[derive(Debug, Clone, Default)]
pub struct OutputOptions {
    pub partitions: Option<u32>,
    pub key: Option<String>,
    pub time_column: Option<String>,
    pub durability: Option<twopath_shared::log::Durability>,
    pub segment_bytes: Option<u64>,
}

/// Reads the input from where the feed is, and appends what comes of it to the output, until the input's end; with `follow` it goes on
/// until `stop` is set. The output topic is made where there is none.
pub fn run_feed(log: &Log, feed: &Definition, made_as: &OutputOptions, follow: bool, stop: &AtomicBool) -> Result<FeedReport, FeedError> {
    let input = log.topic(&feed.input)?;
    let query = parse(&feed.sql, &feed.input, input.schema()).map_err(|source| FeedError::Query { name: feed.name.clone(), source })?;
    let query = RowQuery::new(query)?;
    feed.keep(log.dir())?;
    let output = output_topic(log, feed, &input, &query, made_as)?;
    let writer = output.writer()?;
    let mut member = all_of(&input, feed)?;
    let mut sink = Sink::new(feed, &output, &writer, input.partitions())?;
    sink.check_not_ahead(&input)?;
    let mut report = FeedReport::default();
    let mut committed = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let entry = member.poll(if follow { COMMIT_EVERY } else { Duration::ZERO })?;
        let idle = entry.is_none();
        if let Some(Entry::Records(records)) = entry {
            let end = delivered(&member, records.partition);
            sink.take(&query, &records, end, &mut report)?;
        }
        if idle || committed.elapsed() >= COMMIT_EVERY {
            commit(&writer, &mut member)?;
            committed = Instant::now();
        }
        if idle && !follow {
            break;
        }
    }
    commit(&writer, &mut member)?;
    Ok(report)
}

/// The output first: a position that outlived its output would be a hole in it.
fn commit(writer: &TopicWriter, member: &mut Member) -> Result<(), FeedError> {
    writer.sync()?;
    Ok(member.commit()?)
}

/// The one member of the feed's group.
fn all_of(input: &Topic, feed: &Definition) -> Result<Member, FeedError> {
    let partitions: Vec<PartitionId> = (0..input.partitions() as u32).map(PartitionId).collect();
    let options = MemberOptions { partitions: Some(partitions.clone()), ..MemberOptions::default() };
    let group = input.group_or_new(&feed.group())?;
    let mut member = group.join(&format!("p{}", std::process::id()), options)?;
    member.rebalance()?;
    let owned = member.owned();
    match partitions.into_iter().find(|p| !owned.contains(p)) {
        None => Ok(member),
        Some(partition) => {
            let owner = group.progress()?.swap_remove(partition.index()).owner.unwrap_or_else(|| "another member".into());
            Err(FeedError::Shared { name: feed.name.clone(), partition, owner })
        }
    }
}

fn delivered(member: &Member, partition: PartitionId) -> Offset {
    let of = member.delivered().into_iter().find(|(p, _)| *p == partition);
    of.expect("a member owns the partition that it has just read").1
}

/// The output topic, with the columns of the feed.
fn output_topic(log: &Log, feed: &Definition, input: &Topic, query: &RowQuery, made_as: &OutputOptions) -> Result<Topic, FeedError> {
    if log.topics()?.contains(&feed.output) {
        let output = log.topic(&feed.output)?;
        let same = |topic: &Topic| {
            topic.schema().fields().iter().zip(query.schema().fields()).all(|(a, b)| (a.name(), a.data_type()) == (b.name(), b.data_type()))
        };
        if output.schema().fields().len() == query.schema().fields().len() && same(&output) {
            return Ok(output);
        }
        let columns = |schema: &arrow_schema::Schema| {
            schema.fields().iter().map(|f| format!("{} {}", f.name(), f.data_type())).collect::<Vec<_>>().join(", ")
        };
        let what = format!("it has the columns {}, and the feed gives {}", columns(output.schema()), columns(query.schema()));
        return Err(FeedError::Output { name: feed.name.clone(), topic: feed.output.clone(), what });
    }
    let config = input.config();
    // What the input is keyed by and ordered by, as far as the feed passes it on.
    let passed_on = |column: &&String| query.schema().field_with_name(column).is_ok();
    let key = match (&made_as.key, &config.partition_by) {
        (Some(key), _) => Some(key),
        (None, PartitionBy::Key(key)) => Some(key).filter(passed_on),
        (None, PartitionBy::RoundRobin) => None,
    };
    let time = made_as.time_column.as_ref().or(config.time_column.as_ref().filter(passed_on));
    Ok(log.create_topic(TopicConfig {
        partitions: made_as.partitions.unwrap_or(config.partitions),
        partition_by: key.cloned().map_or(PartitionBy::RoundRobin, PartitionBy::Key),
        time_column: time.cloned(),
        durability: made_as.durability.unwrap_or(config.durability),
        segment_bytes: made_as.segment_bytes.unwrap_or(config.segment_bytes),
        ..TopicConfig::new(&feed.output, query.schema().clone())
    })?)
}

/// Where rows go.
struct Sink<'a> {
    feed: &'a Definition,
    output: &'a Topic,
    writer: &'a TopicWriter,
    /// By input partition.
    producers: Vec<u64>,
    /// By input partition and output partition: rows below this input offset are in the output.
    reached: Vec<Vec<Offset>>,
}

impl<'a> Sink<'a> {
    fn new(feed: &'a Definition, output: &'a Topic, writer: &'a TopicWriter, inputs: usize) -> Result<Self, FeedError> {
        let producers: Vec<u64> = (0..inputs).map(|p| producer_id(&format!("feed {} partition {p}", feed.name))).collect();
        let mut reached = Vec::with_capacity(inputs);
        for producer in &producers {
            let of = |q: u32| Ok(Offset(writer.producer_state(PartitionId(q), *producer)?.and_then(|s| s.last()).unwrap_or(0)));
            reached.push((0..output.partitions() as u32).map(of).collect::<Result<_, FeedError>>()?);
        }
        Ok(Sink { feed, output, writer, producers, reached })
    }

    /// An output that outlived its input would take what is appended to the input now for what it has already.
    fn check_not_ahead(&self, input: &Topic) -> Result<(), FeedError> {
        for (partition, end) in input.end()?.iter() {
            if let Some(reached) = self.reached[partition.index()].iter().max().copied().filter(|reached| *reached > end) {
                return Err(FeedError::Ahead { name: self.feed.name.clone(), partition, reached, end });
            }
        }
        Ok(())
    }

    /// Appends what comes of the input's records, whose last one lies before `end`.
    fn take(&mut self, query: &RowQuery, records: &Records, end: Offset, report: &mut FeedReport) -> Result<(), FeedError> {
        let partition = records.partition;
        let (rows, kept) = query.apply(&records.batch).map_err(|source| FeedError::Row {
            name: self.feed.name.clone(),
            partition,
            from: records.base,
            to: end,
            source,
        })?;
        report.rows_read += records.batch.num_rows() as u64;
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let offsets: Vec<Offset> = kept.values().set_indices().map(|row| records.offset_of(row)).collect();
        let mut appended = 0;
        let parts = self.parts(partition, &rows, &offsets)?;
        for (q, part) in parts {
            if part.num_rows() > 0 {
                let producer = ProducerSequence { producer: self.producers[partition.index()], epoch: 0, sequence: end.0 };
                self.writer.append_to(q, &part, Some(producer))?;
                self.reached[partition.index()][q.index()] = end;
                appended += part.num_rows() as u64;
            }
        }
        report.rows_appended += appended;
        report.rows_left_out += rows.num_rows() as u64 - appended;
        Ok(())
    }

    /// What goes to each output partition, without the rows that are there already.
    fn parts(&self, partition: PartitionId, rows: &RecordBatch, offsets: &[Offset]) -> Result<Vec<(PartitionId, RecordBatch)>, FeedError> {
        let reached = &self.reached[partition.index()];
        let split = |rows: &RecordBatch| match self.output.config().partition_by {
            PartitionBy::Key(_) => self.output.split(rows),
            // Not in turn: after a restart a row must find the partition that it went to before.
            PartitionBy::RoundRobin => Ok(vec![(PartitionId(partition.0 % self.output.partitions() as u32), rows.clone())]),
        };
        if reached.iter().all(|r| offsets.first() >= Some(r)) {
            return Ok(split(rows)?);
        }
        let mut parts = Vec::new();
        for (q, reached) in reached.iter().enumerate() {
            let new = offsets.iter().map(|offset| Some(offset >= reached)).collect();
            let new = filter_record_batch(rows, &new).expect("one offset per row");
            parts.extend(split(&new)?.into_iter().filter(|(p, _)| p.index() == q));
        }
        Ok(parts)
    }
}
