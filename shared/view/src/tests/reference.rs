//! Random queries over random rows, against the reference interpreter.

use proptest::prelude::*;

use super::rows::{COLUMNS, Row, batch, row};
use crate::{GroupTable, Selection, answer};
use twopath_query::values::rows;
use twopath_query::{
    Aggregate, AggregateFunction, BinaryOp, DataType, EvalError, Expr, ExprKind, Field, NamedExpr, Order, Query, TimeField, TimeUnit,
    UnaryOp, Value,
};
use twopath_reference::{Reference, compare};

use DataType::*;

fn literal(t: DataType) -> BoxedStrategy<Expr> {
    let value = match t {
        Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Int => prop_oneof![4 => -3..4i64, 1 => Just(i64::MAX), 1 => Just(i64::MIN)].prop_map(Value::Int).boxed(),
        Float => {
            let values = vec![0.0, -0.0, 0.5, -2.0, 3.0, 1e300, 2.5, 9.3e18, f64::NAN, f64::INFINITY];
            prop::sample::select(values).prop_map(Value::Float).boxed()
        }
        Text => prop::sample::select(vec!["", "a", " 12 ", "-7", "1e3", "x", "99999999999999999999", "nan"])
            .prop_map(|s| Value::Text(s.into()))
            .boxed(),
        Timestamp => prop_oneof![4 => -300_000_000_000_000..300_000_000_000_000i64, 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
            .prop_map(Value::Timestamp)
            .boxed(),
        Interval => prop_oneof![4 => -100_000_000_000..100_000_000_000i64, 1 => Just(i64::MAX)].prop_map(Value::Interval).boxed(),
        Numeric => prop_oneof![4 => -3..4i128, 1 => Just(10i128.pow(38) - 1)].prop_map(Value::Numeric).boxed(),
        Decimal { .. } => unreachable!("decimals have random queries of their own"),
    };
    prop_oneof![1 => Just(Value::Null), 9 => value].prop_map(move |v| Expr::literal(v, t)).boxed()
}

fn op(t: DataType, op: BinaryOp, left: BoxedStrategy<Expr>, right: BoxedStrategy<Expr>) -> BoxedStrategy<Expr> {
    (left, right).prop_map(move |(l, r)| Expr::binary(op, l, r, t)).boxed()
}

fn of(arg: BoxedStrategy<Expr>, t: DataType, kind: impl Fn(Box<Expr>) -> ExprKind + 'static) -> BoxedStrategy<Expr> {
    arg.prop_map(move |a| Expr::new(kind(Box::new(a)), t)).boxed()
}

fn cast(arg: BoxedStrategy<Expr>, t: DataType) -> BoxedStrategy<Expr> {
    of(arg, t, |arg| ExprKind::Cast { arg })
}

/// Expressions of type `t` over columns of these types. Numeric only where a column has it.
fn expr(t: DataType, columns: &'static [DataType], depth: u32) -> BoxedStrategy<Expr> {
    use BinaryOp::*;
    let mut leaves: Vec<BoxedStrategy<Expr>> = vec![literal(t)];
    let mine: Vec<usize> = (0..columns.len()).filter(|&c| columns[c] == t).collect();
    if !mine.is_empty() {
        let column = prop::sample::select(mine).prop_map(move |c| Expr::column(c, t)).boxed();
        leaves.extend([column.clone(), column.clone(), column]);
    }
    if depth == 0 {
        return prop::strategy::Union::new(leaves).boxed();
    }
    let sub = |t: DataType| expr(t, columns, depth - 1);
    let case = (prop::collection::vec((sub(Bool), sub(t)), 1..3), prop::option::of(sub(t)))
        .prop_map(move |(branches, otherwise)| Expr::new(ExprKind::Case { branches, otherwise: otherwise.map(Box::new) }, t));
    leaves.push(case.boxed());
    let with_numeric = columns.contains(&Numeric);
    match t {
        Bool => {
            let mut types = vec![Bool, Int, Float, Text, Timestamp, Interval];
            if with_numeric {
                types.push(Numeric);
            }
            for t in types {
                let comparison = prop::sample::select(vec![Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual]);
                leaves.push((comparison, sub(t), sub(t)).prop_map(|(op, l, r)| Expr::binary(op, l, r, Bool)).boxed());
            }
            for t in [Int, Text] {
                leaves.push(of(sub(t), Bool, |arg| ExprKind::IsNull { arg, negated: true }));
                leaves.push(of(sub(t), Bool, |arg| ExprKind::IsNull { arg, negated: false }));
            }
            leaves.extend([op(Bool, And, sub(Bool), sub(Bool)), op(Bool, Or, sub(Bool), sub(Bool))]);
            leaves.push(of(sub(Bool), Bool, |arg| ExprKind::Unary { op: UnaryOp::Not, arg }));
        }
        Int => {
            for o in [Add, Subtract, Multiply, Divide, Modulo] {
                leaves.push(op(Int, o, sub(Int), sub(Int)));
            }
            leaves.push(of(sub(Int), Int, |arg| ExprKind::Unary { op: UnaryOp::Negate, arg }));
            leaves.extend([cast(sub(Bool), Int), cast(sub(Float), Int), cast(sub(Text), Int)]);
            use TimeField::*;
            for field in [Year, Quarter, Month, Week, Day, Dow, Doy, Hour, Minute, Second] {
                leaves.push(of(sub(DataType::Timestamp), Int, move |arg| ExprKind::Extract { field, arg }));
            }
            for field in [Day, Hour, Minute, Second] {
                leaves.push(of(sub(Interval), Int, move |arg| ExprKind::Extract { field, arg }));
            }
            if with_numeric {
                leaves.push(cast(sub(Numeric), Int));
            }
        }
        Float => {
            for o in [Add, Subtract, Multiply, Divide, Modulo] {
                leaves.push(op(Float, o, sub(Float), sub(Float)));
            }
            leaves.push(of(sub(Float), Float, |arg| ExprKind::Unary { op: UnaryOp::Negate, arg }));
            leaves.extend([cast(sub(Int), Float), cast(sub(Text), Float)]);
            for t in [Timestamp, Interval] {
                leaves.push(of(sub(t), Float, |arg| ExprKind::Extract { field: TimeField::Epoch, arg }));
            }
            if with_numeric {
                leaves.extend([cast(sub(Numeric), Float), op(Float, Divide, sub(Numeric), sub(Numeric))]);
            }
        }
        Text => leaves.extend([cast(sub(Bool), Text), cast(sub(Int), Text)]),
        Timestamp => {
            leaves.extend([op(t, Add, sub(t), sub(Interval)), op(t, Subtract, sub(t), sub(Interval))]);
            use TimeUnit::*;
            for unit in [Year, Quarter, Month, Week, Day, Hour, Minute, Second] {
                leaves.push(of(sub(t), t, move |arg| ExprKind::DateTrunc { unit, arg }));
            }
            for size_us in [1, 7, 60_000_000, 3_600_000_001] {
                leaves.push(of(sub(t), t, move |arg| ExprKind::Tumble { arg, size_us }));
            }
        }
        Interval => {
            leaves.extend([op(t, Add, sub(t), sub(t)), op(t, Subtract, sub(t), sub(t)), op(t, Subtract, sub(Timestamp), sub(Timestamp))]);
        }
        Numeric => {
            for o in [Add, Subtract, Multiply, Modulo] {
                leaves.push(op(t, o, sub(t), sub(t)));
            }
            leaves.push(of(sub(t), t, |arg| ExprKind::Unary { op: UnaryOp::Negate, arg }));
            leaves.push(cast(sub(Int), t));
        }
        Decimal { .. } => unreachable!("decimals have random queries of their own"),
    }
    prop::strategy::Union::new(leaves).boxed()
}

const TOPIC: [DataType; 8] =
    [COLUMNS[0].1, COLUMNS[1].1, COLUMNS[2].1, COLUMNS[3].1, COLUMNS[4].1, COLUMNS[5].1, COLUMNS[6].1, COLUMNS[7].1];

fn fields() -> Vec<Field> {
    COLUMNS.iter().map(|(name, t)| Field { name: name.to_string(), data_type: *t, nullable: true }).collect()
}

fn any_type() -> impl Strategy<Value = DataType> {
    prop::sample::select(vec![Bool, Int, Float, Text, Timestamp, Interval])
}

fn aggregate() -> impl Strategy<Value = Aggregate> {
    use AggregateFunction::*;
    any_type().prop_flat_map(|t| {
        let mut functions = vec![Count, CountDistinct];
        if t != Bool {
            functions.extend([Min, Max]);
        }
        if matches!(t, Int | Float | Interval) {
            functions.extend([Sum, Avg]);
        }
        (prop::sample::select(functions), expr(t, &TOPIC, 1)).prop_map(move |(function, arg)| Aggregate::new(function, Some(arg)))
    })
}

fn named(exprs: Vec<Expr>) -> Vec<NamedExpr> {
    exprs.into_iter().enumerate().map(|(i, expr)| NamedExpr { name: format!("c{i}"), expr }).collect()
}

/// The first half of a query; the output is the group's row as it is.
fn first_half() -> impl Strategy<Value = Query> {
    let key = any_type().prop_flat_map(|t| expr(t, &TOPIC, 2));
    (prop::option::of(expr(Bool, &TOPIC, 2)), prop::collection::vec(key, 0..3), prop::collection::vec(aggregate(), 0..4)).prop_map(
        |(filter, keys, mut aggregates)| {
            aggregates.push(Aggregate::new(AggregateFunction::Count, None));
            let types = keys.iter().map(|k| k.data_type).chain(aggregates.iter().map(Aggregate::data_type));
            let output = named(types.enumerate().map(|(i, t)| Expr::column(i, t)).collect());
            let topic = "t".to_string();
            let keys = named(keys);
            let (rows, having, order_by, distinct, offset, limit) = (false, None, vec![], false, 0, None);
            Query {
                topic,
                fields: fields(),
                panes: None,
                filter,
                keys,
                aggregates,
                rows,
                output,
                having,
                order_by,
                distinct,
                offset,
                limit,
                finish: None,
                whole: None,
            }
        },
    )
}

/// The rows of [`second_half`]'s groups: three keys, then aggregates.
const GROUP: [DataType; 7] = [Int, Text, Float, Int, Numeric, Interval, Timestamp];

fn second_half() -> impl Strategy<Value = Query> {
    let output = prop::sample::select(vec![Bool, Int, Float, Text, Timestamp, Interval, Numeric]).prop_flat_map(|t| expr(t, &GROUP, 2));
    let order =
        (output.clone(), any::<bool>(), any::<bool>()).prop_map(|(expr, descending, nulls_first)| Order { expr, descending, nulls_first });
    (
        prop::collection::vec(output, 1..4),
        prop::option::of(expr(Bool, &GROUP, 2)),
        prop::collection::vec(order, 0..3),
        (any::<bool>(), prop::sample::select(vec![0, 0, 1, 5]), prop::option::of(0..12u64)),
        any::<bool>(),
    )
        .prop_map(|(output, having, order_by, (distinct, offset, limit), rows)| {
            use AggregateFunction::*;
            let column = |i: usize| Expr::column(i, TOPIC[i]);
            let over = |function, i: usize| Aggregate::new(function, Some(column(i)));
            let count = Aggregate::new(Count, None);
            let mut query = Query {
                topic: "t".into(),
                fields: fields(),
                panes: None,
                filter: None,
                keys: named(vec![column(0), column(1), column(4)]),
                aggregates: vec![count.clone(), over(Sum, 3), over(Sum, 7), over(Max, 6)],
                rows: false,
                output: named(output),
                having,
                order_by,
                distinct: distinct && !rows,
                offset,
                limit,
                finish: None,
                whole: None,
            };
            if rows {
                // A query of rows: all columns are keys, the count is the only aggregate, and its rows are repeated.
                let columns = [0, 1, 4, 3, 7, 6].map(column).to_vec();
                query.output = named(columns.iter().enumerate().map(|(i, e)| Expr::column(i, e.data_type)).collect());
                query.order_by.iter_mut().enumerate().for_each(|(i, o)| o.expr = query.output[i + 1].expr.clone());
                (query.keys, query.aggregates, query.having, query.rows) = (named(columns), vec![count], None, true);
            }
            query
        })
}

type Answered = Result<Vec<Row>, EvalError>;

fn ours(query: &Query, parts: &[&[Row]]) -> Answered {
    let mut tables = Vec::new();
    for part in parts {
        let mut table = GroupTable::new(query);
        table.update_from_log(query, &batch(part))?;
        tables.push(table);
    }
    let batch = answer(query, &tables.iter().collect::<Vec<_>>(), &Selection::default())?;
    Ok(rows(&batch).unwrap())
}

fn check(query: &Query, data: &[Row], cut: usize) -> Result<(), TestCaseError> {
    let mut reference = Reference::new(query.clone());
    reference.push(&batch(data));
    let expected = reference.answer();
    for actual in [ours(query, &[data]), ours(query, &[&data[..cut], &data[cut..]])] {
        if let Err(difference) = compare(query, &expected, &actual) {
            return Err(TestCaseError::fail(format!("{difference}\nexpected {expected:?}\nactual {actual:?}")));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn groups_are_the_reference_s(query in first_half(), data in prop::collection::vec(row(), 0..8), cut in any::<prop::sample::Index>()) {
        check(&query, &data, cut.index(data.len() + 1))?;
    }

    #[test]
    fn answers_are_the_reference_s(
        query in second_half(),
        data in prop::collection::vec(row(), 0..12),
        cut in any::<prop::sample::Index>(),
    ) {
        check(&query, &data, cut.index(data.len() + 1))?;
    }

    /// A key's answer, and a range's, are those rows of the whole answer.
    #[test]
    fn keys_and_ranges(data in prop::collection::vec(row(), 0..30), cut in any::<prop::sample::Index>(), from in 0..4i64, to in 0..4i64) {
        let query = super::query("SELECT k, name, COUNT(*) AS n, SUM(d) AS d, MAX(s) AS s FROM t GROUP BY k, name HAVING COUNT(*) <> 2", &COLUMNS);
        let cut = cut.index(data.len() + 1);
        let tables = [&data[..cut], &data[cut..]].map(|part| {
            let mut table = GroupTable::new(&query);
            table.update_from_log(&query, &batch(part)).unwrap();
            table
        });
        let ask = |ask: &Selection| rows(&answer(&query, &[&tables[0], &tables[1]], ask).unwrap()).unwrap();
        let all = ask(&Selection::default());
        let mut reference = Reference::new(query.clone());
        reference.push(&batch(&data));
        prop_assert_eq!(&all, &reference.answer().unwrap());
        for row in &data {
            let key = row[..2].to_vec();
            let expected: Vec<Row> = reference.answer_key(&key).unwrap().into_iter().collect();
            prop_assert_eq!(ask(&Selection { key: Some(key), ..Selection::default() }), expected);
        }
        let ranges = [(Some(from), Some(to)), (Some(from), None), (None, Some(to))];
        for (from, to) in ranges {
            let within = |k: &Value| matches!(k, Value::Int(k) if from.is_none_or(|f| *k >= f) && to.is_none_or(|t| *k <= t));
            let expected: Vec<Row> = all.iter().filter(|r| within(&r[0])).cloned().collect();
            prop_assert_eq!(ask(&Selection { key: None, first_key: (from.map(Value::Int), to.map(Value::Int)) }), expected);
        }
        prop_assert_eq!(ask(&Selection { key: Some(vec![Value::Int(99), Value::Null]), ..Selection::default() }), Vec::<Row>::new());
        prop_assert_eq!(ask(&Selection { key: Some(vec![Value::Text("0".into()), Value::Null]), ..Selection::default() }), Vec::<Row>::new());
    }
}
