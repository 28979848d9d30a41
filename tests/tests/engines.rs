//! What each engine can do and what it refuses: every example of the book's page on SQL is put to every engine, which gives what the reference
//! gives or says by name what it does not know. The table of refusals in `experiments/book/engines.md` is this test's; with
//! `TWOPATH_WRITE_BOOK=1` the test writes it anew.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use twopath_base::Position;
use twopath_batch::BatchError;
use twopath_log::{Entry, Log, Start, Topic, TopicConfig};
use twopath_query::{Aggregate, AggregateFunction, EvalError, Expr, NamedExpr, Query, Value, parse, values};
use twopath_reference::{Reference, compare};
use twopath_speed::SpeedError;
use twopath_view::{GroupTable, Selection, answer};

const SQL: &str = include_str!("../../experiments/book/sql.md");
const PAGE: &str = "../experiments/book/engines.md";
const BEGIN: &str = "<!-- tests/tests/engines.rs writes this table -->\n";
const END: &str = "<!-- end -->\n";

/// What the page has no column for: money.
const DECIMALS: [&str; 10] = [
    "fare",
    "fare + 1",
    "fare * fare",
    "fare / 2",
    "-fare",
    "CAST(fare AS DOUBLE PRECISION)",
    "CAST(fare AS TEXT)",
    "ROUND(fare, 1)",
    "ROUND(fare)",
    "TRUNC(fare)",
];
const DECIMAL_AGGREGATES: &str = "SELECT COUNT(fare), SUM(fare), AVG(fare), MIN(fare), MAX(fare), COUNT(DISTINCT fare) FROM flights";

