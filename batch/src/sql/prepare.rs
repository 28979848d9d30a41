//! A query made ready to run over frames of one topic: one lazy plan of polars.

use arrow_schema::Schema;
use polars::prelude::{Column, DataFrame, Expr as Plan, IntoLazy, LazyFrame, OptFlags, PolarsResult, UnionArgs, col, concat};
use twopath_query::{DataType, Query};
use twopath_view::GroupTable;

use super::aggregate::{Aggregates, Parts};
use super::checked::Raised;
use super::expr::{Compiler, column_name, has_column};
use super::frame::{physical_type, to_arrow};
use crate::{BatchError, Engine};

/// A column that a plan reads.
#[derive(Debug, Clone)]
pub struct ReadColumn {
    /// In the topic's schema, or behind it for one of the log's own columns.
    pub index: usize,
    /// In the frames that the plan runs over.
    pub name: String,
    pub data_type: DataType,
}

impl ReadColumn {
    /// A frame of these columns without rows.
    pub fn empty_frame(columns: &[ReadColumn]) -> PolarsResult<DataFrame> {
        let empty = |c: &ReadColumn| Column::new_empty(c.name.as_str().into(), &physical_type(c.data_type));
        DataFrame::new(0, columns.iter().map(empty).collect())
    }
}

/// `frames.filter().select(keys and arguments)` of every part of the log, then `concat().group_by(keys).agg(aggregates)`.
pub struct Prepared {
    /// The topic's and the log's columns that are read, ascending by index.
    pub columns: Vec<ReadColumn>,
    /// Where the plan leaves the error that a row raised.
    pub raised: Raised,
    /// Columns to add, the condition to filter by, and columns to add to what is left.
    before: Vec<Plan>,
    filter: Option<Plan>,
    after: Vec<Plan>,
    /// Keys and arguments, each once.
    values: Vec<Plan>,
    /// The names of the keys, and their types.
    keys: Vec<(String, DataType)>,
    aggregates: Vec<Plan>,
    parts: Vec<Parts>,
}

impl Prepared {
    /// Compiles a query over a topic's schema with the log's own columns behind it.
    ///
    /// # Errors
    /// What the engine has not.
    pub fn new(query: &Query, schema: &Schema) -> Result<Self, BatchError> {
        let mut indexes = query.columns_read();
        if indexes.is_empty() {
            // A frame's number of rows is that of its columns.
            indexes.push(0);
        }
        let raised = Raised::default();
        let compiler = Compiler::new(schema, indexes[0], raised.clone());
        let filter = query.filter.as_ref().map(|f| compiler.compile(f)).transpose()?;
        let before = compiler.take_steps();

        let mut distinct = Vec::new();
        let mut place = |expr| {
            let at = distinct.iter().position(|&e| e == expr).unwrap_or_else(|| {
                distinct.push(expr);
                distinct.len() - 1
            });
            format!("v{at}")
        };
        // Its grouping by one column knows no integers of 128 bits.
        if let [key] = &query.keys[..]
            && key.expr.data_type.decimal_scale().is_some()
        {
            return Err(BatchError::Unsupported { engine: Engine::Polars, what: "a decimal as the only key of groups".into() });
        }
        let keys: Vec<_> = query.keys.iter().map(|k| (place(&k.expr), k.expr.data_type)).collect();
        let args: Vec<_> = query.aggregates.iter().map(|a| a.arg.as_ref().map(&mut place)).collect();
        let compiled = |(at, e): (usize, &&_)| Ok(compiler.compile(e)?.alias(format!("v{at}").as_str()));
        let mut values = distinct.iter().enumerate().map(compiled).collect::<Result<Vec<_>, BatchError>>()?;
        if !values.iter().any(has_column) {
            // Constants alone would come out as one row.
            values.push(col(column_name(indexes[0])));
        }
        let after = compiler.take_steps();

        let mut aggregates = Aggregates::default();
        let parts = query.aggregates.iter().zip(&args).map(|(a, arg)| aggregates.add(a, arg.as_deref(), query.is_global()));
        let parts = parts.collect::<Result<_, _>>()?;
        let column = |index: usize| ReadColumn { index, name: column_name(index), data_type: query.column_type(index) };
        let columns = indexes.into_iter().map(column).collect();
        Ok(Prepared { columns, raised, before, filter, after, values, keys, aggregates: aggregates.exprs, parts })
    }

    /// The whole plan over frames of [`Prepared::columns`], of which there is at least one.
    pub fn plan(&self, frames: Vec<DataFrame>) -> PolarsResult<LazyFrame> {
        let projected: Vec<LazyFrame> = frames.into_iter().map(|frame| self.projected(frame)).collect();
        let rows = concat(projected, UnionArgs { maintain_order: false, ..UnionArgs::default() })?;
        let keys: Vec<Plan> = self.keys.iter().map(|(name, _)| col(name.as_str())).collect();
        let distinct: Vec<Plan> = keys.iter().enumerate().filter(|(i, k)| !keys[..*i].contains(k)).map(|(_, k)| k.clone()).collect();
        let groups = if keys.is_empty() { rows.select(&self.aggregates) } else { rows.group_by(distinct).agg(&self.aggregates) };
        // An optimiser that moves a filter or folds an expression would move or remove the error that a row raises.
        Ok(groups.with_optimizations(OptFlags::TYPE_COERCION | OptFlags::PROJECTION_PUSHDOWN))
    }

    fn projected(&self, frame: DataFrame) -> LazyFrame {
        let with = |frame: LazyFrame, steps: &[Plan]| steps.iter().fold(frame, |frame, step| frame.with_column(step.clone()));
        let mut rows = with(frame.lazy(), &self.before);
        if let Some(filter) = &self.filter {
            rows = rows.filter(filter.clone());
        }
        with(rows, &self.after).select(&self.values)
    }

    /// The groups that the plan gave, as a table of accumulators.
    pub fn table(&self, query: &Query, groups: &DataFrame) -> PolarsResult<GroupTable> {
        let key = |(name, t): &(String, DataType)| to_arrow(groups.column(name)?.as_materialized_series(), *t);
        let keys = self.keys.iter().map(key).collect::<PolarsResult<Vec<_>>>()?;
        let parts = self.parts.iter().map(|p| p.columns(groups)).collect::<PolarsResult<Vec<_>>>()?;
        Ok(GroupTable::from_parts(query, &keys, &parts).expect("the plan's columns are the query's keys and aggregates"))
    }
}
