//! What feeds of every kind are made of, and what they have in common while they run.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde::Serialize;
use twopath_base::{PartitionId, Position};
use twopath_log::{Group, Member, MemberOptions, Topic, TopicWriter};

use crate::error::SpeedError;
use crate::feed::{FeedKind, FeedQuery, SpokeLate};
use crate::state::Backend;
use crate::threads::Threads;

/// The input's position is committed this often, and at the end.
const COMMIT_EVERY: Duration = Duration::from_millis(100);

/// What a feed is made of.
pub struct Feed {
    /// Messages name it.
    pub name: String,
    /// What its producers in the output are called: as the feed, unless an earlier one of that name appended there.
    pub producer: String,
    /// What it reads, as [`FeedQuery::topics`] says: one topic, or of a table several. Each with the group that says how far the feed is there, made where there is none.
    pub inputs: Vec<(Topic, Group)>,
    pub query: FeedQuery,
    pub output: Topic,
    /// The output's.
    pub writer: TopicWriter,
    /// Where a changelog's groups are kept, and the base of a table's rows.
    pub backend: Backend,
    /// Of a table and of windows: how often changes are appended at most, so that of those in between the last counts; as soon as they come where `None`.
    pub every: Option<Duration>,
    /// A folder of its own: of one that appends windows, where it keeps up to where they are in the output.
    pub dir: PathBuf,
}

impl Feed {
    /// The one topic that it reads.
    pub(super) fn input(&self) -> (Topic, Group) {
        let [(topic, group)] = &self.inputs[..] else { panic!("feed '{}' reads several topics", self.name) };
        (topic.clone(), group.clone())
    }
}

/// How far a feed goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// The input's end, as it is when the feed gets to read.
    End,
    /// A position of the input. A feed that has gone further already stays where it is; one of windows or of a table goes to the end of all that it reads.
    Position(Position),
    /// It is stopped.
    Stopped,
}

/// What a feed did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct FeedReport {
    /// Rows of the input, those that did not pass the WHERE clause among them.
    pub rows_read: u64,
    pub rows_appended: u64,
    /// Rows that an earlier run of the feed had appended already.
    pub rows_left_out: u64,
    /// Rows of the input that were read once more to make the state again: of a changelog and a table all that was read, or what came after what was kept; of windows
    /// what came after the first record of one that is open.
    pub rows_read_again: u64,
    /// Of a feed of windows: those of [`rows_appended`](Self::rows_appended) that were not final.
    pub rows_not_final: u64,
    /// Of a feed of windows: groups of those that are open.
    pub groups_open: u64,
    /// Of a feed of windows: the first partition that had been silent and spoke of a time up to which windows were closed without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spoke_late: Option<SpokeLate>,
}

/// The one member of the feed's group.
pub(super) fn all_of(name: &str, input: &Topic, group: &Group, kind: FeedKind) -> Result<Member, SpeedError> {
    let partitions: Vec<PartitionId> = (0..input.partitions() as u32).map(PartitionId).collect();
    let options = MemberOptions { partitions: Some(partitions.clone()), ..MemberOptions::default() };
    if matches!(kind, FeedKind::Changelog | FeedKind::Table) {
        group.need_all()?;
    }
    let mut member = group.join(&format!("p{}", std::process::id()), options)?;
    member.rebalance()?;
    let owned = member.owned();
    match partitions.into_iter().find(|p| !owned.contains(p)) {
        None => Ok(member),
        Some(partition) => {
            let owner = group.progress()?.swap_remove(partition.index()).owner.unwrap_or_else(|| "another member".into());
            Err(SpeedError::FeedShared { name: name.to_owned(), partition, owner })
        }
    }
}

/// Waits for a dataflow's end, gives `commit` what was told meanwhile, every now and then and at the end, and returns how many rows were read.
pub(super) fn until_the_end<T>(
    threads: Threads,
    told: &Receiver<T>,
    stop: &AtomicBool,
    mut commit: impl FnMut(Vec<T>) -> Result<(), SpeedError>,
) -> Result<u64, SpeedError> {
    let control = threads.control();
    let mut done = Vec::new();
    let mut commit = |done: &mut Vec<T>| if done.is_empty() { Ok(()) } else { commit(std::mem::take(done)) };
    let mut committed = Instant::now();
    let mut outcome = Ok(());
    loop {
        match told.recv_timeout(COMMIT_EVERY) {
            Ok(news) => done.push(news),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if outcome.is_ok() && committed.elapsed() >= COMMIT_EVERY {
            outcome = commit(&mut done);
            committed = Instant::now();
        }
        if outcome.is_err() || stop.load(Ordering::Relaxed) {
            control.stop();
        }
    }
    // The workers have ended; what helps them does not know.
    control.stop();
    threads.join()?;
    outcome.and_then(|()| commit(&mut done))?;
    Ok(control.records_read())
}
