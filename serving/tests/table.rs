//! A table by itself: what it refuses, what it says about itself, and how much memory it answers from.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType as ArrowType, Field, Schema};
use twopath_base::{Offset, Position};
use twopath_query::{DataType, EvalError, Query, Value, parse, values};
use twopath_serving::{ServingError, Table, TableBytes, Tables, is_approximate};
use twopath_view::{BatchView, Finals, Finish, Generation, GroupTable, MergedGroup, Merging, Part, RealtimeView, Selection};

fn parsed(sql: &str) -> Arc<Query> {
    let schema = Schema::new(vec![Field::new("k", ArrowType::Int64, false), Field::new("v", ArrowType::Int64, false)]);
    Arc::new(parse(sql, "t", &schema).unwrap())
}

fn by_key() -> Arc<Query> {
    parsed("SELECT k, COUNT(*) AS n, SUM(v) AS total FROM t GROUP BY k")
}

/// Records with these keys, each with ten times its key as its value.
fn groups(query: &Query, keys: impl IntoIterator<Item = i64>) -> Arc<GroupTable> {
    let keys = Int64Array::from_iter_values(keys);
    let values = Int64Array::from_iter_values(keys.values().iter().map(|k| k * 10));
    let batch = RecordBatch::try_from_iter([("k", Arc::new(keys) as _), ("v", Arc::new(values) as _)]).unwrap();
    let mut table = GroupTable::new(query);
    table.update_from_log(query, &batch).unwrap();
    Arc::new(table)
}

fn at(offset: u64) -> Position {
    Position::new(vec![Offset(offset)])
}

fn batch_view(version: u64, barrier: u64, (lower, upper): (u64, u64), table: Arc<GroupTable>) -> BatchView {
    BatchView { version, barrier, lower: at(lower), upper: at(upper), table }
}

fn realtime(generations: Vec<Generation>) -> Arc<RealtimeView> {
    Arc::new(RealtimeView { generations, published_us: 0, error: None })
}

fn generation(number: u64, (lower, upper): (u64, u64), tables: Vec<Arc<GroupTable>>) -> Generation {
    Generation::of(number, (at(lower), at(upper)), tables)
}

fn rows(table: &Table) -> Vec<Vec<Value>> {
    values::rows(&table.answer(&Selection::default()).unwrap().rows).unwrap()
}

#[test]
fn bytes_are_those_of_every_part_and_of_every_version() {
    let query = by_key();
    let (batch, first, second, third) = (groups(&query, 0..4_000), groups(&query, 0..300), groups(&query, 0..70), groups(&query, 0..9));
    let sizes: Vec<u64> = [&batch, &first, &second, &third].map(|t| t.bytes() as u64).to_vec();
    assert!(sizes.windows(2).all(|pair| pair[0] > pair[1] && pair[1] > 0), "parts of different sizes: {sizes:?}");

    let table = Arc::new(Table::new(query.clone(), 1));
    assert_eq!(table.bytes(), TableBytes { batch: 0, realtime: 0 });
    table.publish_batch(batch_view(1, 1, (0, 4_000), batch));
    assert_eq!(table.bytes(), TableBytes { batch: sizes[0], realtime: 0 });
    let generations = vec![generation(1, (4_000, 4_370), vec![first, second]), generation(2, (4_370, 4_379), vec![third.clone()])];
    table.publish_realtime(realtime(generations));
    let whole = TableBytes { batch: sizes[0], realtime: sizes[1] + sizes[2] + sizes[3] };
    assert_eq!(table.bytes(), whole);

    let dir = tempfile::tempdir().unwrap();
    let tables = Tables::open(dir.path(), "sizes").unwrap();
    assert_eq!(tables.bytes(), TableBytes { batch: 0, realtime: 0 });
    tables.deploy(1, "", table).unwrap();
    let other = Arc::new(Table::new(query, 1));
    other.publish_batch(batch_view(1, 1, (0, 9), third.clone()));
    other.publish_realtime(realtime(vec![generation(1, (9, 18), vec![third])]));
    tables.deploy(2, "", other).unwrap();
    assert_eq!(tables.bytes(), TableBytes { batch: whole.batch + sizes[3], realtime: whole.realtime + sizes[3] });
    let by_version: Vec<u64> = tables.status().iter().map(|v| v.bytes).collect();
    assert_eq!(by_version, [whole.batch + whole.realtime, 2 * sizes[3]]);
}

