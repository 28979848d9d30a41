//! What is late: a record against the watermark of its own partition, as the log has it.

use std::ops::Range;

use twopath_base::LogColumn;

use super::{JoinKind, Node, Plan, later};
use crate::display::identifier;
use crate::time;
use crate::types::*;

/// What `WATERMARK` leaves out of a topic: records whose event time is more than a delay before the greatest of all records of their partition that were appended
/// before them. The log alone decides it, so that whoever looks finds the same records.
///
/// ```
/// use arrow_schema::{DataType, Field, Schema, TimeUnit};
/// let at = Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, None), true);
/// let sql = "SELECT COUNT(*) FROM WATERMARK(TABLE flights, DESCRIPTOR(at), INTERVAL '5' MINUTE)";
/// let plan = twopath_query::logical_plan(sql, "flights", &Schema::new(vec![at])).unwrap();
/// assert_eq!(plan.late()[0].sql(), "SELECT * FROM flights WHERE at < _watermark - INTERVAL '00:05:00'");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Late {
    pub topic: String,
    /// The topic's columns.
    pub fields: Vec<Field>,
    /// Which of them is the event time.
    pub time: usize,
    /// How much later than newer ones a record may come, in microseconds.
    pub delay_us: i64,
    /// After how long, in microseconds of the log's clock, a partition without a record no longer holds up the topic's watermark; `None` if it always does. What is late in a
    /// partition does not depend on it.
    pub idle_us: Option<i64>,
}

impl Late {
    /// TRUE for a record that is not late; one without an event time is not, nor one that has none before it.
    pub fn in_time(&self) -> Expr {
        let time = Expr::column(self.time, DataType::Timestamp);
        let watermark = Expr::column(LogColumn::Watermark.index(self.fields.len()), DataType::Timestamp);
        let is_null = |e: &Expr| Expr::new(ExprKind::IsNull { arg: Box::new(e.clone()), negated: false }, DataType::Bool);
        let either = |a, b| Expr::binary(BinaryOp::Or, a, b, DataType::Bool);
        let in_time = Expr::binary(BinaryOp::GreaterOrEqual, time.clone(), later(watermark.clone(), -self.delay_us), DataType::Bool);
        either(either(is_null(&time), is_null(&watermark)), in_time)
    }

    /// The watermark of a topic whose records this condition lets through: whether the condition, made anew, is this one.
    pub fn of_condition(topic: &str, fields: &[Field], condition: &Expr) -> Option<Late> {
        let ExprKind::Binary { right: in_time, .. } = &condition.kind else { return None };
        let ExprKind::Binary { left: time, right: least, .. } = &in_time.kind else { return None };
        let ExprKind::Binary { right: delay, .. } = &least.kind else { return None };
        let (ExprKind::Column(time), ExprKind::Literal(Value::Interval(us))) = (&time.kind, &delay.kind) else { return None };
        let late = Late { topic: topic.to_owned(), fields: fields.to_vec(), time: *time, delay_us: us.checked_neg()?, idle_us: None };
        (*time < fields.len() && late.in_time() == *condition).then_some(late)
    }

    /// The topic's watermark, as one row: the least of those at the ends of its partitions, of which those without a record do not count, nor those that are idle: whose newest
    /// record arrived longer before the newest of all that count than [`Late::idle_us`].
    pub(crate) fn watermark(&self, topic: Plan, span: &Range<usize>) -> Plan {
        let at = |node| Plan::new(node, span.clone());
        let timestamp = |i| Expr::column(i, DataType::Timestamp);
        let partition = Expr::column(LogColumn::Partition.index(self.fields.len()), DataType::Int);
        let extreme = |function, i| Aggregate::new(function, Some(timestamp(i)));
        let keys = vec![NamedExpr { name: "partition".into(), expr: partition }];
        let known = Expr::new(ExprKind::IsNull { arg: Box::new(timestamp(1)), negated: true }, DataType::Bool);
        let mut aggregates = vec![extreme(AggregateFunction::Max, self.time)];
        if self.idle_us.is_some() {
            aggregates.push(extreme(AggregateFunction::Max, LogColumn::Arrival.index(self.fields.len())));
        }
        let newest = at(Node::Aggregate { input: Box::new(topic), keys, aggregates });
        let spoken = at(Node::Filter { input: Box::new(newest), condition: known });
        let counted = match self.idle_us {
            None => spoken,
            Some(idle_us) => {
                let aggregates = vec![extreme(AggregateFunction::Max, 2)];
                let latest = at(Node::Aggregate { input: Box::new(spoken.clone()), keys: Vec::new(), aggregates });
                let both = Node::Join { left: Box::new(spoken), right: Box::new(latest), kind: JoinKind::Inner, on: None };
                let condition = Expr::binary(BinaryOp::GreaterOrEqual, timestamp(2), later(timestamp(3), -idle_us), DataType::Bool);
                at(Node::Filter { input: Box::new(at(both)), condition })
            }
        };
        let aggregates = vec![extreme(AggregateFunction::Min, 1)];
        let least = at(Node::Aggregate { input: Box::new(counted), keys: Vec::new(), aggregates });
        let columns = vec![NamedExpr { name: "watermark".into(), expr: later(timestamp(0), -self.delay_us) }];
        at(Node::Project { input: Box::new(least), columns })
    }

