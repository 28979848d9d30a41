//! Which columns tell a plan's rows apart.

use std::ops::Range;

use twopath_base::LogColumn;

use super::{JoinKind, Node, OverFunction, Plan, Window};
use crate::types::*;

impl Plan {
    /// Columns of the plan that name a row: no two rows have the same values in them. Ascending; none where everything is one row; `None` where the plan does not say.
    ///
    /// ```
    /// use arrow_schema::{DataType, Field, Schema};
    /// let schema = Schema::new(vec![Field::new("k", DataType::Utf8, false), Field::new("n", DataType::Int64, true)]);
    /// let key = |sql: &str| twopath_query::logical_plan(sql, "t", &schema).unwrap().row_key();
    /// assert_eq!(key("SELECT COUNT(*) AS n, k FROM t GROUP BY k"), Some(vec![1]));
    /// assert_eq!(key("SELECT COUNT(*) AS n FROM t GROUP BY k"), None, "two groups may have the same count");
    /// assert_eq!(key("SELECT DISTINCT k, n, TRUE AS there FROM t"), Some(vec![0, 1]));
    /// assert_eq!(key("SELECT MAX(n) AS most FROM t"), Some(vec![]));
    /// assert_eq!(key("SELECT n, ROW_NUMBER() OVER (PARTITION BY n ORDER BY k) AS place FROM t"), Some(vec![0, 1]));
    /// ```
    pub fn row_key(&self) -> Option<Vec<usize>> {
        self.row_keys().into_iter().next()
    }

    /// Each list of columns that names a row, as far as the plan says: of what is numbered there are several.
    fn row_keys(&self) -> Vec<Vec<usize>> {
        match &self.node {
            Node::Filter { input, condition } => {
                // What is one value in all rows tells none of them apart.
                let is_one = |column: &usize| condition.conjuncts().into_iter().any(|c| is_one_value(c, *column, input));
                let keys = input.row_keys();
                let without = keys.iter().map(|key| key.iter().copied().filter(|c| !is_one(c)).collect::<Vec<_>>());
                let mut all: Vec<Vec<usize>> = without.filter(|key| !keys.contains(key)).collect();
                all.extend(keys.iter().cloned());
                all
            }
            Node::Sort { input, .. }
            | Node::Limit { input, .. }
            | Node::Window { input, window: Window::Tumble { .. } | Window::Session { .. }, .. } => input.row_keys(),
            Node::Project { input, columns } => {
                let shown = |of: usize| columns.iter().position(|column| matches!(column.expr.kind, ExprKind::Column(i) if i == of));
                let all_shown = |key: Vec<usize>| key.into_iter().map(shown).collect::<Option<Vec<_>>>().map(ascending);
                input.row_keys().into_iter().filter_map(all_shown).collect()
            }
            Node::Over { input, calls } => {
                let mut keys = input.row_keys();
                let width = input.columns().len();
                for (number, call) in calls.iter().enumerate().filter(|(_, call)| call.function == OverFunction::RowNumber) {
                    let column = |e: &Expr| if let ExprKind::Column(i) = e.kind { Some(i) } else { None };
                    if let Some(mut key) = call.partition_by.iter().map(column).collect::<Option<Vec<_>>>() {
                        key.push(width + number);
                        keys.push(ascending(key));
                    }
                }
                keys
            }
            Node::Values { columns, rows } => keys_of_values(columns.len(), rows),
            _ => self.own_row_key().into_iter().collect(),
        }
    }

