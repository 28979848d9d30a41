//! What a plan says of the values in a column: whether one of them is NULL, and whether they are all one value.

use twopath_base::LogColumn;

use super::{JoinKind, Node, OverFunction, Plan, Window};
use crate::types::*;

/// Of the values that a column has in the rows of a plan.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Known {
    /// They are all this one, or NULL in all rows.
    One(Value),
    /// None of them is NULL.
    NoNull,
    Nothing,
}

impl Known {
    fn is_null(&self) -> bool {
        *self == Known::One(Value::Null)
    }

    pub fn is_no_null(&self) -> bool {
        matches!(self, Known::One(value) if *value != Value::Null) || *self == Known::NoNull
    }

    /// Whether no value of the one is a value of the other.
    pub fn is_apart_from(&self, other: &Known) -> bool {
        use Value::{Bool, Int, Interval, Text, Timestamp};
        match (self, other) {
            // Numbers of several types, or of several digits, may differ and be equal.
            (Known::One(a), Known::One(b)) if !self.is_null() && !other.is_null() => {
                let is_plain = matches!(
                    (a, b),
                    (Bool(_), Bool(_)) | (Int(_), Int(_)) | (Text(_), Text(_)) | (Timestamp(_), Timestamp(_)) | (Interval(_), Interval(_))
                );
                is_plain && a != b
            }
            _ => self.is_null() && other.is_no_null() || self.is_no_null() && other.is_null(),
        }
    }
}

impl Plan {
    /// What the plan says of a column.
    pub(super) fn known(&self, column: usize) -> Known {
        let no_null_if = |is: bool| if is { Known::NoNull } else { Known::Nothing };
        match &self.node {
            Node::Scan { fields, .. } => no_null_if(match fields.get(column) {
                Some(field) => !field.nullable,
                None => column != LogColumn::Watermark.index(fields.len()),
            }),
            Node::Input { .. } => Known::Nothing,
            Node::Filter { input, condition } => {
                let below = input.known(column);
                let it = |e: &Expr| e.kind == ExprKind::Column(column);
                match condition.conjuncts().into_iter().find_map(|c| value_of(c, column)) {
                    Some(value) if !matches!(below, Known::One(_)) => Known::One(value.clone()),
                    _ if below == Known::Nothing => no_null_if(asks_for(condition, it)),
                    _ => below,
                }
            }
            Node::Project { input, columns } => input.known_of(&columns[column].expr),
            Node::Window { input, column: time, window } => match window {
                _ if column < input.columns().len() => input.known(column),
                // A row without a time is in a window of NULL.
                Window::Tumble { .. } => no_null_if(input.known(*time).is_no_null()),
                _ => Known::NoNull,
            },
            Node::Aggregate { input, keys, aggregates } => match keys.get(column) {
                Some(key) => input.known_of(&key.expr),
                None => no_null_if(is_count(&aggregates[column - keys.len()])),
            },
            Node::Over { input, calls } => match column.checked_sub(input.columns().len()) {
                None => input.known(column),
                Some(call) => no_null_if(match &calls[call].function {
                    OverFunction::RowNumber | OverFunction::Rank | OverFunction::DenseRank => true,
                    OverFunction::Aggregate(aggregate) => is_count(aggregate),
                    _ => false,
                }),
            },
            Node::Join { left, right, kind, .. } => of_sides((left, right), *kind, column),
            Node::AsOfJoin { left, right, kind, .. } | Node::TemporalJoin { left, right, kind, .. } => {
                of_sides((left, right), *kind, column)
            }
            Node::Union { inputs } => of_all(inputs.iter().map(|input| input.known(column)).collect()),
            Node::Values { rows, .. } => of_all(rows.iter().map(|row| self.known_of(&row[column])).collect()),
            Node::Sort { input, .. } | Node::Distinct { input } | Node::Limit { input, .. } | Node::Latest { input, .. } => {
                input.known(column)
            }
        }
    }

    /// What the plan says of an expression over its columns.
    fn known_of(&self, expr: &Expr) -> Known {
        match &expr.kind {
            ExprKind::Literal(value) => Known::One(value.clone()),
            ExprKind::Column(column) => self.known(*column),
            _ => {
                let is_no_null = |e: &Expr| matches!(e.kind, ExprKind::Column(column) if self.known(column).is_no_null());
                if never_null(expr, &is_no_null) { Known::NoNull } else { Known::Nothing }
            }
        }
    }

