//! What is computed for a row from the rows beside it.

use std::collections::HashMap;
use std::ops::Range;

use foldhash::fast::FixedState;

use super::{Row, value};
use crate::accumulate;
use crate::key::Key;
use crate::order::{by_all_columns, by_order};
use crate::state::State;
use twopath_query::plan::{Frame, OverCall, OverFunction};
use twopath_query::{Aggregate, EvalError, Expr, Value};

/// The rows with one column more for each call.
pub(super) fn beside(mut rows: Vec<Row>, calls: &[OverCall]) -> Result<Vec<Row>, EvalError> {
    let columns = calls.iter().map(|call| column(&rows, call)).collect::<Result<Vec<_>, _>>()?;
    for column in columns {
        rows.iter_mut().zip(column).for_each(|(row, value)| row.push(value));
    }
    Ok(rows)
}

fn column(rows: &[Row], call: &OverCall) -> Result<Vec<Value>, EvalError> {
    let mut partitions: HashMap<Key, Vec<(Row, usize)>, FixedState> = HashMap::default();
    for (i, row) in rows.iter().enumerate() {
        let key: Row = call.partition_by.iter().map(|e| value(e, row)).collect::<Result<_, _>>()?;
        let by: Row = call.order_by.iter().map(|o| value(&o.expr, row)).collect::<Result<_, _>>()?;
        partitions.entry(Key(key.into())).or_default().push((by, i));
    }
    let mut column = vec![Value::Null; rows.len()];
    for mut members in partitions.into_values() {
        members.sort_by(|(a, i), (b, j)| by_order(a, b, &call.order_by).then_with(|| by_all_columns(&rows[*i], &rows[*j])));
        let partition = Partition::new(rows, &members, call);
        for ((_, i), value) in members.iter().zip(partition.values()?) {
            column[*i] = value;
        }
    }
    Ok(column)
}

/// The rows of one partition in its order.
struct Partition<'a> {
    rows: Vec<&'a Row>,
    by: Vec<&'a Row>,
    /// For each row the rows that tie with it.
    peers: Vec<Range<usize>>,
    call: &'a OverCall,
}

impl<'a> Partition<'a> {
    fn new(rows: &'a [Row], members: &'a [(Row, usize)], call: &'a OverCall) -> Self {
        let by: Vec<&Row> = members.iter().map(|(by, _)| by).collect();
        let ties = |i: usize, j: usize| by_order(by[i], by[j], &call.order_by).is_eq();
        let mut peers: Vec<Range<usize>> = Vec::new();
        while peers.len() < by.len() {
            let start = peers.len();
            let end = (start..by.len()).find(|&i| !ties(start, i)).unwrap_or(by.len());
            peers.extend(std::iter::repeat_n(start..end, end - start));
        }
        Partition { rows: members.iter().map(|(_, i)| &rows[*i]).collect(), by, peers, call }
    }

    fn values(&self) -> Result<Vec<Value>, EvalError> {
        let each = 0..self.rows.len();
        let count = |n: usize| Value::Int(n as i64);
        match &self.call.function {
            OverFunction::RowNumber => Ok(each.map(|i| count(i + 1)).collect()),
            OverFunction::Rank => Ok(self.peers.iter().map(|peers| count(peers.start + 1)).collect()),
            OverFunction::DenseRank => {
                let before = |i: usize| self.peers[..=i].iter().enumerate().filter(|(i, peers)| *i == peers.start).count();
                Ok(each.map(|i| count(before(i))).collect())
            }
            OverFunction::Lag { arg, rows, default } => {
                let args = self.each(arg)?;
                let defaults = default.as_ref().map(|default| self.each(default)).transpose()?;
                let found = |i: usize| usize::try_from(i as i128 - i128::from(*rows)).ok().and_then(|i| args.get(i));
                let default = |i: usize| defaults.as_ref().map_or(Value::Null, |defaults| defaults[i].clone());
                Ok(each.map(|i| found(i).cloned().unwrap_or_else(|| default(i))).collect())
            }
            OverFunction::First(arg) => self.each(arg).map(|args| each.map(|i| args[self.frame(i).start].clone()).collect()),
            OverFunction::Last(arg) => self.each(arg).map(|args| each.map(|i| args[self.frame(i).end - 1].clone()).collect()),
            OverFunction::Aggregate(aggregate) => self.aggregated(aggregate),
        }
    }

    /// An argument in every row, also in those that no other looks at.
    fn each(&self, arg: &Expr) -> Result<Vec<Value>, EvalError> {
        self.rows.iter().map(|row| value(arg, row)).collect()
    }

    /// The frame of the row with this number, which is in it.
    fn frame(&self, i: usize) -> Range<usize> {
        let all = 0..self.rows.len();
        match self.call.frame {
            Frame::Partition => all,
            Frame::Rows { before, after } => {
                let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
                let start = before.map_or(0, |n| i.saturating_sub(count(n)));
                start..after.map_or(all.end, |n| i.saturating_add(count(n)).saturating_add(1).min(all.end))
            }
            Frame::Range { before: None } => 0..self.peers[i].end,
            Frame::Range { before: Some(before) } => {
                let here = number(&self.by[i][0]);
                let distance = |j: &usize| Some((here? - number(&self.by[*j][0])?).abs());
                let is_near = |j: &usize| distance(j).is_some_and(|distance| distance <= i128::from(before));
                (0..i).find(is_near).unwrap_or(self.peers[i].start)..self.peers[i].end
            }
        }
    }

    /// A frame that only grows is added to, so that running totals take no longer than they must.
    fn aggregated(&self, aggregate: &Aggregate) -> Result<Vec<Value>, EvalError> {
        let mut state = State::new(aggregate);
        let mut held = 0..0;
        let mut values = Vec::new();
        for i in 0..self.rows.len() {
            let frame = self.frame(i);
            if frame.start != held.start || frame.end < held.end {
                state = State::new(aggregate);
                held = frame.start..frame.start;
            }
            for row in &self.rows[held.end..frame.end] {
                accumulate(std::slice::from_mut(&mut state), std::slice::from_ref(aggregate), &&row[..])?;
            }
            held = frame;
            values.push(state.value(aggregate)?);
        }
        Ok(values)
    }
}

/// What distances are measured in; none of NULL.
fn number(value: &Value) -> Option<i128> {
    match value {
        Value::Int(n) | Value::Timestamp(n) | Value::Interval(n) => Some((*n).into()),
        Value::Null => None,
        other => unreachable!("typing lets no RANGE over {other:?} through"),
    }
}