#[test]
fn a_table_says_what_it_covers_and_where_its_batch_view_was_cut() {
    let query = by_key();
    let table = Table::new(query.clone(), 1);
    assert_eq!((table.position(), table.coverage(), table.batch_barrier()), (None, None, None));
    assert!(Arc::ptr_eq(table.query(), &query) && Arc::ptr_eq(table.layout(), &query));
    table.publish_batch(batch_view(7, 3, (0, 2), groups(&query, [1, 2])));
    // Generations below the barrier are the batch view's; the one at it follows.
    let generations = vec![generation(2, (0, 2), vec![groups(&query, [1, 2])]), generation(3, (2, 3), vec![groups(&query, [2])])];
    table.publish_realtime(realtime(generations));
    assert_eq!((table.position(), table.batch_barrier()), (Some(at(3)), Some(3)));
    assert_eq!(table.coverage().unwrap().to_string(), "batch view 7 [0) to [2) + generation 3 [2) to [3)");
    let row = |k: i64, n, total| vec![Value::Int(k), Value::Int(n), Value::Numeric(total)];
    assert_eq!(rows(&table), [row(1, 1, 10), row(2, 2, 40)]);
    let one = Selection { key: Some(vec![Value::Int(2)]), ..Selection::default() };
    assert_eq!(values::rows(&table.answer(&one).unwrap().rows).unwrap(), [row(2, 2, 40)]);
}

#[test]
fn a_log_whose_beginning_is_gone_is_answered_for_from_there_on() {
    let query = by_key();
    let table = Table::new(query.clone(), 1).starting_at(at(5));
    table.publish_realtime(realtime(vec![generation(1, (6, 7), vec![groups(&query, [1])])]));
    assert!(matches!(table.answer(&Selection::default()), Err(ServingError::HistoryMissing { lower }) if lower == at(6)));
    let table = Table::new(query.clone(), 1).starting_at(at(5));
    table.publish_realtime(realtime(vec![generation(1, (5, 7), vec![groups(&query, [1, 1])])]));
    let coverage = table.answer(&Selection::default()).unwrap().coverage;
    assert_eq!((coverage.lower(), coverage.position()), (Some(&at(5)), Some(&at(7))));
}

#[test]
fn an_observer_hears_of_each_publication_that_readers_can_see() {
    let query = by_key();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let table = {
        let heard = Arc::clone(&heard);
        Table::observed(query.clone(), 1, move |position| heard.lock().unwrap().push(position.clone()))
    };
    // A hole at the log's start: nobody can be told a position.
    table.publish_realtime(realtime(vec![generation(1, (2, 3), vec![groups(&query, [1])])]));
    assert_eq!(*heard.lock().unwrap(), []);
    table.publish_batch(batch_view(1, 1, (0, 2), groups(&query, [1, 2])));
    table.publish_realtime(realtime(vec![generation(1, (2, 4), vec![groups(&query, [1, 2])])]));
    assert_eq!(*heard.lock().unwrap(), [at(3), at(4)]);
}

#[test]
fn a_key_has_as_many_values_as_the_query() {
    let table = Table::new(parsed("SELECT k, v, COUNT(*) FROM t GROUP BY k, v"), 1);
    let key = |key: Vec<Value>| table.answer(&Selection { key: Some(key), ..Selection::default() }).err().unwrap();
    let error = key(vec![Value::Int(1)]);
    assert!(matches!(&error, ServingError::KeyLength { given: 1, wanted: 2, names } if names == "k, v"), "{error}");
    assert!(matches!(key(vec![Value::Int(1), Value::Int(2)]), ServingError::NothingPublished));
}

