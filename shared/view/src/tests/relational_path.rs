//! How long operators take over a million rows: `cargo test --release -p twopath-view --lib relational_path -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};

use crate::{GroupTable, Selection, answer, finish};
use twopath_query::plan::{Frame, JoinKind, Moment, Node, OverCall, OverFunction, Plan, Upserts, Window, WindowSize};
use twopath_query::{Aggregate, AggregateFunction, BinaryOp, DataType, Expr, Field, NamedExpr, Order, PanedWindows, Panes, Program, Query};

const ROWS: i64 = 1_000_000;

/// Number, text, time, each row's own number.
const COLUMNS: [(&str, DataType); 4] = [("k", DataType::Int), ("name", DataType::Text), ("at", DataType::Timestamp), ("v", DataType::Int)];

/// Rows whose keys are spread over `keys`, a second apart.
fn batch(rows: i64, keys: i64) -> RecordBatch {
    let key = move |row: i64| row.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64).rem_euclid(keys);
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows).map(key)));
    let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("https://example.org/{}", key(row)))));
    let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values((0..rows).map(|r| r * 1_000_000)).with_timezone("UTC"));
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    RecordBatch::try_from_iter([("k", numbers), ("name", names), ("at", times), ("v", values)]).unwrap()
}

fn column(c: usize) -> Expr {
    Expr::column(c, COLUMNS[c % 4].1)
}

fn plan(node: Node) -> Plan {
    Plan::new(node, 0..0)
}

fn input(number: usize) -> Box<Plan> {
    Box::new(plan(Node::Input { number, columns: COLUMNS.iter().map(|(name, t)| (name.to_string(), *t)).collect() }))
}

fn named(exprs: Vec<Expr>) -> Vec<NamedExpr> {
    exprs.into_iter().enumerate().map(|(i, expr)| NamedExpr { name: format!("c{i}"), expr }).collect()
}

fn aggregate(function: AggregateFunction, arg: Option<Expr>) -> Aggregate {
    Aggregate { function, arg, beside: vec![] }
}

fn count() -> Aggregate {
    aggregate(AggregateFunction::Count, None)
}

fn sum() -> Aggregate {
    aggregate(AggregateFunction::Sum, Some(column(3)))
}

fn timed<T>(what: &str, rows: i64, mut f: impl FnMut() -> T) -> T {
    let mut best = f64::MAX;
    let mut given = None;
    for _ in 0..3 {
        let started = Instant::now();
        given = Some(f());
        best = best.min(started.elapsed().as_secs_f64());
    }
    println!("{what}: {:.0} ms, {:.0} ns a row", best * 1e3, best * 1e9 / rows as f64);
    given.unwrap()
}

/// Counts the rows of an operator, so that the answer's own order is not measured.
fn run(what: &str, node: Node, tables: &[RecordBatch]) {
    let counted = Node::Aggregate { input: Box::new(plan(node)), keys: vec![], aggregates: vec![count()] };
    let program = Program { inputs: vec![], finish: plan(counted) };
    let rows = timed(what, ROWS, || finish(&program, tables).unwrap());
    println!("    {:?} rows", twopath_query::values::rows(&rows).unwrap()[0][0]);
}

fn equal(a: usize, b: usize) -> Expr {
    Expr::binary(BinaryOp::Equal, column(a), column(b), DataType::Bool)
}

