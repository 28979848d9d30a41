//! A SELECT by windows with `EMIT ON WINDOW CLOSE`: each window's rows are appended once, when it is final, and then its groups go.
//!
//! ```text
//! frames ─→ fold: their groups, how late they go ─→ (to worker 0) ─→ close: merge; a new watermark ─→ rows of windows that it has passed ─→ the output
//! ```
//!
//! **What a window holds does not depend on who reads what first.** The watermark of the topic is the least over its partitions of the greatest event
//! time that was read there, less the delay. Once it has passed a window's end, each record of the window that is still to come is late in its own partition, by the log
//! alone. So a window's rows are the same whenever it is closed.
//!
//! **Once.** A window's rows go to an output partition in one frame, under the producer "feed NAME windows" with the watermark as its sequence number: windows that end
//! up to there are in that partition. Beside the output a file ([`Mark`]) says up to where windows are in all of it, and how far the input was read for that.
//!
//! **What is read again.** The input's position is committed up to the first record of a window that is still open. A start reads from there, makes those groups again, and
//! closes nothing before it is where the last one was. So state is what is open, in memory and in what a start reads, however long the log is.
//!
//! **A partition that has not spoken** does not hold the others up, nor one that is idle, where the query says when that is: it has no record left that was not read, and its newest
//! arrived so much before the newest of all. What either says later of windows that were closed without it is left out, with a warning.

use std::collections::VecDeque;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Int64Array, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take_record_batch;
use serde::Serialize;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;
use twopath_base::sync::lock;
use twopath_base::{Offset, PartitionId, Position};
use twopath_log::{PartitionBy, Records, Topic, TopicConfig};
use twopath_query::{self as query, DataType, EvalError, ExprKind, Query};
use twopath_view::{Fold, GroupTable, answer_schema, canonical, closed, still_open};

use super::firing::{Firer, Firings, Moment};
use super::mark::Mark;
use super::query::{can_be_key, check_unordered, in_a_topic};
use crate::control::Control;
use crate::epoch::{Parcels, Reached, Read, take_and_tell};
use crate::error::SpeedError;
use crate::input::Tails;
use crate::sink::numbered::NumberedSink;

/// A query whose windows close.
#[derive(Debug, Clone)]
pub(crate) struct Windows {
    pub closing: query::Closing,
    fold: Fold,
    schema: SchemaRef,
    /// Which of the columns that are folded is the event time.
    time: usize,
    pub firings: Firings,
}

