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
mod plan;
mod regression;
mod sessions;
mod state;
mod variance;
mod windows;

use std::borrow::Cow;

use arrow_array::RecordBatch;
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};

use twopath_query::values::{Cell, Columns};
use twopath_query::{Aggregate, EvalError, PanedWindows, Panes, Query, Value};

pub use compare::{Difference, compare, compare_rows};
use digest::Rolling;
pub use digest::{Digest, digest};
use eval::{LogRow, Row, eval, is_true};
use key::{Key, Probe};
use order::{by_all_columns, by_order};
pub use plan::PlanReference;
use sessions::Sessions;
use state::State;

type Groups = HashMap<Key, Box<[State]>, FixedState>;

/// The state of a query over the rows seen so far.
#[derive(Clone)]
pub struct Reference {
    query: Query,
    groups: Groups,
    /// Where windows are sessions, which no row of its own belongs to: these are kept in the place of groups.
    sessions: Sessions,
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
        Reference { query, groups, sessions: Sessions::default(), error: None, rolling: None }
    }

    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The number of groups so far.
    pub fn groups(&self) -> usize {
        self.current().len()
    }

    /// The groups that an answer is made of.
    fn current(&self) -> Cow<'_, Groups> {
        match session_gap(&self.query) {
            None => Cow::Borrowed(&self.groups),
            Some((panes, gap_us)) => Cow::Owned(self.sessions.groups(&self.query, panes, gap_us)),
        }
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

    /// Takes one row of the topic's values.
    fn push_values(&mut self, row: &[Value]) {
        if self.error.is_none()
            && let Err(error) = fold(&self.query, &mut self.groups, &mut self.sessions, self.rolling.as_mut(), &row)
        {
            self.error = Some(error);
        }
    }

    fn take(&mut self, row: &LogRow<'_, '_>) {
        if let Err(error) = fold(&self.query, &mut self.groups, &mut self.sessions, self.rolling.as_mut(), row) {
            self.error = Some(error);
        }
    }

    /// From now on keeps a digest of the answer as rows come, which costs finalising each group that they change. Of sessions none is kept, nor where more is computed than groups.
    pub fn keep_digest(&mut self) {
        let has_digest = session_gap(&self.query).is_none() && self.query.finish.is_none();
        self.rolling = has_digest.then(|| Rolling::over(&self.groups));
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
        let current = self.current();
        let mut groups: Vec<(&Key, &Box<[State]>)> = current.iter().collect();
        groups.sort_unstable_by(|(a, _), (b, _)| by_all_columns(&a.0, &b.0));
        let mut answers = Vec::new();
        for (key, states) in groups {
            answers.extend(finalise(&self.query, key, states)?);
        }
        // Groups come in key order, and the sort is stable: so ties stay in key order.
        answers.sort_by(|a, b| by_order(&a.order, &b.order, &self.query.order_by));
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let mut rows: Vec<Vec<Value>> = answers.into_iter().flat_map(|a| std::iter::repeat_n(a.output, a.times)).collect();
        if self.query.distinct {
            let mut seen: HashSet<Key, FixedState> = HashSet::default();
            rows.retain(|row| seen.insert(Key(row.clone().into())));
        }
        let rows = rows.into_iter().skip(count(self.query.offset)).take(self.query.limit.map_or(usize::MAX, count)).collect();
        match &self.query.finish {
            None => Ok(rows),
            Some(finish) => plan::finished(finish, rows),
        }
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
        if let Some((panes, gap_us)) = session_gap(&self.query) {
            let group = self.sessions.group(&self.query, panes, gap_us, key);
            return Ok(group.map(|(key, states)| finalise(&self.query, &key, &states)).transpose()?.flatten().map(|a| a.output));
        }
        let cells: Vec<Cell<'_>> = key.iter().map(Cell::from).collect();
        let Some((key, states)) = self.groups.get_key_value(&Probe(&cells)) else {
            return Ok(None);
        };
        Ok(finalise(&self.query, key, states)?.map(|a| a.output))
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

/// The gap, where windows are sessions.
fn session_gap(query: &Query) -> Option<(&Panes, i64)> {
    let panes = query.panes.as_ref()?;
    match panes.windows {
        PanedWindows::Session { gap_us, .. } => Some((panes, gap_us)),
        PanedWindows::Hop { .. } | PanedWindows::Cumulate { .. } => None,
    }
}

/// Filters one row, finds its group, or that of each window that it is in, and gives each aggregate its value.
fn fold<'a>(
    query: &'a Query,
    groups: &mut Groups,
    sessions: &mut Sessions,
    mut rolling: Option<&mut Rolling>,
    row: &impl Row<'a>,
) -> Result<(), EvalError> {
    if let Some(filter) = &query.filter
        && !is_true(filter, row)?
    {
        return Ok(());
    }
    let mut key = Vec::with_capacity(query.keys.len());
    let Some(panes) = &query.panes else {
        for k in &query.keys {
            key.push(eval(&k.expr, row)?);
        }
        return add(query, groups, rolling, &key, row);
    };
    let Cell::Timestamp(time) = eval(&panes.time, row)? else { return Ok(()) };
    for (i, k) in query.keys.iter().enumerate() {
        key.push(if i == panes.key { Cell::Null } else { eval(&k.expr, row)? });
    }
    let windows = match panes.windows {
        PanedWindows::Hop { slide_us, size_us, offset_us } => windows::hopping(time, slide_us, size_us, offset_us)?,
        PanedWindows::Cumulate { step_us, size_us, offset_us } => windows::cumulating(time, step_us, size_us, offset_us)?,
        PanedWindows::Session { .. } => return sessions.take(query, &key, time, row),
    };
    for window in windows {
        key[panes.key] = Cell::Timestamp(window);
        add(query, groups, rolling.as_deref_mut(), &key, row)?;
    }
    Ok(())
}

fn add<'a>(
    query: &'a Query,
    groups: &mut Groups,
    rolling: Option<&mut Rolling>,
    key: &[Cell<'a>],
    row: &impl Row<'a>,
) -> Result<(), EvalError> {
    let probe = Probe(key);
    if let Some(rolling) = rolling {
        rolling.touch(query, groups, &probe);
    }
    let states = match groups.get_mut(&probe) {
        Some(states) => states,
        None => groups.entry(Key::from(&probe)).or_insert_with(|| new_group(query)),
    };
    accumulate(states, &query.aggregates, row)
}

/// Gives each aggregate its value in a row.
fn accumulate<'a>(states: &mut [State], aggregates: &'a [Aggregate], row: &impl Row<'a>) -> Result<(), EvalError> {
    for (state, aggregate) in states.iter_mut().zip(aggregates) {
        let beside = aggregate.beside.iter().map(|e| eval(e, row)).collect::<Result<Vec<_>, _>>()?;
        match &aggregate.arg {
            Some(arg) => state.push(eval(arg, row)?, &beside),
            None => state.push(Cell::Bool(true), &beside),
        }
    }
    Ok(())
}
