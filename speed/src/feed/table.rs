//! A SELECT of any shape over one topic or several, whose rows come, change and go: joins, groups of groups, OVER, UPSERT. The engine differential keeps them; here what one has become since
//! is appended as a row that takes the place of the earlier ones of its key, and a row that goes leaves a tombstone: all of its columns but the key's are NULL.
//!
//! ```text
//! frames ─→ the plan's rows, each with how many more of it there are ─→ (to worker 0) ─→ those of keys that have changed ─→ the output
//! ```
//!
//! **Once.** The output is the table that it leaves: of each key the newest row. A start reads that, and the input from its first record on, or from where its base was kept, and appends nothing before it is at
//! the input's end as it was; then what differs. So whatever died when, the output becomes what the query says, nothing is appended that is there, and no row is older than the one that it
//! takes the place of. (An input that lost records with its machine is another one: then the output goes back to what is left of it.)
//!
//! **A row of which nothing but its key is not NULL** is none: in a topic it would be a deletion.
//!
//! **What is kept at rest**, where it is, is the base of the rows ([`crate::differential`]) at some position of the input: a start reads that in the place of the input up to there. It may be of
//! before the output or after it, since nothing is appended before all of the input is read as it was.
//!
//! **Several topics** are read as one, whose position is a joint one ([`crate::input`]): a table beside a stream changes meanwhile, and each change corrects what was appended. What the
//! output shows once all is read depends on the position alone, not on which topic was read first. Their positions are committed one after the other: they tell how far the feed is, and
//! nothing that a start depends on.
//!
//! **Rows that are told apart by their key**: the plan says which columns those are ([`twopath_query::Plan::row_key`]).

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray, RecordBatch, UInt32Array, new_null_array};
use arrow_row::{OwnedRow, RowConverter, Rows, SortField};
use arrow_schema::{DataType as ArrowType, SchemaRef};
use arrow_select::take::take_record_batch;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;
use twopath_base::sync::lock;
use twopath_base::{Offset, PartitionId, Position};
use twopath_log::{Entry as LogEntry, PartitionBy, Start, Topic, TopicConfig};
use twopath_query::{DataType, EvalError, Expr, NamedExpr, Query};
use twopath_view::{GroupTable, answer_groups, answer_schema};

use super::changelog::{check_kept, check_whole};
use super::flow::GENERATION;
use super::query::{can_be_key, in_a_topic};
use super::when::When;
use crate::checkpoint::Shares;
use crate::control::Control;
use crate::differential::Maintained;
use crate::epoch::{EpochPart, Parcels, take_and_tell};
use crate::error::SpeedError;
use crate::sink::numbered::NumberedSink;

/// A query all of whose rows are kept.
#[derive(Clone)]
pub(crate) struct Table {
    plan: Arc<twopath_query::Plan>,
    pub rows: Arc<Maintained>,
    /// What is computed of rows that came and went: their columns, and how many more of each there are.
    changes: Query,
    schema: SchemaRef,
    /// Which columns tell rows apart, ascending.
    key: Vec<usize>,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("changes", &self.changes).field("key", &self.key).finish_non_exhaustive()
    }
}

