//! Groups that other engines computed, as columns of parts; and hand-written views, whose parts are merged and finished as people say.
//!
//! An engine that groups by its own means (polars, differential dataflow, people's own maps) hands over one row per group: the keys, and
//! for each aggregate the columns of its accumulator. What has no plain column comes as the list of its values: a set of distinct ones, or
//! all of them for a sketch.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, GenericListArray, OffsetSizeTrait, RecordBatch};
use arrow_schema::DataType as ArrowType;

use super::accumulator::{Accumulate, Accumulator, Reader};
use super::answer::answer_schema;
use super::canonical::{arrow_type, numeric};
use super::column::column_of;
use super::table::GroupTable;
use twopath_query::values::rows;
use twopath_query::{Aggregate, AggregateFunction, DataType, EvalError, Expr, NamedExpr, Query, Value};

/// How one part of a hand-written view merges, and of what type its values are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Part {
    /// Added up. One Int64 per group, not NULL.
    Count,
    /// Added up. One Int64, Duration or Decimal128(38, 0) per group, NULL where there was no value; of floats the list of the values,
    /// because a sum that was rounded before is not exact.
    Sum(DataType),
    /// The least stays. One value per group, NULL where there was none.
    Min(DataType),
    /// The greatest stays.
    Max(DataType),
    /// United. The list of the values, in which one may stand more than once.
    Distinct(DataType),
    /// United. The list of the values, or the bytes of a HyperLogLog sketch.
    DistinctSketch(DataType),
    /// United. The list of the values, or the bytes of a DDSketch; finished as this quantile.
    Quantiles(DataType, f64),
}

/// What a hand-written Lambda says beside its two layers: which parts both give, how they merge, and how an answer is finished.
#[derive(Debug, Clone, Copy)]
pub struct Merging {
    /// For messages and manifests.
    pub name: &'static str,
    /// The version of the code.
    pub version: u32,
    pub keys: &'static [(&'static str, DataType)],
    pub parts: &'static [(&'static str, Part)],
    pub finish: Finish,
}

/// How an answer is made of groups whose parts are merged.
#[derive(Debug, Clone, Copy)]
pub enum Finish {
    /// From the keys and the merged parts of a group to the values of its row.
    Groups(fn(&MergedGroup) -> Vec<Value>),
    /// From all groups to the rows of the answer, in their order: of a query that computes more than groups, such as a join of them. What the query does to its answer
    /// (ORDER BY, LIMIT) is this code's.
    Answer(fn(&[MergedGroup]) -> Vec<Vec<Value>>),
    /// As [`Finish::Answer`], of layers that have each computed more than groups of what they have read: what a layer's part of the log says of the other's does not reach it,
    /// so that answers with both are approximate, until a batch run has read it all.
    Approximate(fn(&[MergedGroup]) -> Vec<Vec<Value>>),
}

/// A group whose parts are merged, for [`Finish`].
pub struct MergedGroup<'a> {
    names: &'a [&'static str],
    values: &'a [Value],
}

impl MergedGroup<'_> {
    /// A key or a part, by its name.
    ///
    /// # Panics
    /// If there is none of that name: hand-written code is wrong about itself.
    pub fn get(&self, name: &str) -> Value {
        let at = self.names.iter().position(|n| *n == name);
        self.values[at.unwrap_or_else(|| panic!("there is no part '{name}'; there are {:?}", self.names))].clone()
    }

    /// A numeric part as a float; `None` where it is NULL.
    ///
    /// # Panics
    /// As [`MergedGroup::get`], and for a part that is no number.
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            Value::Null => None,
            Value::Int(v) => Some(v as f64),
            Value::Float(v) => Some(v),
            Value::Numeric(v) => Some(v as f64),
            other => panic!("the part '{name}' is no number: {other:?}"),
        }
    }
}

