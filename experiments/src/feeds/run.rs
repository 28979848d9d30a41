//! Running a feed: its topics, its definition, and the speed job that it is.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use twopath_log::{Log, LogError, Start, Topic};
use twopath_speed::{Feed, FeedReport, Until};

use super::output::output_topic;
use super::{Definition, FeedError, OutputOptions, TopicIds};
use crate::systems::Keeping;

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

/// Reads the inputs from where the feed is, and appends what comes of it to the output, as far as it is told to go or until it is stopped. The output
/// topic is made where there is none.
pub fn run_feed(log: &Log, feed: &Definition, made_as: &OutputOptions, how: &FeedRun<'_>) -> Result<FeedReport, FeedError> {
    let inputs = feed.inputs().map(|input| log.topic(input)).collect::<Result<Vec<_>, _>>()?;
    let query = feed.query(&inputs)?;
    let backend = feed.backend(log, &inputs[0].local()?.id(), Keeping::Owns { checkpoint_interval: how.checkpoint_interval });
    // Before anything of it is kept.
    query.kind().check_state(&feed.name, &backend)?;
    feed.check(log.dir())?;
    if let Some(earlier) = Definition::earlier(log.dir(), &feed.name)? {
        feed.check_kind(&earlier, &inputs)?;
    }
    // In the order in which the query has them.
    let of = |topic: &str| inputs.iter().find(|input| input.name() == topic).expect("a query reads the topics that it is made for").clone();
    let read: Vec<Topic> = query.topics().into_iter().map(of).collect();
    for (number, input) in read.iter().enumerate() {
        query.check_input(&feed.name, number, input)?;
    }
    let is_new = !log.topics()?.contains(&feed.output);
    let output = output_topic(log, feed, &inputs[0], &query, made_as)?;
    let writer = output.writer()?;
    let life = keep(log, feed, &inputs, (&output, is_new))?;
    let dir = feed.state_dir(log.dir());
    let with_group = |input: Topic| -> Result<_, LogError> {
        let group = input.local()?.group_or_new(&feed.group())?;
        Ok((input, group))
    };
    let inputs = read.into_iter().map(with_group).collect::<Result<_, _>>()?;
    let producer = if life == 0 { feed.name.clone() } else { format!("{} {life}", feed.name) };
    let job = Feed { name: feed.name.clone(), producer, inputs, query, output, writer, backend, every: feed.every(), dir };
    Ok(twopath_speed::run_feed(job, &how.until, how.workers, how.stop)?)
}

/// Keeps the feed's definition with what tells its topics from others of their names. In an output that was made anew the feed starts over. Tells the feed's life.
fn keep(log: &Log, feed: &Definition, inputs: &[Topic], (output, is_new): (&Topic, bool)) -> Result<u64, FeedError> {
    let earlier = Definition::earlier(log.dir(), &feed.name)?;
    let life = match &earlier {
        Some(earlier) => earlier.topics.as_ref().map_or(0, |topics| topics.life),
        None if is_new => 0,
        // What a feed of this name had appended before it was dropped says nothing of how far this one is.
        None => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |since| since.as_micros() as u64),
    };
    let mut ids = inputs.iter().map(|input| Ok(input.local()?.id())).collect::<Result<Vec<_>, LogError>>()?;
    let topics = TopicIds { input: ids.remove(0), beside: ids, output: output.local()?.id(), life };
    match earlier.and_then(|earlier| earlier.topics) {
        // State and the group's position are of what another output holds. (First these: a feed that dies here starts over once more.)
        Some(earlier) if earlier.output != topics.output => {
            feed.remove_state(log, &earlier.input)?;
            for input in inputs {
                input.local()?.group_or_new(&feed.group())?.seek(Start::First)?;
            }
        }
        // What this output holds is of another input.
        Some(earlier) if (&earlier.input, &earlier.beside) != (&topics.input, &topics.beside) => {
            let ids = |topics: &TopicIds| std::iter::once(&topics.input).chain(&topics.beside).cloned().collect::<Vec<_>>();
            let differs = ids(&earlier).into_iter().zip(ids(&topics)).position(|(before, now)| before != now);
            let topic = inputs[differs.unwrap_or(0)].name().to_owned();
            return Err(FeedError::OtherInput { name: feed.name.clone(), topic, output: feed.output.clone() });
        }
        _ => {}
    }
    Definition { topics: Some(topics), ..feed.clone() }.keep(log.dir())?;
    Ok(life)
}
