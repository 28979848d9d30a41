//! Operators above the flat queries, by hand: each case a few rows whose answer is plain to see.

use crate::canonical::arrow_type;
use crate::finish;
use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema};
use std::sync::Arc;
use twopath_query::plan::{Frame, JoinKind, Moment, Node, OverCall, OverFunction, Plan, Upserts, Window};
use twopath_query::values::rows;
use twopath_query::{Aggregate, AggregateFunction, BinaryOp, DataType, Decimal, EvalError, Expr, NamedExpr, Order, Program, Value};

use BinaryOp::*;
use DataType::{Bool, Float, Int, Text, Timestamp};

type Table<'a> = (&'a [(&'a str, DataType)], Vec<Vec<Value>>);

fn plan(node: Node) -> Plan {
    Plan::new(node, 0..0)
}

fn boxed(node: Node) -> Box<Plan> {
    Box::new(plan(node))
}

fn input(number: usize, table: &Table<'_>) -> Box<Plan> {
    boxed(Node::Input { number, columns: table.0.iter().map(|(name, t)| (name.to_string(), *t)).collect() })
}

fn batch(table: &Table<'_>) -> RecordBatch {
    let (columns, rows) = table;
    let arrays = (0..columns.len()).map(|c| super::rows::column(rows.iter().map(|r| r[c].clone()), columns[c].1)).collect();
    let fields = columns.iter().map(|(name, t)| Field::new(*name, arrow_type(*t), true));
    RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), arrays).unwrap()
}

