//! What an engine does with a record batch, prepared once per job.

use arrow_array::{ArrayRef, RecordBatch};
use arrow_select::filter::filter;

use super::filter_map::{FilterMap, Passed};
use super::scattered::Scattered;
use super::table::GroupTable;
use super::top::Top;
use twopath_query::{EvalError, Query};

/// The first half of a query (filter, keys, aggregates' arguments) over the columns that it reads and no others.
#[derive(Debug, Clone)]
pub struct Fold {
    rows: FilterMap,
    /// Into what `rows` computes, per key and per aggregate.
    keys: Vec<usize>,
    args: Vec<Vec<usize>>,
    /// Where rows are ordered and cut: which of them are kept.
    top: Option<Top>,
}

/// Rows worked on at a time, so that what is computed between the steps stays in the nearest caches.
const ROWS_AT_A_TIME: usize = 8_192;

/// Of rows that are scattered at a time, so many for each part in the mean, and no fewer in all than are worked on otherwise.
const ROWS_PER_PART: usize = 1_024;

impl Fold {
    pub fn new(query: &Query) -> Self {
        let args = query.aggregates.iter().flat_map(|a| a.args());
        let rows = FilterMap::new(query, query.keys.iter().map(|k| &k.expr).chain(args));
        let mut numbers = (0..).map(|expr| rows.number(expr));
        let keys = numbers.by_ref().take(query.keys.len()).collect();
        let args = query.aggregates.iter().map(|a| numbers.by_ref().take(a.args().count()).collect()).collect();
        Fold { keys, args, top: Top::of(query), rows }
    }

    /// The topic's columns to read, ascending: [`Query::columns_read`].
    pub fn projection(&self) -> &[usize] {
        self.rows.projection()
    }

    /// Filters, evaluates and folds in a record batch whose columns are those of [`Fold::projection`], in that order. Returns how many
    /// rows passed the filter.
    ///
    /// # Errors
    /// The [`EvalError`] of one of the rows that raise one; the table then holds part of the batch and is of no use.
    pub fn update(&self, table: &mut GroupTable, batch: &RecordBatch) -> Result<usize, EvalError> {
        assert_eq!(batch.num_columns(), self.projection().len(), "the batch has the columns that are folded");
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
        let (passed, _) = self.rows.apply(columns, rows)?;
        let rows = passed.rows;
        if rows == 0 {
            return Ok(0);
        }
        let mut keys = self.keys_of(&passed);
        if let Some(within) = self.top.as_ref().and_then(|top| top.candidates(table, &keys)) {
            // These queries count rows and compute nothing else.
            let count = within.true_count();
            if count > 0 {
                keys.iter_mut().for_each(|key| *key = filter(key, &within).expect("columns and mask have the same rows"));
                table.update(&keys, &vec![Vec::new(); self.args.len()], count)?;
            }
            return Ok(rows);
        }
        self.fold(table, &passed)?;
        Ok(rows)
    }

    fn keys_of(&self, passed: &Passed) -> Vec<ArrayRef> {
        self.keys.iter().map(|&e| passed.values[e].clone()).collect()
    }

    /// Folds in rows of which everything is computed: those that [`Fold::scatter`] let wait.
    ///
    /// # Errors
    /// As [`Fold::update`].
    pub fn fold(&self, table: &mut GroupTable, passed: &Passed) -> Result<(), EvalError> {
        let args: Vec<Vec<ArrayRef>> = self.args.iter().map(|args| args.iter().map(|&e| passed.values[e].clone()).collect()).collect();
        table.update(&self.keys_of(passed), &args, passed.rows)
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
        let (rows, at_a_time) = (batch.num_rows(), ROWS_AT_A_TIME.max(ROWS_PER_PART * scattered.parts()));
        for from in (0..rows).step_by(at_a_time) {
            let count = at_a_time.min(rows - from);
            let (passed, _) = self.rows.apply(batch.columns().iter().map(|c| c.slice(from, count)).collect(), count)?;
            if passed.rows > 0 {
                scattered.add(&passed, &table.key_inputs(&self.keys_of(&passed)));
            }
        }
        Ok(())
    }

    /// Folds in the rows of one part that wait.
    ///
    /// # Errors
    /// As [`Fold::update`].
    pub fn gather(&self, table: &mut GroupTable, scattered: &mut Scattered, part: usize) -> Result<(), EvalError> {
        scattered.take(part).iter().try_for_each(|passed| self.fold(table, passed))
    }
}

impl GroupTable {
    /// Filters, evaluates and folds in one record batch of the topic (all of the topic's columns, with the log's behind them where the query
    /// reads those; those that `query.columns_read()` leaves out may be replaced by anything of the same length). A job that reads many batches makes its
    /// [`Fold`] once.
    pub fn update_from_log(&mut self, query: &Query, batch: &RecordBatch) -> Result<(), EvalError> {
        let fold = Fold::new(query);
        let projected = batch.project(fold.projection()).expect("the batch has the topic's columns");
        fold.update(self, &projected).map(drop)
    }
}