impl Windows {
    /// # Errors
    /// [`SpeedError::NoFeed`] for one with ORDER BY, LIMIT or DISTINCT, and for firings that it cannot have.
    pub fn new(mut closing: query::Closing, firings: Firings) -> Result<Windows, SpeedError> {
        check_unordered(&Query { panes: None, ..closing.query.clone() })?;
        in_a_topic(&mut closing.query);
        let (fold, mut schema) = (Fold::new(&closing.query), answer_schema(&closing.query));
        if firings.are_some() {
            schema = firings.schema_of(&closing, &schema)?;
        }
        let time = fold.projection().iter().position(|&column| column == closing.late.time);
        let time = time.expect("the least event time of a group is folded");
        Ok(Windows { closing, fold, schema, time, firings })
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub fn projection(&self) -> &[usize] {
        self.fold.projection()
    }

    pub fn query(&self) -> &Query {
        &self.closing.query
    }

    /// What the output is keyed by unless told otherwise: the first column that is one of those grouped by, can be a topic's key and does not say the window.
    pub fn key(&self) -> Option<&str> {
        let query = &self.closing.query;
        let mut of_window = Vec::new();
        self.closing.end.visit(&mut |e| {
            if let ExprKind::Column(i) = e.kind {
                of_window.push(i);
            }
        });
        let is_key = |column: &&query::NamedExpr| match column.expr.kind {
            ExprKind::Column(i) => {
                i < query.keys.len() && !of_window.contains(&i) && query.panes.as_ref().is_none_or(|panes| panes.key != i)
            }
            _ => false,
        };
        query.output.iter().filter(is_key).find(|column| can_be_key(column.expr.data_type)).map(|column| column.name.as_str())
    }

    /// That the input goes by the time that windows close by: else the log does not know what is late.
    pub fn check_time(&self, input: &Topic) -> Result<(), SpeedError> {
        let late = &self.closing.late;
        let time = &late.fields[late.time].name;
        if input.config().time_column.as_ref() == Some(time) {
            return Ok(());
        }
        let what = format!(
            "its windows close by {time}, and '{0}' has {1}, so that the log does not know what is late; make a topic with --time-column {time} of it",
            input.name(),
            input.config().time_column.as_ref().map_or("no event time".to_owned(), |other| format!("the event time {other}"))
        );
        Err(SpeedError::NoFeed { what })
    }

    /// That rows find their partition in such a topic; an error says what is wrong.
    pub fn check_output(&self, config: &TopicConfig) -> Result<(), String> {
        match &config.partition_by {
            PartitionBy::Key(_) if config.compaction.is_some() => {
                Err("compaction keeps one row of each key, and a window's rows are appended once; make it without compaction".into())
            }
            _ => Ok(()),
        }
    }
}

/// One input partition, as far as it was read.
#[derive(Default)]
struct Partition {
    /// Its greatest event time.
    newest: Option<i64>,
    /// When its newest record arrived.
    arrived: Option<i64>,
    /// Whether it does not hold the others up: see [`Closer::look_for_idle`].
    is_idle: bool,
    read_to: Offset,
    /// The number of barriers before that.
    barriers: u64,
    /// Frames that windows which are still open may have records of: where each begins, the barriers before it, and its greatest event time.
    frames: VecDeque<(Offset, u64, Option<i64>)>,
}

/// What worker 0 keeps: the groups of open windows, and how far the input was read.
pub(crate) struct Closer {
    windows: Windows,
    sink: NumberedSink,
    /// Appends rows that are not final, if it does.
    firer: Option<Firer>,
    groups: GroupTable,
    /// Before this moment none of their windows ends.
    until: Option<i64>,
    /// No record that they are made of is before this moment.
    since: Option<i64>,
    partitions: Vec<Partition>,
    /// Windows that end up to there are in the output.
    closed_to: Option<i64>,
    /// How far the last process had read: before that, nothing is closed, and nothing let go.
    known: Position,
    is_known: bool,
    pub rows_appended: u64,
    /// Rows that the output had already.
    pub rows_left_out: u64,
    /// The first that spoke after windows were closed without it.
    pub spoke_late: Option<SpokeLate>,
}

/// A partition had been silent, and spoke after windows were closed without it: if it has records of those, they are not in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SpokeLate {
    pub partition: PartitionId,
    /// The first record of the frame.
    pub from: Offset,
    /// Windows that end up to there were closed (microseconds since 1970).
    pub closed_to: i64,
}

/// How far a feed has come: what may be committed.
pub(crate) struct Done {
    pub mark: Mark,
    /// By partition: the first record that a start needs, and the number of barriers before it.
    pub needs: Vec<(PartitionId, Offset, u64)>,
}

/// The dataflow of such a feed.
#[derive(Clone)]
pub(crate) struct ClosingFlow {
    pub windows: Arc<Windows>,
    pub closer: Arc<Mutex<Closer>>,
    /// Hears how far the feed has come. It is hung up when all workers have ended.
    pub done: Sender<Done>,
}

/// What is sent to worker 0.
enum Item {
    Folded {
        groups: GroupTable,
        frames: Vec<FrameRead>,
    },
    /// The sender can go on no further.
    Failed(SpeedError),
    /// The sender's epoch is over.
    Closed(Reached),
}

/// A frame of the input, and its least and greatest event time.
struct FrameRead {
    partition: PartitionId,
    base: Offset,
    end: Offset,
    barriers: u64,
    arrival_us: i64,
    times: Option<(i64, i64)>,
}

impl Closer {
    /// Reading from a position on, which `mark` was committed with.
    pub fn new(windows: Windows, sink: NumberedSink, firer: Option<Firer>, from: &Position, mark: Option<Mark>) -> Closer {
        let groups = GroupTable::new(windows.query());
        let Mark { closed_to, read_to, newest, arrived, .. } = mark.unwrap_or_else(|| Mark::before(from));
        let partition = |(p, offset): (PartitionId, Offset)| Partition {
            newest: newest[p.index()],
            arrived: arrived.get(p.index()).copied().flatten(),
            read_to: offset,
            ..Partition::default()
        };
        let partitions = from.iter().map(partition).collect();
        Closer {
            windows,
            sink,
            firer,
            groups,
            until: None,
            since: None,
            partitions,
            closed_to,
            known: read_to,
            is_known: false,
            rows_appended: 0,
            rows_left_out: 0,
            spoke_late: None,
        }
    }

    /// Groups of windows that are open.
    pub fn groups_open(&self) -> u64 {
        self.groups.len() as u64
    }