/// The answer's rows.
fn run(node: Node, tables: &[&Table<'_>]) -> Result<Vec<Vec<Value>>, EvalError> {
    let inputs: Vec<RecordBatch> = tables.iter().map(|t| batch(t)).collect();
    let program = Program { inputs: vec![], finish: plan(node) };
    finish(&program, &inputs).map(|answer| rows(&answer).unwrap())
}

fn int(v: i64) -> Value {
    Value::Int(v)
}

/// Rows of integers; `N` is NULL.
const N: i64 = i64::MIN;
fn ints<const C: usize>(rows: &[[i64; C]]) -> Vec<Vec<Value>> {
    rows.iter().map(|row| row.iter().map(|&v| if v == N { Value::Null } else { int(v) }).collect()).collect()
}

fn column(c: usize) -> Expr {
    Expr::column(c, Int)
}

fn literal(v: i64) -> Expr {
    Expr::literal(int(v), Int)
}

fn compare(op: BinaryOp, left: Expr, right: Expr) -> Expr {
    Expr::binary(op, left, right, Bool)
}

fn and(left: Expr, right: Expr) -> Expr {
    Expr::binary(And, left, right, Bool)
}

fn order(c: usize, descending: bool) -> Order {
    Order { expr: column(c), descending, nulls_first: descending }
}

const KV: &[(&str, DataType)] = &[("k", Int), ("v", Int)];

#[test]
fn joins_of_every_kind() {
    let left: Table<'_> = (KV, ints(&[[1, 10], [2, 20], [2, 21], [N, 30], [4, 40]]));
    let right: Table<'_> = (KV, ints(&[[2, 5], [2, 25], [N, 1], [1, 50], [7, 7]]));
    let on_key = compare(Equal, column(0), column(2));
    let join = |kind, on| run(Node::Join { left: input(0, &left), right: input(1, &right), kind, on }, &[&left, &right]).unwrap();
    let pairs = [[1, 10, 1, 50], [2, 20, 2, 5], [2, 20, 2, 25], [2, 21, 2, 5], [2, 21, 2, 25]];
    assert_eq!(join(JoinKind::Inner, Some(on_key.clone())), ints(&pairs));
    let (of_left, of_right) = ([[4, 40, N, N], [N, 30, N, N]], [[N, N, 7, 7], [N, N, N, 1]]);
    assert_eq!(join(JoinKind::Left, Some(on_key.clone())), ints(&[&pairs[..], &of_left].concat()));
    assert_eq!(join(JoinKind::Right, Some(on_key.clone())), ints(&[&pairs[..], &of_right].concat()));
    assert_eq!(join(JoinKind::Full, Some(on_key.clone())), ints(&[&pairs[..], &of_left, &of_right].concat()));

    // What is not an equality decides among those that meet; the sides may be written in any order.
    let less = compare(Less, column(1), column(3));
    let on = Some(and(less.clone(), compare(Equal, column(2), column(0))));
    assert_eq!(join(JoinKind::Inner, on.clone()), ints(&[[1, 10, 1, 50], [2, 20, 2, 25], [2, 21, 2, 25]]));
    assert_eq!(join(JoinKind::Left, on)[3..], ints(&of_left));
    // Of one side alone: a left join keeps the left rows that it does not let through.
    let on = Some(and(on_key.clone(), compare(Greater, column(1), literal(20))));
    assert_eq!(
        join(JoinKind::Left, on.clone()),
        ints(&[[1, 10, N, N], [2, 20, N, N], [2, 21, 2, 5], [2, 21, 2, 25], [4, 40, N, N], [N, 30, N, N]])
    );
    assert_eq!(join(JoinKind::Inner, on), ints(&pairs[3..]));
    let on = Some(and(compare(Equal, column(3), literal(5)), on_key));
    assert_eq!(join(JoinKind::Right, on).len(), 2 + 4);
    // Without equalities every pair is looked at, and without a condition every pair is there.
    assert_eq!(join(JoinKind::Inner, Some(less)).len(), 2 + 2 + 2 + 1 + 1);
    assert_eq!(join(JoinKind::Inner, None).len(), 25);
    let nothing = Some(Expr::literal(Value::Bool(false), Bool));
    assert_eq!(join(JoinKind::Full, nothing).len(), 10);
}

#[test]
fn keys_meet_by_value() {
    let cents = DataType::Decimal { precision: 9, scale: 2 };
    let decimal = |unscaled, scale| Value::Decimal(Decimal { unscaled, scale });
    let left: Table<'_> = (
        &[("a", cents), ("f", Float)],
        vec![
            vec![decimal(150, 2), Value::Float(f64::NAN)],
            vec![decimal(200, 2), Value::Float(-0.0)],
            vec![decimal(201, 2), Value::Float(1.0)],
        ],
    );
    let tenths = DataType::Decimal { precision: 38, scale: 1 };
    let right: Table<'_> = (
        &[("b", tenths), ("f", Float)],
        vec![
            vec![decimal(15, 1), Value::Float(-f64::NAN)],
            vec![decimal(20, 1), Value::Float(0.0)],
            vec![decimal(10i128.pow(37), 1), Value::Float(1.0)],
        ],
    );
    let by_decimal = compare(Equal, Expr::column(0, cents), Expr::column(2, tenths));
    let by_float = compare(Equal, Expr::column(1, Float), Expr::column(3, Float));
    let count = |on| {
        run(Node::Join { left: input(0, &left), right: input(1, &right), kind: JoinKind::Inner, on: Some(on) }, &[&left, &right])
            .unwrap()
            .len()
    };
    assert_eq!(count(by_decimal.clone()), 2);
    assert_eq!(count(by_float.clone()), 3);
    assert_eq!(count(and(by_decimal, by_float)), 2);
}

