//! Rows that are ordered and cut at LIMIT: no more of them are kept than an answer can show.
//!
//! A query of rows groups by all that it puts out and is ordered by. Of its groups only the first `OFFSET + LIMIT` can be part of an answer, now or after any other
//! rows have come: so the rest is let go whenever a table has become large, and from then on rows that are behind the last one that is kept are not even looked up.
//! Merged tables hold the first of all that theirs hold.

use arrow_array::{Array, BooleanArray};
use arrow_buffer::BooleanBuffer;

use super::canonical::ordinals;
use super::eval::eval;
use super::order::SortColumn;
use super::table::GroupTable;
use arrow_array::ArrayRef;
use twopath_query::{DataType, EvalError, Expr, ExprKind, Order, Query};

/// Tables with fewer groups are left alone.
const GROUPS_MIN: usize = 1 << 16;
/// Where an answer shows more than this, all is kept.
const WANTED_MAX: usize = 1 << 20;

/// What is wanted of a query's rows.
#[derive(Debug, Clone)]
pub(super) struct Top {
    /// OFFSET + LIMIT.
    wanted: usize,
    /// Over the keys.
    order_by: Vec<Order>,
    /// The key that rows are ordered by first, where it is one whose values compare as integers do.
    first: Option<usize>,
}

impl Top {
    /// None where every group may be part of an answer, or may raise an error in it.
    pub fn of(query: &Query) -> Option<Top> {
        let limit = query.limit?.checked_add(query.offset)?;
        let wanted = usize::try_from(limit).ok().filter(|wanted| *wanted <= WANTED_MAX)?;
        let exprs =
            query.keys.iter().map(|k| &k.expr).chain(query.output.iter().map(|o| &o.expr)).chain(query.order_by.iter().map(|o| &o.expr));
        let plain = query.rows && !query.distinct && query.having.is_none() && query.panes.is_none() && !query.order_by.is_empty();
        if !plain || exprs.into_iter().any(Expr::can_fail) {
            return None;
        }
        let by = query.order_by.first()?;
        let first = match by.expr.kind {
            ExprKind::Column(key) if key < query.keys.len() => Some(key),
            _ => None,
        };
        let is_fixed = !matches!(by.expr.data_type, DataType::Text | DataType::Numeric | DataType::Decimal { .. });
        Some(Top { wanted, order_by: query.order_by.clone(), first: first.filter(|_| is_fixed) })
    }

    /// The rows, of which these are the keys, that may be among the first; none where all may.
    pub fn candidates(&self, table: &GroupTable, keys: &[ArrayRef]) -> Option<BooleanArray> {
        let (bound, first) = (table.bound?, self.first?);
        let by = self.order_by.first()?;
        let values = ordinals(keys[first].as_ref());
        let within = |row: usize| match values.is_null(row) {
            true => by.nulls_first,
            false if by.descending => values.value(row) >= bound,
            false => values.value(row) <= bound,
        };
        Some(BooleanArray::new(BooleanBuffer::collect_bool(values.len(), within), None))
    }

    /// Lets go of all groups but the first, where there are many.
    pub fn cut(&self, table: &mut GroupTable) -> Result<(), EvalError> {
        if table.len() < GROUPS_MIN.max(4 * self.wanted) {
            return Ok(());
        }
        let groups: Vec<u32> = (0..table.len() as u32).collect();
        let keys: Vec<ArrayRef> = table.keys.iter().map(|k| k.take(&groups)).collect();
        let by = self.order_by.iter().map(|o| {
            let values = eval(&o.expr, &keys, groups.len())?;
            Ok(SortColumn::new(&values, o.expr.data_type, o.descending, o.nulls_first))
        });
        let by = by.collect::<Result<Vec<_>, EvalError>>()?;
        let mut order = groups;
        let compare = |a: &u32, b: &u32| {
            let by = by.iter().map(|c| c.compare(*a as usize, *b as usize)).find(|o| o.is_ne());
            by.unwrap_or_else(|| table.compare(*a, *b))
        };
        let mut bound = None;
        if let Some(last) = self.wanted.checked_sub(1) {
            let (_, last, _) = order.select_nth_unstable_by(last, compare);
            let last = *last as usize;
            bound = self.first.map(|key| ordinals(keys[key].slice(last, 1).as_ref())).filter(|v| !v.is_null(0)).map(|v| v.value(0));
        }
        order.truncate(self.wanted);
        order.sort_unstable();
        let mut kept = table.emptied();
        kept.merge_groups(table, &order);
        kept.bound = bound;
        *table = kept;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, Int64Type};
    use arrow_array::{Float64Array, Int64Array, RecordBatch};
    use arrow_schema::{DataType as Arrow, Field, Schema};
    use twopath_query::arbitrary::Random;
    use twopath_query::parse;

