//! The example of logic of one's own: both architectures give what the reference gives, over events with gaps, and over the clicks of the book.

#[path = "../examples/own_logic/main.rs"]
mod own_logic;

use std::path::Path;

use twopath_query::Value;

#[test]
fn both_architectures_give_what_the_reference_gives() {
    let dir = tempfile::tempdir().unwrap();
    let events = dir.path().join("clicks.csv");
    let rows = "time,user,url,duration_ms\n\
        2024-05-01T12:00:00Z,a,/,10\n\
        2024-05-01T12:00:01Z,b,/cart,\n\
        2024-05-01T12:00:02Z,c,,7\n\
        2024-05-01T12:00:03Z,a,/,25\n\
        2024-05-01T12:00:04Z,b,/cart,\n\
        2024-05-01T12:00:05Z,c,/,\n";
    std::fs::write(&events, rows).unwrap();
    let row = |url: Option<&str>, clicks, mean: Option<f64>, longest: Option<i64>| {
        let url = url.map_or(Value::Null, |url| Value::Text(url.into()));
        vec![url, Value::Int(clicks), mean.map_or(Value::Null, Value::Float), longest.map_or(Value::Null, Value::Int)]
    };
    let expected = [row(Some("/"), 3, Some(17.5), Some(25)), row(Some("/cart"), 2, None, None), row(None, 1, Some(7.0), Some(7))];
    assert_eq!(own_logic::run(&events).unwrap(), expected);
}

#[test]
fn the_example_of_the_book_runs() {
    let clicks = Path::new(env!("CARGO_MANIFEST_DIR")).join("book/clicks/clicks.csv");
    let rows = own_logic::run(&clicks).unwrap();
    let counted: i64 = rows.iter().map(|row| if let Value::Int(n) = row[1] { n } else { panic!("a count is a number") }).sum();
    assert_eq!(counted, 600);
}
