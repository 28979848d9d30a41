//! A second opinion on what PostgreSQL lacks: DuckDB's quantiles, first and last values, and exact answers beside estimates.
//!
//! It wants `TWOPATH_TEST_PYTHON`, a Python that has the module `duckdb` (`tests/run` sets it), and is skipped aloud without.

mod events;

use std::io::Write;
use std::process::{Command, Stdio};

use events::{Events, engine, schema};
use twopath_query::arbitrary::Random;
use twopath_query::{Value, parse, values};
use twopath_reference::Reference;

const QUERIES: usize = 200;

/// Asks each query, and writes a line of JSON for each: rows, or null for an error.
const SCRIPT: &str = r#"
import sys, json, duckdb
asked = json.load(sys.stdin)
db = duckdb.connect()
db.execute("SET TimeZone = 'UTC'")
db.execute("CREATE TABLE events (n BIGINT, m BIGINT, x DOUBLE, s VARCHAR, t TIMESTAMP, flag BOOLEAN, i BIGINT)")
db.execute("INSERT INTO events VALUES " + asked["values"])
for query in asked["queries"]:
    try:
        rows = db.execute(query).fetchall()
    except duckdb.Error as e:
        print(e, file=sys.stderr)
        rows = None
    print(json.dumps(rows, default=lambda v: v.isoformat() if hasattr(v, "isoformat") else float(v)))
"#;

/// An aggregate here and there.
struct Asked {
    ours: String,
    theirs: String,
    /// How far an estimate may lie from DuckDB's exact answer: relative, and absolute.
    tolerance: (f64, f64),
}

fn aggregate(random: &mut Random) -> Asked {
    let number = random.pick(&["n", "x", "m", "n * 3 - m", "x / 4"]).to_owned();
    let value = random.pick(&["n", "x", "s", "t", "m + n", "UPPER(s)"]).to_owned();
    let q = random.pick(&["0", "0.1", "0.25", "0.5", "0.75", "0.99", "1"]).to_owned();
    let exact = |ours: String, theirs: String| Asked { ours, theirs, tolerance: (0.0, 0.0) };
    // DuckDB weights both neighbours, where PostgreSQL and Twopath add a part of their distance to the lower one: the last digit can differ.
    let between = |ours: String, theirs: String| Asked { ours, theirs, tolerance: (1e-15, 1e-15) };
    let filter = random.pick(&["", "", " FILTER (WHERE n > 0)"]);
    let filtered = |asked: Asked| Asked { ours: asked.ours + filter, theirs: asked.theirs + filter, ..asked };
    match random.below(8) {
        0 => filtered(between(format!("MEDIAN({number})"), format!("MEDIAN(CAST({number} AS DOUBLE))"))),
        1 => filtered(between(
            format!("PERCENTILE_CONT({q}) WITHIN GROUP (ORDER BY {number})"),
            format!("QUANTILE_CONT(CAST({number} AS DOUBLE), {q})"),
        )),
        2 => exact(format!("FIRST_VALUE({value})"), format!("FIRST({value} ORDER BY i)")),
        3 => exact(format!("LAST_VALUE({value})"), format!("LAST({value} ORDER BY i)")),
        4 => {
            let (ours, theirs) = if random.chance(50) { ("FIRST_VALUE", "i") } else { ("LAST_VALUE", "i DESC") };
            exact(format!("{ours}({value}) IGNORE NULLS"), format!("FIRST({value} ORDER BY {theirs}) FILTER (WHERE ({value}) IS NOT NULL)"))
        }
        // The exact value of the sketch's rank; its promise is 1 %.
        5 => {
            let rank = format!("CAST(FLOOR({q} * (COUNT({number}) - 1)) AS BIGINT) + 1");
            Asked {
                ours: format!("APPROX_QUANTILE({number}, {q})"),
                theirs: format!("(LIST_SORT(LIST({number}) FILTER (WHERE ({number}) IS NOT NULL)))[{rank}]"),
                tolerance: (0.01 + 1e-12, 0.0),
            }
        }
        6 => Asked {
            ours: format!("APPROX_COUNT_DISTINCT({value})"),
            theirs: format!("COUNT(DISTINCT {value})"),
            // So few values hardly collide.
            tolerance: (0.05, 1.0),
        },
        _ => filtered(exact(format!("COUNT_IF({number} > 1)"), format!("COUNT(CASE WHEN {number} > 1 THEN 1 END)"))),
    }
}

