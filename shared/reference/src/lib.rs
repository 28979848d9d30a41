//! The reference interpreter: a query evaluated row by row in the most obvious way, on one thread.
//!
//! It is the oracle of every test and the baseline of every speed claim. It shares no evaluation code with the engines: from this
//! crate it takes the logical query with its types, the reading of values and the calendar ([`twopath_query`]), and nothing else.
//!
//! Where engines estimate (APPROX_COUNT_DISTINCT, APPROX_QUANTILE), the reference is exact; [`compare`] knows how far from it
//! an estimate may lie.
//!
//! ```
//! use std::sync::Arc;
//! use arrow_array::{Int64Array, RecordBatch};
//! use arrow_schema::{DataType, Field, Schema};
//! use twopath_query::Value;
//! use twopath_reference::{Reference, compare};
//!
//! let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
//! let query = twopath_query::parse("SELECT COUNT(*), MAX(n) FROM numbers WHERE n < 9", "numbers", &schema)?;
//! let mut reference = Reference::new(query.clone());
//! reference.push(&RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(vec![7, 8, 9]))])?);
//!
//! let expected = reference.answer();
//! assert_eq!(expected, Ok(vec![vec![Value::Int(2), Value::Int(8)]]));
//! assert!(compare(&query, &expected, &Ok(vec![vec![Value::Int(2), Value::Int(9)]])).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod compare;
mod decimal;
mod digest;
mod eval;
mod float_sum;
mod function;
mod key;
mod order;
mod state;
mod variance;

use std::cmp::Ordering;

use arrow_array::RecordBatch;
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};

use twopath_query::values::{Cell, Columns};
use twopath_query::{EvalError, Query, Value};

pub use compare::{Difference, compare};
use digest::Rolling;
pub use digest::{Digest, digest};
use eval::{LogRow, eval, is_true};
use key::{Key, Probe};
use order::order;
use state::State;

/// The state of a query over the rows seen so far.
#[derive(Clone)]
pub struct Reference {
    query: Query,
    groups: HashMap<Key, Box<[State]>, FixedState>,
    /// The first error that a row raised: from then on it is every answer.
    error: Option<EvalError>,
    /// Where a digest is kept.
    rolling: Option<Rolling>,
}

impl Reference {
    pub fn new(query: Query) -> Self {
        let mut groups = HashMap::with_hasher(FixedState::default());
        if query.is_global() {
            groups.insert(Key(Box::from([])), new_group(&query));
        }
        Reference { query, groups, error: None, rolling: None }
    }

    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The number of groups so far.
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Takes all rows of a record batch of the topic: all its columns, and behind them the log's own where the query reads one of those
    /// ([`Query::whole_rows`]).
    pub fn push(&mut self, batch: &RecordBatch) {
        let columns = Columns::of(batch);
        for row in 0..batch.num_rows() {
            if self.error.is_some() {
                return;
            }
            self.take(&LogRow { columns: &columns, row });
        }
    }

    /// Takes one row. For many rows of a batch [`Reference::push`] is faster.
    pub fn push_row(&mut self, batch: &RecordBatch, row: usize) {
        if self.error.is_none() {
            self.take(&LogRow { columns: &Columns::of(batch), row });
        }
    }

    fn take(&mut self, row: &LogRow<'_, '_>) {
        if let Err(error) = fold(&self.query, &mut self.groups, self.rolling.as_mut(), row) {
            self.error = Some(error);
        }
    }

    /// From now on keeps a digest of the answer as rows come, which costs finalising each group that they change.
    pub fn keep_digest(&mut self) {
        self.rolling = Some(Rolling::over(&self.groups));
    }

    /// The digest of [`Reference::answer`], which [`digest`] gives of an engine's; none where the answer is an error, the query's answers
    /// have no digest, or none is kept ([`Reference::keep_digest`]).
    pub fn digest(&mut self) -> Option<Digest> {
        let rolling = self.rolling.as_mut().filter(|_| self.error.is_none())?;
        rolling.whole(&self.query, &self.groups)
    }

    /// Keys of the groups that were changed or added up to the last [`Reference::digest`], since they were last asked for; all, the first time.
    pub fn changed(&mut self) -> Vec<Vec<Value>> {
        self.rolling.as_mut().map_or_else(Vec::new, |r| r.changed().map(|key| key.0.into_vec()).collect())
    }