    use super::*;
    use crate::{Selection, answer};

    /// Many rows in two tables, merged: as all rows sorted give it; and few of them are kept.
    #[test]
    fn the_first_rows_are_those_of_all() {
        let schema = Arc::new(Schema::new(vec![Field::new("id", Arrow::Int64, false), Field::new("x", Arrow::Float64, true)]));
        let mut random = Random::new(7);
        let rows: Vec<(i64, Option<f64>)> = (0..150_000)
            .map(|_| {
                let x = match random.below(50) {
                    0 => None,
                    1 => Some(f64::NAN),
                    _ => Some(random.between(-2_000, 2_000) as f64 / 4.0),
                };
                (random.between(0, 40_000), x)
            })
            .collect();
        for (by, limit) in [("x DESC NULLS LAST", 10), ("x", 1), ("x DESC", 7_000), ("x NULLS FIRST, id DESC", 6_500), ("id DESC, x", 100)]
        {
            let sql = format!("SELECT id, x FROM t ORDER BY {by} LIMIT {limit} OFFSET 3");
            let query = parse(&sql, "t", &schema).unwrap();
            let fold = super::super::fold::Fold::new(&query);
            let mut tables = [GroupTable::new(&query), GroupTable::new(&query)];
            for (i, chunk) in rows.chunks(10_000).enumerate() {
                let (ids, xs): (Vec<i64>, Vec<Option<f64>>) = chunk.iter().copied().unzip();
                let batch =
                    RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(ids)), Arc::new(Float64Array::from(xs))]).unwrap();
                fold.update(&mut tables[i % 2], &batch).unwrap();
            }
            assert!(tables.iter().all(|t| t.len() < GROUPS_MIN + 10_000), "{sql}: {} groups", tables[0].len());
            let given = answer(&query, &[&tables[0], &tables[1]], &Selection::default()).unwrap();
            // Every number has one place, NaN the greatest of them.
            let place = |x: f64| if x.is_nan() { i64::MAX } else { (x * 4.0) as i64 };
            let mut expected = rows.clone();
            expected.sort_by_key(|&(id, x)| {
                let (up, down) = (x.map_or(i64::MAX, place), x.map(|x| -place(x)));
                match by {
                    "x DESC NULLS LAST" => (i64::from(x.is_none()), down.unwrap_or(0), id, 0),
                    "x" => (i64::from(x.is_none()), up, id, 0),
                    "x DESC" => (i64::from(x.is_some()), down.unwrap_or(0), id, 0),
                    "id DESC, x" => (-id, i64::from(x.is_none()), up, 0),
                    _ => (i64::from(x.is_some()), x.map_or(0, place), -id, 0),
                }
            });
            let expected: Vec<(i64, Option<u64>)> = expected
                .into_iter()
                .skip(3)
                .take(limit)
                .map(|(id, x)| (id, x.map(|x| if x.is_nan() { u64::MAX } else { x.to_bits() })))
                .collect();
            let (ids, xs) = (given.column(0).as_primitive::<Int64Type>(), given.column(1).as_primitive::<Float64Type>());
            let bits = |x: f64| if x.is_nan() { u64::MAX } else { x.to_bits() };
            let given: Vec<(i64, Option<u64>)> = ids.values().iter().copied().zip(xs.iter().map(|x| x.map(bits))).collect();
            assert_eq!(given, expected, "{sql}");
        }
    }
}
