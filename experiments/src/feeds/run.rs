//! Running a feed: its topics, its definition, and the speed job that it is.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use twopath_log::{Log, Start, Topic};
use twopath_speed::{Feed, FeedKind, FeedReport, SpeedError, Until};

use super::output::output_topic;
use super::{Definition, FeedError, OutputOptions, TopicIds};
use crate::systems::{Keeping, StateBackend};

/// How a feed is run: all of it may differ from run to run.
#[derive(Clone)]
pub struct FeedRun<'a> {
    pub until: Until,
    pub workers: usize,
    /// Where state is kept by checkpoints: from the start of one to the start of the next.
    pub checkpoint_interval: Duration,
    /// Set by others, to end it.
    pub stop: &'a AtomicBool,
}

impl<'a> FeedRun<'a> {
    /// With the command line's interval of checkpoints.
    pub fn new(until: Until, workers: usize, stop: &'a AtomicBool) -> FeedRun<'a> {
        FeedRun { until, workers, checkpoint_interval: Duration::from_secs(5), stop }
    }
}

/// Reads the input from where the feed is, and appends what comes of it to the output, as far as it is told to go or until it is stopped. The output
/// topic is made where there is none.
pub fn run_feed(log: &Log, feed: &Definition, made_as: &OutputOptions, how: &FeedRun<'_>) -> Result<FeedReport, FeedError> {
    let input = log.topic(&feed.input)?;
    let query = feed.query(&input)?;
    // Before anything of it is kept.
    if feed.state != StateBackend::Memory && query.kind() != FeedKind::Changelog {
        return Err(SpeedError::NoState { name: feed.name.clone() }.into());
    }
    feed.check(log.dir())?;
    query.check_input(&feed.name, &input)?;
    let output = output_topic(log, feed, &input, &query, made_as)?;
    let writer = output.writer()?;
    keep(log, feed, &input, &output)?;
    let group = input.local()?.group_or_new(&feed.group())?;
    let backend = feed.backend(log, &input.local()?.id(), Keeping::Owns { checkpoint_interval: how.checkpoint_interval });
    let dir = feed.state_dir(log.dir());
    let job = Feed { name: feed.name.clone(), input, query, output, writer, group, backend, dir };
    Ok(twopath_speed::run_feed(job, &how.until, how.workers, how.stop)?)
}

/// Keeps the feed's definition with what tells its topics from others of their names. In an output that was made anew the feed starts over.
fn keep(log: &Log, feed: &Definition, input: &Topic, output: &Topic) -> Result<(), FeedError> {
    let topics = TopicIds { input: input.local()?.id(), output: output.local()?.id() };
    match Definition::earlier(log.dir(), &feed.name)?.and_then(|earlier| earlier.topics) {
        // State and the group's position are of what another output holds. (First these: a feed that dies here starts over once more.)
        Some(earlier) if earlier.output != topics.output => {
            feed.remove_state(log, &earlier.input)?;
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
