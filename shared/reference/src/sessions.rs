//! Sessions of the flat query: rows are kept as they came, and cut into sessions when an answer is asked for.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::eval::{Row, eval};
use super::key::{Key, Probe};
use super::state::State;
use super::windows::sessions;
use super::{Groups, new_group};
use twopath_query::values::Cell;
use twopath_query::{EvalError, Panes, Query, Value};

/// The rows by their keys, in which NULL stands for the session.
#[derive(Clone, Default)]
pub(super) struct Sessions(HashMap<Key, Vec<Kept>, FixedState>);

/// What is kept of a row.
#[derive(Clone)]
struct Kept {
    time: i64,
    /// What each aggregate is given, with what it looks at beside it.
    values: Vec<(Value, Vec<Value>)>,
}

impl Sessions {
    pub fn take<'a>(&mut self, query: &'a Query, key: &[Cell<'a>], time: i64, row: &impl Row<'a>) -> Result<(), EvalError> {
        let value = |arg: &'a _| eval(arg, row).map(Cell::into_value);
        let values = query.aggregates.iter().map(|a| {
            let beside = a.beside.iter().map(value).collect::<Result<_, EvalError>>()?;
            Ok((a.arg.as_ref().map_or(Ok(Value::Bool(true)), value)?, beside))
        });
        let values = values.collect::<Result<_, EvalError>>()?;
        self.0.entry(Key::from(&Probe(key))).or_default().push(Kept { time, values });
        Ok(())
    }

    /// The groups of all sessions; the key that says which session it is has its first moment.
    pub fn groups(&self, query: &Query, panes: &Panes, gap_us: i64) -> Groups {
        self.0.iter().flat_map(|(key, rows)| cut(query, panes, gap_us, key, rows)).collect()
    }

    /// The group of one session.
    pub fn group(&self, query: &Query, panes: &Panes, gap_us: i64, key: &[Value]) -> Option<(Key, Box<[State]>)> {
        let mut beside = key.to_vec();
        beside[panes.key] = Value::Null;
        let (stored, rows) = self.0.get_key_value(&Key(beside.into()))?;
        let wanted = Key(key.into());
        cut(query, panes, gap_us, stored, rows).into_iter().find(|(key, _)| *key == wanted)
    }
}

fn cut(query: &Query, panes: &Panes, gap_us: i64, key: &Key, rows: &[Kept]) -> Vec<(Key, Box<[State]>)> {
    let mut rows: Vec<&Kept> = rows.iter().collect();
    rows.sort_by_key(|row| row.time);
    let times: Vec<i64> = rows.iter().map(|row| row.time).collect();
    let group = |session: std::ops::Range<usize>| {
        let mut key = key.clone();
        key.0[panes.key] = Value::Timestamp(times[session.start]);
        let mut states = new_group(query);
        for row in &rows[session] {
            for (state, (value, beside)) in states.iter_mut().zip(&row.values) {
                state.push(Cell::from(value), &beside.iter().map(Cell::from).collect::<Vec<_>>());
            }
        }
        (key, states)
    };
    sessions(&times, gap_us).into_iter().map(group).collect()
}