/// The page's topic, and `fare`.
fn flights() -> RecordBatch {
    let times = TimestampMicrosecondArray::from(vec![1_357_034_400_000_000; 3]).with_timezone("UTC");
    let fares = Decimal128Array::from(vec![Some(19_990), None, Some(-50)]).with_precision_and_scale(10, 2).unwrap();
    let columns: [(&str, ArrayRef); 9] = [
        ("origin", Arc::new(StringArray::from(vec!["JFK", "EWR", "JFK"]))),
        ("carrier", Arc::new(StringArray::from(vec!["UA", "AA", "UA"]))),
        ("tail", Arc::new(StringArray::from(vec![Some("N14228"), None, Some("N24211")]))),
        ("delay", Arc::new(Int64Array::from(vec![Some(2), None, Some(-5)]))),
        ("distance", Arc::new(Int64Array::from(vec![1400, 1416, 1089]))),
        ("share", Arc::new(Float64Array::from(vec![0.5, 0.25, 0.75]))),
        ("cancelled", Arc::new(BooleanArray::from(vec![false, true, false]))),
        ("at", Arc::new(times)),
        ("fare", Arc::new(fares)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

/// What is put to the engines, and what the table calls it.
struct Probe {
    name: String,
    query: Query,
}

/// A query's aggregates one by one, and the query without them; in a table it is not the query that is refused, but a part of it.
fn parts(query: &Query) -> Vec<Probe> {
    let only = |aggregates: Vec<Aggregate>| {
        let types = query.keys.iter().map(|k| k.expr.data_type).chain(aggregates.iter().map(Aggregate::data_type));
        let column = |(i, t)| NamedExpr { name: format!("c{i}"), expr: Expr::column(i, t) };
        let output = types.enumerate().map(column).collect();
        let (having, order_by, limit, offset, distinct) = (None, vec![], None, 0, false);
        // What is put together of groups and computed of answers is nothing of an engine's.
        let (panes, finish) = (None, None);
        Query { aggregates, output, having, order_by, limit, offset, distinct, panes, finish, ..query.clone() }
    };
    let name = |a: &Aggregate| {
        let over: Vec<&str> = a.arg.iter().chain(&a.beside).map(|arg| arg.data_type.sql_name()).collect();
        let over = match a.function {
            _ if over.is_empty() => "*".to_owned(),
            // Beside their value these look at the row's place.
            AggregateFunction::FirstValue { .. } | AggregateFunction::LastValue { .. } => over[0].to_owned(),
            AggregateFunction::FirstBy { .. } => format!("{} ORDER BY ...", over[0]),
            AggregateFunction::StringAgg { .. } => format!("{}, text ORDER BY ...", over[0]),
            _ => over.join(", "),
        };
        let distinct = match a.function {
            AggregateFunction::CountDistinct | AggregateFunction::SumDistinct | AggregateFunction::AvgDistinct => "DISTINCT ",
            AggregateFunction::StringAgg { distinct: true, .. } => "DISTINCT ",
            _ => "",
        };
        format!("{}({distinct}{over})", a.function.sql_name())
    };
    if query.rows {
        return vec![];
    }
    query.aggregates.iter().map(|a| Probe { name: name(a), query: only(vec![a.clone()]) }).collect()
}

fn probes(schema: &arrow_schema::Schema) -> Vec<Probe> {
    let mut probes = Vec::new();
    let expressions = SQL.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix("` |")?.split_once("` | `"));
    let expressions = expressions.map(|(expr, _)| expr.replace("\\|", "|")).chain(DECIMALS.map(String::from));
    for expr in expressions {
        let sql = format!("SELECT {expr} AS v FROM flights LIMIT 1");
        let query = parse(&sql, "flights", schema).unwrap_or_else(|e| panic!("{}", e.report(&sql)));
        probes.push(Probe { name: expr, query });
    }
    let queries = SQL.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next());
    for sql in queries.chain([DECIMAL_AGGREGATES]) {
        // What is not over one topic is not for this table.
        let Ok(query) = parse(sql, "flights", schema) else { continue };
        probes.extend(parts(&query));
        probes.push(Probe { name: sql.split_whitespace().collect::<Vec<_>>().join(" "), query });
    }
    probes
}

type Rows = Result<Vec<Vec<Value>>, EvalError>;

const ENGINES: [&str; 4] = ["batch-polars", "batch-rayon", "speed-timely", "speed-differential"];

/// What an engine answers; `Err` is what it says that it does not know.
fn ask(engine: &str, topic: &Topic, query: &Query) -> Result<Rows, String> {
    let rows = |tables: &[&GroupTable]| answer(query, tables, &Selection::default()).and_then(|rows| values::rows(&rows));
    let end = topic.end().unwrap();
    if let Some(engine) = engine.strip_prefix("batch-") {
        let engine = twopath_batch::Engine::ALL.into_iter().find(|e| e.to_string() == engine).unwrap();
        return match twopath_batch::compute(topic, query, &twopath_batch::Logic::Sql, engine, &end) {
            Ok(table) => Ok(rows(&[&table])),
            Err(BatchError::Eval(error)) => Ok(Err(error)),
            Err(BatchError::Unsupported { what, .. }) => Err(what),
            Err(other) => panic!("{engine}: {other}\n{query}"),
        };
    }
    let engine = engine.strip_prefix("speed-").unwrap().parse().unwrap();
    let from = (0, Position::zero(topic.partitions()));
    match twopath_speed::replay(topic, Arc::new(query.clone()), twopath_speed::Logic::Sql, engine, from, &end, 1) {
        Ok(view) => Ok(match view.error {
            Some(error) => Err(error),
            None => rows(&view.generations.iter().flat_map(|g| &g.tables).map(Arc::as_ref).collect::<Vec<_>>()),
        }),
        Err(SpeedError::Unsupported { what, .. }) => Err(what),
        Err(other) => panic!("{engine}: {other}\n{query}"),
    }
}

fn by_reference(topic: &Topic, query: &Query) -> Rows {
    let mut reference = Reference::new(query.clone());
    for (partition, end) in topic.end().unwrap().iter() {
        // With the log's own columns behind the topic's, where the query reads them.
        let mut reader = topic.reader(partition, Start::First, Some(&query.whole_rows())).unwrap();
        while reader.offset() < end {
            if let Some(Entry::Records(records)) = reader.next().unwrap() {
                reference.push(&records.batch);
            }
        }
    }
    reference.answer()
}

/// The table of what some engine refuses: one line for each part of the language, one column for each engine.
fn table(refused: &[(String, BTreeSet<&str>)]) -> String {
    let mut table = format!("| what | {} |\n| --- |{}\n", ENGINES.join(" | "), " --- |".repeat(ENGINES.len()));
    for (name, by) in refused {
        let cells = ENGINES.map(|engine| if by.contains(engine) { "refused" } else { "" });
        table += &format!("| `{}` | {} |\n", name.replace('|', "\\|"), cells.join(" | "));
    }
    table
}

#[test]
fn what_an_engine_does_not_know_it_refuses_by_name_and_the_book_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let batch = flights();
    let topic = Log::open(dir.path()).unwrap().create_topic(TopicConfig::new("flights", batch.schema())).unwrap();
    topic.writer().unwrap().append(&batch).unwrap();

    let probes = probes(topic.schema());
    assert!(probes.len() > 100, "{} parts of the language were found in the book", probes.len());
    let mut refused: Vec<(String, BTreeSet<&str>)> = Vec::new();
    let mut whole = 0;
    for Probe { name, query } in &probes {
        let expected = by_reference(&topic, query);
        let mut by = BTreeSet::new();
        for engine in ENGINES {
            match ask(engine, &topic, query) {
                Ok(given) => compare(query, &expected, &given).unwrap_or_else(|d| panic!("{engine}: {d}\n{name}")),
                Err(what) => {
                    assert!(!what.trim().is_empty(), "{engine} refuses {name} without a name");
                    by.insert(engine);
                }
            }
        }
        whole += usize::from(by.is_empty());
        // A whole query is refused for its parts.
        if !by.is_empty() && !name.starts_with("SELECT ") && !name.starts_with("WITH ") && refused.iter().all(|(known, _)| known != name) {
            refused.push((name.clone(), by));
        }
    }
    assert!(whole * 2 > probes.len(), "of {} parts only {whole} are known to all engines", probes.len());

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has a place for the table");
    let (found, after) = rest.split_once(END).expect("the table ends");
    let table = table(&refused);
    if std::env::var_os("TWOPATH_WRITE_BOOK").is_some() {
        std::fs::write(&path, [before, BEGIN, &table, END, after].concat()).unwrap();
    } else {
        assert_eq!(found, table, "experiments/book/engines.md is stale: run this test with TWOPATH_WRITE_BOOK=1");
    }
}