/// A condition is evaluated for the pairs that are equal where it says so, and for no others.
#[test]
fn conditions_fail_where_they_are_evaluated() {
    let (left, right): (Table<'_>, Table<'_>) = ((KV, ints(&[[1, 0], [2, 5]])), (KV, ints(&[[2, 9]])));
    let quotient = Expr::binary(Divide, literal(10), column(1), Int);
    let positive = compare(Greater, quotient.clone(), literal(0));
    let join = |on, right: &Table<'_>| {
        run(Node::Join { left: input(0, &left), right: input(1, right), kind: JoinKind::Left, on: Some(on) }, &[&left, right])
            .map(|rows| rows.len())
    };
    let on_key = compare(Equal, column(0), column(2));
    assert_eq!(join(and(on_key.clone(), positive.clone()), &right), Ok(2));
    assert_eq!(join(and(positive.clone(), on_key), &right), Ok(2));
    assert_eq!(join(positive.clone(), &right), Err(EvalError::DivisionByZero));
    assert_eq!(join(compare(Equal, quotient.clone(), column(2)), &right), Err(EvalError::DivisionByZero));
    assert_eq!(join(compare(Equal, quotient, column(2)), &(KV, vec![])), Ok(2));
    assert_eq!(join(positive, &(KV, vec![])), Ok(2));
    // Rows that a filter leaves out raise nothing.
    let not_zero = compare(NotEqual, column(1), literal(0));
    let filtered = boxed(Node::Filter { input: input(0, &left), condition: not_zero });
    let columns = vec![NamedExpr { name: "q".into(), expr: Expr::binary(Divide, literal(10), column(1), Int) }];
    assert_eq!(run(Node::Project { input: filtered, columns: columns.clone() }, &[&left]), Ok(ints(&[[2]])));
    assert_eq!(run(Node::Project { input: input(0, &left), columns }, &[&left]), Err(EvalError::DivisionByZero));
}

#[test]
fn as_of_joins_take_the_nearest() {
    let left: Table<'_> = (KV, ints(&[[1, 10], [1, 20], [1, 5], [2, 10], [N, 10], [1, N]]));
    let right: Table<'_> =
        (&[("k", Int), ("at", Int), ("x", Int)], ints(&[[1, 10, 1], [1, 10, 2], [1, 15, 3], [2, 11, 4], [1, N, 5], [N, 1, 6]]));
    let on_key = compare(Equal, column(0), column(2));
    let join = |kind, op, on| {
        let (left_at, right_at) = (column(1), column(1));
        let rows =
            run(Node::AsOfJoin { left: input(0, &left), right: input(1, &right), kind, on, op, left_at, right_at }, &[&left, &right]);
        rows.map(|rows| rows.into_iter().map(|row| [row[0].clone(), row[1].clone(), row[4].clone()].to_vec()).collect::<Vec<_>>())
    };
    let on = Some(on_key.clone());
    let inner = |op| join(JoinKind::Inner, op, on.clone()).unwrap();
    assert_eq!(inner(GreaterOrEqual), ints(&[[1, 10, 2], [1, 20, 3]]));
    assert_eq!(inner(Greater), ints(&[[1, 20, 3]]));
    assert_eq!(inner(LessOrEqual), ints(&[[1, 5, 2], [1, 10, 2], [2, 10, 4]]));
    assert_eq!(inner(Less), ints(&[[1, 5, 2], [1, 10, 3], [2, 10, 4]]));
    let all = [[1, 5, N], [1, 10, 2], [1, 20, 3], [1, N, N], [2, 10, N], [N, 10, N]];
    assert_eq!(join(JoinKind::Left, GreaterOrEqual, on.clone()).unwrap(), ints(&all));
    // The nearest of those for which the rest of the condition holds.
    let odd = compare(Equal, Expr::binary(Modulo, column(4), literal(2), Int), literal(1));
    assert_eq!(join(JoinKind::Inner, GreaterOrEqual, Some(and(on_key.clone(), odd))).unwrap(), ints(&[[1, 10, 1], [1, 20, 3]]));
    let small = compare(Less, column(4), column(1));
    assert_eq!(join(JoinKind::Inner, LessOrEqual, Some(and(on_key, small))).unwrap(), ints(&[[1, 5, 2], [1, 10, 2], [2, 10, 4]]));
    // Without a condition all right rows are looked at.
    assert_eq!(join(JoinKind::Inner, GreaterOrEqual, None).unwrap().len(), 5);
}

fn upserts(key: usize, order: usize, payload: usize) -> Upserts {
    Upserts { key: vec![key], order: vec![order], payload: vec![payload] }
}

