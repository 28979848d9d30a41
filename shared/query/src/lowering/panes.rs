//! Windows that overlap, or end where the rows do, as groups by pane: see [`Panes`].

use crate::plan::{NotLowered, Plan, Window, later, tumble};
use crate::query::{PanedWindows, Panes};
use crate::types::*;

/// While a plan is lowered, the columns that say which window a row is in are `WINDOW` and, of sessions, `WINDOW + 1`.
pub(super) const WINDOW: usize = 1 << 40;

/// A window of rows, before it is known what they are grouped by.
#[derive(Clone)]
pub(super) struct Paned {
    pub window: Window,
    /// Over the topic's columns.
    pub time: Expr,
    /// What sessions are cut by, over the topic's columns.
    pub by: Vec<Expr>,
}

/// Groups by pane, and what the columns of a group by window are over them.
pub(super) struct Grouped {
    pub keys: Vec<NamedExpr>,
    pub aggregates: Vec<Aggregate>,
    pub columns: Vec<Expr>,
    pub panes: Panes,
}

impl Paned {
    /// Groups by these keys, one of which says the window.
    ///
    /// # Errors
    /// Where the groups are not those of whole windows; they can be made of rows, one for each window.
    pub fn grouped(&self, keys: Vec<NamedExpr>, mut aggregates: Vec<Aggregate>, plan: &Plan) -> Result<Grouped, NotLowered> {
        let refused = || plan.not_flat("a grouping that is not by whole windows");
        let is_session = matches!(self.window, Window::Session { .. });
        let is_window = |e: &Expr| matches!(e.kind, ExprKind::Column(i) if i == WINDOW || is_session && i == WINDOW + 1);
        let others = || keys.iter().filter(|k| !is_window(&k.expr));
        let args = aggregates.iter().flat_map(Aggregate::args);
        if args.chain(others().map(|k| &k.expr)).any(reads_window) || !keys.iter().any(|k| is_window(&k.expr)) {
            return Err(refused());
        }
        // A session is one of rows that are alike in certain columns: the groups are those.
        if is_session && !(others().all(|k| self.by.contains(&k.expr)) && self.by.iter().all(|by| others().any(|k| k.expr == *by))) {
            return Err(refused());
        }
        let mut grouped: Vec<NamedExpr> = Vec::new();
        let mut pane = None;
        let mut places = Vec::new();
        for key in &keys {
            if is_window(&key.expr) {
                let at = *pane.get_or_insert_with(|| {
                    grouped.push(NamedExpr { name: key.name.clone(), expr: self.pane() });
                    grouped.len() - 1
                });
                places.push(at);
            } else {
                grouped.push(key.clone());
                places.push(grouped.len() - 1);
            }
        }
        let key = pane.ok_or_else(refused)?;
        let results: Vec<DataType> = aggregates.iter().map(Aggregate::data_type).collect();
        let windows = self.windows(&mut aggregates);
        let columns = keys.iter().zip(places).map(|(k, place)| match (&k.expr.kind, windows) {
            (ExprKind::Column(i), PanedWindows::Session { gap_us, last, .. }) if *i == WINDOW + 1 => {
                later(Expr::column(grouped.len() + last, DataType::Timestamp), gap_us)
            }
            _ => Expr::column(place, k.expr.data_type),
        });
        let of_aggregates = results.into_iter().enumerate().map(|(i, t)| Expr::column(grouped.len() + i, t));
        let columns = columns.chain(of_aggregates).collect();
        let panes = Panes { key, time: self.time.clone(), windows };
        Ok(Grouped { keys: grouped, aggregates, columns, panes })
    }

    /// The start of a row's pane.
    pub fn pane(&self) -> Expr {
        let (length, offset) = match self.window {
            Window::Hop { slide_us, size_us, offset_us } => (gcd(slide_us, size_us), offset_us),
            Window::Cumulate { step_us, offset_us, .. } => (step_us, offset_us),
            Window::Session { gap_us, .. } => (gap_us, 0),
            Window::Tumble { .. } => unreachable!("windows that do not overlap have no panes"),
        };
        tumble(self.time.clone(), length, offset)
    }

    /// The windows of groups with these aggregates, to which sessions add their ends.
    pub fn windows(&self, aggregates: &mut Vec<Aggregate>) -> PanedWindows {
        let mut index = |function| {
            let wanted = Aggregate::new(function, Some(self.time.clone()));
            aggregates.iter().position(|a| *a == wanted).unwrap_or_else(|| {
                aggregates.push(wanted);
                aggregates.len() - 1
            })
        };
        match self.window {
            Window::Hop { slide_us, size_us, offset_us } => PanedWindows::Hop { slide_us, size_us, offset_us },
            Window::Cumulate { step_us, size_us, offset_us } => PanedWindows::Cumulate { step_us, size_us, offset_us },
            Window::Session { gap_us, .. } => {
                PanedWindows::Session { gap_us, first: index(AggregateFunction::Min), last: index(AggregateFunction::Max) }
            }
            Window::Tumble { .. } => unreachable!("windows that do not overlap have no panes"),
        }
    }

    /// Rows without a time are in no window.
    pub fn condition(&self) -> Expr {
        Expr::new(ExprKind::IsNull { arg: Box::new(self.time.clone()), negated: true }, DataType::Bool)
    }
}

/// Whether the expression reads a column that says the window.
pub(super) fn reads_window(expr: &Expr) -> bool {
    expr.reads(|i| i >= WINDOW)
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