impl Table {
    /// # Errors
    /// [`SpeedError::NoFeed`]: what of the query the engine does not keep, an order, and rows that no columns tell apart.
    pub fn new(maintained: twopath_query::Maintained) -> Result<Table, SpeedError> {
        let refused = |what: String| SpeedError::NoFeed { what };
        if maintained.rows.finish.is_some() {
            return Err(refused("leave ORDER BY, LIMIT and OFFSET out; a topic has the order of its changes".into()));
        }
        let rows = Maintained::once(&maintained, &maintained.plan.topics(), GENERATION).map_err(|e| match e {
            SpeedError::Unsupported { what, .. } => refused(format!("{what} is not kept as rows come and go; ask it with twopath query")),
            other => other,
        })?;
        let plan = Arc::new(maintained.plan.clone());
        let Some(key) = maintained.plan.row_key() else {
            let hint = maintained.plan.row_key_hint();
            return Err(refused(format!("its rows may come and go, and no columns of the select list tell them apart; {hint}")));
        };
        let columns = maintained.rows.keys.len();
        if key.len() == columns {
            let what = "a row that goes leaves one that is NULL but for its key, and all of its columns are its key; add another column to the select list, such as TRUE AS there";
            return Err(refused(what.into()));
        }
        let mut changes = Query { rows: false, finish: None, ..maintained.rows };
        in_a_topic(&mut changes);
        let schema = answer_schema(&changes);
        changes.output.push(NamedExpr { name: "more".into(), expr: Expr::column(columns, DataType::Int) });
        Ok(Table { plan, rows: Arc::new(rows), changes, schema, key })
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What it reads, in the order in which it does.
    pub fn topics(&self) -> Vec<&str> {
        self.plan.topics()
    }

    /// That an input has every record, or what compaction leaves where no more is read.
    pub fn check_input(&self, feed: &str, number: usize, input: &Topic) -> Result<(), SpeedError> {
        match &input.config().partition_by {
            PartitionBy::Key(key) if self.plan.reads_newest_alone(self.topics()[number], key) => check_kept(feed, input),
            _ => check_whole(feed, input),
        }
    }

    pub fn query(&self) -> &Query {
        &self.changes
    }

    fn key_names(&self) -> impl Iterator<Item = &str> {
        self.key.iter().map(|&column| self.schema.field(column).name().as_str())
    }

    /// What the output is keyed by unless told otherwise: the first column of the key that can be a topic's.
    pub fn key(&self) -> Option<&str> {
        self.key
            .iter()
            .find(|&&c| can_be_key(self.changes.output[c].expr.data_type))
            .map(|&column| self.schema.field(column).name().as_str())
    }

    /// That the key alone decides a row's partition, and compaction keeps every key; an error says what is wrong.
    pub fn check_output(&self, config: &TopicConfig) -> Result<(), String> {
        let keys = || self.key_names().collect::<Vec<_>>().join(", ");
        match &config.partition_by {
            PartitionBy::Key(key) if !self.key_names().any(|name| name == key) => Err(format!(
                "it is keyed by {key}, and the feed's rows are told apart by {}",
                if self.key.is_empty() { "nothing".into() } else { keys() }
            )),
            PartitionBy::Key(key) if config.compaction.is_some() && self.key.len() > 1 => Err(format!(
                "the feed's rows are told apart by {}, and its compaction would keep one only of those that have the same {key}; make it without compaction",
                keys()
            )),
            _ => Ok(()),
        }
    }
}

/// Rows of one key.
#[derive(Debug, Default)]
struct OfKey {
    /// What the query's rows have beside the key, and how often: one, once its epoch is complete.
    rows: Vec<(OwnedRow, i64)>,
    /// What the output's newest row of the key has, unless that is a tombstone.
    shown: Option<OwnedRow>,
}

impl OfKey {
    /// Where rows are forgotten once they are appended: one that goes was appended, and whoever is told that it is gone has no other need of that.
    fn forgets(&mut self, nothing: &OwnedRow) {
        if let Some(gone) = self.rows.iter().position(|(_, count)| *count < 0) {
            self.shown = Some(self.rows.swap_remove(gone).0);
        }
        if self.rows.len() > 1 {
            self.rows.retain(|(row, _)| row != nothing);
        }
    }
}

/// What worker 0 keeps: the query's rows, and those of the output.
pub(crate) struct Shower {
    table: Table,
    sink: NumberedSink,
    keys: RowConverter,
    rest: RowConverter,
    /// A row of which all but the key is NULL.
    nothing: OwnedRow,
    of_keys: HashMap<OwnedRow, OfKey>,
    /// Keys of which something came or went since rows were appended last.
    changed: BTreeSet<OwnedRow>,
    /// By worker: the error that its derived rows raise.
    raised: Vec<Option<EvalError>>,
    /// By input partition: how far it was read, and the barriers before that.
    read_to: Vec<(Offset, u64)>,
    /// Nothing is appended before it is all read.
    known: Position,
    /// Whether that is so.
    knows_all: bool,
    /// Whether what was made of rows is let go: they are forgotten once they are appended, and go only where they are told to be gone ([`Maintained::lets_go`]).
    once: bool,
    /// Whether it started from a base, so that rows that were appended before need not come again.
    restored: bool,
    when: When,
    pub rows_appended: u64,
}

/// How far the feed has read, by partition: the next record, and the barriers before it.
pub(crate) type ReadTo = Vec<(PartitionId, Offset, u64)>;

/// The dataflow of such a feed.
#[derive(Clone)]
pub(crate) struct TableFlow {
    pub table: Table,
    pub shower: Arc<Mutex<Shower>>,
    /// Hears how far the feed has come. It is hung up when all workers have ended.
    pub done: Sender<ReadTo>,
    /// Where the base of the rows is kept: what was kept of it before.
    pub restored: Option<Shares>,
}

impl Shower {
    /// Reads what the output shows. `known` is how far the input goes now, and whether there was a base to start from.
    pub fn new(
        table: Table,
        sink: NumberedSink,
        (known, restored): (Position, bool),
        workers: usize,
        when: When,
    ) -> Result<Shower, SpeedError> {
        let types = |of_key: bool| {
            let columns = (0..table.schema.fields().len()).filter(|column| table.key.contains(column) == of_key);
            columns.map(|column| table.schema.field(column).data_type().clone()).collect::<Vec<_>>()
        };
        let converter = |types: Vec<ArrowType>| {
            RowConverter::new(types.into_iter().map(SortField::new).collect()).expect("columns of canonical types have an order")
        };
        // The key of a table of one row is the same of each.
        let of_key = if table.key.is_empty() { vec![ArrowType::Boolean] } else { types(true) };
        let (keys, rest) = (converter(of_key), converter(types(false)));
        let nulls: Vec<ArrayRef> = types(false).iter().map(|t| new_null_array(t, 1)).collect();
        let nothing = rest.convert_columns(&nulls).expect("columns of the converter's types").row(0).owned();
        let read_to = vec![(Offset(0), 0); known.partitions()];
        let (of_keys, changed, raised) = (HashMap::new(), BTreeSet::new(), vec![None; workers]);
        let (once, knows_all, rows_appended) = (table.rows.lets_go(), false, 0);
        let mut shower = Shower {
            table,
            sink,
            keys,
            rest,
            nothing,
            of_keys,
            changed,
            raised,
            read_to,
            known,
            knows_all,
            once,
            restored,
            when,
            rows_appended,
        };
        shower.read_output()?;
        Ok(shower)
    }