    /// Whether it is certain that it has no rows: a condition asks for a value that a column has in none.
    pub(super) fn is_empty(&self) -> bool {
        match &self.node {
            Node::Filter { input, condition } => {
                let never = |c: &Expr, column: usize| {
                    let known = input.known(column);
                    let is_other = value_of(c, column).is_some_and(|value| known.is_apart_from(&Known::One(value.clone())));
                    is_other || known.is_null() && asks_for(c, |e| e.kind == ExprKind::Column(column))
                };
                let columns = 0..input.columns().len();
                input.is_empty() || condition.conjuncts().into_iter().any(|c| columns.clone().any(|column| never(c, column)))
            }
            Node::Project { input, .. }
            | Node::Sort { input, .. }
            | Node::Distinct { input }
            | Node::Limit { input, .. }
            | Node::Over { input, .. }
            | Node::Window { input, .. } => input.is_empty(),
            _ => false,
        }
    }
}

/// Of parts of which all are known.
fn of_all(all: Vec<Known>) -> Known {
    match &all[..] {
        [first @ Known::One(_), rest @ ..] if rest.iter().all(|other| other == first) => first.clone(),
        all if all.iter().all(Known::is_no_null) => Known::NoNull,
        _ => Known::Nothing,
    }
}

/// Of a join: a side whose rows may be missing gives NULL.
fn of_sides((left, right): (&Plan, &Plan), kind: JoinKind, column: usize) -> Known {
    let (known, is_there) = match column.checked_sub(left.columns().len()) {
        None => (left.known(column), matches!(kind, JoinKind::Inner | JoinKind::Left)),
        Some(column) => (right.known(column), matches!(kind, JoinKind::Inner | JoinKind::Right)),
    };
    if is_there || known.is_null() { known } else { Known::Nothing }
}

fn is_count(aggregate: &Aggregate) -> bool {
    use AggregateFunction::{ApproxCountDistinct, Count, CountDistinct};
    matches!(aggregate.function, Count | CountDistinct | ApproxCountDistinct)
}

