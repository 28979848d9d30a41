//! A feed of rows, or of the changes of groups, running: each frame of the input leaves its own rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};

use twopath_base::{Offset, PartitionId, Position};
use twopath_log::{Member, Topic};
use twopath_view::{Generation, GroupTable, Selection, tables_for};

use super::run::{Feed, FeedReport, Until, all_of, until_the_end};
use crate::checkpoint::Identity;
use crate::epoch::Reached;
use crate::error::SpeedError;
use crate::feed::{FeedFlow, FeedKind, FeedState, GENERATION, Purpose};
use crate::input::Input;
use crate::job::KeptState;
use crate::options::SpeedOptions;
use crate::sink::topic::TopicSink;
use crate::state::{Backend, Changes};
use crate::threads::{Beginning, Threads};

/// As [`run_feed`](crate::run_feed), of rows and of groups: each frame of the input leaves its own rows.
pub(super) fn run_frames(feed: Feed, until: &Until, workers: usize, stop: &AtomicBool) -> Result<FeedReport, SpeedError> {
    let (kind, is_kept) = (feed.query.kind(), !matches!(feed.backend, Backend::Memory));
    let (input, group) = feed.input();
    let Feed { name, producer, query, output, writer, backend, .. } = feed;
    let mut member = all_of(&name, &input, &group, kind)?;
    let delivered = member.delivered();
    let code = format!("feed {name} into {}", output.local()?.id());
    let sink = TopicSink::open(name, &producer, &input, output, writer)?;
    let from = Position::new(delivered.iter().map(|(_, offset)| *offset).collect());
    let layout = Arc::new(query.query().clone());
    let mut kept = KeptState::open(&backend, Identity::of(&input, &layout, &code), &layout, &Input::of(&input), &beginning_of(&input))?;
    let options = SpeedOptions { workers, ..SpeedOptions::default() };
    let run = Run { input, state: Arc::new(FeedState::new(query, sink, workers, is_kept)), options, stop };
    let mut report = FeedReport::default();
    let mut reads_from = from.clone();
    let mut tables = Vec::new();
    if kind == FeedKind::Changelog {
        let restored = kept.restored.take();
        let position = restored.as_ref().map_or(beginning_of(&run.input).1, |restored| restored.manifest.position().clone());
        let generations = restored.map(|restored| restored.generations).unwrap_or_default();
        tables.extend(tables_for(&generations, &layout, &Selection::default(), false)?);
        tables.iter().try_for_each(|table| run.state.adopt(table))?;
        (report.rows_read_again, reads_from) = run.make_state_again(&position, &from)?;
    }
    if !stop.load(Ordering::Relaxed) {
        report.rows_read = run.commit(&from, &reads_from, &mut member)?;
        let to = match until {
            Until::End => Some(run.input.end()?),
            Until::Position(position) => Some(position.join(&reads_from)),
            Until::Stopped => None,
        };
        report.rows_read += match is_kept {
            false => run.through(Purpose::Append, reads_from, to, Some(&mut member))?,
            true => run.keeping(reads_from, to, tables, kept, &mut member)?,
        };
    }
    report.rows_appended = run.state.rows_appended.load(Ordering::Relaxed);
    report.rows_left_out = run.state.rows_left_out.load(Ordering::Relaxed);
    Ok(report)
}

/// Where a feed reads from that has no state.
fn beginning_of(input: &Topic) -> (u64, Position) {
    (GENERATION, Position::zero(input.partitions()))
}

/// A feed that runs, one dataflow after the other.
struct Run<'a> {
    input: Topic,
    state: Arc<FeedState>,
    options: SpeedOptions,
    stop: &'a AtomicBool,
}

