//! Tables whose rows can be taken back: for streams in which rows are corrected and withdrawn.
//!
//! Only linear aggregates (COUNT, SUM, AVG, VAR_POP, VAR_SAMP and what SQL makes of them) can be: a greatest value keeps nothing of what it
//! outdid. A group that has no row left is there still, with a count of 0, until somebody makes the table anew.
//!
//! ```
//! use std::sync::Arc;
//! use arrow_array::{Int64Array, RecordBatch};
//! use arrow_schema::{DataType, Field, Schema};
//! use twopath_query::{Value, values};
//! use twopath_view::{Fold, GroupTable, answer_groups, counting_rows};
//!
//! let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
//! let query = twopath_query::parse("SELECT n % 2 AS odd, SUM(n) AS total FROM t GROUP BY n % 2", "t", &schema)?;
//! let query = counting_rows(&query);
//! let fold = Fold::new(&query);
//! let rows = |numbers: Vec<i64>| -> Result<GroupTable, Box<dyn std::error::Error>> {
//!     let mut table = GroupTable::retractable(&query)?;
//!     fold.update(&mut table, &RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(numbers))])?)?;
//!     Ok(table)
//! };
//!
//! let mut table = rows(vec![1, 2, 3, 4])?;
//! table.retract(&rows(vec![2, 3, 4])?);
//! let (answer, _) = answer_groups(&query, &table, table.groups_with_rows())?;
//! assert_eq!(values::rows(&answer)?, [[Value::Int(1), Value::Numeric(1)]]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};

use super::accumulator::{Accumulate, Accumulator};
use super::table::GroupTable;
use twopath_query::{Aggregate, AggregateFunction, Query};

/// Why a query has no table that rows can be taken out of.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{} cannot take a row back, since it keeps nothing of what another row outdid; compute it from all rows that are left", function.sql_name())]
pub struct NotRetractable {
    pub function: AggregateFunction,
}

/// The query with one more aggregate at the end, unless it is there: how many rows a group has, by which it is known when none is left. Its
/// answers are the same.
pub fn counting_rows(query: &Query) -> Query {
    let mut query = query.clone();
    if !query.aggregates.last().is_some_and(counts_rows) {
        query.aggregates.push(Aggregate::new(AggregateFunction::Count, None));
    }
    query
}

fn counts_rows(aggregate: &Aggregate) -> bool {
    aggregate.function == AggregateFunction::Count && aggregate.arg.is_none()
}

impl GroupTable {
    /// An empty table of a query of [`counting_rows`], laid out so that rows can be taken back.
    ///
    /// # Errors
    /// The first aggregate that only merges.
    ///
    /// # Panics
    /// If the query does not count its rows.
    pub fn retractable(query: &Query) -> Result<Self, NotRetractable> {
        assert!(query.aggregates.last().is_some_and(counts_rows), "the query of a table whose rows come and go counts them");
        let refused = |aggregate: &Aggregate| NotRetractable { function: aggregate.function };
        let accumulators = query.aggregates.iter().map(|a| Accumulator::retractable(a).ok_or_else(|| refused(a)));
        let accumulators = accumulators.collect::<Result<Vec<_>, _>>()?;
        Ok(GroupTable::with_accumulators(query, accumulators))
    }

    /// Takes back all of `other`'s rows, in whatever order they came: those that were merged before, or will be (until then a group counts less
    /// than no row). Returns the numbers that its groups have here.
    ///
    /// # Panics
    /// If this or the other table is not [`GroupTable::retractable`].
    pub fn retract(&mut self, other: &GroupTable) -> Vec<u32> {
        let from: Vec<u32> = (0..other.len() as u32).collect();
        let to = self.groups_of(other, &from);
        let groups = self.len();
        for (mine, theirs) in self.accumulators.iter_mut().zip(&other.accumulators) {
            mine.grow(groups, theirs.complete());
            mine.retract(theirs, &from, &to);
        }
        to
    }

    /// The groups of a retractable table that have rows; without keys its one group.
    pub fn groups_with_rows(&self) -> Vec<u32> {
        let rows = |group: &u32| match self.accumulators.last() {
            Some(Accumulator::Count(count)) => count.counts[*group as usize] > 0,
            _ => panic!("a retractable table counts rows last"),
        };
        (0..self.len() as u32).filter(|group| self.keys.is_empty() || rows(group)).collect()
    }

    /// A table of a query of rows ([`Query::rows`]) that holds what came and went: each row once, with how many more of it there are, or fewer where that is negative. Such
    /// tables merge as all do; of rows whose changes come to nothing, a merged table lets go in time.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use arrow_array::{ArrayRef, Int64Array};
    /// use arrow_schema::{DataType, Field, Schema};
    /// use twopath_query::{Value, parse, values};
    /// use twopath_view::{GroupTable, Selection, answer};
    ///
    /// let query = parse("SELECT n FROM t", "t", &Schema::new(vec![Field::new("n", DataType::Int64, false)]))?;
    /// let table = |numbers: Vec<i64>, more: Vec<i64>| {
    ///     GroupTable::of_changes(&query, &[Arc::new(Int64Array::from(numbers)) as ArrayRef], more.into())
    /// };
    /// let mut rows = table(vec![1, 2, 3], vec![1, 2, 1])?;
    /// rows.merge(&table(vec![1, 2, 3], vec![-1, -1, -1])?);
    /// assert_eq!(rows.len(), 1);
    /// assert_eq!(values::rows(&answer(&query, &[&rows], &Selection::default())?)?, [[Value::Int(2)]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What does not fit the query: a column of another type, a row twice.
    ///
    /// # Panics
    /// If the query is not one of rows.
    pub fn of_changes(query: &Query, rows: &[ArrayRef], more: Int64Array) -> Result<Self, String> {
        assert!(query.rows && query.aggregates.last().is_some_and(counts_rows), "a query of rows counts them");
        let mut table = GroupTable::from_parts(query, rows, &[vec![Arc::new(more)]])?;
        table.nets = true;
        Ok(table)
    }

    /// Makes room where more than half of the rows have come to nothing.
    pub(super) fn let_go_of_nothing(&mut self) {
        let (true, Some(Accumulator::Count(count))) = (self.nets, self.accumulators.last()) else { return };
        let kept: Vec<u32> = (0..self.len() as u32).filter(|&row| count.counts[row as usize] != 0).collect();
        if 2 * kept.len() < self.len() {
            let mut table = self.emptied();
            table.merge_groups(self, &kept);
            *self = table;
        }
    }
}
