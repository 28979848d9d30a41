//! Final values: what a job gives whose state nobody merges with another's, group by group, the newest of each.

use arrow_array::{ArrayRef, RecordBatch};

use super::accumulator::{Accumulator, Latest};
use super::parts::check_groups;
use super::table::GroupTable;
use twopath_query::plan::Node;
use twopath_query::{Aggregate, AggregateFunction, BinaryOp, DataType, Expr, ExprKind, NamedExpr, Query};

/// What a hand-written Kappa says of its rows: the columns by which they replace one another, and the others. Together they are the columns
/// of the query that the code stands for, by name.
///
/// Final values do not merge with those of other parts of the log (a mean does not merge with a mean), so that there is no batch layer beside
/// them: one job has all of the log in its state.
///
/// Of a query that computes more than groups (a join, groups of groups) a row can go again. A row whose values are all NULL says that, as a record of a keyed topic does.
#[derive(Debug, Clone, Copy)]
pub struct Finals {
    /// For messages.
    pub name: &'static str,
    /// The version of the code.
    pub version: u32,
    pub keys: &'static [(&'static str, DataType)],
    pub values: &'static [(&'static str, DataType)],
}

impl Finals {
    /// The query that answers are asked with: its groups are the keys, its "aggregates" the final values. `query` is the one that the
    /// hand-written code stands for.
    ///
    /// Only the types of its aggregates count: tables are made by [`Finals::table`], and their accumulators keep the newest value.
    ///
    /// # Errors
    /// What of the query final values cannot stand for: HAVING, ORDER BY and LIMIT, keys of other types, a column that is not given.
    pub fn values_query(&self, query: &Query) -> Result<Query, String> {
        let (of, having) = match &query.finish {
            None => {
                check_groups(query, self.keys)?;
                (query.clone(), None)
            }
            Some(finish) if matches!(finish.node, Node::Sort { .. } | Node::Limit { .. }) => {
                return Err("it has ORDER BY or LIMIT, which final values do not have".into());
            }
            Some(_) => (Query::over(query.topic.clone(), query.fields.clone()), self.is_there()),
        };
        let given: Vec<(&str, DataType)> = self.keys.iter().chain(self.values).copied().collect();
        let wanted = query.answer_columns();
        let output = wanted.iter().map(|(name, t)| {
            let (name, t) = (name.as_str(), *t);
            let at = given.iter().position(|g| *g == (name, t));
            let at = at.ok_or_else(|| format!("its column '{name}' of type {t:?} is not among the hand-written ones: {given:?}"))?;
            Ok(NamedExpr { name: name.into(), expr: Expr::column(at, t) })
        });
        let output = output.collect::<Result<_, String>>()?;
        let key = |&(name, t): &(&str, DataType)| NamedExpr { name: name.into(), expr: Expr::column(0, t) };
        let value = |&(_, t): &(&str, DataType)| Aggregate::new(AggregateFunction::Max, Some(Expr::column(0, t)));
        Ok(Query {
            filter: None,
            keys: self.keys.iter().map(key).collect(),
            aggregates: self.values.iter().map(value).collect(),
            output,
            having,
            ..of
        })
    }

    /// That not all values of a group are NULL.
    fn is_there(&self) -> Option<Expr> {
        let value = |(at, (_, t)): (usize, &(&str, DataType))| Expr::column(self.keys.len() + at, *t);
        let is_there = |value| Expr::new(ExprKind::IsNull { arg: Box::new(value), negated: true }, DataType::Bool);
        let each = self.values.iter().enumerate().map(|v| is_there(value(v)));
        each.reduce(|a, b| Expr::binary(BinaryOp::Or, a, b, DataType::Bool))
    }

    /// The table of rows that are final as of `order` (counted from 1): columns by the names of the keys and values.
    ///
    /// # Errors
    /// What in the batch does not fit.
    pub fn table(&self, values_query: &Query, rows: &RecordBatch, order: u64) -> Result<GroupTable, String> {
        let column = |name: &str, t: DataType| -> Result<ArrayRef, String> {
            let column = rows.column_by_name(name).ok_or_else(|| format!("the column '{name}' is missing"))?;
            if *column.data_type() != super::arrow_type(t) {
                return Err(format!("the column '{name}' is {}, not {t:?}", column.data_type()));
            }
            Ok(column.clone())
        };
        let keys = self.keys.iter().map(|(name, t)| column(name, *t)).collect::<Result<Vec<_>, _>>()?;
        let latest = |(name, t): &(&str, DataType)| Latest::of(&column(name, *t)?, order, *t).map_err(|e| e.to_string());
        let values = self.values.iter().map(|value| latest(value).map(Accumulator::Latest)).collect::<Result<Vec<_>, _>>()?;
        GroupTable::from_columns(values_query, &keys, values, rows.num_rows())
            .map_err(|row| format!("row {row} has the key of an earlier row"))
    }

