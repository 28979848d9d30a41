//! Hand-written code between the source and the state: what it reads, and what its rows become.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use differential_dataflow::collection::AsCollection;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::generic::{Operator, OutputBuilder};
use timely::dataflow::operators::vec::{Filter, Map};
use twopath_query::{DataType, EvalError, Query};
use twopath_view::{Finals, GroupTable, Merging, Part, arrow_type, canonical};

use super::row::{ColumnType, items_column};
use super::{Flow, Frame, HandWritten, Item, Row};
use crate::control::Control;
use crate::epoch::{EpochPart, Parcels, Read, complete};
use crate::error::SpeedError;

/// What rows of hand-written code are.
#[derive(Debug, Clone)]
pub(crate) enum Form {
    /// Parts of one generation, which merge with others.
    Parts { merging: Merging, layout: Arc<Query> },
    /// Final values over all that was read. They replace one another, and stand under the generation in which the job started.
    Finals { finals: Finals, layout: Arc<Query>, generation: u64 },
}

/// Hand-written code made ready for one topic.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    hand: HandWritten,
    form: Form,
    /// The topic's columns that it reads, ascending, and their types.
    pub columns: Vec<usize>,
    types: Vec<DataType>,
}

impl Prepared {
    /// # Errors
    /// It reads a column that the topic does not have, or has with another type.
    pub fn new(query: &Query, hand: HandWritten, form: Form) -> Result<Self, SpeedError> {
        let mut columns = Vec::new();
        for &(name, expected) in hand.columns {
            let place = query.fields.iter().position(|f| f.name == name && f.data_type == expected);
            columns.push(place.ok_or_else(|| SpeedError::Column {
                logic: format!("{} version {}", hand.name, hand.version),
                column: name.to_owned(),
                expected,
                topic: query.topic.clone(),
                columns: query.fields.iter().map(|f| format!("{} {:?}", f.name, f.data_type)).collect::<Vec<_>>().join(", "),
            })?);
        }
        columns.sort_unstable();
        columns.dedup();
        let types = columns.iter().map(|&c| query.fields[c].data_type).collect();
        Ok(Prepared { hand, form, columns, types })
    }

    /// What its tables are laid out for.
    pub fn layout(&self) -> &Arc<Query> {
        match &self.form {
            Form::Parts { layout, .. } | Form::Finals { layout, .. } => layout,
        }
    }

    pub fn gives_finals(&self) -> bool {
        matches!(self.form, Form::Finals { .. })
    }

    /// Topics may hold narrower integers and other units of time than hand-written code is written for.
    fn in_canonical_types(&self, batch: RecordBatch) -> Result<RecordBatch, EvalError> {
        let is_canonical = |(column, &t): (&ArrayRef, &DataType)| *column.data_type() == arrow_type(t);
        if batch.columns().iter().zip(&self.types).all(is_canonical) {
            return Ok(batch);
        }
        let columns = batch.columns().iter().zip(&self.types).map(|(column, &t)| canonical(column, t)).collect::<Result<Vec<_>, _>>()?;
        let schema = batch.schema();
        let names = schema.fields().iter().map(|field| field.name());
        Ok(RecordBatch::try_from_iter(names.zip(columns)).expect("columns of one length"))
    }

    /// Whether rows go again: of a query that computes more than groups.
    fn rows_go(&self) -> bool {
        matches!(&self.form, Form::Finals { layout, .. } if layout.having.is_some())
    }

    /// Under which generation stands what came of a frame.
    fn generation_of(&self, frame: u64) -> u64 {
        if let Form::Finals { generation, .. } = &self.form { *generation } else { frame }
    }

    /// An epoch's rows as tables of groups.
    fn tables(&self, epoch: u64, rows: Vec<(Row, isize)>) -> Result<Vec<EpochPart>, SpeedError> {
        let mut generations: BTreeMap<u64, Vec<Row>> = BTreeMap::new();
        let rows = match &self.form {
            Form::Finals { finals, .. } if self.rows_go() => standing(rows, finals.keys.len()),
            _ => rows.into_iter().map(|(row, _)| row).collect(),
        };
        for row in rows {
            generations.entry(self.generation_of(row.generation)).or_default().push(row);
        }
        let part = |(generation, rows): (u64, Vec<Row>)| Ok(EpochPart::Own { generation, table: Arc::new(self.table(epoch, &rows)?) });
        generations.into_iter().map(part).collect()
    }

    fn table(&self, epoch: u64, rows: &[Row]) -> Result<GroupTable, SpeedError> {
        let columns = self.row_types();
        let wrong = |reason: String| SpeedError::Rows { logic: self.hand.name.into(), version: self.hand.version, reason };
        if let Some(row) = rows.iter().find(|row| row.items.len() != columns.len()) {
            return Err(wrong(format!("a row has {} items, and there are {} keys and values", row.items.len(), columns.len())));
        }
        let column = |(at, (name, t)): (usize, &(&str, ColumnType))| {
            items_column(rows, at, *t).map(|column| (name.to_string(), column)).map_err(|e| wrong(format!("'{name}': {e}")))
        };
        let columns = columns.iter().enumerate().map(column).collect::<Result<Vec<_>, _>>()?;
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        match &self.form {
            Form::Parts { merging, layout } => merging.table(layout, &batch).map_err(wrong),
            // Orders count from 1, epochs from 0.
            Form::Finals { finals, layout, .. } => finals.table(layout, &batch, epoch + 1).map_err(wrong),
        }
    }

