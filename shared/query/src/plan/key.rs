//! Which columns tell a plan's rows apart.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use twopath_base::LogColumn;

use super::known::Known;
use super::settled::moved;
use super::{JoinKind, Node, OverFunction, Plan, Window};
use crate::types::*;

/// Columns that can be read.
pub(super) type Shown = BTreeSet<usize>;

impl Plan {
    /// Columns of the plan that name a row: no two rows have the same values in them. Ascending; none where everything is one row; `None` where the plan does not say
    /// ([`Plan::row_key_hint`]).
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
    /// assert_eq!(key("SELECT n, GROUPING(n) AS all_n, COUNT(*) AS c FROM t GROUP BY ROLLUP (n)"), Some(vec![0, 1]));
    /// assert_eq!(key("SELECT k, COUNT(*) AS c FROM t GROUP BY ROLLUP (k)"), Some(vec![0]), "no k is NULL but that of all rows");
    /// ```
    pub fn row_key(&self) -> Option<Vec<usize>> {
        self.row_keys(&self.all_shown()).into_iter().next()
    }

    pub(super) fn all_shown(&self) -> Shown {
        (0..self.columns().len()).collect()
    }

    /// Each list of columns that names a row and is shown, as far as the plan says: of what is numbered there are several.
    pub(super) fn row_keys(&self, shown: &Shown) -> Vec<Vec<usize>> {
        match &self.node {
            Node::Filter { input, condition } => {
                // What is one value in all rows tells none of them apart, so that it need not be shown.
                let is_one = |column: &usize| condition.conjuncts().into_iter().any(|c| is_one_value(c, *column, input));
                let ones: Shown = input.all_shown().into_iter().filter(is_one).collect();
                let keys = input.row_keys(&shown.union(&ones).copied().collect());
                let (shorter, others): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| key.iter().any(|c| ones.contains(c)));
                let without = |key: Vec<usize>| key.into_iter().filter(|c| !ones.contains(c)).collect::<Vec<_>>();
                shorter.into_iter().map(without).chain(others).collect()
            }
            Node::Sort { input, .. } | Node::Limit { input, .. } => input.row_keys(shown),
            Node::Window { input, window: Window::Tumble { .. } | Window::Session { .. }, .. } => input.row_keys(&input.own(shown)),
            Node::Window { input, .. } => {
                let width = input.columns().len();
                let with_window = |key: Vec<usize>| key.into_iter().chain([width]).collect::<Vec<_>>();
                let keys = if shown.contains(&width) { input.row_keys(&input.own(shown)) } else { Vec::new() };
                keys.into_iter().map(with_window).collect()
            }
            Node::Project { input, columns } => {
                let below = below(columns, shown);
                let place = |of: usize| {
                    let is_it = |column: &&usize| columns[**column].expr.kind == ExprKind::Column(of);
                    let says_it = |column: &&usize| moved(&columns[**column].expr).is_some_and(|(column, _)| column == of);
                    *shown.iter().find(is_it).or_else(|| shown.iter().find(says_it)).expect("a column that is shown")
                };
                let keys = input.row_keys(&below).into_iter();
                keys.map(|key| ascending(key.into_iter().map(place).collect())).collect()
            }
            Node::Over { input, calls } => {
                let mut keys = input.row_keys(&input.own(shown));
                let width = input.columns().len();
                for (number, call) in calls.iter().enumerate().filter(|(_, call)| call.function == OverFunction::RowNumber) {
                    let column = |e: &Expr| if let ExprKind::Column(i) = e.kind { Some(i) } else { None };
                    if let Some(mut key) = call.partition_by.iter().map(column).collect::<Option<Vec<_>>>() {
                        key.push(width + number);
                        keys.push(ascending(key));
                    }
                }
                keys.retain(|key| key.iter().all(|column| shown.contains(column)));
                keys
            }
            Node::Join { left, right, kind, on } => joined_keys((left, right), *kind, on, shown),
            Node::Union { inputs } => union_key(inputs, shown).into_iter().collect(),
            Node::Values { columns, rows } => {
                keys_of_values(columns.len(), rows).into_iter().filter(|key| key.iter().all(|column| shown.contains(column))).collect()
            }
            _ => self.own_row_keys(shown).into_iter().filter(|key| key.iter().all(|column| shown.contains(column))).collect(),
        }
    }

    /// Of an operator that names rows by itself, or as what is to its left does.
    fn own_row_keys(&self, shown: &Shown) -> Vec<Vec<usize>> {
        let key = match &self.node {
            Node::Scan { fields, .. } => [LogColumn::Partition, LogColumn::Offset].map(|c| c.index(fields.len())).to_vec(),
            Node::Aggregate { keys, .. } => (0..keys.len()).collect(),
            Node::Distinct { input } => match &input.node {
                // A literal tells nothing apart.
                Node::Project { columns, .. } => {
                    let is_literal = |i: &usize| matches!(columns[*i].expr.kind, ExprKind::Literal(_));
                    (0..columns.len()).filter(|i| !is_literal(i)).collect()
                }
                _ => (0..input.columns().len()).collect(),
            },
            Node::AsOfJoin { left, .. } => return left.row_keys(&left.own(shown)),
            Node::TemporalJoin { left, on, upserts, .. } => {
                let width = left.columns().len();
                let is_met = |&column: &usize| conjuncts(on).any(|c| equals(c, column + width, &(0..width)));
                let is_one_each = upserts.key.iter().all(is_met);
                return if is_one_each { left.row_keys(&left.own(shown)) } else { Vec::new() };
            }
            Node::Latest { upserts, .. } => upserts.key.clone(),
            _ => return Vec::new(),
        };
        vec![ascending(key)]
    }

    /// Those of the shown columns that are columns of this input, whose columns stand first.
    pub(super) fn own(&self, shown: &Shown) -> Shown {
        shown.range(..self.columns().len()).copied().collect()
    }
}

