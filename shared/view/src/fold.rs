//! What an engine does with a record batch, prepared once per job.

use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_select::filter::{FilterBuilder, filter};

use super::eval::{eval, eval_condition};
use super::scattered::{Evaluated, Scattered};
use super::table::GroupTable;
use super::top::Top;
use twopath_query::{EvalError, Expr, Query};

/// The first half of a query (filter, keys, aggregates' arguments) over the columns that it reads and no others.
#[derive(Debug, Clone)]
pub struct Fold {
    /// The topic's columns to read, ascending: [`Query::columns_read`].
    pub projection: Vec<usize>,
    filter: Option<Expr>,
    /// What is to be evaluated, each once.
    exprs: Vec<Expr>,
    /// Into `exprs`, per key and per aggregate.
    keys: Vec<usize>,
    args: Vec<Vec<usize>>,
    /// Where rows are ordered and cut: which of them are kept.
    top: Option<Top>,
}

/// Rows worked on at a time, so that what is computed between the steps stays in the nearest caches.
const ROWS_AT_A_TIME: usize = 8_192;

/// Rows that are scattered at a time: enough that each part gets some.
const ROWS_SCATTERED: usize = 65_536;

impl Fold {
    pub fn new(query: &Query) -> Self {
        let projection = query.columns_read();
        let mut exprs: Vec<Expr> = Vec::new();
        let mut shared = |e: &Expr| {
            let e = e.over(&projection);
            exprs.iter().position(|known| *known == e).unwrap_or_else(|| {
                exprs.push(e);
                exprs.len() - 1
            })
        };
        let keys = query.keys.iter().map(|k| shared(&k.expr)).collect();
        let args = query.aggregates.iter().map(|a| a.args().map(&mut shared).collect()).collect();
        let filter = query.filter.as_ref().map(|f| f.over(&projection));
        Fold { projection, filter, exprs, keys, args, top: Top::of(query) }
    }

    /// Filters, evaluates and folds in a record batch whose columns are those of [`Fold::projection`], in that order. Returns how many
    /// rows passed the filter.
    ///
    /// # Errors
    /// The [`EvalError`] of one of the rows that raise one; the table then holds part of the batch and is of no use.
    pub fn update(&self, table: &mut GroupTable, batch: &RecordBatch) -> Result<usize, EvalError> {
        assert_eq!(batch.num_columns(), self.projection.len(), "the batch has the columns that are folded");
        let rows = batch.num_rows();
        let mut passed = 0;
        for from in (0..rows).step_by(ROWS_AT_A_TIME) {
            let count = ROWS_AT_A_TIME.min(rows - from);
            let columns: Vec<ArrayRef> = batch.columns().iter().map(|c| c.slice(from, count)).collect();
            passed += self.update_columns(table, columns, count)?;
            if let Some(top) = &self.top {
                top.cut(table)?;
            }
        }
        Ok(passed)
    }

    fn update_columns(&self, table: &mut GroupTable, columns: Vec<ArrayRef>, rows: usize) -> Result<usize, EvalError> {
        let evaluated = self.evaluated(columns, rows)?;
        let rows = evaluated.rows;
        if rows == 0 {
            return Ok(0);
        }
        let mut keys = self.keys_of(&evaluated);
        if let Some(within) = self.top.as_ref().and_then(|top| top.candidates(table, &keys)) {
            // These queries count rows and compute nothing else.
            let count = within.true_count();
            if count > 0 {
                keys.iter_mut().for_each(|key| *key = filter(key, &within).expect("columns and mask have the same rows"));
                table.update(&keys, &vec![Vec::new(); self.args.len()], count)?;
            }
            return Ok(rows);
        }
        self.fold(table, &evaluated)?;
        Ok(rows)
    }

    fn keys_of(&self, evaluated: &Evaluated) -> Vec<ArrayRef> {
        self.keys.iter().map(|&e| evaluated.values[e].clone()).collect()
    }

    fn fold(&self, table: &mut GroupTable, evaluated: &Evaluated) -> Result<(), EvalError> {
        let args: Vec<Vec<ArrayRef>> = self.args.iter().map(|args| args.iter().map(|&e| evaluated.values[e].clone()).collect()).collect();
        table.update(&self.keys_of(evaluated), &args, evaluated.rows)
    }

    /// What is computed of the rows that pass the filter.
    fn evaluated(&self, mut columns: Vec<ArrayRef>, mut rows: usize) -> Result<Evaluated, EvalError> {
        if let Some(filter) = &self.filter {
            let kept = eval_condition(filter, &columns, rows)?;
            let count = kept.count_set_bits();
            if count == 0 {
                return Ok(Evaluated { values: Vec::new(), rows: 0 });
            }
            if count < rows {
                let predicate = FilterBuilder::new(&BooleanArray::new(kept, None)).optimize().build();
                for column in &mut columns {
                    *column = predicate.filter(column.as_ref()).expect("columns and mask have the same rows");
                }
                rows = count;
            }
        }
        let values = self.exprs.iter().map(|e| eval(e, &columns, rows)).collect::<Result<Vec<_>, _>>()?;
        Ok(Evaluated { values, rows })
    }

    /// Whether rows can be folded in parts of the groups: each then has its own, and no more of them are kept than come.
    pub fn is_by_parts(&self) -> bool {
        !self.keys.is_empty() && self.top.is_none()
    }

    /// Filters, evaluates and lets wait what [`Fold::update`] would fold in; `table`, into which nothing is folded, says how keys are laid out.
    ///
    /// # Errors
    /// The [`EvalError`] of one of the rows that raise one.
    pub fn scatter(&self, table: &GroupTable, batch: &RecordBatch, scattered: &mut Scattered) -> Result<(), EvalError> {
        assert!(self.is_by_parts(), "groups have keys, and all are kept");
        let rows = batch.num_rows();
        for from in (0..rows).step_by(ROWS_SCATTERED) {
            let count = ROWS_SCATTERED.min(rows - from);
            let evaluated = self.evaluated(batch.columns().iter().map(|c| c.slice(from, count)).collect(), count)?;
            if evaluated.rows > 0 {
                scattered.add(&evaluated, &table.key_inputs(&self.keys_of(&evaluated)));
            }
        }
        Ok(())
    }

    /// Folds in the rows of one part that wait.
    ///
    /// # Errors
    /// As [`Fold::update`].
    pub fn gather(&self, table: &mut GroupTable, scattered: &mut Scattered, part: usize) -> Result<(), EvalError> {
        scattered.take(part).iter().try_for_each(|evaluated| self.fold(table, evaluated))
    }
}

impl GroupTable {
    /// Filters, evaluates and folds in one record batch of the topic (all of the topic's columns, with the log's behind them where the query
    /// reads those; those that `query.columns_read()` leaves out may be replaced by anything of the same length). A job that reads many batches makes its
    /// [`Fold`] once.
    pub fn update_from_log(&mut self, query: &Query, batch: &RecordBatch) -> Result<(), EvalError> {
        let fold = Fold::new(query);
        let projected = batch.project(&fold.projection).expect("the batch has the topic's columns");
        fold.update(self, &projected).map(drop)
    }
}