impl Run<'_> {
    /// Makes the state that the output was made of, from what was kept of it up to a position, and then appends what came of records up to where
    /// any output partition and the feed's group are, should it be missing there: from then on it does not matter in what order partitions
    /// are read. Returns how many rows the state was made of, and up to where it goes.
    fn make_state_again(&self, kept: &Position, group: &Position) -> Result<(u64, Position), SpeedError> {
        let sink = &self.state.sink;
        let each = |offset: &dyn Fn(PartitionId) -> Offset| Position::new(group.iter().map(|(p, _)| offset(p)).collect());
        // What an output partition has not heard of below what was kept has nothing for it.
        let by_any = each(&|p| sink.reached_by_all_and_by_any(p).1.max(kept.get(p)));
        let by_all = each(&|p| sink.reached_by_all_and_by_any(p).0.max(kept.get(p)));
        let read = self.through(Purpose::Rebuild, kept.clone(), Some(by_any.clone()), None)?;
        self.state.is_rebuilt()?;
        let to = each(&|p| group.get(p).max(by_any.get(p)));
        if !self.stop.load(Ordering::Relaxed) {
            self.through(Purpose::Append, by_all, Some(to.clone()), None)?;
        }
        Ok((read, to))
    }

    /// Commits that the feed has got from one position to another, and returns how many rows lie between them.
    fn commit(&self, from: &Position, to: &Position, member: &mut Member) -> Result<u64, SpeedError> {
        let rows = to.records_since(from);
        if rows > 0 {
            let barriers = self.input.barriers()?;
            let passed = |p, offset| barriers.iter().filter(|barrier| barrier.position.get(p) < offset).count() as u64;
            let read: Vec<_> = to.iter().map(|(p, offset)| (p, offset, passed(p, offset))).collect();
            self.state.sink.sync()?;
            member.commit_read(&read)?;
        }
        Ok(rows)
    }

    /// Takes the input's records through a dataflow, and returns how many rows were read. Where there is a member, what is done is committed.
    fn through(&self, purpose: Purpose, from: Position, to: Option<Position>, member: Option<&mut Member>) -> Result<u64, SpeedError> {
        if to.as_ref() == Some(&from) {
            return Ok(0);
        }
        let (sender, reached) = channel();
        let flow = FeedFlow { state: Arc::clone(&self.state), purpose, keeps: false, reached: sender };
        let beginning = Beginning { from: (GENERATION, from), generations: None, keeper: None };
        let threads = Threads::of_feed(&self.input, flow, beginning, to, &self.options)?;
        self.commit_to_the_end(threads, &reached, member)
    }

    /// As [`Self::through`], of new records, and keeps the state, of which `tables` were kept before.
    fn keeping(
        &self,
        from: Position,
        to: Option<Position>,
        mut tables: Vec<Arc<GroupTable>>,
        kept: KeptState,
        member: &mut Member,
    ) -> Result<u64, SpeedError> {
        let KeptState { checkpoints, keeper, .. } = kept;
        let fresh: Vec<_> = (0..self.options.workers).filter_map(|worker| self.state.take_fresh(worker)).map(Arc::new).collect();
        tables.extend(fresh.iter().cloned());
        let lower = beginning_of(&self.input).1;
        let generations = vec![Generation::of(GENERATION, (lower, from.clone()), tables)];
        let changes = if fresh.is_empty() { Changes::new() } else { Changes::from([(GENERATION, fresh)]) };
        let beginning =
            Beginning { from: (GENERATION, from), generations: Some(generations), keeper: keeper.map(|keeper| (keeper, changes)) };
        let (sender, reached) = channel();
        let flow = FeedFlow { state: Arc::clone(&self.state), purpose: Purpose::Append, keeps: true, reached: sender };
        let mut threads = Threads::of_feed(&self.input, flow, beginning, to, &self.options)?;
        let control = threads.control();
        if let Some((store, Some(interval))) = &checkpoints {
            let state = Arc::clone(&self.state);
            // A state that outlived its output would be a hole in it.
            threads.take_checkpoints(store, &Input::of(&self.input), *interval, Vec::new(), move |_| {
                Ok(state.sink.sync().map(|()| true)?)
            })?;
        }
        let read = self.commit_to_the_end(threads, &reached, Some(member))?;
        if let Some((store, _)) = &checkpoints {
            self.state.sink.sync()?;
            store.commit(&control.latest(), &Input::of(&self.input), control.now_us())?;
        }
        Ok(read)
    }

    /// Waits for a dataflow's end, and commits what is done where there is a member. Returns how many rows were read.
    fn commit_to_the_end(&self, threads: Threads, reached: &Receiver<Reached>, member: Option<&mut Member>) -> Result<u64, SpeedError> {
        let Some(member) = member else { return until_the_end(threads, reached, self.stop, |_| Ok(())) };
        until_the_end(threads, reached, self.stop, |reached| {
            let done: Vec<_> = reached.into_iter().flat_map(|reached| reached.partitions).collect();
            // The output first: a position that outlived its output would be a hole in it.
            self.state.sink.sync()?;
            Ok(member.commit_read(&done)?)
        })
    }
}