/// The columns of its input that a projection shows as they are, or moved by a length of time, as the end of a window is.
pub(super) fn below(columns: &[NamedExpr], shown: &Shown) -> Shown {
    shown.iter().filter_map(|&column| moved(&columns[column].expr)).map(|(below, _)| below).collect()
}

/// Of a join: the row of one side, where it finds one row at most on the other, or both.
fn joined_keys((left, right): (&Plan, &Plan), kind: JoinKind, on: &Option<Expr>, shown: &Shown) -> Vec<Vec<usize>> {
    let (width, all) = (left.columns().len(), left.columns().len() + right.columns().len());
    let met = |side: &Plan, before: usize, other: Range<usize>| {
        let is_met = |key: &Vec<usize>| key.iter().all(|&column| conjuncts(on).any(|c| equals(c, column + before, &other)));
        side.row_keys(&side.all_shown()).iter().any(is_met)
    };
    let of_left = left.row_keys(&left.own(shown));
    let of_right = right.row_keys(&shown.range(width..).map(|column| column - width).collect());
    let of_right: Vec<Vec<usize>> = of_right.into_iter().map(|key| key.into_iter().map(|column| column + width).collect()).collect();
    let mut keys = Vec::new();
    // One row at most of the one side for each of the other.
    if matches!(kind, JoinKind::Inner | JoinKind::Left) && met(right, width, 0..width) {
        keys.extend(of_left.iter().cloned());
    }
    if matches!(kind, JoinKind::Inner | JoinKind::Right) && met(left, 0, width..all) {
        keys.extend(of_right.iter().cloned());
    }
    // A row of each side that found no other may have NULLs in all of the key, unless a column of each says whether its side is there.
    let is_there = |column: usize| match column.checked_sub(width) {
        None => left.known(column).is_no_null(),
        Some(column) => right.known(column).is_no_null(),
    };
    let can_be = |key: &&Vec<usize>| kind != JoinKind::Full || key.iter().any(|&column| is_there(column));
    let both = of_left.iter().find(can_be).zip(of_right.iter().find(can_be)).map(|(left, right)| [&left[..], &right[..]].concat());
    keys.extend(both);
    keys
}

