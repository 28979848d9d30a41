//! When the rows of a plan are final: which of them no record can change that is not late, once the watermarks of its topics have come so far.
//!
//! The watermark of a topic is at most what each record that is on time and still to come has for its event time. So of the topic's rows those before the watermark are final, of groups by
//! windows those whose windows end by then; a join whose condition says that both rows are of one window gives such rows again, and so on upwards. `EMIT ON WINDOW CLOSE` lets a row through once
//! its window has ended. If it is final by then, it is put out once, by whoever keeps the plan's rows as they come and go.

use super::{JoinKind, Late, Node, OverCall, Plan, Window, WindowSize, met};
use crate::types::*;

/// A column by which rows are final.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Settled {
    column: usize,
    /// A row with the value `v` is final once each of the watermarks has reached this much after `v`.
    final_at: After,
    /// By watermark: all rows that are there have a value that it is this much after, at least.
    reached: Vec<Option<After>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Us(i64),
    /// The end of the calendar's month (or the like) that begins there.
    End(TimeUnit),
}

impl After {
    fn later(self, us: i64) -> Option<After> {
        match self {
            After::Us(after) => after.checked_add(us).map(After::Us),
            After::End(_) => (us == 0).then_some(self),
        }
    }

    fn max(self, other: After) -> Option<After> {
        match (self, other) {
            (After::Us(a), After::Us(b)) => Some(After::Us(a.max(b))),
            _ => (self == other).then_some(self),
        }
    }

    fn min(self, other: After) -> Option<After> {
        match (self, other) {
            (After::Us(a), After::Us(b)) => Some(After::Us(a.min(b))),
            _ => (self == other).then_some(self),
        }
    }
}

impl Plan {
    /// Whether each row that is there is final, where records that are late by one of these are left out.
    pub(crate) fn is_settled(&self, lates: &[Late]) -> bool {
        let is = |settled: &Settled| {
            settled.reached.iter().all(|reached| reached.is_some_and(|reached| settled.final_at.max(reached) == Some(reached)))
        };
        self.settled(lates).iter().any(is)
            || match &self.node {
                // What is made of rows to which others are added, and none is taken away.
                Node::Filter { input, .. } | Node::Project { input, .. } | Node::Sort { input, .. } | Node::Distinct { input } => {
                    input.is_settled(lates)
                }
                Node::Union { inputs } => inputs.iter().all(|input| input.is_settled(lates)),
                Node::Join { left, right, kind: JoinKind::Inner, .. } => left.is_settled(lates) && right.is_settled(lates),
                _ => false,
            }
    }

    fn settled(&self, lates: &[Late]) -> Vec<Settled> {
        if let Some(own) = self.left_out() {
            let is_same = |late: &Late| (&own.topic, own.time) == (&late.topic, late.time) && own.delay_us <= late.delay_us;
            let time = Settled { column: own.time, final_at: After::Us(1), reached: vec![None; lates.len()] };
            return if lates.iter().any(is_same) { vec![time] } else { Vec::new() };
        }
        if let Some((input, condition, own)) = self.on_close() {
            let Some(number) = lates.iter().position(|late| *late == own) else { return Vec::new() };
            return let_through(input.settled(lates), condition, number);
        }
        match &self.node {
            Node::Filter { input, .. } | Node::Sort { input, .. } | Node::Distinct { input } => input.settled(lates),
            Node::Project { input, columns } | Node::Aggregate { input, keys: columns, .. } => {
                let below = input.settled(lates);
                let each = columns.iter().enumerate();
                each.flat_map(|(column, named)| below.iter().filter_map(move |of| of.through(&named.expr, column))).collect()
            }
            Node::Window { input, column, window } => of_windows(input.settled(lates), input.columns().len(), *column, window),
            Node::Over { input, calls } => {
                let mut settled = input.settled(lates);
                // A row changes with those beside it in its partition.
                let is_beside =
                    |column: usize, call: &OverCall| call.partition_by.iter().any(|by| moved(by).is_some_and(|(c, _)| c == column));
                settled.retain(|settled| calls.iter().all(|call| is_beside(settled.column, call)));
                settled
            }
            Node::Join { left, right, kind, on: Some(on) } => {
                let (of_left, of_right) = (left.settled(lates), right.settled(lates));
                on.conjuncts().into_iter().flat_map(|c| joined((&of_left, &of_right), left.columns().len(), *kind, c)).collect()
            }
            Node::Union { inputs } => {
                let mut inputs = inputs.iter().map(|input| input.settled(lates));
                let first = inputs.next().unwrap_or_default();
                let both = |a: Vec<Settled>, b: Vec<Settled>| -> Vec<Settled> {
                    a.iter().flat_map(|a| b.iter().filter_map(|b| a.beside(b))).collect()
                };
                inputs.fold(first, both)
            }
            _ => Vec::new(),
        }
    }
}

