//! The rows of one partition in the order of a call, and the call's value in each.

use std::cmp::Ordering;
use std::ops::Range;

use twopath_query::plan::{Distance, Frame};
use twopath_query::{EvalError, Order};

use super::{Bound, Call, Function};
use crate::differential::datum::Datum;
use crate::differential::expr::{Compiled, Row};
use crate::differential::relational::aggregate::{Planned, State};
use crate::differential::relational::collection::Tuple;

/// The rows, each as often as it is there, with one column more for each call; of those with a bound, the ones within it. Rows come in their order.
pub fn with_columns(calls: &[Call], rows: &[(&Tuple, isize)], first: Option<Bound>) -> Result<Vec<Tuple>, EvalError> {
    let rows: Vec<&Tuple> = rows.iter().flat_map(|(row, n)| std::iter::repeat_n(*row, usize::try_from(*n).unwrap_or(0))).collect();
    let mut columns = vec![Vec::with_capacity(calls.len()); rows.len()];
    for call in calls {
        let partition = Partition::new(call, &rows)?;
        for (&row, value) in partition.order.iter().zip(partition.values(call)?) {
            columns[row].push(value);
        }
    }
    let is_within = |columns: &[Datum]| first.is_none_or(|Bound { call, most }| columns[call] <= Datum::Int(most));
    let shown = rows.iter().zip(columns).filter(|(_, columns)| is_within(columns));
    Ok(shown.map(|(row, columns)| row.iter().cloned().chain(columns).collect()).collect())
}

/// Each row as often as it is there, with the number of the copy that it is behind its own columns. Rows that are alike are told apart by it, so that calls over other
/// partitions, which come later, meet each with what was computed for it here.
pub fn numbered(rows: &[(&Tuple, isize)]) -> Vec<(Tuple, isize)> {
    let copies = |(row, n): &(&Tuple, isize)| {
        let row = Tuple::clone(row);
        (0..*n).map(move |copy| (row.iter().cloned().chain([Datum::Int(copy as i64)]).collect(), 1))
    };
    rows.iter().flat_map(copies).collect()
}

pub struct Partition<'a> {
    /// By place: which of the rows stands there.
    order: Vec<usize>,
    /// By place.
    rows: Vec<&'a Tuple>,
    /// By place: what it is ordered by.
    by: Vec<Vec<Datum>>,
    /// By place: the places of the rows that tie with it.
    peers: Vec<Range<usize>>,
}

