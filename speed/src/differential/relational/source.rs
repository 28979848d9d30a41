//! A topic's rows, with the conditions and projections right above them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use differential_dataflow::collection::AsCollection;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use twopath_log::Records;
use twopath_query::plan::{Late, Node};
use twopath_query::values::Columns;
use twopath_query::{BinaryOp, DataType, EvalError, Expr, ExprKind, Field, Plan};

use super::base::BaseRows;
use super::collection::{Collection, Errors, Tuple};
use super::steps::Steps;
use crate::differential::datum::Datum;
use crate::differential::expr::{Compiled, Row, compile};
use crate::epoch::{EpochPart, Parcels, Read};
use crate::error::SpeedError;

/// A condition and columns over a topic's columns: first the one, then the others.
pub struct Leaf {
    pub topic: String,
    fields: Vec<Field>,
    filter: Option<Expr>,
    columns: Vec<Expr>,
    gives: Gives,
}

/// What is given of what is read.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Gives {
    Rows,
    /// Of each frame its partition and the greatest value of the only column, a time.
    Furthest,
}

/// A [`Leaf`] over the columns that are read.
pub struct Source {
    /// Which of the topics it reads.
    topic: usize,
    filter: Option<Compiled>,
    columns: Vec<Compiled>,
    gives: Gives,
}

impl Leaf {
    /// The plan, if it is no more than that.
    pub fn of(plan: &Plan) -> Option<Leaf> {
        match &plan.node {
            Node::Scan { topic, fields } => {
                let columns = plan.columns().into_iter().enumerate().map(|(i, (_, t))| Expr::column(i, t)).collect();
                Some(Leaf { topic: topic.clone(), fields: fields.clone(), filter: None, columns, gives: Gives::Rows })
            }
            Node::Filter { input, condition } => {
                let below = Leaf::of(input).filter(Leaf::hands_through)?;
                let condition = below.over(condition);
                // The inner condition comes first, so that it guards the outer one.
                let filter = Some(match below.filter {
                    None => condition,
                    Some(inner) => Expr::binary(BinaryOp::And, inner, condition, DataType::Bool),
                });
                Some(Leaf { filter, ..below })
            }
            Node::Project { input, columns } => {
                let below = Leaf::of(input).filter(Leaf::hands_through)?;
                let columns = columns.iter().map(|c| below.over(&c.expr)).collect();
                Some(Leaf { columns, ..below })
            }
            _ => None,
        }
    }

    /// How far the partitions of a topic are in event time.
    pub fn furthest(late: &Late) -> Leaf {
        let columns = vec![Expr::column(late.time, DataType::Timestamp)];
        Leaf { topic: late.topic.clone(), fields: late.fields.clone(), filter: None, columns, gives: Gives::Furthest }
    }

    /// What it leaves out because it is late, and which of its columns has the event time.
    pub fn times(&self) -> Option<(usize, Late)> {
        let conditions = self.filter.as_ref()?.conjuncts();
        let late = conditions.into_iter().find_map(|condition| Late::of_condition(&self.topic, &self.fields, condition))?;
        let column = self.columns.iter().position(|column| column.kind == ExprKind::Column(late.time))?;
        Some((column, late))
    }

    /// Its columns that go by the event time, each with how much earlier than that it can be, and how much later, at most, in microseconds.
    pub fn near_event_time(&self) -> impl Iterator<Item = (usize, i64, i64)> {
        let time = self.times().map(|(_, late)| late.time);
        let near = move |(column, expr): (usize, &Expr)| {
            expr.around().filter(|(of, ..)| Some(*of) == time).map(|(_, before, behind)| (column, before, behind))
        };
        self.columns.iter().enumerate().filter_map(near)
    }

    /// The types of what it gives.
    pub fn types(&self) -> Vec<DataType> {
        match self.gives {
            Gives::Rows => self.columns.iter().map(|column| column.data_type).collect(),
            Gives::Furthest => vec![DataType::Int, DataType::Timestamp],
        }
    }

    /// Whether its columns raise nothing that what is above would have to come after.
    fn hands_through(&self) -> bool {
        self.columns.iter().all(|c| matches!(c.kind, ExprKind::Column(_) | ExprKind::Literal(_)))
    }

    /// An expression over these columns as one over the topic's.
    fn over(&self, expr: &Expr) -> Expr {
        let Ok(expr) = expr.try_columns(&mut |i, _| Ok::<_, std::convert::Infallible>(self.columns[i].clone()));
        expr
    }

    /// The topic's columns that it reads.
    pub fn columns_read(&self) -> BTreeSet<usize> {
        let mut read = BTreeSet::new();
        for expr in self.filter.iter().chain(&self.columns) {
            expr.visit(&mut |e| {
                if let ExprKind::Column(i) = e.kind {
                    read.insert(i);
                }
            });
        }
        read
    }

    /// # Errors
    /// [`SpeedError::Unsupported`] names an expression that this engine does not know.
    pub fn compiled(&self, topic: usize, projection: &[usize]) -> Result<Source, SpeedError> {
        let filter = self.filter.as_ref().map(|f| compile(&f.over(projection))).transpose()?;
        let columns = self.columns.iter().map(|c| compile(&c.over(projection))).collect::<Result<_, _>>()?;
        Ok(Source { topic, filter, columns, gives: self.gives })
    }
}