#[test]
fn an_answer_that_is_not_made_of_groups_has_none_to_be_asked_for() {
    let whole = parsed("SELECT k FROM t ORDER BY v LIMIT 2");
    let table = Table::new(whole.clone(), 1);
    table.publish_realtime(realtime(vec![generation(0, (0, 3), vec![groups(&whole, [3, 1, 2])])]));
    let one = Some(Value::Int(1));
    let asked = |key: Option<Vec<Value>>, first_key| table.answer(&Selection { key, first_key });
    for (key, first_key) in [
        (Some(vec![Value::Int(1)]), (None, None)),
        (None, (one.clone(), None)),
        (None, (None, one.clone())),
        (Some(vec![Value::Int(1)]), (one.clone(), one)),
    ] {
        assert!(matches!(asked(key, first_key), Err(ServingError::NoGroups)));
    }
    assert_eq!(rows(&table), [[Value::Int(1)], [Value::Int(2)]]);
}

#[test]
fn coverage_says_which_parts_leave_records_out() {
    let query = by_key();
    for approximate in [false, true] {
        let table = Table::new(query.clone(), 1);
        let table = if approximate { table.approximate() } else { table };
        table.publish_batch(batch_view(1, 1, (0, 2), groups(&query, [1, 2])));
        assert!(!is_approximate(&table.coverage().unwrap()), "a batch view leaves nothing out");
        table.publish_realtime(realtime(vec![generation(1, (2, 3), vec![groups(&query, [1])])]));
        let coverage = table.coverage().unwrap();
        assert_eq!(is_approximate(&coverage), approximate, "{coverage:?}");
        // Nothing is left out of no records.
        let empty = Table::new(query.clone(), 1);
        let empty = if approximate { empty.approximate() } else { empty };
        empty.publish_realtime(realtime(vec![generation(0, (0, 0), vec![])]));
        assert!(!is_approximate(&empty.coverage().unwrap()));
    }
}

#[test]
fn an_error_of_the_realtime_view_goes_with_the_view_that_has_none() {
    let query = by_key();
    let table = Table::new(query.clone(), 1);
    let view = |error| RealtimeView { generations: vec![generation(0, (0, 1), vec![groups(&query, [1])])], published_us: 0, error };
    table.publish_realtime(Arc::new(view(Some(EvalError::DivisionByZero))));
    // A batch view does not take the error away: it stands at a position that the view is past.
    table.publish_batch(batch_view(1, 0, (0, 0), groups(&query, [])));
    assert!(matches!(table.answer(&Selection::default()), Err(ServingError::Eval(EvalError::DivisionByZero))));
    table.publish_realtime(Arc::new(view(None)));
    assert_eq!(rows(&table).len(), 1);
}

/// What a panic says.
fn panics(publish: impl FnOnce()) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(publish)).expect_err("it must not be taken");
    panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}

#[test]
fn views_that_would_take_readers_back_are_bugs_and_change_nothing() {
    let query = by_key();
    let table = Table::new(query.clone(), 1);
    table.publish_batch(batch_view(1, 2, (0, 3), groups(&query, [1, 2, 3])));
    let view = |barrier, upper| batch_view(2, barrier, (0, upper), groups(&query, [1]));
    assert!(panics(|| table.publish_batch(view(1, 3))).contains("batch view at barrier 1 after one at 2"));
    assert!(panics(|| table.publish_batch(view(2, 2))).contains("batch view to 2 after one to 3"));
    let wide = BatchView { upper: Position::new(vec![Offset(3); 2]), ..view(2, 3) };
    assert!(panics(|| table.publish_batch(wide)).contains("a batch view of another topic"));
    table.publish_realtime(realtime(vec![generation(2, (3, 9), vec![groups(&query, [1])])]));
    let back = realtime(vec![generation(2, (3, 8), vec![groups(&query, [1])])]);
    assert!(panics(|| table.publish_realtime(back)).contains("answers would go back from 9 to 8"));
    assert_eq!((table.position(), rows(&table).len()), (Some(at(9)), 3), "it serves what it served");
    // The same once more is no step back.
    table.publish_batch(view(2, 3));
    assert!(panics(|| drop(Table::new(query.clone(), 0))).contains("a topic has a partition"));
    assert!(panics(|| drop(Table::new(query, 2).starting_at(at(0)))).contains("the start of another topic"));
}

