//! A query and its logic, made ready to run over frames of one topic.

use arrow_schema::{DataType as ArrowType, Schema, SchemaRef};
use polars::prelude::{Column, DataFrame, Expr as Plan, IntoLazy, LazyFrame, PlSmallStr, PolarsError, col};
use twopath_query::{DataType, Query};
use twopath_view::arrow_type;

use crate::expr::{Compiler, Raised, column_name, handed_as};
use crate::frame::polars_type;
use crate::{BatchError, HandWritten, Logic};

/// What runs over every frame: columns of the topic in, key and argument columns out.
pub struct Prepared {
    /// The topic's columns that are read, ascending by index.
    pub columns: Vec<ReadColumn>,
    /// The distinct columns that come out, with the canonical Arrow types of their SQL types.
    pub outputs: Vec<(String, ArrowType)>,
    /// Which of the outputs are the query's keys, and its aggregates' arguments (`None` for COUNT(*)).
    pub keys: Vec<usize>,
    pub args: Vec<Option<usize>>,
    /// Where the plan leaves the error that a row raised.
    pub raised: Raised,
    plan: Box<dyn Fn(LazyFrame) -> LazyFrame + Send + Sync>,
}

/// A column of the topic as polars sees it.
pub struct ReadColumn {
    pub index: usize,
    pub name: String,
    pub data_type: DataType,
    /// The Arrow type in which it is handed over.
    pub handed: ArrowType,
}

impl Prepared {
    pub fn new(query: &Query, logic: &Logic, schema: &SchemaRef) -> Result<Self, BatchError> {
        match logic {
            Logic::Sql => Ok(sql(query, schema)),
            Logic::Hand(hand) => hand_written(query, hand, schema).map_err(|what| BatchError::HandShape { logic: logic.name(), what }),
        }
    }

    /// The plan over a frame of [`Prepared::columns`].
    pub fn plan(&self, frame: DataFrame) -> LazyFrame {
        (self.plan)(frame.lazy())
    }

    /// The topic's columns to read, ascending.
    pub fn projection(&self) -> Vec<usize> {
        self.columns.iter().map(|c| c.index).collect()
    }
}

fn sql(query: &Query, schema: &SchemaRef) -> Prepared {
    let mut indexes = query.columns_read();
    if indexes.is_empty() {
        // A frame's number of rows is that of its columns.
        indexes.push(0);
    }
    let raised = Raised::default();
    let compiler = Compiler { schema, any_column: indexes[0], raised: raised.clone() };
    let filter = query.filter.as_ref().map(|f| compiler.compile(f));

    let mut distinct = Vec::new();
    let mut place = |expr| {
        distinct.iter().position(|&e| e == expr).unwrap_or_else(|| {
            distinct.push(expr);
            distinct.len() - 1
        })
    };
    let keys = query.keys.iter().map(|k| place(&k.expr)).collect();
    let args = query.aggregates.iter().map(|a| a.arg.as_ref().map(&mut place)).collect();
    let outputs: Vec<_> = distinct.iter().enumerate().map(|(i, e)| (format!("v{i}"), arrow_type(e.data_type))).collect();
    let mut select: Vec<Plan> = distinct.iter().zip(&outputs).map(|(e, (name, _))| compiler.compile(e).alias(name)).collect();
    // Constants alone would come out as one row.
    select.push(col(column_name(indexes[0])));

    let columns = indexes.into_iter().map(|index| read_column(query, schema, index, column_name(index))).collect();
    let plan = move |frame: LazyFrame| {
        let frame = match &filter {
            Some(filter) => frame.filter(filter.clone()),
            None => frame,
        };
        frame.select(&select)
    };
    Prepared { columns, outputs, keys, args, raised, plan: Box::new(plan) }
}

fn read_column(query: &Query, schema: &Schema, index: usize, name: String) -> ReadColumn {
    let data_type = query.fields[index].data_type;
    ReadColumn { index, name, data_type, handed: handed_as(schema.field(index).data_type(), data_type) }
}

/// Checks hand-written logic against the query that it stands for. The error says what does not fit.
fn hand_written(query: &Query, hand: &HandWritten, schema: &SchemaRef) -> Result<Prepared, String> {
    if hand.keys.len() != query.keys.len() {
        return Err(format!("it names {} key columns {:?}, the query groups by {}", hand.keys.len(), hand.keys, query.keys.len()));
    }
    if hand.args.len() != query.aggregates.len() {
        let (names, computes) = (hand.args.len(), query.aggregates.len());
        return Err(format!("it names the arguments of {names} aggregates {:?}, the query computes {computes}", hand.args));
    }

    // Hand-written logic sees every column in its canonical type.
    let all: Vec<ReadColumn> = (0..query.fields.len())
        .map(|index| {
            let name = query.fields[index].name.clone();
            ReadColumn { handed: arrow_type(query.fields[index].data_type), ..read_column(query, schema, index, name) }
        })
        .collect();
    let shape = (hand.plan)(empty_frame(&all)).collect_schema().map_err(|e| format!("polars refuses it over this topic: {e}"))?;

    let mut outputs: Vec<(String, ArrowType)> = Vec::new();
    let mut place = |name: &str, role: String, data_type: DataType| {
        let arrow = arrow_type(data_type);
        let wanted = polars_type(&arrow);
        match shape.get(name) {
            None => {
                let have: Vec<&str> = shape.iter_names().map(PlSmallStr::as_str).collect();
                return Err(format!("{role} is to be its column '{name}', and it gives {have:?}"));
            }
            Some(given) if *given != wanted => {
                return Err(format!("its column '{name}', {role}, is {given}, and {data_type:?} is {wanted} in polars"));
            }
            Some(_) => {}
        }
        Ok(outputs.iter().position(|(n, t)| n == name && *t == arrow).unwrap_or_else(|| {
            outputs.push((name.to_owned(), arrow));
            outputs.len() - 1
        }))
    };
    let keys = hand.keys.iter().zip(&query.keys).map(|(name, key)| place(name, format!("the key {}", key.name), key.expr.data_type));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    let mut args = Vec::new();
    for (i, (name, aggregate)) in hand.args.iter().zip(&query.aggregates).enumerate() {
        let role = format!("the argument of aggregate {} ({:?})", i + 1, aggregate.function);
        args.push(match (name, &aggregate.arg) {
            (None, None) => None,
            (Some(name), Some(arg)) => Some(place(name, role, arg.data_type)?),
            (Some(name), None) => return Err(format!("it names '{name}' as {role}, which has none")),
            (None, Some(_)) => return Err(format!("it names no column as {role}")),
        });
    }

    // A column is read if the plan does not resolve without it.
    let mut columns = all;
    let mut index = 0;
    while index < columns.len() && columns.len() > 1 {
        let column = columns.remove(index);
        if (hand.plan)(empty_frame(&columns)).collect_schema().is_err() {
            columns.insert(index, column);
            index += 1;
        }
    }

    let plan = hand.plan;
    Ok(Prepared { columns, outputs, keys, args, raised: Raised::default(), plan: Box::new(plan) })
}

fn empty_frame(columns: &[ReadColumn]) -> LazyFrame {
    let empty = columns.iter().map(|c| Column::new_empty(c.name.as_str().into(), &polars_type(&c.handed))).collect();
    DataFrame::new_infer_height(empty).map_or_else(|_| DataFrame::empty().lazy(), IntoLazy::lazy)
}

/// For messages: what failed, and where.
pub fn polars_error(logic: &Logic) -> impl Fn(PolarsError) -> BatchError + '_ {
    |source| BatchError::Polars { logic: logic.name(), source }
}
