//! Plans of every operator over a few rows, with answers worked out by hand.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType as Arrow, Field as ArrowField, Schema, TimeUnit};
use twopath_query::plan::*;
use twopath_query::{
    Aggregate, AggregateFunction, BinaryOp, DataType, EvalError, Expr, Field, NamedExpr, Order, PanedWindows, Panes, Plan, Value,
};
use twopath_reference::{PlanReference, Reference};

/// A topic with a time, a text and a number, and with when each row came and where it stands.
fn topic(name: &str) -> Plan {
    let field = |name: &str, data_type| Field { name: name.to_owned(), data_type, nullable: true };
    let mut fields = vec![field("at", DataType::Timestamp), field("key", DataType::Text), field("n", DataType::Int)];
    fields.extend([field("came", DataType::Timestamp), field("part", DataType::Int), field("place", DataType::Int)]);
    of(plan(Node::Scan { topic: name.to_owned(), fields }), &[0, 1, 2, 3, 4, 5])
}

type Event<'a> = (Option<i64>, Option<&'a str>, Option<i64>);

fn events(of: &[Event<'_>]) -> RecordBatch {
    let field = |name: &str, t| ArrowField::new(name, t, true);
    let time = Arrow::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let mut fields = vec![field("at", time.clone()), field("key", Arrow::Utf8), field("n", Arrow::Int64)];
    let number = |f: &dyn Fn(usize) -> i64| Arc::new(Int64Array::from_iter_values((0..of.len()).map(f))) as ArrayRef;
    let times = of.iter().map(|e| e.0).collect::<TimestampMicrosecondArray>().with_timezone("UTC");
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(times.clone()),
        Arc::new(of.iter().map(|e| e.1).collect::<StringArray>()),
        Arc::new(of.iter().map(|e| e.2).collect::<Int64Array>()),
    ];
    fields.extend([field("came", time), field("part", Arrow::Int64), field("place", Arrow::Int64)]);
    let arrival = TimestampMicrosecondArray::from_iter_values((0..of.len() as i64).map(|i| 1_000 + i)).with_timezone("UTC");
    columns.extend([Arc::new(arrival) as ArrayRef, number(&|_| 0), number(&|i| i as i64)]);
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn plan(node: Node) -> Plan {
    Plan::new(node, 0..0)
}

fn column(i: usize) -> Expr {
    Expr::column(i, [DataType::Timestamp, DataType::Text, DataType::Int][i % 3])
}

fn of(input: Plan, columns: &[usize]) -> Plan {
    let types = input.columns();
    let columns = columns.iter().map(|&i| NamedExpr { name: types[i].0.clone(), expr: Expr::column(i, types[i].1) });
    plan(Node::Project { columns: columns.collect(), input: Box::new(input) })
}

fn answer(plan: Plan, topics: &[(&str, &[Event<'_>])]) -> String {
    let mut reference = PlanReference::new(plan);
    topics.iter().for_each(|(name, rows)| reference.push(name, &events(rows)).unwrap());
    shown(reference.answer())
}

/// One row a line: `1 a -`.
fn shown(rows: Result<Vec<Vec<Value>>, EvalError>) -> String {
    let value = |v: &Value| match v {
        Value::Null => "-".to_owned(),
        Value::Int(n) | Value::Timestamp(n) | Value::Interval(n) => n.to_string(),
        Value::Numeric(n) => n.to_string(),
        Value::Text(t) => t.to_string(),
        other => format!("{other:?}"),
    };
    match rows {
        Ok(rows) => rows.iter().map(|row| row.iter().map(value).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", "),
        Err(e) => e.to_string(),
    }
}

fn windowed(window: Window) -> Plan {
    plan(Node::Window { input: Box::new(topic("t")), column: 0, window })
}

const STREAM: [Event<'static>; 5] = [
    (Some(3), Some("a"), Some(1)),
    (Some(11), Some("b"), Some(2)),
    (Some(7), Some("a"), Some(4)),
    (None, Some("a"), Some(8)),
    (Some(25), Some("a"), Some(16)),
];

#[test]
fn windows_hold_their_start_and_not_their_end() {
    let bounds = |window: Window| {
        let windowed = windowed(window);
        let columns: Vec<usize> = [2].into_iter().chain(6..windowed.columns().len()).collect();
        answer(of(windowed, &columns), &[("t", &STREAM)])
    };
    assert_eq!(bounds(Window::Hop { slide_us: 5, size_us: 10, offset_us: 0 }), "1 -5, 1 0, 2 5, 2 10, 4 0, 4 5, 16 20, 16 25");
    assert_eq!(bounds(Window::Hop { slide_us: 5, size_us: 10, offset_us: 2 }), "1 -3, 1 2, 2 2, 2 7, 4 2, 4 7, 16 17, 16 22");
    assert_eq!(bounds(Window::Cumulate { step_us: 5, size_us: 10, offset_us: 0 }), "1 5, 1 10, 2 15, 2 20, 4 10, 16 30");
    // Of all keys; the row of 11 comes 4 after that of 7. Exactly a gap apart are two sessions.
    assert_eq!(bounds(Window::Session { gap_us: 5, by: vec![] }), "1 3 16, 2 3 16, 4 3 16, 16 25 30");
    assert_eq!(bounds(Window::Session { gap_us: 4, by: vec![] }), "1 3 7, 2 11 15, 4 7 11, 16 25 29");
    assert_eq!(bounds(Window::Session { gap_us: 5, by: vec![1] }), "1 3 12, 2 11 16, 4 3 12, 16 25 30");
}

#[test]
fn panes_of_the_flat_query_are_the_same_windows() {
    let sum = Aggregate::new(AggregateFunction::Sum, Some(column(2)));
    let extreme = |function| Aggregate::new(function, Some(column(0)));
    let named = |i: usize, t| NamedExpr { name: "k".to_owned(), expr: Expr::column(i, t) };
    for (window, panes) in [
        (Window::Hop { slide_us: 5, size_us: 10, offset_us: 2 }, PanedWindows::Hop { slide_us: 5, size_us: 10, offset_us: 2 }),
        (Window::Cumulate { step_us: 5, size_us: 15, offset_us: 1 }, PanedWindows::Cumulate { step_us: 5, size_us: 15, offset_us: 1 }),
        (Window::Session { gap_us: 5, by: vec![1] }, PanedWindows::Session { gap_us: 5, first: 1, last: 2 }),
    ] {
        let windowed = windowed(window);
        let bound = windowed.columns().iter().position(|(name, _)| name.starts_with("window_")).unwrap();
        let aggregates = vec![sum.clone(), extreme(AggregateFunction::Min), extreme(AggregateFunction::Max)];
        let keys = vec![named(1, DataType::Text), named(bound, DataType::Timestamp)];
        let grouped = plan(Node::Aggregate { input: Box::new(windowed), keys: keys.clone(), aggregates: aggregates.clone() });
        let mut by_operators = PlanReference::new(of(grouped, &[0, 1, 2, 3, 4]));
        by_operators.push("t", &events(&STREAM)).unwrap();

        let mut query = of(topic("t"), &[0, 1, 2]).lower().unwrap();
        query.keys = vec![named(1, DataType::Text), named(0, DataType::Timestamp)];
        query.output = vec![named(0, DataType::Text), named(1, DataType::Timestamp)];
        query.output.extend([(2, DataType::Numeric), (3, DataType::Timestamp), (4, DataType::Timestamp)].map(|(i, t)| named(i, t)));
        (query.aggregates, query.rows) = (aggregates, false);
        query.panes = Some(Panes { key: 1, time: column(0), windows: panes });
        let mut flat = Reference::new(query);
        flat.keep_digest();
        flat.push(&events(&STREAM));
        let expected = by_operators.answer_by_operators().unwrap();
        assert_eq!(flat.answer().as_ref(), Ok(&expected), "{panes:?}");
        assert_eq!(flat.groups(), expected.len());
        assert_eq!(flat.digest().is_none(), matches!(panes, PanedWindows::Session { .. }));
        for row in expected {
            assert_eq!(flat.answer_key(&row[..2]), Ok(Some(row.clone())), "{panes:?}");
        }
        assert_eq!(flat.answer_key(&[Value::Text("a".into()), Value::Timestamp(99)]), Ok(None));
    }
}

fn join(kind: JoinKind, on: Expr) -> Plan {
    let (left, right) = (of(topic("t"), &[0, 1, 2]), of(topic("u"), &[0, 1, 2]));
    of(plan(Node::Join { left: Box::new(left), right: Box::new(right), kind, on: Some(on) }), &[2, 5])
}

#[test]
fn joins_pair_rows_and_outer_ones_keep_those_alone() {
    let left: [Event<'_>; 3] = [(None, Some("a"), Some(1)), (None, Some("b"), Some(2)), (None, None, Some(3))];
    let right: [Event<'_>; 4] =
        [(None, Some("a"), Some(10)), (None, Some("a"), Some(20)), (None, Some("c"), Some(30)), (None, None, Some(40))];
    let both = |kind| {
        let on = Expr::binary(BinaryOp::Equal, column(1), column(4), DataType::Bool);
        let inequality = Expr::binary(BinaryOp::Less, column(2), column(5), DataType::Bool);
        let with_more = Expr::binary(BinaryOp::And, on.clone(), inequality, DataType::Bool);
        let by_equality = answer(join(kind, on), &[("t", &left), ("u", &right)]);
        // It is true of all pairs, so that it changes nothing.
        assert_eq!(answer(join(kind, with_more), &[("t", &left), ("u", &right)]), by_equality);
        by_equality
    };
    assert_eq!(both(JoinKind::Inner), "1 10, 1 20");
    assert_eq!(both(JoinKind::Left), "1 10, 1 20, 2 -, 3 -");
    assert_eq!(both(JoinKind::Right), "1 10, 1 20, - 30, - 40");
    assert_eq!(both(JoinKind::Full), "1 10, 1 20, 2 -, 3 -, - 30, - 40");
    let less = Expr::binary(BinaryOp::Less, column(5), column(2), DataType::Bool);
    assert_eq!(answer(join(JoinKind::Left, less), &[("t", &[(None, None, Some(30))]), ("u", &right)]), "30 10, 30 20");
}

#[test]
fn an_as_of_join_takes_the_nearest_row() {
    let left: [Event<'_>; 3] = [(Some(5), Some("a"), Some(1)), (Some(9), Some("a"), Some(2)), (None, Some("a"), Some(3))];
    let right: [Event<'_>; 5] = [
        (Some(5), Some("a"), Some(10)),
        (Some(7), Some("a"), Some(20)),
        (Some(7), Some("a"), Some(21)),
        (Some(8), Some("b"), Some(30)),
        (None, Some("a"), Some(40)),
    ];
    let nearest = |op, kind| {
        let on = Expr::binary(BinaryOp::Equal, column(1), column(4), DataType::Bool);
        let (left_side, right_side) = (Box::new(of(topic("t"), &[0, 1, 2])), Box::new(of(topic("u"), &[0, 1, 2])));
        let node = Node::AsOfJoin { left: left_side, right: right_side, kind, on: Some(on), op, left_at: column(0), right_at: column(0) };
        answer(of(plan(node), &[2, 5]), &[("t", &left), ("u", &right)])
    };
    assert_eq!(nearest(BinaryOp::GreaterOrEqual, JoinKind::Inner), "1 10, 2 21");
    assert_eq!(nearest(BinaryOp::Greater, JoinKind::Left), "1 -, 2 21, 3 -");
    assert_eq!(nearest(BinaryOp::LessOrEqual, JoinKind::Left), "1 10, 2 -, 3 -");
    assert_eq!(nearest(BinaryOp::Less, JoinKind::Inner), "1 21");
}

/// By `key`, in the log's order; rows without a number are tombstones.
fn upserts() -> Upserts {
    Upserts { key: vec![1], order: vec![3, 4, 5], payload: vec![2] }
}

#[test]
fn a_changelog_is_the_table_that_it_leaves() {
    let changes: [Event<'_>; 5] = [
        (None, Some("a"), Some(1)),
        (None, Some("b"), Some(2)),
        (None, Some("a"), Some(3)),
        (None, Some("b"), None),
        (None, None, Some(4)),
    ];
    let table = plan(Node::Latest { input: Box::new(topic("u")), upserts: upserts() });
    assert_eq!(answer(of(table, &[1, 2]), &[("u", &changes)]), "a 3, - 4");

    // The row that arrives at 1_000 + i sees what arrived before that, or then where it is inclusive.
    let joined = |inclusive, kind| {
        let at = Moment { left_at: Expr::column(3, DataType::Timestamp), right_at: Expr::column(3, DataType::Timestamp), inclusive };
        let on = Some(Expr::binary(BinaryOp::Equal, Expr::column(1, DataType::Text), Expr::column(7, DataType::Text), DataType::Bool));
        let (left, right) = (Box::new(topic("t")), Box::new(topic("u")));
        let node = Node::TemporalJoin { left, right, kind, on, at, upserts: upserts() };
        let stream: [Event<'_>; 5] = [10, 20, 30, 40, 50].map(|n| (None, Some(if n % 20 == 0 { "b" } else { "a" }), Some(n)));
        answer(of(plan(node), &[2, 8]), &[("t", &stream), ("u", &changes)])
    };
    assert_eq!(joined(true, JoinKind::Left), "10 1, 20 2, 30 3, 40 -, 50 3");
    assert_eq!(joined(false, JoinKind::Left), "10 -, 20 -, 30 1, 40 2, 50 3");
    assert_eq!(joined(false, JoinKind::Inner), "30 1, 40 2, 50 3");
}

fn over(function: OverFunction, frame: Frame) -> OverCall {
    let order_by = vec![Order { expr: column(0), descending: false, nulls_first: false }];
    OverCall { function, partition_by: vec![column(1)], order_by, frame }
}

#[test]
fn a_row_sees_those_beside_it() {
    let sum = || OverFunction::Aggregate(Aggregate::new(AggregateFunction::Sum, Some(column(2))));
    let lag = |rows| OverFunction::Lag { arg: column(2), rows, default: Some(Expr::literal(Value::Int(-1), DataType::Int)) };
    let shown = |function, frame| {
        let rows: [Event<'_>; 6] = [
            (Some(1), Some("a"), Some(1)),
            (Some(3), Some("a"), Some(2)),
            (Some(3), Some("a"), Some(4)),
            (Some(9), Some("a"), Some(8)),
            (None, Some("a"), Some(16)),
            (Some(2), Some("b"), Some(32)),
        ];
        let node = Node::Over { input: Box::new(of(topic("t"), &[0, 1, 2])), calls: vec![over(function, frame)] };
        answer(of(plan(node), &[2, 3]), &[("t", &rows)])
    };
    assert_eq!(shown(OverFunction::RowNumber, Frame::Partition), "1 1, 2 2, 4 3, 8 4, 16 5, 32 1");
    assert_eq!(shown(OverFunction::Rank, Frame::Partition), "1 1, 2 2, 4 2, 8 4, 16 5, 32 1");
    assert_eq!(shown(OverFunction::DenseRank, Frame::Partition), "1 1, 2 2, 4 2, 8 3, 16 4, 32 1");
    assert_eq!(shown(sum(), Frame::Partition), "1 31, 2 31, 4 31, 8 31, 16 31, 32 32");
    assert_eq!(shown(sum(), Frame::Rows { before: None, after: Some(0) }), "1 1, 2 3, 4 7, 8 15, 16 31, 32 32");
    assert_eq!(shown(sum(), Frame::Rows { before: Some(1), after: Some(1) }), "1 3, 2 7, 4 14, 8 28, 16 24, 32 32");
    assert_eq!(shown(sum(), Frame::Range { before: None }), "1 1, 2 7, 4 7, 8 15, 16 31, 32 32");
    assert_eq!(shown(sum(), Frame::Range { before: Some(6) }), "1 1, 2 7, 4 7, 8 14, 16 16, 32 32");
    assert_eq!(shown(sum(), Frame::RowsBetween { start: Some(1), end: Some(2) }), "1 6, 2 12, 4 24, 8 16, 16 -, 32 -");
    assert_eq!(shown(sum(), Frame::GroupsBetween { start: Some(-2), end: Some(-1) }), "1 -, 2 1, 4 1, 8 7, 16 14, 32 -");
    let far =
        |start: Option<i128>, end: Option<i128>| Frame::RangeBetween { start: start.map(Distance::Exact), end: end.map(Distance::Exact) };
    assert_eq!(shown(sum(), far(Some(-6), Some(-1))), "1 -, 2 1, 4 1, 8 6, 16 16, 32 -");
    assert_eq!(shown(sum(), far(Some(2), None)), "1 30, 2 24, 4 24, 8 16, 16 16, 32 -");
    assert_eq!(shown(OverFunction::Nth { arg: column(2), row: 2 }, far(None, Some(0))), "1 -, 2 2, 4 2, 8 2, 16 2, 32 -");
    let known = |last| OverFunction::Known { arg: column(0), last };
    assert_eq!(shown(known(true), Frame::Rows { before: Some(1), after: Some(0) }), "1 1, 2 3, 4 3, 8 9, 16 9, 32 2");
    assert_eq!(shown(known(false), Frame::RowsBetween { start: Some(1), end: Some(2) }), "1 3, 2 3, 4 9, 8 -, 16 -, 32 -");
    assert_eq!(shown(lag(1), Frame::Partition), "1 -1, 2 1, 4 2, 8 4, 16 8, 32 -1");
    assert_eq!(shown(lag(-2), Frame::Partition), "1 4, 2 8, 4 16, 8 -1, 16 -1, 32 -1");
    assert_eq!(shown(OverFunction::First(column(2)), Frame::Rows { before: Some(2), after: Some(0) }), "1 1, 2 1, 4 1, 8 2, 16 4, 32 32");
    assert_eq!(shown(OverFunction::Last(column(2)), Frame::Range { before: None }), "1 1, 2 4, 4 4, 8 8, 16 16, 32 32");
}

#[test]
fn limits_without_an_order_take_the_first_of_all_columns() {
    let input = |order: &[usize]| {
        let union = plan(Node::Union { inputs: vec![of(topic("t"), &[1, 2]), of(topic("t"), &[1, 2])] });
        let by: Vec<Order> =
            order.iter().map(|&i| Order { expr: Expr::column(i, DataType::Text), descending: true, nulls_first: true }).collect();
        let input = if by.is_empty() { union } else { plan(Node::Sort { input: Box::new(union), by }) };
        plan(Node::Limit { input: Box::new(input), limit: Some(3), offset: 1 })
    };
    let rows: [Event<'_>; 3] = [(None, Some("b"), Some(2)), (None, Some("b"), Some(1)), (None, Some("a"), Some(3))];
    assert_eq!(answer(input(&[]), &[("t", &rows)]), "a 3, b 1, b 1");
    // Ties of an order, too.
    assert_eq!(answer(input(&[0]), &[("t", &rows)]), "b 1, b 2, b 2");
    assert_eq!(answer(plan(Node::Distinct { input: Box::new(input(&[0])) }), &[("t", &rows)]), "b 1, b 2");
}
