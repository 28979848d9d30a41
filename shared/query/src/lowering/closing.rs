//! Results that are put out once, when their windows close (`EMIT ON WINDOW CLOSE`): for a stream that keeps what is open and nothing else.

use std::convert::Infallible;

use crate::plan::{Late, Node, NotLowered, Plan};
use crate::query::Query;
use crate::types::*;

/// A flat query, and when each of its groups is final.
///
/// ```
/// use arrow_schema::{DataType, Field, Schema, TimeUnit};
/// let at = Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, None), true);
/// let sql = "SELECT window_start, COUNT(*) AS n
///            FROM TUMBLE(TABLE WATERMARK(TABLE clicks, DESCRIPTOR(at), INTERVAL '5' SECOND), DESCRIPTOR(at), INTERVAL '1' MINUTE)
///            GROUP BY window_start EMIT ON WINDOW CLOSE";
/// let plan = twopath_query::logical_plan(sql, "clicks", &Schema::new(vec![at])).unwrap();
/// let closing = plan.closing().unwrap().unwrap();
/// assert_eq!(closing.late.delay_us, 5_000_000);
/// assert_eq!(closing.query.answer_columns().len(), 2);
/// assert!(closing.query.finish.is_none(), "groups, and nothing above them");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Closing {
    /// Whose groups are put out. Its last aggregate is the least event time of a group's records.
    pub query: Query,
    /// What it leaves out, by the same watermark.
    pub late: Late,
    /// When a group's window ends, over the groups that answers are made of, as HAVING is: once the watermark has reached that, the group is final.
    pub end: Expr,
}

impl Plan {
    /// The plan as groups that are put out when their windows close; `None` for one that does not ask for that.
    ///
    /// # Errors
    /// What more than that it asks for.
    pub fn closing(&self) -> Result<Option<Closing>, NotLowered> {
        let mut found = None;
        let plan = self.without_close(&mut found);
        let Some((groups, condition, late)) = found else { return Ok(None) };
        let mut query = plan.lower()?;
        let ExprKind::Binary { op: BinaryOp::LessOrEqual, left: end, .. } = condition.kind else {
            return Err(
                self.refused("EMIT ON WINDOW CLOSE of rows that are in no window is answered by twopath query alone: GROUP BY a window")
            );
        };
        let column = NamedExpr { name: "end".into(), expr: *end };
        let mut ends = Plan::new(Node::Project { input: Box::new(groups), columns: vec![column] }, self.span.clone()).lower()?;
        let end = ends.output.swap_remove(0).expr;
        let same_groups =
            (&ends.keys, &ends.aggregates, &ends.panes, &ends.filter) == (&query.keys, &query.aggregates, &query.panes, &query.filter);
        if query.rows || !same_groups || !closes_by(&query, &end, late.time) {
            let what = "EMIT ON WINDOW CLOSE is kept by a stream where rows are grouped by windows of the watermark's own time; ask anything else with twopath query";
            return Err(self.refused(what));
        }
        let time = Expr::column(late.time, DataType::Timestamp);
        query.aggregates.push(Aggregate::new(AggregateFunction::Min, Some(time)));
        Ok(Some(Closing { query, late, end }))
    }

    /// The plan whose groups show at once, and what was taken out: its input, the condition and the watermark.
    fn without_close(&self, found: &mut Option<(Plan, Expr, Late)>) -> Plan {
        if let Some((input, condition, late)) = self.on_close() {
            *found = Some((input.clone(), condition.clone(), late));
            return input.clone();
        }
        let Ok(plan) = self.try_map_inputs(&mut |input| Ok::<_, Infallible>(input.without_close(found)));
        plan
    }
}

/// Whether the end of a group's window goes by the event time of the topic, as its watermark does.
fn closes_by(query: &Query, end: &Expr, time: usize) -> bool {
    let is_time = |e: &Expr| {
        let mut is = true;
        e.visit(&mut |e| {
            is &= match e.kind {
                ExprKind::Column(i) => i == time,
                ExprKind::Literal(_) | ExprKind::Binary { .. } | ExprKind::Tumble { .. } | ExprKind::DateTrunc { .. } => true,
                _ => false,
            }
        });
        is
    };
    match &query.panes {
        Some(panes) => panes.time == Expr::column(time, DataType::Timestamp),
        None => {
            let (mut keys, mut all_are) = (0, true);
            end.visit(&mut |e| {
                if let ExprKind::Column(i) = e.kind {
                    keys += 1;
                    all_are &= query.keys.get(i).is_some_and(|key| is_time(&key.expr));
                }
            });
            keys > 0 && all_are
        }
    }
}

impl Closing {
    /// Which aggregate is the least event time of a group's records.
    pub fn first(&self) -> usize {
        self.query.aggregates.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType as Arrow, Field, Schema, TimeUnit};

    use super::*;

    fn closing(sql: &str) -> Result<Option<Closing>, String> {
        let time = |name: &str| Field::new(name, Arrow::Timestamp(TimeUnit::Microsecond, None), true);
        let schema = Schema::new(vec![time("at"), Field::new("n", Arrow::Int64, false), time("other")]);
        crate::logical_plan(sql, "t", &schema).unwrap().closing().map_err(|e| e.message)
    }

    fn over(window: &str) -> String {
        let times = match window {
            "HOP" | "CUMULATE" => "INTERVAL '1' MINUTE, INTERVAL '1' HOUR",
            _ => "INTERVAL '1' HOUR",
        };
        format!("{window}(TABLE WATERMARK(TABLE t, DESCRIPTOR(at), INTERVAL '5' SECOND), DESCRIPTOR(at), {times})")
    }

    #[test]
    fn every_kind_of_window_closes() {
        for window in ["TUMBLE", "HOP", "CUMULATE", "SESSION"] {
            let sql =
                format!("SELECT window_end, COUNT(*) AS n FROM {} GROUP BY window_start, window_end HAVING COUNT(*) > 1", over(window));
            assert_eq!(closing(&sql), Ok(None), "not without EMIT");
            let closing = closing(&format!("{sql} EMIT ON WINDOW CLOSE")).unwrap().unwrap();
            assert_eq!((closing.late.delay_us, closing.query.rows), (5_000_000, false), "{window}");
            assert!(closing.query.having.is_some() && closing.query.filter.is_some() && closing.query.finish.is_none());
            let first = &closing.query.aggregates[closing.first()];
            assert_eq!((first.function, first.args().count()), (AggregateFunction::Min, 1));
        }
    }

    #[test]
    fn what_a_stream_cannot_close_is_refused() {
        let refused = |sql: &str| closing(sql).unwrap_err();
        let rows = "SELECT n FROM WATERMARK(TABLE t, DESCRIPTOR(at), INTERVAL '5' SECOND) EMIT ON WINDOW CLOSE";
        assert!(refused(rows).contains("GROUP BY a window"), "{}", refused(rows));
        let of_windows = format!("SELECT window_start, n FROM {} EMIT ON WINDOW CLOSE", over("TUMBLE"));
        assert!(refused(&of_windows).contains("grouped by windows"), "{}", refused(&of_windows));
        let other = format!(
            "SELECT window_start, COUNT(*) AS n FROM {} GROUP BY window_start EMIT ON WINDOW CLOSE",
            over("TUMBLE").replace("DESCRIPTOR(at), INTERVAL '1' HOUR", "DESCRIPTOR(other), INTERVAL '1' HOUR")
        );
        assert!(refused(&other).contains("own time"), "{}", refused(&other));
    }
}