impl Source {
    /// Values are as keys hold them: of rows that are alike one stands for all, and so it may not matter which (0.0 and -0.0 are alike, and their texts are not).
    fn row(&self, row: Row<'_, '_>) -> Result<Option<Tuple>, EvalError> {
        if let Some(filter) = &self.filter
            && !filter.is_true(row)?
        {
            return Ok(None);
        }
        self.columns.iter().map(|c| c.eval(row).map(Datum::into_key)).collect::<Result<_, _>>().map(Some)
    }

    /// What it gives of a frame; errors go to `failed`.
    fn give(&self, records: &Records, columns: &Columns<'_>, mut give: impl FnMut(Tuple), mut failed: impl FnMut(EvalError)) {
        let rows = (0..records.batch.num_rows()).map(|row| Row::Batch { columns, row });
        match self.gives {
            Gives::Rows => rows.for_each(|row| match self.row(row) {
                Ok(Some(row)) => give(row),
                Ok(None) => {}
                Err(error) => failed(error),
            }),
            Gives::Furthest => {
                let times = rows.filter_map(|row| self.columns[0].eval(row).ok()).filter(|time| !time.is_null());
                if let Some(time) = times.max() {
                    give(Tuple::from([Datum::Int(records.partition.0.into()), time]));
                }
            }
        }
    }
}

type Builder<D> = CapacityContainerBuilder<Vec<D>>;

/// What comes of reading.
pub struct Sourced<'s> {
    /// The rows of each source.
    pub rows: VecDeque<Collection<'s>>,
    /// How far was read.
    pub read: Stream<'s, u64, Parcels<EpochPart>>,
    /// How far, and what rows raised, for whoever keeps the base.
    pub read_of_base: Stream<'s, u64, Parcels<EpochPart>>,
}

/// Reads, and gives each source's rows of `before` first, which had been read before ([`Base`](super::base::Base)). `generation` is what rows are kept under, if they are.
pub fn read<'s>(
    reads: Stream<'s, u64, Vec<Read>>,
    steps: &Arc<Steps>,
    (mut before, generation): (Vec<BaseRows>, Option<u64>),
    errors: &mut Errors<'s>,
) -> Sourced<'s> {
    let index = reads.scope().index();
    let mut builder = OperatorBuilder::new("Sources".to_owned(), reads.scope());
    let mut input = builder.new_input(reads, Pipeline);
    let (mut outputs, mut collections) = (Vec::new(), VecDeque::new());
    for _ in &steps.sources {
        let (output, stream) = builder.new_output();
        outputs.push(OutputBuilder::<_, Builder<(Tuple, u64, isize)>>::from(output));
        collections.push_back(stream.as_collection());
    }
    let (raised, raised_stream) = builder.new_output();
    let (parts, parts_stream) = builder.new_output();
    let (base, base_stream) = builder.new_output();
    let mut raised = OutputBuilder::<_, Builder<(EvalError, u64, isize)>>::from(raised);
    let mut parts = OutputBuilder::<_, CapacityContainerBuilder<Parcels<EpochPart>>>::from(parts);
    let mut base = OutputBuilder::<_, CapacityContainerBuilder<Parcels<EpochPart>>>::from(base);
    let steps = Arc::clone(steps);
    builder.build(move |_| {
        move |_frontiers| {
            let mut outputs: Vec<_> = outputs.iter_mut().map(|output| output.activate()).collect();
            let (mut raised, mut parts, mut base) = (raised.activate(), parts.activate(), base.activate());
            input.for_each(|capability, reads| {
                let epoch = *capability.least().expect("the source sends under a capability");
                let (mut failed, mut parcels, mut of_base) = (Vec::new(), Parcels::default(), Parcels::default());
                for (output, rows) in outputs.iter_mut().zip(&mut before) {
                    output.session(&capability).give_iterator(std::mem::take(rows).into_iter().map(|(row, more)| (row, epoch, more)));
                }
                for read in reads.drain(..) {
                    match read {
                        Read::Records { topic, records, .. } => {
                            let columns = Columns::of(&records.batch);
                            let of_topic = steps.sources.iter().zip(&mut outputs).filter(|(source, _)| source.topic == topic);
                            for (source, output) in of_topic {
                                let mut session = output.session(&capability);
                                let give = |row| session.give((row, epoch, 1));
                                source.give(&records, &columns, give, |error| failed.push((error, epoch, 1)));
                            }
                        }
                        Read::Closed(reached) => {
                            if generation.is_some() {
                                of_base.0.push((index, EpochPart::Closed(reached.clone())));
                            }
                            parcels.0.push((index, EpochPart::Closed(reached)));
                        }
                    }
                }
                if let Some(generation) = generation {
                    let error = |(error, ..): &(EvalError, u64, isize)| (index, EpochPart::Error { generation, error: error.clone() });
                    of_base.0.extend(failed.iter().map(error));
                    if !of_base.0.is_empty() {
                        base.session(&capability).give_container(&mut of_base);
                    }
                }
                raised.session(&capability).give_iterator(failed.into_iter());
                if !parcels.0.is_empty() {
                    parts.session(&capability).give_container(&mut parcels);
                }
            });
        }
    });
    errors.push(raised_stream.as_collection());
    Sourced { rows: collections, read: parts_stream, read_of_base: base_stream }
}