const MEANS: Merging = Merging {
    name: "means",
    version: 4,
    keys: &[("k", DataType::Int)],
    parts: &[("sum", Part::Sum(DataType::Int)), ("count", Part::Count)],
    finish: Finish::Groups(mean),
};

static FINISHED: AtomicUsize = AtomicUsize::new(0);

fn mean(group: &MergedGroup) -> Vec<Value> {
    FINISHED.fetch_add(1, Ordering::SeqCst);
    vec![group.get("k"), Value::Float(group.number("sum").unwrap() / group.number("count").unwrap())]
}

#[test]
fn hand_written_parts_are_merged_and_then_finished() {
    let query = parsed("SELECT k, AVG(v) AS mean FROM t GROUP BY k");
    let table = Table::new(query.clone(), 1).with_merging(MEANS).unwrap();
    assert!(Arc::ptr_eq(table.query(), &query) && !Arc::ptr_eq(table.layout(), &query));
    let layout = table.layout().clone();
    let parts = |rows: &[(i64, i64, i64)]| {
        let column = |f: fn(&(i64, i64, i64)) -> i64| Arc::new(Int64Array::from_iter_values(rows.iter().map(f))) as _;
        let batch = RecordBatch::try_from_iter([("k", column(|r| r.0)), ("sum", column(|r| r.1)), ("count", column(|r| r.2))]);
        Arc::new(MEANS.table(&layout, &batch.unwrap()).unwrap())
    };
    table.publish_batch(batch_view(1, 1, (0, 3), parts(&[(1, 30, 2), (2, 5, 1)])));
    table.publish_realtime(realtime(vec![generation(1, (3, 4), vec![parts(&[(1, 3, 1)])])]));
    let row = |k, mean| vec![Value::Int(k), Value::Float(mean)];
    assert_eq!(rows(&table), [row(1, 11.0), row(2, 5.0)]);
    assert_eq!(FINISHED.load(Ordering::SeqCst), 2, "once a group");

    let refused = Table::new(parsed("SELECT v, AVG(k) FROM t GROUP BY v, k"), 1).with_merging(MEANS).err().unwrap();
    assert!(matches!(&refused, ServingError::HandWritten { logic, version: 4, .. } if logic == "means"), "{refused}");
}

#[test]
fn of_final_values_the_newest_stays() {
    let query = parsed("SELECT k, AVG(v) AS mean FROM t GROUP BY k");
    let finals = Finals { name: "means", version: 2, keys: &[("k", DataType::Int)], values: &[("mean", DataType::Float)] };
    // Whatever the table was laid out for before.
    let table = Table::new(query.clone(), 1).with_merging(MEANS).unwrap().with_finals(finals).unwrap();
    let layout = table.layout().clone();
    assert_eq!(*layout, finals.values_query(&query).unwrap());
    assert_ne!(layout, query, "values are not what the query's own groups are made of");
    let values = |mean: f64, age: i64| {
        let mean = Arc::new(arrow_array::Float64Array::from(vec![mean])) as _;
        let batch = RecordBatch::try_from_iter([("k", Arc::new(Int64Array::from(vec![1])) as _), ("mean", mean)]).unwrap();
        Arc::new(finals.table(&layout, &batch, age as u64).unwrap())
    };
    table.publish_realtime(realtime(vec![generation(0, (0, 2), vec![values(1.5, 2), values(0.5, 1)])]));
    assert_eq!(rows(&table), [vec![Value::Int(1), Value::Float(1.5)]]);
    let refused = Table::new(by_key(), 1).with_finals(finals).err().unwrap();
    assert!(matches!(&refused, ServingError::HandWritten { logic, version: 2, .. } if logic == "means"), "{refused}");
}
