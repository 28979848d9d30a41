//! A feed of windows, running: each is appended once, when it closes.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use twopath_base::Position;
use twopath_base::sync::lock;

use super::run::{Feed, FeedReport, Until, all_of, until_the_end};
use crate::error::SpeedError;
use crate::feed::{Closer, ClosingFlow, FeedKind, Firer, GENERATION, Mark, When, mark_path};
use crate::input::Input;
use crate::logic::Middle;
use crate::options::SpeedOptions;
use crate::sink::numbered::NumberedSink;
use crate::threads::{Beginning, Threads};

/// As [`run_feed`](crate::run_feed), of windows: reads the input from the first record of a window that is open.
pub(super) fn run_windows(feed: Feed, until: &Until, workers: usize, stop: &AtomicBool) -> Result<FeedReport, SpeedError> {
    let (input, group) = feed.input();
    let Feed { name, producer, query, output, writer, every, dir, .. } = feed;
    let windows = query.into_windows().expect("a feed of windows");
    let mut member = all_of(&name, &input, &group, FeedKind::Windows)?;
    let from = Position::new(member.delivered().iter().map(|(_, offset)| *offset).collect());
    let mark = Mark::read(&dir)?;
    if mark.is_none() && from != input.start()? {
        let source = Arc::new(io::Error::from(io::ErrorKind::NotFound));
        return Err(SpeedError::Mark { path: mark_path(&dir), source });
    }
    let end = input.end()?;
    let known = mark.as_ref().map_or_else(|| from.clone(), |mark| mark.read_to.clone());
    if let Some((partition, reached)) = known.iter().find(|&(p, offset)| offset > end.get(p)) {
        return Err(SpeedError::FeedAhead { name, partition, reached, end: end.get(partition) });
    }
    let to = match until {
        // Of whole frames: which records of a frame are late does not depend on the others in it.
        Until::End | Until::Position(_) => Some(end),
        Until::Stopped => None,
    };
    let (writer, schema) = (Arc::new(writer), windows.schema());
    let firer = match windows.firings.are_some() {
        false => None,
        true => {
            let sink = NumberedSink::open(name.clone(), &producer, "firings", output.clone(), Arc::clone(&writer))?;
            let fired = mark.as_ref().map(|mark| mark.fired.clone()).unwrap_or_default();
            Some(Firer::new(windows.firings, &windows.closing, When::of(every, to.as_ref()), sink, schema, fired))
        }
    };
    let sink = NumberedSink::open(name, &producer, "windows", output, writer)?;
    let closer = Arc::new(Mutex::new(Closer::new(windows.clone(), sink, firer, &from, mark)));
    let mut report = FeedReport::default();
    if to.as_ref() != Some(&from) {
        let (sender, done) = channel();
        let query = Arc::new(windows.query().clone());
        let flow = ClosingFlow { windows: Arc::new(windows), closer: Arc::clone(&closer), done: sender };
        let beginning = Beginning { from: (GENERATION, from.clone()), generations: None, keeper: None };
        let options = SpeedOptions::default();
        let options = SpeedOptions { workers, publish_interval: every.unwrap_or(options.publish_interval), ..options };
        let threads = Threads::of(&Input::of(&input), query, Middle::Windows(flow), beginning, (to, None), &options, Arc::new(|_| {}))?;
        let read = until_the_end(threads, &done, stop, |mut done| {
            let last = done.pop().expect("something was done");
            // The output first, then up to where it goes, then what a start need not read: each may be ahead of the next.
            lock(&closer).sync()?;
            last.mark.write(&dir)?;
            Ok(member.commit_read(&last.needs)?)
        })?;
        report.rows_read_again = read.min(known.records_since(&from));
        report.rows_read = read - report.rows_read_again;
    }
    let closer = lock(&closer);
    report.rows_not_final = closer.rows_not_final();
    (report.rows_appended, report.rows_left_out) = (closer.rows_appended + report.rows_not_final, closer.rows_left_out);
    (report.groups_open, report.spoke_late) = (closer.groups_open(), closer.spoke_late);
    Ok(report)
}
