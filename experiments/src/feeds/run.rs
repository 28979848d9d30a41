//! Running a feed: its topics, its definition, and the speed job that it is.

use std::sync::atomic::AtomicBool;

use twopath_log::{Log, Start, Topic};
use twopath_query::parse;
use twopath_speed::{Feed, FeedQuery, FeedReport, Until};

use super::output::output_topic;
use super::{Definition, FeedError, OutputOptions, TopicIds};

/// Reads the input from where the feed is, and appends what comes of it to the output, as far as it is told to go or until `stop` is set. The output topic is
/// made where there is none. How many workers it has may differ from run to run.
pub fn run_feed(
    log: &Log,
    feed: &Definition,
    made_as: &OutputOptions,
    until: &Until,
    workers: usize,
    stop: &AtomicBool,
) -> Result<FeedReport, FeedError> {
    let input = log.topic(&feed.input)?;
    let query = parse(&feed.sql, &feed.input, input.schema()).map_err(|source| FeedError::Query { name: feed.name.clone(), source })?;
    let query = FeedQuery::new(query)?;
    feed.check(log.dir())?;
    query.check_input(&feed.name, &input)?;
    let output = output_topic(log, feed, &input, &query, made_as)?;
    let writer = output.writer()?;
    keep(log, feed, &input, &output)?;
    let group = input.local()?.group_or_new(&feed.group())?;
    let job = Feed { name: feed.name.clone(), input, query, output, writer, group };
    Ok(twopath_speed::run_feed(job, until, workers, stop)?)
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