#[test]
fn changelogs_are_tables() {
    // Key, order, value.
    let log: Table<'_> =
        (&[("k", Int), ("at", Int), ("x", Int)], ints(&[[1, 1, 10], [2, 2, 20], [1, 3, 11], [2, 4, N], [3, 5, 30], [N, 6, 1], [N, 7, 2]]));
    let latest = |upserts| run(Node::Latest { input: input(0, &log), upserts }, &[&log]).unwrap();
    assert_eq!(latest(upserts(0, 1, 2)), ints(&[[1, 3, 11], [3, 5, 30], [N, 7, 2]]));
    assert_eq!(latest(Upserts { payload: vec![], ..upserts(0, 1, 2) }), ints(&[[1, 3, 11], [2, 4, N], [3, 5, 30], [N, 7, 2]]));

    let stream: Table<'_> = (KV, ints(&[[1, 0], [1, 1], [1, 2], [1, 3], [2, 3], [2, 4], [3, 9], [1, N]]));
    let join = |kind, inclusive, on| {
        let at = Moment { left_at: column(1), right_at: column(1), inclusive };
        let node = Node::TemporalJoin { left: input(0, &stream), right: input(1, &log), kind, on, at, upserts: upserts(0, 1, 2) };
        let rows = run(node, &[&stream, &log]).unwrap();
        rows.into_iter().map(|row| [row[0].clone(), row[1].clone(), row[4].clone()].to_vec()).collect::<Vec<_>>()
    };
    let on_key = Some(compare(Equal, column(0), column(2)));
    assert_eq!(join(JoinKind::Inner, true, on_key.clone()), ints(&[[1, 1, 10], [1, 2, 10], [1, 3, 11], [2, 3, 20], [3, 9, 30]]));
    assert_eq!(join(JoinKind::Inner, false, on_key.clone()), ints(&[[1, 2, 10], [1, 3, 10], [2, 3, 20], [2, 4, 20], [3, 9, 30]]));
    let all = [[1, 0, N], [1, 1, 10], [1, 2, 10], [1, 3, 11], [1, N, N], [2, 3, 20], [2, 4, N], [3, 9, 30]];
    assert_eq!(join(JoinKind::Left, true, on_key), ints(&all));
    // With the whole table of each moment.
    let whole = join(JoinKind::Inner, true, None);
    let at = |k, at| whole.iter().filter(|row| row[..2] == [int(k), int(at)]).map(|row| row[2].clone()).collect::<Vec<_>>();
    assert_eq!(at(1, 0), []);
    assert_eq!(at(1, 2), [10, 20].map(int));
    assert_eq!(at(2, 4), [11].map(int));
    assert_eq!(at(3, 9), [11, 30, 2].map(int));
}

fn call(function: OverFunction, frame: Frame) -> OverCall {
    OverCall { function, partition_by: vec![column(0)], order_by: vec![order(1, false)], frame }
}

/// What one call gives for each row, in the order of the rows.
fn over(table: &Table<'_>, call: OverCall) -> Result<Vec<Value>, EvalError> {
    let width = table.0.len();
    run(Node::Over { input: input(0, table), calls: vec![call] }, &[table])
        .map(|rows| rows.into_iter().map(|row| row[width].clone()).collect())
}