impl Part {
    fn aggregate(self) -> Aggregate {
        let of = |function, t| Aggregate::new(function, Some(Expr::column(0, t)));
        match self {
            Part::Count => Aggregate::new(AggregateFunction::Count, None),
            Part::Sum(t) => of(AggregateFunction::Sum, t),
            Part::Min(t) => of(AggregateFunction::Min, t),
            Part::Max(t) => of(AggregateFunction::Max, t),
            Part::Distinct(t) => of(AggregateFunction::CountDistinct, t),
            Part::DistinctSketch(t) => of(AggregateFunction::ApproxCountDistinct, t),
            Part::Quantiles(t, q) => of(AggregateFunction::ApproxQuantile(q), t),
        }
    }
}

impl Merging {
    /// The query whose groups the parts are: what tables of this view are laid out for. Its answers are the keys and the merged parts by
    /// name, in key order. `query` is the one that the hand-written code stands for.
    ///
    /// # Errors
    /// What of the query code that finishes each group by itself cannot stand for: HAVING, ORDER BY and LIMIT, keys of other types, and more than groups.
    pub fn parts_query(&self, query: &Query) -> Result<Query, String> {
        let types: Vec<DataType> = self.keys.iter().map(|(_, t)| *t).collect();
        let of = match self.finish {
            Finish::Groups(_) => {
                check_groups(query, self.keys)?;
                query.clone()
            }
            Finish::Answer(_) | Finish::Approximate(_) => Query::over(query.topic.clone(), query.fields.clone()),
        };
        let key = |&(name, t): &(&str, DataType)| NamedExpr { name: name.into(), expr: Expr::column(0, t) };
        let aggregates: Vec<Aggregate> = self.parts.iter().map(|(_, p)| p.aggregate()).collect();
        let part_types = aggregates.iter().map(Aggregate::data_type);
        let output = self.names().into_iter().zip(types.into_iter().chain(part_types)).enumerate();
        let output = output.map(|(i, (name, t))| NamedExpr { name: name.into(), expr: Expr::column(i, t) }).collect();
        Ok(Query { filter: None, keys: self.keys.iter().map(key).collect(), aggregates, output, ..of })
    }

    /// Finishes an answer of [`Merging::parts_query`]: a row per group in, rows in `query`'s columns out.
    ///
    /// # Errors
    /// The [`EvalError`] of a value that has no place in its column.
    ///
    /// # Panics
    /// If the code gives another number of values, or values of other types, than the query has.
    pub fn finished(&self, query: &Query, groups: &RecordBatch) -> Result<RecordBatch, EvalError> {
        let (names, merged) = (self.names(), rows(groups)?);
        let groups: Vec<MergedGroup<'_>> = merged.iter().map(|values| MergedGroup { names: &names, values }).collect();
        let rows: Vec<Vec<Value>> = match self.finish {
            Finish::Groups(finish) => groups.iter().map(finish).collect(),
            Finish::Answer(finish) | Finish::Approximate(finish) => finish(&groups),
        };
        let columns = query.answer_columns();
        let columns = columns.iter().enumerate().map(|(i, (_, t))| column_of(rows.iter().map(|row| &row[i]), *t)).collect();
        Ok(RecordBatch::try_new(answer_schema(query), columns).expect("values of the query's types"))
    }

    /// The table of groups that a layer gives: columns by the names of the keys and parts.
    ///
    /// # Errors
    /// What in the batch does not fit.
    pub fn table(&self, parts_query: &Query, groups: &RecordBatch) -> Result<GroupTable, String> {
        let column = |name: &str| {
            let found: Vec<&str> = groups.schema_ref().fields().iter().map(|f| f.name().as_str()).collect();
            groups.column_by_name(name).cloned().ok_or_else(|| format!("the column '{name}' is missing; there are {}", found.join(", ")))
        };
        let keys = self.keys.iter().map(|(name, _)| column(name)).collect::<Result<Vec<_>, _>>()?;
        let parts = self.parts.iter().map(|(name, _)| Ok(vec![column(name)?])).collect::<Result<Vec<_>, String>>()?;
        GroupTable::from_parts(parts_query, &keys, &parts)
    }

    fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|(name, _)| *name).chain(self.parts.iter().map(|(name, _)| *name)).collect()
    }
}

