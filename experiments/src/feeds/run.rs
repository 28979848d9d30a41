//! Running a feed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use twopath_base::PartitionId;
use twopath_log::{Entry, Log, Member, MemberOptions, Start, Topic, TopicWriter};
use twopath_query::parse;

use super::changelog::check_whole;
use super::output::output_topic;
use super::sink::Sink;
use super::{Definition, FeedError, FeedQuery, OutputOptions, TopicIds};

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
    /// Rows of the input that were read once more to make a changelog's state again.
    pub rows_read_again: u64,
}

/// Reads the input from where the feed is, and appends what comes of it to the output, until the input's end; with `follow` it goes on
/// until `stop` is set. The output topic is made where there is none.
pub fn run_feed(log: &Log, feed: &Definition, made_as: &OutputOptions, follow: bool, stop: &AtomicBool) -> Result<FeedReport, FeedError> {
    let input = log.topic(&feed.input)?;
    let query = parse(&feed.sql, &feed.input, input.schema()).map_err(|source| FeedError::Query { name: feed.name.clone(), source })?;
    let mut query = FeedQuery::new(query)?;
    feed.check(log.dir())?;
    if let FeedQuery::Changes(_) = query {
        check_whole(&feed.name, &input)?;
    }
    let output = output_topic(log, feed, &input, &query, made_as)?;
    let writer = output.writer()?;
    keep(log, feed, &input, &output)?;
    let mut member = all_of(&input, feed, &query)?;
    let mut sink = Sink::new(feed, &output, &writer, &input)?;
    let mut report = FeedReport::default();
    if let FeedQuery::Changes(changes) = &mut query {
        changes.rebuild(&input, &member.delivered(), &mut sink, &mut report, stop)?;
    }
    let mut committed = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let entry = member.poll(if follow { COMMIT_EVERY } else { Duration::ZERO })?;
        let idle = entry.is_none();
        if let Some(Entry::Records(records)) = entry {
            query.take(&records, &mut sink, &mut report)?;
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

/// Keeps the feed's definition with what tells its topics from others of their names. In an output that was made anew the feed starts over.
fn keep(log: &Log, feed: &Definition, input: &Topic, output: &Topic) -> Result<(), FeedError> {
    let topics = TopicIds { input: input.local()?.id(), output: output.local()?.id() };
    match feed.earlier_topics(log.dir())? {
        // The group's position is of what another output holds. (First the position: a feed that dies here starts over once more.)
        Some(earlier) if earlier.output != topics.output => {
            input.local()?.group_or_new(&feed.group())?.seek(Start::First)?;
        }
        // What this output holds is of another input.
        Some(earlier) if earlier.input != topics.input => {
            return Err(FeedError::OtherInput { name: feed.name.clone(), topic: feed.input.clone(), output: feed.output.clone() });
        }
        _ => {}
    }
    Definition { topics: Some(topics), ..feed.clone() }.keep(log.dir())
}

/// The output first: a position that outlived its output would be a hole in it.
fn commit(writer: &TopicWriter, member: &mut Member) -> Result<(), FeedError> {
    writer.sync()?;
    Ok(member.commit()?)
}

/// The one member of the feed's group.
fn all_of(input: &Topic, feed: &Definition, query: &FeedQuery) -> Result<Member, FeedError> {
    let partitions: Vec<PartitionId> = (0..input.partitions() as u32).map(PartitionId).collect();
    let options = MemberOptions { partitions: Some(partitions.clone()), projection: query.projection(), ..MemberOptions::default() };
    let group = input.local()?.group_or_new(&feed.group())?;
    if let FeedQuery::Changes(_) = query {
        group.need_all()?;
    }
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