#[test]
fn over_numbers_rows() {
    let table: Table<'_> = (&[("k", Int), ("v", Int), ("x", Int)], ints(&[[1, 10, 1], [1, 10, 2], [1, 20, 3], [1, N, 4], [2, 5, 5]]));
    let given = |function| over(&table, call(function, Frame::Partition)).unwrap();
    assert_eq!(given(OverFunction::RowNumber), [1, 2, 3, 4, 1].map(int));
    assert_eq!(given(OverFunction::Rank), [1, 1, 3, 4, 1].map(int));
    assert_eq!(given(OverFunction::DenseRank), [1, 1, 2, 3, 1].map(int));
    let lag = |rows, default| OverFunction::Lag { arg: column(2), rows, default };
    let or_null = |values: [i64; 5]| ints(&values.map(|v| [v])).concat();
    assert_eq!(given(lag(1, None)), or_null([N, 1, 2, 3, N]));
    assert_eq!(given(lag(-1, Some(column(1)))), or_null([2, 3, 4, N, 5]));
    assert_eq!(given(lag(3, Some(literal(0)))), or_null([0, 0, 0, 1, 0]));
    // What fails in one row is the answer, also where no row looks at it.
    let fails = Expr::binary(Divide, literal(1), Expr::binary(Subtract, column(2), literal(3), Int), Int);
    assert_eq!(over(&table, call(lag(1, Some(fails.clone())), Frame::Partition)), Err(EvalError::DivisionByZero));
    let of_first = OverFunction::Lag { arg: fails, rows: 3, default: None };
    assert_eq!(over(&table, call(of_first, Frame::Partition)), Err(EvalError::DivisionByZero));
    let descending = OverCall { order_by: vec![order(1, true)], ..call(OverFunction::RowNumber, Frame::Partition) };
    assert_eq!(over(&table, descending).unwrap(), [3, 4, 2, 1, 1].map(int));
}

#[test]
fn over_aggregates_frames() {
    let table: Table<'_> =
        (&[("k", Int), ("v", Int), ("x", Int)], ints(&[[1, 10, 1], [1, 10, 2], [1, 13, 4], [1, 20, 8], [1, N, 16], [2, 5, 32]]));
    let sum = || OverFunction::Aggregate(Aggregate::new(AggregateFunction::Sum, Some(column(2))));
    let sums = |call| -> Vec<i128> {
        let number = |v| if let Value::Numeric(v) = v { v } else { panic!("{v:?}") };
        over(&table, call).unwrap().into_iter().map(number).collect()
    };
    assert_eq!(sums(call(sum(), Frame::Partition)), [31, 31, 31, 31, 31, 32]);
    assert_eq!(sums(call(sum(), Frame::Range { before: None })), [3, 3, 7, 15, 31, 32]);
    assert_eq!(sums(call(sum(), Frame::Rows { before: None, after: Some(0) })), [1, 3, 7, 15, 31, 32]);
    assert_eq!(sums(call(sum(), Frame::Rows { before: Some(1), after: Some(1) })), [3, 7, 14, 28, 24, 32]);
    assert_eq!(sums(call(sum(), Frame::Rows { before: Some(0), after: None })), [31, 30, 28, 24, 16, 32]);
    assert_eq!(sums(call(sum(), Frame::Range { before: Some(3) })), [3, 3, 7, 8, 16, 32]);
    assert_eq!(sums(call(sum(), Frame::Range { before: Some(2) })), [3, 3, 4, 8, 16, 32]);
    let descending = |frame| OverCall { order_by: vec![order(1, true)], ..call(sum(), frame) };
    assert_eq!(sums(descending(Frame::Range { before: Some(7) })), [7, 7, 12, 8, 16, 32]);
    assert_eq!(sums(descending(Frame::Range { before: None })), [31, 31, 28, 24, 16, 32]);
    let everything = OverCall { partition_by: vec![], order_by: vec![], ..call(sum(), Frame::Range { before: None }) };
    assert_eq!(sums(everything), [63; 6]);
    let values = |function, frame| over(&table, call(function, frame)).unwrap();
    assert_eq!(values(OverFunction::First(column(2)), Frame::Rows { before: Some(1), after: Some(0) }), [1, 1, 2, 4, 8, 32].map(int));
    assert_eq!(values(OverFunction::Last(column(2)), Frame::Range { before: None }), [2, 2, 4, 8, 16, 32].map(int));
}