/// That a query is one of groups by keys of these types, and nothing more.
pub(crate) fn check_groups(query: &Query, keys: &[(&str, DataType)]) -> Result<(), String> {
    if query.finish.is_some() {
        return Err("it computes more than groups, and the code gives groups alone".into());
    }
    if query.having.is_some() || !query.order_by.is_empty() || query.limit.is_some() || query.rows {
        return Err("it has HAVING, ORDER BY or LIMIT, or no grouping".into());
    }
    let types: Vec<DataType> = query.keys.iter().map(|k| k.expr.data_type).collect();
    if types != keys.iter().map(|(_, t)| *t).collect::<Vec<_>>() {
        return Err(format!("its keys are of the types {types:?}, and the hand-written ones {keys:?}"));
    }
    Ok(())
}

impl GroupTable {
    /// A table of groups that another engine computed: `keys` in canonical type, one row per group, and for each aggregate the columns of
    /// its part. AVG of integers and intervals has two, the sum and the count; every other has one, as [`Part`] says (AVG of floats, and sums
    /// and means of decimals, are the list of the values, too, and so are variances, percentiles and bits), but for what looks at several values of
    /// a row: of those it is the list of each ([`Aggregate::args`]), over the same rows. A list is a List or a LargeList.
    ///
    /// # Errors
    /// What does not fit the query: a column of another type, NULL where there must be a value, a key twice.
    pub fn from_parts(query: &Query, keys: &[ArrayRef], parts: &[Vec<ArrayRef>]) -> Result<Self, String> {
        let groups = keys.first().map_or(1, |k| k.len());
        if let Some(other) = keys.iter().chain(parts.iter().flatten()).find(|c| c.len() != groups) {
            return Err(format!("a column has {} rows and another {groups}", other.len()));
        }
        if parts.len() != query.aggregates.len() {
            return Err(format!("{} aggregates were handed over, and the query has {}", parts.len(), query.aggregates.len()));
        }
        let accumulators = query.aggregates.iter().zip(parts).enumerate();
        let accumulators = accumulators.map(|(i, (aggregate, columns))| {
            accumulator(aggregate, columns, groups).map_err(|e| format!("aggregate {i} ({}): {e}", aggregate.function.sql_name()))
        });
        let accumulators = accumulators.collect::<Result<Vec<_>, _>>()?;
        GroupTable::from_columns(query, keys, accumulators, groups).map_err(|row| format!("row {row} has the key of an earlier row"))
    }
}

fn accumulator(aggregate: &Aggregate, columns: &[ArrayRef], groups: usize) -> Result<Accumulator, String> {
    use AggregateFunction::*;
    let mut accumulator = Accumulator::new(aggregate);
    if !aggregate.beside.is_empty() {
        let (values, owners) = of_rows(aggregate, columns)?;
        accumulator.grow(groups, false);
        accumulator.update(&values, &owners);
        return Ok(accumulator);
    }
    let of = aggregate.arg.as_ref().map_or(DataType::Int, |a| a.data_type);
    let two = aggregate.function == Avg && matches!(of, DataType::Int | DataType::Interval);
    let (first, last) = match columns {
        [first, last] if two => (first, last),
        [only] if !two => (only, only),
        _ => return Err(format!("{} columns were handed over, and it has {}", columns.len(), 1 + usize::from(two))),
    };
    let list = list_of_values(first);
    let is_list = list.is_some();
    match (aggregate.function, of, list) {
        (Sum | Avg, DataType::Float | DataType::Decimal { .. } | DataType::Numeric, Some((values, owners)))
        | (BitAnd | BitOr | BitXor, _, Some((values, owners)))
        | (CountDistinct | SumDistinct | AvgDistinct | ApproxCountDistinct | ApproxQuantile(_), _, Some((values, owners)))
        | (VarPop | VarSamp | PercentileCont(_) | PercentileDisc(_) | Mode, _, Some((values, owners))) => {
            if *values.data_type() != arrow_type(of) {
                return Err(format!("it is handed over as a list of {}, not of {}", values.data_type(), arrow_type(of)));
            }
            accumulator.grow(groups, false);
            accumulator.update(&[values], &owners);
        }
        (Sum | Avg, DataType::Float, None)
        | (CountDistinct | SumDistinct | AvgDistinct | VarPop | VarSamp | PercentileCont(_) | PercentileDisc(_) | Mode, _, None) => {
            return Err(format!("it is handed over as the list of its values, not as {}", first.data_type()));
        }
        (Regression(_) | FirstValue { .. } | LastValue { .. } | FirstBy { .. } | StringAgg { .. }, ..) => {
            return Err("it says nothing of what stands beside its values".into());
        }
        _ if is_list => return Err(format!("it is handed over as one value per group, not as {}", first.data_type())),
        (Count, ..) => load(&mut accumulator, vec![("count", first.clone())])?,
        (Sum, ..) => load(&mut accumulator, vec![("sum", as_numeric(first))])?,
        (Avg, ..) => load(&mut accumulator, vec![("sum", as_numeric(first)), ("count", last.clone())])?,
        (Min | Max, ..) => {
            if *first.data_type() != arrow_type(of) {
                return Err(format!("it is {}, not {}", first.data_type(), arrow_type(of)));
            }
            accumulator.grow(groups, first.null_count() == 0);
            accumulator.update(std::slice::from_ref(first), &(0..groups as u32).collect::<Vec<_>>());
        }
        (ApproxCountDistinct, ..) => load(&mut accumulator, vec![("hll", first.clone())])?,
        (ApproxQuantile(_), ..) => load(&mut accumulator, vec![("ddsketch", first.clone())])?,
        (BitAnd | BitOr | BitXor, ..) => load(&mut accumulator, vec![("bits", first.clone())])?,
    }
    Ok(accumulator)
}