#[test]
#[ignore = "a measurement"]
fn operators() {
    let million = batch(ROWS, 100_000);
    let table = batch(100_000, 100_000);
    let tables = [million.clone(), table.clone(), batch(ROWS, 1_000)];
    let join = |on, kind| Node::Join { left: input(0), right: input(1), kind, on: Some(on) };
    run("join with 100,000 rows by a number", join(equal(0, 4), JoinKind::Inner), &tables);
    run("left join with 100,000 rows by a text", join(equal(1, 5), JoinKind::Left), &tables);
    let later = Expr::binary(BinaryOp::GreaterOrEqual, column(2), column(6), DataType::Bool);
    let both = Expr::binary(BinaryOp::And, equal(0, 4), later, DataType::Bool);
    run("join by a number and a comparison", join(both, JoinKind::Inner), &tables);
    let groups = |keys| Node::Aggregate { input: input(0), keys: named(keys), aggregates: vec![count(), sum()] };
    run("100,000 groups by a number", groups(vec![column(0)]), &tables);
    run("100,000 groups by a text", groups(vec![column(1)]), &tables);
    run("distinct", Node::Distinct { input: input(0) }, &tables);
    let by = |c| vec![Order { expr: column(c), descending: true, nulls_first: true }];
    run("sort by a number", Node::Sort { input: input(0), by: by(0) }, &tables);
    run("sort by a text", Node::Sort { input: input(0), by: by(1) }, &tables);
    let top = Box::new(plan(Node::Sort { input: input(0), by: by(3) }));
    run("top ten", Node::Limit { input: top, limit: Some(10), offset: 0 }, &tables);
    let over = |function, frame| {
        let call = OverCall { function, partition_by: vec![column(0)], order_by: by(3), frame };
        Node::Over { input: input(0), calls: vec![call] }
    };
    run("row numbers in 100,000 partitions", over(OverFunction::RowNumber, Frame::Partition), &tables);
    let running = || OverFunction::Aggregate(sum());
    run("running sums in 100,000 partitions", over(running(), Frame::Rows { before: None, after: Some(0) }), &tables);
    let one = OverCall { function: running(), partition_by: vec![], order_by: by(3), frame: Frame::Rows { before: None, after: Some(0) } };
    run("running sum in one partition", Node::Over { input: input(0), calls: vec![one.clone()] }, &tables);
    let ten = OverCall { frame: Frame::Rows { before: Some(9), after: Some(0) }, ..one };
    run("sums of ten rows", Node::Over { input: input(0), calls: vec![ten] }, &tables);
    let nearest = Node::AsOfJoin {
        left: input(0),
        right: input(2),
        kind: JoinKind::Left,
        on: Some(Expr::binary(
            BinaryOp::Equal,
            Expr::binary(BinaryOp::Modulo, column(0), Expr::literal(twopath_query::Value::Int(1_000), DataType::Int), DataType::Int),
            column(4),
            DataType::Bool,
        )),
        op: BinaryOp::GreaterOrEqual,
        left_at: column(2),
        right_at: column(2),
    };
    run("as-of join of a million with a million", nearest, &tables);
    let at = Moment { left_at: column(2), right_at: column(2), inclusive: true };
    let upserts = Upserts { key: vec![0], order: vec![3], payload: vec![1] };
    let temporal =
        Node::TemporalJoin { left: input(0), right: input(0), kind: JoinKind::Inner, on: Some(equal(0, 4)), at, upserts: upserts.clone() };
    run("temporal join of a million with a million", temporal, &tables);
    run("latest of 100,000 keys", Node::Latest { input: input(0), upserts }, &tables);
    let hop = Window::Hop { slide_us: 60_000_000, size_us: 600_000_000, offset_us: 0 };
    run("ten windows of each row", Node::Window { input: input(0), column: 2, window: hop }, &tables);
    let session = Window::Session { gap_us: 60_000_000, by: vec![0] };
    run("sessions", Node::Window { input: input(2), column: 2, window: session }, &tables);
}

/// Windows of 60 panes against the panes themselves.
#[test]
#[ignore = "a measurement"]
fn panes() {
    for (rows, keys) in [(1_000_000, 1), (1_000_000, 10), (1_000_000, 1_000)] {
        let events = batch(rows, keys);
        let minute = 60_000_000;
        let window = PanedWindows::Hop { slide_us: minute, size_us: 60 * minute, offset_us: 0 };
        let query = |panes: Option<Panes>| Query {
            topic: "t".into(),
            fields: COLUMNS.iter().map(|(name, t)| Field { name: name.to_string(), data_type: *t, nullable: true }).collect(),
            filter: None,
            keys: named(vec![WindowSize::Fixed(minute).start(column(2), 0), column(0)]),
            aggregates: vec![count(), sum()],
            panes,
            rows: false,
            output: named(vec![
                Expr::column(0, DataType::Timestamp),
                Expr::column(1, DataType::Int),
                Expr::column(2, DataType::Int),
                Expr::column(3, DataType::Numeric),
            ]),
            having: None,
            order_by: vec![],
            distinct: false,
            offset: 0,
            limit: None,
            finish: None,
            whole: None,
        };
        let (tumbling, hopping) = (query(None), query(Some(Panes { key: 0, time: column(2), windows: window })));
        let mut table = GroupTable::new(&tumbling);
        timed(&format!("{keys} keys: folding"), rows, || {
            table = GroupTable::new(&tumbling);
            table.update_from_log(&tumbling, &events).unwrap();
        });
        let ask = |query: &Query| answer(query, &[&table], &Selection::default()).unwrap().num_rows();
        let panes = timed("    answer of panes", rows, || ask(&tumbling));
        let windows = timed("    answer of windows", rows, || ask(&hopping));
        println!("    {panes} panes, {windows} windows");
    }
}