/// Frames that leave out the row itself, and may hold none.
#[test]
fn over_looks_at_other_rows() {
    use twopath_query::plan::Distance::Exact;
    let table: Table<'_> =
        (&[("k", Int), ("v", Int), ("x", Int)], ints(&[[1, 10, 1], [1, 10, 2], [1, 13, 4], [1, i64::MAX, 8], [1, N, 16], [2, 5, 32]]));
    let frames = |function: &OverFunction, frame| over(&table, call(function.clone(), frame)).unwrap();
    let last = OverFunction::Last(column(2));
    let or_null = |values: [i64; 6]| ints(&values.map(|v| [v])).concat();
    assert_eq!(frames(&last, Frame::RowsBetween { start: Some(-3), end: Some(-2) }), or_null([N, N, 1, 2, 4, N]));
    assert_eq!(frames(&last, Frame::RowsBetween { start: Some(1), end: Some(i64::MAX) }), or_null([16, 16, 16, 16, N, N]));
    assert_eq!(frames(&last, Frame::RowsBetween { start: Some(2), end: Some(1) }), or_null([N; 6]));
    let known = |last| OverFunction::Known { arg: column(1), last };
    let before = Frame::Rows { before: Some(1), after: Some(0) };
    assert_eq!(frames(&known(true), before), or_null([10, 10, 13, i64::MAX, i64::MAX, 5]));
    assert_eq!(frames(&known(false), Frame::RowsBetween { start: Some(1), end: Some(2) }), or_null([10, 13, i64::MAX, N, N, N]));
    assert_eq!(frames(&known(false), Frame::RowsBetween { start: Some(0), end: Some(0) }), or_null([10, 10, 13, i64::MAX, N, 5]));
    assert_eq!(frames(&last, Frame::GroupsBetween { start: Some(-1), end: Some(-1) }), or_null([N, N, 2, 4, 8, N]));
    assert_eq!(frames(&last, Frame::GroupsBetween { start: Some(i64::MIN), end: Some(1) }), or_null([4, 4, 8, 16, 16, 32]));
    let far = |start, end| Frame::RangeBetween { start, end };
    assert_eq!(frames(&last, far(Some(Exact(1)), Some(Exact(3)))), or_null([4, 4, N, N, 16, N]));
    // Behind all numbers stands NULL, which an unbounded side includes.
    assert_eq!(frames(&last, far(Some(Exact(i64::MAX.into())), None)), or_null([16, 16, 16, 16, 16, N]));
    assert_eq!(frames(&last, far(None, Some(Exact(i64::MAX.into())))), or_null([8, 8, 8, 8, 16, 32]));
    let second = OverFunction::Nth { arg: column(2), row: 2 };
    assert_eq!(frames(&second, far(Some(Exact(-3)), Some(Exact(0)))), or_null([2, 2, 2, N, N, N]));
    let counts = OverFunction::Aggregate(Aggregate::new(AggregateFunction::Count, None));
    assert_eq!(frames(&counts, Frame::GroupsBetween { start: Some(1), end: Some(1) }), or_null([1, 1, 1, 1, 0, 0]));
}

#[test]
fn rows_without_an_order_are_ordered_by_all_columns() {
    let (a, b): (Table<'_>, Table<'_>) = ((KV, ints(&[[2, 1], [N, 0], [1, 9], [1, N], [1, 9]])), (KV, ints(&[[1, 3]])));
    let both = || boxed(Node::Union { inputs: vec![*input(0, &a), *input(1, &b)] });
    let run = |node| run(node, &[&a, &b]).unwrap();
    let sorted = [[1, 3], [1, 9], [1, 9], [1, N], [2, 1], [N, 0]];
    assert_eq!(run(both().node), ints(&sorted));
    assert_eq!(run(Node::Limit { input: both(), limit: Some(2), offset: 1 }), ints(&sorted[1..3]));
    assert_eq!(run(Node::Distinct { input: both() }), ints(&[[1, 3], [1, 9], [1, N], [2, 1], [N, 0]]));
    // A sort breaks ties by all columns, and what stands above it keeps its order.
    let by_key = || boxed(Node::Sort { input: both(), by: vec![order(0, true)] });
    let descending = [[N, 0], [2, 1], [1, 3], [1, 9], [1, 9], [1, N]];
    assert_eq!(run(by_key().node), ints(&descending));
    assert_eq!(run(Node::Limit { input: by_key(), limit: Some(2), offset: 2 }), ints(&descending[2..4]));
    assert_eq!(run(Node::Distinct { input: by_key() }), ints(&[[N, 0], [2, 1], [1, 3], [1, 9], [1, N]]));
    let columns = vec![NamedExpr { name: "v".into(), expr: column(1) }];
    let values = boxed(Node::Project { input: by_key(), columns });
    assert_eq!(run(Node::Limit { input: values, limit: Some(3), offset: 1 }), ints(&[[1], [3], [9]]));
    // What makes a bag of rows again loses it.
    let again = Node::Union { inputs: vec![*by_key(), *input(1, &b)] };
    assert_eq!(run(again), ints(&[[1, 3], [1, 3], [1, 9], [1, 9], [1, N], [2, 1], [N, 0]]));
    assert_eq!(run(input(0, &a).node), a.1, "what is flat as a whole comes as it is");
}