impl Settled {
    /// As the expression over its column gives it.
    fn through(&self, expr: &Expr, column: usize) -> Option<Settled> {
        if let After::End(unit) = self.final_at
            && *expr == WindowSize::Calendar(unit).end(Expr::column(self.column, DataType::Timestamp))
        {
            let reached = self.reached_as(|reached| (reached == self.final_at).then_some(After::Us(0)));
            return Some(Settled { column, final_at: After::Us(0), reached });
        }
        let (of, before, behind) = around(expr)?;
        let final_at = self.final_at.later(before).filter(|_| of == self.column)?;
        Some(Settled { column, final_at, reached: self.reached_as(|reached| reached.later(behind.checked_neg()?)) })
    }

    fn reached_as(&self, f: impl Fn(After) -> Option<After>) -> Vec<Option<After>> {
        self.reached.iter().map(|reached| reached.and_then(&f)).collect()
    }

    /// Of rows of both.
    fn beside(&self, other: &Settled) -> Option<Settled> {
        let final_at = self.final_at.max(other.final_at).filter(|_| self.column == other.column)?;
        let both = self.reached.iter().zip(&other.reached);
        let reached = both.map(|(a, b)| a.zip(*b).and_then(|(a, b)| a.min(b))).collect();
        Some(Settled { column: self.column, final_at, reached })
    }
}

fn around(expr: &Expr) -> Option<(usize, i64, i64)> {
    let earlier = |arg: &Expr, us: i64| {
        let (column, before, behind) = around(arg)?;
        Some((column, before.checked_add(us)?, behind))
    };
    match &expr.kind {
        ExprKind::Column(column) => Some((*column, 0, 0)),
        ExprKind::Binary { op: op @ (BinaryOp::Add | BinaryOp::Subtract), left, right } => {
            let ExprKind::Literal(Value::Interval(us)) = right.kind else { return None };
            let us = if *op == BinaryOp::Add { us } else { us.checked_neg()? };
            let (column, before, behind) = around(left)?;
            Some((column, before.checked_sub(us)?, behind.checked_add(us)?))
        }
        ExprKind::Tumble { arg, size_us } => earlier(arg, size_us - 1),
        ExprKind::DateTrunc { unit, arg } => earlier(arg, longest_us(*unit) - 1),
        _ => None,
    }
}

/// See [`Expr::moved`].
pub(super) fn moved(expr: &Expr) -> Option<(usize, i64)> {
    expr.moved()
}

impl Expr {
    /// Of an expression that goes by one column of times: that column, how much earlier than it the value may be, and how much later, at most (microseconds).
    pub fn around(&self) -> Option<(usize, i64, i64)> {
        around(self)
    }

    /// The column that it moves, and by how many microseconds, where it does no more than that.
    ///
    /// ```
    /// use twopath_query::{DataType, Expr};
    /// assert_eq!(Expr::column(3, DataType::Timestamp).moved(), Some((3, 0)));
    /// ```
    pub fn moved(&self) -> Option<(usize, i64)> {
        around(self).filter(|(_, before, behind)| before.checked_neg() == Some(*behind)).map(|(column, _, us)| (column, us))
    }
}

/// How long a unit is at most, in microseconds.
pub fn longest_us(unit: TimeUnit) -> i64 {
    let days = |days: i64| days * crate::time::US_PER_DAY;
    match unit {
        TimeUnit::Year => days(366),
        TimeUnit::Quarter => days(92),
        TimeUnit::Month => days(31),
        TimeUnit::Week => days(7),
        TimeUnit::Day => days(1),
        TimeUnit::Hour => 3_600_000_000,
        TimeUnit::Minute => 60_000_000,
        TimeUnit::Second => 1_000_000,
        TimeUnit::Millisecond => 1_000,
    }
}