    /// Rows that were appended before they were final.
    pub fn rows_not_final(&self) -> u64 {
        self.firer.as_ref().map_or(0, |firer| firer.rows_appended)
    }

    pub fn sync(&self) -> Result<(), SpeedError> {
        Ok(self.sink.sync()?)
    }

    /// Takes in complete epochs, and appends what they close: also where one of them has an error, which comes after what was read before it.
    fn take(&mut self, items: Vec<Item>, control: &Control) -> Result<Done, SpeedError> {
        let mut failed = None;
        for item in items {
            match item {
                Item::Folded { groups, frames } => {
                    // Of a session that is read again, a part alone may look as if it had ended.
                    let ended = self.closed_to.filter(|_| self.is_known);
                    let open = still_open(&self.windows.closing, &groups, ended).map_err(|e| self.failed(e))?;
                    self.groups.merge_groups(&groups, &open.groups);
                    self.until = self.until.into_iter().chain(open.until).min();
                    self.since = self.since.into_iter().chain(open.since).min();
                    frames.into_iter().for_each(|frame| self.note(&frame));
                }
                Item::Failed(error) => failed = failed.or(Some(error)),
                Item::Closed(reached) => {
                    for (p, offset, barriers) in reached.partitions {
                        let partition = &mut self.partitions[p.index()];
                        (partition.read_to, partition.barriers) = (offset, barriers);
                    }
                }
            }
        }
        let begins = !self.is_known && self.read_to().covers(&self.known);
        if begins {
            self.is_known = true;
            self.keep_open(self.closed_to)?;
        }
        self.look_for_idle(&control.tails);
        if begins {
            self.with_firer(|firer, now, _| {
                firer.begin(now);
                Ok(())
            })?;
        }
        let watermark = self.watermark().filter(|&w| self.closed_to.is_none_or(|closed_to| w > closed_to));
        if let Some(watermark) = watermark {
            self.close(watermark)?;
        }
        if failed.is_none() {
            self.with_firer(|firer, now, schema| if firer.is_time(now.at, control) { firer.fire(now, schema) } else { Ok(()) })?;
        }
        self.let_go();
        failed.map_or_else(|| Ok(self.done()), Err)
    }

    fn note(&mut self, frame: &FrameRead) {
        let partition = &mut self.partitions[frame.partition.index()];
        let (oldest, newest) = frame.times.unzip();
        // A partition that held the others up has nothing in time that is before what was closed.
        let in_time = partition.newest.map_or(i64::MIN, |newest| newest.saturating_sub(self.windows.closing.late.delay_us));
        if let (Some(oldest), Some(newest), Some(closed_to)) = (oldest, newest, self.closed_to)
            && in_time < closed_to
            && oldest < closed_to
            && newest >= in_time
            && frame.base >= self.known.get(frame.partition)
        {
            self.spoke_late.get_or_insert(SpokeLate { partition: frame.partition, from: frame.base, closed_to });
        }
        partition.newest = partition.newest.max(newest);
        partition.arrived = partition.arrived.max(Some(frame.arrival_us));
        partition.is_idle = false;
        // A process that is stopped in mid-epoch must know of each time how far it was read.
        (partition.read_to, partition.barriers) = (frame.end, frame.barriers);
        partition.frames.push_back((frame.base, frame.barriers, newest));
    }

    /// Which partitions are idle now.
    fn look_for_idle(&mut self, tails: &Tails) {
        let Some(idle_us) = self.windows.closing.late.idle_us else { return };
        let Some(before) = self
            .partitions
            .iter()
            .filter(|p| p.newest.is_some())
            .filter_map(|p| p.arrived)
            .max()
            .map(|latest| latest.saturating_sub(idle_us))
        else {
            return;
        };
        for (p, partition) in self.partitions.iter_mut().enumerate() {
            // What is behind may have spoken since.
            let is_read = partition.read_to >= tails.end_of(PartitionId(p as u32));
            partition.is_idle = is_read && partition.arrived.is_some_and(|arrived| arrived < before);
        }
    }

    /// The least of the partitions' greatest event times, as far as they were read; `None` before a partition has spoken, and before all is read that the last process had read.
    fn newest(&self) -> Option<i64> {
        self.partitions.iter().filter(|p| !p.is_idle).filter_map(|p| p.newest).min().filter(|_| self.is_known)
    }

    /// The topic's.
    fn watermark(&self) -> Option<i64> {
        // Where the delay reaches back before the beginning of time nothing is final.
        self.newest()?.checked_sub(self.windows.closing.late.delay_us)
    }

