//! Windows of event time: which ones a timestamp falls in, and what their ends are.
//!
//! Semantics and names are those of Flink's windowing table functions. A window holds its start and not its end. A timestamp whose window begins before the first
//! 64-bit microsecond, or ends after the last, is an error ([`EvalError::OutOfRange`]).

use serde::{Deserialize, Serialize};

use crate::function::Function;
use crate::types::*;

/// How a stream is cut into windows. All lengths are positive microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Window {
    /// One after the other. `offset_us` moves windows of a fixed size away from 1970-01-01 UTC: `[s, s + size)` with `s = t - ((t - offset) mod size)`.
    Tumble { size: WindowSize, offset_us: i64 },
    /// One begins at every `slide`, each `size` long: all `[s, s + size)` with `s` congruent to `offset` modulo `slide` and `s <= t < s + size`. There are gaps where
    /// `slide` is greater.
    Hop { slide_us: i64, size_us: i64, offset_us: i64 },
    /// Within each tumbling window of `size`, of which `step` is a part: all that begin with it and end at a whole number of steps after `t`.
    Cumulate { step_us: i64, size_us: i64, offset_us: i64 },
    /// Of rows that are alike in the columns `by` (NULL is like NULL), in order of time: one that comes `gap` or more after the one before it begins a window. It
    /// starts with its first row and ends `gap` after its last.
    Session { gap_us: i64, by: Vec<usize> },
}

/// The length of a tumbling window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WindowSize {
    /// Microseconds; windows are aligned to 1970-01-01 UTC.
    Fixed(i64),
    /// Aligned to the calendar, in UTC.
    Calendar(TimeUnit),
}

impl Window {
    /// The columns that say which window a row is in. The other bound follows from the one that is there ([`Window::start`], [`Window::end`]).
    pub fn columns(&self) -> &'static [&'static str] {
        match self {
            Window::Tumble { .. } | Window::Hop { .. } => &["window_start"],
            Window::Cumulate { .. } => &["window_end"],
            Window::Session { .. } => &["window_start", "window_end"],
        }
    }

    /// How much earlier than a row's time the first of these columns can be, and how much later, in microseconds; a session's bounds depend on other rows.
    pub fn near_us(&self) -> Option<(i64, i64)> {
        match *self {
            Window::Tumble { size: WindowSize::Fixed(size_us), .. } | Window::Hop { size_us, .. } => Some((size_us - 1, 0)),
            Window::Tumble { size: WindowSize::Calendar(unit), .. } => Some((super::longest_us(unit) - 1, 0)),
            Window::Cumulate { size_us, .. } => Some((0, size_us)),
            Window::Session { .. } => None,
        }
    }

    /// The same window of an input that has `columns` more columns before its own.
    pub(crate) fn after(self, columns: usize) -> Self {
        match self {
            Window::Session { gap_us, by } => Window::Session { gap_us, by: by.into_iter().map(|i| i + columns).collect() },
            other => other,
        }
    }

    /// The window's start, over the columns that [`Window::columns`] names, the first of which is column `first`.
    pub fn start(&self, first: usize) -> Expr {
        let column = Expr::column(first, DataType::Timestamp);
        match *self {
            // A window's last moment is still within it.
            Window::Cumulate { size_us, offset_us, .. } => tumble(later(column, -1), size_us, offset_us),
            _ => column,
        }
    }

    /// The window's end, as [`Window::start`].
    pub fn end(&self, first: usize) -> Expr {
        let column = Expr::column(first, DataType::Timestamp);
        match *self {
            Window::Tumble { size, .. } => size.end(column),
            Window::Hop { size_us, .. } => later(column, size_us),
            Window::Cumulate { .. } => column,
            Window::Session { .. } => Expr::column(first + 1, DataType::Timestamp),
        }
    }
}

impl WindowSize {
    /// The start of the window that the timestamp falls in, windows of a fixed size being moved by `offset_us`.
    pub fn start(self, timestamp: Expr, offset_us: i64) -> Expr {
        match self {
            WindowSize::Fixed(size_us) => tumble(timestamp, size_us, offset_us),
            WindowSize::Calendar(unit) => {
                let arg = Box::new(timestamp);
                Expr::new(ExprKind::DateTrunc { unit, arg }, DataType::Timestamp)
            }
        }
    }

    /// The end of the window that starts there.
    pub fn end(self, start: Expr) -> Expr {
        let months = |start, months| {
            let months = Expr::literal(Value::Int(months), DataType::Int);
            Expr::call(Function::AddMonths, vec![start, months], DataType::Timestamp)
        };
        match self {
            WindowSize::Fixed(us) => later(start, us),
            WindowSize::Calendar(TimeUnit::Month) => months(start, 1),
            WindowSize::Calendar(TimeUnit::Quarter) => months(start, 3),
            WindowSize::Calendar(TimeUnit::Year) => months(start, 12),
            WindowSize::Calendar(_) => later(start, 7 * crate::time::US_PER_DAY),
        }
    }
}

/// The start of the tumbling window of `size_us` that the timestamp falls in.
pub(crate) fn tumble(timestamp: Expr, size_us: i64, offset_us: i64) -> Expr {
    let offset_us = offset_us.rem_euclid(size_us);
    let start = |arg: Expr| Expr::new(ExprKind::Tumble { arg: Box::new(arg), size_us }, DataType::Timestamp);
    if offset_us == 0 { start(timestamp) } else { later(start(later(timestamp, -offset_us)), offset_us) }
}

/// A timestamp so many microseconds later.
pub(crate) fn later(timestamp: Expr, us: i64) -> Expr {
    let by = Expr::literal(Value::Interval(us), DataType::Interval);
    Expr::binary(BinaryOp::Add, timestamp, by, DataType::Timestamp)
}