/// What lets through the rows for which a moment is before the watermark of this number.
fn let_through(mut settled: Vec<Settled>, condition: &Expr, number: usize) -> Vec<Settled> {
    let ExprKind::Binary { op, left: moment, .. } = &condition.kind else { return Vec::new() };
    for settled in &mut settled {
        let is_end = |unit| **moment == WindowSize::Calendar(unit).end(Expr::column(settled.column, DataType::Timestamp));
        settled.reached[number] = match (settled.final_at, moved(moment)) {
            (After::End(unit), _) if is_end(unit) => Some(After::End(unit)),
            (_, Some((column, us))) if column == settled.column => us.checked_add(i64::from(*op == BinaryOp::Less)).map(After::Us),
            _ => settled.reached[number],
        };
    }
    settled
}

/// Of rows with their windows behind their own columns.
fn of_windows(rows: Vec<Settled>, width: usize, time: usize, window: &Window) -> Vec<Settled> {
    let of_time: Vec<Settled> = rows.iter().filter(|settled| settled.column == time).cloned().collect();
    // A column that lies so much before the time, and after it, at most.
    let bound = |number: usize, before: i64, behind: i64| {
        of_time.iter().filter_map(move |of| {
            let reached = of.reached_as(|reached| reached.later(behind.checked_neg()?));
            Some(Settled { column: width + number, final_at: of.final_at.later(before)?, reached })
        })
    };
    let start = |size_us: i64| bound(0, size_us - 1, 0);
    match *window {
        // The bounds of a session that is open change with each of its rows: only its end says that they do no more.
        Window::Session { .. } => bound(1, -1, 0).map(|end| Settled { reached: vec![None; end.reached.len()], ..end }).collect(),
        Window::Cumulate { size_us, .. } => bound(0, -1, size_us).chain(rows.iter().cloned()).collect(),
        Window::Hop { size_us, .. } | Window::Tumble { size: WindowSize::Fixed(size_us), .. } => {
            start(size_us).chain(rows.iter().cloned()).collect()
        }
        Window::Tumble { size: WindowSize::Calendar(unit @ (TimeUnit::Month | TimeUnit::Quarter | TimeUnit::Year)), .. } => {
            let of_rows = of_time.iter().filter(|of| matches!(of.final_at, After::Us(..=1)));
            let start = of_rows.map(|of| Settled { column: width, final_at: After::End(unit), reached: vec![None; of.reached.len()] });
            start.chain(rows.iter().cloned()).collect()
        }
        Window::Tumble { size: WindowSize::Calendar(unit), .. } => start(longest_us(unit)).chain(rows.iter().cloned()).collect(),
    }
}

/// Of pairs for which a condition says that two columns are equal, each moved by so much: a pair is final once both of its rows are.
fn joined((left, right): (&[Settled], &[Settled]), width: usize, kind: JoinKind, condition: &Expr) -> Vec<Settled> {
    let Some((l, r, later_us)) = met(condition, width) else { return Vec::new() };
    let pairs = left.iter().filter(|of| of.column == l);
    let pairs = pairs.flat_map(move |of| right.iter().filter(move |of| of.column == r).map(move |other| (of, other)));
    // Rows that found no other say nothing of the other side's column.
    let is_there = |of_left: bool| match kind {
        JoinKind::Inner => true,
        JoinKind::Left => of_left,
        JoinKind::Right => !of_left,
        JoinKind::Full => false,
    };
    let one = |of: &Settled, other: &Settled, by: Option<i64>, (column, is_left): (usize, bool)| {
        let final_at = of.final_at.max(other.final_at.later(by?)?)?;
        Some(Settled { column, final_at, reached: of.reached_as(|reached| Some(reached).filter(|_| is_there(is_left))) })
    };
    let both = |(of_left, of_right): (&Settled, &Settled)| {
        [one(of_left, of_right, Some(later_us), (l, true)), one(of_right, of_left, later_us.checked_neg(), (r + width, false))]
    };
    pairs.flat_map(both).flatten().collect()
}