/// Of lists of all that an aggregate looks at in a row: the values, by its arguments, and to which group each row belongs.
fn of_rows(aggregate: &Aggregate, columns: &[ArrayRef]) -> Result<(Vec<ArrayRef>, Vec<u32>), String> {
    let lists: Option<Vec<_>> = columns.iter().map(list_of_values).collect();
    let (values, mut owners): (Vec<ArrayRef>, Vec<Vec<u32>>) = lists.unwrap_or_default().into_iter().unzip();
    let types = |of: &[ArrayRef]| of.iter().map(|values| values.data_type().to_string()).collect::<Vec<_>>().join(", ");
    let wanted: Vec<ArrowType> = aggregate.args().map(|arg| arrow_type(arg.data_type)).collect();
    if values.iter().map(|values| values.data_type()).ne(&wanted) {
        let wanted: Vec<String> = wanted.iter().map(ArrowType::to_string).collect();
        return Err(format!("it is handed over as lists of {}, not as {}", wanted.join(", "), types(columns)));
    }
    if owners.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err("its lists are not of the same rows".into());
    }
    Ok((values, owners.swap_remove(0)))
}

/// The values of a column of lists, and to which row each belongs; `None` where it is none.
fn list_of_values(column: &ArrayRef) -> Option<(ArrayRef, Vec<u32>)> {
    fn values<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> (ArrayRef, Vec<u32>) {
        let offsets = lists.value_offsets();
        let from = offsets.first().map_or(0, |o| o.as_usize());
        let mut owners = Vec::with_capacity(lists.values().len());
        for (group, range) in offsets.windows(2).enumerate() {
            owners.extend(std::iter::repeat_n(group as u32, (range[1] - range[0]).as_usize()));
        }
        (lists.values().slice(from, owners.len()), owners)
    }
    match column.data_type() {
        ArrowType::List(_) => Some(values(column.as_list::<i32>())),
        ArrowType::LargeList(_) => Some(values(column.as_list::<i64>())),
        _ => None,
    }
}

fn load(accumulator: &mut Accumulator, columns: Vec<(&str, ArrayRef)>) -> Result<(), String> {
    let names = columns.iter().map(|(name, _)| name.to_string()).collect();
    let columns: Vec<ArrayRef> = columns.into_iter().map(|(_, column)| column).collect();
    accumulator.load(&mut Reader { columns: columns.iter(), names })
}

