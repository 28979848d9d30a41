//! A feed of a table, running: each change of a row is appended.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use twopath_base::Position;
use twopath_base::sync::lock;

use super::run::{Feed, FeedReport, Until, all_of, until_the_end};
use crate::error::SpeedError;
use crate::feed::{FeedKind, GENERATION, Shower, TableFlow, When};
use crate::input::Input;
use crate::logic::Middle;
use crate::options::SpeedOptions;
use crate::sink::numbered::NumberedSink;
use crate::threads::{Beginning, Threads};

/// As [`run_feed`](crate::run_feed), of a table: reads the input from its first record on, at each start.
pub(super) fn run_table(feed: Feed, until: &Until, workers: usize, stop: &AtomicBool) -> Result<FeedReport, SpeedError> {
    let Feed { name, producer, inputs, query, output, writer, every, .. } = feed;
    let table = query.into_table().expect("a feed of a table");
    let mut members = inputs.iter().map(|(topic, group)| all_of(&name, topic, group, FeedKind::Table)).collect::<Result<Vec<_>, _>>()?;
    let delivered = members.iter().flat_map(|member| member.delivered()).map(|(_, offset)| offset.0).sum();
    let input = Input::joint(&inputs.into_iter().map(|(topic, _)| topic).collect::<Vec<_>>());
    // Nobody else appends from here on; what others appended is of no more of the input than there is now.
    let sink = NumberedSink::open(name, &producer, "table", output, writer.into())?;
    let end = input.end()?;
    let to = match until {
        // Not less: what another process appended may be of all of it, and would be taken back.
        Until::End | Until::Position(_) => Some(end.clone()),
        Until::Stopped => None,
    };
    if to.as_ref().is_some_and(|to| to.records() == 0) {
        return Ok(FeedReport::default());
    }
    let shower = Arc::new(Mutex::new(Shower::new(table.clone(), sink, end, workers, When::of(every, to.as_ref()))?));
    let (sender, done) = channel();
    let query = Arc::new(table.query().clone());
    let flow = TableFlow { table, shower: Arc::clone(&shower), done: sender };
    let beginning = Beginning { from: (GENERATION, Position::zero(input.partitions())), generations: None, keeper: None };
    let options = SpeedOptions::default();
    let options = SpeedOptions { workers, publish_interval: every.unwrap_or(options.publish_interval), ..options };
    let threads = Threads::of(&input, query, Middle::Table(Box::new(flow)), beginning, (to, None), &options, Arc::new(|_| {}))?;
    let read = until_the_end(threads, &done, stop, |done| {
        // Before all of the input is read as it was, nothing is appended.
        let Some(read_to) = done.into_iter().rfind(|read_to| !read_to.is_empty()) else { return Ok(()) };
        // The output first: a position that outlived its output would be a hole in it.
        lock(&shower).sync()?;
        for (topic, member) in members.iter_mut().enumerate() {
            let of_topic = |(p, offset, barriers)| Some(input.locate(p)).filter(|at| at.0 == topic).map(|(_, p)| (p, offset, barriers));
            member.commit_read(&read_to.iter().copied().filter_map(of_topic).collect::<Vec<_>>())?;
        }
        Ok(())
    })?;
    let rows_appended = lock(&shower).rows_appended;
    let rows_read_again = read.min(delivered);
    Ok(FeedReport { rows_read: read - rows_read_again, rows_appended, rows_read_again, ..FeedReport::default() })
}
