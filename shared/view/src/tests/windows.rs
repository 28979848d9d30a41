//! Windows put together of panes: the same as windows row by row, whatever the parts and whatever is asked for.

use proptest::prelude::*;

use super::rows::{COLUMNS, Row, batch, row, shown};
use crate::{GroupTable, Selection, answer, answer_schema, finish};
use arrow_array::RecordBatch;
use twopath_query::plan::{Node, Plan, Window, WindowSize};
use twopath_query::values::rows;
use twopath_query::{
    Aggregate, AggregateFunction, DataType, EvalError, Expr, Field, NamedExpr, PanedWindows, Panes, Program, Query, Value,
};

const TS: usize = 6;
const NAME: usize = 1;
const MINUTE: i64 = 60_000_000;

fn fields() -> Vec<Field> {
    COLUMNS.iter().map(|(name, t)| Field { name: name.to_string(), data_type: *t, nullable: true }).collect()
}

fn named(exprs: Vec<Expr>) -> Vec<NamedExpr> {
    exprs.into_iter().enumerate().map(|(i, expr)| NamedExpr { name: format!("c{i}"), expr }).collect()
}

fn aggregates() -> Vec<Aggregate> {
    use AggregateFunction::*;
    let of = |function, column: usize| Aggregate::new(function, Some(Expr::column(column, COLUMNS[column].1)));
    vec![
        Aggregate::new(Count, None),
        of(Sum, 3),
        of(Sum, 4),
        of(Avg, 4),
        of(Max, 5),
        of(CountDistinct, 5),
        of(PercentileDisc(0.5), 3),
        of(Min, TS),
        of(Max, TS),
    ]
}

/// The windows, the pane's length and offset, and how they are put together. The first and the last time are the last two aggregates.
fn paned(window: &Window) -> (i64, i64, PanedWindows) {
    match *window {
        Window::Hop { slide_us, size_us, offset_us } => {
            let pane = (1..=slide_us).rev().find(|p| slide_us % p == 0 && size_us % p == 0).expect("1 is one");
            (pane, offset_us, PanedWindows::Hop { slide_us, size_us, offset_us })
        }
        Window::Cumulate { step_us, size_us, offset_us } => (step_us, offset_us, PanedWindows::Cumulate { step_us, size_us, offset_us }),
        Window::Session { gap_us, .. } => (gap_us, 0, PanedWindows::Session { gap_us, first: 7, last: 8 }),
        Window::Tumble { .. } => unreachable!("one pane is one window"),
    }
}

/// Grouped by window and `NAME`, the window's key being the first or the second. What is put out: the keys, the window's end, the aggregates.
fn query(window: &Window, key: usize) -> Query {
    let (pane, offset, windows) = paned(window);
    let time = Expr::column(TS, DataType::Timestamp);
    let mut keys = vec![Expr::column(NAME, DataType::Text)];
    keys.insert(key, WindowSize::Fixed(pane).start(time.clone(), offset));
    let aggregates = aggregates();
    let column = |i: usize, t| Expr::column(i, t);
    let end = match window {
        Window::Session { gap_us, .. } => WindowSize::Fixed(*gap_us).end(column(2 + 8, DataType::Timestamp)),
        _ => window.end(key),
    };
    let mut output: Vec<Expr> = keys.iter().enumerate().map(|(i, k)| column(i, k.data_type)).collect();
    output.push(end);
    output.extend(aggregates.iter().enumerate().map(|(i, a)| column(2 + i, a.data_type())));
    Query {
        topic: "t".into(),
        fields: fields(),
        filter: None,
        keys: named(keys),
        aggregates,
        panes: Some(Panes { key, time, windows }),
        rows: false,
        output: named(output),
        having: None,
        order_by: vec![],
        distinct: false,
        offset: 0,
        limit: None,
        finish: None,
        whole: None,
    }
}

