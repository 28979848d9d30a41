//! A feed, running: what a SELECT makes of one topic, appended to another, each row once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde::Serialize;
use twopath_base::{Offset, PartitionId, Position};
use twopath_log::{Group, Member, MemberOptions, Topic, TopicWriter};
use twopath_view::{Generation, GroupTable, Selection, tables_for};

use crate::checkpoint::Identity;
use crate::epoch::Reached;
use crate::error::SpeedError;
use crate::feed::{FeedFlow, FeedKind, FeedQuery, FeedState, GENERATION, Purpose};
use crate::job::KeptState;
use crate::options::SpeedOptions;
use crate::sink::topic::TopicSink;
use crate::state::{Backend, Changes};
use crate::threads::{Beginning, Threads};

/// The input's position is committed this often, and at the end.
const COMMIT_EVERY: Duration = Duration::from_millis(100);

/// What a feed is made of.
pub struct Feed {
    /// The producers in the output have it, and messages name it.
    pub name: String,
    pub input: Topic,
    pub query: FeedQuery,
    pub output: Topic,
    /// The output's.
    pub writer: TopicWriter,
    /// The group of the input that says how far the feed is, made where there is none.
    pub group: Group,
    /// Where a changelog's groups are kept.
    pub backend: Backend,
}

/// How far a feed goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// The input's end, as it is when the feed gets to read.
    End,
    /// A position of the input. A feed that has gone further already stays where it is.
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
    /// Rows of the input that were read once more to make a changelog's state again: all that it had read, or what came after what was kept of it.
    pub rows_read_again: u64,
}

/// Reads the input from where the feed's group is, and appends what comes of it to the output, as far as it is told to go or until `stop` is set.
///
/// The group is committed after the output was synced, so that it is never ahead of any output partition. (It also shows the lag, and
/// keeps retention from removing what the feed still needs: of a changelog's input, everything.)
///
/// # Errors
/// [`SpeedError::NotWhole`], [`SpeedError::FeedShared`], [`SpeedError::FeedAhead`], [`SpeedError::NoState`] before anything is appended;
/// [`SpeedError::FeedRow`] when it meets such a row; what reading and appending bring; and, of kept state, as of [`start`](crate::start).
///
/// ```
/// # use std::sync::Arc;
/// # use std::sync::atomic::AtomicBool;
/// # use arrow_array::{Int64Array, RecordBatch};
/// # use arrow_schema::{DataType, Field, Schema};
/// # use twopath_log::{Log, TopicConfig};
/// # use twopath_speed::{Backend, Feed, FeedQuery, Until, run_feed};
/// # let dir = tempfile::tempdir()?;
/// # let log = Log::open(dir.path())?;
/// # let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
/// let input = log.create_topic(TopicConfig::new("numbers", schema.clone()))?;
/// input.writer()?.append(&RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(vec![1, 2, 3]))])?)?;
///
/// let query = FeedQuery::new(twopath_query::parse("SELECT n * 10 AS tens FROM numbers WHERE n > 1", "numbers", &schema)?)?;
/// let output = log.create_topic(TopicConfig::new("tens", query.schema().clone()))?;
/// let (writer, group) = (output.writer()?, input.local()?.group_or_new("feed.tens")?);
/// let feed = Feed { name: "tens".into(), input, query, output: output.clone(), writer, group, backend: Backend::Memory };
/// let report = run_feed(feed, &Until::End, 1, &AtomicBool::new(false))?;
/// assert_eq!((report.rows_read, report.rows_appended, output.end()?.records()), (3, 2, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn run_feed(feed: Feed, until: &Until, workers: usize, stop: &AtomicBool) -> Result<FeedReport, SpeedError> {
    if workers == 0 {
        return Err(SpeedError::NoWorkers);
    }
    let Feed { name, input, query, output, writer, group, backend } = feed;
    query.check_input(&name, &input)?;
    let kind = query.kind();
    let is_kept = !matches!(backend, Backend::Memory);
    if is_kept && kind == FeedKind::Rows {
        return Err(SpeedError::NoState { name });
    }
    let mut member = all_of(&name, &input, &group, kind)?;
    let delivered = member.delivered();
    let code = format!("feed {name} into {}", output.local()?.id());
    let sink = TopicSink::open(name, &input, output, writer)?;
    let from = Position::new(delivered.iter().map(|(_, offset)| *offset).collect());
    let layout = Arc::new(query.query().clone());
    let mut kept = KeptState::open(&backend, Identity::of(&input, &layout, &code), &layout, &input, &beginning_of(&input))?;
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

/// The one member of the feed's group.
fn all_of(name: &str, input: &Topic, group: &Group, kind: FeedKind) -> Result<Member, SpeedError> {
    let partitions: Vec<PartitionId> = (0..input.partitions() as u32).map(PartitionId).collect();
    let options = MemberOptions { partitions: Some(partitions.clone()), ..MemberOptions::default() };
    if kind == FeedKind::Changelog {
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
            threads.take_checkpoints(store, &self.input, *interval, None, move || Ok(state.sink.sync()?))?;
        }
        let read = self.commit_to_the_end(threads, &reached, Some(member))?;
        if let Some((store, _)) = &checkpoints {
            self.state.sink.sync()?;
            store.commit(&control.latest(), &self.input, control.now_us())?;
        }
        Ok(read)
    }

    /// Waits for a dataflow's end, and commits what is done where there is a member. Returns how many rows were read.
    fn commit_to_the_end(&self, threads: Threads, reached: &Receiver<Reached>, mut member: Option<&mut Member>) -> Result<u64, SpeedError> {
        let control = threads.control();
        let mut done = Vec::new();
        let mut commit = |done: &mut Vec<_>| match &mut member {
            Some(member) if !done.is_empty() => {
                // The output first: a position that outlived its output would be a hole in it.
                self.state.sink.sync()?;
                member.commit_read(&std::mem::take(done))
            }
            _ => Ok(()),
        };
        let mut committed = Instant::now();
        let mut outcome = Ok(());
        loop {
            match reached.recv_timeout(COMMIT_EVERY) {
                Ok(reached) => done.extend(reached.partitions),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if outcome.is_ok() && committed.elapsed() >= COMMIT_EVERY {
                outcome = commit(&mut done);
                committed = Instant::now();
            }
            if outcome.is_err() || self.stop.load(Ordering::Relaxed) {
                control.stop();
            }
        }
        // The workers have ended; what helps them does not know.
        control.stop();
        threads.join()?;
        outcome.and_then(|()| commit(&mut done))?;
        Ok(control.records_read())
    }
}