    /// A text that asks for the late records. It names the log's own `_watermark`, which a topic's own column of that name would hide ([`Late::is_hidden`]).
    pub fn sql(&self) -> String {
        let (topic, column) = (identifier(&self.topic), identifier(&self.fields[self.time].name));
        let watermark = LogColumn::Watermark.name();
        format!("SELECT * FROM {topic} WHERE {column} < {watermark} - INTERVAL '{}'", time::format_interval(self.delay_us))
    }

    /// Whether a column of the topic hides the log's watermark from SQL texts.
    pub fn is_hidden(&self) -> bool {
        self.fields.iter().any(|f| f.name.eq_ignore_ascii_case(LogColumn::Watermark.name()))
    }
}

impl Plan {
    /// What the plan leaves out of its topics because it is late, each once, in the order of the text.
    pub fn late(&self) -> Vec<Late> {
        let mut found: Vec<Late> = self.inputs().into_iter().flat_map(Plan::late).collect();
        found.extend(self.left_out());
        let mut each = Vec::new();
        for late in found {
            if !each.contains(&late) {
                each.push(late);
            }
        }
        each
    }

    /// Of an operator that lets through what is final (`EMIT ON WINDOW CLOSE`): its input, and the condition that a watermark must be met by. The watermark is that of
    /// what its input leaves out, made anew.
    pub(crate) fn on_close(&self) -> Option<(&Plan, &Expr, Late)> {
        let Node::Filter { input, condition } = &self.node else { return None };
        let Node::Join { left, right, kind: JoinKind::Inner, on: None } = &input.node else { return None };
        let idle_us = right.idle();
        let is_watermark = |late: &Late| late.watermark(right.scan()?.clone(), &right.span).eq(&**right).then_some(());
        let late = left.late().into_iter().map(|late| Late { idle_us, ..late }).find(|late| is_watermark(late).is_some())?;
        Some((left, condition, late))
    }

    /// Of a topic's watermark: when a partition is idle.
    fn idle(&self) -> Option<i64> {
        let Node::Project { input, .. } = &self.node else { return None };
        let Node::Aggregate { input, .. } = &input.node else { return None };
        let Node::Filter { condition, .. } = &input.node else { return None };
        let ExprKind::Binary { right: least, .. } = &condition.kind else { return None };
        let ExprKind::Binary { right: idle, .. } = &least.kind else { return None };
        let ExprKind::Literal(Value::Interval(us)) = &idle.kind else { return None };
        us.checked_neg()
    }

    /// Whether this operator is a watermark's filter.
    pub(super) fn left_out(&self) -> Option<Late> {
        let Node::Filter { input, condition } = &self.node else { return None };
        let Node::Scan { topic, fields } = &input.node else { return None };
        Late::of_condition(topic, fields, condition)
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType as Arrow, Field, Schema, TimeUnit};

    fn late(sql: &str) -> Vec<(usize, i64)> {
        let time = |name: &str| Field::new(name, Arrow::Timestamp(TimeUnit::Microsecond, None), true);
        let schema = Schema::new(vec![time("at"), Field::new("n", Arrow::Int64, false), time("Seen")]);
        let plan = crate::logical_plan(sql, "t", &schema).unwrap();
        let late = plan.late();
        for late in &late {
            // The text asks for what the condition leaves out, and is one that is understood.
            let query = crate::parse(&late.sql(), "t", &schema).unwrap();
            assert_eq!(query.output.len(), 3, "{query}");
        }
        late.iter().map(|late| (late.time, late.delay_us)).collect()
    }

    #[test]
    fn each_watermark_once() {
        let of = |column: &str, seconds: &str| format!("WATERMARK(TABLE t, DESCRIPTOR({column}), INTERVAL '{seconds}' SECOND)");
        assert_eq!(late("SELECT n FROM t WHERE n > 1"), []);
        assert_eq!(late(&format!("SELECT n FROM {} WHERE n > 1", of("at", "5"))), [(0, 5_000_000)]);
        assert_eq!(late(&format!("SELECT n FROM {}", of("\"Seen\"", "0"))), [(2, 0)]);
        let both =
            format!("SELECT a.n FROM {} a JOIN {} b ON a.n = b.n JOIN {} c ON c.n = b.n", of("at", "5"), of("at", "0.25"), of("at", "5"));
        assert_eq!(late(&both), [(0, 5_000_000), (0, 250_000)]);
        let final_ones = format!(
            "SELECT window_end, COUNT(*) FROM TUMBLE(TABLE {}, DESCRIPTOR(at), INTERVAL '1' HOUR) GROUP BY window_end EMIT ON WINDOW CLOSE",
            of("at", "7")
        );
        assert_eq!(late(&final_ones), [(0, 7_000_000)]);
    }
}