/// The same by a plan over rows.
fn plan(window: &Window, key: usize) -> Program {
    let columns: Vec<(String, DataType)> = COLUMNS.iter().map(|(name, t)| (name.to_string(), *t)).collect();
    let plan = |node| Plan::new(node, 0..0);
    let input = Box::new(plan(Node::Input { number: 0, columns }));
    let windows = Box::new(plan(Node::Window { input, column: TS, window: window.clone() }));
    let bound = Expr::column(COLUMNS.len(), DataType::Timestamp);
    let mut keys = vec![Expr::column(NAME, DataType::Text)];
    keys.insert(key, bound);
    let is_session = matches!(window, Window::Session { .. });
    if is_session {
        keys.push(Expr::column(COLUMNS.len() + 1, DataType::Timestamp));
    }
    let width = keys.len();
    let aggregates = aggregates();
    let mut output: Vec<Expr> = keys[..2].iter().enumerate().map(|(i, k)| Expr::column(i, k.data_type)).collect();
    output.push(if is_session { Expr::column(2, DataType::Timestamp) } else { window.end(key) });
    output.extend(aggregates.iter().enumerate().map(|(i, a)| Expr::column(width + i, a.data_type())));
    let groups = Box::new(plan(Node::Aggregate { input: windows, keys: named(keys), aggregates }));
    Program { inputs: vec![], finish: plan(Node::Project { input: groups, columns: named(output) }) }
}

fn parts(query: &Query, data: &[Row], cuts: &[usize]) -> Result<Vec<GroupTable>, EvalError> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (data.len() + 1)).chain([0, data.len()]).collect();
    ends.sort_unstable();
    ends.windows(2)
        .map(|ends| {
            let mut table = GroupTable::new(query);
            table.update_from_log(query, &batch(&data[ends[0]..ends[1]]))?;
            Ok(table)
        })
        .collect()
}

fn window() -> impl Strategy<Value = Window> {
    let hop = (1..7i64, 1..40i64, -3..9i64).prop_map(|(slide, size, offset)| Window::Hop {
        slide_us: slide * MINUTE,
        size_us: size * MINUTE,
        offset_us: offset * MINUTE / 2,
    });
    let cumulate = (1..7i64, 1..9i64, 0..9i64).prop_map(|(step, steps, offset)| Window::Cumulate {
        step_us: step * MINUTE,
        size_us: step * steps * MINUTE,
        offset_us: offset * MINUTE / 2,
    });
    let session = (1..20i64).prop_map(|gap| Window::Session { gap_us: gap * MINUTE, by: vec![NAME] });
    prop_oneof![hop, cumulate, session]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn panes_become_the_windows_of_their_rows(
        window in window(),
        key in 0..2usize,
        data in prop::collection::vec(row(), 0..24),
        cuts in prop::collection::vec(any::<usize>(), 0..3),
        (from, to) in (-220..220i64, 0..100i64),
    ) {
        let query = query(&window, key);
        let expected = finish(&plan(&window, key), &[batch(&data)]);
        let tables = parts(&query, &data, &cuts).unwrap();
        let tables: Vec<&GroupTable> = tables.iter().collect();
        let given = answer(&query, &tables, &Selection::default());
        let (Ok(expected), Ok(given)) = (&expected, &given) else {
            prop_assert_eq!(expected.is_err(), given.is_err());
            return Ok(());
        };
        prop_assert_eq!(shown(given), shown(expected));

        // A key's answer, and a range's, are those rows of the whole answer.
        let all = rows(given).unwrap();
        let shown_row = |row: &Row| format!("{row:?}");
        for row in all.iter().step_by(1 + all.len() / 5) {
            let key: Vec<Value> = row[..2].to_vec();
            let expected: Vec<String> = all.iter().filter(|r| shown_row(&r[..2].to_vec()) == shown_row(&key)).map(shown_row).collect();
            prop_assert_eq!(shown(&answer(&query, &tables, &Selection { key: Some(key), ..Selection::default() }).unwrap()), expected);
        }
        let bounds = if key == 0 {
            (Value::Timestamp(from * 61_000_000), Value::Timestamp((from + to) * 61_000_000))
        } else {
            (Value::Text("a".into()), Value::Text("b".into()))
        };
        let within = |row: &&Row| match (&row[0], &bounds) {
            (Value::Timestamp(at), (Value::Timestamp(from), Value::Timestamp(to))) => from <= at && at <= to,
            (Value::Text(text), (Value::Text(from), Value::Text(to))) => from <= text && text <= to,
            _ => false,
        };
        let expected: Vec<String> = all.iter().filter(within).map(shown_row).collect();
        let ask = Selection { key: None, first_key: (Some(bounds.0.clone()), Some(bounds.1.clone())) };
        prop_assert_eq!(shown(&answer(&query, &tables, &ask).unwrap()), expected);
    }
}

