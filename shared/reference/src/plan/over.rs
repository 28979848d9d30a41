//! What is computed for a row from the rows beside it.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;

use foldhash::fast::FixedState;

use super::{Row, value};
use crate::accumulate;
use crate::key::Key;
use crate::order::{by_all_columns, by_order};
use crate::state::State;
use twopath_query::plan::{Distance, Frame, OverCall, OverFunction};
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
    /// For each row how many groups of rows that tie there are up to its own.
    groups: Vec<i128>,
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
        let mut number = 0;
        let groups = peers.iter().enumerate().map(|(i, peers)| {
            number += i128::from(i == peers.start);
            number
        });
        let groups = groups.collect();
        Partition { rows: members.iter().map(|(_, i)| &rows[*i]).collect(), by, peers, groups, call }
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
            OverFunction::First(arg) => self.picked(arg, |frame| frame.first()),
            OverFunction::Last(arg) => self.picked(arg, |frame| frame.last()),
            OverFunction::Known { arg, last: false } => self.picked(arg, |frame| frame.iter().find(|value| **value != Value::Null)),
            OverFunction::Known { arg, last: true } => self.picked(arg, |frame| frame.iter().rfind(|value| **value != Value::Null)),
            OverFunction::Nth { arg, row } => self.picked(arg, |frame| frame.get(usize::try_from(*row).ok()? - 1)),
            OverFunction::Aggregate(aggregate) => self.aggregated(aggregate),
        }
    }

    /// An argument in every row, also in those that no other looks at.
    fn each(&self, arg: &Expr) -> Result<Vec<Value>, EvalError> {
        self.rows.iter().map(|row| value(arg, row)).collect()
    }

    /// An argument in the row of each frame that `pick` takes.
    fn picked(&self, arg: &Expr, pick: impl Fn(&[Value]) -> Option<&Value>) -> Result<Vec<Value>, EvalError> {
        let args = self.each(arg)?;
        Ok((0..args.len()).map(|i| pick(&args[self.frame(i)]).cloned().unwrap_or(Value::Null)).collect())
    }

    /// The frame of the row with this number.
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
            Frame::RowsBetween { start, end } => {
                let behind = |j: usize| j as i128 - i as i128;
                self.held(|j| [start.is_none_or(|n| behind(j) >= n.into()), end.is_none_or(|n| behind(j) <= n.into())])
            }
            Frame::GroupsBetween { start, end } => {
                let behind = |j: usize| self.groups[j] - self.groups[i];
                self.held(|j| [start.is_none_or(|n| behind(j) >= n.into()), end.is_none_or(|n| behind(j) <= n.into())])
            }
            Frame::RangeBetween { start, end } => self.held(|j| {
                [
                    start.is_none_or(|distance| self.side(j, i, distance).is_ge()),
                    end.is_none_or(|distance| self.side(j, i, distance).is_le()),
                ]
            }),
        }
    }

    /// The rows that are not before the start and not behind the end, of which `is_held` says the one and the other.
    fn held(&self, is_held: impl Fn(usize) -> [bool; 2]) -> Range<usize> {
        let held: Vec<usize> = (0..self.rows.len()).filter(|j| is_held(*j) == [true, true]).collect();
        held.first().map_or(0..0, |first| *first..first + held.len())
    }

    /// On which side row `j` is of the point that is so far behind row `i`. No distance leads to NULL or from it.
    fn side(&self, j: usize, i: usize, distance: Distance) -> Ordering {
        let (there, here) = (&self.by[j][0], &self.by[i][0]);
        let descending = self.call.order_by[0].descending;
        match (there, here, distance) {
            (Value::Null, _, _) | (_, Value::Null, _) => by_order(self.by[j], self.by[i], &self.call.order_by),
            (Value::Float(_), Value::Float(from), Distance::Float(by)) => {
                let point = Value::Float(if descending { from - by } else { from + by });
                by_order(self.by[j], &[point], &self.call.order_by)
            }
            (there, here, Distance::Exact(by)) => {
                let (there, here) = (number(there).expect("not NULL"), number(here).expect("not NULL"));
                let (to, from) = if descending { (here, there) } else { (there, here) };
                // A difference of more than 128 bits is more than any distance.
                to.checked_sub(from).map_or_else(|| to.cmp(&from), |behind| behind.cmp(&by))
            }
            _ => unreachable!("a distance is of the kind of the values"),
        }
    }

    /// A frame that only grows is added to, so that running totals take no longer than they must.
    fn aggregated(&self, aggregate: &Aggregate) -> Result<Vec<Value>, EvalError> {
        // Also in rows that are in no frame.
        aggregate.args().try_for_each(|arg| self.each(arg).map(drop))?;
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
        Value::Numeric(n) => Some(*n),
        // All of one scale.
        Value::Decimal(n) => Some(n.unscaled),
        Value::Null => None,
        other => unreachable!("typing lets no RANGE over {other:?} through"),
    }
}