    /// Has rows appended that are not final, if there are to be any and a partition has spoken.
    fn with_firer(&mut self, to_do: impl FnOnce(&mut Firer, &Moment<'_>, &SchemaRef) -> Result<(), SpeedError>) -> Result<(), SpeedError> {
        let (newest, at) = (self.newest(), self.read_to());
        let (Some(firer), Some(newest)) = (&mut self.firer, newest) else { return Ok(()) };
        let final_to: Vec<Option<i64>> = self.sink.reached().iter().map(|&number| moment(number)).collect();
        let (closing, groups, closed_to) = (&self.windows.closing, &self.groups, self.closed_to);
        to_do(firer, &Moment { closing, groups, closed_to, newest, at: &at, final_to: &final_to }, &self.windows.schema)
    }

    /// How far each partition was read.
    fn read_to(&self) -> Position {
        Position::new(self.partitions.iter().map(|partition| partition.read_to).collect())
    }

    /// Appends the windows that the watermark has passed, and lets go of groups that no other window needs.
    fn close(&mut self, watermark: i64) -> Result<(), SpeedError> {
        if self.until.is_some_and(|until| until <= watermark) {
            match closed(&self.windows.closing, &self.groups, (self.closed_to, watermark)) {
                Ok(rows) => self.append(rows, (self.closed_to, watermark))?,
                // The windows before the one that raises it are final all the same.
                Err(_) => self.close_in_turn(watermark)?,
            }
            self.keep_open(Some(watermark))?;
        }
        self.closed_to = Some(watermark);
        Ok(())
    }

    /// As [`Closer::close`], one end of windows after the other, up to the one that raises an error.
    fn close_in_turn(&mut self, watermark: i64) -> Result<(), SpeedError> {
        loop {
            let open = still_open(&self.windows.closing, &self.groups, self.closed_to).map_err(|e| self.failed(e))?;
            let Some(end) = open.until.filter(|&end| end <= watermark) else { return Ok(()) };
            let range = (self.closed_to, end);
            let rows = closed(&self.windows.closing, &self.groups, range).map_err(|e| self.failed(e))?;
            self.append(rows, range)?;
            self.closed_to = Some(end);
        }
    }

    /// Lets go of groups that no window needs which ends after a moment.
    fn keep_open(&mut self, ended: Option<i64>) -> Result<(), SpeedError> {
        let open = still_open(&self.windows.closing, &self.groups, ended).map_err(|e| self.failed(e))?;
        let groups = std::mem::replace(&mut self.groups, GroupTable::new(self.windows.query()));
        self.groups.merge_groups(&groups, &open.groups);
        (self.until, self.since) = (open.until, open.since);
        Ok(())
    }

    /// Forgets frames that no window which is still open has records of.
    fn let_go(&mut self) {
        let since = self.since;
        let is_needed = |newest: Option<i64>| since.is_some_and(|since| newest.is_some_and(|newest| newest >= since));
        for partition in &mut self.partitions {
            while partition.frames.front().is_some_and(|&(_, _, newest)| !is_needed(newest)) {
                partition.frames.pop_front();
            }
        }
    }

    /// Appends rows of windows that end after the one moment and not after the other, each with its window's end, as far as their partitions do not have them.
    fn append(&mut self, mut rows: (RecordBatch, Int64Array), range: (Option<i64>, i64)) -> Result<(), SpeedError> {
        if let Some(firer) = &self.firer {
            rows = firer.finals(&self.groups, range, rows, &self.windows.schema);
        }
        let ((rows, ends), (_, watermark)) = (rows, range);
        for (q, mut numbers) in self.sink.by_partition(&rows)? {
            let (all, reached) = (numbers.len(), moment(self.sink.reached()[q.index()]));
            numbers.retain(|&row| reached.is_none_or(|reached| ends.value(row as usize) > reached));
            self.rows_appended += numbers.len() as u64;
            self.rows_left_out += (all - numbers.len()) as u64;
            if !numbers.is_empty() {
                let rows = take_record_batch(&rows, &UInt32Array::from(numbers)).expect("rows that are there");
                self.sink.append(q, &rows, number(watermark))?;
            }
        }
        Ok(())
    }

    fn done(&self) -> Done {
        let each = || self.partitions.iter().enumerate().map(|(p, partition)| (PartitionId(p as u32), partition));
        let needs = each().map(|(p, partition)| match partition.frames.front() {
            Some(&(base, barriers, _)) => (p, base, barriers),
            None => (p, partition.read_to, partition.barriers),
        });
        // Before all is read again, what was known is what is known.
        let read_to = Position::new(each().map(|(p, partition)| partition.read_to.max(self.known.get(p))).collect());
        let newest = each().map(|(_, partition)| partition.newest).collect();
        let arrived = each().map(|(_, partition)| partition.arrived).collect();
        let fired = self.firer.as_ref().map(Firer::fired).unwrap_or_default();
        Done { needs: needs.collect(), mark: Mark { closed_to: self.closed_to, read_to, newest, arrived, fired } }
    }

    fn failed(&self, source: EvalError) -> SpeedError {
        let place = self
            .closed_to
            .map_or_else(|| "before its first window".to_owned(), |us| format!("behind {}", query::time::format_timestamp(us)));
        SpeedError::FeedWindow { name: self.sink.name.clone(), place, source }
    }
}

/// A moment as a frame's number: in the same order, from 1 on. (The number 0 is that of a producer that has appended nothing.)
fn number(moment: i64) -> u64 {
    ((moment as u64) ^ (1 << 63)).max(1)
}

fn moment(number: u64) -> Option<i64> {
    (number > 0).then_some((number ^ (1 << 63)) as i64)
}

impl ClosingFlow {
    /// The columns of the input that it reads, ascending.
    pub fn projection(&self) -> &[usize] {
        self.windows.projection()
    }
}

/// Appends the windows that frames close. The stream's frontier says which epochs are taken in.
pub(crate) fn close<'s>(reads: Stream<'s, u64, Vec<Read>>, flow: &ClosingFlow, control: &Arc<Control>) -> Stream<'s, u64, Vec<()>> {
    let (closer, controls) = (Arc::clone(&flow.closer), Arc::clone(control));
    take_and_tell(folded(reads, flow), "Close", move |items| lock(&closer).take(items, &controls), flow.done.clone(), control)
}

