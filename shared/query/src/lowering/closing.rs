//! Results that are put out once, when their windows close (`EMIT ON WINDOW CLOSE`): for a stream that keeps what is open and nothing else.

use std::convert::Infallible;

use crate::plan::{Late, Node, NotLowered, Plan};
use crate::query::Query;
use crate::types::*;

const NOT_FINAL: &str = "EMIT ON WINDOW CLOSE puts a row out once, and this may change it after its window has closed: join by the window, as in ON a.window_start = b.window_start, and let a subquery go by it, as in \
                         WHERE s.window_start = t.window_start or (window_start, x) IN (SELECT window_start, ...), each over the same WATERMARK; or leave EMIT out, and rows are corrected as they change";

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
    /// The plan as groups that are put out when their windows close; `None` for one that does not ask for that, and for one of another shape each of whose rows comes when it is final, so that
    /// whoever keeps them as they come and go puts each out once.
    ///
    /// # Errors
    /// What of it may still change once the window has closed.
    pub fn closing(&self) -> Result<Option<Closing>, NotLowered> {
        let mut found = None;
        let plan = self.without_close(&mut found);
        let Some((groups, condition, late)) = found else { return Ok(None) };
        match self.as_closing(&plan, groups, condition, &late) {
            Err(_) if self.is_let_through_finally() => Ok(None),
            closing => closing.map(Some),
        }
    }

    /// Whether each of its rows is let through when it is final.
    pub(crate) fn is_let_through_finally(&self) -> bool {
        let mut lates = Vec::new();
        self.lets_through_by(&mut lates);
        !lates.is_empty() && self.is_settled(&lates)
    }

    /// The watermarks by which it lets rows through, each once.
    fn lets_through_by(&self, lates: &mut Vec<Late>) {
        if let Some((_, _, late)) = self.on_close()
            && !lates.contains(&late)
        {
            lates.push(late);
        }
        self.inputs().into_iter().for_each(|input| input.lets_through_by(lates));
    }

    /// The groups of a plan, of which those are let through whose condition is TRUE.
    fn as_closing(&self, plan: &Plan, groups: Plan, condition: Expr, late: &Late) -> Result<Closing, NotLowered> {
        let mut query = plan.lower().map_err(|e| NotLowered { message: NOT_FINAL.to_owned(), ..e })?;
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
        Ok(Closing { query, late: late.clone(), end })
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

    /// Rows that are final when they come need nobody who knows of windows.
    #[test]
    fn what_is_final_when_it_comes_is_put_out_by_whoever_keeps_rows() {
        let is = |sql: String| assert_eq!(closing(&format!("{sql} EMIT ON WINDOW CLOSE")), Ok(None), "{sql}");
        for window in ["TUMBLE", "HOP", "CUMULATE", "SESSION"] {
            let (of, counted) = (over(window), format!("(SELECT window_end, COUNT(*) AS c FROM {} GROUP BY window_end)", over(window)));
            let by = "GROUP BY window_start, window_end";
            is(format!("SELECT window_end, n FROM {of}"));
            is(format!(
                "SELECT window_end, COUNT(*) AS c FROM {of} t WHERE (window_end, n) IN (SELECT window_end, MAX(n) FROM {of} GROUP BY window_end) {by}"
            ));
            is(format!(
                "SELECT window_end, COUNT(*) AS c FROM {of} t WHERE EXISTS (SELECT 1 FROM {of} s WHERE s.n = t.n + 1 AND s.window_end = t.window_end) {by}"
            ));
            is(format!(
                "SELECT window_end, COUNT(*) AS c FROM {of} t WHERE n NOT IN (SELECT s.n FROM {of} s WHERE s.window_end = t.window_end AND s.n > 3) {by}"
            ));
            is(format!(
                "SELECT t.window_end, COUNT(*) AS c FROM {of} t JOIN {of} s ON s.window_end = t.window_end AND s.n > t.n GROUP BY t.window_start, t.window_end"
            ));
            is(format!(
                "SELECT window_end, n, ROW_NUMBER() OVER (PARTITION BY window_end ORDER BY COUNT(*)) AS place FROM {of} GROUP BY window_start, window_end, n"
            ));
            is(format!(
                "SELECT window_end, COUNT(*) AS c, (SELECT s.c FROM {counted} s WHERE s.window_end = t.window_end ORDER BY s.c LIMIT 1) AS d FROM {of} t {by}"
            ));
            is(format!(
                "SELECT window_end, COUNT(*) AS c FROM {of} t {by} HAVING COUNT(*) > (SELECT AVG(s.c) FROM {counted} s WHERE s.window_end = t.window_end)"
            ));
        }
        is("SELECT n FROM WATERMARK(TABLE t, DESCRIPTOR(at), INTERVAL '5' SECOND)".to_owned());
        let month = over("TUMBLE").replace("INTERVAL '1' HOUR)", "INTERVAL '1' MONTH)");
        is(format!(
            "SELECT t.window_start, s.n, COUNT(*) AS c FROM {month} t JOIN {month} s ON s.window_start = t.window_start GROUP BY t.window_start, s.n"
        ));
        is(format!("SELECT window_start, n, GROUPING(n) AS g, COUNT(*) AS c FROM {} GROUP BY window_start, ROLLUP (n)", over("TUMBLE")));
        let stricter = over("TUMBLE").replace("'5' SECOND", "'3' SECOND");
        is(format!(
            "SELECT window_end, COUNT(*) AS c FROM {} t WHERE EXISTS (SELECT 1 FROM {stricter} s WHERE s.window_start = t.window_start) GROUP BY window_end",
            over("TUMBLE")
        ));
        let before = "s.window_end = t.window_start";
        is(format!(
            "SELECT window_end, COUNT(*) AS c FROM {0} t WHERE EXISTS (SELECT 1 FROM {0} s WHERE {before}) GROUP BY window_end",
            over("TUMBLE")
        ));
    }

    #[test]
    fn what_may_change_after_its_window_is_refused() {
        let of = over("TUMBLE");
        let counts = |rest: &str| {
            format!("SELECT window_end, COUNT(*) AS c FROM {of} t {rest} GROUP BY window_start, window_end EMIT ON WINDOW CLOSE")
        };
        let refused = |sql: &str| {
            let plan = closing(sql);
            assert!(plan.as_ref().is_err_and(|e| e == NOT_FINAL), "{sql}: {plan:?}");
        };
        refused(&counts("WHERE n IN (SELECT n FROM t)"));
        refused(&counts(&format!("WHERE n IN (SELECT n FROM {of})")));
        refused(&counts("WHERE EXISTS (SELECT 1 FROM t s WHERE s.at = t.at)"));
        refused(&counts("WHERE n > (SELECT AVG(n) FROM t)"));
        let lax = of.replace("'5' SECOND", "'7' SECOND");
        refused(&counts(&format!("WHERE EXISTS (SELECT 1 FROM {lax} s WHERE s.window_start = t.window_start)")));
        // Of the window behind its own.
        refused(&counts(&format!("WHERE EXISTS (SELECT 1 FROM {of} s WHERE s.window_start = t.window_end)")));
        refused(&counts(&format!(
            "WHERE EXISTS (SELECT 1 FROM {} s WHERE s.window_start = t.window_start)",
            over("TUMBLE").replace("'1' HOUR", "'2' HOUR")
        )));
        let other = of.replace("DESCRIPTOR(at), INTERVAL '1' HOUR", "DESCRIPTOR(other), INTERVAL '1' HOUR");
        refused(&counts(&format!("WHERE EXISTS (SELECT 1 FROM {other} s WHERE s.window_start = t.window_start)")));
        let all = format!(
            "SELECT window_end, COUNT(*) AS c, SUM(COUNT(*)) OVER (ORDER BY window_start) AS s FROM {of} GROUP BY window_start, window_end EMIT ON WINDOW CLOSE"
        );
        refused(&all);
        let session = over("SESSION");
        refused(&format!("SELECT t.n FROM {session} t JOIN {session} s ON s.window_start = t.window_start EMIT ON WINDOW CLOSE"));
    }

    #[test]
    fn what_a_stream_cannot_close_is_refused() {
        let refused = |sql: &str| closing(sql).unwrap_err();
        let other = format!(
            "SELECT window_start, COUNT(*) AS n FROM {} GROUP BY window_start EMIT ON WINDOW CLOSE",
            over("TUMBLE").replace("DESCRIPTOR(at), INTERVAL '1' HOUR", "DESCRIPTOR(other), INTERVAL '1' HOUR")
        );
        assert!(refused(&other).contains("own time"), "{}", refused(&other));
    }
}