#[test]
fn groups_of_groups() {
    let table: Table<'_> = (KV, ints(&[[1, 10], [1, 30], [2, 5], [N, 7]]));
    let aggregates = || vec![Aggregate::new(AggregateFunction::Max, Some(column(1))), Aggregate::new(AggregateFunction::Count, None)];
    let key = || vec![NamedExpr { name: "k".into(), expr: column(0) }];
    let groups = |input, keys| Node::Aggregate { input, keys, aggregates: aggregates() };
    assert_eq!(run(groups(input(0, &table), key()), &[&table]), Ok(ints(&[[1, 30, 2], [2, 5, 1], [N, 7, 1]])));
    let nothing: Table<'_> = (KV, vec![]);
    assert_eq!(run(groups(input(0, &nothing), key()), &[&nothing]), Ok(vec![]));
    assert_eq!(run(groups(input(0, &nothing), vec![]), &[&nothing]), Ok(ints(&[[N, 0]])));
}

/// Windows over rows, in the columns that say which they are; a row without a time (here -1) is in none but the tumbling one without a start.
#[test]
fn windows_repeat_rows() {
    let table: Table<'_> = (
        &[("name", Text), ("at", Timestamp)],
        vec![
            vec![Value::Text("a".into()), Value::Timestamp(3)],
            vec![Value::Text("b".into()), Value::Timestamp(7)],
            vec![Value::Text("c".into()), Value::Null],
            vec![Value::Text("a".into()), Value::Timestamp(6)],
        ],
    );
    let windows = |window| -> Vec<Vec<i64>> {
        let us = |v: &Value| if let Value::Timestamp(us) = v { *us } else { -1 };
        let rows = run(Node::Window { input: input(0, &table), column: 1, window }, &[&table]).unwrap();
        rows.iter().map(|row| row[1..].iter().map(us).collect()).collect()
    };
    use twopath_query::plan::WindowSize;
    assert_eq!(windows(Window::Tumble { size: WindowSize::Fixed(5), offset_us: 2 }), [[3, 2], [6, 2], [7, 7], [-1, -1]]);
    assert_eq!(windows(Window::Hop { slide_us: 2, size_us: 4, offset_us: 0 }), [[3, 0], [3, 2], [6, 4], [6, 6], [7, 4], [7, 6]]);
    assert_eq!(windows(Window::Cumulate { step_us: 2, size_us: 4, offset_us: 0 }), [[3, 4], [6, 8], [7, 8]]);
    assert_eq!(windows(Window::Session { gap_us: 4, by: vec![0] }), [[3, 3, 10], [6, 3, 10], [7, 7, 11]]);
    assert_eq!(windows(Window::Session { gap_us: 3, by: vec![0] }), [[3, 3, 6], [6, 6, 9], [7, 7, 10]]);
    assert_eq!(windows(Window::Session { gap_us: 3, by: vec![] }), [[3, 3, 6], [6, 6, 10], [7, 6, 10]]);
}
