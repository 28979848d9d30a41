//! SQL to the logical query: what is read, and as what.

use arrow_schema::{DataType as Arrow, Field, Schema, TimeUnit};
use twopath_shared::query::{Query, parse};

fn schema() -> Schema {
    let time = Arrow::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Schema::new(vec![
        Field::new("t", time, false),
        Field::new("origin", Arrow::Utf8, false),
        Field::new("tail", Arrow::Utf8View, true),
        Field::new("delay", Arrow::Int32, true),
        Field::new("distance", Arrow::Float64, true),
        Field::new("cancelled", Arrow::Boolean, false),
        Field::new("Air Time", Arrow::UInt16, true),
        Field::new("day", Arrow::Date32, true),
        Field::new("took", Arrow::Duration(TimeUnit::Second), true),
    ])
}

fn query(sql: &str) -> Query {
    parse(sql, "flights", &schema()).unwrap_or_else(|e| panic!("{}", e.report(sql)))
}

/// The canonical text of a query.
fn canonical(sql: &str) -> String {
    query(sql).to_string()
}

/// The canonical text of one output expression of a query without grouping.
fn expr(sql: &str) -> String {
    let q = query(&format!("SELECT {sql} FROM flights"));
    let names: Vec<String> = q.fields.iter().map(|f| f.name.clone()).collect();
    q.keys[0].expr.named(&names).to_string()
}

#[test]
fn smoke() {
    println!(
        "{}",
        canonical(
            "SELECT origin, COUNT(*) AS n, AVG(delay) FROM TUMBLE(TABLE flights, DESCRIPTOR(t), INTERVAL '1' HOUR) GROUP BY origin, window_start, window_end HAVING COUNT(*) > 3 ORDER BY n DESC, 1 LIMIT 5"
        )
    );
    println!("{}", canonical("SELECT * FROM flights WHERE t >= '2013-01-01' AND delay IN (1,2,3) ORDER BY delay % 7"));
    println!("{}", expr("COALESCE(delay, 0) + 1.5"));
    println!("{}", parse("SELECT orgin FROM flights", "flights", &schema()).unwrap_err().report("SELECT orgin FROM flights"));
    println!(
        "{}",
        parse("SELECT origin FROM flights WHERE (delay", "flights", &schema())
            .unwrap_err()
            .report("SELECT origin FROM flights WHERE (delay")
    );
}
