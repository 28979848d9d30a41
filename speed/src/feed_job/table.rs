//! A feed of a table, running: each change of a row is appended.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use twopath_base::Position;
use twopath_base::sync::lock;
use twopath_view::RealtimeView;

use super::run::{Feed, FeedReport, Until, all_of, until_the_end};
use crate::checkpoint::{Identity, RestoredBase};
use crate::error::SpeedError;
use crate::feed::{FeedKind, GENERATION, Shower, TableFlow, When};
use crate::input::Input;
use crate::job::KeptState;
use crate::logic::Middle;
use crate::options::SpeedOptions;
use crate::sink::numbered::NumberedSink;
use crate::state::Backend;
use crate::threads::{Beginning, Threads};

/// How long a checkpoint waits for the output.
const PATIENCE: Duration = Duration::from_secs(1);

/// As [`run_feed`](crate::run_feed), of a table: reads the input from its first record on at each start, or from where the base of its rows was kept.
pub(super) fn run_table(feed: Feed, until: &Until, workers: usize, stop: &AtomicBool) -> Result<FeedReport, SpeedError> {
    let Feed { name, producer, inputs, query, output, writer, every, backend, .. } = feed;
    let table = query.into_table().expect("a feed of a table");
    let mut members = inputs.iter().map(|(topic, group)| all_of(&name, topic, group, FeedKind::Table)).collect::<Result<Vec<_>, _>>()?;
    let delivered: u64 = members.iter().flat_map(|member| member.delivered()).map(|(_, offset)| offset.0).sum();
    let input = Input::joint(&inputs.into_iter().map(|(topic, _)| topic).collect::<Vec<_>>());
    let start = (GENERATION, Position::zero(input.partitions()));
    let (restored, generations, from, checkpoints) = match &backend {
        Backend::Memory => (None, None, start, None),
        _ => {
            let layout = table.rows.base_layout();
            let identity = Identity::of_input(&input, layout, &table.rows.code());
            let KeptState { restored, checkpoints, .. } = KeptState::open(&backend, identity, layout, &input, &start)?;
            let RestoredBase { tables, generations, from } = RestoredBase::of(restored, &input.since()?, start);
            (Some(tables), generations, from, checkpoints)
        }
    };
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
    let when = When::of(every, to.as_ref());
    let is_restored = generations.is_some();
    let shower = Arc::new(Mutex::new(Shower::new(table.clone(), sink, (end, is_restored), workers, when)?));
    let (sender, done) = channel();
    let query = Arc::new(table.query().clone());
    let flow = TableFlow { table, shower: Arc::clone(&shower), done: sender, restored };
    let read_before = from.1.records();
    let beginning = Beginning { from, generations, keeper: None };
    let options = SpeedOptions::default();
    let options = SpeedOptions { workers, publish_interval: every.unwrap_or(options.publish_interval), ..options };
    let mut threads = Threads::of(&input, query, Middle::Table(Box::new(flow)), beginning, (to, None), &options, Arc::new(|_| {}))?;
    let control = threads.control();
    if let Some((store, Some(interval))) = &checkpoints {
        let (shower, control) = (Arc::clone(&shower), threads.control());
        let first = move |base: &RealtimeView| put_out(&shower, base, || !control.stopped());
        threads.take_checkpoints(store, &input, *interval, Vec::new(), first)?;
    }
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
    if let Some((store, _)) = &checkpoints {
        let base = control.to_rest();
        // All that the workers had has come to the output.
        if put_out(&shower, &base, || false)? {
            store.commit(&base, &input, control.now_us())?;
        }
    }
    let rows_appended = lock(&shower).rows_appended;
    let rows_read_again = read.min(delivered.saturating_sub(read_before));
    Ok(FeedReport { rows_read: read - rows_read_again, rows_appended, rows_read_again, ..FeedReport::default() })
}

/// Waits until the output has what the base of the rows was made of, for as long as it may: it is ahead by moments.
fn put_out(shower: &Mutex<Shower>, base: &RealtimeView, may_wait: impl Fn() -> bool) -> Result<bool, SpeedError> {
    let Some(last) = base.generations.last() else { return Ok(true) };
    let started = Instant::now();
    loop {
        if lock(shower).put_out(&last.upper)? {
            return Ok(true);
        }
        if !may_wait() || started.elapsed() > PATIENCE {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