    /// Reads what [`GroupTable::to_batch`] wrote of such a table.
    ///
    /// # Errors
    /// What in the batch does not fit.
    pub fn from_batch(&self, values_query: &Query, batch: &RecordBatch) -> Result<GroupTable, String> {
        let of = |value: &Aggregate| value.arg.as_ref().map_or(DataType::Int, |arg| arg.data_type);
        GroupTable::load(values_query, batch, |value| Accumulator::Latest(Latest::none(of(value))))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Selection, answer};
    use arrow_array::{Float64Array, StringArray};
    use arrow_schema::{DataType as ArrowType, Field, Schema};
    use twopath_query::Value;
    use twopath_query::values::rows;

    const MEANS: Finals = Finals { name: "means", version: 1, keys: &[("k", DataType::Text)], values: &[("mean", DataType::Float)] };

    fn query() -> Query {
        let fields = vec![Field::new("k", ArrowType::Utf8, true), Field::new("v", ArrowType::Int64, true)];
        twopath_query::parse("SELECT AVG(v) AS mean, k FROM t GROUP BY k", "t", &Schema::new(fields)).unwrap()
    }

    fn table(of: &[(&str, f64)], order: u64) -> GroupTable {
        let keys: ArrayRef = Arc::new(StringArray::from_iter_values(of.iter().map(|(k, _)| k)));
        let means: ArrayRef = Arc::new(Float64Array::from_iter_values(of.iter().map(|(_, v)| *v)));
        let batch = RecordBatch::try_from_iter([("k", keys), ("mean", means)]).unwrap();
        MEANS.table(&MEANS.values_query(&query()).unwrap(), &batch, order).unwrap()
    }

    #[test]
    fn the_newest_stays_in_any_order_of_merging() {
        let tables = [table(&[("a", 1.0), ("b", 1.5)], 1), table(&[("a", 2.0)], 2), table(&[("c", 9.0), ("a", 3.0)], 7)];
        let query = MEANS.values_query(&query()).unwrap();
        let row = |mean, k: &str| vec![Value::Float(mean), Value::Text(k.into())];
        let expected = [row(3.0, "a"), row(1.5, "b"), row(9.0, "c")];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let parts = order.map(|i| &tables[i]);
            assert_eq!(rows(&answer(&query, &parts, &Selection::default()).unwrap()).unwrap(), expected);
            let mut merged = parts[0].clone();
            merged.merge(parts[1]);
            merged.merge(parts[2]);
            assert_eq!(rows(&answer(&query, &[&merged], &Selection::default()).unwrap()).unwrap(), expected);
            let key = Selection { key: Some(vec![Value::Text("a".into())]), ..Selection::default() };
            assert_eq!(rows(&answer(&query, &parts, &key).unwrap()).unwrap(), expected[..1]);
            let range = Selection { first_key: (Some(Value::Text("b".into())), None), ..Selection::default() };
            assert_eq!(rows(&answer(&query, &parts, &range).unwrap()).unwrap(), expected[1..]);
        }
    }

    #[test]
    fn what_is_put_at_rest_is_read_again() {
        let query = MEANS.values_query(&query()).unwrap();
        let table = table(&[("b", 1.5), ("a", 1.0)], 3);
        let read = MEANS.from_batch(&query, &table.to_batch_unsorted()).unwrap();
        assert_eq!(read.to_batch(), table.to_batch());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let other = Finals { values: &[("average", DataType::Float)], ..MEANS };
        assert!(other.values_query(&query()).unwrap_err().contains("its column 'mean' of type Float is not among"));
        let fields = vec![Field::new("k", ArrowType::Utf8, true), Field::new("v", ArrowType::Int64, true)];
        let ordered = "SELECT k, AVG(n) AS mean FROM (SELECT k, v, COUNT(*) AS n FROM t GROUP BY k, v) g GROUP BY k ORDER BY mean LIMIT 1";
        let ordered = twopath_query::parse(ordered, "t", &Schema::new(fields)).unwrap();
        assert!(MEANS.values_query(&ordered).unwrap_err().contains("it has ORDER BY or LIMIT"));
        let other = Finals { keys: &[("k", DataType::Int)], ..MEANS };
        assert!(other.values_query(&query()).unwrap_err().contains("its keys are of the types [Text]"));
        let keys: ArrayRef = Arc::new(StringArray::from(vec!["a", "a"]));
        let means: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
        let batch = RecordBatch::try_from_iter([("k", keys), ("mean", means)]).unwrap();
        let twice = MEANS.table(&MEANS.values_query(&query()).unwrap(), &batch, 1).unwrap_err();
        assert!(twice.contains("row 1 has the key of an earlier row"), "{twice}");
    }
}