fn at(times: &[i64]) -> RecordBatch {
    let row = |us: &i64| (0..COLUMNS.len()).map(|c| if c == TS { Value::Timestamp(*us) } else { Value::Null }).collect();
    batch(&times.iter().map(row).collect::<Vec<Row>>())
}

fn of(window: &Window, times: &[i64]) -> Result<Vec<Vec<Value>>, EvalError> {
    let query = query(window, 0);
    let mut table = GroupTable::new(&query);
    table.update_from_log(&query, &at(times))?;
    let answer = answer(&query, &[&table], &Selection::default())?;
    assert_eq!(answer.schema(), answer_schema(&query));
    Ok(rows(&answer).unwrap().into_iter().map(|row| vec![row[0].clone(), row[2].clone(), row[3].clone()]).collect())
}

/// By hand: start, end and number of rows of each window.
#[test]
fn windows_begin_and_end_as_they_are_told_to() {
    let expected = |windows: &[(i64, i64, i64)]| {
        let row = |&(start, end, n): &(i64, i64, i64)| vec![Value::Timestamp(start), Value::Timestamp(end), Value::Int(n)];
        Ok(windows.iter().map(row).collect())
    };
    let hop = Window::Hop { slide_us: 2, size_us: 5, offset_us: 1 };
    assert_eq!(of(&hop, &[0, 4, 4]), expected(&[(-3, 2, 1), (-1, 4, 1), (1, 6, 2), (3, 8, 2)]));
    let apart = Window::Hop { slide_us: 10, size_us: 3, offset_us: 0 };
    assert_eq!(of(&apart, &[0, 2, 3, 9, -8, -7]), expected(&[(-10, -7, 1), (0, 3, 2)]));
    let session = Window::Session { gap_us: 5, by: vec![NAME] };
    assert_eq!(of(&session, &[0, 4, 9, 10, 20, 16, 12]), expected(&[(0, 9, 2), (9, 25, 5)]));
    // Cumulating windows are told by their ends.
    let cumulate = Window::Cumulate { step_us: 2, size_us: 6, offset_us: 0 };
    let ends: Vec<Value> = of(&cumulate, &[1, 4, -1]).unwrap().into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(ends, [0, 2, 4, 6].map(Value::Timestamp));
}

/// At the ends of time windows have no bounds, and within them they do.
#[test]
fn windows_beyond_the_ends_of_time_are_errors() {
    let hop = |size_us| Window::Hop { slide_us: 1, size_us, offset_us: 0 };
    assert_eq!(of(&hop(1), &[i64::MIN]).map(|rows| rows.len()), Ok(1));
    assert_eq!(of(&hop(2), &[i64::MIN]), Err(EvalError::OutOfRange));
    assert_eq!(of(&hop(2), &[i64::MIN + 1]).map(|rows| rows.len()), Ok(2));
    assert_eq!(of(&hop(1), &[i64::MAX]), Err(EvalError::OutOfRange));
    assert_eq!(of(&hop(1), &[i64::MAX - 1]).map(|rows| rows.len()), Ok(1));
    let session = Window::Session { gap_us: 5, by: vec![NAME] };
    assert_eq!(of(&session, &[i64::MAX - 4]), Err(EvalError::OutOfRange));
    assert_eq!(of(&session, &[i64::MAX - 5]).map(|rows| rows.len()), Ok(1));
}