/// Sums as they travel: Decimal128(38, 0).
fn as_numeric(sums: &ArrayRef) -> ArrayRef {
    match sums.data_type() {
        ArrowType::Int64 | ArrowType::Duration(_) => {
            let sums = super::canonical::as_i64(sums.as_ref());
            let sums: &arrow_array::PrimitiveArray<Int64Type> = &sums;
            Arc::new(numeric(sums.values().iter().map(|&v| i128::from(v)).collect(), sums.nulls().cloned()))
        }
        _ => sums.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Selection, answer};
    use arrow_array::builder::{Int64Builder, ListBuilder};
    use arrow_array::{Int64Array, StringArray};
    use arrow_schema::{Field, Schema};

    const SQL: &str = "SELECT k, AVG(v) AS mean, MAX(v) AS most, COUNT(DISTINCT v) AS distinct_v, COUNT(*) AS n FROM t GROUP BY k";

    fn query() -> Query {
        let fields = vec![Field::new("k", ArrowType::Utf8, true), Field::new("v", ArrowType::Int64, true)];
        twopath_query::parse(SQL, "t", &Schema::new(fields)).unwrap()
    }

    const MERGING: Merging = Merging {
        name: "means",
        version: 1,
        keys: &[("k", DataType::Text)],
        parts: &[
            ("v_sum", Part::Sum(DataType::Int)),
            ("v_max", Part::Max(DataType::Int)),
            ("v_all", Part::Distinct(DataType::Int)),
            ("n", Part::Count),
        ],
        finish: Finish::Groups(|group| {
            let mean = group.number("v_sum").map(|sum| sum / group.number("n").unwrap_or(f64::NAN));
            vec![group.get("k"), mean.map_or(Value::Null, Value::Float), group.get("v_max"), group.get("v_all"), group.get("n")]
        }),
    };

    fn groups(rows: &[(&str, &[i64])]) -> RecordBatch {
        let mut all = ListBuilder::new(Int64Builder::new());
        rows.iter().for_each(|(_, v)| all.append_value(v.iter().map(|&v| Some(v))));
        let each = |f: fn(&[i64]) -> i64| Arc::new(rows.iter().map(|(_, v)| Some(f(v))).collect::<Int64Array>()) as ArrayRef;
        let keys: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|(k, _)| k)));
        RecordBatch::try_from_iter([
            ("k", keys),
            ("v_sum", each(|v| v.iter().sum())),
            ("v_max", each(|v| *v.iter().max().unwrap())),
            ("v_all", Arc::new(all.finish()) as ArrayRef),
            ("n", each(|v| v.len() as i64)),
        ])
        .unwrap()
    }

    #[test]
    fn parts_of_two_layers_merge_and_are_finished() {
        let query = query();
        let parts_query = MERGING.parts_query(&query).unwrap();
        let batch = MERGING.table(&parts_query, &groups(&[("a", &[1, 2, 2]), ("b", &[5])])).unwrap();
        let speed = MERGING.table(&parts_query, &groups(&[("c", &[7, 7]), ("a", &[3])])).unwrap();
        let merged = answer(&parts_query, &[&batch, &speed], &Selection::default()).unwrap();
        let answer = MERGING.finished(&query, &merged).unwrap();
        let text = |row: Vec<Value>| format!("{row:?}");
        let rows: Vec<String> = rows(&answer).unwrap().into_iter().map(text).collect();
        let a = r#"[Text("a"), Float(2.0), Int(3), Int(3), Int(4)]"#;
        assert_eq!(rows[0], a);
        assert_eq!(rows[2], r#"[Text("c"), Float(7.0), Int(7), Int(1), Int(2)]"#);
        assert_eq!(answer.schema(), answer_schema(&query));
    }

    #[test]
    fn the_same_groups_as_the_querys_own() {
        let query = query();
        let batch = groups(&[("a", &[1, 2, 2])]);
        let column = |name: &str| batch.column_by_name(name).unwrap().clone();
        let parts = [vec![column("v_sum"), column("n")], vec![column("v_max")], vec![column("v_all")], vec![column("n")]];
        let table = GroupTable::from_parts(&query, &[column("k")], &parts).unwrap();
        let mut own = GroupTable::new(&query);
        let keys: ArrayRef = Arc::new(StringArray::from(vec!["a"; 3]));
        let values: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 2]));
        let args = [vec![values.clone()], vec![values.clone()], vec![values], vec![]];
        own.update(&[keys], &args, 3).unwrap();
        assert_eq!(table.to_batch(), own.to_batch());
    }

    #[test]
    fn rows_of_several_values_are_lists_of_each() {
        let fields =
            vec![Field::new("k", ArrowType::Utf8, true), Field::new("v", ArrowType::Int64, true), Field::new("w", ArrowType::Int64, true)];
        let sql = "SELECT k, CORR(v, w) AS c, MAX_BY(v, w) AS m, STRING_AGG(k, ';' ORDER BY v DESC) AS s FROM t GROUP BY k";
        let query = twopath_query::parse(sql, "t", &Schema::new(fields)).unwrap();
        let column = |t: DataType, values: &[Option<i64>]| -> ArrayRef {
            match t {
                DataType::Text => Arc::new(values.iter().map(|v| v.map(|v| v.to_string())).collect::<StringArray>()),
                DataType::Float => Arc::new(values.iter().map(|v| v.map(|v| v as f64)).collect::<arrow_array::Float64Array>()),
                DataType::Bool => Arc::new(values.iter().map(|v| v.map(|v| v > 2)).collect::<arrow_array::BooleanArray>()),
                DataType::Timestamp => {
                    let times: arrow_array::TimestampMicrosecondArray = values.iter().copied().collect();
                    Arc::new(times.with_data_type(arrow_type(t)))
                }
                _ => Arc::new(values.iter().copied().collect::<Int64Array>()),
            }
        };
        // Of two groups, the first of three rows and the second of one.
        let rows: [&[Option<i64>]; 3] =
            [&[Some(1), Some(4), Some(2), Some(9)], &[Some(3), None, Some(2), Some(8)], &[Some(7), Some(1), Some(7), Some(5)]];
        let args = |aggregate: &Aggregate| -> Vec<ArrayRef> {
            aggregate.args().enumerate().map(|(i, arg)| column(arg.data_type, rows[i % 3])).collect()
        };
        let list = |values: ArrayRef| -> ArrayRef {
            let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
            Arc::new(arrow_array::ListArray::new(field, arrow_buffer::OffsetBuffer::from_lengths([3, 1]), values, None))
        };
        let keys: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        let parts: Vec<Vec<ArrayRef>> = query.aggregates.iter().map(|a| args(a).into_iter().map(list).collect()).collect();
        let table = GroupTable::from_parts(&query, std::slice::from_ref(&keys), &parts).unwrap();
        let mut own = GroupTable::new(&query);
        let each: ArrayRef = Arc::new(StringArray::from(vec!["a", "a", "a", "b"]));
        own.update(&[each], &query.aggregates.iter().map(args).collect::<Vec<_>>(), 4).unwrap();
        assert_eq!(table.to_batch(), own.to_batch());
        let mut fewer = parts.clone();
        fewer[0].pop();
        let error = GroupTable::from_parts(&query, &[keys], &fewer).unwrap_err();
        assert!(error.contains("lists of Float64, Float64"), "{error}");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let query = query();
        let parts_query = MERGING.parts_query(&query).unwrap();
        let twice = MERGING.table(&parts_query, &groups(&[("a", &[1]), ("a", &[2])])).unwrap_err();
        assert!(twice.contains("row 1 has the key of an earlier row"), "{twice}");
        let missing = MERGING.table(&parts_query, &groups(&[("a", &[1])]).project(&[0, 1, 2, 3]).unwrap()).unwrap_err();
        assert!(missing.contains("'n' is missing"), "{missing}");
        let ordered = twopath_query::parse(
            "SELECT k, COUNT(*) AS n FROM t GROUP BY k ORDER BY n",
            "t",
            &Schema::new(vec![Field::new("k", ArrowType::Utf8, true), Field::new("v", ArrowType::Int64, true)]),
        );
        assert!(MERGING.parts_query(&ordered.unwrap()).is_err());
    }
}