fn agree(got: &Value, expected: &serde_json::Value, (relative, absolute): (f64, f64)) -> bool {
    use serde_json::Value as Json;
    match (got, expected) {
        (Value::Null, Json::Null) => true,
        (Value::Bool(got), Json::Bool(expected)) => got == expected,
        (Value::Text(got), Json::String(expected)) => **got == **expected,
        (Value::Timestamp(us), Json::String(expected)) => {
            twopath_query::time::parse_timestamp(expected).is_some_and(|expected| expected == *us)
        }
        (got, Json::Number(expected)) => {
            let got = match got {
                Value::Int(v) => *v as f64,
                Value::Numeric(v) => *v as f64,
                Value::Float(v) => *v,
                _ => return false,
            };
            let expected = expected.as_f64().expect("a number");
            (got - expected).abs() <= relative * expected.abs() + absolute
        }
        _ => false,
    }
}

#[test]
fn answers_are_those_of_duckdb() {
    let has_module =
        |python: &String| Command::new(python).args(["-c", "import duckdb"]).stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    let Some(python) = std::env::var("TWOPATH_TEST_PYTHON").ok().filter(has_module) else {
        eprintln!("SKIPPED: no Python with the module duckdb (run tests/run, which looks for one)");
        return;
    };
    let mut random = Random::new(11);
    let Events { batch, values } = Events::new(&mut random);
    let mut queries = Vec::new();
    while queries.len() < QUERIES {
        let of = [aggregate(&mut random), aggregate(&mut random)];
        let key = random.pick(&["m", "flag", "LENGTH(s)", "m"]);
        let sql =
            |a: &String, b: &String| format!("SELECT {key} AS k, {a} AS a, {b} AS b FROM events GROUP BY {key} ORDER BY {key} NULLS LAST");
        queries.push((sql(&of[0].ours, &of[1].ours), sql(&of[0].theirs, &of[1].theirs), [(0.0, 0.0), of[0].tolerance, of[1].tolerance]));
    }
    let asked = serde_json::json!({ "values": values, "queries": queries.iter().map(|q| &q.1).collect::<Vec<_>>() });
    let mut child = Command::new(python).args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
    let mut input = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || input.write_all(asked.to_string().as_bytes()));
    let output = child.wait_with_output().expect("Python ends");
    writer.join().expect("no panic").expect("Python reads");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let answers: Vec<Option<Vec<Vec<serde_json::Value>>>> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(answers.len(), QUERIES, "one answer per query");

    let mut wrong = Vec::new();
    for ((ours, theirs, tolerances), expected) in queries.iter().zip(&answers) {
        let expected = expected.as_ref().unwrap_or_else(|| panic!("DuckDB refuses {theirs}"));
        let query = parse(ours, "events", &schema()).unwrap_or_else(|e| panic!("{}", e.report(ours)));
        let mut reference = Reference::new(query.clone());
        reference.push(&batch);
        for (who, got) in
            [("reference", reference.answer().ok()), ("engine", engine(&query, &batch).and_then(|rows| values::rows(&rows).ok()))]
        {
            let got = got.unwrap_or_else(|| panic!("{who}: an error of {ours}"));
            let same = |g: &[Value], e: &[serde_json::Value]| g.iter().zip(e).zip(tolerances).all(|((g, e), t)| agree(g, e, *t));
            let rows_agree = got.len() == expected.len() && got.iter().zip(expected).all(|(g, e)| same(g, e));
            if !rows_agree {
                let first = got.iter().zip(expected).find(|(g, e)| !same(g, e));
                wrong.push(format!("{who}: {ours}\nDuckDB's: {theirs}\n  differ first: {first:?}\n"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} answers differ:\n{}", wrong.len(), 2 * QUERIES, wrong.join("\n"));
}