/// Of UNION ALL: what names rows within each part, and what tells the parts apart: of one that has NULL where another has none, or each a literal of its own.
pub(super) fn union_key(inputs: &[Plan], shown: &Shown) -> Option<Vec<usize>> {
    let parts: Vec<&Plan> = inputs.iter().filter(|part| !part.is_empty()).collect();
    let of_parts = parts.iter().map(|part| part.row_keys(shown).into_iter().next()).collect::<Option<Vec<_>>>()?;
    let mut key: Shown = of_parts.into_iter().flatten().collect();
    let known: Vec<Vec<Known>> = parts.iter().map(|part| (0..part.columns().len()).map(|column| part.known(column)).collect()).collect();
    let tells = |column: usize, (a, b): (usize, usize)| known[a][column].is_apart_from(&known[b][column]);
    let mut alike: Vec<(usize, usize)> = (0..parts.len()).flat_map(|a| (0..a).map(move |b| (a, b))).collect();
    alike.retain(|&pair| !key.iter().any(|&column| tells(column, pair)));
    while !alike.is_empty() {
        // The one that tells most of them apart; of several the first.
        let told = |column: usize| alike.iter().filter(|&&pair| tells(column, pair)).count();
        let (most, column) = shown.iter().rev().map(|&column| (told(column), column)).max_by_key(|(told, _)| *told)?;
        if most == 0 {
            return None;
        }
        alike.retain(|&pair| !tells(column, pair));
        key.insert(column);
    }
    Some(key.into_iter().collect())
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
        let mut seen = HashSet::new();
        rows.iter().all(|row| {
            let values = key.iter().map(|&column| literal(&row[column])).collect::<Option<Vec<Value>>>();
            values.is_some_and(|values| seen.insert(format!("{values:?}")))
        })
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
    let is_of_other = |e: &Expr| !e.reads(|i| !other.contains(&i));
    is_column(left) && is_of_other(right) || is_column(right) && is_of_other(left)
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType as Arrow, Field, Schema, TimeUnit};

    use crate::TopicSchema;

    fn key(sql: &str) -> Option<Vec<usize>> {
        plan(sql).row_key()
    }

    fn plan(sql: &str) -> crate::Plan {
        let schema = Schema::new(vec![
            Field::new("id", Arrow::Int64, false),
            Field::new("at", Arrow::Timestamp(TimeUnit::Microsecond, None), true),
            Field::new("n", Arrow::Int64, true),
        ]);
        let topic = TopicSchema { name: "t", schema: &schema, key: Some("id"), time: Some("at") };
        crate::logical_plan_over(sql, &[topic]).unwrap()
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
        let tumble = "SELECT COUNT(*) AS c, window_end FROM TUMBLE(TABLE t, DESCRIPTOR(at), INTERVAL '1' HOUR) GROUP BY window_end";
        assert_eq!(key(tumble), Some(vec![1]), "the end says as much as the start");
        assert_eq!(key("SELECT DISTINCT n, COUNT(*) OVER (PARTITION BY n) AS c FROM t"), Some(vec![0, 1]));
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
        assert_eq!(join("FULL", "a.n = b.id"), Some(vec![0, 1]), "no id is NULL but where its side is not there");
        let groups = "(SELECT n, COUNT(*) AS c FROM t GROUP BY n)";
        let full = |list: &str| key(&format!("SELECT {list} FROM {groups} a FULL JOIN {groups} b ON a.n = b.n + 1"));
        assert_eq!(full("a.n, b.n AS m, a.c"), None, "rows that found no other may both have a key of NULL");
        assert_eq!(join("", "a.n = b.id + b.n"), Some(vec![0, 1]));
    }

    /// Of several groupings: by their keys, and by as little of GROUPING as tells the groupings apart.
    #[test]
    fn rows_of_several_groupings_are_told_apart() {
        let of = |list: &str, by: &str| {
            let sql = format!("SELECT {list}, COUNT(*) AS c FROM t WHERE at > TIMESTAMP '2013-01-01' GROUP BY {by}");
            let plan = plan(&sql);
            assert_eq!(plan.maintained().plan.row_key(), plan.row_key(), "{sql}");
            plan.row_key()
        };
        assert_eq!(of("n", "ROLLUP (n)"), None, "an n of NULL, or all");
        assert_eq!(of("n, GROUPING(n)", "ROLLUP (n)"), Some(vec![0, 1]));
        assert_eq!(of("id", "ROLLUP (id)"), Some(vec![0]), "no id is NULL");
        assert_eq!(of("id, at", "CUBE (id, at)"), Some(vec![0, 1]), "no time is, of those that are after another");
        assert_eq!(of("DATE_TRUNC('day', at) AS day, id", "ROLLUP (1, 2)"), Some(vec![0, 1]));
        assert_eq!(of("id, n", "ROLLUP (id, n)"), None);
        assert_eq!(of("id, n, GROUPING(id), GROUPING(n)", "ROLLUP (id, n)"), Some(vec![0, 1, 3]), "id says the rest");
        assert_eq!(of("id, n, GROUPING(id), GROUPING(n)", "GROUPING SETS ((id), (n))"), Some(vec![0, 1]));
        assert_eq!(of("n, n + 1, GROUPING(n), GROUPING(n, n + 1)", "CUBE (n, n + 1)"), Some(vec![0, 1, 3]), "both bits");
        assert_eq!(of("n, GROUPING(n, n + 1)", "CUBE (n, n + 1)"), None, "one of the keys is not put out");
        assert_eq!(of("n, COALESCE(n, 0) AS m", "ROLLUP (n, COALESCE(n, 0))"), None);
        assert_eq!(of("COALESCE(n, 0) AS m", "ROLLUP (COALESCE(n, 0))"), Some(vec![0]));
        assert_eq!(of("n, GROUPING(n)", "GROUPING SETS ((n), (n))"), None, "each is there twice");
        assert_eq!(of("n, GROUPING(n) + 1 AS g", "ROLLUP (n)"), None, "what is computed of it says too little");
        let having = |list: &str, having: &str| key(&format!("SELECT {list}, COUNT(*) AS c FROM t GROUP BY CUBE (id, n) HAVING {having}"));
        assert_eq!(having("id, n", "GROUPING(id) = 0"), None);
        assert_eq!(having("id, n", "GROUPING(n) = 0"), Some(vec![0, 1]));
        assert_eq!(having("id, n", "GROUPING(id, n) = 3"), Some(vec![0, 1]));
        assert_eq!(having("id, n, GROUPING(n)", "id IS NOT NULL"), Some(vec![0, 1, 2]));
        let sub = "SELECT id, (SELECT MAX(n) FROM t) AS most, GROUPING(id) AS g, RANK() OVER (ORDER BY COUNT(*)) AS place FROM t GROUP BY ROLLUP (id)";
        assert_eq!(key(sub), Some(vec![0]));
    }

    #[test]
    fn rows_of_a_union_are_told_apart_by_literals() {
        assert_eq!(
            key("SELECT 'a' AS part, id, n FROM UPSERT(TABLE t) UNION ALL SELECT 'b', id, 0 FROM UPSERT(TABLE t)"),
            Some(vec![0, 1])
        );
        assert_eq!(key("SELECT 'a' AS part, id, n FROM UPSERT(TABLE t) UNION ALL SELECT 'a', id, 0 FROM UPSERT(TABLE t)"), None);
        assert_eq!(key("SELECT 1 AS part, COUNT(*) AS c FROM t UNION ALL SELECT 2, MAX(n) FROM t"), Some(vec![0]));
        let thirds = "SELECT id, n FROM UPSERT(TABLE t) WHERE n = 1 UNION ALL SELECT id, n FROM UPSERT(TABLE t) WHERE n = 2";
        assert_eq!(key(thirds), Some(vec![0, 1]));
    }
}