    fn read_output(&mut self) -> Result<(), SpeedError> {
        for q in 0..self.sink.output.partitions() as u32 {
            let end = self.sink.output.end()?.get(PartitionId(q));
            let mut reader = self.sink.output.reader(PartitionId(q), Start::First, None)?;
            while reader.offset() < end {
                match reader.next()? {
                    None => break,
                    Some(LogEntry::Barrier(_)) => {}
                    Some(LogEntry::Records(records)) => {
                        let (keys, rest) = self.rows_of(&records.batch);
                        for (key, rest) in keys.iter().zip(rest.iter()) {
                            let rest = rest.owned();
                            self.changed.insert(key.owned());
                            self.of_keys.entry(key.owned()).or_default().shown = Some(rest).filter(|rest| *rest != self.nothing);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The keys of some rows, and what they have beside them.
    fn rows_of(&self, batch: &RecordBatch) -> (Rows, Rows) {
        let columns = |of_key: bool| (0..self.table.schema.fields().len()).filter(move |column| self.table.key.contains(column) == of_key);
        let of = |of_key| columns(of_key).map(|column| batch.column(column).clone()).collect::<Vec<ArrayRef>>();
        let mut keys = of(true);
        if keys.is_empty() {
            keys.push(Arc::new(BooleanArray::from(vec![false; batch.num_rows()])));
        }
        let converted =
            |converter: &RowConverter, columns: &[ArrayRef]| converter.convert_columns(columns).expect("columns of the converter's types");
        (converted(&self.keys, &keys), converted(&self.rest, &of(false)))
    }

    pub fn sync(&self) -> Result<(), SpeedError> {
        Ok(self.sink.sync()?)
    }

    /// Takes in complete epochs, each part with the worker that it comes from, and appends what they and those before them change, if it is time.
    fn take(&mut self, parts: Vec<(usize, EpochPart)>, control: &Control) -> Result<ReadTo, SpeedError> {
        for (worker, part) in parts {
            match part {
                EpochPart::Own { table, .. } | EpochPart::Table { table, .. } => self.merge(&table)?,
                EpochPart::Rows { .. } => unreachable!("differential hands over groups"),
                EpochPart::Error { error, .. } => return Err(self.failed(error)),
                EpochPart::Raised(error) => self.raised[worker] = error,
                EpochPart::Closed(reached) => {
                    for (p, offset, barriers) in reached.partitions {
                        self.read_to[p.index()] = (offset, barriers);
                    }
                }
            }
        }
        let at = self.at();
        self.knows_all |= at.covers(&self.known);
        if !self.knows_all || !self.when.is_now(&at, control) {
            return Ok(Vec::new());
        }
        self.append()?;
        Ok(self.read_to.iter().enumerate().map(|(p, &(offset, barriers))| (PartitionId(p as u32), offset, barriers)).collect())
    }

    /// How far the input was read.
    fn at(&self) -> Position {
        Position::new(self.read_to.iter().map(|(offset, _)| *offset).collect())
    }

    /// Has the output hold for good all that comes of the input up to a position, if that has come here; then the base of the rows as it was there may be put at rest, since what it has let go
    /// makes no row again.
    pub fn put_out(&mut self, to: &Position) -> Result<bool, SpeedError> {
        if !self.once {
            return Ok(true);
        }
        if !self.knows_all || !self.at().covers(to) {
            return Ok(false);
        }
        self.append()?;
        self.sync()?;
        Ok(true)
    }

    fn merge(&mut self, table: &GroupTable) -> Result<(), SpeedError> {
        let all = (0..table.len() as u32).collect();
        let (rows, _) = answer_groups(&self.table.changes, table, all).map_err(|e| self.failed(e))?;
        let (keys, rest) = self.rows_of(&rows);
        let more = rows.column(self.table.schema.fields().len()).as_primitive::<Int64Type>();
        for ((key, rest), &more) in keys.iter().zip(rest.iter()).zip(more.values()) {
            let (key, rest) = (key.owned(), rest.owned());
            let of_key = self.of_keys.entry(key.clone()).or_default();
            self.changed.insert(key);
            match of_key.rows.iter_mut().find(|(row, _)| *row == rest) {
                Some((_, count)) => *count += more,
                None => of_key.rows.push((rest, more)),
            }
            of_key.rows.retain(|&(_, count)| count != 0);
        }
        Ok(())
    }

    /// Appends the rows of keys that show something else than the output, in the order of keys.
    fn append(&mut self) -> Result<(), SpeedError> {
        if let Some(error) = self.raised.iter().flatten().next() {
            return Err(self.failed(error.clone()));
        }
        let mut differing: Vec<(OwnedRow, OwnedRow)> = Vec::new();
        for key in std::mem::take(&mut self.changed) {
            let Entry::Occupied(mut entry) = self.of_keys.entry(key) else { continue };
            // Of a row that stays, and that nothing comes of any more, the output alone knows.
            if self.once && self.restored && entry.get().rows.is_empty() {
                entry.remove();
                continue;
            }
            let of_key = entry.get_mut();
            if self.once {
                of_key.forgets(&self.nothing);
            }
            let row = match &of_key.rows[..] {
                [] => None,
                [(row, 1)] => Some(row).filter(|row| **row != self.nothing).cloned(),
                several => {
                    let what = format!("{} rows have the same key", several.iter().map(|(_, count)| count).sum::<i64>());
                    return Err(SpeedError::NoFeed { what });
                }
            };
            if row != of_key.shown {
                differing.push((entry.key().clone(), row.clone().unwrap_or_else(|| self.nothing.clone())));
                entry.get_mut().shown = row;
            }
            if self.once || entry.get().shown.is_none() && entry.get().rows.is_empty() {
                entry.remove();
            }
        }
        if differing.is_empty() {
            return Ok(());
        }
        let rows = self.batch(&differing);
        for (q, numbers) in self.sink.by_partition(&rows)? {
            let rows = take_record_batch(&rows, &UInt32Array::from(numbers)).expect("rows that are there");
            let number = self.sink.reached()[q.index()] + 1;
            self.sink.append(q, &rows, number)?;
            self.rows_appended += rows.num_rows() as u64;
        }
        Ok(())
    }

    /// Rows of these keys, with what they have beside them.
    fn batch(&self, rows: &[(OwnedRow, OwnedRow)]) -> RecordBatch {
        let of = |converter: &RowConverter, rows: &mut dyn Iterator<Item = &OwnedRow>| {
            converter.convert_rows(rows.map(OwnedRow::row)).expect("rows of the converter")
        };
        let mut keys = of(&self.keys, &mut rows.iter().map(|(key, _)| key)).into_iter();
        let mut rest = of(&self.rest, &mut rows.iter().map(|(_, rest)| rest)).into_iter();
        let columns = (0..self.table.schema.fields().len()).map(|column| {
            let from = if self.table.key.contains(&column) { &mut keys } else { &mut rest };
            from.next().expect("a column of one of the two")
        });
        RecordBatch::try_new(self.table.schema.clone(), columns.collect()).expect("the columns of the schema")
    }

    fn failed(&self, source: EvalError) -> SpeedError {
        SpeedError::FeedTable { name: self.sink.name.clone(), source }
    }
}

/// Appends what changes. The stream's frontier says which epochs are taken in.
pub(crate) fn show<'s>(parts: Stream<'s, u64, Parcels<EpochPart>>, flow: &TableFlow, control: &Arc<Control>) -> Stream<'s, u64, Vec<()>> {
    let (shower, controls) = (Arc::clone(&flow.shower), Arc::clone(control));
    take_and_tell(to_first(parts), "Show", move |parts| lock(&shower).take(parts, &controls), flow.done.clone(), control)
}

/// What workers have for themselves, with the number of each, for worker 0.
fn to_first<'s>(parts: Stream<'s, u64, Parcels<EpochPart>>) -> Stream<'s, u64, Parcels<(usize, EpochPart)>> {
    parts.unary::<CapacityContainerBuilder<Parcels<(usize, EpochPart)>>, _, _, _>(Pipeline, "To the first", move |_, _| {
        move |input, output| {
            input.for_each(|epoch, parts| {
                let mut parcels = Parcels(parts.0.drain(..).map(|part| (0, part)).collect());
                if !parcels.0.is_empty() {
                    output.session(&epoch).give_container(&mut parcels);
                }
            });
        }
    })
}