    /// The answer's rows, in the query's output columns, after HAVING, ORDER BY, DISTINCT, OFFSET and LIMIT; without ORDER BY in key order.
    ///
    /// # Errors
    /// The first error that a row raised, or one that finalising a group raises.
    pub fn answer(&self) -> Result<Vec<Vec<Value>>, EvalError> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let mut groups: Vec<(&Key, &Box<[State]>)> = self.groups.iter().collect();
        groups.sort_unstable_by(|(a, _), (b, _)| key_order(&a.0, &b.0));
        let mut answers = Vec::new();
        for (key, states) in groups {
            answers.extend(finalise(&self.query, key, states)?);
        }
        // Groups come in key order, and the sort is stable: so ties stay in key order.
        answers.sort_by(|a, b| self.row_order(&a.order, &b.order));
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let mut rows: Vec<Vec<Value>> = answers.into_iter().flat_map(|a| std::iter::repeat_n(a.output, a.times)).collect();
        if self.query.distinct {
            let mut seen: HashSet<Key, FixedState> = HashSet::default();
            rows.retain(|row| seen.insert(Key(row.clone().into())));
        }
        Ok(rows.into_iter().skip(count(self.query.offset)).take(self.query.limit.map_or(usize::MAX, count)).collect())
    }

    /// The output row of one group, before ORDER BY and LIMIT; `None` where the group does not exist or HAVING leaves it out.
    ///
    /// # Errors
    /// As [`Reference::answer`].
    pub fn answer_key(&self, key: &[Value]) -> Result<Option<Vec<Value>>, EvalError> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        assert_eq!(key.len(), self.query.keys.len(), "a key has one value per key of the query");
        let cells: Vec<Cell<'_>> = key.iter().map(Cell::from).collect();
        let Some((key, states)) = self.groups.get_key_value(&Probe(&cells)) else {
            return Ok(None);
        };
        Ok(finalise(&self.query, key, states)?.map(|a| a.output))
    }

    fn row_order(&self, a: &[Value], b: &[Value]) -> Ordering {
        let by = |((a, b), by): ((&Value, &Value), &twopath_query::Order)| match (a, b) {
            (Value::Null, Value::Null) => Ordering::Equal,
            (Value::Null, _) => {
                if by.nulls_first {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (_, Value::Null) => {
                if by.nulls_first {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            (a, b) => {
                let order = order(&Cell::from(a), &Cell::from(b));
                if by.descending { order.reverse() } else { order }
            }
        };
        a.iter().zip(b).zip(&self.query.order_by).map(by).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    }
}

/// What one group gives to an answer.
struct GroupAnswer {
    output: Vec<Value>,
    /// The values of ORDER BY's expressions.
    order: Vec<Value>,
    /// How many rows it stands for.
    times: usize,
}

/// `None` where HAVING leaves the group out.
fn finalise(query: &Query, key: &Key, states: &[State]) -> Result<Option<GroupAnswer>, EvalError> {
    let mut row: Vec<Value> = key.0.to_vec();
    for (state, aggregate) in states.iter().zip(&query.aggregates) {
        row.push(state.value(aggregate)?);
    }
    let row = &row[..];
    if let Some(having) = &query.having
        && !is_true(having, &row)?
    {
        return Ok(None);
    }
    let value = |expr| eval(expr, &row).map(Cell::into_value);
    let output = query.output.iter().map(|o| value(&o.expr)).collect::<Result<_, _>>()?;
    let order = query.order_by.iter().map(|o| value(&o.expr)).collect::<Result<_, _>>()?;
    let times = match (query.rows, row.last()) {
        (true, Some(Value::Int(count))) => *count as usize,
        _ => 1,
    };
    Ok(Some(GroupAnswer { output, order, times }))
}

fn new_group(query: &Query) -> Box<[State]> {
    query.aggregates.iter().map(State::new).collect()
}

/// Filters one row, finds its group, and gives each aggregate its value.
fn fold(
    query: &Query,
    groups: &mut HashMap<Key, Box<[State]>, FixedState>,
    rolling: Option<&mut Rolling>,
    row: &LogRow<'_, '_>,
) -> Result<(), EvalError> {
    if let Some(filter) = &query.filter
        && !is_true(filter, row)?
    {
        return Ok(());
    }
    let mut key = Vec::with_capacity(query.keys.len());
    for k in &query.keys {
        key.push(eval(&k.expr, row)?);
    }
    let probe = Probe(&key);
    if let Some(rolling) = rolling {
        rolling.touch(query, groups, &probe);
    }
    let states = match groups.get_mut(&probe) {
        Some(states) => states,
        None => groups.entry(Key::from(&probe)).or_insert_with(|| new_group(query)),
    };
    for (state, aggregate) in states.iter_mut().zip(&query.aggregates) {
        match &aggregate.arg {
            Some(arg) => state.push(eval(arg, row)?),
            None => state.push(Cell::Bool(true)),
        }
    }
    Ok(())
}

/// The order of keys: value by value, ascending, NULLs last.
fn key_order(a: &[Value], b: &[Value]) -> Ordering {
    a.iter().zip(b).map(|(a, b)| order(&Cell::from(a), &Cell::from(b))).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}