/// The one value that a condition leaves of a column.
fn value_of(condition: &Expr, column: usize) -> Option<&Value> {
    match &condition.kind {
        ExprKind::Binary { op: BinaryOp::Equal, left, right } if left.kind == ExprKind::Column(column) => match &right.kind {
            ExprKind::Literal(value) => Some(value),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a condition is TRUE only where an expression is not NULL.
fn asks_for(condition: &Expr, is_it: impl Fn(&Expr) -> bool) -> bool {
    condition.conjuncts().into_iter().any(|c| match &c.kind {
        ExprKind::IsNull { arg, negated: true } => is_it(arg),
        ExprKind::Binary { op, left, right } if op.is_comparison() => is_it(left) || is_it(right),
        _ => false,
    })
}

/// Whether an expression is NULL in no row, where `known` says so of parts of it.
fn never_null(expr: &Expr, known: &dyn Fn(&Expr) -> bool) -> bool {
    let is = |e: &Expr| never_null(e, known);
    let of_parts = match &expr.kind {
        ExprKind::Literal(value) => *value != Value::Null,
        ExprKind::IsNull { .. } => true,
        ExprKind::Unary { arg, .. }
        | ExprKind::Cast { arg }
        | ExprKind::Extract { arg, .. }
        | ExprKind::DateTrunc { arg, .. }
        | ExprKind::Tumble { arg, .. } => is(arg),
        ExprKind::Binary { left, right, .. } => is(left) && is(right),
        // COALESCE is one.
        ExprKind::Case { branches, otherwise } => {
            let of = |(condition, value): &(Expr, Expr)| never_null(value, &|e: &Expr| known(e) || asks_for(condition, |it| it == e));
            otherwise.as_deref().is_some_and(is) && branches.iter().all(of)
        }
        ExprKind::Column(_) | ExprKind::Call { .. } => false,
    };
    of_parts || known(expr)
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType as Arrow, Field, Schema, TimeUnit};

    use super::*;

    fn known(sql: &str) -> Known {
        let schema = Schema::new(vec![
            Field::new("k", Arrow::Utf8, false),
            Field::new("n", Arrow::Int64, true),
            Field::new("at", Arrow::Timestamp(TimeUnit::Microsecond, None), true),
        ]);
        crate::logical_plan(sql, "t", &schema).unwrap().known(0)
    }

    #[test]
    fn what_is_never_null() {
        let is = |sql: &str| assert_eq!(known(sql), Known::NoNull, "{sql}");
        is("SELECT k FROM t");
        is("SELECT _offset FROM t");
        is("SELECT n FROM t WHERE n IS NOT NULL");
        is("SELECT n + 1 FROM t WHERE n > 3 AND at IS NULL");
        is("SELECT COALESCE(n, _partition) FROM t");
        is("SELECT COALESCE(k, 'none') FROM t GROUP BY 1");
        is("SELECT COUNT(n) FROM t");
        is("SELECT ROW_NUMBER() OVER (ORDER BY n) FROM t");
        is("SELECT window_start FROM TUMBLE(TABLE (SELECT at FROM t WHERE at IS NOT NULL), DESCRIPTOR(at), INTERVAL '1' HOUR)");
        is("SELECT window_end FROM HOP(TABLE t, DESCRIPTOR(at), INTERVAL '1' HOUR, INTERVAL '2' HOUR)");
        is("SELECT a.k FROM t a LEFT JOIN t b ON a.n = b.n");
        is("SELECT k FROM t UNION ALL SELECT 'x' FROM t");
        is("SELECT v.x FROM (VALUES ('a'), ('b')) AS v (x), t");
        is("SELECT CASE WHEN n IS NOT NULL THEN n ELSE 0 END FROM t");
        is("SELECT DATE_TRUNC('day', at) FROM t WHERE at > TIMESTAMP '2013-01-01'");
    }

    #[test]
    fn what_may_be_null() {
        let is = |sql: &str| assert_eq!(known(sql), Known::Nothing, "{sql}");
        is("SELECT n FROM t");
        is("SELECT _watermark FROM t");
        is("SELECT n FROM t WHERE n IS NULL OR n > 3");
        is("SELECT COALESCE(n, n + 1) FROM t");
        is("SELECT MAX(n) FROM t");
        is("SELECT window_start FROM TUMBLE(TABLE t, DESCRIPTOR(at), INTERVAL '1' HOUR)");
        is("SELECT b.k FROM t a LEFT JOIN t b ON a.n = b.n");
        is("SELECT a.k FROM t a FULL JOIN t b ON a.n = b.n");
        is("SELECT k FROM t UNION ALL SELECT NULL FROM t");
        is("SELECT v.x FROM (VALUES ('a'), (NULL)) AS v (x), t");
        is("SELECT CASE WHEN n > 1 THEN k END FROM t");
        is("SELECT CASE WHEN n = 1 OR n > 4 THEN n ELSE 0 END FROM t");
        is("SELECT NULLIF(k, 'x') FROM t");
    }

    #[test]
    fn what_is_one_value() {
        let text = |text: &str| Known::One(Value::Text(text.into()));
        assert_eq!(known("SELECT 'a' AS kind FROM t"), text("a"));
        assert_eq!(known("SELECT k FROM t WHERE k = 'a'"), text("a"));
        assert_eq!(known("SELECT NULL FROM t"), Known::One(Value::Null));
        assert_eq!(known("SELECT x FROM (SELECT 'a' AS x FROM t UNION ALL SELECT 'a' FROM t) s"), text("a"));
        assert_eq!(known("SELECT x FROM (SELECT 'a' AS x FROM t UNION ALL SELECT 'b' FROM t) s"), Known::NoNull);
        let (one, two, null) = (Known::One(Value::Int(1)), Known::One(Value::Int(2)), Known::One(Value::Null));
        assert!(one.is_apart_from(&two) && one.is_apart_from(&null) && null.is_apart_from(&Known::NoNull));
        assert!(!one.is_apart_from(&one) && !null.is_apart_from(&null) && !one.is_apart_from(&Known::NoNull));
        assert!(!Known::NoNull.is_apart_from(&Known::Nothing) && !null.is_apart_from(&Known::Nothing));
        let float = |f| Known::One(Value::Float(f));
        assert!(!float(0.0).is_apart_from(&float(-0.0)));
    }
}