    /// Of an operator that names rows in one way.
    fn own_row_key(&self) -> Option<Vec<usize>> {
        let key = match &self.node {
            Node::Scan { fields, .. } => [LogColumn::Partition, LogColumn::Offset].map(|c| c.index(fields.len())).to_vec(),
            Node::Window { input, window: Window::Hop { .. } | Window::Cumulate { .. }, .. } => {
                let mut key = input.row_key()?;
                key.push(input.columns().len());
                key
            }
            Node::Aggregate { keys, .. } => (0..keys.len()).collect(),
            Node::Distinct { input } => match &input.node {
                // A literal tells nothing apart.
                Node::Project { columns, .. } => {
                    let is_literal = |i: &usize| matches!(columns[*i].expr.kind, ExprKind::Literal(_));
                    (0..columns.len()).filter(|i| !is_literal(i)).collect()
                }
                _ => (0..input.columns().len()).collect(),
            },
            Node::Join { left, right, kind, on } => {
                let width = left.columns().len();
                let (of_left, of_right) = (left.row_key()?, right.row_key()?);
                let met = |key: &[usize], before: usize, other: Range<usize>| {
                    key.iter().all(|&column| conjuncts(on).any(|c| equals(c, column + before, &other)))
                };
                // A row of each side that found no other may have NULLs in all of the key.
                if *kind == JoinKind::Full {
                    return None;
                }
                // Of rows that are written out any of their keys will do. (Of others it stays the first, which outputs that are there are told apart by.)
                let keys = |side: &Plan| side.row_keys().into_iter().take(if side.topics().is_empty() { usize::MAX } else { 1 });
                let right_is_met = || keys(right).any(|key| met(&key, width, 0..width));
                let left_is_met = || keys(left).any(|key| met(&key, 0, width..width + right.columns().len()));
                // One row at most of the one side for each of the other.
                if matches!(kind, JoinKind::Inner | JoinKind::Left) && right_is_met() {
                    of_left
                } else if matches!(kind, JoinKind::Inner | JoinKind::Right) && left_is_met() {
                    of_right.into_iter().map(|column| column + width).collect()
                } else {
                    of_left.into_iter().chain(of_right.into_iter().map(|column| column + width)).collect()
                }
            }
            Node::AsOfJoin { left, .. } => left.row_key()?,
            Node::TemporalJoin { left, on, upserts, .. } => {
                let width = left.columns().len();
                let is_met = |&column: &usize| conjuncts(on).any(|c| equals(c, column + width, &(0..width)));
                left.row_key().filter(|_| upserts.key.iter().all(is_met))?
            }
            Node::Latest { upserts, .. } => upserts.key.clone(),
            _ => return None,
        };
        Some(ascending(key))
    }
}

/// Whether a condition leaves one value of a column: a literal, or of what is numbered from 1 on the first.
fn is_one_value(condition: &Expr, column: usize, input: &Plan) -> bool {
    let ExprKind::Binary { op, left, right } = &condition.kind else { return false };
    let is_it = left.kind == ExprKind::Column(column);
    let ExprKind::Literal(value) = &right.kind else { return false };
    let is_numbered = match &input.node {
        Node::Over { input, calls } => {
            let number = column.checked_sub(input.columns().len()).and_then(|i| calls.get(i));
            number.is_some_and(|call| call.function == OverFunction::RowNumber)
        }
        _ => false,
    };
    is_it && (*op == BinaryOp::Equal || *op == BinaryOp::LessOrEqual && is_numbered && *value == Value::Int(1))
}

/// What tells rows apart that are written out: nothing where there is one, else a column of values that are all different, or all columns together.
fn keys_of_values(width: usize, rows: &[Vec<Expr>]) -> Vec<Vec<usize>> {
    if rows.len() < 2 {
        return vec![Vec::new()];
    }
    let literal = |expr: &Expr| match &expr.kind {
        // One float may be written in several ways.
        ExprKind::Literal(value) if expr.data_type != DataType::Float => Some(value.clone()),
        _ => None,
    };
    let is_key = |key: &Vec<usize>| {
        let values = rows.iter().map(|row| key.iter().map(|&column| literal(&row[column])).collect::<Option<Vec<Value>>>());
        let values = values.collect::<Option<Vec<_>>>();
        values.is_some_and(|values| values.iter().enumerate().all(|(i, row)| !values[..i].contains(row)))
    };
    let each = (0..width).map(|column| vec![column]);
    let mut keys: Vec<Vec<usize>> = each.chain([(0..width).collect()]).filter(is_key).collect();
    keys.dedup();
    keys
}

fn ascending(mut key: Vec<usize>) -> Vec<usize> {
    key.sort_unstable();
    key.dedup();
    key
}

fn conjuncts(on: &Option<Expr>) -> impl Iterator<Item = &Expr> {
    on.iter().flat_map(Expr::conjuncts)
}