/// The groups of frames, for worker 0.
fn folded<'s>(reads: Stream<'s, u64, Vec<Read>>, flow: &ClosingFlow) -> Stream<'s, u64, Parcels<Item>> {
    let (windows, name) = (Arc::clone(&flow.windows), lock(&flow.closer).sink.name.clone());
    let mut failed = false;
    reads.unary::<CapacityContainerBuilder<Parcels<Item>>, _, _, _>(Pipeline, "Fold", move |_, _| {
        move |input, output| {
            input.for_each(|epoch, reads| {
                let mut parcels = Parcels::default();
                let (mut groups, mut frames) = (GroupTable::new(windows.query()), Vec::new());
                for read in reads.drain(..) {
                    match read {
                        Read::Records { .. } if failed => {}
                        Read::Records { generation, records, .. } => match fold(&windows, &mut groups, generation, &records) {
                            Ok(frame) => frames.push(frame),
                            Err(source) => {
                                failed = true;
                                let (partition, from, to) = (records.partition, records.base, records.end);
                                let error = SpeedError::FeedRow { name: name.clone(), partition, from, to, what: "a row", source };
                                parcels.0.push((0, Item::Failed(error)));
                            }
                        },
                        Read::Closed(reached) => parcels.0.push((0, Item::Closed(reached))),
                    }
                }
                if !frames.is_empty() {
                    parcels.0.push((0, Item::Folded { groups, frames }));
                }
                if !parcels.0.is_empty() {
                    output.session(&epoch).give_container(&mut parcels);
                }
            });
        }
    })
}

fn fold(windows: &Windows, groups: &mut GroupTable, barriers: u64, records: &Records) -> Result<FrameRead, EvalError> {
    windows.fold.update(groups, &records.batch)?;
    let times = canonical(records.batch.column(windows.time), DataType::Timestamp)?;
    let least_and_greatest = |known: Option<(i64, i64)>, time: i64| Some(known.map_or((time, time), |(a, b)| (a.min(time), b.max(time))));
    let times = times.as_primitive::<TimestampMicrosecondType>().iter().flatten().fold(None, least_and_greatest);
    let Records { partition, base, end, arrival_us, .. } = *records;
    Ok(FrameRead { partition, base, end, barriers, arrival_us, times })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_numbers_in_order() {
        let moments = [i64::MIN + 1, -1_000_000, -1, 0, 1, 1_357_000_000_000_000, i64::MAX];
        assert!(moments.windows(2).all(|pair| number(pair[0]) < number(pair[1])));
        assert!(moments.iter().all(|&us| moment(number(us)) == Some(us)));
        assert_eq!(moment(0), None);
    }
}