impl<'a> Partition<'a> {
    fn new(call: &Call, rows: &[&'a Tuple]) -> Result<Self, EvalError> {
        let key = |row: &&Tuple| call.order_by.iter().map(|(e, _)| e.eval(Row::Values(row))).collect::<Result<Vec<Datum>, _>>();
        let mut keyed = rows.iter().enumerate().map(|(i, row)| Ok((key(row)?, i))).collect::<Result<Vec<_>, EvalError>>()?;
        // Ties are broken by the input's columns, and then by the number of the copy where there is one; rows that are alike then stay as they came.
        let own = |i: usize| &rows[i][..rows[i].len().min(call.width + 1)];
        keyed.sort_by(|(a, i), (b, j)| compare(call, a, b).then_with(|| own(*i).cmp(own(*j))));
        let mut peers: Vec<Range<usize>> = Vec::with_capacity(keyed.len());
        for run in keyed.chunk_by(|(a, _), (b, _)| compare(call, a, b).is_eq()) {
            let start = peers.len();
            peers.extend(std::iter::repeat_n(start..start + run.len(), run.len()));
        }
        let (by, order): (Vec<_>, Vec<usize>) = keyed.into_iter().unzip();
        let rows = order.iter().map(|&i| rows[i]).collect();
        Ok(Partition { order, rows, by, peers })
    }

    /// By place.
    fn values(&self, call: &Call) -> Result<Vec<Datum>, EvalError> {
        let places = 0..self.rows.len();
        let number = |n: usize| Datum::Int(n as i64);
        Ok(match &call.function {
            Function::RowNumber => places.map(|i| number(i + 1)).collect(),
            Function::Rank => self.peers.iter().map(|peers| number(peers.start + 1)).collect(),
            Function::DenseRank => {
                let mut before = 0;
                let dense = |i: usize| {
                    before += usize::from(self.peers[i].start == i);
                    number(before)
                };
                places.map(dense).collect()
            }
            Function::Lag { arg, rows, default } => {
                let args = self.each(arg)?;
                let defaults = default.as_ref().map(|default| self.each(default)).transpose()?;
                let found = |i: usize| usize::try_from(i as i128 - i128::from(*rows)).ok().and_then(|i| args.get(i)).cloned();
                let default = |i: usize| defaults.as_ref().map_or(Datum::Null, |defaults| defaults[i].clone());
                places.map(|i| found(i).unwrap_or_else(|| default(i))).collect()
            }
            Function::First(arg) => self.picked(call, arg, |frame| Some(frame.start))?,
            Function::Last(arg) => self.picked(call, arg, |frame| frame.end.checked_sub(1))?,
            Function::Nth { arg, row } => self.picked(call, arg, |frame| frame.start.checked_add(usize::try_from(row - 1).ok()?))?,
            Function::Known { arg, last } => self.known(call, arg, *last)?,
            Function::Aggregate { aggregate, args } => self.aggregated(call, aggregate, args)?,
        })
    }

    /// An argument in every row, also in those that no other looks at.
    fn each(&self, arg: &Compiled) -> Result<Vec<Datum>, EvalError> {
        self.rows.iter().map(|row| arg.eval(Row::Values(row))).collect()
    }

    /// An argument at a place of each frame; NULL where the place is not in it.
    fn picked(&self, call: &Call, arg: &Compiled, place: impl Fn(&Range<usize>) -> Option<usize>) -> Result<Vec<Datum>, EvalError> {
        let args = self.each(arg)?;
        let value = |i| {
            let frame = self.frame(call, i);
            place(&frame).filter(|place| frame.contains(place)).map_or(Datum::Null, |place| args[place].clone())
        };
        Ok((0..args.len()).map(value).collect())
    }

    /// The first argument of each frame that is not NULL, or the last one.
    fn known(&self, call: &Call, arg: &Compiled, last: bool) -> Result<Vec<Datum>, EvalError> {
        let args = self.each(arg)?;
        // For each place how many before it have a value; the place of each value.
        let mut before = Vec::with_capacity(args.len() + 1);
        let mut places = Vec::new();
        for (place, arg) in args.iter().enumerate() {
            before.push(places.len());
            places.extend((!arg.is_null()).then_some(place));
        }
        before.push(places.len());
        let value = |i| {
            let frame = self.frame(call, i);
            let within = if frame.is_empty() { &[] } else { &places[before[frame.start]..before[frame.end]] };
            let place = if last { within.last() } else { within.first() };
            place.map_or(Datum::Null, |&place| args[place].clone())
        };
        Ok((0..args.len()).map(value).collect())
    }

    /// The places of the frame of the row at this place.
    fn frame(&self, call: &Call, i: usize) -> Range<usize> {
        let count = self.rows.len();
        match call.frame {
            Frame::Partition => 0..count,
            Frame::Rows { before, after } => {
                let places = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
                let end = after.map_or(count, |n| i.saturating_add(places(n)).saturating_add(1).min(count));
                before.map_or(0, |n| i.saturating_sub(places(n)))..end
            }
            Frame::Range { before: None } => 0..self.peers[i].end,
            Frame::Range { before: Some(before) } => {
                let peers = self.peers[i].clone();
                let Some(here) = distance(&self.by[i][0]) else { return peers };
                let is_near = |j: &usize| distance(&self.by[*j][0]).is_some_and(|there| (here - there).abs() <= i128::from(before));
                (0..i).find(is_near).unwrap_or(peers.start)..peers.end
            }
            Frame::RowsBetween { start, end } => {
                let after = |n: i64| usize::try_from((i as i64).saturating_add(n)).map_or(0, |place| place.min(count));
                forward(start.map_or(0, after), end.map_or(count, |n| after(n.saturating_add(1))))
            }
            Frame::GroupsBetween { start, end } => {
                let start = start.map_or(0, |n| self.group_start(i, n));
                forward(start, end.map_or(count, |n| self.group_start(i, n.saturating_add(1))))
            }
            Frame::RangeBetween { start, end } => {
                let (order, here) = (&call.order_by[0].1, &self.by[i][0]);
                let places = |is_before: &dyn Fn(&Datum) -> bool| self.by.partition_point(|by| is_before(&by[0]));
                let start = start.map_or(0, |far| places(&|there| to_point(order, there, here, far).is_lt()));
                forward(start, end.map_or(count, |far| places(&|there| to_point(order, there, here, far).is_le())))
            }
        }
    }

    /// Where the group of peers starts that is so many behind that of a place (before it, where negative): the first place where there are fewer before it, and the last one's end
    /// where there are fewer behind it.
    fn group_start(&self, of: usize, groups: i64) -> usize {
        let mut start = self.peers[of].start;
        for _ in 0..groups.unsigned_abs() {
            start = match groups > 0 {
                true if start < self.peers.len() => self.peers[start].end,
                false if start > 0 => self.peers[start - 1].start,
                _ => break,
            };
        }
        start
    }

    /// A frame that only grows is added to.
    fn aggregated(&self, call: &Call, aggregate: &Planned, args: &[Compiled]) -> Result<Vec<Datum>, EvalError> {
        let of_row = |row: &&Tuple| args.iter().map(|a| a.eval(Row::Values(row))).collect::<Result<Tuple, EvalError>>();
        let args = self.rows.iter().map(of_row).collect::<Result<Vec<Tuple>, _>>()?;
        let (mut state, mut held, mut values) = (State::new(aggregate), 0..0, Vec::<Datum>::with_capacity(args.len()));
        for i in 0..args.len() {
            let frame = self.frame(call, i);
            if let Some(same) = values.last().filter(|_| frame == held) {
                // As for the row before.
                values.push(same.clone());
                continue;
            }
            if frame.start != held.start || frame.end < held.end {
                (state, held) = (State::new(aggregate), frame.start..frame.start);
            }
            args[held.end..frame.end].iter().for_each(|args| state.add(aggregate, args, 1));
            held = frame;
            values.push(state.value(aggregate)?);
        }
        Ok(values)
    }
}

/// What distances are measured in; none of NULL.
fn distance(value: &Datum) -> Option<i128> {
    match value {
        Datum::Int(n) | Datum::Timestamp(n) | Datum::Interval(n) => Some((*n).into()),
        // Those of one column have one scale.
        Datum::Numeric(n) | Datum::Decimal { unscaled: n, .. } => Some(n.get()),
        _ => None,
    }
}

fn forward(start: usize, end: usize) -> Range<usize> {
    start..end.max(start)
}

/// How a value stands in an order to the point that is so far behind another one. NULL stands where the order has it, and no distance leads from there.
fn to_point(order: &Order, there: &Datum, here: &Datum, far: Distance) -> Ordering {
    let nulls = if order.nulls_first { Ordering::Less } else { Ordering::Greater };
    let signed = |ascending: Ordering| if order.descending { ascending.reverse() } else { ascending };
    match (there, here, far) {
        (Datum::Null, Datum::Null, _) => Ordering::Equal,
        (Datum::Null, _, _) => nulls,
        (_, Datum::Null, _) => nulls.reverse(),
        (there, Datum::Float(from), Distance::Float(by)) => {
            signed(there.cmp(&Datum::Float(if order.descending { from - by } else { from + by })))
        }
        (there, here, Distance::Exact(by)) => {
            let (Some(there), Some(here)) = (distance(there), distance(here)) else { unreachable!("a distance between numbers") };
            let by = if order.descending { -by } else { by };
            // 38 digits and as many more may be beyond 128 bits, and then beyond all values.
            signed(there.cmp(&here.saturating_add(by)))
        }
        _ => unreachable!("a distance is of the kind of the values"),
    }
}

fn compare(call: &Call, a: &[Datum], b: &[Datum]) -> Ordering {
    let one = |((a, b), (_, order)): ((&Datum, &Datum), &(Compiled, Order))| match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => {
            if order.nulls_first {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (false, true) => {
            if order.nulls_first {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        (false, false) if order.descending => b.cmp(a),
        (false, false) => a.cmp(b),
    };
    a.iter().zip(b).zip(&call.order_by).map(one).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}