    fn row_types(&self) -> Vec<(&'static str, ColumnType)> {
        let plain = |of| ColumnType { of, is_list: false };
        match &self.form {
            Form::Parts { merging, .. } => {
                let keys = merging.keys.iter().map(|&(name, t)| (name, plain(t)));
                keys.chain(merging.parts.iter().map(|&(name, part)| (name, column_type(part)))).collect()
            }
            Form::Finals { finals, .. } => finals.keys.iter().chain(finals.values).map(|&(name, t)| (name, plain(t))).collect(),
        }
    }
}

/// What an epoch leaves standing of rows that begin with so many keys. One that is taken back and that no other replaces has gone, and stands as NULLs.
fn standing(rows: Vec<(Row, isize)>, keys: usize) -> Vec<Row> {
    let key = |row: &Row| format!("{:?}", row.items.get(..keys));
    let (given, taken): (Vec<_>, Vec<_>) = consolidated(rows).into_iter().partition(|(_, n)| *n > 0);
    let mut known: BTreeSet<String> = given.iter().map(|(row, _)| key(row)).collect();
    let gone = taken.into_iter().map(|(row, _)| row).filter(|row| known.insert(key(row)));
    let gone: Vec<Row> = gone
        .map(|mut row| {
            row.items.iter_mut().skip(keys).for_each(|item| *item = Item::Null);
            row
        })
        .collect();
    given.into_iter().map(|(row, _)| row).chain(gone).collect()
}

/// The rows that are left of those that are given and taken back in one epoch. (Floats have no order that differential would go by.)
fn consolidated(rows: Vec<(Row, isize)>) -> Vec<(Row, isize)> {
    let mut left: BTreeMap<String, (Row, isize)> = BTreeMap::new();
    for (row, n) in rows {
        left.entry(format!("{:?}", row.items)).or_insert((row, 0)).1 += n;
    }
    left.into_values().filter(|(_, n)| *n != 0).collect()
}

/// What a part is handed over as.
fn column_type(part: Part) -> ColumnType {
    match part {
        Part::Count => ColumnType { of: DataType::Int, is_list: false },
        Part::Sum(DataType::Float) => ColumnType { of: DataType::Float, is_list: true },
        Part::Sum(of) | Part::Min(of) | Part::Max(of) => ColumnType { of, is_list: false },
        Part::Distinct(of) | Part::DistinctSketch(of) | Part::Quantiles(of, _) => ColumnType { of, is_list: true },
    }
}

/// The hand-written dataflow between what is read and what is kept.
pub(crate) fn parts<'s>(
    reads: Stream<'s, u64, Vec<Read>>,
    prepared: &Prepared,
    control: &Arc<Control>,
) -> Stream<'s, u64, Parcels<EpochPart>> {
    let (frames, others) = frames(reads, prepared.clone());
    let rows = match prepared.hand.flow {
        Flow::Timely(flow) => under_their_epoch(flow(frames)).map(|(epoch, row)| (epoch, (row, 1))),
        Flow::Differential(flow) => {
            let frames = under_their_epoch(frames).map(|(epoch, frame)| (frame, epoch, 1));
            let rows = flow(frames.as_collection());
            // What is taken back of groups is replaced in the same epoch.
            let rows_go = prepared.rows_go();
            rows.inner.filter(move |(_, _, n)| rows_go || *n > 0).map(|(row, epoch, n)| (epoch, (row, n)))
        }
    };
    let prepared = prepared.clone();
    others.concat(complete(rows, "Rows", move |epoch, rows| prepared.tables(epoch, rows), control))
}

/// The frames, and beside them what hand-written code does not see.
fn frames<'s>(reads: Stream<'s, u64, Vec<Read>>, prepared: Prepared) -> (Stream<'s, u64, Vec<Frame>>, Stream<'s, u64, Parcels<EpochPart>>) {
    let index = reads.scope().index();
    let mut builder = OperatorBuilder::new("ByHand".to_owned(), reads.scope());
    let mut input = builder.new_input(reads, Pipeline);
    let (frames, frames_stream) = builder.new_output();
    let (others, others_stream) = builder.new_output();
    let mut frames = OutputBuilder::<_, CapacityContainerBuilder<Vec<Frame>>>::from(frames);
    let mut others = OutputBuilder::<_, CapacityContainerBuilder<Parcels<EpochPart>>>::from(others);
    builder.build(move |_| {
        move |_frontiers| {
            let (mut frames, mut others) = (frames.activate(), others.activate());
            input.for_each(|capability, reads| {
                let mut parcels = Parcels::default();
                let mut session = frames.session(&capability);
                for read in reads.drain(..) {
                    match read {
                        Read::Records { generation, records, .. } => match prepared.in_canonical_types(records.batch) {
                            Ok(batch) => session.give(Frame { generation, batch }),
                            Err(error) => {
                                parcels.0.push((index, EpochPart::Error { generation: prepared.generation_of(generation), error }))
                            }
                        },
                        Read::Closed(reached) => parcels.0.push((index, EpochPart::Closed(reached))),
                    }
                }
                drop(session);
                if !parcels.0.is_empty() {
                    others.session(&capability).give_container(&mut parcels);
                }
            });
        }
    });
    (frames_stream, others_stream)
}

/// Data with the epoch that they are sent under.
fn under_their_epoch<'s, D: 'static>(data: Stream<'s, u64, Vec<D>>) -> Stream<'s, u64, Vec<(u64, D)>> {
    data.unary::<CapacityContainerBuilder<Vec<(u64, D)>>, _, _, _>(Pipeline, "UnderTheirEpoch", |_, _| {
        |input, output| {
            input.for_each(|capability, data| {
                let epoch = *capability.least().expect("data are sent under a capability");
                output.session(&capability).give_iterator(data.drain(..).map(|datum| (epoch, datum)));
            });
        }
    })
}