/// Whether a condition says that a column equals something that is read from the columns of the other side alone.
fn equals(condition: &Expr, column: usize, other: &Range<usize>) -> bool {
    let ExprKind::Binary { op: BinaryOp::Equal, left, right } = &condition.kind else { return false };
    let is_column = |e: &Expr| matches!(e.kind, ExprKind::Column(i) if i == column);
    let is_of_other = |e: &Expr| {
        let mut is = true;
        e.visit(&mut |e| is &= !matches!(e.kind, ExprKind::Column(i) if !other.contains(&i)));
        is
    };
    is_column(left) && is_of_other(right) || is_column(right) && is_of_other(left)
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType as Arrow, Field, Schema, TimeUnit};

    use crate::TopicSchema;

    fn key(sql: &str) -> Option<Vec<usize>> {
        let schema = Schema::new(vec![
            Field::new("id", Arrow::Int64, false),
            Field::new("at", Arrow::Timestamp(TimeUnit::Microsecond, None), true),
            Field::new("n", Arrow::Int64, true),
        ]);
        let topic = TopicSchema { name: "t", schema: &schema, key: Some("id"), time: Some("at") };
        crate::logical_plan_over(sql, &[topic]).unwrap().row_key()
    }

    #[test]
    fn what_names_a_row() {
        assert_eq!(key("SELECT n, id FROM UPSERT(TABLE t)"), Some(vec![1]));
        assert_eq!(key("SELECT n FROM UPSERT(TABLE t)"), None);
        assert_eq!(key("SELECT n FROM t"), None);
        assert_eq!(key("SELECT n, _offset, _partition FROM t"), Some(vec![1, 2]));
        assert_eq!(key("SELECT id FROM t UNION ALL SELECT n FROM t"), None);
        assert_eq!(key("SELECT id, ROW_NUMBER() OVER (ORDER BY n) AS place FROM UPSERT(TABLE t)"), Some(vec![0]));
        let top = "SELECT place, n FROM (SELECT n, ROW_NUMBER() OVER (PARTITION BY n ORDER BY at) AS place FROM t) ranked WHERE place <= 3";
        assert_eq!(key(top), Some(vec![0, 1]));
        assert_eq!(key(&top.replace("ROW_NUMBER", "RANK")), None, "of rows that tie there are several");
        assert_eq!(key(&top.replace("SELECT place, n", "SELECT place, n + 1 AS m")), None);
        let joined =
            |rows: &str| key(&format!("SELECT t.id, v.name FROM UPSERT(TABLE t) t JOIN (VALUES {rows}) AS v(n, name) ON t.n = v.n"));
        assert_eq!(joined("(1, 'a'), (2, 'a')"), Some(vec![0]), "of the values one at most for each row");
        assert_eq!(joined("(1, 'a'), (1, 'b')"), Some(vec![0, 1]));
        assert_eq!(joined("(1, 'a'), (1, 'a')"), None);
        let hop = "SELECT window_end, window_start, COUNT(*) AS c FROM HOP(TABLE t, DESCRIPTOR(at), INTERVAL '1' MINUTE, INTERVAL '1' HOUR) GROUP BY window_start, window_end";
        assert!(key(hop).is_some_and(|key| key == [0] || key == [1] || key == [0, 1]), "{:?}", key(hop));
    }

    #[test]
    fn a_row_of_a_join_is_named_by_those_that_it_is_made_of() {
        let join = |kind: &str, on: &str| {
            key(&format!("SELECT a.id, b.id AS other, b.n FROM UPSERT(TABLE t) a {kind} JOIN UPSERT(TABLE t) b ON {on}"))
        };
        assert_eq!(join("", "a.n < b.n"), Some(vec![0, 1]));
        assert_eq!(join("", "a.n = b.id"), Some(vec![0]), "of b one at most for each of a");
        assert_eq!(join("LEFT", "a.n = b.id"), Some(vec![0]));
        assert_eq!(join("", "b.n = a.id"), Some(vec![1]));
        assert_eq!(join("LEFT", "b.n = a.id"), Some(vec![0, 1]));
        assert_eq!(join("FULL", "a.n = b.id"), None, "rows that found no other may both have a key of NULL");
        assert_eq!(join("", "a.n = b.id + b.n"), Some(vec![0, 1]));
    }
}
